"""Stacks of masks in ``.npy`` and ``.npz`` files, read entry by entry."""

from __future__ import annotations

import functools
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from evaluation.inputs import Pair, match
from evaluation.stored import Mask, Soft, as_ids, as_level, load_array
from masksmith.errors import BadInput

SUFFIXES = (".npy", ".npz")


@dataclass(frozen=True)
class Entry:
    """A mask of a stack: ``key`` names it in a ``.npz``, ``index`` counts it in an array (N, H, W).

    Attributes:
        stamp: the file's time of change, so that a file that was written again is opened again.
    """

    path: Path
    key: str | None = None
    index: int | None = None
    stamp: int = 0

    def __str__(self) -> str:
        place = "" if self.key is None else f"[{self.key}]"
        return f"{self.path}{place}" + ("" if self.index is None else f"[{self.index}]")

    def absolute(self) -> Self:
        return replace(self, path=self.path.absolute())

    def values(self) -> npt.NDArray[Any]:
        """The array as it is stored."""
        stack = _opened(self.path, self.key, self.stamp)
        return stack if self.index is None else stack[self.index]

    def ids(self) -> Mask:
        return as_ids(self.values(), self)

    def level(self) -> Soft:
        return as_level(self.values(), self)


def pair_arrays(pred: Path, truth: Path, *, common: bool = False) -> tuple[list[Pair], list[str]]:
    """Pair the masks of two ``.npy`` stacks by their place, or of two ``.npz`` archives by key (and place).

    Args:
        common: judge the keys that both archives have, instead of refusing others.

    Returns:
        (pairs, notes on what was left out).

    Raises:
        BadInput: two kinds of file, another shape, stacks of unequal length, or keys that one side lacks.
    """
    if pred.suffix.lower() != truth.suffix.lower():
        raise BadInput(pred, f"a {truth.suffix} file as the truth is", f"a {pred.suffix} file", "save both alike")
    if pred.suffix.lower() == ".npy":
        return _along(pred, truth, None), []
    left, right = dict.fromkeys(_keys(pred)), dict.fromkeys(_keys(truth))
    names, notes = match(left, right, pred, truth, common=common)
    return [pair for name in names for pair in _along(pred, truth, name)], notes


def _along(pred: Path, truth: Path, key: str | None) -> list[Pair]:
    sides = [Entry(path, key, stamp=path.stat().st_mtime_ns if path.exists() else 0) for path in (pred, truth)]
    first, second = (_shape(side) for side in sides)
    if len(first) != len(second) or (len(first) == 3 and first[0] != second[0]):
        raise BadInput(
            sides[0], f"{_told(second)} as in {sides[1]}", _told(first), "save the same masks in the same order"
        )
    if len(first) == 2:
        return [Pair(key or pred.stem, *sides)]
    width = len(str(first[0] - 1))
    stem = key or pred.stem
    return [Pair(f"{stem}/{k:0{width}}", *(replace(side, index=k) for side in sides)) for k in range(first[0])]


def _shape(entry: Entry) -> tuple[int, ...]:
    stack = entry.values()
    fix = "save masks (N, H, W) or one mask (H, W)"
    if stack.ndim not in (2, 3) or not stack.size:
        raise BadInput(entry, "masks (N, H, W)", f"an array {stack.shape}", fix)
    if stack.ndim == 3 and stack.shape[-1] in (3, 4) and stack.shape[1] > 4:
        raise BadInput(entry, "masks (N, H, W)", f"{stack.shape}, which looks like colours in the last place", fix)
    if stack.dtype != np.bool_ and not np.issubdtype(stack.dtype, np.number):
        raise BadInput(entry, "masks of ids or levels", f"{stack.dtype} values", "save numbers")
    return stack.shape


def _told(shape: tuple[int, ...]) -> str:
    return f"{shape[0]:,} masks" if len(shape) == 3 else "one mask"


def _keys(path: Path) -> list[str]:
    if not zipfile.is_zipfile(path):
        found = "something else" if path.exists() else "no such file"
        raise BadInput(path, "an archive that numpy.savez wrote", found, "check the path")
    try:
        with np.load(path, allow_pickle=False) as archive:
            keys = list(archive.files)
    except (OSError, ValueError, zipfile.BadZipFile) as fault:
        raise BadInput(
            path, "an archive that numpy.savez wrote", f"something else ({fault})", "save it again"
        ) from None
    if not keys:
        raise BadInput(path, "masks under their names", "an empty archive", "save them again")
    return keys


@functools.lru_cache(maxsize=4)
def _opened(path: Path, key: str | None, stamp: int) -> npt.NDArray[Any]:
    if key is None:
        return load_array(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive[key]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as fault:
        raise BadInput(f"{path}[{key}]", "an array", f"damage ({fault})", "save it again") from None
