"""A record's picture and mask from disk at working size."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from masksmith import images
from masksmith.errors import BadInput
from masksmith.images import Image, Mask

# the grey flag without its grey: OpenCV takes "reduced" from it and the order of colours from the other
_REDUCED = {
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_COLOR_RGB,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_COLOR_RGB,
}
_TAIL = 64 * 1024
_PNG_GREY = b"\x08\x00\x00\x00\x00"  # 8 bits, grey, plain, not interlaced


def read_at_least(path: Path, height: int, width: int) -> tuple[Image, tuple[int, int]]:
    """A picture decoded no smaller than (height, width), and its full size (height, width) in pixels.

    A JPEG twice the size or more is decoded at a half, a quarter or an eighth straight from its frequencies, which
    is faster and already filtered. Other files come at full size.

    Raises:
        BadInput: as :func:`masksmith.images.read_image`.
    """
    fast = _reduced(path, height, width) if path.suffix.lower() in (".jpg", ".jpeg") else None
    if fast is not None:
        return fast
    image = images.read_image(path)
    return image, (image.shape[0], image.shape[1])


def read_pair(image_path: Path, mask_path: Path, height: int, width: int) -> tuple[Image, Mask]:
    """Picture and mask of a record, the picture at (height, width), the mask still at its full size.

    The mask's values are judged at full size by the caller before it is made smaller.

    Raises:
        BadInput: a file that is no readable picture, or a mask of another size than its picture.
    """
    image, (full_height, full_width) = read_at_least(image_path, height, width)
    mask = _read_mask(mask_path)
    if mask.shape != (full_height, full_width):
        raise BadInput(
            mask_path,
            f"a mask of its image's size, {full_width} x {full_height} ({image_path})",
            f"{mask.shape[1]} x {mask.shape[0]}",
            "resize the mask by nearest neighbour, or pair it with the right image",
        )
    return _shrunk(image, (full_height, full_width), height, width), mask


def _shrunk(image: Image, full: tuple[int, int], height: int, width: int) -> Image:
    """At working size. What was decoded small is filtered already: for the rest, below two, bilinear is enough."""
    decoded_small = image.shape[:2] != full
    if decoded_small and image.shape[0] < 2 * height and image.shape[1] < 2 * width:
        return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return images.resize_image(image, height, width)


def _read_mask(path: Path) -> Mask:
    """As :func:`masksmith.images.read_mask`, which does all but plain PNGs of 8 bits of grey."""
    try:
        data = path.read_bytes()
    except OSError:
        return images.read_mask(path)
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and data[24:29] == _PNG_GREY:
        width, height = struct.unpack(">II", data[16:24])
        if b"IEND" in data[-_TAIL:] and 0 < width * height <= images.MAX_PIXELS:
            values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            if values is not None and values.ndim == 2:
                return np.asarray(values, np.uint8)
    return images.read_mask(path)


class ClassTable:
    """The class ids a mask may hold, and what they become as a training target.

    Args:
        classes: name -> id.
        foreground: the names that become 1, all others 0; None keeps the ids.
    """

    def __init__(self, classes: dict[str, int], foreground: tuple[str, ...] | None) -> None:
        self.classes = dict(classes)
        known = [*classes.values(), 255]
        ids = sorted(set(classes.values()))
        self._highest = len(ids) - 1 if ids == list(range(len(ids))) else -1
        self._foreign: npt.NDArray[np.uint8] = np.ones(256, np.uint8)
        self._foreign[known] = 0
        background = classes.get("background")
        if foreground is None:
            self._target = np.arange(256, dtype=np.uint8)
            self.outside = 255 if background is None else background
        else:
            self._target = np.zeros(256, np.uint8)
            self._target[[classes[name] for name in foreground]] = 1
            self.outside = 0
        self._target[255] = 255
        # what a prior counts as foreground: neither the background nor "ignore"
        self._solid = np.ones(256, np.uint8)
        self._solid[[0 if foreground is not None or background is None else background, 255]] = 0

    def check(self, mask: Mask, path: Path) -> None:
        """Refuse ids that the class table does not have.

        Raises:
            BadInput: naming ``path`` and the ids.
        """
        if int(mask.max(initial=0)) <= self._highest:  # ids without gaps, and nothing to ignore
            return
        if cv2.countNonZero(cv2.LUT(mask, self._foreign)):
            found = sorted({int(v) for v in np.unique(mask)} - {*self.classes.values(), 255})
            shown = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
            raise BadInput(path, f"class ids {self._listed()} or 255 (ignore)", f"also {shown}", self._advice(found))

    def target(self, mask: Mask) -> Mask:
        """The training target of a checked mask of class ids."""
        return np.asarray(cv2.LUT(mask, self._target), np.uint8)

    def solid(self, target: Mask) -> Mask:
        """1 where a target shows anything but background or ignore: the truth that priors are made from."""
        return np.asarray(cv2.LUT(target, self._solid), np.uint8)

    def refuse_255(self, masks: list[Path]) -> None:
        """Look at some masks of a split for the coding 0/255, where 255 is no ignore but the foreground.

        Raises:
            BadInput: none of them holds a class other than 0, and some hold 255.
        """
        if 0 not in self.classes.values() or not masks:
            return
        coded = None
        for path in masks:
            values = set(np.flatnonzero(cv2.calcHist([images.read_mask(path)], [0], None, [256], [0, 256])).tolist())
            if not values <= {0, 255}:
                return
            coded = path if 255 in values else coded
        if coded is not None:
            raise BadInput(
                coded,
                f"class ids {self._listed()}, where 255 means ignore",
                f"only 0 and 255 in {len(masks)} masks looked at, the coding of black-and-white masks",
                "map 255 to the foreground's id when the manifest is made",
            )

    def _listed(self) -> str:
        return ", ".join(f"{number} ({name})" for name, number in sorted(self.classes.items(), key=lambda kv: kv[1]))

    def _advice(self, found: list[int]) -> str:
        if len(found) > 2:
            return "these look like grey levels, not ids: save masks without smoothing or colour conversion"
        return "map the ids when the manifest is made, or add the class to its table"


def _reduced(path: Path, height: int, width: int) -> tuple[Image, tuple[int, int]] | None:
    """The fast way for a plain JPEG; None for all others, and for what is damaged, which the slow way names."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    full = _jpeg_size(data)
    if full is None or b"\xff\xd9" not in data[-_TAIL:] or full[0] * full[1] > images.MAX_PIXELS:
        return None
    factor = next((f for f in (8, 4, 2) if full[0] >= f * height and full[1] >= f * width), None)
    if factor is None:
        return None
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[factor])
    if decoded is None or decoded.ndim != 3:
        return None
    return np.asarray(decoded, np.uint8), full


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) of a JPEG of one or three channels when it stands upright; None for what is not one.

    Only the markers are read; a library that opens the picture takes ten times as long. Where there is EXIF, Pillow
    says how the picture is turned.
    """
    if data[:2] != b"\xff\xd8":
        return None
    place, exif = 2, False
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # fill
            place += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, channels = struct.unpack(">HHB", data[place + 5 : place + 10])
            if channels not in (1, 3) or not height or not width:
                return None
            return (width, height) if exif and _lies(data) else (height, width)
        if marker in (0xD9, 0xDA) or 0xD0 <= marker <= 0xD7:
            return None
        exif = exif or (marker == 0xE1 and data[place + 4 : place + 8] == b"Exif")
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None


def _lies(data: bytes) -> bool:
    """Whether the EXIF of a picture says that height and width change places."""
    from PIL import Image as pillow

    try:
        with pillow.open(io.BytesIO(data)) as opened:
            return opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError):
        return False
