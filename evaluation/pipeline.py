"""A network on video from file to composite: frames a second end to end, and where the time goes.

Stages: ``decode`` a frame, ``skip`` tells whether it needs a new mask, ``resize`` for the network, ``network``,
``upsample`` the mask to the frame's size, ``composite`` over a background. Everything runs in one process on one
pinned processor. Under a quota of processor time all frames are decoded before it begins, as in document C, whose
10 % are without the decoder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from evaluation.confined import confined
from evaluation.quota import Limit
from masksmith import processor, upsampling
from masksmith.errors import BadInput, UsageProblem
from masksmith.exported import Model
from masksmith.frames import Video
from masksmith.images import Image, list_images, read_image
from masksmith.overlay import Composite
from masksmith.runtimes import open_model
from masksmith.skipping import WARM_UP, FrameSkipper
from masksmith.upsampling import Soft

STAGES = ("decode", "skip", "resize", "network", "upsample", "composite")
UPSAMPLERS = ("sharp", "bilinear")
COLOUR = (40, 120, 80)


@dataclass(frozen=True)
class Film:
    """What is measured.

    Attributes:
        video: a video file, or a folder of frames.
        model, runtime: as :func:`masksmith.runtimes.open_model` takes them.
        frames: at most so many.
        at: (height, width) in pixels that frames are brought to first; None = as they are.
        skip: percent, as :class:`masksmith.skipping.FrameSkipper`; None = every frame is predicted.
        upsample: ``sharp`` (edge-aware) or ``bilinear``.
        prior: hand each frame the mask of the one before, where the network takes it.
        decoded: all frames are decoded before the measurement, and ``decode`` is not counted.
        loop: begin again where the clip ends until there are ``frames``: a short one would show little but its start.

    Raises:
        UsageProblem: no frames, or an unknown upsampler.
    """

    video: str
    model: str
    runtime: str = "auto"
    frames: int = 300
    at: tuple[int, int] | None = None
    skip: float | None = None
    upsample: str = "sharp"
    prior: bool = True
    decoded: bool = False
    loop: bool = False

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise UsageProblem(f"at least one frame, not {self.frames}")
        if self.upsample not in UPSAMPLERS:
            raise UsageProblem(f"upsample is {' or '.join(UPSAMPLERS)}, not {self.upsample!r}")
        if self.skip is not None and not 0 <= self.skip <= 100:
            raise UsageProblem(f"skip is a percentage from 0 to 100, not {self.skip:g}")


@dataclass(frozen=True)
class Reel:
    """What was found: (frames, stages) milliseconds on the wall and of the process, in the order of ``STAGES``."""

    wall_ms: npt.NDArray[np.float64]
    cpu_ms: npt.NDArray[np.float64]
    size: tuple[int, int]
    predicted: int
    runtime: str
    decoded: bool

    def figures(self, clock: str = "wall") -> dict[str, Any]:
        """``fps`` end to end (frames over the whole time), ``frame_ms`` and its p95, and a row a stage."""
        times = self.cpu_ms if clock == "cpu" else self.wall_ms
        whole, total = times.sum(1), float(times.sum())
        stages = [
            {"stage": name, "mean_ms": float(times[:, place].mean()), "share": float(times[:, place].sum()) / total}
            for place, name in enumerate(STAGES)
            if times[:, place].any()
        ]
        return {
            "fps": 1000 * len(times) / total,
            "frame_ms": float(np.median(whole)),
            "p95_ms": float(np.percentile(whole, 95)),
            "frames": len(times),
            "predicted": self.predicted,
            "skip_rate": 1 - self.predicted / len(times),
            "height": self.size[0],
            "width": self.size[1],
            "runtime": self.runtime,
            "decode_counted": not self.decoded,
            "stages": stages,
        }


def frames_of(video: str, count: int, at: tuple[int, int] | None) -> Iterator[Image]:
    """At most ``count`` frames (H, W, 3) of a video or a folder, brought to the size ``at``.

    Raises:
        BadInput: not a video, one that is damaged or cut off before there are so many, or a folder without pictures.
    """
    place = Path(video)
    if place.is_dir():
        paths = list_images(place)
        if not paths:
            raise BadInput(place, "a video or a folder of frames", "a folder without pictures", "check the path")
        source: Iterator[Image] = (read_image(path) for path in paths)
    else:
        source = _whole(Video(place))
    for frame in islice(source, count):
        if at is not None and frame.shape[:2] != at:
            yield np.asarray(cv2.resize(frame, (at[1], at[0]), interpolation=cv2.INTER_AREA), np.uint8)
        else:
            yield frame


def _whole(video: Video) -> Iterator[Image]:
    yield from video
    if video.fault:
        raise BadInput(video.path, "a whole video", video.fault, "ask for fewer --frames, or copy it again")


def run(film: Film, model: Model, frames: Iterator[Image]) -> Reel:
    """Run a clip in this process.

    Raises:
        BadInput: no frame, or a frame of another size than the first.
    """
    skipper = None if film.skip is None else FrameSkipper(film.skip)
    shape: tuple[int, ...] | None = None
    laid: Composite | None = None
    before: Soft | None = None
    wall: list[list[float]] = []
    own: list[list[float]] = []
    while True:
        clock = _Clock()
        frame = next(frames, None)
        clock.lap()
        if frame is None:
            break
        shape = shape or frame.shape
        if frame.shape != shape:
            found = f"{frame.shape[1]} x {frame.shape[0]} in frame {len(wall)}"
            raise BadInput(film.video, f"frames of {shape[1]} x {shape[0]}", found, "bring them to one size")
        wanted = skipper is None or skipper.wants(frame)
        clock.lap()
        mask: Soft | None = None
        if wanted or laid is None:
            small = upsampling.shrink(frame, *model.size)
            clock.lap()
            prior = model.prepare_prior(before) if model.prior is not None and before is not None else None
            soft = model.run(model.prepare(small), prior)
            if film.prior and model.prior is not None:
                before = soft
            clock.lap()
            if film.upsample == "sharp":
                mask = upsampling.sharpen(soft, small, frame)
            else:
                mask = upsampling.enlarge(soft, *frame.shape[:2])
            clock.lap()
        else:
            for _ in range(3):
                clock.lap()
        if mask is not None:
            laid = Composite(mask, _plain(shape[0], shape[1], COLOUR))
        if laid is not None:
            laid(frame)
        clock.lap()
        wall.append(clock.wall)
        own.append(clock.own)
    if shape is None:
        raise BadInput(film.video, "a video with frames", "none", "check the file")
    first, second = 1000 * np.array(wall), 1000 * np.array(own)
    if film.decoded:
        first[:, 0] = second[:, 0] = 0
    predicted = len(wall) if skipper is None else skipper.predicted
    return Reel(first, second, (shape[0], shape[1]), predicted, model.runtime, film.decoded)


@lru_cache(maxsize=2)
def _plain(height: int, width: int, colour: tuple[int, int, int]) -> Image:
    """(H, W, 3) uint8 of one colour; read, never written to."""
    return np.full((height, width, 3), colour, np.uint8)


class _Clock:
    """Seconds between laps, on the wall and of the process."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.own: list[float] = []
        self._last, self._spent = time.perf_counter(), time.process_time()

    def lap(self) -> None:
        now, spent = time.perf_counter(), time.process_time()
        self.wall.append(now - self._last)
        self.own.append(spent - self._spent)
        self._last, self._spent = now, spent


