"""Composing: a recipe, its cutout and its floor become a picture and a mask.

All light is added in linear colour, shadows included: a shadow takes away the lamp's share of light and leaves the
sky's, so it has the sky's colour. Blur comes after blending, as in a lens, and noise after blur, as on a sensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen.cutouts import Cutout
from datagen.floors import Floor
from masksmith import seeds

Floats = npt.NDArray[np.float32]

FOOT_CLASS = 1
_GRAIN = 512
CLASSES = {"background": 0, "foot": FOOT_CLASS}


@dataclass(frozen=True)
class Scene:
    """A finished scene.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        mask: (S, S) uint8, 1 = foot where it covers at least half of the pixel.
        alpha: (S, S) float32 in [0, 1].
    """

    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.uint8]
    alpha: Floats


@dataclass(frozen=True)
class Ground:
    """A floor photo with its smaller versions (each half as large), for sampling without aliasing, and its mean
    linear colour (3,)."""

    floor: Floor
    levels: tuple[npt.NDArray[np.uint8], ...]
    mean: npt.NDArray[np.float64]


def ground(floor: Floor, largest: int = 1536) -> Ground:
    """Prepare a floor: bounded to ``largest`` pixels a side, levels down to 32 pixels."""
    image = floor.image
    shrink = largest / max(image.shape[:2])
    if shrink < 1:
        image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    levels = [image]
    while min(levels[-1].shape[:2]) >= 64:
        height, width = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return Ground(floor, tuple(levels), _to_linear()[levels[-1]].reshape(-1, 3).mean(axis=0, dtype=np.float64))


def compose(recipe: Mapping[str, Any], cutout: Cutout, below: Ground, rug: Ground | None = None) -> Scene:
    """Draw the scene of ``recipe``; ``rug`` is the floor of its rug, where it has one."""
    size = int(recipe["size"])
    view = _view(recipe["window"], size)
    to_floor_px = view @ cutout.camera.floor_homography()

    def seen(layer: npt.NDArray[np.uint8], border: int = cv2.BORDER_CONSTANT) -> npt.NDArray[Any]:
        return np.asarray(cv2.warpAffine(layer, view[:2], (size, size), flags=cv2.INTER_LINEAR, borderMode=border))

    sky, lamp = _colours_of_light(recipe["light"])
    # an open floor gets light 1 in all; what faces the lamp gets more than the floor does
    lamp_up = float(np.sin(np.radians(cutout.about["lamp"]["elevation_deg"])))
    image = _floor_colour(recipe, below, rug, to_floor_px, size)
    alpha = np.zeros((size, size), np.float32)
    mask = np.zeros((size, size), np.uint8)
    if recipe["empty"]:
        image *= (sky + lamp).astype(np.float32)
    else:
        dim = seen(cutout.floor, cv2.BORDER_REPLICATE)
        image = _lit(image, dim, np.stack([sky, lamp], axis=1) / 255)
        colour, shade = seen(cutout.colour), seen(cutout.shade)
        lamp_front = lamp / max(lamp_up, 0.35)
        none = np.zeros(3)
        foot = cv2.LUT(np.ascontiguousarray(colour[..., :3]), _to_linear())
        foot = _lit(foot, shade, np.stack([sky / 128, lamp_front / 128, none, none], axis=1))
        foot += cv2.transform(shade, np.stack([none, none, lamp_front * 0.22 / 255, none], axis=1).astype(np.float32))
        cover = colour[..., 3].astype(np.float32)
        cover *= np.float32(1 / 255)
        image = cv2.blendLinear(foot, image, cover, 1 - cover)
        alpha = shade[..., 3].astype(np.float32) * np.float32(1 / 255)
        mask = (shade[..., 3] >= 128).astype(np.uint8) * np.uint8(FOOT_CLASS)
    return Scene(_develop(image, recipe, size), mask, alpha)


def _colours_of_light(light: Mapping[str, float]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(3,) the sky's and the lamp's light, as the camera's white balance leaves them."""
    balance = kelvin_to_rgb(light["balance_kelvin"])
    share = light["lamp_share"]
    sky = (1 - share) * light["exposure"] * kelvin_to_rgb(light["sky_kelvin"]) / balance
    return sky, share * light["exposure"] * kelvin_to_rgb(light["lamp_kelvin"]) / balance


