"""Small pictures of masks for the report: what was found, what was missed, what was made up."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from evaluation.counts import IGNORE

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.uint8]

# Colours that stay apart for colour-blind eyes (after Okabe and Ito), as RGB and how much they cover.
COLOURS: dict[str, tuple[tuple[int, int, int], float]] = {
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
    """A sample as ``data:`` URIs, ready for the page."""

    id: str
    iou: float
    note: str
    errors: str
    truth: str | None
    pred: str | None
    width: int
    height: int


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


def draw(sample: Sample, *, width: int = 360, panels: bool = True, quality: int = 72) -> Drawn:
    """Shrink and encode a sample: the errors, and with ``panels`` truth and prediction on their own.

    Args:
        width: of the error picture in pixels; the panels are half as wide.
        quality: of the WebP.
    """
    image, pred, truth = _shrunk(sample, 2 * width)
    shown = errors(image, pred, truth)
    height, wide = shown.shape[:2]
    target = min(width, wide)
    return Drawn(
        id=sample.id,
        iou=sample.iou,
        note=sample.note,
        errors=data_uri(shown, target, quality),
        truth=data_uri(_lit(image, (truth != 0) & (truth != IGNORE)), target // 2, quality) if panels else None,
        pred=data_uri(_lit(image, pred != 0), target // 2, quality) if panels else None,
        width=target,
        height=max(1, round(height * target / wide)),
    )


def errors(image: Image | None, pred: Mask, truth: Mask) -> Image:
    """(H, W, 3) uint8 RGB: the picture with every judged pixel's fate in the colours of :data:`COLOURS`."""
    canvas = _canvas(image, pred.shape)
    judged = truth != IGNORE
    front, goal = (pred != 0) & judged, (truth != 0) & judged
    fates = {
        "right": front & goal & (pred == truth),
        "other": front & goal & (pred != truth),
        "extra": front & ~goal,
        "missed": goal & ~front,
        "ignored": ~judged,
    }
    for fate, where in fates.items():
        if where.any():
            colour, cover = COLOURS[fate]
            if image is None:
                cover = 0.9  # nothing to see through to
            canvas[where] = canvas[where] * (1 - cover) + np.asarray(colour, np.float32) * cover
    return np.asarray(np.clip(canvas + 0.5, 0, 255), np.uint8)


def data_uri(image: Image, width: int, quality: int = 72) -> str:
    """A ``data:`` URI of an RGB picture, shrunk to ``width`` pixels: WebP, or JPEG where OpenCV has no WebP."""
    width = max(1, width)
    if image.shape[1] > width:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    ordered = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    for suffix, kind, option in (
        (".webp", "webp", cv2.IMWRITE_WEBP_QUALITY),
        (".jpg", "jpeg", cv2.IMWRITE_JPEG_QUALITY),
    ):
        try:
            done, buffer = cv2.imencode(suffix, ordered, [option, quality])
        except cv2.error:
            continue
        if done:
            return f"data:image/{kind};base64,{base64.b64encode(buffer.tobytes()).decode()}"
    raise ValueError(f"a picture of shape {image.shape} cannot be encoded")


def _shrunk(sample: Sample, longest: int) -> tuple[Image | None, Mask, Mask]:
    height, width = sample.pred.shape
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pred, truth = (cv2.resize(m, size, interpolation=cv2.INTER_NEAREST_EXACT) for m in (sample.pred, sample.truth))
    image = None if sample.image is None else cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA)
    return image, np.asarray(pred, np.uint8), np.asarray(truth, np.uint8)


def _lit(image: Image | None, mask: npt.NDArray[np.bool_]) -> Image:
    """The masked part as it is, the rest dim; without a photo, white on dark."""
    if image is None:
        canvas = _canvas(None, mask.shape)
        canvas[mask] = 236
    else:
        canvas = image.astype(np.float32)
        canvas[~mask] = canvas[~mask] * 0.22 + np.asarray(_PAPER, np.float32) * 0.3
        grown = cv2.dilate(mask.view(np.uint8), np.ones((5, 5), np.uint8)).view(np.bool_)
        canvas[grown & ~mask] = 236
    return np.asarray(np.clip(canvas + 0.5, 0, 255), np.uint8)


def _canvas(image: Image | None, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if image is not None:
        return image.astype(np.float32)
    return np.full((*shape, 3), _PAPER, np.float32)
