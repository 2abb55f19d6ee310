"""Time figures: how still the masks of a clip are, and whether they move as the truth does.

Frames come one at a time and two are held, so a clip may be of any length. The first frame has nothing before it and
is not averaged in. What goes along the motion or around the boundary is in :mod:`evaluation.stability`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from evaluation import intervals, motion
from evaluation.counts import IGNORE
from evaluation.stability import WINDOWS, Boundary, Constancy, WarpOverlap

CONVENTIONS: Mapping[str, str] = {
    "flicker": "1 - IoU of neighbouring masks, mean over frames, then over clips",
    "flicker_excess": "flicker minus the truth's own, mean over clips",
    "dtssd": "100 x RMS difference of the changes of prediction and truth, mean over frames, then over clips",
    "warp_iou": "IoU of a mask and the one before moved along, over a clip's visible pixels, mean over clips",
    "boundary_jitter_px": "change of the signed distance error near the truth's boundary, in pixels, mean over clips",
    "boundary_flip_rate": "share of pixels near the truth's boundary that turn right or wrong, mean over clips",
    "vc8": "share of the pixels at rest in 8 frames of truth that rest in the prediction too, mean over clips",
    "vc16": "share of the pixels at rest in 16 frames of truth that rest in the prediction too, mean over clips",
}
"""``flicker`` and ``warp_iou`` need no truth, ``warp_iou`` needs the motion. ``flicker_excess`` is best at 0."""
HIGHER = frozenset({"warp_iou", "vc8", "vc16"})
"""The figures that are better when they are higher; the others are better when they are lower."""


@dataclass(frozen=True)
class ClipFigures:
    """The time figures of one clip; NaN where one is undefined (too few frames, no truth, or no motion).

    Attributes:
        steps: how many pairs of neighbouring frames were averaged over.
        gaps: how many steps were left out because a frame between them is missing.
        empty_steps: steps whose two masks are both empty; they count as still.
        truth_flicker: the truth's own flicker.
        motion: what ``warp_iou`` and the boundary figures went along: ``known``, the method of the optical flow, or
            ``identity`` (no motion at all; then there is no ``warp_iou``).
        band_px: half width of the boundary figures' band.
        bandless_steps: steps without a jitter, as one of the truths has no boundary.
        lost_steps: steps where the prediction has no boundary and the truth has; it counts as a diagonal away.
        undefined_windows: for each length, windows in which no pixel of the truth rests.
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
    warp_iou: float = math.nan
    boundary_jitter_px: float = math.nan
    boundary_flip_rate: float = math.nan
    vc8: float = math.nan
    vc16: float = math.nan
    motion: str = motion.IDENTITY
    band_px: int | None = None
    bandless_steps: int = 0
    lost_steps: int = 0
    undefined_windows: Mapping[str, int] = field(default_factory=dict)


class ClipJudge:
    """Takes the frames of one clip in order.

    Args:
        clip: its name.
        threshold: a soft prediction of at least this is foreground.
        step: the distance of neighbouring frame numbers; a step of any other length is left out as a gap.
        band: half width in pixels of the band around the truth's boundary; by default
            :func:`evaluation.stability.band_px`.
        flow: how motion is estimated where pictures are given, one of :data:`evaluation.motion.METHODS`.

    Raises:
        UsageProblem: an unknown ``flow``.
    """

    def __init__(
        self,
        clip: str = "clip",
        *,
        threshold: float = 0.5,
        step: int = 1,
        band: int | None = None,
        flow: str = "dis",
    ) -> None:
        self.clip, self.threshold, self.step = clip, threshold, step
        self._estimator = motion.Estimator(flow)
        self._motion: str | None = None
        self._warp, self._boundary, self._constancy = WarpOverlap(), Boundary(band), Constancy()
        self._frames = self._steps = self._gaps = self._empty = self._judged = 0
        self._flicker = self._own = self._valid_flicker = self._change = 0.0
        self._last: _Frame | None = None

    def update(
        self,
        pred: npt.NDArray[Any],
        truth: npt.NDArray[Any] | None = None,
        *,
        frame: int | None = None,
        picture: npt.NDArray[Any] | None = None,
        known: motion.Motion | npt.NDArray[Any] | None = None,
    ) -> None:
        """Take the next frame.

        Args:
            pred: (H, W), either soft float in [0, 1] or a mask of bool or uint8 where anything but 0 is foreground.
            truth: (H, W) uint8 or bool: 0 background, 255 ignore (uint8 only), anything else foreground.
            frame: its number; a number other than the last plus ``step`` opens a gap.
            picture: (H, W, 3) uint8 RGB, of every frame or of none: motion is estimated from it.
            known: the exact motion from the frame before, instead of pictures: :func:`evaluation.motion.known`, or
                its first argument. The first frame has none.

        Raises:
            ValueError: the size changed, a soft value is not in [0, 1], or truth or motion comes and goes.
        """
        now = _Frame(_soft(pred), None if truth is None else np.asarray(truth), frame, self.threshold)
        if picture is not None:
            now.grey = motion.grey(np.asarray(picture), *now.soft.shape)
        before, self._last = self._last, now
        self._frames += 1
        if before is None:
            self._follow(now, None, follows=False)
            return
        if before.soft.shape != now.soft.shape:
            raise ValueError(f"the frames before are {before.soft.shape}, this one is {now.soft.shape} (height, width)")
        if (before.truth is None) != (now.truth is None):
            raise ValueError("some frames have a truth and others have none")
        if frame is not None and before.number is not None and frame != before.number + self.step:
            self._gaps += 1
            self._follow(now, None, follows=False)
            return
        moved = self._moved(before, now, known)
        self._follow(now, moved, follows=True)
        if moved is not None:
            self._warp.update(before.mask, now.mask, moved)
        self._steps += 1
        apart, empty = change(before.mask, now.mask)
        self._flicker += apart
        self._empty += empty
        if now.truth is not None:
            self._against_truth(before, now)

    def _moved(self, before: _Frame, now: _Frame, known: Any) -> motion.Motion | None:
        """The motion of a step, from what there is; a clip has one kind of it."""
        if (before.grey is None) != (now.grey is None):
            raise ValueError("some frames have a picture and others have none")
        found: motion.Motion | None = None
        if known is not None:
            if now.grey is not None:
                raise ValueError("give the pictures or the known motion, not both")
            found = known if isinstance(known, motion.Motion) else motion.known(known)
            if found.visible.shape != now.mask.shape:
                raise ValueError(f"the motion is {found.visible.shape}, the frame is {now.mask.shape} (height, width)")
        elif before.grey is not None and now.grey is not None:
            found = self._estimator.between(before.grey, now.grey)
        kind = found.kind if found else motion.IDENTITY
        if self._motion not in (None, kind):
            raise ValueError(f"the motion was {self._motion} before, and is {kind} now")
        self._motion = kind
        return found

    def _follow(self, now: _Frame, moved: motion.Motion | None, *, follows: bool) -> None:
        if now.truth is not None:
            self._boundary.update(now.mask, now.goal, now.valid, moved, follows=follows)
            self._constancy.update(now.mask, now.goal, now.valid, follows=follows)

    def _against_truth(self, before: _Frame, now: _Frame) -> None:
        valid = before.valid & now.valid
        if not valid.any():
            return
        self._judged += 1
        moved = now.error - before.error  # the changes' difference is the change of the difference
        if valid.all():
            self._valid_flicker += change(before.mask, now.mask)[0]
            self._own += change(before.goal, now.goal)[0]
            self._change += math.sqrt(cv2.norm(moved, cv2.NORM_L2SQR) / moved.size)  # summed as double
        else:
            self._valid_flicker += change(before.mask & valid, now.mask & valid)[0]
            self._own += change(before.goal & valid, now.goal & valid)[0]
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
            warp_iou=self._warp.figure(),
            boundary_jitter_px=self._boundary.jitter_px(),
            boundary_flip_rate=self._boundary.flip_rate(),
            vc8=self._constancy.figure(8),
            vc16=self._constancy.figure(16),
            motion=self._motion or motion.IDENTITY,
            band_px=self._boundary.band,
            bandless_steps=self._boundary.bandless,
            lost_steps=self._boundary.lost,
            undefined_windows={f"vc{window}": self._constancy.undefined[window] for window in WINDOWS},
        )


