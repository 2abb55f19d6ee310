"""Known motion from files: the exact flow of a synthetic clip, one file per frame, named as the frame.

The motion is **backward**: the file of frame t says where its pixels were in frame t-1. With (dx, dy) at (x, y), what
is seen at (x, y) in frame t was at (x + dx, y + dy) in frame t-1; dx to the right, dy down, in pixels. Flow from t-1 to
t is another thing and cannot be told from it by looking, so whoever writes the files must see to it. The first frame of
a clip needs no file, and one that is there is not read. Three formats:

- ``NAME.npz``: ``backward`` (H, W, 2) float32; where there are any, ``valid`` (H, W) bool, false where the pixel was
  hidden in frame t-1 or its motion is unknown, and ``forward`` (H, W, 2) float32, where the pixels of frame t-1 went in
  frame t: hidden pixels are then found by going back and forth (:func:`evaluation.motion.consistent`);
- ``NAME.npy``: ``backward`` alone, NaN where hidden;
- ``NAME.flo``: ``backward`` alone in the Middlebury format, above 1e9 where hidden.
"""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.motion import Motion, known
from masksmith.errors import BadInput

SUFFIXES = (".npz", ".npy", ".flo")
KEYS = ("backward", "valid", "forward")
_TAG = b"PIEH"  # the first bytes of a Middlebury file
_UNKNOWN = 1e9
_WANT = "the backward motion (H, W, 2) of a frame"


def named_motions(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Name (path below the folder without suffix) -> motion file, sub-folders included.

    Raises:
        BadInput: no such folder, no motion files in it, or two of one name.
    """
    root = Path(folder)
    if not root.is_dir():
        raise BadInput(root, "a folder of motion files", "no such folder", "check the path")
    found: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        name = path.relative_to(root).with_suffix("").as_posix()
        if name in found:
            raise BadInput(path, "one motion of each name", f"{found[name].name} and {path.name}", "keep one of them")
        found[name] = path
    if not found:
        raise BadInput(root, f"motion files ({', '.join(SUFFIXES)})", "none", "check the path")
    return found


class Motions:
    """The known motions in a folder, by the name of the frame.

    Raises:
        BadInput: as :func:`named_motions`.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder, self._files = folder, named_motions(folder)

    def of(self, name: str) -> Motion:
        """The motion of a frame that is not the first of its clip.

        Raises:
            BadInput: there is none, or its file is damaged.
        """
        if name not in self._files:
            raise BadInput(self._folder, "the motion of each frame but a clip's first", f"none named {name}", "add it")
        return read_motion(self._files[name])


def read_motion(path: str | os.PathLike[str]) -> Motion:
    """The motion of one file, known exactly.

    Raises:
        BadInput: not such a file, damaged, or arrays of another shape.
    """
    place = Path(path)
    fix = "write it as evaluation.motion_files describes"
    try:
        parts = _flo(place) if place.suffix.lower() == ".flo" else _arrays(place)
    except FileNotFoundError:
        raise BadInput(place, _WANT, "no such file", "check the path") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, struct.error) as fault:
        raise BadInput(place, _WANT, f"a damaged file ({fault})", fix) from None
    odd = sorted(set(parts) - set(KEYS))
    if "backward" not in parts or odd:
        what = f"the arrays {', '.join(sorted(parts)) or 'none'}"
        raise BadInput(place, f"an array 'backward', and at most {' and '.join(KEYS[1:])} beside it", what, fix)
    try:
        return known(parts["backward"], parts.get("forward"), valid=parts.get("valid"))
    except ValueError as fault:
        raise BadInput(place, _WANT, str(fault), fix) from None


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return {"backward": loaded}
    with loaded:
        return {name: loaded[name] for name in loaded.files}


def _flo(path: Path) -> dict[str, npt.NDArray[Any]]:
    data = path.read_bytes()
    if data[:4] != _TAG:
        raise ValueError("it does not begin with PIEH")
    width, height = struct.unpack("<ii", data[4:12])
    if not (0 < width <= 1 << 16 and 0 < height <= 1 << 16) or len(data) != 12 + width * height * 8:
        raise ValueError(f"{len(data):,} bytes for {width} x {height} pixels")
    flow = np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)
    return {"backward": np.where(np.abs(flow) > _UNKNOWN, np.float32(np.nan), flow)}
