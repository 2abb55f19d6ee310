"""A record's picture and mask from disk at working size."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from masksmith import images
from masksmith.errors import BadInput
from masksmith.images import Image, Mask

_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
_TAIL = 64 * 1024


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
    mask = images.read_mask(mask_path)
    if mask.shape != (full_height, full_width):
        raise BadInput(
            mask_path,
            f"a mask of its image's size, {full_width} x {full_height} ({image_path})",
            f"{mask.shape[1]} x {mask.shape[0]}",
            "resize the mask by nearest neighbour, or pair it with the right image",
        )
    return images.resize_image(image, height, width), mask


class ClassTable:
    """The class ids a mask may hold, and what they become as a training target.

    Args:
        classes: name -> id.
        foreground: the names that become 1, all others 0; None keeps the ids.
    """

    def __init__(self, classes: dict[str, int], foreground: tuple[str, ...] | None) -> None:
        self.classes = dict(classes)
        known = [*classes.values(), 255]
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
    from PIL import Image as pillow

    try:
        data = path.read_bytes()
        if data[:2] != b"\xff\xd8" or b"\xff\xd9" not in data[-_TAIL:]:
            return None
        with pillow.open(io.BytesIO(data)) as opened:
            if opened.mode not in ("RGB", "L") or opened.width * opened.height > images.MAX_PIXELS:
                return None
            full = opened.height, opened.width
            if opened.getexif().get(0x0112, 1) in (5, 6, 7, 8):
                full = full[1], full[0]
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError):
        return None
    factor = next((f for f in (8, 4, 2) if full[0] >= f * height and full[1] >= f * width), None)
    if factor is None:
        return None
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[factor])
    if decoded is None:
        return None
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8), full
