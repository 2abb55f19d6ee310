"""How still predictions are, step by step: along the motion, at the truth's boundary, and where the truth rests.

Each class here takes frames one at a time and holds the last one, so a clip may be of any length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from evaluation.motion import Motion
from evaluation.outline import reach

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Box = tuple[int, int, int, int]
"""Top, bottom, left, right; bottom and right excluded."""

WINDOWS = (8, 16)
_SLACK = 16  # pixels around a band in which the distances are worked out too, for the frame after


def band_px(height: int, width: int) -> int:
    """The half width of the band around a boundary: that of Boundary IoU, :func:`evaluation.outline.reach`."""
    return reach(math.hypot(height, width))


def signed_distance(mask: npt.NDArray[Any], beyond: float | None = None) -> Floats:
    """Euclidean distance to the mask's boundary in pixels, positive inside: (H, W) float32.

    The boundary runs between pixels, so the first pixels on either side have +0.5 and -0.5, and a mask grown by one
    pixel has a distance larger by 1. The picture's edge is no boundary. A mask that is empty or full has none: it has
    ``-beyond`` or ``beyond`` everywhere.

    Args:
        mask: (H, W), foreground where not 0.
        beyond: by default the diagonal, which no distance exceeds.
    """
    front = np.ascontiguousarray(mask != 0).view(np.uint8)
    filled = cv2.countNonZero(front)
    if filled in (0, front.size):
        beyond = math.hypot(*front.shape) if beyond is None else beyond
        return np.full(front.shape, beyond if filled else -beyond, np.float32)
    found = cv2.distanceTransform(cv2.bitwise_xor(front, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    found = np.subtract(np.float32(0.5), found, out=found)
    top, bottom, left, right = _around(front, 1)  # the nearest pixel outside is not farther away than this
    core = (slice(top, bottom), slice(left, right))
    inner = cv2.distanceTransform(np.ascontiguousarray(front[core]), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    np.subtract(inner, np.float32(0.5), out=found[core], where=inner > 0)
    return np.asarray(found, np.float32)


class WarpOverlap:
    """``warp_iou``: the IoU of each mask with the one before it, moved along; summed over the clip's visible pixels."""

    def __init__(self) -> None:
        self._both = self._either = self._seen = 0

    def update(self, before: Bools, now: Bools, motion: Motion) -> None:
        """Take a step between two masks (H, W) bool."""
        moved, seen = motion.mask_before(before), motion.visible
        self._seen += int(np.count_nonzero(seen))
        self._both += int(np.count_nonzero(now & moved & seen))
        self._either += int(np.count_nonzero((now | moved) & seen))

    def figure(self) -> float:
        """1 where nothing was ever foreground; NaN where no pixel was visible in two frames."""
        if not self._either:
            return 1.0 if self._seen else math.nan
        return self._both / self._either


