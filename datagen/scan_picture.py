"""A picture of a prepared scan from three sides: a look tells what a table cannot, a wrong axis, a hole, a seam.

Surfaces seen from the inside are blue, so that a hole shows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen.cameras import Camera
from datagen.foot import Foot
from datagen.lights import Caster
from datagen.surface import Surface
from masksmith import images

Array = npt.NDArray[Any]

VIEWS = ((35.0, 38.0), (90.0, 8.0), (0.0, -82.0))
"""Azimuth and elevation in degrees: from in front and above, from the side, and the sole from below."""
PANEL_PX = 240
_OVER = 2  # rays a pixel and axis
_BACKGROUND = np.array([236, 236, 232], np.float32)
_INSIDE = np.array([70, 90, 200], np.float32)
_LINE_PX = 16
_MOST_ON_SHEET = 400


def picture(foot: Foot, title: str) -> npt.NDArray[np.uint8]:
    """(PANEL_PX + 16, 3 PANEL_PX, 3) uint8 RGB: the foot from three sides and a line of words below.

    A foot without colour is drawn grey.
    """
    caster = Caster(_bare(foot))
    middle = (foot.vertices.min(axis=0) + foot.vertices.max(axis=0)) / 2
    reach = float(np.linalg.norm(np.ptp(foot.vertices, axis=0))) / 2
    target = (float(middle[0]), float(middle[1]), float(middle[2]))
    panels = []
    for azimuth, elevation in VIEWS:
        fov = 24.0
        distance = 1.05 * reach / float(np.sin(np.radians(fov / 2)))
        camera = Camera(azimuth, elevation, distance, 0.0, fov, target, PANEL_PX * _OVER)
        panels.append(_panel(foot, caster, camera))
    return np.concatenate([np.concatenate(panels, axis=1), _words(title, 3 * PANEL_PX)], axis=0)


def sheet(paths: Sequence[Path], columns: int = 5) -> npt.NDArray[np.uint8] | None:
    """The pictures at half size in rows, in order; None where there are none. At most 400 of them."""
    tiles = []
    for path in paths[:_MOST_ON_SHEET]:
        whole = images.read_image(path)
        tiles.append(images.resize_image(whole, whole.shape[0] // 2, whole.shape[1] // 2))
    if not tiles:
        return None
    columns = min(columns, len(tiles))
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[k : k + columns], axis=1) for k in range(0, len(tiles), columns)]
    return np.concatenate(rows, axis=0)


def _bare(foot: Foot) -> Surface:
    """The foot as it is, not lengthened or smoothed, for the ray caster."""
    grey = np.full((len(foot.vertices), 3), 0.7, np.float32)
    none = np.zeros(0, np.int64)
    ones = np.ones(len(foot.vertices), np.uint8)
    height = float(foot.vertices[:, 1].max())
    return Surface(foot.vertices, foot.faces.astype(np.int64), foot.normals(), grey, height, none, ones, ones)


def _panel(foot: Foot, caster: Caster, camera: Camera) -> npt.NDArray[np.uint8]:
    size = camera.size
    v, u = np.mgrid[0:size, 0:size]
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1).astype(np.float64))
    face, spot, distance = caster.cast(rays)
    hit = np.flatnonzero(np.isfinite(distance))
    image = np.tile(_BACKGROUND, (size * size, 1))
    which, where = face[hit].astype(np.int64), spot[hit]
    weight = np.stack([1 - where.sum(axis=1), where[:, 0], where[:, 1]], axis=1)
    normal = np.einsum("ij,ijk->ik", weight, foot.normals()[foot.faces[which]])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    corners = foot.vertices[foot.faces[which]]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    ahead = rays[hit, 3:]
    inside = np.einsum("ij,ij->i", flat, ahead) > 0
    facing = np.abs(np.einsum("ij,ij->i", normal, ahead))
    colour = np.where(inside[:, None], _INSIDE, _colours(foot, which, weight))
    image[hit] = colour * (0.35 + 0.65 * facing)[:, None]
    whole = np.clip(np.round(image), 0, 255).astype(np.uint8).reshape(size, size, 3)
    return images.resize_image(whole, PANEL_PX, PANEL_PX)


def _colours(foot: Foot, face: Array, weight: Array) -> Array:
    """(N, 3) of points on the surface, given as faces and barycentric weights."""
    if foot.colours is not None:
        return np.asarray(np.einsum("ij,ijk->ik", weight, foot.colours[foot.faces[face]].astype(np.float32)))
    if foot.texture is None or foot.uv is None:
        return np.full((len(face), 3), 178.0, np.float32)
    height, width = foot.texture.shape[:2]
    place = np.einsum("ij,ijk->ik", weight, foot.uv[face])
    column = np.floor(place[:, 0] * width).astype(np.int64) % width
    row = np.floor((1 - place[:, 1]) * height).astype(np.int64) % height
    return np.asarray(foot.texture[row, column], np.float32)


def _words(text: str, width: int) -> npt.NDArray[np.uint8]:
    from PIL import Image, ImageDraw, ImageFont

    # the built-in font knows plain letters only: an umlaut loses its dots, anything farther away becomes ?
    letters = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    plain = "".join(sign if sign.isascii() else "?" for sign in letters if not unicodedata.combining(sign))
    strip = Image.new("RGB", (width, _LINE_PX), (255, 255, 255))
    ImageDraw.Draw(strip).text((4, 1), plain, fill=(20, 20, 20), font=ImageFont.load_default(11))
    return np.array(strip, dtype=np.uint8)
