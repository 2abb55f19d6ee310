"""Motion between neighbouring frames: where each pixel was before, and whether it was to be seen there.

Motion is known exactly (a synthetic clip) or estimated from the pictures by optical flow; the two are told apart by
``Motion.kind``, so that a figure can say which one it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from masksmith.errors import unknown_choice

Floats = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

KNOWN, IDENTITY = "known", "identity"
SMALLEST = 12  # pixels: DIS cannot work on a picture with a shorter side
_SLOPE, _OFFSET = 0.01, 0.5


@dataclass(frozen=True)
class Motion:
    """Where the pixels of a frame were in the frame before.

    Attributes:
        source: (H, W, 2) float32, x and y in pixels of the frame before; finite everywhere.
        visible: (H, W) bool: the place lies inside the picture and was not hidden.
        kind: ``known``, or the method it was estimated with (one of :data:`METHODS`).
    """

    source: Floats
    visible: Bools
    kind: str

    def mask_before(self, mask: npt.NDArray[Any]) -> Bools:
        """The mask (H, W) of the frame before, moved to this one: bilinear, foreground from a half on."""
        moved = self._sampled((mask != 0).astype(np.uint8) * np.uint8(255), cv2.INTER_LINEAR)
        return np.asarray(moved >= 128)

    def _sampled(self, values: npt.NDArray[Any], way: int) -> npt.NDArray[Any]:
        if values.shape != self.visible.shape:
            raise ValueError(f"the motion is {self.visible.shape}, the frame is {values.shape} (height, width)")
        return np.asarray(cv2.remap(values, self.source, None, way, borderMode=cv2.BORDER_REPLICATE))


def known(
    backward: npt.NDArray[Any],
    forward: npt.NDArray[Any] | None = None,
    *,
    valid: npt.NDArray[Any] | None = None,
) -> Motion:
    """Exact motion, as a synthetic clip knows it.

    Args:
        backward: (H, W, 2) float, (dx, dy) in pixels: what is at (x, y) in this frame was at (x + dx, y + dy) in the
            frame before. NaN where it was hidden there.
        forward: (H, W, 2) float, the same the other way round: where the pixels of the frame before went. With it,
            pixels that were hidden are found by :func:`consistent`.
        valid: (H, W) bool or of 0 and other numbers; what is false was hidden.

    Raises:
        ValueError: another shape.
    """
    flow = _checked(backward)
    seen = np.asarray(np.isfinite(flow).all(-1))
    if valid is not None:
        given = np.asarray(valid)
        if given.shape != seen.shape:
            raise ValueError(f"the motion is {seen.shape}, its valid pixels are {given.shape} (height, width)")
        seen &= given != 0
    flow = np.where(seen[..., None], flow, np.float32(0))
    if forward is not None:
        back = _checked(forward)
        if back.shape != flow.shape:
            raise ValueError(f"the motions are {flow.shape} and {back.shape}")
        seen &= consistent(flow, back)
    return _moved(flow, seen, KNOWN)


def consistent(backward: Floats, forward: Floats) -> Bools:
    """(H, W) bool: going back and forth again ends near the start; elsewhere the pixel was hidden.

    The bound is |b + f|^2 <= 0.01 (|b|^2 + |f|^2) + 0.5 (Sundaram, Brox and Keutzer, ECCV 2010, section 3), f taken at
    the place where b leads.
    """
    source = _places(backward)
    back = cv2.remap(forward, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    missed = np.square(backward + back).sum(-1)
    lengths = np.square(backward).sum(-1) + np.square(back).sum(-1)
    return np.asarray(missed <= _SLOPE * lengths + _OFFSET)


def grey(picture: npt.NDArray[Any], height: int, width: int) -> Grey:
    """(H, W) uint8 brightness of an (H, W, 3) uint8 RGB picture of that size.

    Raises:
        ValueError: another size or type.
    """
    if picture.dtype != np.uint8 or picture.shape != (height, width, 3):
        raise ValueError(
            f"the picture is {picture.shape} {picture.dtype}, the mask is {(height, width)}: it must be as large, RGB"
        )
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


class Estimator:
    """Optical flow between two pictures, in both directions.

    Args:
        method: one of :data:`METHODS`.

    Raises:
        UsageProblem: an unknown method.
    """

    def __init__(self, method: str = "dis") -> None:
        if method not in METHODS:
            raise unknown_choice("optical flow", method, METHODS)
        self.method = method
        self._flow = METHODS[method]()

    def between(self, before: Grey, now: Grey) -> Motion:
        """The motion from ``now`` back to ``before``, both (H, W) uint8; hidden pixels by :func:`consistent`.

        Raises:
            ValueError: unequal sizes, or a side of less than :data:`SMALLEST` pixels.
        """
        if before.shape != now.shape:
            raise ValueError(f"the pictures are {before.shape} and {now.shape} (height, width)")
        if min(now.shape) < SMALLEST:
            raise ValueError(f"optical flow needs pictures of at least {SMALLEST} pixels a side, not {now.shape}")
        backward, forward = self._flow(now, before), self._flow(before, now)
        return _moved(backward, consistent(backward, forward), self.method)


def _dis() -> Callable[[Grey, Grey], Floats]:
    """Dense inverse search (Kroeger et al., ECCV 2016); OpenCV's quicker presets lose fast limbs."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return lambda first, second: np.asarray(search.calc(first, second, None), np.float32)


def _farneback() -> Callable[[Grey, Grey], Floats]:
    """Polynomial expansion (Farneback, SCIA 2003), with the settings of OpenCV's own example."""

    def flow(first: Grey, second: Grey) -> Floats:
        found = cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 3, 5, 1.2, 0)
        return np.asarray(found, np.float32)

    return flow


METHODS: Mapping[str, Callable[[], Callable[[Grey, Grey], Floats]]] = {"dis": _dis, "farneback": _farneback}
"""Name -> maker of a function (first, second) -> (H, W, 2) displacement from first to second."""


def _moved(flow: Floats, seen: Bools, kind: str) -> Motion:
    source = _places(flow)
    height, width = seen.shape
    x, y = source[..., 0], source[..., 1]
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return Motion(source, inside & seen, kind)


def _places(flow: Floats) -> Floats:
    height, width = flow.shape[:2]
    source = flow.copy()
    source[..., 0] += np.arange(width, dtype=np.float32)
    source[..., 1] += np.arange(height, dtype=np.float32)[:, None]
    return source


def _checked(flow: npt.NDArray[Any]) -> Floats:
    values = np.asarray(flow, np.float32)
    if values.ndim != 3 or values.shape[2] != 2 or not values.size:
        raise ValueError(f"motion must be (H, W, 2), not {values.shape}")
    return values
