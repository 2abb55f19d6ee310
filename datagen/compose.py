"""Composing: a recipe, its cutout and its floor become a picture and a mask.

All light is added in linear colour, shadows included: a shadow takes away the lamp's share of light and leaves the
sky's, so it has the sky's colour. Blur comes after blending, as in a lens, and noise after blur, as on a sensor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen import blends, complexion, optics, veils
from datagen.cutouts import Cutout
from datagen.develop import develop, kelvin_to_rgb, to_linear
from datagen.ground import Ground, laid, taken
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
        skin: (S, S) uint8 the share of each pixel that bare skin covers, 255 = all.
        labels: further files, place to bytes, see :mod:`datagen.labels`.
    """

    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.uint8]
    skin: npt.NDArray[np.uint8]
    labels: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def alpha(self) -> Floats:
        """(S, S) float32 in [0, 1]: ``skin`` as a share."""
        return self.skin.astype(np.float32) / np.float32(255)


def compose(recipe: Mapping[str, Any], cutout: Cutout, below: Ground, rug: Ground | None = None) -> Scene:
    """Draw the scene of ``recipe``; ``rug`` is the floor of its rug, where it has one."""
    size = int(recipe["size"])
    view = scene_view(recipe["window"], size)
    if not recipe["effects"]:
        return _plain(recipe, cutout, below, view, size)
    sky, lamp = _colours_of_light(recipe["light"])
    to_px = view @ cutout.camera.floor_homography()
    image = _floor_colour(recipe, below, rug, to_px, size)
    if recipe["empty"]:
        image *= (sky + lamp).astype(np.float32)
        return _photographed(recipe, image, np.zeros((size, size), np.uint8), view, cutout)
    # an open floor gets light 1 in all; what faces the lamp gets more than the floor does
    lamp_front = lamp / max(float(np.sin(np.radians(cutout.about["lamp"]["elevation_deg"]))), 0.35)
    on_floor = _floor_light(cutout, view, size)
    foot, whole = _placed(cutout, view, size), np.zeros((size, size), np.uint8)
    veil = recipe["veil"]
    if veil:
        lies, rises = veils.seen(veil, veils.pattern(veil), cutout.camera, cutout.about["lamp"], view, size)
        on_floor = veils.behind(on_floor, lies)
    none = 0 * sky
    light = _mixed(on_floor.astype(np.float32), np.stack([sky, lamp, none], axis=1) / 255)
    _times(image, np.asarray(cv2.resize(light, (size, size)), np.float32))
    if foot is not None:
        shade = np.asarray(cv2.cvtColor(foot.shade, cv2.COLOR_RGBA2RGB), np.uint8)
        skin = np.asarray(cv2.extractChannel(foot.shade, 3), np.uint8)
        if veil:
            shade = veils.behind(shade, rises[foot.place])
        linear = cv2.LUT(complexion.changed(foot.colour, recipe["complexion"], size, skin), to_linear())
        parts = shade.astype(np.float32)
        _times(linear, _mixed(parts, np.stack([sky, lamp_front, none], axis=1) / 128))
        cv2.add(linear, _mixed(parts, np.stack([none, none, lamp_front], axis=1) * (0.22 / 255)), dst=linear)
        image[foot.place] = blends.joined(linear, image[foot.place], foot.cover, recipe["blend"])
        whole[foot.place] = skin
    return _photographed(recipe, image, whole, view, cutout)


def _photographed(
    recipe: Mapping[str, Any],
    linear: Floats,
    skin: npt.NDArray[np.uint8],
    view: npt.NDArray[np.float64],
    cutout: Cutout,
) -> Scene:
    """What a camera makes of the light: (S, S, 3) linear, and the (S, S) share of skin through the same lens."""
    lens = recipe["lens"]
    if lens.get("depth_px", 0) > 0:
        linear = optics.focused(linear, lens, view @ cutout.camera.floor_homography())
    bend = optics.bend(lens, linear.shape[0], optical_centre(view, cutout))
    if bend is not None:
        maps = bend.maps()
        linear, skin = optics.bent(linear, maps), optics.bent(skin, maps)
    if lens.get("vignette", 0) > 0:
        linear = optics.darkened(linear, lens["vignette"])
    return _scene(develop(linear, recipe), skin)


def optical_centre(view: npt.NDArray[np.float64], cutout: Cutout) -> tuple[float, float]:
    """(x, y) of the scene where the cutout's camera looks, in its pixels; may lie outside."""
    middle = (cutout.camera.size - 1) / 2
    x, y, _ = view @ np.array([middle, middle, 1.0])
    return float(x), float(y)


