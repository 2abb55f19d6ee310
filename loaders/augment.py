"""Augmentation of one picture and its mask together, by the recipe of a paper.

``pirshutuk2023`` (document P): horizontal flip; rotate, scale, pad, crop; brightness, contrast, gamma; motion blur.
The paper gives no strengths, ours stand in :class:`Strengths`. ``demborg2018`` (document F): one random point in
each corner cell of a 3 x 3 grid, those points warped to the corners of the output. ``cepeopleseg2021`` (document C):
size changed by a random ratio, crop, flip, colour jitter. ``resnext2021`` (document R): flip.

Everything is drawn from the generator that is handed in. Pictures move bilinearly and class ids by nearest
neighbour, in one warp. OpenCV does the work: a general augmentation library takes three times as long for the same
steps, and 1.4 s of import in every worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import cv2
import numpy as np

from loaders import warps
from loaders.pipeline import Pipeline, is_pipeline
from masksmith.errors import unknown_choice
from masksmith.images import Image, Mask, resize_image, resize_mask

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


def cepeopleseg2021(
    image: Image,
    mask: Mask,
    rng: np.random.Generator,
    *,
    outside: int = 0,
    ratios: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5),
    jitter: float = 0.2,
) -> Pair:
    """Document C's augmentation of (H, W, 3) and (H, W); sizes stay.

    The document brings the longest side to a base size, multiplies by a random ratio, crops, flips, and jitters the
    colours. Pictures come here at the working size (its 160 x 128), which is the base: a ratio above 1 crops a part of
    it, below 1 leaves room around it, at a random place. The document gives no strengths of the jitter; ours is even
    up to ``jitter`` either way for brightness, contrast and saturation, and a tenth of the circle of that for hue.

    Args:
        outside: the class id of what a smaller picture leaves empty (it is black there).
    """
    height, width = mask.shape
    ratio = float(rng.choice(ratios))
    tall, wide = max(1, round(height * ratio)), max(1, round(width * ratio))
    image, mask = resize_image(image, tall, wide), resize_mask(mask, tall, wide)
    y, x = (int(rng.integers(abs(d) + 1)) for d in (tall - height, wide - width))
    if ratio > 1:
        image, mask = image[y : y + height, x : x + width], mask[y : y + height, x : x + width]
    elif ratio < 1:
        edges = (y, height - tall - y, x, width - wide - x)
        image = np.asarray(cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=(0, 0, 0)), np.uint8)
        mask = np.asarray(cv2.copyMakeBorder(mask, *edges, cv2.BORDER_CONSTANT, value=(outside,)), np.uint8)
    if rng.random() < 0.5:
        image, mask = flip(image), flip(mask)
    brightness, contrast, saturation, hue = rng.uniform(-jitter, jitter, 4)
    image = relight(np.ascontiguousarray(image), brightness, 1.0 + contrast, 1.0)
    return tint(image, 1.0 + saturation, hue / 10), np.ascontiguousarray(mask)


def resnext2021(image: Image, mask: Mask, rng: np.random.Generator, *, outside: int = 0) -> Pair:
    """Document R's augmentation of (H, W, 3) and (H, W): a horizontal flip, every second time."""
    return (flip(image), flip(mask)) if rng.random() < 0.5 else (image, mask)


def unchanged(image: Image, mask: Mask, rng: np.random.Generator, *, outside: int = 0) -> Pair:
    """No augmentation."""
    return image, mask


AUGMENTS: dict[str, Callable[..., Pair]] = {
    "none": unchanged,
    "pirshutuk2023": pirshutuk2023,
    "demborg2018": demborg2018,
    "cepeopleseg2021": cepeopleseg2021,
    "resnext2021": resnext2021,
}


def find_augment(name: str) -> Callable[..., Pair]:
    """The recipe of that name, or the pipeline in a file of that name (see :mod:`loaders.pipeline`).

    Raises:
        UsageProblem: no recipe of that name.
        BadInput: the file holds no pipeline.
    """
    if is_pipeline(name):
        made = Pipeline(name)
        return partial(_by_pipeline, made)
    if name not in AUGMENTS:
        raise unknown_choice("augmentation", name, [*AUGMENTS, "a pipeline's file (.json, .yaml)"])
    return AUGMENTS[name]


def notes_of(name: str) -> tuple[str, ...]:
    """What the user should know about an augmentation before it is used; raises as :func:`find_augment`."""
    recipe = find_augment(name)
    return recipe.args[0].notes if isinstance(recipe, partial) else ()


def _by_pipeline(made: Pipeline, image: Image, mask: Mask, rng: np.random.Generator, *, outside: int = 0) -> Pair:
    return made(image, mask, rng)


def augment(name: str, image: Image, mask: Mask, rng: np.random.Generator, *, outside: int = 0) -> Pair:
    """Augment by the recipe of that name.

    Args:
        name: a key of :data:`AUGMENTS`, or the path of a pipeline.
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) uint8 class ids; 255 (ignore) moves like any other.
        outside: class id of places the picture does not cover.

    Raises:
        UsageProblem: no recipe of that name.
        ValueError: image and mask differ in size.
    """
    recipe = find_augment(name)
    if image.shape[:2] != mask.shape:
        raise ValueError(f"image {image.shape} and mask {mask.shape} differ in size")
    return recipe(image, mask, rng, outside=outside)


def flip(values: Image) -> Image:
    """Left and right exchanged, for (H, W) or (H, W, 3)."""
    return np.asarray(cv2.flip(values, 1), np.uint8)


def relight(image: Image, brightness: float, contrast: float, gamma: float) -> Image:
    """``clip((v - 0.5) * contrast + 0.5 + brightness) ** gamma`` for v in [0, 1], by a table of 256 values."""
    value = np.arange(256) / 255.0
    lit = np.clip((value - 0.5) * contrast + 0.5 + brightness, 0.0, 1.0) ** gamma
    return np.asarray(cv2.LUT(image, np.round(lit * 255.0).astype(np.uint8)), np.uint8)


def tint(image: Image, saturation: float, hue: float) -> Image:
    """Saturation multiplied, hue turned by a share of the circle."""
    value = np.arange(256)
    hues = np.where(value < 180, (value + round(hue * 180)) % 180, value)
    strong = np.clip(np.round(value * saturation), 0, 255)
    table = np.dstack([hues, strong, value]).astype(np.uint8)
    turned = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table)
    return np.asarray(cv2.cvtColor(turned, cv2.COLOR_HSV2RGB), np.uint8)


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
