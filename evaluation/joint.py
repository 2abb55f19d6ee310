"""Counted pixels of one image: how often each value of the prediction meets each value of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

IGNORE = 255
Joint = dict[tuple[int, int], int]
"""(value in the prediction, value in the truth) -> number of pixels; only the pairs that occur."""

_FEW = 16  # up to so many value pairs, comparing whole masks is faster than a 65,536-bin histogram
_PEELS = 6  # so many different values are found one by one before a histogram is cheaper


class UnknownValues(ValueError):
    """A mask holds values that are neither a class nor "ignore".

    Attributes:
        side: ``"prediction"`` or ``"truth"``.
        values: the values, ascending.
    """

    def __init__(self, side: str, values: Sequence[int], class_ids: Sequence[int], ignore: int | None) -> None:
        self.side, self.values = side, tuple(sorted(set(values)))
        shown = ", ".join(map(str, self.values[:8])) + (", ..." if len(self.values) > 8 else "")
        known = ", ".join(map(str, class_ids))
        extra = f" (and {ignore} = ignore)" if side == "truth" and ignore is not None else ""
        super().__init__(f"the {side} holds {shown}, but the class ids are {known}{extra}")


def joint_counts(pred: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Joint:
    """How many pixels hold each pair of values: exact, and fast where there are few values.

    Args:
        pred, truth: (H, W) uint8 or bool.

    Raises:
        ValueError: another shape or type, unequal sizes, or no pixels.
    """
    first, second = _checked(pred, "prediction"), _checked(truth, "truth")
    if first.shape != second.shape:
        raise ValueError(f"the prediction is {_size(first)}, the truth is {_size(second)} (height x width)")
    here, there = _single(first), _single(second)
    if here and there:
        return _two_by_two(first, second, here, there)
    left, right = (
        present_values(mask) if told is None else _told(mask, told) for mask, told in ((first, here), (second, there))
    )
    if len(left) * len(right) <= _FEW:
        others = [(b, cv2.compare(second, b, cv2.CMP_EQ)) for b in right]
        found = {}
        for a in left:
            here = cv2.compare(first, a, cv2.CMP_EQ)
            for b, there in others:
                if pixels := cv2.countNonZero(cv2.bitwise_and(here, there)):
                    found[a, b] = pixels
        return found
    codes = first.astype(np.uint16)
    codes <<= 8
    codes |= second
    histogram = np.bincount(codes.ravel(), minlength=1 << 16)
    return {(int(code) >> 8, int(code) & 255): int(histogram[code]) for code in np.flatnonzero(histogram)}


def present_values(mask: npt.NDArray[Any]) -> tuple[int, ...]:
    """The values that occur in an (H, W) uint8 mask, ascending."""
    told = _single(mask)
    if told is not None:
        return _told(mask, told)
    high = int(cv2.norm(mask, cv2.NORM_INF))
    found = [0] if int(cv2.countNonZero(mask)) < mask.size else []
    rest = mask
    for _ in range(_PEELS):
        found.append(high)
        rest = cv2.subtract(rest, cv2.compare(rest, high, cv2.CMP_EQ))  # saturates: the highest value becomes 0
        high = int(cv2.norm(rest, cv2.NORM_INF))
        if not high:
            return tuple(sorted(found))
    histogram = cv2.calcHist([mask], [0], None, [256], [0, 256])
    return tuple(int(value) for value in np.flatnonzero(histogram))


def reduce_joint(joint: Joint, class_ids: Sequence[int], ignore: int | None = IGNORE) -> npt.NDArray[np.int64]:
    """(C, 4) int64: TP, FP, FN, TN of each class against all others; pixels whose truth is ``ignore`` don't count.

    Raises:
        UnknownValues: a value of the prediction or the truth, on a pixel that counts, is no class id.
    """
    place = {value: position for position, value in enumerate(class_ids)}
    result = np.zeros((len(place), 4), np.int64)
    total = 0
    for side, position in (("truth", 1), ("prediction", 0)):
        unknown = [pair[position] for pair in joint if pair[1] != ignore and pair[position] not in place]
        if unknown:
            raise UnknownValues(side, unknown, class_ids, ignore)
    for (predicted, true), pixels in joint.items():
        if true == ignore:
            continue
        total += pixels
        if predicted == true:
            result[place[true], 0] += pixels
        else:
            result[place[predicted], 1] += pixels
            result[place[true], 2] += pixels
    result[:, 3] = total - result[:, :3].sum(1)
    return result


def count_image(
    pred: npt.NDArray[Any], truth: npt.NDArray[Any], class_ids: Sequence[int] = (0, 1), ignore: int | None = IGNORE
) -> npt.NDArray[np.int64]:
    """Count one image.

    Args:
        pred: (H, W) uint8 or bool, class ids.
        truth: (H, W) uint8 or bool, class ids; ``ignore`` marks pixels that are not judged.
        class_ids: which classes there are; background (0) included.

    Returns:
        (C, 4) int64 in the order of ``class_ids``: TP, FP, FN, TN.

    Raises:
        ValueError: unequal sizes, another shape or type.
        UnknownValues: a value that is no class id, for example 255 in a 0/1 prediction.

    >>> count_image(np.array([[1, 1, 0]], np.uint8), np.array([[1, 0, 255]], np.uint8)).tolist()
    [[0, 0, 1, 1], [1, 1, 0, 0]]
    """
    return reduce_joint(joint_counts(pred, truth), class_ids, ignore)


def _checked(mask: npt.NDArray[Any], side: str) -> npt.NDArray[np.uint8]:
    values = np.asarray(mask)
    if values.dtype == np.bool_:
        values = values.view(np.uint8)
    if values.ndim != 2 or values.dtype != np.uint8 or not values.size:
        raise ValueError(f"the {side} must be (H, W) uint8 or bool, not {values.shape} {values.dtype}")
    return np.ascontiguousarray(values)


def _single(mask: npt.NDArray[np.uint8]) -> tuple[int, int] | None:
    """(value, pixels) of the one value besides 0, (0, 0) where there is none; None where there are more."""
    filled, total = int(cv2.countNonZero(mask)), int(cv2.norm(mask, cv2.NORM_L1))
    if total == filled:  # none of them is above 1
        return min(filled, 1), filled
    high = 255 if total == 255 * filled else int(cv2.norm(mask, cv2.NORM_INF))
    return (high, filled) if total == high * filled else None  # none of them is below the highest


def _told(mask: npt.NDArray[np.uint8], single: tuple[int, int]) -> tuple[int, ...]:
    value, pixels = single
    if not pixels:
        return (0,)
    return (0, value) if pixels < mask.size else (value,)


def _two_by_two(
    first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], here: tuple[int, int], there: tuple[int, int]
) -> Joint:
    """The joint counts of two masks that hold 0 and one other value each, from :func:`_single`."""
    (a, one), (b, two) = here, there
    if not (one and two):
        both = 0
    elif a == b:
        both = (one + two - int(cv2.norm(first, second, cv2.NORM_L1)) // a) // 2
    else:
        both = int(cv2.countNonZero(cv2.min(first, second)))
    cells = (((a, b), both), ((a, 0), one - both), ((0, b), two - both), ((0, 0), first.size - one - two + both))
    return {pair: pixels for pair, pixels in cells if pixels}


def _size(mask: npt.NDArray[Any]) -> str:
    return f"{mask.shape[0]} x {mask.shape[1]}"
