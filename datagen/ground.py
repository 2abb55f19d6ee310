"""A floor photo laid into a scene's perspective, at its metric scale and without aliasing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen.develop import to_linear
from datagen.floors import Floor

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_COPY = 3_000_000  # texels: a larger patch than this is not copied together


@dataclass(frozen=True)
class Ground:
    """A floor photo with its smaller versions (each half as large), for sampling without aliasing, and its mean
    linear colour (3,). The levels are (H, W, 4), the last layer empty: four are sampled faster than three."""

    floor: Floor
    levels: tuple[npt.NDArray[np.uint8], ...]
    mean: npt.NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Of the levels: what keeping it takes."""
        return sum(level.nbytes for level in self.levels)


class Shelf:
    """The floors used last, as many as fit into ``limit`` bytes: photos differ in size, and memory has to stay flat."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._grounds: OrderedDict[Hashable, Ground] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Ground]) -> Ground:
        """The floor of ``key``, made where it is not there; what was used longest ago makes room for it."""
        found = self._grounds.pop(key, None)
        if found is None:
            found = make()
            self.held += found.nbytes
        self._grounds[key] = found
        while self.held > self.limit and len(self._grounds) > 1:
            self.held -= self._grounds.popitem(last=False)[1].nbytes
        return found


def prepared(floor: Floor, largest: int = 1536) -> Ground:
    """Prepare a floor: bounded to ``largest`` pixels a side, levels down to 32 pixels.

    The photo itself, which may have a hundred times as many pixels, is let go: ``floor.image`` of what comes back is
    its smallest level.
    """
    image = floor.image
    shrink = largest / max(image.shape[:2])
    if shrink < 1:
        image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    levels = [cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)]
    while min(levels[-1].shape[:2]) >= 64:
        height, width = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    return described(floor, tuple(levels))


def described(floor: Floor, levels: tuple[Bytes, ...]) -> Ground:
    """The ground of a floor whose levels are there."""
    smallest = np.ascontiguousarray(levels[-1][..., :3])
    mean = to_linear()[smallest].reshape(-1, 3).mean(axis=0, dtype=np.float64)
    return Ground(replace(floor, image=smallest), levels, mean)


def laid(below: Ground, about: Mapping[str, Any], to_px: npt.NDArray[np.float64], size: int) -> Floats:
    """(S, S, 3) float32, linear: the floor photo in the scene's perspective, at its metric scale, in its tint.

    Args:
        about: ``yaw_deg``, ``offset_m``, ``scale`` and ``tint`` of a recipe's floor; an ``anchor`` there keeps for many
            views what :func:`anchored` finds for one.
        to_px: (3, 3) metres on the floor to scene pixels.
    """
    height, width = below.levels[0].shape[:2]
    full = _texel_to_px(below, about, to_px)
    anchor = about.get("anchor") or anchored(below, about, to_px, size)
    image = below.levels[anchor["level"]]
    rows, columns = image.shape[:2]
    near = [anchor["tile"][0] * width, anchor["tile"][1] * height]
    fx, fy = width / columns, height / rows
    to_full = np.array([[fx, 0, fx / 2 - 0.5 + near[0]], [0, fy, fy / 2 - 0.5 + near[1]], [0, 0, 1]])
    way = full @ to_full
    patch, corner = _patch(image, np.linalg.inv(way), size, mirror=not below.floor.tileable)
    border = cv2.BORDER_WRAP if below.floor.tileable else cv2.BORDER_REFLECT
    way = way @ np.array([[1, 0, corner[0]], [0, 1, corner[1]], [0, 0, 1.0]])
    seen = cv2.warpPerspective(patch, way, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    return _tinted(seen, below, about)


def taken(below: Ground, about: Mapping[str, Any], size: int) -> Floats:
    """(S, S, 3) float32, linear: a square of the floor photo as it was taken, with the perspective of its own camera,
    upright and half of the times mirrored."""
    height, width = below.levels[0].shape[:2]
    whole = min(height, width)
    side = int(np.clip(whole * min(float(about["scale"]) / 1.6, 1.0), min(size, whole), whole))
    level = int(np.clip(np.floor(np.log2(max(side / size, 1.0))), 0, len(below.levels) - 1))
    image = below.levels[level]
    side = min(side >> level, *image.shape[:2])
    x, y = (abs(value) / 3 for value in about["offset_m"])
    row, column = int(y * (image.shape[0] - side)), int(x * (image.shape[1] - side))
    square = image[row : row + side, column : column + side]
    seen = cv2.resize(square, (size, size), interpolation=cv2.INTER_LINEAR)
    seen = cv2.flip(seen, 1) if about["yaw_deg"] < 180 else seen
    return _tinted(np.asarray(seen, np.uint8), below, about)


def _tinted(seen: Bytes, below: Ground, about: Mapping[str, Any]) -> Floats:
    """(S, S, 4) bytes of a floor as linear light, in the recipe's tint."""
    curve: npt.NDArray[Any] = to_linear()
    if about["tint"]:
        gain = np.clip(np.array(about["tint"]) / np.maximum(below.mean, 0.02), 0.1, 8).astype(np.float32)
        curve = np.minimum(curve[:, None, None] * gain, np.float32(0.95))
    return np.asarray(cv2.LUT(cv2.cvtColor(seen, cv2.COLOR_RGBA2RGB), curve), np.float32)


