"""Decoded pictures and masks at working size in one memory-mapped file: each file of a dataset is decoded once.

The file is a header of 4096 bytes (JSON), then N pictures (H, W, 3) and N masks (H, W), uint8. It is made in parallel,
appears when it is whole, and holds for one state of one dataset: it is made anew when the manifest, the size, or the
date or size of a file has changed. Masks keep their class ids, so every choice of foreground reads the same cache.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from masksmith import __version__, engine, files
from masksmith.errors import BadInput, EnvironmentFault
from masksmith.images import Image, Mask
from masksmith.receipts import Receipts

if TYPE_CHECKING:
    from loaders.samples import Samples

HEADER_BYTES = 4096
SHARD_ITEMS = 64


@dataclass(frozen=True)
class Layout:
    """What a cache file holds: ``count`` samples at (``height``, ``width``) of the state ``key``."""

    key: str
    count: int
    height: int
    width: int

    @property
    def size_bytes(self) -> int:
        """Of the whole file."""
        return HEADER_BYTES + self.count * self.height * self.width * 4

    def header(self) -> bytes:
        return json.dumps({"masksmith_cache": 1, **vars(self)}).encode().ljust(HEADER_BYTES)


class Decoded:
    """The samples of a cache file; pickles as its path, and maps the file where it is used."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path, self.layout = path, layout
        self._maps: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = None

    def pair(self, index: int) -> tuple[Image, Mask]:
        """Picture (H, W, 3) and class ids (H, W) of a sample, as copies."""
        if self._maps is None:
            self._maps = _maps(self.path, self.layout, "r")
        images, masks = self._maps
        return np.array(images[index]), np.array(masks[index])

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "layout": self.layout, "_maps": None}


def decoded(samples: Samples, folder: Path, runner: engine.Engine) -> Decoded:
    """The cache of these samples in ``folder``; made, or made anew, where it is not there as it should be.

    Args:
        samples: of one split at one size; their augmentation and priors do not matter.
        folder: where caches lie; one file a dataset, split and size.
        runner: decodes the files; a run that was stopped goes on.

    Raises:
        BadInput: as :meth:`Samples.decode`, for any file of the split.
        EnvironmentFault: not enough room, no rights, or another run is making the same cache.
    """
    height, width = samples.size
    layout = Layout(_state(samples), len(samples), height, width)
    path = folder / f"{_slot(samples)}.cache"
    if _layout(path) == layout:
        return Decoded(path, layout)
    work = folder / f".{path.name}.making"
    with files.sole_writer(work):
        if _layout(path) != layout:
            _make(samples, path, work, layout, runner)
    shutil.rmtree(work, ignore_errors=True)
    return Decoded(path, layout)


def _make(samples: Samples, path: Path, work: Path, layout: Layout, runner: engine.Engine) -> None:
    part = work / "part"
    job = {**vars(layout), "version": __version__}
    try:
        receipts = Receipts(work, "decode", job)
    except BadInput:  # begun for another state of the dataset
        shutil.rmtree(work / ".receipts", ignore_errors=True)
        part.unlink(missing_ok=True)
        receipts = Receipts(work, "decode", job)
    with files.disk_faults(part):
        if not part.exists() or part.stat().st_size != layout.size_bytes:
            shutil.rmtree(receipts.folder, ignore_errors=True)
            receipts = Receipts(work, "decode", job)
            _reserve(part, path, layout)
        shards = engine.cut(range(layout.count), SHARD_ITEMS)
        runner.map(partial(_fill, samples, part, layout), shards, receipts=receipts, label="decoding")
        with part.open("r+b") as handle:
            handle.write(layout.header())  # last: without it the file is nobody's cache
            os.fsync(handle.fileno())
        os.replace(part, path)


def _reserve(part: Path, path: Path, layout: Layout) -> None:
    """Take the room before anything is decoded."""
    free = shutil.disk_usage(part.parent).free
    stale = path.stat().st_size if path.exists() else 0
    if layout.size_bytes > free + stale:
        raise EnvironmentFault(
            f"{path}: a cache of {layout.count:,} samples at {layout.width} x {layout.height} needs "
            f"{layout.size_bytes / 1e9:.2f} GB, the disk has {free / 1e9:.2f} GB free; "
            "choose another folder or a smaller size, or train without a cache"
        )
    path.unlink(missing_ok=True)  # of another state: useless, and its room is needed
    with part.open("wb") as handle:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle.fileno(), 0, layout.size_bytes)
        else:
            handle.truncate(layout.size_bytes)


def _fill(samples: Samples, part: Path, layout: Layout, shard: engine.Shard) -> dict[str, Any]:
    images, masks = _maps(part, layout, "r+")
    for index in shard.payload:
        images[index], masks[index] = samples.decode(index)
    return {"samples": len(shard.payload)}


def _maps(path: Path, layout: Layout, mode: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    plane = (layout.count, layout.height, layout.width)
    images = np.memmap(path, np.uint8, mode, HEADER_BYTES, (*plane, 3))
    masks = np.memmap(path, np.uint8, mode, HEADER_BYTES + images.size, plane)
    return images, masks


def _layout(path: Path) -> Layout | None:
    """What a finished cache holds; None where there is none, or no whole one."""
    try:
        with path.open("rb") as handle:
            told = json.loads(handle.read(HEADER_BYTES))
        layout = Layout(told["key"], told["count"], told["height"], told["width"])
        return layout if path.stat().st_size == layout.size_bytes else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _state(samples: Samples) -> str:
    """A digest of all that the cache's bytes hang on."""
    dates = []
    for index in range(len(samples)):
        for column in ("image", "mask"):
            try:
                found = samples.path(column, index).stat()
                dates.append((found.st_size, found.st_mtime_ns))
            except OSError:
                dates.append((0, 0))  # reading it will say what is wrong
    return files.digest([samples.digest, list(samples.size), samples.split, files.digest(dates), __version__])


def _slot(samples: Samples) -> str:
    where = files.digest(os.path.realpath(samples.folder))[:8]
    height, width = samples.size
    return f"{Path(os.path.realpath(samples.folder)).name}-{where}-{samples.split or 'all'}-{width}x{height}"
