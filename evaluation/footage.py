"""Videos of masks: each video a clip, its frames read one at a time.

Lossy video blurs the 0 and 255 of a mask, so a grey level of 128 and above is foreground; what that decides is told.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from evaluation.inputs import ClipFolder, Pair, match, natural
from evaluation.stored import Mask, Soft
from masksmith.errors import BadInput
from masksmith.video import VIDEO_SUFFIXES

THRESHOLD = 128
SAYS = f"videos: a grey level of {THRESHOLD} and above is foreground (lossy video blurs 0 and 255)"
_COLOUR = 48  # what lossy chroma may add to grey
_BETWEEN = 0.25  # a mask has fewer of its pixels between black and white than this


@dataclass(frozen=True)
class Frame:
    """A frame of a video of masks.

    Attributes:
        stamp: the file's time of change, so that a file that was written again is opened again.
    """

    path: Path
    index: int
    stamp: int = 0

    def __str__(self) -> str:
        return f"{self.path} frame {self.index}"

    def absolute(self) -> Self:
        return replace(self, path=self.path.absolute())

    def ids(self) -> Mask:
        """(H, W) uint8, 0 and 1.

        Raises:
            BadInput: damage, colours, or grey levels that make no mask.
        """
        grey = _footage(self.path, self.stamp).grey(self.index)
        high = int(grey.max())
        if 0 < high < THRESHOLD:
            found = f"nothing above {high} in a frame that is not black"
            raise BadInput(self, "masks in black and white", found, "write 255 for foreground, or name --soft")
        between = float(np.mean((grey > 64) & (grey < 192)))
        if between > _BETWEEN:
            found = f"{between:.0%} of the pixels between black and white"
            raise BadInput(self, "masks in black and white", found, "give a video of masks, or name --soft")
        return (grey >= THRESHOLD).astype(np.uint8)

    def level(self) -> Soft:
        return np.asarray(_footage(self.path, self.stamp).grey(self.index) / np.float32(255), np.float32)


def pair_videos(pred: Path, truth: Path, *, common: bool = False) -> tuple[list[Pair], list[ClipFolder], list[str]]:
    """Pair the frames of two videos, or of two folders of videos matched by name.

    Returns:
        (pairs, one clip for each video, notes on what was left out).

    Raises:
        BadInput: no video, unequal numbers of frames, or names that one side lacks.
    """
    if pred.is_dir() != truth.is_dir():
        raise BadInput(pred, "two videos or two folders of videos", "one of each", "give both alike")
    if not pred.is_dir():
        clip, pairs = _clip(pred.stem, pred, truth)
        return pairs, [clip], []
    left, right = videos(pred), videos(truth)
    names, notes = match(left, right, pred, truth, common=common)
    clips = [_clip(name, left[name], right[name]) for name in names]
    return [pair for _, pairs in clips for pair in pairs], [clip for clip, _ in clips], notes


def videos(folder: Path) -> dict[str, Path]:
    """Name -> video of a folder, sub-folders included, in natural order.

    Raises:
        BadInput: two of one name.
    """
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            found_here = f"{found[name].name} and {path.name} in the same folder"
            raise BadInput(path, "one video of each name", found_here, "keep one of them")
        found[name] = path
    return dict(sorted(found.items(), key=lambda item: natural(item[0])))


def _clip(name: str, pred: Path, truth: Path) -> tuple[ClipFolder, list[Pair]]:
    stamps = [path.stat().st_mtime_ns if path.exists() else 0 for path in (pred, truth)]
    count, wanted = (len(_footage(path, stamp)) for path, stamp in zip((pred, truth), stamps, strict=True))
    if count != wanted:
        fix = "export both with the same frames: none dropped, none added"
        raise BadInput(pred, f"{wanted:,} frames as in {truth}", f"{count:,}", fix)
    width = len(str(max(count - 1, 0)))
    names = tuple(f"{name}/{k:0{width}}" for k in range(count))
    pairs = [Pair(each, Frame(pred, k, stamps[0]), Frame(truth, k, stamps[1])) for k, each in enumerate(names)]
    return ClipFolder(name, names, tuple(range(count))), pairs


class Footage:
    """A video whose frames are asked for by number; going on from the last one is cheap.

    Raises:
        BadInput: not a video, damaged, or without a frame.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._times = self._counted()
        self._frames: Iterator[Any] | None = None
        self._next = 0
        self._last: tuple[int, Mask] | None = None

    def __len__(self) -> int:
        return len(self._times)

    def grey(self, index: int) -> Mask:
        """(H, W) uint8, the grey levels of a frame; only a few frames are held.

        Raises:
            BadInput: damage, or colours.
        """
        import av

        if self._last and self._last[0] == index:
            return self._last[1]
        try:
            if self._frames is None or index < self._next or index > self._next + 64:
                self._frames = self._from(index)
            while self._next <= index:
                frame = next(self._frames)
                self._next += 1
        except StopIteration:
            found = f"only {self._next:,} of {len(self):,} frames decode"
            raise BadInput(self.path, "a readable video", found, "export it again") from None
        except av.error.FFmpegError as fault:
            raise BadInput(self.path, "a readable video", f"a damaged file ({fault})", "export it again") from None
        self._last = (index, self._mask(frame, index))
        return self._last[1]

    def _mask(self, frame: Any, index: int) -> Mask:
        rgb = frame.to_ndarray(format="rgb24")
        apart = max(int(cv2.norm(rgb[..., 1], rgb[..., k], cv2.NORM_INF)) for k in (0, 2))
        if apart > _COLOUR:
            where = f"{self.path} frame {index}"
            raise BadInput(where, "masks in grey", "colours", "give a video of masks, white on black")
        return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)

    def _from(self, index: int) -> Iterator[Any]:
        """Set ``_next`` to a frame up to ``index`` and give the frames from there."""
        import av

        self._next = 0
        if index and None not in self._times:
            container = av.open(str(self.path))
            container.seek(self._times[index], stream=container.streams.video[0], backward=True)
            frames = container.decode(video=0)
            first = next(frames, None)
            if first is not None and first.pts in self._times[: index + 1]:
                self._next = self._times.index(first.pts)
                return _closing(container, itertools.chain([first], frames))
            container.close()  # the times say nothing: from the start
        container = av.open(str(self.path))
        return _closing(container, container.decode(video=0))

    def _counted(self) -> list[Any]:
        """The time of each frame, ascending, from the packets alone."""
        import av

        try:
            with av.open(str(self.path)) as container:
                if not container.streams.video:
                    raise BadInput(self.path, "a video", "a file without a video stream", "check the path")
                times: list[Any] = [packet.pts for packet in container.demux(video=0) if packet.size]
        except FileNotFoundError:
            raise BadInput(self.path, "a video", "no such file", "check the path") from None
        except av.error.FFmpegError as fault:
            raise BadInput(self.path, "a readable video", f"a damaged file ({fault})", "export it again") from None
        if not times:
            raise BadInput(self.path, "a video", "no frame in it", "export it again")
        return times if None in times else sorted(times)


def _closing(container: Any, frames: Iterator[Any]) -> Iterator[Any]:
    with container:
        yield from frames


@functools.lru_cache(maxsize=4)
def _footage(path: Path, stamp: int) -> Footage:
    return Footage(path)
