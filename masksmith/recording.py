"""A video written frame by frame, as frames come."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from masksmith import files
from masksmith.images import Image


class Recorder:
    """H.264 in mp4, whole or not there; for use in a ``with`` block.

    A frame of another size than the first is resized to it; odd sizes lose a row or column. Without a frame, no file is
    written.

    Args:
        path: of the file.
        fps: frames a second.
        crf: quality, 0 to 51; less is better.

    Attributes:
        frames: written so far.

    Raises:
        EnvironmentFault: the disk is full or the folder cannot be written to.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float, *, crf: int = 18) -> None:
        self.path, self.frames = Path(path), 0
        self._rate = Fraction(fps).limit_denominator(1001)
        self._crf = crf
        self._open = contextlib.ExitStack()
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._stream is not None:
                self._mux(self._stream.encode())
        except BaseException as late:
            self._open.__exit__(type(late), late, late.__traceback__)
            raise
        self._open.__exit__(kind, fault, trace)

    def add(self, image: Image) -> None:
        """One more frame, (H, W, 3) uint8 RGB or (H, W) grey."""
        import av

        if image.ndim == 2:
            image = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
        if self._stream is None:
            self._start(image.shape[0] // 2 * 2 or 2, image.shape[1] // 2 * 2 or 2)
        height, width = self._stream.height, self._stream.width
        if (image.shape[0] // 2 * 2, image.shape[1] // 2 * 2) != (height, width):
            image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
        self._mux(self._stream.encode(frame))
        self.frames += 1

    def _start(self, height: int, width: int) -> None:
        import av

        part = self._open.enter_context(files.atomic(self.path))
        self._container = self._open.enter_context(av.open(os.fspath(part), "w", format="mp4"))
        self._stream = self._container.add_stream("libx264", rate=self._rate)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.options = {"crf": str(self._crf), "threads": "1"}

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            self._container.mux(packet)
