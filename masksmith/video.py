"""Moving images: frames in, frames out, one at a time (PyAV)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from masksmith import files
from masksmith.errors import BadInput
from masksmith.images import Image

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")


def read_frames(path: str | os.PathLike[str]) -> Iterator[Image]:
    """The frames of a video as (H, W, 3) uint8 RGB, in order, decoded as they are asked for.

    Raises:
        BadInput: not a video, or damaged.
    """
    import av

    try:
        with av.open(os.fspath(path)) as container:
            if not container.streams.video:
                raise BadInput(path, "a video", "a file without a video stream", "check the path")
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    except FileNotFoundError:
        raise BadInput(path, "a video", "no such file", "check the path") from None
    except av.error.FFmpegError as fault:
        raise BadInput(path, "a readable video", f"a damaged file ({fault})", "export it again") from None


def write_video(path: str | os.PathLike[str], frames: Iterable[Image], fps: float = 25.0, *, crf: int = 18) -> int:
    """Write (H, W, 3) uint8 RGB frames as H.264 in mp4 and return how many; odd sizes lose a row or column.

    Raises:
        ValueError: no frame, or frames of unequal size.
        EnvironmentFault: the disk is full or the folder cannot be written to.
    """
    import av

    count = 0
    with files.atomic(path) as part, av.open(os.fspath(part), "w", format="mp4") as container:
        stream = None
        for image in frames:
            height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.options = {"crf": str(crf), "threads": "1"}
            elif (stream.height, stream.width) != (height, width):
                raise ValueError(f"frame {count} is {width} x {height}, the first was {stream.width} x {stream.height}")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
            count += 1
        if stream is None:
            raise ValueError("a video needs at least one frame")
        for packet in stream.encode():
            container.mux(packet)
    return count