@dataclass(frozen=True)
class _Placed:
    """A cutout in the scene's pixels, no larger than where it is: the place, colour (3), cover and shade (4)."""

    place: tuple[slice, slice]
    colour: npt.NDArray[np.uint8]
    cover: npt.NDArray[np.uint8]
    shade: npt.NDArray[np.uint8]


def _placed(cutout: Cutout, view: npt.NDArray[np.float64], size: int) -> _Placed | None:
    """The cutout seen through ``view``; None where none of it is in the picture."""
    way = (view @ cutout.to_canvas())[:2]
    height, width = cutout.colour.shape[:2]
    ends = []
    for across, down, start in way.tolist():
        sides = [start + across * x + down * y for x in (-1, width) for y in (-1, height)]
        ends.append((min(max(math.floor(min(sides)), 0), size), min(max(math.ceil(max(sides)) + 1, 0), size)))
    (x0, x1), (y0, y1) = ends
    if x1 <= x0 or y1 <= y0:
        return None
    way[:, 2] -= (x0, y0)

    def seen(layer: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return np.asarray(cv2.warpAffine(layer, way, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR), np.uint8)

    colour = seen(cutout.colour)
    return _Placed(
        (slice(y0, y1), slice(x0, x1)),
        np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGBA2RGB), np.uint8),
        np.asarray(cv2.extractChannel(colour, 3), np.uint8),
        seen(cutout.shade),
    )


def _floor_light(cutout: Cutout, view: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.uint8]:
    """(S / 2, S / 2, 3) the sky's light on the floor of the scene, the lamp's, and a third that is to be ignored.

    Half the size is still finer than the maps it comes from; as four layers, which are warped in half the time of two.
    """
    half = (size + 1) // 2
    share = half / size
    shrink = np.array([[share, 0, (share - 1) / 2], [0, share, (share - 1) / 2], [0, 0, 1]])
    way, border = (shrink @ view @ cutout.floor_to_canvas())[:2], cv2.BORDER_REPLICATE
    four = cv2.merge([cutout.floor, cutout.floor])
    small = cv2.warpAffine(four, way, (half, half), flags=cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGBA2RGB), np.uint8)


def _mixed(layers: Floats, colours: npt.NDArray[np.float64]) -> Floats:
    """(H, W, 3) light: three layers (H, W, 3), each in its colour, a column of (3, 3), together."""
    return np.asarray(cv2.transform(layers, colours.astype(np.float32)), np.float32)


def _times(picture: Any, light: Floats) -> None:
    cv2.multiply(picture, light, dst=picture)


def _scene(image: npt.NDArray[np.uint8], skin: npt.NDArray[np.uint8]) -> Scene:
    mask = (skin >= 128).view(np.uint8) * np.uint8(FOOT_CLASS)
    return Scene(image, mask, skin)


def _plain(recipe: Mapping[str, Any], cutout: Cutout, below: Ground, view: npt.NDArray[np.float64], size: int) -> Scene:
    """Crop, alpha and the stored shadow in bytes, as simple composites are made: no perspective, no colour of light."""
    image = _cropped(below, recipe["floor"], size)
    foot, whole = _placed(cutout, view, size), np.zeros((size, size), np.uint8)
    if recipe["shadow"]:
        sky, lamp, _ = cv2.split(_floor_light(cutout, view, size))
        half = cv2.LUT(cv2.addWeighted(sky, 0.5, lamp, 0.5, 0), _shadow_curve())
        shadow = cv2.resize(half, (size, size))
        image = np.asarray(cv2.multiply(image, cv2.cvtColor(shadow, cv2.COLOR_GRAY2RGB), scale=1 / 255), np.uint8)
    if foot is not None:
        lamp_up = max(float(np.sin(np.radians(cutout.about["lamp"]["elevation_deg"]))), 0.35)
        sky, lamp, _, skin = cv2.split(foot.shade)
        light = cv2.LUT(cv2.addWeighted(sky, 0.5, lamp, 0.5 / lamp_up, 0), _shadow_curve())
        # light 128 is 1, and the curve of 128 is this
        share = cv2.multiply(light, foot.cover, scale=1 / 255)
        lit = cv2.multiply(foot.colour, cv2.cvtColor(share, cv2.COLOR_GRAY2RGB), scale=1 / float(_shadow_curve()[128]))
        rest = cv2.cvtColor(cv2.bitwise_not(foot.cover), cv2.COLOR_GRAY2RGB)
        image[foot.place] = cv2.add(lit, cv2.multiply(image[foot.place], rest, scale=1 / 255))
        whole[foot.place] = skin
    return _scene(image, whole)


