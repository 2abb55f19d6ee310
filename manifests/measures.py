"""Measures: figures read out of a dataset's pictures once, and kept beside it under the digests of their files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.manifest import Manifest, is_url
from manifests.record import IGNORE
from masksmith import engine, files
from masksmith.errors import BadInput, EnvironmentFault

FOLDER = ".cache"
_AT_A_TIME = 128
_ALONE = 400  # fewer pictures than that are read sooner than worker processes start


def _fingerprint(path: Path) -> str:
    from manifests.fingerprints import as_text, fingerprint
    from masksmith import images

    return as_text(fingerprint(images.read_image(path)))


def _brightness(path: Path) -> str:
    """Mean luma of Rec. 601, 0 to 255."""
    from masksmith import images

    mean = images.read_image(path).mean(axis=(0, 1))
    return f"{float(mean @ np.array([0.299, 0.587, 0.114])):.3f}"


def _area(path: Path) -> str:
    """Share of the pixels that count which are of any class but 0."""
    from masksmith import images

    mask = images.read_mask(path)
    counts = np.bincount(mask.ravel(), minlength=256)
    # a mask of 0 and 255 alone is one without ids, not one without foreground
    ignored = counts[IGNORE] if counts[1:IGNORE].any() else 0
    return f"{(mask.size - ignored - counts[0]) / max(mask.size - ignored, 1):.6f}"


@dataclass(frozen=True)
class Measure:
    """What is read: from which file of a record, and how (a path to a short text)."""

    name: str
    column: str
    read: Callable[[Path], str]
    version: int = 1


MEASURES = {
    each.name: each
    for each in (
        Measure("fingerprint", "image", _fingerprint),
        Measure("brightness", "image", _brightness),
        Measure("area", "mask", _area),
    )
}


@dataclass(frozen=True)
class Measured:
    """(N,) a text a record, None where there is none; and what could not be read, the first of each kind of fault."""

    values: list[str | None]
    unread: int
    faults: tuple[str, ...]


def measure(manifest: Manifest, name: str, runs: engine.Engine | None = None, *, keep: bool = True) -> Measured:
    """Read a measure of every record; those whose file is known by its SHA-256 are read once and kept.

    With ``keep`` false nothing is written.

    What cannot be read (no file, a damaged one, one at a URL) is counted and left out.
    """
    what = MEASURES[name]
    kept = _load(manifest.folder, what)
    table = manifest.table([what.column, f"sha256_{what.column}"])
    paths = table.column(0).to_pylist()
    digests = table.column(1).to_pylist()
    todo: dict[str, str] = {}
    for path, digest in zip(paths, digests, strict=True):
        if path and not is_url(path) and (not digest or digest not in kept):
            todo.setdefault(digest or path, path)
    keys = list(todo)
    shards = engine.cut([[str(manifest.folder), name, key, todo[key]] for key in keys], _AT_A_TIME)
    runs = runs or engine.get("serial")
    if len(keys) < _ALONE:
        runs = engine.get("serial")
    read: dict[str, str] = {}
    faults: list[str] = []
    for result in runs.map(_look, shards, label=name) if shards else []:
        read.update(result["read"])
        faults += result["faults"]
    known = {digest for digest in digests if digest}
    fresh = {key: value for key, value in read.items() if key in known}
    if fresh and keep:
        _save(manifest.folder, what, {**kept, **fresh})
    everything = {**kept, **read}
    values = [everything.get(digest or path) if path else None for path, digest in zip(paths, digests, strict=True)]
    without = sum(bool(path) and value is None for path, value in zip(paths, values, strict=True))
    return Measured([value or None for value in values], without, tuple(faults[:3]))


def _look(shard: engine.Shard) -> dict[str, object]:
    read: dict[str, str] = {}
    faults: list[str] = []
    for folder, name, key, path in shard.payload:
        try:
            read[key] = MEASURES[name].read(Path(folder) / path)
        except (BadInput, EnvironmentFault) as fault:
            faults.append(str(fault))
    return {"read": read, "faults": faults[:3]}


def _place(folder: Path, what: Measure) -> Path:
    return folder / FOLDER / f"{what.name}-{what.version}.parquet"


def _load(folder: Path, what: Measure) -> dict[str, str]:
    try:
        table = pq.read_table(_place(folder, what), columns=["sha256", "value"])
        return dict(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))
    except (OSError, pa.ArrowException, KeyError):
        return {}  # not there, or cut off: it is only what can be read again


def _save(folder: Path, what: Measure, values: Mapping[str, str]) -> None:
    keys: Sequence[str] = sorted(values)
    table = pa.table({"sha256": keys, "value": [values[key] for key in keys]})
    with contextlib.suppress(EnvironmentFault), files.atomic(_place(folder, what)) as part:
        pq.write_table(table, part, compression="zstd")  # a folder that cannot be written to is only read again
