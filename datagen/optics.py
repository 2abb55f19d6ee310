"""What a lens does beyond blur: it bends lines, darkens corners, and is in focus at one distance only.

Bending is Brown's radial model as OpenCV has it: a point at radius r of the pinhole picture is seen at
r (1 + k1 r^2 + k2 r^4). Its centre is the picture's optical centre, which a cropped picture has anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen.chance import Chance
from datagen.develop import blurred

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

CLEAR: dict[str, Any] = {"k1": 0.0, "k2": 0.0, "vignette": 0.0, "depth_px": 0.0, "focus": [0.5, 0.5]}
_STEP_PX = 4  # between nodes; the bend between them is straight to some hundredths of a pixel
_VIGNETTES = 24  # steps of darkness that maps are kept for


def draw(chance: Chance, size: int, *, bend_share: float, vignette_share: float, focus_share: float) -> dict[str, Any]:
    """A lens: ``k1, k2`` for radii that are 1 in the picture's farthest corner, ``vignette`` (light lost in
    the corners), and ``depth_px``: the blur where the floor is farthest from the ``focus``, a place in the picture in
    shares of its sides."""
    bends, darkens, focuses = (chance.random() < share for share in (bend_share, vignette_share, focus_share))
    k1, k2 = chance.normal(-0.02, 0.025), chance.normal(0, 0.005)
    vignette = (2 + chance.integers(_VIGNETTES - 2)) / 60
    depth_px = chance.log_uniform(0.8, 2.6) * size / 256
    focus = (chance.uniform(0.2, 0.8), chance.uniform(0.2, 0.8))
    return {
        "k1": round(min(max(k1, -0.06), 0.04) if bends else 0.0, 5),
        "k2": round(min(max(k2, -0.01), 0.01) if bends else 0.0, 5),
        "vignette": round(vignette if darkens else 0.0, 5),
        "depth_px": round(depth_px if focuses else 0.0, 4),
        "focus": [round(share, 4) for share in focus],
    }


@dataclass(frozen=True)
class Bend:
    """A bent picture and the straight one it is made from, both S pixels a side.

    Attributes:
        k1, k2: for radii in units of ``reach_px``, the distance of the farthest corner from the centre.
        centre_px: (x, y) the optical centre, the same in both.
        zoom: focal length of the bent picture over that of the straight one: no less than needed to fill the frame.
        nodes: (N, N, 2) float64 where in the straight picture the nodes of a lattice over the bent one come from;
            nodes are 4 pixels apart, the first at the first pixel's centre.
    """

    k1: float
    k2: float
    size: int
    centre_px: tuple[float, float]
    reach_px: float
    zoom: float
    nodes: npt.NDArray[np.float64]

    def source(self) -> Floats:
        """(S, S, 2) for every pixel (x, y) of the bent picture its place in the straight one."""
        way = np.array([[_STEP_PX, 0, 0], [0, _STEP_PX, 0.0]])
        nodes = self.nodes.astype(np.float32)
        return np.asarray(cv2.warpAffine(nodes, way, (self.size, self.size), borderMode=cv2.BORDER_REPLICATE))

    def maps(self) -> tuple[Array, Array]:
        """The same as ``cv2.remap`` takes it, in its quickest form."""
        source = self.source()
        first, second = cv2.convertMaps(source, None, cv2.CV_16SC2)
        return np.asarray(first), np.asarray(second)


def bend(lens: Mapping[str, Any], size: int, centre_px: tuple[float, float]) -> Bend | None:
    """The bend of a recipe's ``lens``; None where it has none."""
    k1, k2 = float(lens.get("k1", 0.0)), float(lens.get("k2", 0.0))
    if not k1 and not k2:
        return None
    centre = np.array(centre_px, np.float64)
    middle, edge = (size - 1) / 2, size - 1.0
    rim = np.array([[x, y] for x in (0, middle, edge) for y in (0, middle, edge) if (x, y) != (middle, middle)])
    reach = float(np.hypot(*(rim - centre).T).max())
    zoom = 1.0
    for _ in range(4):  # the corners' places change a little with the zoom itself
        straight = unbent((rim - centre) / reach, k1, k2) * reach / zoom
        room = np.where(straight > 0, edge - centre, centre)
        zoom *= max(1.0, float((np.abs(straight) / np.maximum(room, 1.0)).max()))
    line = np.arange(0.0, size + _STEP_PX, _STEP_PX)
    lattice = np.stack(np.meshgrid(line, line), axis=-1)
    nodes = unbent((lattice - centre) / reach, k1, k2) * reach / zoom + centre
    return Bend(k1, k2, size, (float(centre[0]), float(centre[1])), reach, zoom, nodes)


def unbent(points: npt.NDArray[np.float64], k1: float, k2: float) -> npt.NDArray[np.float64]:
    """(..., 2): where points of the bent picture are in the straight one, by Newton's method on the radius."""
    seen = np.hypot(points[..., 0], points[..., 1])
    radius = seen.copy()
    for _ in range(4):
        square = radius * radius
        value = radius * (1 + square * (k1 + k2 * square)) - seen
        radius -= value / (1 + square * (3 * k1 + 5 * k2 * square))
    return np.asarray(points * (radius / np.maximum(seen, 1e-12))[..., None])


def bent(picture: Array, maps: tuple[Array, Array], way: int = cv2.INTER_LINEAR) -> Array:
    """A picture (S, S) or (S, S, C) as the lens shows it."""
    return np.asarray(cv2.remap(picture, *maps, way, borderMode=cv2.BORDER_REPLICATE))


def darkened(linear: Floats, vignette: float) -> Floats:
    """Take light from the corners, in place: ``vignette`` is the share lost there; falls as the cosine's power does."""
    return np.asarray(cv2.multiply(linear, _falloff(linear.shape[0], vignette), dst=linear), np.float32)


@lru_cache(maxsize=_VIGNETTES)
def _falloff(size: int, vignette: float) -> Floats:
    """(S, S, 3): 1 in the middle; (1 + a r^2)^-2 is the fourth power of the cosine."""
    line = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    square = (line[:, None] ** 2 + line[None] ** 2) / 2
    a = np.float32(1 / np.sqrt(1 - vignette) - 1)
    return np.repeat(((1 + a * square) ** -2)[..., None], 3, axis=2)


def focused(linear: Floats, lens: Mapping[str, Any], to_px: npt.NDArray[np.float64]) -> Floats:
    """Blur what of the floor lies nearer or farther than the focus.

    The circle of confusion grows with the difference of inverse depths, which over a plane is linear in the picture;
    the picture is mixed with its blurred self by it.

    Args:
        to_px: (3, 3) metres on the floor (x, z, 1) to pixels; its third row is the depth.
    """
    size = linear.shape[0]
    row = np.linalg.inv(to_px)[2]
    across, down = float(row[0]), float(row[1])
    x, y = (float(share) * (size - 1) for share in lens["focus"])
    most = max(abs(across * (u - x) + down * (v - y)) for u in (0, size - 1) for v in (0, size - 1))
    if most < 1e-9:
        return linear
    line = np.arange(size, dtype=np.float32)
    weight = np.abs((across * (line - x))[None] + (down * (line - y))[:, None]).astype(np.float32)
    weight *= np.float32(1 / most)
    soft = blurred(linear, float(lens["depth_px"]))
    return np.asarray(cv2.blendLinear(soft, linear, weight, 1 - weight), np.float32)