def _cropped(below: Ground, about: Mapping[str, Any], size: int) -> npt.NDArray[np.uint8]:
    """(S, S, 3): a square of the floor photo, turned by a quarter, at about its metric scale."""
    wanted = 0.5 / below.floor.metres * below.levels[0].shape[1] / about["scale"]  # texels across half a metre
    level = int(np.clip(np.floor(np.log2(max(wanted / size, 1.0))), 0, len(below.levels) - 1))
    image = below.levels[level]
    side = int(np.clip(wanted / 2**level, 2, min(image.shape[:2])))
    x, y = (abs(value) / 3 for value in about["offset_m"])
    row, column = int(y * (image.shape[0] - side)), int(x * (image.shape[1] - side))
    cropped = cv2.resize(image[row : row + side, column : column + side], (size, size), interpolation=cv2.INTER_LINEAR)
    turned = (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)
    turn = turned[int(about["yaw_deg"] // 90) % 4]
    cropped = cv2.cvtColor(cropped, cv2.COLOR_RGBA2RGB)
    return np.asarray(cropped if turn is None else cv2.rotate(cropped, turn), np.uint8)


@cache
def _shadow_curve() -> npt.NDArray[np.uint8]:
    """(256,) share of linear light to the factor it is in sRGB bytes, about."""
    return np.rint(255 * (np.arange(256) / 255) ** (1 / 2.2)).astype(np.uint8)


def _colours_of_light(light: Mapping[str, float]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(3,) the sky's and the lamp's light, as the camera's white balance leaves them."""
    balance = kelvin_to_rgb(light["balance_kelvin"]) * np.array([1.0, light.get("green", 1.0), 1.0])
    share = light["lamp_share"]
    sky = (1 - share) * light["exposure"] * kelvin_to_rgb(light["sky_kelvin"]) / balance
    return sky, share * light["exposure"] * kelvin_to_rgb(light["lamp_kelvin"]) / balance


def _floor_colour(
    recipe: Mapping[str, Any], below: Ground, rug: Ground | None, to_px: npt.NDArray[np.float64], size: int
) -> Floats:
    """(S, S, 3) linear colour of the floor without light, with rug and sheet on it."""
    as_is = recipe["floor"]["as_is"]
    floor = taken(below, recipe["floor"], size) if as_is else laid(below, recipe["floor"], to_px, size)
    about = recipe["rug"]
    if about and rug is not None:
        over = laid(rug, about["floor"], to_px, size)
        if about["folds"]:
            over = _folded(over, about["folds"], recipe["noise_seed"])
        inside = _rectangle(about, to_px, size)
        if inside is not None:
            edge = cv2.GaussianBlur(inside, (0, 0), 1.5 * size / 256)
            _times(floor, _shaded(edge, 0.25))
            weight = inside.astype(np.float32) * np.float32(1 / 255)
            floor = np.asarray(cv2.blendLinear(over, floor, weight, 1 - weight), np.float32)
    sheet = recipe["sheet"]
    if sheet:
        inside = _rectangle(sheet, to_px, size)
        if inside is not None:
            edge = cv2.GaussianBlur(inside, (0, 0), 1.0 * size / 256)
            weight = inside.astype(np.float32) * np.float32(1 / 255)
            white = np.full((size, size, 3), sheet["white"] ** 2.2, np.float32)
            _times(floor, _shaded(edge, 0.2))
            floor = np.asarray(cv2.blendLinear(white, floor, weight, 1 - weight), np.float32)
    return floor


def _shaded(where: npt.NDArray[np.uint8], strength: float) -> Floats:
    """(H, W, 3) factors: 1 less ``strength`` where ``where`` (H, W) is 255."""
    factor = cv2.addWeighted(where, -strength / 255, where, 0, 1, dtype=cv2.CV_32F)
    return np.asarray(cv2.cvtColor(factor, cv2.COLOR_GRAY2RGB), np.float32)


def scene_view(window: Mapping[str, Any], size: int) -> npt.NDArray[np.float64]:
    """(3, 3): canvas pixels to scene pixels."""
    scale = size / window["side_px"]
    angle = np.radians(window["roll_deg"])
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    x, y = window["centre_px"]
    middle = (size - 1) / 2
    return np.array([[c, -s, middle - c * x + s * y], [s, c, middle - s * x - c * y], [0, 0, 1]])


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
    size = (linear.shape[0] + 1) // 2  # they are soft: half the size does
    relief = np.zeros((size, size), np.float32)
    for cells, weight in ((3, 1.0), (7, 0.6), (15, 0.25)):
        coarse = rng.standard_normal((cells, cells), dtype=np.float32)
        relief += weight * cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    slope = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3) * rng.normal() + cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3)
    slope *= np.float32(strength / max(float(slope.std()), 1e-6))
    factor = cv2.resize(np.clip(1 + slope, 0.35, 1.8), linear.shape[1::-1])
    _times(linear, np.asarray(cv2.cvtColor(factor, cv2.COLOR_GRAY2RGB), np.float32))
    return linear
