"""A sheet to look at: frames of some clips with the mask's outline, and under each its motion in colours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from datagen.flow import HIDDEN, OUTSIDE
from manifests import Manifest, Record
from masksmith import images
from masksmith.errors import BadInput

Bytes = npt.NDArray[np.uint8]

_OUTLINE = (255, 60, 170)
_GREY = 190


def sheet(folder: Path, *, clips: int = 4, columns: int = 6, side: int = 192) -> Bytes:
    """(2 x clips x side, columns x side, 3) uint8: two rows a clip, frames spread over its length from left to right.

    Args:
        folder: a dataset of :mod:`datagen.clip_set`.
        clips: the first so many.

    Raises:
        BadInput: no dataset, no frames with motion in it, or a picture that cannot be read.
    """
    by_clip: dict[str, list[Record]] = {}
    for record in Manifest.open(folder).records():
        if "motion" in record.extra:
            by_clip.setdefault(str(record.clip), []).append(record)
    if not by_clip:
        raise BadInput(folder, "clips with motion", "none", "make some: masksmith clips")
    rows = []
    for records in list(by_clip.values())[:clips]:
        places = np.linspace(0, len(records) - 1, columns).round().astype(int)
        chosen = [records[place] for place in places]
        motions = [np.load(folder / record.extra["motion"])["backward"] for record in chosen]
        states = [images.read_mask(folder / record.extra["hidden"]) for record in chosen]
        largest = max(float(np.nanpercentile(np.hypot(*np.moveaxis(motion, -1, 0)), 99)) for motion in motions)
        shown = [_outlined(folder, record) for record in chosen]
        coloured = [colours(motion, state, largest) for motion, state in zip(motions, states, strict=True)]
        rows += [[images.resize_image(picture, side, side) for picture in row] for row in (shown, coloured)]
    return np.asarray(np.vstack([np.hstack(row) for row in rows]), np.uint8)


def colours(backward: npt.NDArray[np.float32], state: Bytes, largest_px: float) -> Bytes:
    """(H, W, 3) uint8: hue says where a pixel came from (red: from the right), saturation how far.

    What is at rest is white, what was hidden black, what was outside of the picture grey.

    Args:
        backward, state: of :class:`datagen.flow.Flow`.
        largest_px: length of full saturation.
    """
    x, y = np.nan_to_num(backward[..., 0]), np.nan_to_num(backward[..., 1])
    hue = np.degrees(np.arctan2(y, x)) % 360 / 2
    far = np.clip(np.hypot(x, y) / max(largest_px, 1e-6), 0, 1) * 255
    hsv = np.stack([hue, far, np.full_like(far, 255)], axis=-1).astype(np.uint8)
    out = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)
    out[state == HIDDEN] = 0
    out[state == OUTSIDE] = _GREY
    return out


def _outlined(folder: Path, record: Record) -> Bytes:
    image, mask = images.read_image(folder / record.image), images.read_mask(folder / (record.mask or ""))
    found, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, found, -1, _OUTLINE, 1)
    return image
