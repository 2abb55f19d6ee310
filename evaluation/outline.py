"""A pair of masks cut down to where either has anything: what every boundary figure works on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]

BAND = 0.02
"""Half of a boundary band's width, as a share of the image diagonal (Cheng et al. 2021)."""


@dataclass(frozen=True)
class Outlined:
    """Two masks of 0 and 255, cut out around what either holds.

    Attributes:
        pred, truth: (h, w) uint8; pixels that are not judged are 0 in both.
        ignored: (h, w) uint8, 255 where nothing is judged; None where all of the image is.
        diagonal: of the whole image, in pixels.
        holds: whether either mask holds a pixel.
    """

    pred: Mask
    truth: Mask
    ignored: Mask | None
    diagonal: float
    holds: bool

    @property
    def reach(self) -> int:
        """d: how many pixels a band is wide, 2 % of the diagonal and at least 1."""
        return reach(self.diagonal)

    @classmethod
    def of(cls, pred: npt.NDArray[Any], truth: npt.NDArray[Any], ignored: npt.NDArray[Any] | None = None) -> Outlined:
        """Cut a pair out.

        Args:
            pred, truth: (H, W) bool or uint8; anything but 0 is foreground.
            ignored: (H, W) bool or uint8; pixels other than 0 are not judged.

        Raises:
            ValueError: unequal sizes, another shape or type, or no pixels.
        """
        first, second = _binary(pred, "prediction"), _binary(truth, "truth")
        if first.shape != second.shape:
            raise ValueError(f"the prediction is {first.shape}, the truth is {second.shape} (height, width)")
        if ignored is None:
            return cls.cut(first, second, None)
        third = _binary(ignored, "mask of ignored pixels")
        if third.shape != second.shape:
            raise ValueError(f"the mask of ignored pixels is {third.shape}, the truth is {second.shape}")
        return cls.cut(first, second, third)

    @classmethod
    def cut(cls, pred: Mask, truth: Mask, ignored: Mask | None) -> Outlined:
        """As :meth:`of`, for (H, W) uint8 masks of 0 and 255."""
        height, width = truth.shape
        diagonal = math.hypot(height, width)
        if ignored is not None and cv2.hasNonZero(ignored):
            judged = cv2.bitwise_not(ignored)
            pred, truth = np.asarray(cv2.bitwise_and(pred, judged)), np.asarray(cv2.bitwise_and(truth, judged))
        else:
            ignored = None
        x, y, across, down = cv2.boundingRect(cv2.bitwise_or(pred, truth))
        # outside the box lies background, and one row of it says so; ignored pixels matter as far as a band reaches
        margin = 1 if ignored is None else reach(diagonal) + 1
        part = np.s_[max(y - margin, 0) : y + down + margin, max(x - margin, 0) : x + across + margin]
        kept = (None if mask is None else np.ascontiguousarray(mask[part]) for mask in (pred, truth, ignored))
        first, second, third = kept
        return cls(np.asarray(first), np.asarray(second), third, diagonal, bool(across))


def reach(diagonal: float) -> int:
    """d of an image: how many pixels a boundary band is wide."""
    return max(1, round(BAND * diagonal))


def full(flags: npt.NDArray[np.bool_]) -> Mask:
    """True as 255, false as 0."""
    return np.negative(np.ascontiguousarray(flags).view(np.uint8))


def _binary(mask: npt.NDArray[Any], side: str) -> Mask:
    values = np.asarray(mask)
    if values.ndim != 2 or values.dtype not in (np.uint8, np.bool_) or not values.size:
        raise ValueError(f"the {side} must be (H, W) uint8 or bool, not {values.shape} {values.dtype}")
    return full(values != 0)
