"""Clips on the page: a small video of the errors, and under it how much each frame's mask jumped."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from evaluation import pictures
from evaluation.pictures import Sample
from evaluation.temporal import ClipJudge
from masksmith.html import text

WIDTH = 384  # pixels of the longer side
MOST_FRAMES = 300
MOST_BYTES = 700_000
_CRFS = (30, 36, 42, 48)
_FLOW = "dis"  # what a ClipJudge needs a name for, and never uses without photos
_LEFT, _WIDE, _HIGH = 40, 420, 86
_TRACES = {"boundary_jitter_px": "jitter, px", "flicker": "flicker"}


@dataclass(frozen=True)
class Reel:
    """A clip as a ``data:`` URI with its traces.

    Attributes:
        frames: how many are shown, of ``total`` in the clip.
        first: the number of the first.
        traces: name -> a value per frame; None where there is none (the first frame, or after a gap).
    """

    clip: str
    video: str
    width: int
    height: int
    frames: int
    total: int
    first: int
    fps: float
    traces: Mapping[str, Sequence[float | None]] = field(default_factory=dict)


def choose(clips: Sequence[Mapping[str, Any]], each: int = 3) -> list[str]:
    """Names of the clips to show: the most restless, a middling one, and the stillest; at most ``each``.

    Args:
        clips: the document's rows; they are ordered by boundary jitter, or by flicker where there is none.
    """

    def restless(clip: Mapping[str, Any]) -> float:
        jitter = clip.get("boundary_jitter_px")
        return float(jitter if jitter is not None else clip.get("flicker") or 0)

    order = sorted(clips, key=lambda clip: (-restless(clip), str(clip["clip"])))
    if len(order) <= each:
        return [str(clip["clip"]) for clip in order]
    places = sorted({round(k * (len(order) - 1) / max(each - 1, 1)) for k in range(each)})
    return [str(order[k]["clip"]) for k in places]


def film(
    clip: str,
    samples: Iterable[Sample],
    *,
    numbers: Sequence[int] | None = None,
    step: int = 1,
    fps: float = 25.0,
    total: int | None = None,
    flow: str | None = None,
) -> Reel:
    """Judge a clip frame by frame and encode its errors as H.264.

    Args:
        samples: the frames in order; at most :data:`MOST_FRAMES` are taken, one at a time.
        numbers: of the frames; a number other than the last plus ``step`` is a gap, and has no value in the traces.
        fps: of the video.
        total: how many frames the clip has, where not all are given.
        flow: how motion is estimated from the photos, as the clip's figures did; None compares the same pixels.

    Raises:
        ValueError: no frame, or frames of several sizes.
    """
    judge = ClipJudge(clip, step=step, flow=flow or _FLOW)
    trace = _Trace()
    shown: list[npt.NDArray[np.uint8]] = []  # shrunk: at most 300 of 384 x 384
    for sample in islice(samples, MOST_FRAMES):
        number = numbers[len(shown)] if numbers else None
        judge.update(sample.pred != 0, sample.truth, frame=number, picture=sample.image if flow else None)
        trace.take(judge)
        shown.append(_small(sample))
    if not shown:
        raise ValueError("a clip needs at least one frame")
    if len({image.shape for image in shown}) > 1:
        raise ValueError("the frames of a clip must be of one size")
    video = encoded(shown, fps)
    height, width = shown[0].shape[:2]
    return Reel(
        clip,
        f"data:video/mp4;base64,{base64.b64encode(video).decode()}",
        width,
        height,
        len(shown),
        total or len(shown),
        numbers[0] if numbers else 0,
        fps,
        trace.values(),
    )


def encoded(frames: Sequence[npt.NDArray[np.uint8]], fps: float, *, most_bytes: int = MOST_BYTES) -> bytes:
    """MP4 bytes (H.264, which browsers play) of (H, W, 3) RGB frames of even size; coarser until they are small."""
    import av

    data = b""
    for crf in _CRFS:
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            # a key frame every 12: seeking in a trace is quick; one thread: the same bytes everywhere
            stream.options = {"crf": str(crf), "preset": "medium", "threads": "1", "g": "12"}
            for image in frames:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                for packet in stream.encode(frame):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        data = buffer.getvalue()
        if len(data) <= most_bytes:
            break
    return data


def render(reels: Sequence[Reel]) -> str:
    """The reels as cards; empty where there are none."""
    return f'<div class="reels">{"".join(_card(reel) for reel in reels)}</div>' if reels else ""


def _card(reel: Reel) -> str:
    traces = "".join(
        _plot(reel, name, label) for name, label in _TRACES.items() if any(v is not None for v in _of(reel, name))
    )
    part = f"; the first {reel.frames:,} of {reel.total:,} frames" if reel.total > reel.frames else ""
    return (
        f'<div class="card reel" data-frames="{reel.frames}" data-fps="{reel.fps:g}" data-first="{reel.first}">'
        f'<h3>{text(reel.clip)}</h3><video src="{reel.video}" width="{reel.width}" height="{reel.height}" controls '
        f'muted playsinline loop preload="auto" aria-label="errors of the clip {text(reel.clip)}"></video>'
        f'<p class="now" aria-live="off"></p>{traces}'
        f'<p class="aside">{reel.frames:,} frames at {reel.fps:g} a second{part}. Click a trace to go there.</p></div>'
    )


def _plot(reel: Reel, name: str, label: str) -> str:
    """One trace as a small plot that is a slider over the frames."""
    values = _of(reel, name)
    known = [value for value in values if value is not None]
    top = max(*known, 1e-6) * 1.08
    right, base, ceiling = _WIDE - 6, _HIGH - 6, 20
    last = max(len(values) - 1, 1)

    def place(frame: int, value: float) -> str:
        return f"{_LEFT + (right - _LEFT) * frame / last:.1f} {base - (base - ceiling) * value / top:.1f}"

    path, pen = [], "M"
    for frame, value in enumerate(values):
        if value is None:
            pen = "M"
        else:
            path.append(pen + place(frame, value))
            pen = "L"
    data = json.dumps([None if value is None else round(value, 5) for value in values], separators=(",", ":"))
    return (
        f'<svg class="plot trace" viewBox="0 0 {_WIDE} {_HIGH}" tabindex="0" role="slider" aria-valuemin="0" '
        f'aria-valuemax="{len(values) - 1}" aria-valuenow="0" aria-label="{text(label)} of each frame: go to a frame" '
        f'data-name="{text(label)}" data-from="{_LEFT}" data-to="{right}" data-values="{text(data)}">'
        f'<path class="grid" d="M{_LEFT} {ceiling}H{right}"/><path class="line thin" d="{"".join(path)}"/>'
        f'<path class="axis" d="M{_LEFT} {base}H{right}"/>'
        f'<text class="tick" x="{_LEFT - 5}" y="{ceiling + 4}" text-anchor="end">{top:.2g}</text>'
        f'<text class="tick" x="{_LEFT - 5}" y="{base}" text-anchor="end">0</text>'
        f'<text class="label" x="{_LEFT}" y="{ceiling - 7}">{text(label)}</text>'
        f'<line class="cursor" x1="{_LEFT}" x2="{_LEFT}" y1="{ceiling - 4}" y2="{base}"/></svg>'
    )


def _of(reel: Reel, name: str) -> list[float | None]:
    return list(reel.traces.get(name, ()))


def _small(sample: Sample) -> npt.NDArray[np.uint8]:
    """The errors of a frame, shrunk to even sides."""
    height, width = sample.pred.shape
    scale = min(1.0, WIDTH / max(height, width))
    size = (max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2))
    painted = pictures.errors(sample.image, sample.pred, sample.truth)
    return np.asarray(cv2.resize(painted, size, interpolation=cv2.INTER_AREA), np.uint8)


class _Trace:
    """A step's own figures, as what it added to the clip's: means are turned back into sums."""

    def __init__(self) -> None:
        self._values: dict[str, list[float | None]] = {name: [] for name in _TRACES}
        self._sums = dict.fromkeys(_TRACES, 0.0)
        self._steps = dict.fromkeys(_TRACES, 0)

    def take(self, judge: ClipJudge) -> None:
        found = judge.figures()
        banded = found.steps - found.bandless_steps
        for name, steps in (("flicker", found.steps), ("boundary_jitter_px", banded)):
            mean = float(getattr(found, name))
            if steps == self._steps[name] or math.isnan(mean):
                self._values[name].append(None)
                continue
            total = mean * steps
            self._values[name].append(max(0.0, round(total - self._sums[name], 9)))
            self._sums[name], self._steps[name] = total, steps

    def values(self) -> dict[str, list[float | None]]:
        return self._values
