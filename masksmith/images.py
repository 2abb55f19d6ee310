"""Still images and masks, read and written in one place.

EXIF orientation is applied once, on reading. A pixel limit holds before anything is decoded, and a file that is
cut off in the middle is named instead of shown half grey.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from masksmith.errors import BadInput, EnvironmentFault

Image = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""
Mask = npt.NDArray[np.uint8]
"""(H, W) uint8, class ids; 255 = ignore."""

MAX_PIXELS = 120_000_000
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
_TAIL = 64 * 1024  # trailing bytes after a JPEG's end marker (cameras append some)


def read_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Image:
    """Read a picture as (H, W, 3) uint8 RGB, upright.

    Raises:
        BadInput: not an image, empty, cut off, or larger than ``max_pixels``.
    """
    data = _bytes(path)
    mode, _, _ = _header(path, data, max_pixels)
    _whole(path, data)
    if mode == "CMYK":
        return _with_pillow(path, data)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        return _with_pillow(path, data)
    return np.ascontiguousarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def read_mask(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Mask:
    """Read a mask as (H, W) uint8, the values as they are stored (palette indices, not palette colours).

    Raises:
        BadInput: not an image, a lossy JPEG, colours instead of ids, or values above 255.
    """
    data = _bytes(path)
    mode, _, _ = _header(path, data, max_pixels)
    _whole(path, data)
    if data[:2] == b"\xff\xd8":
        raise BadInput(path, "a mask in a lossless format", "a JPEG, whose ids are blurred", "save masks as PNG")
    if mode in ("L", "I;16", "I", "RGB", "RGBA", "LA"):
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if values is None:
            raise BadInput(path, "a readable mask", "a file that does not decode", "export it again")
    else:
        from PIL import Image as pillow

        try:
            with pillow.open(io.BytesIO(data)) as opened:
                values = np.asarray(opened)
        except (OSError, ValueError, SyntaxError) as fault:
            raise BadInput(path, "a readable mask", f"a damaged file ({fault})", "export it again") from None
    if values.ndim == 3:
        values = _one_channel(path, values)
    if values.dtype != np.uint8:
        if values.dtype != np.bool_ and int(values.max(initial=0)) > 255:
            raise BadInput(
                path, "class ids from 0 to 255", f"values up to {int(values.max())}", "map the ids to 8 bits"
            )
        values = values.astype(np.uint8)
    return np.ascontiguousarray(values)


def image_size(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """(height, width) in pixels after EXIF orientation, from the header alone.

    Raises:
        BadInput: not an image, or larger than ``max_pixels``.
    """
    with open(path, "rb") as handle:
        data = handle.read(512 * 1024)
    _, height, width = _header(path, data, max_pixels)
    return height, width


def encode_jpeg(image: Image, quality: int = 92) -> bytes:
    """JPEG bytes of an (H, W, 3) RGB image."""
    options = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    return _encoded(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)


def encode_png(values: npt.NDArray[Any], level: int = 3) -> bytes:
    """PNG bytes of an (H, W) mask or an (H, W, 3) RGB or (H, W, 4) RGBA image; ``level`` as in zlib."""
    if values.ndim == 3:
        order = cv2.COLOR_RGBA2BGRA if values.shape[2] == 4 else cv2.COLOR_RGB2BGR
        values = cv2.cvtColor(values, order)
    return _encoded(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, level])


def encode_mask(mask: Mask) -> bytes:
    """PNG bytes of an (H, W) mask of ids.

    Rows filtered by the one above and packed as runs: for masks a third of the time of OpenCV's usual choice, smaller,
    and twice as fast to read.
    """
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # since OpenCV 4.12
        options += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    return _encoded(".png", mask, options)


def resize_image(image: Image, height: int, width: int) -> Image:
    """Resize (H, W, 3): area averaging when it shrinks, bilinear when it grows."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=way), dtype=np.uint8)


