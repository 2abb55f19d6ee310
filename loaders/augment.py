"""Augmentation of one picture and its mask together, by the recipe of a paper.

``pirshutuk2023`` (document P): horizontal flip; rotate, scale, pad, crop; brightness, contrast, gamma; motion blur.
The paper gives no strengths, ours stand in :class:`Strengths`. ``demborg2018`` (document F): one random point in
each corner cell of a 3 x 3 grid, those points warped to the corners of the output.

Everything is drawn from the generator that is handed in. Pictures move bilinearly and class ids by nearest
neighbour, in one warp. OpenCV does the work: a general augmentation library takes three times as long for the same
steps, and 1.4 s of import in every worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from loaders import warps
from masksmith.errors import unknown_choice
from masksmith.images import Image, Mask

Pair = tuple[Image, Mask]


@dataclass(frozen=True)
class Strengths:
    """How strong each step of ``pirshutuk2023`` is; pairs are ranges, ``*_chance`` how often a step is taken.

    ``shift`` is a share of each side; ``scale`` and ``gamma`` are drawn evenly in their logarithm; ``brightness``
    and ``contrast`` are the largest change either way, on a picture in [0, 1]; ``blur_px`` the length of the path.
    """

    flip_chance: float = 0.5
    move_chance: float = 0.8
    turn_deg: float = 15.0
    scale: tuple[float, float] = (0.75, 1.33)
    shift: float = 0.1
    light_chance: float = 0.8
    brightness: float = 0.2
    contrast: float = 0.2
    gamma: tuple[float, float] = (0.75, 1.33)
    blur_chance: float = 0.2
    blur_px: tuple[int, int] = (3, 9)


DEFAULT = Strengths()


def pirshutuk2023(
    image: Image, mask: Mask, rng: np.random.Generator, *, outside: int = 0, strengths: Strengths = DEFAULT
) -> Pair:
    """Document P's augmentation of (H, W, 3) and (H, W); sizes stay.

    Args:
        outside: the class id of what a shrunken or shifted picture leaves empty (it is black there).
        strengths: how far each step goes.
    """
    if rng.random() < strengths.flip_chance:
        image, mask = flip(image), flip(mask)
    if rng.random() < strengths.move_chance:
        image, mask = _moved(image, mask, rng, outside, strengths)
    if rng.random() < strengths.light_chance:
        image = relight(image, *_draw_light(rng, strengths))
    if rng.random() < strengths.blur_chance:
        shortest, longest = strengths.blur_px
        image = motion_blur(image, int(rng.integers(shortest, longest + 1)), rng.uniform(0.0, 180.0))
    return image, mask


def demborg2018(
    image: Image,
    mask: Mask,
    rng: np.random.Generator,
    *,
    outside: int = 0,
    fit: Literal["homography", "affine"] = "homography",
    light: bool = False,
) -> Pair:
    """Document F's augmentation of (H, W, 3) and (H, W); sizes stay.

    Four free points are a homography, though the text says affine; ``fit="affine"`` takes the nearest affine map
    in least squares instead. Nothing outside the picture is ever seen by the homography; what the affine fit sees
    beyond the edge is mirrored, in picture and mask alike. ``outside`` is not used.

    Args:
        light: add mild brightness and contrast, which the document does not have.
    """
    height, width = mask.shape
    quad = warps.corner_quad(rng, height, width)
    matrix = (warps.homography if fit == "homography" else warps.affine_fit)(quad, height, width)
    image = warps.warp(image, matrix, border=cv2.BORDER_REFLECT_101)
    mask = warps.warp(mask, matrix, nearest=True, border=cv2.BORDER_REFLECT_101)
    if light:
        image = relight(image, rng.uniform(-0.1, 0.1), rng.uniform(0.9, 1.1), 1.0)
    return image, mask


def unchanged(image: Image, mask: Mask, rng: np.random.Generator, *, outside: int = 0) -> Pair:
    """No augmentation."""
    return image, mask


AUGMENTS: dict[str, Callable[..., Pair]] = {
    "none": unchanged,
    "pirshutuk2023": pirshutuk2023,
    "demborg2018": demborg2018,
}


def augment(name: str, image: Image, mask: Mask, rng: np.random.Generator, *, outside: int = 0) -> Pair:
    """Augment by the recipe of that name.

    Args:
        name: a key of :data:`AUGMENTS`.
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) uint8 class ids; 255 (ignore) moves like any other.
        outside: class id of places the picture does not cover.

    Raises:
        UsageProblem: no recipe of that name.
        ValueError: image and mask differ in size.
    """
    if name not in AUGMENTS:
        raise unknown_choice("augmentation", name, AUGMENTS)
    if image.shape[:2] != mask.shape:
        raise ValueError(f"image {image.shape} and mask {mask.shape} differ in size")
    return AUGMENTS[name](image, mask, rng, outside=outside)


def flip(values: Image) -> Image:
    """Left and right exchanged, for (H, W) or (H, W, 3)."""
    return np.asarray(cv2.flip(values, 1), np.uint8)


def relight(image: Image, brightness: float, contrast: float, gamma: float) -> Image:
    """``clip((v - 0.5) * contrast + 0.5 + brightness) ** gamma`` for v in [0, 1], by a table of 256 values."""
    value = np.arange(256) / 255.0
    lit = np.clip((value - 0.5) * contrast + 0.5 + brightness, 0.0, 1.0) ** gamma
    return np.asarray(cv2.LUT(image, np.round(lit * 255.0).astype(np.uint8)), np.uint8)


def motion_blur(image: Image, length_px: int, angle_deg: float) -> Image:
    """Blur along a straight path of ``length_px`` pixels at ``angle_deg``."""
    if length_px < 2:
        return image
    size = length_px | 1
    middle, angle = size // 2, np.deg2rad(angle_deg)
    # points along the path, each shared between the four pixels around it
    steps = np.linspace(-(length_px - 1) / 2, (length_px - 1) / 2, 2 * size)[:, None]
    places = np.arange(size)[None]
    columns = np.maximum(0.0, 1.0 - np.abs(middle + steps * np.cos(angle) - places))
    rows = np.maximum(0.0, 1.0 - np.abs(middle + steps * np.sin(angle) - places))
    kernel = (rows.T @ columns).astype(np.float32)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.uint8)


def _moved(image: Image, mask: Mask, rng: np.random.Generator, outside: int, strengths: Strengths) -> Pair:
    height, width = mask.shape
    x, y = rng.uniform(-strengths.shift, strengths.shift, 2)
    matrix = warps.centred_affine(
        height,
        width,
        angle_deg=rng.uniform(-strengths.turn_deg, strengths.turn_deg),
        scale=_log_uniform(rng, strengths.scale),
        shift_px=(x * width, y * height),
    )
    return warps.warp(image, matrix), warps.warp(mask, matrix, nearest=True, fill=outside)


def _draw_light(rng: np.random.Generator, strengths: Strengths) -> tuple[float, float, float]:
    brightness = rng.uniform(-strengths.brightness, strengths.brightness)
    contrast = 1.0 + rng.uniform(-strengths.contrast, strengths.contrast)
    return brightness, contrast, _log_uniform(rng, strengths.gamma)


def _log_uniform(rng: np.random.Generator, span: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(np.log(span[0]), np.log(span[1]))))
