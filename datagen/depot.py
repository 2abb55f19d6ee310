"""Prepared floors in a work folder: decoded or made once in a run, and mapped by every worker that shows them.

A photo takes 20 ms to decode and a made floor seconds, while a scene takes a few. Mapped, only the texels that a scene
shows are read, and the workers of a machine share them.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from datagen.floors import Floor
from datagen.ground import Ground, described
from masksmith import files

_HEAD = 512  # bytes of description before the levels
_SPARE = 4 * 1024**3  # bytes of the disk that are left alone


def get(folder: str | os.PathLike[str], name: str, make: Callable[[], Ground]) -> Ground:
    """The floor that is kept as ``name``, or the one that ``make`` gives, which is kept from then on.

    Several processes may do so at once: each writes a file of its own, and the last one stays. On a disk that is nearly
    full nothing is kept.

    Raises:
        EnvironmentFault: the folder cannot be written to.
    """
    path = Path(folder) / name
    found = _mapped(path)
    if found is None:
        found = make()
        with files.disk_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(path.parent).free - found.nbytes > _SPARE:
                _keep(path, found)
    return found


def _keep(path: Path, ground: Ground) -> None:
    about = {
        "id": ground.floor.id,
        "metres": ground.floor.metres,
        "tileable": ground.floor.tileable,
        "shapes": [level.shape[:2] for level in ground.levels],
    }
    head = json.dumps(about).encode()
    if len(head) > _HEAD:  # a file's name may be long
        return
    number, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(number, "wb") as sink:
            sink.write(head.ljust(_HEAD))
            for level in ground.levels:
                sink.write(np.ascontiguousarray(level).data)
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def _mapped(path: Path) -> Ground | None:
    """What is kept at ``path``; None where nothing is, or less than there should be."""
    try:
        flat = np.asarray(np.memmap(path, np.uint8, "r"))
        about = json.loads(flat[:_HEAD].tobytes())
    except (FileNotFoundError, ValueError):
        return None
    levels, start = [], _HEAD
    for rows, columns in about["shapes"]:
        part = flat[start : start + rows * columns * 4]
        if len(part) < rows * columns * 4:
            return None
        levels.append(part.reshape(rows, columns, 4))
        start += len(part)
    smallest = np.ascontiguousarray(levels[-1][..., :3])
    floor = Floor(about["id"], smallest, about["metres"], "", "", "", about["tileable"])
    return described(floor, tuple(levels))
