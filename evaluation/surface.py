"""How far apart the outlines of two masks are: distances between their surfaces.

The surface of a mask is those of its pixels that have a pixel outside it above, below, left or right; where the image
cuts a mask off, it ends. Distances are Euclidean, in pixels, from pixel centre to pixel centre.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from evaluation.outline import Mask, Outlined

Floats = npt.NDArray[np.float64]

TOLERANCE = 2.0
"""Pixels within which :func:`surface_dice` takes two surfaces for the same."""
_PIXELS_A_POINT = 20  # so many pixels of a distance field cost as much as one point in a search tree
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def surface_distances(
    pred: npt.NDArray[Any], truth: npt.NDArray[Any], *, ignored: npt.NDArray[Any] | None = None
) -> tuple[Floats, Floats] | None:
    """Of each surface pixel of one mask, the distance to the other's surface.

    Args:
        pred, truth: (H, W) bool or uint8; anything but 0 is foreground.
        ignored: (H, W); pixels other than 0 are not judged, and nothing ends at them.

    Returns:
        (those of the prediction (n,), those of the truth (m,)), row by row; None where either has no surface.

    Raises:
        ValueError: unequal sizes, another shape or type.
    """
    return distances(Outlined.of(pred, truth, ignored))


def hausdorff95(
    pred: npt.NDArray[Any], truth: npt.NDArray[Any], *, ignored: npt.NDArray[Any] | None = None, percent: float = 95
) -> float:
    """The symmetric 95th percentile of the surface distances, in pixels: the larger of the two directed ones.

    0 where both masks are empty, NaN where one is. Percentiles are linear between neighbours, as numpy's; with
    ``percent=100`` it is the Hausdorff distance (Huttenlocher et al. 1993). Arguments as in :func:`surface_distances`.

    >>> a = np.zeros((9, 9), np.uint8)
    >>> a[2:7, 2:5] = 1
    >>> hausdorff95(a, np.roll(a, 2, axis=1))
    2.0
    """
    pair = Outlined.of(pred, truth, ignored)
    return percentile(distances(pair), percent) if pair.holds else 0.0


def surface_dice(
    pred: npt.NDArray[Any],
    truth: npt.NDArray[Any],
    *,
    tolerance: float = TOLERANCE,
    ignored: npt.NDArray[Any] | None = None,
) -> float:
    """The share of surface pixels of both masks that are within ``tolerance`` pixels of the other's surface.

    Nikolov et al. 2018, counting pixels. 0 where one mask is empty, NaN where neither has a surface. Arguments as in
    :func:`surface_distances`.
    """
    pair = Outlined.of(pred, truth, ignored)
    return within(pair, distances(pair), tolerance)


def distances(pair: Outlined) -> tuple[Floats, Floats] | None:
    """:func:`surface_distances` of a pair that is cut out already."""
    first, second = (surface(mask, pair.ignored) for mask in (pair.pred, pair.truth))
    if not (first.any() and second.any()):
        return None
    return nearest(first, second), nearest(second, first)


def percentile(found: tuple[Floats, Floats] | None, percent: float = 95) -> float:
    """The larger of the two directed percentiles; NaN where there are no distances."""
    if found is None:
        return math.nan
    return max(float(np.percentile(side, percent)) for side in found)


def within(pair: Outlined, found: tuple[Floats, Floats] | None, tolerance: float) -> float:
    """:func:`surface_dice` from distances."""
    if found is None:
        one_sided = any(surface(mask, pair.ignored).any() for mask in (pair.pred, pair.truth))
        return 0.0 if one_sided else math.nan
    close = sum(int((side <= tolerance).sum()) for side in found)
    return close / sum(side.size for side in found)


def surface(mask: Mask, ignored: Mask | None) -> Mask:
    """(h, w) uint8 0 or 255: the surface of a mask of 0 and 255."""
    solid = mask if ignored is None else cv2.bitwise_or(mask, ignored)
    inner = cv2.erode(solid, _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(cv2.bitwise_and(mask, cv2.bitwise_not(inner)), np.uint8)


def nearest(points: Mask, targets: Mask) -> Floats:
    """(n,) float64: how far each pixel of ``points`` is from the nearest of ``targets``; both (h, w), 0 or 255.

    There must be a target.
    """
    places, goals = _places(points), _places(targets)
    apart = targets[places[:, 1], places[:, 0]] == 0
    found = np.zeros(len(places))
    lost = places[apart]
    few = (len(lost) + len(goals)) * _PIXELS_A_POINT < points.size
    found[apart] = _by_tree(lost, goals) if few else _by_field(lost, targets)
    return found


def _places(mask: Mask) -> npt.NDArray[np.int32]:
    """(n, 2): x and y of the pixels other than 0, row by row."""
    found = cv2.findNonZero(mask)
    return np.zeros((0, 2), np.int32) if found is None else np.asarray(found, np.int32).reshape(-1, 2)


def _by_tree(places: npt.NDArray[np.int32], goals: npt.NDArray[np.int32]) -> Floats:
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(goals, balanced_tree=False, compact_nodes=False).query(places)[0], np.float64)


def _by_field(places: npt.NDArray[np.int32], targets: Mask) -> Floats:
    field = cv2.distanceTransform(cv2.bitwise_not(targets), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # squared distances between pixels are whole numbers: rounding takes the single precision away again
    return np.sqrt(np.rint(np.square(field[places[:, 1], places[:, 0]], dtype=np.float64)))
