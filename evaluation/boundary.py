"""Boundary figures of still masks: how well outlines agree, where region figures see little of them.

A pixel that is not judged is no boundary to its neighbours: nothing is asked of an outline there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation import bits, surface
from evaluation.outline import Mask, Outlined, full
from evaluation.surface import TOLERANCE

CONTOUR_TOLERANCE = 0.008
"""How far a contour may be off in :func:`boundary_f`, as a share of the image diagonal (Perazzi et al. 2016)."""
CONVENTIONS: Mapping[str, str] = {
    "boundary_iou": "IoU of the bands along the foreground's boundary, 2 % of the diagonal wide, mean over images",
    "boundary_f": "F of contour precision and recall within 0.8 % of the diagonal (DAVIS), mean over images",
    "hausdorff95": "95th percentile of the distances between surfaces, the larger of two directions, px, mean over "
    "images",
    "surface_dice": "share of both surfaces within a tolerance of the other, mean over images",
}
"""What :func:`measure` measures, in its order."""
HIGHER = frozenset(CONVENTIONS) - {"hausdorff95"}
"""Shares: higher is better. ``hausdorff95`` is a distance, and 0 is best."""
DISTANCE = tuple(CONVENTIONS).index("hausdorff95")


def boundary_iou(pred: npt.NDArray[Any], truth: npt.NDArray[Any], *, ignored: npt.NDArray[Any] | None = None) -> float:
    """IoU of two boundary bands (Cheng et al. 2021, "Boundary IoU").

    A band is a mask without its erosion by d = max(1, round(0.02 x diagonal)) steps of 3x3, the image being
    zero-padded, so that a mask has a boundary where the image cuts it off.

    Args:
        pred, truth: (H, W) bool or uint8; anything but 0 is foreground.
        ignored: (H, W); pixels other than 0 are not judged.

    Returns:
        A share; NaN where neither mask has a band.

    Raises:
        ValueError: unequal sizes, another shape or type.
    """
    return _band_iou(_Packed.of(Outlined.of(pred, truth, ignored)))


def boundary_f(pred: npt.NDArray[Any], truth: npt.NDArray[Any], *, ignored: npt.NDArray[Any] | None = None) -> float:
    """DAVIS's F (Perazzi et al. 2016): the harmonic mean of contour precision and recall.

    Contour pixels are those that differ from the pixel to the right, below, or both (``seg2bmap``); the image's edge
    is no contour. One is right if a contour pixel of the other mask is within a disk of ceil(0.008 x diagonal) pixels.
    1 where neither mask has a contour, 0 where one has none. Arguments as in :func:`boundary_iou`.
    """
    return _contour_f(_Packed.of(Outlined.of(pred, truth, ignored)))


def outlines(
    pred: npt.NDArray[Any], truth: npt.NDArray[Any], *, ignored: npt.NDArray[Any] | None = None
) -> tuple[float, float]:
    """:func:`boundary_iou` and :func:`boundary_f` of a pair, for less than both cost alone."""
    pair = _Packed.of(Outlined.of(pred, truth, ignored))
    return _band_iou(pair), _contour_f(pair)


def measure(
    pred: Mask,
    truth: Mask,
    class_ids: Sequence[int] = (0, 1),
    ignore: int | None = 255,
    *,
    tolerance: float = TOLERANCE,
) -> npt.NDArray[np.float64]:
    """All boundary figures of one image.

    Args:
        pred: (H, W) uint8, class ids.
        truth: (H, W) uint8, class ids; ``ignore`` marks pixels that are not judged.
        class_ids: the classes; background (0) included.
        tolerance: of ``surface_dice``, in pixels.

    Returns:
        (C, 4) float64 in the order of ``class_ids`` and :data:`CONVENTIONS`. The background's boundary is seen from
        the other side: its row is about everything that is not background. NaN where a class is on neither side,
        where a distance is undefined because it is on one side only, and where all of a boundary is ignored.

    Raises:
        ValueError: unequal sizes, another shape or type.
    """
    if pred.shape != truth.shape or pred.ndim != 2 or pred.dtype != np.uint8 or truth.dtype != np.uint8:
        raise ValueError(f"masks must be (H, W) uint8 of one size, not {pred.shape} and {truth.shape}")
    ignored = None if ignore is None else full(truth == ignore)
    found = np.full((len(class_ids), len(CONVENTIONS)), np.nan)
    for row, class_id in enumerate(class_ids):
        first, second = (full(mask == class_id if class_id else mask != 0) for mask in (pred, truth))
        found[row] = _all(Outlined.cut(first, second, ignored), tolerance)
        if not class_id and len(class_ids) == 2:  # the one other class is all that is not background
            return np.stack([found[row], found[row]])
    return found


def filled(measured: npt.NDArray[np.float64], absent: npt.NDArray[np.bool_], fill: float) -> npt.NDArray[np.float64]:
    """Measured figures (..., 4) with a value for classes that are on neither side.

    Args:
        absent: (...), true where a class is on neither side.
        fill: the share such a class gets: 1, 0, or NaN to leave it out. Its distance is 0 where the share is 1;
            otherwise it is left out, as there is no worst distance.
    """
    values = np.full(len(CONVENTIONS), fill)
    values[DISTANCE] = 0.0 if fill == 1 else math.nan
    return np.where(absent[..., None], values, measured)


def note(tolerance: float | None) -> dict[str, Any]:
    """What the ``info`` of a table of counts says of how boundaries were measured; nothing where they were not."""
    return {} if tolerance is None else {"boundary": {"surface_dice_px": float(tolerance)}}


def _all(pair: Outlined, tolerance: float) -> list[float]:
    if not pair.holds:
        return [math.nan] * len(CONVENTIONS)
    apart, flat = surface.distances(pair), _Packed.of(pair)
    return [_band_iou(flat), _contour_f(flat), surface.percentile(apart), surface.within(pair, apart, tolerance)]


@dataclass(frozen=True)
class _Packed:
    """An :class:`Outlined` pair of one bit a pixel."""

    pred: bits.Bits
    truth: bits.Bits
    ignored: bits.Bits | None
    width: int
    diagonal: float
    reach: int

    @classmethod
    def of(cls, pair: Outlined) -> _Packed:
        ignored = None if pair.ignored is None else bits.packed(pair.ignored)
        sides = bits.packed(pair.pred), bits.packed(pair.truth)
        return cls(*sides, ignored, pair.pred.shape[1], pair.diagonal, pair.reach)


def _band_iou(pair: _Packed) -> float:
    first, second = (_band(mask, pair) for mask in (pair.pred, pair.truth))
    union = bits.count(first | second)
    return bits.count(first & second) / union if union else math.nan


def _band(mask: bits.Bits, pair: _Packed) -> bits.Bits:
    solid = mask if pair.ignored is None else mask | pair.ignored
    return mask & ~bits.shrunk(solid, pair.reach)


def _contour_f(pair: _Packed) -> float:
    first, second = (_contour(mask, pair) for mask in (pair.pred, pair.truth))
    here, there = bits.count(first), bits.count(second)
    if not (here and there):
        return 1.0 if here == there else 0.0
    off = math.ceil(CONTOUR_TOLERANCE * pair.diagonal)
    precision = bits.count(first & bits.disk(second, off)) / here
    recall = bits.count(second & bits.disk(first, off)) / there
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _contour(mask: bits.Bits, pair: _Packed) -> bits.Bits:
    # a pixel differs from one of three neighbours where its 2x2 block is not of one value; outside there is nothing
    some = bits.blocks(mask, pair.width, np.bitwise_or)
    if pair.ignored is None:
        return some & ~bits.blocks(mask, pair.width, np.bitwise_and)
    every = bits.blocks(mask | pair.ignored, pair.width, np.bitwise_and)
    return some & ~(every | pair.ignored)
