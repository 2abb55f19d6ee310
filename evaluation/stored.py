"""Masks as they are stored: pictures, arrays, and anything else that can be asked for its ids or its levels.

What is not a picture file of its own (an entry of an array, a frame of a video, a row of a table) is a small value
that pickles and reads when it is asked, so that millions of them cost no memory.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt

from masksmith import images
from masksmith.errors import BadInput

Mask = npt.NDArray[np.uint8]
Soft = npt.NDArray[np.float32]
_PNG = b"\x89PNG\r\n\x1a\n"


@runtime_checkable
class Stored(Protocol):
    """A mask that is no file of its own. ``str`` of it names it in errors."""

    @property
    def path(self) -> Path:
        """The file it is in."""
        ...

    def absolute(self) -> Self:
        """The same with an absolute path, for workers that stand in another folder."""
        ...

    def ids(self) -> Mask:
        """(H, W) uint8, the values as they are stored.

        Raises:
            BadInput: it holds something else than ids from 0 to 255.
        """
        ...

    def level(self) -> Soft:
        """(H, W) float32 in [0, 1].

        Raises:
            BadInput: it holds something else than levels.
        """
        ...


Where = Path | Stored


def file_of(where: Where) -> Path:
    """The file that a mask is in."""
    return where if isinstance(where, Path) else where.path


def read_ids(where: str | os.PathLike[str] | Stored) -> Mask:
    """A mask's values as stored: (H, W) uint8.

    Raises:
        BadInput: it cannot be read, or it is no mask of ids.
    """
    if not isinstance(where, str | os.PathLike):  # asking for the protocol would take as long as a small mask
        return where.ids()
    if os.fspath(where)[-4:].lower() == ".npy":
        return as_ids(load_array(where), where)
    try:
        return images.read_mask(where)
    except (OSError, ValueError, SyntaxError, cv2.error) as fault:
        raise BadInput(where, "a readable mask", f"a damaged file ({fault})", "replace or remove it") from None


def read_level(where: str | os.PathLike[str] | Stored) -> Soft:
    """A soft mask as (H, W) float32 in [0, 1]: 8-bit levels over 255, 16-bit levels over 65535, floats as they are.

    Raises:
        BadInput: it cannot be read, holds NaN or values out of range, or 8-bit levels in 16 bits.
    """
    if not isinstance(where, str | os.PathLike):
        return where.level()
    if os.fspath(where)[-4:].lower() == ".npy":
        return as_level(load_array(where), where)
    wide = _sixteen(where)
    return as_level(read_ids(where) if wide is None else wide, where)


def load_array(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """A ``.npy`` file, memory-mapped.

    Raises:
        BadInput: no such file, damaged, or of Python objects.
    """
    want = "an array that numpy.save wrote"
    try:
        with Path(path).open("rb") as handle:
            if handle.read(6) != b"\x93NUMPY":
                raise BadInput(path, want, "something else", "save it again (archives of several are .npz)")
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise BadInput(path, want, "no such file", "check the path") from None
    except (OSError, ValueError, EOFError) as fault:
        raise BadInput(path, want, f"a file that cannot be read ({fault})", "save it again") from None
    return found


def as_ids(values: npt.NDArray[Any], where: Any) -> Mask:
    """An (H, W) array of bool or whole numbers as uint8 ids.

    Raises:
        BadInput: floats, another shape, or ids outside 0 to 255.
    """
    _flat(values, where)
    if values.dtype == np.bool_:
        return np.ascontiguousarray(values).view(np.uint8)
    if not np.issubdtype(values.dtype, np.integer):
        raise BadInput(
            where, "class ids in whole numbers", f"{values.dtype} values", "name --soft, or save them as ids"
        )
    if values.dtype != np.uint8:
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 255:
            raise BadInput(where, "class ids from 0 to 255", f"{low if low < 0 else high}", "map the ids to 8 bits")
    return np.ascontiguousarray(values, dtype=np.uint8)


def as_level(values: npt.NDArray[Any], where: Any) -> Soft:
    """An (H, W) array as levels: see :func:`read_level`.

    Raises:
        BadInput: NaN or infinity, values out of range, signed whole numbers, or another shape.
    """
    _flat(values, where)
    if values.dtype == np.bool_:
        return values.astype(np.float32)
    if np.issubdtype(values.dtype, np.floating):
        level = np.ascontiguousarray(values, dtype=np.float32)
        if not np.isfinite(level).all():
            lost = int((~np.isfinite(level)).sum())
            raise BadInput(where, "levels from 0 to 1", f"NaN or infinity in {lost:,} pixels", "mend what wrote it")
        low, high = float(level.min()), float(level.max())
        if low < 0 or high > 1:
            fix = "divide by 255" if high > 2 else "clip them, or pass them through a sigmoid"
            raise BadInput(where, "levels from 0 to 1", f"values from {low:g} to {high:g}", fix)
        return level
    if values.dtype == np.uint16:
        high = int(values.max())
        if high in (1, 255):
            found = f"16-bit values up to {high}: {'8-bit levels' if high == 255 else '0 and 1'} in 16 bits"
            raise BadInput(where, "16-bit levels from 0 to 65535", found, "save it as 8 bits")
        return np.asarray(values / np.float32(65535), np.float32)
    if values.dtype == np.uint8:
        return np.asarray(values / np.float32(255), np.float32)
    raise BadInput(where, "levels as floats, or as 8 or 16 bits", f"{values.dtype} values", "save them as float32")


def is_palette(path: Path) -> bool:
    """Whether a file is a PNG with a palette, whose indices are what is read."""
    if path.suffix.lower() != ".png":
        return False
    with path.open("rb") as handle:
        head = handle.read(26)
    return head[:8] == _PNG and len(head) == 26 and head[25] == 3


def decodes(where: Where) -> bool:
    """Whether a picture file is whole, whatever it shows; what is no picture file counts as whole."""
    from PIL import Image as pillow

    if not isinstance(where, Path) or where.suffix.lower() == ".npy":
        return True
    try:
        with pillow.open(io.BytesIO(where.read_bytes())) as opened:
            opened.load()
    except (OSError, ValueError, SyntaxError):
        return False
    return True


def _sixteen(path: str | os.PathLike[str]) -> npt.NDArray[np.uint16] | None:
    """The values of a 16-bit grey picture; None for any other file."""
    with Path(path).open("rb") as handle:
        head = handle.read(26)
    png = head[:8] == _PNG and len(head) == 26 and head[24] == 16
    if not png and Path(path).suffix.lower() not in (".tif", ".tiff", ".pgm"):
        return None
    images.image_size(path)  # refuses what is too large, or no picture
    if not decodes(Path(path)):
        raise BadInput(path, "a whole image file", "one cut off or damaged", "copy or download it again")
    values = cv2.imread(os.fspath(path), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        return None
    if values.ndim == 3:
        raise BadInput(path, "one channel of levels", f"{values.shape[2]} channels of 16 bits", "save one channel")
    return values


def _flat(values: npt.NDArray[Any], where: Any) -> None:
    if values.ndim == 3 and values.shape[-1] in (3, 4):
        raise BadInput(where, "one channel, (H, W)", f"colours, {values.shape}", "map its colours to ids first")
    if values.ndim != 2 or not values.size:
        raise BadInput(where, "a mask, (H, W)", f"an array {values.shape}", "save one mask (H, W) under each name")
