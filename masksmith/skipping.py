"""Which frames of a video need a new mask, and which can keep the last one.

Dynamic frame skipping: a frame is compared with the last frame that was predicted, and predicted itself when the
difference is among the larger ones of late. The policy sees frames only, never a mask.
Source: Jiang et al., CE-PeopleSeg, "dynamic frame skipping". The paper leaves the start open: here the first
30 frames are predicted, and so is any whose difference cannot be told.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

WINDOW = 3000
WARM_UP = 30


class FrameSkipper:
    """Decides frame by frame; one of them follows one clip.

    A frame's difference is the mean over pixels of |grey - grey of the last predicted frame|, in grey levels (0 to
    255). The frame is predicted when that exceeds the ``alpha``-percentile of the last differences.

    Args:
        alpha: in percent. At 80 a frame is predicted when it differs by more than 80 % of the last differences did; at
            0 every frame is, at 100 only one that differs by more than all of them.
        window: so many differences are held.
        warm_up: so many frames at the start are predicted, whatever they look like.
        floor: in grey levels; a frame that differs by no more than this keeps the last mask after the warm-up, so that
            noise in a still scene is not predicted. None for no floor.

    Attributes:
        seen, predicted: how many frames there were, and how many of them were to be predicted.

    Raises:
        ValueError: a number out of range.

    Example:
        >>> skipper = FrameSkipper(80, warm_up=1)
        >>> frame = np.zeros((4, 4, 3), np.uint8)
        >>> [skipper.wants(frame), skipper.wants(frame), skipper.wants(frame + 9)]
        [True, False, True]
    """

    def __init__(
        self, alpha: float = 80, *, window: int = WINDOW, warm_up: int = WARM_UP, floor: float | None = None
    ) -> None:
        if not 0 <= alpha <= 100:
            raise ValueError(f"alpha is a percentage from 0 to 100, not {alpha}")
        if window < 1 or warm_up < 0 or (floor is not None and not floor >= 0):
            raise ValueError(f"window {window}, warm_up {warm_up} and floor {floor} must not be negative")
        self.alpha, self.window, self.warm_up, self.floor = alpha, window, warm_up, floor
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new clip begins."""
        self.seen = self.predicted = 0
        self._last: npt.NDArray[np.uint8] | None = None
        self._differences: deque[float] = deque()
        self._sorted: list[float] = []

    @property
    def skip_rate(self) -> float:
        """The share of frames so far that kept a mask; 0 before the first."""
        return 1 - self.predicted / self.seen if self.seen else 0.0

    def wants(self, frame: npt.NDArray[Any]) -> bool:
        """Whether this frame is to be predicted; if not, the last mask stays.

        Args:
            frame: (H, W, 3) uint8 RGB or (H, W) uint8 grey. A change of size is a frame to predict.

        Raises:
            ValueError: another shape or type.
        """
        now = grey(frame)
        wanted = self._decide(now)
        self.seen += 1
        if wanted:
            self.predicted += 1
            self._last = now
        return wanted

    def _decide(self, now: npt.NDArray[np.uint8]) -> bool:
        if self._last is None or self._last.shape != now.shape:
            return True
        difference = float(cv2.norm(now, self._last, cv2.NORM_L1)) / now.size
        moved = not self._sorted or difference > self._bar()
        self._remember(difference)
        if self.seen < self.warm_up or self.alpha == 0:
            return True
        return moved and (self.floor is None or difference > self.floor)

    def _bar(self) -> float:
        """The percentile of the differences held, as ``numpy.percentile`` has it, which would sort them each time."""
        place = (len(self._sorted) - 1) * (self.alpha / 100)
        low = int(place)
        share, first = place - low, self._sorted[low]
        second = self._sorted[min(low + 1, len(self._sorted) - 1)]
        gap = second - first
        return first + gap * share if share < 0.5 else second - gap * (1 - share)

    def _remember(self, difference: float) -> None:
        self._differences.append(difference)
        insort(self._sorted, difference)
        if len(self._differences) > self.window:
            del self._sorted[bisect_left(self._sorted, self._differences.popleft())]


def grey(frame: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """(H, W) uint8: a frame's brightness, in an array of its own.

    Raises:
        ValueError: neither (H, W, 3) nor (H, W), or not uint8.
    """
    values = np.asarray(frame)
    if values.dtype != np.uint8 or values.ndim < 2 or values.shape[2:] not in ((), (3,)) or not values.size:
        raise ValueError(f"a frame must be (H, W, 3) RGB or (H, W) grey, uint8, not {values.shape} {values.dtype}")
    if values.ndim == 2:
        return values.copy()  # a camera may fill its buffer again
    return np.asarray(cv2.cvtColor(values, cv2.COLOR_RGB2GRAY), np.uint8)
