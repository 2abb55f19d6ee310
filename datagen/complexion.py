"""Complexions: the same foot in other skins. Pale, grey, red, tanned or dark; wrinkled, blotched or hairy.

A few scanned people and one made skin show less than a street does, and cameras that balance their white by a pink
blanket leave feet grey. What a scene changes is drawn with its recipe and lies on the skin before the light falls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen.chance import Chance
from masksmith import seeds

Bytes = npt.NDArray[np.uint8]

MARKS = ("wrinkles", "hair", "blotches")
SIDE = 512
"""Side of a sheet of marks in pixels, for scenes up to this size."""
_SIGMA = 32.0  # of a sheet of marks, in bytes around 128
_GREY = np.array([0.299, 0.587, 0.114])


def draw(chance: Chance, share: float) -> dict[str, Any] | None:
    """How the skin of a scene differs from the cutout's: gains, saturation and marks; None = it does not.

    Every number is drawn whether it is used or not, so that a share changes no scene but those it adds.
    """
    wanted = chance.random() < share
    value, warmth, green = chance.normal(0, 0.16), chance.normal(0, 0.1), chance.normal(0, 0.035)
    saturation = chance.uniform(0.25, 1.3) if chance.random() < 0.6 else 1.0
    kinds = [kind for kind, often in zip(MARKS, (0.4, 0.3, 0.35), strict=True) if chance.random() < often]
    complexion = {
        "gains": [_round(math.exp(part)) for part in (value + warmth, value + green, value - warmth)],
        "saturation": _round(saturation),
        "marks": {kind: _round(chance.log_uniform(0.12, 0.6)) for kind in kinds},
        "turn": chance.integers(4),
        "at": [_round(chance.random()), _round(chance.random())],
    }
    return complexion if wanted else None


def changed(colour: Bytes, about: Mapping[str, Any] | None, size: int, skin: Bytes | None = None) -> Bytes:
    """A cutout's colour (h, w, 3), sRGB bytes without light, in the complexion of a scene of ``size`` pixels.

    ``skin`` (h, w) is above 0 where there is any: cloth and things keep their colour. Without it all is skin.
    """
    if about is None:
        return colour
    saturation = about["saturation"]
    mix = (1 - saturation) * np.tile(_GREY, (3, 1)) + saturation * np.eye(3)
    out = cv2.transform(colour, np.diag(about["gains"]) @ mix)
    height, width = colour.shape[:2]
    for kind, strength in sorted(about["marks"].items()):  # a stored recipe has its keys in this order
        sheet = marks(kind, max(SIDE, size), about["turn"])
        room = sheet.shape[0] - height, sheet.shape[1] - width
        row, column = (int(part * free) for part, free in zip(about["at"], room, strict=True))
        part = sheet[row : row + height, column : column + width]
        # marks take a share of the skin's colour away: as far on dark skin as on light
        out = cv2.multiply(out, cv2.addWeighted(part, strength, part, 0, 128 * (1 - strength)), scale=1 / 128)
    if skin is not None:
        out = cv2.copyTo(out, skin, colour.copy())
    return np.asarray(out, np.uint8)


@lru_cache(maxsize=24)
def marks(kind: str, side: int, turn: int) -> Bytes:
    """(side, side, 3) marks around 128, the same in every process; ``turn`` is one of four directions."""
    rng = seeds.rng(0, "marks", kind, side, turn)
    scale = side / SIDE  # scenes up to 512 pixels share one sheet
    if kind == "hair":
        relief = _hairs(rng, side, turn, scale)
    elif kind == "wrinkles":
        relief = _wrinkles(rng, side, turn, scale)
    else:
        relief = _blotches(rng, side, scale)
    relief = (relief - relief.mean()) * (_SIGMA / max(float(relief.std()), 1e-6))
    return np.clip(np.rint(relief + 128), 0, 255).astype(np.uint8)


def _smooth(rng: np.random.Generator, side: int, sigma: float) -> npt.NDArray[np.float32]:
    noise = cv2.GaussianBlur(rng.standard_normal((side, side), dtype=np.float32), (0, 0), sigma)
    return np.asarray(noise / noise.std(), np.float32)


def _wrinkles(rng: np.random.Generator, side: int, turn: int, scale: float) -> npt.NDArray[np.float32]:
    """Creases: dark lines where smooth noise, stretched one way, passes zero."""
    relief = np.zeros((side, side), np.float32)
    for finer, weight in ((1.0, 1.0), (2.0, 0.6)):
        sigma = 2.6 * scale / finer
        noise = cv2.GaussianBlur(rng.standard_normal((side, side), dtype=np.float32), (0, 0), sigma, sigmaY=4 * sigma)
        noise /= noise.std()
        relief -= weight * np.exp(-np.abs(noise) * 5)
    relief *= 0.5 + 0.5 * np.tanh(_smooth(rng, side, 22 * scale))
    red = relief[..., None] * np.array([0.8, 1.0, 1.0], np.float32)
    return _turned(red, turn)


def _hairs(rng: np.random.Generator, side: int, turn: int, scale: float) -> npt.NDArray[np.float32]:
    """Short dark strokes that lie about the same way, thinner than a pixel."""
    canvas = np.zeros((side, side), np.uint8)
    number = int(3000 * (side / SIDE) ** 2 / max(scale, 1e-6) ** 2)
    start = rng.uniform(0, side, (number, 2))
    angle, length = rng.normal(np.pi / 2, 0.45, number), rng.uniform(6, 20, number) * scale
    bow = rng.normal(0, 0.15, number)
    ways = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    across = ways[:, ::-1] * np.array([-1, 1])
    along = np.linspace(0, 1, 6)[None, :, None]
    bent = (4 * along * (1 - along)) * (across * (bow * length)[:, None])[:, None]
    points = start[:, None] + along * (ways * length[:, None])[:, None] + bent
    strokes = np.rint(points * 16).astype(np.int32)
    cv2.polylines(canvas, list(strokes), False, 255, 1, cv2.LINE_AA, 4)
    growth = np.clip(_smooth(rng, side, 30 * scale) + 0.5, 0, 1)
    dark = -cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), 0.5) * growth
    return _turned(np.repeat(dark[..., None], 3, axis=2), turn)


def _blotches(rng: np.random.Generator, side: int, scale: float) -> npt.NDArray[np.float32]:
    """Redder, paler and darker places, large and small, and freckles."""
    red = _smooth(rng, side, 16 * scale)[..., None] * np.array([0.15, -0.5, -0.4], np.float32)
    value = (_smooth(rng, side, 26 * scale) + 0.6 * _smooth(rng, side, 5 * scale))[..., None]
    freckles = -2.5 * np.clip(_smooth(rng, side, 1.6 * scale) - 1.9, 0, None)[..., None]
    return np.asarray(red + value + freckles * np.array([0.7, 1.0, 1.1], np.float32), np.float32)


def _turned(relief: npt.NDArray[np.float32], turn: int) -> npt.NDArray[np.float32]:
    """Relief whose marks run downwards, turned by ``turn`` eighths of a circle."""
    if turn == 0:
        return relief
    side = relief.shape[0]
    middle = (side - 1) / 2
    way = cv2.getRotationMatrix2D((middle, middle), 45.0 * turn, 1.0)
    return np.asarray(cv2.warpAffine(relief, way, (side, side), borderMode=cv2.BORDER_REFLECT_101), np.float32)


def _round(value: float) -> float:
    return round(value, 5)