def measure(
    film: Film, *, quota: float | None = None, core: int | None = None, say: Callable[[str], None] = lambda text: None
) -> tuple[Reel, Limit | None]:
    """Run a clip in a process of its own on one pinned processor.

    Args:
        film: what to run; under a quota it must be ``decoded``.
        quota: percent of a core that the process may use from the first frame on; None = all of it.
        core: the processor's number; None = the last one.
        say: told what is going on.

    Raises:
        BadInput, UsageProblem, EnvironmentFault: as :func:`run` and :func:`masksmith.runtimes.open_model`.
    """
    if quota is not None and not film.decoded:
        raise UsageProblem("under a quota frames are decoded before it begins")
    return confined(_work, (film, core), quota, say)


def _work(ready: Callable[[], None], film: Film, core: int | None) -> Reel:
    processor.pin(core)
    processor.keep_freed_memory()
    cv2.setNumThreads(1)
    model = open_model(film.model, film.runtime)
    first = next(frames_of(film.video, 1, film.at), None)
    if first is None:
        raise BadInput(film.video, "a video with frames", "none", "check the file")
    run(film, model, iter([first] * min(10, WARM_UP)))
    frames = frames_of(film.video, film.frames, film.at)
    if film.decoded:
        held = list(frames)
        frames = islice(cycle(held), film.frames) if film.loop else iter(held)
    elif film.loop:
        frames = islice(_again(film), film.frames)
    ready()
    return run(film, model, frames)


def _again(film: Film) -> Iterator[Image]:
    while True:
        yield from frames_of(film.video, film.frames, film.at)
