"""Small pictures of masks for the report: a base, and layers to lay over it that show what was found and missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from evaluation.counts import IGNORE
from masksmith.html import data_uri, overlay_uri

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

# Colours that stay apart for colour-blind eyes (after Okabe and Ito), as RGB and how much they cover.
COLOURS: dict[str, tuple[Colour, float]] = {
    "right": ((102, 214, 176), 0.42),
    "extra": ((230, 84, 30), 0.85),
    "missed": ((45, 104, 232), 0.85),
    "other": ((226, 178, 24), 0.85),
    "ignored": ((128, 128, 132), 0.65),
}
LEGEND = {
    "right": "foreground found",
    "extra": "false alarm",
    "missed": "missed",
    "other": "wrong class",
    "ignored": "not judged",
}
LAYERS = ("errors", "truth", "prediction")
"""What can lie over a base, in the order of the report's buttons."""
CLASSES: tuple[Colour, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
    (213, 94, 0),
    (0, 114, 178),
)
_PAPER = (30, 33, 38)  # stands for the photo where there is none


@dataclass(frozen=True)
class Sample:
    """One judged image.

    Attributes:
        id: its name.
        iou: its foreground IoU, NaN where undefined.
        image: (H, W, 3) uint8 RGB, or None where only masks were given.
        pred, truth: (H, W) uint8 class ids; 255 in the truth = ignore.
        note: a short text beside the figure, for example the subject.
    """

    id: str
    iou: float
    image: Image | None
    pred: Mask
    truth: Mask
    note: str = ""


@dataclass(frozen=True)
class Drawn:
    """A sample as ``data:`` URIs, ready for the page.

    Attributes:
        base: the photo, or with the errors painted in where there are no ``layers``; None for the plain dark ground.
        layers: by name of :data:`LAYERS`, what lies over the base.
    """

    id: str
    iou: float
    note: str
    base: str | None
    width: int
    height: int
    layers: dict[str, str] = field(default_factory=dict)


def choose(iou: Sequence[float] | npt.NDArray[np.float64], each: int = 4) -> dict[str, list[int]]:
    """Positions of the ``worst``, ``median`` and ``best`` images, none of them twice; undefined IoU left out."""
    values = np.asarray(iou, np.float64)
    order = [int(i) for i in np.argsort(values, kind="stable") if not np.isnan(values[i])]
    size = min(each, -(-len(order) // 3))
    worst = order[:size]
    best = order[::-1][: min(size, len(order) - len(worst))]
    rest = order[len(worst) : len(order) - len(best)]
    start = max(0, (len(rest) - size) // 2)
    return {"worst": worst, "median": rest[start : start + size], "best": best}


def draw(sample: Sample, *, width: int = 560, panels: bool = True, quality: int = 72) -> Drawn:
    """Shrink and encode a sample: the photo with a layer each of :data:`LAYERS`.

    Args:
        width: of the longer side of the picture in pixels.
        panels: False for one flat picture of the errors, for a small view.
        quality: of the WebP.
    """
    image, pred, truth = _shrunk(sample, width)
    high, wide = pred.shape
    layers: dict[str, str] = {}
    if panels:
        solid = image is None
        layers = {
            "errors": overlay_uri(fates(pred, truth, solid=solid)),
            "truth": overlay_uri(lit(truth, solid=solid)),
            "prediction": overlay_uri(lit(pred, solid=solid)),
        }
        base = None if image is None else data_uri(image, wide, quality)
    else:
        base = data_uri(errors(image, pred, truth), wide, quality)
    return Drawn(sample.id, sample.iou, sample.note, base, wide, high, layers)


def errors(image: Image | None, pred: Mask, truth: Mask) -> Image:
    """(H, W, 3) uint8 RGB: the picture with every judged pixel's fate in the colours of :data:`COLOURS`."""
    return blend(image, fates(pred, truth, solid=image is None))


def blend(image: Image | None, over: npt.NDArray[np.uint8]) -> Image:
    """(H, W, 3) uint8 RGB: an (H, W, 4) RGBA layer over a picture, or over the plain dark ground for None."""
    if image is None:
        base = np.full((*over.shape[:2], 3), _PAPER, np.float32)
    else:
        base = image.astype(np.float32)
    cover = over[..., 3:].astype(np.float32) / 255
    return np.asarray(np.clip(base + (over[..., :3] - base) * cover + 0.5, 0, 255), np.uint8)


def fates(pred: Mask, truth: Mask, *, solid: bool = False) -> npt.NDArray[np.uint8]:
    """(H, W, 4) uint8 RGBA: each judged pixel's fate.

    Args:
        solid: nothing to see through to.
    """
    judged = truth != IGNORE
    front, goal = (pred != 0) & judged, (truth != 0) & judged
    where = {
        "right": front & goal & (pred == truth),
        "other": front & goal & (pred != truth),
        "extra": front & ~goal,
        "missed": goal & ~front,
        "ignored": ~judged,
    }
    layer = np.zeros((*pred.shape, 4), np.uint8)
    for fate, place in where.items():
        colour, cover = COLOURS[fate]
        layer[place] = (*colour, round(255 * (0.9 if solid else cover)))
    return layer


def lit(mask: Mask, *, solid: bool = False) -> npt.NDArray[np.uint8]:
    """(H, W, 4) uint8 RGBA: the masked part as it is, the rest dim; several classes are tinted.

    Args:
        solid: nothing to see through to: white on dark.
    """
    layer = np.zeros((*mask.shape, 4), np.uint8)
    ids = [int(value) for value in np.unique(mask) if value not in (0, IGNORE)]
    front = np.isin(mask, ids)
    if not solid:
        layer[~front] = (*_PAPER, 200)
        grown = cv2.dilate(front.view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_)
        layer[grown & ~front] = (236, 236, 236, 255)
    for value in ids:
        if solid:
            layer[mask == value] = (*((236, 236, 236) if max(ids) == 1 else _tint(value)), 255)
        elif max(ids) > 1:
            layer[mask == value] = (*_tint(value), 130)
    return layer


def _tint(value: int) -> Colour:
    return CLASSES[(value - 1) % len(CLASSES)]


def _shrunk(sample: Sample, longest: int) -> tuple[Image | None, Mask, Mask]:
    height, width = sample.pred.shape
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pred, truth = (cv2.resize(m, size, interpolation=cv2.INTER_NEAREST_EXACT) for m in (sample.pred, sample.truth))
    image: Any = None if sample.image is None else cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA)
    return image, np.asarray(pred, np.uint8), np.asarray(truth, np.uint8)
