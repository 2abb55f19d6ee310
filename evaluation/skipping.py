"""What skipping frames costs: quality and steadiness against the share of frames that kept the mask before.

Predictions of all frames are given; for each alpha a :class:`masksmith.skipping.FrameSkipper` chooses the frames whose
prediction is taken, the others keep the last one, and the masks so made are judged against the truth of every frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation import region
from evaluation.counts import IGNORE, CountsBuilder, count_image
from evaluation.temporal import change
from masksmith import skipping

Bools = npt.NDArray[np.bool_]

ALPHAS = (0.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0)
CONVENTIONS: Mapping[str, str] = {
    "alpha": "percentile of the last differences that a frame must exceed to be predicted; 0 predicts every frame",
    "frames": "frames of all clips",
    "predicted": "frames whose own prediction was taken",
    "realised_skip_rate": "share of frames that kept the mask before",
    **region.CONVENTIONS,
    "flicker": "1 - IoU of neighbouring masks, mean over frames, then over clips",
    "flicker_excess": "flicker minus the truth's own, mean over clips",
}
"""The keys of a row of :meth:`SkipCurve.rows`."""


class SkipCurve:
    """Takes the frames of clips in order; the frames of a clip come together.

    Args:
        alphas: in percent; one row each, in this order.
        threshold: a soft prediction of at least this is foreground.
        empty: what a class absent from both sides gets, as in :func:`evaluation.region.reduce`.
        window, warm_up, floor: of the :class:`masksmith.skipping.FrameSkipper`.

    Raises:
        ValueError: no alphas, or a number out of range.
    """

    def __init__(
        self,
        alphas: Sequence[float] = ALPHAS,
        *,
        threshold: float = 0.5,
        empty: str = "one",
        window: int = skipping.WINDOW,
        warm_up: int = skipping.WARM_UP,
        floor: float | None = None,
    ) -> None:
        if not alphas:
            raise ValueError("a curve needs one alpha at least")
        self.threshold, self.empty = threshold, empty
        self._points = [
            _Point(skipping.FrameSkipper(alpha, window=window, warm_up=warm_up, floor=floor)) for alpha in alphas
        ]
        self._clip: str | None = None
        self._frames = 0
        self._before: tuple[Bools, Bools] | None = None

    def update(
        self,
        picture: npt.NDArray[Any],
        pred: npt.NDArray[Any],
        truth: npt.NDArray[Any],
        *,
        clip: str = "clip",
        follows: bool = True,
    ) -> None:
        """Take the next frame.

        Args:
            picture: (H, W, 3) uint8 RGB or (H, W) uint8 grey; its size need not be the masks'.
            pred: (H, W), either soft float in [0, 1] or a mask of bool or uint8 where anything but 0 is foreground.
            truth: (H, W) uint8 or bool: 0 background, 255 ignore (uint8 only), anything else foreground.
            clip: its name; another one than before begins anew.
            follows: whether the frame before is its neighbour; no flicker is counted over a gap.

        Raises:
            ValueError: another shape or type, or prediction and truth differ in size.
        """
        soft = np.asarray(pred)
        mask = soft >= self.threshold if np.issubdtype(soft.dtype, np.floating) else soft != 0
        goal = np.asarray(truth)
        if mask.shape != goal.shape:
            raise ValueError(f"the prediction is {mask.shape}, the truth is {goal.shape} (height, width)")
        valid = np.ones(goal.shape, np.bool_) if goal.dtype == np.bool_ else goal != IGNORE
        ids = np.where(valid, goal != 0, np.uint8(IGNORE)).astype(np.uint8)
        front = np.asarray((goal != 0) & valid)
        if clip != self._clip:
            self._clip, self._before = clip, None
            for point in self._points:
                point.begin()
        before = self._before if follows else None
        both = before[1] & valid if before else None
        own = change(before[0] & both, front & both)[0] if before is not None and both is not None else None
        now = skipping.grey(picture)
        for point in self._points:
            point.take(now, mask, ids, str(self._frames), both, own)
        self._before = front, valid
        self._frames += 1

    def rows(self) -> list[dict[str, float]]:
        """One row per alpha, with the keys of :data:`CONVENTIONS`; NaN where a figure is undefined.

        Raises:
            ValueError: there were no frames.
        """
        return [point.row(self.empty) for point in self._points]


@dataclass
class _Point:
    """One alpha: its policy, the mask it holds, and what was counted."""

    skipper: skipping.FrameSkipper
    counts: CountsBuilder = field(default_factory=CountsBuilder)
    held: Bools | None = None
    predicted: int = 0
    clips: list[list[float]] = field(default_factory=list)
    """Of each clip: sums of flicker, of the flicker on judged pixels and of the truth's; steps and judged steps."""

    def begin(self) -> None:
        self.skipper.reset()
        self.held = None
        self.clips.append([0.0, 0.0, 0.0, 0, 0])

    def take(
        self,
        picture: npt.NDArray[np.uint8],
        mask: Bools,
        ids: npt.NDArray[np.uint8],
        name: str,
        both: Bools | None,
        own: float | None,
    ) -> None:
        wanted = self.skipper.wants(picture)
        before, self.held = (
            self.held,
            mask if wanted or self.held is None or self.held.shape != mask.shape else self.held,
        )
        self.predicted += wanted
        self.counts.add(name, count_image(self.held, ids))
        if before is None or both is None:
            return
        clip = self.clips[-1]
        clip[0] += change(before, self.held)[0]
        clip[3] += 1
        if both.any() and own is not None:
            clip[1] += change(before & both, self.held & both)[0]
            clip[2] += own
            clip[4] += 1

    def row(self, empty: str) -> dict[str, float]:
        counted = self.counts.build()
        figures = region.reduce(counted, empty=empty, at=()).values
        flicker = [clip[0] / clip[3] for clip in self.clips if clip[3]]
        excess = [(clip[1] - clip[2]) / clip[4] for clip in self.clips if clip[4]]
        return {
            "alpha": float(self.skipper.alpha),
            "frames": len(counted),
            "predicted": self.predicted,
            "realised_skip_rate": 1 - self.predicted / len(counted),
            **figures,
            "flicker": sum(flicker) / len(flicker) if flicker else math.nan,
            "flicker_excess": sum(excess) / len(excess) if excess else math.nan,
        }