def anchored(below: Ground, about: Mapping[str, Any], to_px: npt.NDArray[np.float64], size: int) -> dict[str, Any]:
    """Which ``level`` of a floor serves a view, and which ``tile`` of the endless floor is the photo as it is.

    A whole number of floors further is the same floor, or its mirror image: the middle of the scene lies on the photo
    itself. Views that follow one another keep one anchor, else the floor would jump where they cross a tile's edge.
    """
    height, width = below.levels[0].shape[:2]
    # texels a pixel in the middle of the scene: the Jacobian of the inverse map there
    back = np.linalg.inv(_texel_to_px(below, about, to_px))
    u, v, w = back @ np.array([size / 2, size * 0.45, 1.0])
    jacobian = (back[:2, :2] * w - np.outer([u, v], back[2, :2])) / (w * w)
    density = np.sqrt(max(abs(float(np.linalg.det(jacobian))), 1e-12))
    level = int(np.clip(np.floor(np.log2(max(density, 1.0)) + 0.35), 0, len(below.levels) - 1))
    return {"level": level, "tile": [int(np.floor(u / w / width)), int(np.floor(v / w / height))]}


def _texel_to_px(below: Ground, about: Mapping[str, Any], to_px: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(3, 3): texels of the whole photo to scene pixels."""
    step = below.floor.metres * about["scale"] / below.levels[0].shape[1]  # metres a texel
    angle = np.radians(about["yaw_deg"])
    c, s = step * np.cos(angle), step * np.sin(angle)
    x, z = about["offset_m"]
    return np.asarray(to_px @ np.array([[c, -s, x], [s, c, z], [0, 0, 1]]))


def _patch(image: Bytes, back: npt.NDArray[np.float64], size: int, *, mirror: bool) -> tuple[Bytes, tuple[int, int]]:
    """The part of the endless floor that a scene shows, and its first texel (x, y).

    Sampling beyond a picture's border is five times as slow as inside, so the tiles are laid side by side first; where
    they would be too many, the picture itself is given back.
    """
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1.0]]) @ back.T
    rows, columns = image.shape[:2]
    if corners[:, 2].min() <= 1e-9:
        return image, (0, 0)
    flat = corners[:, :2] / corners[:, 2:]
    x0, y0 = np.floor(flat.min(axis=0) - 2).astype(int)
    x1, y1 = np.ceil(flat.max(axis=0) + 3).astype(int)
    inside = x0 >= 0 and y0 >= 0 and x1 <= columns and y1 <= rows
    if inside or (x1 - x0) * (y1 - y0) > _COPY:
        return image, (0, 0)
    texels = image.view(np.uint32)[..., 0]  # four bytes at a time
    out = np.empty((y1 - y0, x1 - x0), np.uint32)
    for down in range(y0 // rows, (y1 - 1) // rows + 1):
        for along in range(x0 // columns, (x1 - 1) // columns + 1):
            tile = texels[:: -1 if mirror and down % 2 else 1, :: -1 if mirror and along % 2 else 1]
            top, left = max(y0, down * rows), max(x0, along * columns)
            bottom, right = min(y1, (down + 1) * rows), min(x1, (along + 1) * columns)
            part = tile[top - down * rows : bottom - down * rows, left - along * columns : right - along * columns]
            out[top - y0 : bottom - y0, left - x0 : right - x0] = part
    return out.view(np.uint8).reshape(*out.shape, 4), (int(x0), int(y0))
