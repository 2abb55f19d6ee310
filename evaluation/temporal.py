"""Time figures: how still the masks of a clip are, and whether they move as the truth does.

Frames come one at a time and two are held, so a clip may be of any length. The first frame has nothing before it and
is not averaged in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from evaluation import intervals
from evaluation.counts import IGNORE

CONVENTIONS: Mapping[str, str] = {
    "flicker": "1 - IoU of neighbouring masks, mean over frames, then over clips",
    "flicker_excess": "flicker minus the truth's own, mean over clips",
    "dtssd": "100 x RMS difference of the changes of prediction and truth, mean over frames, then over clips",
}
"""Lower is better in all of them; ``flicker_excess`` is best at 0. Only ``flicker`` needs no truth."""


@dataclass(frozen=True)
class ClipFigures:
    """The time figures of one clip; NaN where one is undefined (one frame only, or no truth).

    Attributes:
        steps: how many pairs of neighbouring frames were averaged over.
        gaps: how many steps were left out because a frame between them is missing.
        empty_steps: steps whose two masks are both empty; they count as still.
        truth_flicker: the truth's own flicker.
    """

    clip: str
    frames: int
    steps: int
    gaps: int
    empty_steps: int
    flicker: float
    truth_flicker: float
    flicker_excess: float
    dtssd: float


class ClipJudge:
    """Takes the frames of one clip in order.

    Args:
        clip: its name.
        threshold: a soft prediction of at least this is foreground.
        step: the distance of neighbouring frame numbers; a step of any other length is left out as a gap.
    """

    def __init__(self, clip: str = "clip", *, threshold: float = 0.5, step: int = 1) -> None:
        self.clip, self.threshold, self.step = clip, threshold, step
        self._frames = self._steps = self._gaps = self._empty = self._judged = 0
        self._flicker = self._own = self._valid_flicker = self._change = 0.0
        self._last: _Frame | None = None

    def update(
        self, pred: npt.NDArray[Any], truth: npt.NDArray[Any] | None = None, *, frame: int | None = None
    ) -> None:
        """Take the next frame.

        Args:
            pred: (H, W), either soft float in [0, 1] or a mask of bool or uint8 where anything but 0 is foreground.
            truth: (H, W) uint8 or bool: 0 background, 255 ignore (uint8 only), anything else foreground.
            frame: its number; a number other than the last plus ``step`` opens a gap.

        Raises:
            ValueError: the size changed, a soft value is not in [0, 1], or truth comes and goes.
        """
        now = _Frame(_soft(pred), None if truth is None else np.asarray(truth), frame, self.threshold)
        if now.truth is not None and now.truth.shape != now.soft.shape:
            raise ValueError(f"the prediction is {now.soft.shape}, the truth is {now.truth.shape} (height, width)")
        before, self._last = self._last, now
        self._frames += 1
        if before is None:
            return
        if before.soft.shape != now.soft.shape:
            raise ValueError(f"the frames before are {before.soft.shape}, this one is {now.soft.shape} (height, width)")
        if (before.truth is None) != (now.truth is None):
            raise ValueError("some frames have a truth and others have none")
        if frame is not None and before.number is not None and frame != before.number + self.step:
            self._gaps += 1
            return
        self._steps += 1
        change, empty = _change(before.mask, now.mask)
        self._flicker += change
        self._empty += empty
        if now.truth is not None:
            self._against_truth(before, now)

    def _against_truth(self, before: _Frame, now: _Frame) -> None:
        valid = before.valid & now.valid
        if not valid.any():
            return
        self._judged += 1
        moved = (now.soft - before.soft) - (now.goal.astype(np.float32) - before.goal.astype(np.float32))
        if valid.all():
            self._valid_flicker += _change(before.mask, now.mask)[0]
            self._own += _change(before.goal, now.goal)[0]
            self._change += math.sqrt(float(np.square(moved, dtype=np.float64).mean()))
        else:
            self._valid_flicker += _change(before.mask & valid, now.mask & valid)[0]
            self._own += _change(before.goal & valid, now.goal & valid)[0]
            self._change += math.sqrt(float(np.square(moved[valid], dtype=np.float64).mean()))

    def figures(self) -> ClipFigures:
        """The figures of the frames so far. ``flicker`` is over all pixels, the others over pixels not ignored."""
        own = _mean(self._own, self._judged)
        return ClipFigures(
            clip=self.clip,
            frames=self._frames,
            steps=self._steps,
            gaps=self._gaps,
            empty_steps=self._empty,
            flicker=_mean(self._flicker, self._steps),
            truth_flicker=own,
            flicker_excess=_mean(self._valid_flicker, self._judged) - own,
            dtssd=100 * _mean(self._change, self._judged),
        )


class _Frame:
    def __init__(
        self, soft: npt.NDArray[np.float32], truth: npt.NDArray[Any] | None, number: int | None, threshold: float
    ) -> None:
        self.soft, self.truth, self.number = soft, truth, number
        self.mask = soft >= threshold
        if truth is not None:
            self.valid = np.ones(truth.shape, bool) if truth.dtype == np.bool_ else truth != IGNORE
            self.goal = (truth != 0) & self.valid


def summarise(clips: Sequence[ClipFigures], *, seed: int = 0) -> dict[str, Any]:
    """The figures over all clips, each clip one voice, as a JSON value.

    Keys: ``flicker``, ``flicker_excess``, ``dtssd`` (None where undefined), ``intervals`` over clips, ``clips`` (one
    mapping each) and ``left_out``: the names of clips too short to have a step.
    """
    used = [clip for clip in clips if clip.steps]
    result: dict[str, Any] = {}
    bounds: dict[str, tuple[float, float]] = {}
    for name in CONVENTIONS:
        values = [value for clip in used if not math.isnan(value := getattr(clip, name))]
        result[name] = sum(values) / len(values) if values else None
        if interval := intervals.mean_interval(values, seed=seed):
            bounds[name] = interval
    result["intervals"] = bounds
    result["clips"] = [
        {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(c).items()} for c in used
    ]
    result["left_out"] = [clip.clip for clip in clips if not clip.steps]
    return result


def _soft(pred: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    values = np.asarray(pred)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"a frame must be (H, W), not {values.shape}")
    if np.issubdtype(values.dtype, np.floating):
        if not (values.min() >= 0 and values.max() <= 1):  # NaN fails too
            raise ValueError("a soft prediction must be in [0, 1]")
        return values.astype(np.float32, copy=False)
    if values.dtype != np.bool_ and values.dtype != np.uint8:
        raise ValueError(f"a frame must be float, bool or uint8, not {values.dtype}")
    return (values != 0).astype(np.float32)


def _change(before: npt.NDArray[np.bool_], now: npt.NDArray[np.bool_]) -> tuple[float, bool]:
    """1 - IoU of two masks, and whether both are empty (then nothing changed)."""
    first, second = before.view(np.uint8), now.view(np.uint8)
    union = cv2.countNonZero(cv2.bitwise_or(first, second))
    if not union:
        return 0.0, True
    return 1 - cv2.countNonZero(cv2.bitwise_and(first, second)) / union, False


def _mean(total: float, number: int) -> float:
    return total / number if number else math.nan