def resize_mask(mask: Mask, height: int, width: int) -> Mask:
    """Resize (H, W) class ids by nearest neighbour."""
    if mask.shape[:2] == (height, width):
        return mask
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint8)


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """The picture files of a folder and its subfolders, sorted by path; hidden ones left out.

    Raises:
        BadInput: no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise BadInput(
            root, "a folder of images", "no such folder" if not root.exists() else "a file", "check the path"
        )
    found = (p for p in root.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(root).parts))


def _bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        with open(path, "rb") as handle:
            data = handle.read()
    except FileNotFoundError:
        raise BadInput(path, "an image file", "no such file", "check the path") from None
    except IsADirectoryError:
        raise BadInput(path, "an image file", "a folder", "name a file in it") from None
    except PermissionError:
        raise EnvironmentFault(f"{path}: cannot read, no permission; change the file's rights") from None
    if not data:
        raise BadInput(path, "an image file", "an empty file (0 bytes)", "replace or remove it")
    return data


def _header(path: str | os.PathLike[str], data: bytes, max_pixels: int) -> tuple[str, int, int]:
    """(mode, height, width) of the upright image, without decoding it."""
    grey = _grey_png(data)
    if grey and 0 < grey[0] * grey[1] <= max_pixels:
        return ("L", *grey)
    from PIL import Image as pillow
    from PIL import UnidentifiedImageError

    limit = pillow.MAX_IMAGE_PIXELS
    pillow.MAX_IMAGE_PIXELS = None  # our own limit, below, names the file
    try:
        with pillow.open(io.BytesIO(data)) as opened:
            width, height = opened.size
            mode = opened.mode
            # in a PNG without EXIF, asking for it would decode the whole picture
            plain = opened.format == "PNG" and b"eXIf" not in data and b"Raw profile" not in data
            turned = not plain and opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except UnidentifiedImageError:
        raise BadInput(path, "an image (JPEG, PNG, ...)", _looks_like(data), "replace or remove it") from None
    except (OSError, ValueError, SyntaxError) as fault:
        raise BadInput(path, "a readable image", f"a damaged file ({fault})", "replace or remove it") from None
    finally:
        pillow.MAX_IMAGE_PIXELS = limit
    if width * height > max_pixels:
        raise BadInput(path, f"at most {max_pixels:,} pixels", f"{width} x {height}", "make it smaller")
    return (mode, width, height) if turned else (mode, height, width)


def _grey_png(data: bytes) -> tuple[int, int] | None:
    """(height, width) of a PNG of 8-bit grey without EXIF, which most masks are: no need to open it to know."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[8:16] != b"\0\0\0\rIHDR" or data[24:26] != b"\x08\0":
        return None
    if b"eXIf" in data or b"Raw profile" in data:
        return None
    return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")


def _whole(path: str | os.PathLike[str], data: bytes) -> None:
    """JPEG and PNG say where they end; OpenCV would fill a missing rest with grey."""
    cut = (data[:2] == b"\xff\xd8" and b"\xff\xd9" not in data[-_TAIL:]) or (
        data[:8] == b"\x89PNG\r\n\x1a\n" and b"IEND" not in data[-_TAIL:]
    )
    if cut:
        raise BadInput(
            path, "a whole image file", f"one cut off after {len(data):,} bytes", "copy or download it again"
        )


def _looks_like(data: bytes) -> str:
    start = data[:512]
    if all(byte in b"\t\n\r\f\b" or byte >= 32 for byte in start):
        return "a text file"
    return "no image format known here"


def _with_pillow(path: str | os.PathLike[str], data: bytes) -> Image:
    from PIL import Image as pillow
    from PIL import ImageOps

    try:
        with pillow.open(io.BytesIO(data)) as opened:
            upright = ImageOps.exif_transpose(opened)
            return np.asarray((upright or opened).convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError) as fault:
        raise BadInput(path, "a readable image", f"a damaged file ({fault})", "replace or remove it") from None


def _one_channel(path: str | os.PathLike[str], values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    colour = values[..., :3] if values.shape[2] >= 3 else values[..., :1]
    if any(not np.array_equal(colour[..., 0], colour[..., k]) for k in range(1, colour.shape[2])):
        raise BadInput(path, "one channel of class ids", "an RGB picture", "map its colours to ids first")
    return np.asarray(colour[..., 0])


def _encoded(suffix: str, values: npt.NDArray[Any], options: list[int]) -> bytes:
    done, buffer = cv2.imencode(suffix, values, options)
    if not done:
        raise ValueError(f"an array of shape {values.shape}, {values.dtype} cannot be encoded as {suffix}")
    return buffer.tobytes()
