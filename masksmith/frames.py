"""Where frames come from, one at a time: a video that may end in the middle of a frame, or a camera."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from masksmith.errors import BadInput, EnvironmentFault
from masksmith.images import Image

CAMERA = "camera"
_SHORT_S = 0.5  # sound may go on a little longer than the pictures


class Video:
    """The frames of a video file; what decodes is given, and what is wrong is said afterwards.

    Args:
        path: the file.

    Attributes:
        fps: frames a second.
        expected: how many frames the file says it has, as far as it does.
        fault: after the last frame: what is wrong with the file, or empty.

    Raises:
        BadInput: no such file, not a video, or damaged from the start.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import av

        self.path = Path(path)
        self.fault = ""
        try:
            self._container = av.open(os.fspath(path))
        except FileNotFoundError:
            raise BadInput(path, "a video", "no such file", "check the path") from None
        except av.error.FFmpegError as fault:
            found = f"a damaged file, or one cut off before its index ({_told(fault)})"
            raise BadInput(path, "a readable video", found, "copy or export it again") from None
        if not self._container.streams.video:
            self._container.close()
            raise BadInput(path, "a video", "a file without a video stream", "check the path")
        self._stream = self._container.streams.video[0]
        self._stream.thread_count = 1
        self.fps = float(self._stream.average_rate or self._stream.guessed_rate or 25)
        self._length = self._length_s()
        self.expected: int | None = self._stream.frames or round(self._length * self.fps) or None

    def __iter__(self) -> Iterator[Image]:
        """(H, W, 3) uint8 RGB, upright, decoded as they are asked for; once."""
        count, last = 0, 0.0
        with self._container:
            for frame in self._decoded():
                count += 1
                last = max(last, float(frame.time or 0))
                yield _upright(frame)
        said = f" of {self.expected:,}" if self.expected else ""
        end = last + 1 / self.fps
        if not self.fault and end < self._length - _SHORT_S:
            self.fault = f"the file ends after {end:.2f} of {self._length:.2f} s"
        if self.fault:
            self.fault = f"{count:,}{said} frames: {self.fault}"

    def _decoded(self) -> Iterator[Any]:
        import av

        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    self.fault = "the file is cut off in the middle of a frame"
                    break
                yield from packet.decode()
        except av.error.FFmpegError as fault:
            self.fault = f"a frame is damaged ({_told(fault)})"
        if self.fault:  # frames that wait for their turn are whole
            with contextlib.suppress(av.error.FFmpegError, EOFError):
                yield from self._stream.codec_context.decode(None)

    def _length_s(self) -> float:
        """As the file says; 0 where it does not."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return (self._container.duration or 0) / 1_000_000


class Camera:
    """The frames of a camera, until it is taken away.

    Args:
        place: ``0`` for the first camera, ``1`` for the next, or a device such as ``/dev/video2``.

    Attributes:
        fps: as the camera says; 30 where it does not.
        fault: after the last frame: why there are no more.

    Raises:
        EnvironmentFault: there is none, it is refused, or it gives no picture.
    """

    expected: int | None = None

    def __init__(self, place: int | str = 0) -> None:
        self.name = f"/dev/video{place}" if isinstance(place, int) and Path("/dev").is_dir() else str(place)
        self.fault = ""
        with _quiet():
            self._capture = cv2.VideoCapture(place)
            first = self._capture.read()[1] if self._capture.isOpened() else None
        if first is None:
            self._capture.release()
            raise EnvironmentFault(self._refused())
        self._first: Any = first
        self.fps = float(self._capture.get(cv2.CAP_PROP_FPS)) or 30.0

    def __iter__(self) -> Iterator[Image]:
        """(H, W, 3) uint8 RGB, as they come."""
        try:
            frame = self._first
            while frame is not None:
                yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
                frame = self._capture.read()[1]
            self.fault = f"{self.name} gives no more pictures: was it taken away?"
        finally:
            self._capture.release()

    def _refused(self) -> str:
        there = sorted(str(path) for path in Path("/dev").glob("video*"))
        if Path(self.name).exists():
            if not os.access(self.name, os.R_OK | os.W_OK):
                return f"no permission to use the camera {self.name}; join the group that owns it (often: video)"
            return f"the camera {self.name} gives no picture; close the program that uses it, or plug it in again"
        found = f"there are {', '.join(there)}" if there else "none is there"
        return f"no camera {self.name}: {found}; plug one in, or name it: {CAMERA}:1 or a device such as /dev/video2"


def camera_place(text: str) -> int | str | None:
    """``camera``, ``camera:2`` and ``/dev/video2`` as :class:`Camera` takes them; None for anything else."""
    if text == CAMERA:
        return 0
    if text.startswith(f"{CAMERA}:") and text != f"{CAMERA}:":
        rest = text.removeprefix(f"{CAMERA}:")
        return int(rest) if rest.isdecimal() else rest
    return text if text.startswith("/dev/video") else None


def _upright(frame: Any) -> Image:
    values = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    turns = round(frame.rotation / 90) % 4  # telephones film lying and note how they were held
    return np.ascontiguousarray(np.rot90(values, turns)) if turns else values


def _told(fault: Exception) -> str:
    return str(getattr(fault, "strerror", None) or fault)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV prints its own lines about cameras that are not there."""
    log = getattr(cv2, "utils", cv2)  # where the two functions stand depends on the version
    if hasattr(log, "logging"):
        log = log.logging
    before = log.getLogLevel()
    log.setLogLevel(0)
    try:
        yield
    finally:
        log.setLogLevel(before)