class Boundary:
    """``boundary_jitter_px`` and ``boundary_flip_rate``: how the error moves in a band around the truth's boundary.

    With e = sdf(M) - sdf(G) and w(x) the place of x in the frame before, the jitter of a step is the mean of
    |e_t(x) - e_{t-1}(w(x))| over the band |sdf(G_t)| <= d. A constant bias costs nothing. Pixels that are ignored in
    either frame, or hidden in the one before, don't count.

    A step where one of the truths has no boundary (empty, or all of the picture) has no jitter: ``bandless`` counts
    them. Where only the prediction has none, it counts as a diagonal away, and ``lost`` counts it.

    Args:
        band: d in pixels; by default :func:`band_px`.
    """

    def __init__(self, band: int | None = None) -> None:
        self.band = band
        self.bandless = self.lost = 0
        self._total, self._steps = 0.0, 0
        self._flips = self._judged = 0
        self._last: _Errors | None = None

    def update(self, mask: Bools, goal: Bools, valid: Bools, motion: Motion | None, *, follows: bool) -> None:
        """Take the next frame.

        Args:
            mask, goal: (H, W) bool, prediction and truth.
            valid: (H, W) bool, False where ignored.
            motion: from the frame before; None for none at all (w(x) = x).
            follows: whether the frame before is the neighbour of this one.
        """
        if self.band is None:
            self.band = band_px(*mask.shape)
        before, now = self._last, _Errors(mask, goal, valid, self.band)
        self._last = now
        if before is None or not follows:
            return
        if not now.bounded:
            self.bandless += 1
            return
        zone = now.zone()
        area = _slices(zone)
        counted = now.band_in(zone) & valid[area]
        source = None
        if motion is None:
            counted &= before.valid[area]
        else:
            counted &= motion.visible[area]
            source = np.ascontiguousarray(motion.source[area])
            counted &= _nearest(before.valid, source)
        pixels = int(np.count_nonzero(counted))
        if pixels:
            wrong = before.wrong[area] if source is None else _nearest(before.wrong, source)
            self._flips += int(np.count_nonzero((now.wrong[area] ^ wrong) & counted))
            self._judged += pixels
        if not (pixels and before.bounded):
            self.bandless += 1
            return
        self.lost += now.lost or before.lost
        moved = np.abs(now.error_in(zone) - before.error_at(zone, source, counted))
        self._total += float(moved[counted].mean(dtype=np.float64))
        self._steps += 1

    def jitter_px(self) -> float:
        """Mean over steps; NaN where none has a band."""
        return self._total / self._steps if self._steps else math.nan

    def flip_rate(self) -> float:
        """Share over the band pixels of all steps; NaN where there are none."""
        return self._flips / self._judged if self._judged else math.nan


class Constancy:
    """``vc8`` and ``vc16``: of the pixels where the truth rests for n frames, the share where the prediction does too.

    A mean over all windows of n frames, the last one included (VSPW, Miao et al., CVPR 2021, leaves it out). Instead
    of n frames, the length of each pixel's rest is held.
    """

    def __init__(self, windows: Sequence[int] = WINDOWS) -> None:
        self.windows = tuple(windows)
        if not self.windows or min(self.windows) < 2 or max(self.windows) > 255:
            raise ValueError(f"windows must be of 2 to 255 frames, not {self.windows}")
        self.undefined = dict.fromkeys(self.windows, 0)
        self._shares = dict.fromkeys(self.windows, 0.0)
        self._number = dict.fromkeys(self.windows, 0)
        self._last: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = None
        self._row = 0

    def update(self, mask: Bools, goal: Bools, valid: Bools, *, follows: bool) -> None:
        """Take the next frame, as in :meth:`Boundary.update`."""
        now = (_bytes(mask), _bytes(goal))
        if self._last is None or not follows:
            self._row = 1
            self._rest = [np.ones(mask.shape, np.uint8) for _ in now]
        else:
            self._row += 1
            for rest, one, other in zip(self._rest, now, self._last, strict=True):
                same = cv2.compare(one, other, cv2.CMP_EQ)
                cv2.bitwise_and(rest, same, dst=rest)
                cv2.add(rest, 1, dst=rest)  # stops at 255
        self._rest[1][~valid] = 0
        self._last = now
        for window in self.windows:
            if self._row >= window:
                self._judge(window)

    def _judge(self, window: int) -> None:
        still, calm = (cv2.compare(rest, window, cv2.CMP_GE) for rest in reversed(self._rest))
        pixels = cv2.countNonZero(still)
        if not pixels:
            self.undefined[window] += 1
            return
        self._shares[window] += cv2.countNonZero(cv2.bitwise_and(still, calm)) / pixels
        self._number[window] += 1

    def figure(self, window: int) -> float:
        """NaN for a clip shorter than the window, or where the truth rests nowhere."""
        number = self._number[window]
        return self._shares[window] / number if number else math.nan


