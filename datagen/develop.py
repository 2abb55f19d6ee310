"""What a camera makes of light: lens, sensor and tone; and colours between linear light, sRGB and kelvins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from masksmith import seeds

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_GRAIN = 512
_GRAIN_SIGMA = 32.0  # of the stored noise, in bytes: three and a half sigma before it clips
_CLARITY = 3 / 256  # reach of local contrast, as a share of the side
_NOISE_IN_SRGB = 0.55  # slope of sRGB times the root of the light, in the middle tones


def develop(linear: Floats, recipe: Mapping[str, Any]) -> Bytes:
    """(H, W, 3) linear light to sRGB bytes: blur, tone, noise.

    The noise of light grows with its root, and sRGB is about its root too: there it is nearly the same for all tones,
    and is added to bytes.
    """
    lens, light = recipe["lens"], recipe["light"]
    if lens["defocus_px"] > 0:
        linear = blurred(linear, lens["defocus_px"])
    if lens["motion_px"] > 0:
        kernel = streak(lens["motion_px"], lens["motion_deg"])
        linear = cv2.filter2D(linear, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    image: Any = to_srgb(linear)
    if lens["noise"] > 0:
        size = linear.shape[0]
        rng = seeds.rng(recipe["noise_seed"], "noise")
        row, column = (int(rng.integers(_GRAIN - size % _GRAIN)) if size < _GRAIN else 0 for _ in range(2))
        grain = _grain(max(_GRAIN, size))[row : row + size, column : column + size]
        strength = lens["noise"] * _NOISE_IN_SRGB * 255 / _GRAIN_SIGMA
        image = cv2.addWeighted(image, 1, grain, strength, -128 * strength)
    if light.get("clarity", 0) > 0:
        side = int(math.sqrt(6 * (_CLARITY * image.shape[0]) ** 2 + 1)) | 1
        soft = cv2.blur(cv2.blur(image, (side, side)), (side, side))  # two boxes as wide as the Gaussian
        image = cv2.addWeighted(image, 1 + light["clarity"], soft, -light["clarity"], 0)
    if light["saturation"] != 1 or light["contrast"] != 1:
        image = cv2.transform(image, _graded(light["saturation"], light["contrast"]))
    return np.asarray(image, np.uint8)


def blurred(linear: Floats, sigma: float) -> Floats:
    """(H, W, 3) blurred by a Gaussian, cut off at three sigma."""
    side = 2 * math.ceil(3 * sigma) + 1
    return np.asarray(cv2.GaussianBlur(linear, (side, side), sigma), np.float32)


def _graded(saturation: float, contrast: float) -> Floats:
    """(3, 4): bytes of a picture to those with another saturation (about Rec. 601 grey) and contrast (about 118)."""
    grey = np.array([[0.299, 0.587, 0.114]])
    colours = contrast * (saturation * np.eye(3) + (1 - saturation) * np.repeat(grey, 3, axis=0))
    return np.column_stack([colours, np.full(3, 118 * (1 - contrast))]).astype(np.float32)


def to_srgb(linear: Floats) -> Bytes:
    """Linear light to sRGB bytes (IEC 61966-2-1), by a table of 16 bits; what is beyond [0, 1] is clipped."""
    return np.asarray(cv2.LUT(cv2.addWeighted(linear, 65535, linear, 0, 0, dtype=cv2.CV_16U), _to_srgb()), np.uint8)


@cache
def to_linear() -> Floats:
    """(256,) sRGB byte to linear light (IEC 61966-2-1)."""
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _to_srgb() -> Bytes:
    """(65536,) linear light to sRGB byte."""
    value = np.arange(65536) / 65535
    curve = np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.rint(curve * 255).astype(np.uint8)


@lru_cache(maxsize=2)
def _grain(side: int) -> Bytes:
    """(side, side, 3) normal noise around 128, the same in every process; scenes take a window of it."""
    noise = seeds.rng(0, "grain", side).standard_normal((side, side, 3), dtype=np.float32)
    return np.clip(np.rint(noise * _GRAIN_SIGMA + 128), 0, 255).astype(np.uint8)


def streak(length_px: float, angle_deg: float) -> Floats:
    """A normalised motion-blur kernel: a line of ``length_px`` at ``angle_deg``."""
    side = 2 * int(np.ceil(length_px / 2)) + 3
    canvas = np.zeros((side, side), np.uint8)
    middle = (side - 1) / 2
    reach = np.array([np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))]) * length_px / 2
    ends = [tuple(np.rint((middle + sign * reach) * 16).astype(int).tolist()) for sign in (-1, 1)]
    cv2.line(canvas, ends[0], ends[1], 255, 1, cv2.LINE_AA, 4)
    if canvas.sum() == 0:
        canvas[side // 2, side // 2] = 255
    return np.asarray(canvas / np.float32(canvas.sum()), dtype=np.float32)


@lru_cache(maxsize=64)
def kelvin_to_rgb(kelvin: float) -> npt.NDArray[np.float64]:
    """(3,) linear RGB of a black body, green = 1.

    Planck's law at the dominant wavelengths of the sRGB primaries, with 6500 K as white.
    """
    second = 1.4388e-2  # m K, second radiation constant
    # the primaries' dominant wavelengths, and 6500 K as white
    relative = [math.expm1(second / (w * 6500.0)) / math.expm1(second / (w * kelvin)) for w in (610e-9, 550e-9, 465e-9)]
    return np.array(relative) / relative[1]
