"""How masks are coded: which values their pixels have, and which class ids these stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from manifests import IGNORE
from masksmith.errors import BadInput

SHOWN_VALUES = 12
_USUAL = (0, 1, IGNORE)
EMPTY, BITS, BYTES, OTHER = "empty", "0/1", "0/255", "other"


@dataclass
class Tally:
    """The values of many masks.

    Attributes:
        pixels: value to number of pixels.
        first: value to the first file that has it.
        kinds: kind of coding (``empty``, ``0/1``, ``0/255``, ``other``) to [number of files, first file, its values].
    """

    pixels: dict[int, int] = field(default_factory=dict)
    first: dict[int, str] = field(default_factory=dict)
    kinds: dict[str, tuple[int, str, list[int]]] = field(default_factory=dict)

    def add(self, path: str, mask: npt.NDArray[np.uint8]) -> str:
        """Count an (H, W) mask; the kind of coding it can have."""
        counts = _histogram(mask)
        values = [int(value) for value in np.flatnonzero(counts)]
        self._merge(
            {value: int(counts[value]) for value in values},
            dict.fromkeys(values, path),
            {kind(values): (1, path, values)},
        )
        return kind(values)

    def as_json(self) -> dict[str, Any]:
        return {
            "pixels": {str(value): number for value, number in self.pixels.items()},
            "first": {str(value): path for value, path in self.first.items()},
            "kinds": {name: list(entry) for name, entry in self.kinds.items()},
        }

    @staticmethod
    def together(parts: Iterable[Mapping[str, Any]]) -> Tally:
        """The sum of tallies that :meth:`as_json` gave, in the order of their files."""
        total = Tally()
        for part in parts:
            total._merge(
                {int(value): number for value, number in part["pixels"].items()},
                {int(value): path for value, path in part["first"].items()},
                {name: (entry[0], entry[1], entry[2]) for name, entry in part["kinds"].items()},
            )
        return total

    def _merge(
        self,
        pixels: Mapping[int, int],
        first: Mapping[int, str],
        kinds: Mapping[str, tuple[int, str, list[int]]],
    ) -> None:
        for value, number in pixels.items():
            self.pixels[value] = self.pixels.get(value, 0) + number
        for value, path in first.items():
            self.first.setdefault(value, path)
        for name, (number, path, values) in kinds.items():
            before = self.kinds.get(name, (0, path, values))
            self.kinds[name] = (before[0] + number, before[1], before[2])


@dataclass(frozen=True)
class Coding:
    """What the values of a dataset's masks mean.

    Attributes:
        classes: class name to id.
        ids: value to class id where they differ; empty = the masks hold ids already.
        notes: what the user should know, a sentence each.
    """

    classes: Mapping[str, int]
    ids: Mapping[int, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def apply(self, mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """(H, W) values as (H, W) class ids."""
        table = np.arange(256, dtype=np.uint8)
        for value, number in self.ids.items():
            table[value] = number
        return np.asarray(cv2.LUT(mask, table), np.uint8)

    def shares(self, tally: Tally) -> dict[str, float]:
        """Class name (and ``ignore``) to its share of all pixels of masks."""
        pixels: dict[int, int] = {}
        for value, number in tally.pixels.items():
            pixels[self.ids.get(value, value)] = pixels.get(self.ids.get(value, value), 0) + number
        total = max(sum(pixels.values()), 1)
        shares = {name: pixels.get(number, 0) / total for name, number in self.classes.items()}
        return {**shares, "ignore": pixels[IGNORE] / total} if IGNORE in pixels else shares


def kind(values: Sequence[int]) -> str:
    """The kind of coding that a mask with these values can have."""
    if set(values) <= {0}:
        return EMPTY
    if set(values) <= {0, 1}:
        return BITS
    return BYTES if set(values) <= {0, 255} else OTHER


def decide(tally: Tally, classes: Mapping[str, int] | None, class_name: str, fixed: bool = False) -> Coding:
    """What the masks of a dataset mean: by ``classes``, or as two classes where that is None.

    Args:
        fixed: ``classes`` is the dataset's published table and no guess of a user.

    Raises:
        BadInput: values that no class has, or masks of 0/1 beside masks of 0/255.
    """
    if not tally.kinds:  # no masks at all
        return Coding(classes or {"background": 0, class_name: 1})
    return _binary(tally, class_name) if classes is None else _named(tally, classes, fixed)


def _binary(tally: Tally, class_name: str) -> Coding:
    classes = {"background": 0, class_name: 1}
    if OTHER in tally.kinds:
        number, path, values = tally.kinds[OTHER]
        raise BadInput(
            path,
            "masks of 0/1 or 0/255",
            f"the values {_listed(values)} ({number} such masks)",
            'name the classes: --classes "background=0,foot=1,..."',
        )
    if BITS in tally.kinds and BYTES in tally.kinds:
        (many, path, _), (few, other, _) = tally.kinds[BYTES], tally.kinds[BITS]
        raise BadInput(
            path,
            "one coding in all masks",
            f"0/255 in {many} masks such as this one and 0/1 in {few} masks such as {other}",
            "write all of them as 0/1 or all as 0/255",
        )
    told = ", ".join(f"{name}={number}" for name, number in classes.items())
    if BYTES in tally.kinds:
        return Coding(classes, {255: 1}, (f"masks of 0/255: read as two classes, {told}",))
    if BITS in tally.kinds:
        return Coding(classes, {}, (f"masks of 0/1: read as two classes, {told}",))
    return Coding(classes, {}, (f"every mask is empty (all 0): read as two classes, {told}",))


def _named(tally: Tally, classes: Mapping[str, int], fixed: bool) -> Coding:
    unknown = sorted(set(tally.pixels) - set(classes.values()) - {IGNORE})
    if unknown:
        path = tally.first[unknown[0]]
        here = [value for value in unknown if tally.first[value] == path]
        rest = [value for value in unknown if tally.first[value] != path]
        told = f", and {_listed(rest)} in other masks" if rest else ""
        raise BadInput(
            path,
            f"the ids {_listed(sorted(classes.values()))} (or {IGNORE} to ignore)",
            f"the values {_listed(here)}{told}",
            "correct the masks, or check --from" if fixed else "name them in --classes, or correct the masks",
        )
    if not fixed and set(tally.kinds) <= {EMPTY, BYTES} and BYTES in tally.kinds:
        raise BadInput(
            tally.kinds[BYTES][1],
            f"class ids, with {IGNORE} for pixels to ignore",
            "0 and 255 alone in every mask",
            "leave --classes out; --class-name names the foreground of such masks",
        )
    notes = []
    if IGNORE in tally.pixels:
        share = tally.pixels[IGNORE] / sum(tally.pixels.values())
        notes.append(f"{share:.2%} of all pixels are {IGNORE}: they count for nothing")
    if not fixed and BYTES in tally.kinds:
        number, path, _ = tally.kinds[BYTES]
        notes.append(f"{number} masks hold {IGNORE} and no class but 0, such as {path}: is it foreground there?")
    return Coding(dict(classes), {}, tuple(notes))


def _histogram(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """(256,) pixels of each value.

    Masks of two classes need three comparisons; for others OpenCV's own count is still faster than numpy's, and exact
    below 2**24 pixels.
    """
    usual = np.zeros(256, np.int64)
    for value in _USUAL:
        usual[value] = np.count_nonzero(mask == value)
    if int(usual.sum()) == mask.size:
        return usual
    rows = max(1, (1 << 23) // max(mask.shape[1], 1))
    counts = np.zeros(256, np.int64)
    for start in range(0, mask.shape[0], rows):
        counts += cv2.calcHist([mask[start : start + rows]], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return counts


def _listed(values: Sequence[int]) -> str:
    more = len(values) - SHOWN_VALUES
    return ", ".join(map(str, values[:SHOWN_VALUES])) + (f" and {more} more" if more > 0 else "")