class _Errors:
    """The error of one frame, worked out where it is asked for."""

    def __init__(self, mask: Bools, goal: Bools, valid: Bools, band: int) -> None:
        self.valid, self._band = valid, band
        whole = bool(valid.all())
        self._mask, self._goal = (_bytes(side if whole else side & valid) for side in (mask, goal))
        self.wrong = np.asarray(self._mask != self._goal)
        self.bounded = 0 < cv2.countNonZero(self._goal) < goal.size
        self.lost = not 0 < cv2.countNonZero(self._mask) < mask.size
        self._box: Box | None = None

    def zone(self) -> Box:
        """Where the band is."""
        return _around(self._goal, self._band + 1)

    def band_in(self, zone: Box) -> Bools:
        self._measure(_wider(zone, _SLACK, self._goal.shape))
        return np.asarray(np.abs(self._truth[self._inner(zone)]) <= self._band)

    def error_in(self, zone: Box) -> Floats:
        self._measure(zone)
        return np.asarray(self._error[self._inner(zone)])

    def error_at(self, zone: Box, source: Floats | None, counted: Bools) -> Floats:
        """The error at the places ``source`` (h, w, 2) of a zone's pixels; right only where ``counted``."""
        if source is None:
            return self.error_in(zone)
        places = source[counted]
        low, high = np.floor(places.min(0)).astype(int), np.ceil(places.max(0)).astype(int) + 1
        height, width = self._goal.shape
        left, right = (int(np.clip(edge, 0, width)) for edge in (low[0], high[0]))
        top, bottom = (int(np.clip(edge, 0, height)) for edge in (low[1], high[1]))
        # a place up to half a pixel outside takes the value at the edge
        self._measure((min(top, height - 1), max(bottom, 1), min(left, width - 1), max(right, 1)))
        box = self._box or (0, 0, 0, 0)
        shifted = source - np.array([box[2], box[0]], np.float32)
        return np.asarray(
            cv2.remap(self._error, shifted, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
        )

    def _measure(self, needed: Box) -> None:
        if self._box is not None and _holds(self._box, needed):
            return
        # both masks must lie inside with one pixel around them: then no distance changes by leaving the rest out
        box = _joined(needed, _around(cv2.bitwise_or(self._mask, self._goal), 1))
        self._box, area = box, _slices(box)
        diagonal = math.hypot(*self._goal.shape)
        self._truth = signed_distance(self._goal[area], diagonal)
        if self.wrong[area].any():
            self._error = signed_distance(self._mask[area], diagonal) - self._truth
        else:  # two runs over the same mask may differ in the last bit
            self._error = np.zeros_like(self._truth)

    def _inner(self, zone: Box) -> tuple[slice, slice]:
        top, _, left, _ = self._box or (0, 0, 0, 0)
        return slice(zone[0] - top, zone[1] - top), slice(zone[2] - left, zone[3] - left)


def _bytes(mask: Bools) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(mask).view(np.uint8)


def _around(mask: npt.NDArray[np.uint8], margin: int) -> Box:
    """The box of a mask's foreground with ``margin`` pixels around it; the whole picture for an empty one."""
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return 0, mask.shape[0], 0, mask.shape[1]
    return _wider((top, top + height, left, left + width), margin, mask.shape)


def _wider(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    top, bottom, left, right = box
    return max(top - margin, 0), min(bottom + margin, shape[0]), max(left - margin, 0), min(right + margin, shape[1])


def _joined(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), max(a[3], b[3])


def _holds(outer: Box, inner: Box) -> bool:
    return _joined(outer, inner) == outer


def _slices(box: Box) -> tuple[slice, slice]:
    return slice(box[0], box[1]), slice(box[2], box[3])


def _nearest(values: Bools, source: Floats) -> Bools:
    """The values at the pixels nearest to places (h, w, 2) in x and y."""
    found = cv2.remap(_bytes(values), source, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.uint8).view(np.bool_)