def _lit(linear: Floats, layers: npt.NDArray[np.uint8], mix: npt.NDArray[np.float64]) -> Floats:
    """(H, W, 3): linear colour times the light that ``mix`` (3, layers) makes of the light layers."""
    light = cv2.transform(layers.astype(np.float32), mix.astype(np.float32))
    return np.asarray(cv2.multiply(linear, light, dst=light), dtype=np.float32)


def _floor_colour(
    recipe: Mapping[str, Any], below: Ground, rug: Ground | None, to_px: npt.NDArray[np.float64], size: int
) -> Floats:
    """(S, S, 3) linear colour of the floor without light, with rug and sheet on it."""
    floor = _laid(below, recipe["floor"], to_px, size)
    about = recipe["rug"]
    if about and rug is not None:
        over = _laid(rug, about["floor"], to_px, size)
        if about["folds"]:
            over = _folded(over, about["folds"], recipe["noise_seed"])
        inside = _rectangle(about, to_px, size)
        if inside is not None:
            edge = cv2.GaussianBlur(inside, (0, 0), 1.5 * size / 256)
            shadow = 1 - 0.25 * edge[..., None].astype(np.float32) / 255
            weight = inside.astype(np.float32) * np.float32(1 / 255)
            floor = cv2.blendLinear(over, floor * shadow, weight, 1 - weight)
    sheet = recipe["sheet"]
    if sheet:
        inside = _rectangle(sheet, to_px, size)
        if inside is not None:
            edge = cv2.GaussianBlur(inside, (0, 0), 1.0 * size / 256)
            weight = inside.astype(np.float32) * np.float32(1 / 255)
            white = np.full((size, size, 3), sheet["white"] ** 2.2, np.float32)
            shadow = 1 - 0.2 * edge[..., None].astype(np.float32) / 255
            floor = cv2.blendLinear(white, floor * shadow, weight, 1 - weight)
    return floor


def _view(window: Mapping[str, Any], size: int) -> npt.NDArray[np.float64]:
    """(3, 3): canvas pixels to scene pixels."""
    scale = size / window["side_px"]
    angle = np.radians(window["roll_deg"])
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    x, y = window["centre_px"]
    middle = (size - 1) / 2
    return np.array([[c, -s, middle - c * x + s * y], [s, c, middle - s * x - c * y], [0, 0, 1]])


def _laid(below: Ground, about: Mapping[str, Any], to_px: npt.NDArray[np.float64], size: int) -> Floats:
    """(S, S, 3) float32, linear: the floor photo in the scene's perspective, at its metric scale, in its tint."""
    width = below.levels[0].shape[1]
    step = below.floor.metres * about["scale"] / width  # metres a texel
    angle = np.radians(about["yaw_deg"])
    c, s = step * np.cos(angle), step * np.sin(angle)
    x, z = about["offset_m"]
    to_metres = np.array([[c, -s, x], [s, c, z], [0, 0, 1]])
    full = to_px @ to_metres
    # texels a pixel in the middle of the scene: the Jacobian of the inverse map there
    back = np.linalg.inv(full)
    here = np.array([size / 2, size * 0.45, 1.0])
    u, v, w = back @ here
    jacobian = (back[:2, :2] * w - np.outer([u, v], back[2, :2])) / (w * w)
    density = np.sqrt(max(abs(float(np.linalg.det(jacobian))), 1e-12))
    level = int(np.clip(np.floor(np.log2(max(density, 1.0)) + 0.35), 0, len(below.levels) - 1))
    image = below.levels[level]
    fx, fy = width / image.shape[1], below.levels[0].shape[0] / image.shape[0]
    to_full = np.array([[fx, 0, fx / 2 - 0.5], [0, fy, fy / 2 - 0.5], [0, 0, 1]])
    way = cv2.BORDER_WRAP if below.floor.tileable else cv2.BORDER_REFLECT_101
    laid = cv2.warpPerspective(image, full @ to_full, (size, size), flags=cv2.INTER_LINEAR, borderMode=way)
    linear = np.asarray(cv2.LUT(laid, _to_linear()), dtype=np.float32)
    if about["tint"]:
        gain = np.array(about["tint"]) / np.maximum(below.mean, 0.02)
        linear *= np.clip(gain, 0.1, 8).astype(np.float32)
        np.minimum(linear, np.float32(0.95), out=linear)
    return linear