class _Frame:
    def __init__(
        self, soft: npt.NDArray[np.float32], truth: npt.NDArray[Any] | None, number: int | None, threshold: float
    ) -> None:
        self.soft, self.truth, self.number = soft, truth, number
        self.mask = soft >= threshold
        self.grey: motion.Grey | None = None
        if truth is not None:
            if truth.shape != soft.shape:
                raise ValueError(f"the prediction is {soft.shape}, the truth is {truth.shape} (height, width)")
            self.valid = np.ones(truth.shape, bool) if truth.dtype == np.bool_ else truth != IGNORE
            self.goal = (truth != 0) & self.valid
            self.error = np.asarray(cv2.subtract(soft, self.goal.view(np.uint8), dtype=cv2.CV_32F), np.float32)


def summarise(clips: Sequence[ClipFigures], *, seed: int = 0) -> dict[str, Any]:
    """The figures over all clips, each clip one voice, as a JSON value.

    Keys: the figures of :data:`CONVENTIONS` (None where no clip has one), ``intervals`` over clips, ``undefined_clips``
    (for each figure, how many clips have none and are not averaged in, those left out included), ``motion`` (what
    ``warp_iou`` and the boundary figures went along), ``clips`` (one mapping each) and ``left_out``: the names of clips
    too short to have a step.
    """
    used = [clip for clip in clips if clip.steps]
    result: dict[str, Any] = {}
    bounds: dict[str, tuple[float, float]] = {}
    undefined: dict[str, int] = {}
    for name in CONVENTIONS:
        values = [value for clip in used if not math.isnan(value := getattr(clip, name))]
        result[name] = sum(values) / len(values) if values else None
        undefined[name] = len(clips) - len(values)
        if interval := intervals.mean_interval(values, seed=seed):
            bounds[name] = interval
    result["intervals"] = bounds
    result["undefined_clips"] = undefined
    result["motion"] = " and ".join(sorted({clip.motion for clip in used})) or None
    result["clips"] = [
        {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(c).items()} for c in used
    ]
    result["left_out"] = [clip.clip for clip in clips if not clip.steps]
    return result


def restored(clip: Mapping[str, Any]) -> ClipFigures:
    """The figures of a clip, of its mapping in the ``clips`` of :func:`summarise`."""
    told: dict[str, Any] = {k: math.nan if v is None and k != "band_px" else v for k, v in clip.items()}
    return ClipFigures(**told)


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


def change(before: npt.NDArray[np.bool_], now: npt.NDArray[np.bool_]) -> tuple[float, bool]:
    """1 - IoU of two masks (H, W) bool, and whether both are empty (then nothing changed)."""
    first, second = before.view(np.uint8), now.view(np.uint8)
    union = cv2.countNonZero(cv2.bitwise_or(first, second))
    if not union:
        return 0.0, True
    return 1 - cv2.countNonZero(cv2.bitwise_and(first, second)) / union, False


def _mean(total: float, number: int) -> float:
    return total / number if number else math.nan
