"""Composing: a recipe, its cutout and its floor become a picture and a mask.

All light is added in linear colour, shadows included: a shadow takes away the lamp's share of light and leaves the
sky's, so it has the sky's colour. Blur comes after blending, as in a lens, and noise after blur, as on a sensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen.cutouts import Cutout
from datagen.floors import Floor
from masksmith import seeds

Floats = npt.NDArray[np.float32]

FOOT_CLASS = 1
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
    """A floor photo with its smaller versions (each half as large), for sampling without aliasing."""

    floor: Floor
    levels: tuple[npt.NDArray[np.uint8], ...]


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
    return Ground(floor, tuple(levels))


def compose(recipe: Mapping[str, Any], cutout: Cutout, below: Ground) -> Scene:
    """Draw the scene of ``recipe``."""
    size = int(recipe["size"])
    view = _view(recipe["window"], size)
    to_floor_px = view @ cutout.camera.floor_homography()
    albedo = cv2.warpPerspective(cutout.albedo, view, (size, size), flags=cv2.INTER_LINEAR)
    shade = cv2.warpPerspective(cutout.shade, view, (size, size), flags=cv2.INTER_LINEAR)
    flat = cv2.warpPerspective(
        cutout.floor, view, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    cover = cv2.warpPerspective(cutout.alpha, view, (size, size), flags=cv2.INTER_LINEAR)
    floor = _laid(below, recipe["floor"], to_floor_px, size)
    if recipe["sheet"]:
        _lay_sheet(floor, recipe["sheet"], to_floor_px)

    light = recipe["light"]
    lamp_up = float(np.sin(np.radians(cutout.about["lamp"]["elevation_deg"])))
    balance = kelvin_to_rgb(light["balance_kelvin"])
    share = light["lamp_share"]
    sky = (1 - share) * light["exposure"] * kelvin_to_rgb(light["sky_kelvin"]) / balance
    lamp = share * light["exposure"] * kelvin_to_rgb(light["lamp_kelvin"]) / balance
    sky, lamp = sky.astype(np.float32), lamp.astype(np.float32)
    # an open floor gets light 1 in all; what faces the lamp gets more than the floor does
    lamp_front = lamp / np.float32(max(lamp_up, 0.35))

    under = _to_linear()[floor]
    dim = flat.astype(np.float32)
    dim *= np.float32(1 / 255)
    under *= dim[..., 0:1] * sky + dim[..., 1:2] * lamp
    foot = _to_linear()[albedo]
    lit = shade.astype(np.float32)
    foot *= lit[..., 0:1] * (sky / 128) + lit[..., 1:2] * (lamp_front / 128)
    foot += lit[..., 2:3] * (lamp_front * np.float32(0.22 / 255))
    alpha = cover.astype(np.float32)
    alpha *= np.float32(1 / 255)
    foot -= under
    foot *= alpha[..., None]
    foot += under
    image = _develop(foot, recipe, size)
    return Scene(image, (cover >= 128).astype(np.uint8) * np.uint8(FOOT_CLASS), alpha)


def _view(window: Mapping[str, Any], size: int) -> npt.NDArray[np.float64]:
    """(3, 3): canvas pixels to scene pixels."""
    scale = size / window["side_px"]
    angle = np.radians(window["roll_deg"])
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    x, y = window["centre_px"]
    middle = (size - 1) / 2
    return np.array([[c, -s, middle - c * x + s * y], [s, c, middle - s * x - c * y], [0, 0, 1]])


def _laid(below: Ground, about: Mapping[str, Any], to_px: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.uint8]:
    """(S, S, 3) uint8: the floor photo in the scene's perspective, at its metric scale."""
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
    return np.asarray(laid, dtype=np.uint8)


def _lay_sheet(floor: npt.NDArray[np.uint8], sheet: Mapping[str, Any], to_px: npt.NDArray[np.float64]) -> None:
    """Draw a sheet of paper on the floor, in place, with a thin dark edge where it lifts a little."""
    long, wide = sheet["sides_m"][1] / 2, sheet["sides_m"][0] / 2
    angle = np.radians(sheet["yaw_deg"])
    c, s = np.cos(angle), np.sin(angle)
    corners = np.array([[-wide, -long], [wide, -long], [wide, long], [-wide, long]]) @ np.array([[c, s], [-s, c]])
    corners = corners + np.array(sheet["centre_m"])
    flat = np.column_stack([corners, np.ones(4)]) @ to_px.T
    if flat[:, 2].min() < 1e-3 or np.abs(flat[:, :2] / flat[:, 2:]).max() > 8000:  # behind the camera
        return
    points = np.rint(flat[:, :2] / flat[:, 2:] * 16).astype(np.int32)
    white = int(255 * sheet["white"])
    edge = np.zeros(floor.shape[:2], np.uint8)
    cv2.fillConvexPoly(edge, points + 10, 255, cv2.LINE_AA, 4)
    np.copyto(floor, (floor * (1 - 0.3 * (edge[..., None] / np.float32(255)))).astype(np.uint8))
    cv2.fillConvexPoly(floor, points, (white, white, min(white + 3, 255)), cv2.LINE_AA, 4)


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
        grain = seeds.rng(recipe["noise_seed"], "noise").standard_normal(linear.shape, dtype=np.float32)
        grain *= np.float32(lens["noise"]) * np.sqrt(linear + np.float32(0.02))
        linear = linear + grain
        np.clip(linear, 0, 1, out=linear)
    linear *= np.float32(4095)
    image = _to_srgb()[linear.astype(np.uint16)]
    if light["saturation"] != 1:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image = cv2.addWeighted(image, light["saturation"], grey, 1 - light["saturation"], 0)
    if light["contrast"] != 1:
        curve = np.clip((np.arange(256) - 118) * light["contrast"] + 118, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, curve)
    return np.asarray(image, dtype=np.uint8)


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