def _rectangle(about: Mapping[str, Any], to_px: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.uint8] | None:
    """(S, S) uint8 coverage of a rectangle that lies on the floor; None where it reaches behind the camera."""
    wide, long = about["sides_m"][0] / 2, about["sides_m"][1] / 2
    angle = np.radians(about["yaw_deg"])
    c, s = np.cos(angle), np.sin(angle)
    corners = np.array([[-wide, -long], [wide, -long], [wide, long], [-wide, long]]) @ np.array([[c, s], [-s, c]])
    flat = np.column_stack([corners + np.array(about["centre_m"]), np.ones(4)]) @ to_px.T
    if flat[:, 2].min() < 1e-3 or np.abs(flat[:, :2] / flat[:, 2:]).max() > 8000:
        return None
    inside = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(inside, np.rint(flat[:, :2] / flat[:, 2:] * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    return inside


def _folded(linear: Floats, strength: float, seed: int) -> Floats:
    """Cloth in folds: smooth light and dark, a coarse and a fine pattern, turned by chance."""
    rng = seeds.rng(seed, "folds")
    size = linear.shape[0]
    relief = np.zeros((size, size), np.float32)
    for cells, weight in ((3, 1.0), (7, 0.6), (15, 0.25)):
        coarse = rng.standard_normal((cells, cells), dtype=np.float32)
        relief += weight * cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    slope = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3) * rng.normal() + cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3)
    slope *= np.float32(strength / max(float(slope.std()), 1e-6))
    return np.asarray(linear * np.clip(1 + slope[..., None], 0.35, 1.8), dtype=np.float32)


def _develop(linear: Floats, recipe: Mapping[str, Any], size: int) -> npt.NDArray[np.uint8]:
    """Lens, sensor and tone: blur, noise that grows with the root of the light, sRGB, contrast, saturation."""
    lens, light = recipe["lens"], recipe["light"]
    if lens["defocus_px"] > 0:
        linear = cv2.GaussianBlur(linear, (0, 0), lens["defocus_px"])
    if lens["motion_px"] > 0:
        linear = cv2.filter2D(
            linear, -1, _streak(lens["motion_px"], lens["motion_deg"]), borderType=cv2.BORDER_REFLECT_101
        )
    np.clip(linear, 0, 1, out=linear)
    if lens["noise"] > 0:
        rng = seeds.rng(recipe["noise_seed"], "noise")
        row, column = (int(rng.integers(_GRAIN - size % _GRAIN)) if size < _GRAIN else 0 for _ in range(2))
        grain = _grain(max(_GRAIN, size))[row : row + size, column : column + size]
        linear += grain * (cv2.sqrt(linear + np.float32(0.02)) * np.float32(lens["noise"]))
        np.clip(linear, 0, 1, out=linear)
    linear *= np.float32(4095)
    image = np.take(_to_srgb(), linear.astype(np.uint16), mode="clip")
    if light["saturation"] != 1:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image = cv2.addWeighted(image, light["saturation"], grey, 1 - light["saturation"], 0)
    if light["contrast"] != 1:
        curve = np.clip((np.arange(256) - 118) * light["contrast"] + 118, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, curve)
    return np.asarray(image, dtype=np.uint8)


@lru_cache(maxsize=2)
def _grain(side: int) -> Floats:
    """(side, side, 3) standard normal noise, the same in every process; scenes take a window of it."""
    return seeds.rng(0, "grain", side).standard_normal((side, side, 3), dtype=np.float32)


def _streak(length_px: float, angle_deg: float) -> Floats:
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


@cache
def _to_linear() -> Floats:
    """(256,) sRGB byte to linear light (IEC 61966-2-1)."""
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _to_srgb() -> npt.NDArray[np.uint8]:
    """(4096,) linear light to sRGB byte."""
    value = np.arange(4096) / 4095
    curve = np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.rint(curve * 255).astype(np.uint8)


@cache
def kelvin_to_rgb(kelvin: float) -> npt.NDArray[np.float64]:
    """(3,) linear RGB of a black body, green = 1.

    Planck's law at the dominant wavelengths of the sRGB primaries, with 6500 K as white.
    """
    wavelength = np.array([610e-9, 550e-9, 465e-9])  # the primaries' dominant wavelengths
    second = 1.4388e-2  # m K, second radiation constant

    def planck(temperature: float) -> npt.NDArray[np.float64]:
        return np.asarray(wavelength**-5.0 / (np.exp(second / (wavelength * temperature)) - 1))

    relative = planck(kelvin) / planck(6500.0)  # 6500 K is white
    return np.asarray(relative / relative[1])
