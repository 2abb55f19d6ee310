"""Light on a surface and on the floor under it: one lamp with a soft edge, and the sky around.

Both are kept apart from colour, so that one rendering serves many exposures and colour temperatures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from datagen.surface import Surface
from masksmith import seeds

Floats = npt.NDArray[np.float32]

FLOOR_HALF_M = 0.6  # the floor maps reach this far from the origin
FLOOR_TEXELS = 256
_FAR_M = 1.5  # what lies beyond reaches no texel
SKY_RAYS = 6  # of a vertex; those around it look elsewhere, and their mean is taken
LAMP_RAYS = 12
FLOOR_SKY_RAYS = 32
_TURNS = 16  # sets of sky rays, dealt out among the vertices
_RIM_RAYS = 4  # of the lamp's, the outermost: where they and the neighbours' agree, so do the others
_SKY_COARSER = 2  # the sky's shadow is soft: cast at half the texels
_LONGEST_M = 0.012  # longer edges are divided before their shadow is looked for
_BOUNCE = 0.42  # share of the light that a floor of middling colour throws back
_LIFT_M = 0.0006  # start of a ray above its surface


@dataclass(frozen=True)
class Lamp:
    """A distant lamp or the sun.

    Attributes:
        azimuth_deg: where the light comes from, as for cameras.
        elevation_deg: above the floor.
        radius_deg: half the angle it fills: 0.3 the sun, 10 a ceiling lamp.
    """

    azimuth_deg: float
    elevation_deg: float
    radius_deg: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def direction(self) -> npt.NDArray[np.float64]:
        """Unit vector towards the lamp."""
        a, e = np.radians([self.azimuth_deg, self.elevation_deg])
        return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])

    def rays(self, count: int) -> Floats:
        """(count, 3) unit directions spread evenly over the lamp's disc."""
        ahead = self.direction
        side = np.cross(ahead, [0.0, 1.0, 0.0] if abs(ahead[1]) < 0.99 else [1.0, 0.0, 0.0])
        side /= np.linalg.norm(side)
        other = np.cross(ahead, side)
        k = np.arange(count) + 0.5
        radius = np.tan(np.radians(self.radius_deg)) * np.sqrt(k / count)
        angle = k * np.pi * (3 - np.sqrt(5))
        spread = ahead + (radius * np.cos(angle))[:, None] * side + (radius * np.sin(angle))[:, None] * other
        return (spread / np.linalg.norm(spread, axis=1, keepdims=True)).astype(np.float32)


def draw_lamp(rng: np.random.Generator) -> Lamp:
    """A lamp indoors or the sun outdoors: any side, mostly high up, from hard to very soft."""
    elevation = float(np.clip(rng.normal(56, 15), 24, 86))
    radius = float(np.exp(rng.uniform(np.log(0.6), np.log(16))))
    return Lamp(float(rng.uniform(0, 360)), elevation, radius)


@dataclass(frozen=True)
class Light:
    """How a surface and the floor around it are lit by one lamp and the sky; colours not included.

    Attributes:
        sky: (V,) share of the sky's light that reaches each vertex, the floor's reflection included.
        lamp: (V,) the lamp's light at each vertex: visibility times the cosine.
        floor_sky: (FLOOR_TEXELS, FLOOR_TEXELS) the same on the floor, 1 where nothing is near; row = z, column = x.
        floor_lamp: the lamp's visibility on the floor, 1 where it is not in shadow.
    """

    sky: Floats
    lamp: Floats
    floor_sky: Floats
    floor_lamp: Floats


class Caster:
    """Open3D's ray caster (Embree) over one surface.

    Args:
        threads: 1 in worker processes; the answers do not depend on it.
    """

    def __init__(self, surface: Surface, threads: int = 1) -> None:
        import open3d

        # typed loosely: Open3D's stubs know no array constructor without a type and a device
        self._tensor = cast(Any, open3d.core.Tensor)
        self._threads = threads
        self.scene: Any = open3d.t.geometry.RaycastingScene(nthreads=threads)
        self.scene.add_triangles(
            self._tensor(np.ascontiguousarray(surface.vertices)),
            self._tensor(np.ascontiguousarray(surface.faces.astype(np.uint32))),
        )

    def cast(self, rays: Floats) -> tuple[npt.NDArray[np.uint32], Floats, Floats]:
        """(primitive, uv, distance) of the first hit of each ray (N, 6); distance is inf for a miss."""
        hits = self.scene.cast_rays(self._tensor(rays), nthreads=self._threads)
        return hits["primitive_ids"].numpy(), hits["primitive_uvs"].numpy(), hits["t_hit"].numpy()

    def hidden(self, rays: Floats) -> npt.NDArray[np.bool_]:
        """(N,) whether something stands in the way of each ray (N, 6)."""
        tensor = self._tensor.from_numpy(np.ascontiguousarray(rays, np.float32))
        found = self.scene.test_occlusions(tensor, nthreads=self._threads).numpy()
        return cast(npt.NDArray[np.bool_], found)

    def blocked(self, origins: Floats, directions: Floats) -> npt.NDArray[np.bool_]:
        """(N, K) whether something stands in the way; origins (N, 3), directions (K, 3) or (N, K, 3)."""
        count, each = len(origins), directions.shape[-2]
        rays = np.empty((count, each, 6), np.float32)
        rays[..., :3] = origins[:, None]
        rays[..., 3:] = directions
        return self.hidden(rays.reshape(-1, 6)).reshape(count, each)


def light(surface: Surface, caster: Caster, lamp: Lamp) -> Light:
    """Cast the rays that say how one lamp and the sky light ``surface`` and the floor."""
    start = surface.vertices + surface.normals * np.float32(_LIFT_M)
    shadows = _Shadows(surface, caster)
    coarse = shadows.seen(_dome(FLOOR_SKY_RAYS), FLOOR_TEXELS // _SKY_COARSER)
    floor_sky = cv2.resize(coarse, (FLOOR_TEXELS, FLOOR_TEXELS), interpolation=cv2.INTER_LINEAR)
    return Light(
        _sky_on_surface(surface, caster, start),
        _lamp_on_surface(surface, caster, start, lamp),
        np.asarray(floor_sky, np.float32),
        shadows.seen(lamp.rays(LAMP_RAYS), FLOOR_TEXELS),
    )


def _lamp_on_surface(surface: Surface, caster: Caster, start: Floats, lamp: Lamp) -> Floats:
    """(V,) visibility times cosine. Most vertices see the whole lamp or nothing of it, as do those around them: for
    these a few rays to its rim say as much as all."""
    lit = lamp_cosine(surface.normals, lamp)
    rays = lamp.rays(LAMP_RAYS)
    faces_it = np.flatnonzero(lit > 0)
    few = np.zeros(len(start), np.float32)
    few[faces_it] = caster.blocked(start[faces_it], rays[-_RIM_RAYS:]).sum(axis=1)
    corners = few[surface.faces]
    differ = np.flatnonzero((corners[:, 0] != corners[:, 1]) | (corners[:, 0] != corners[:, 2]))
    unsure = (few > 0) & (few < _RIM_RAYS)
    unsure[surface.faces[differ].ravel()] = True
    unsure &= lit > 0
    seen = 1 - few / _RIM_RAYS
    rest = caster.blocked(start[unsure], rays[:-_RIM_RAYS]).sum(axis=1)
    seen[unsure] = 1 - (few[unsure] + rest) / LAMP_RAYS
    return np.asarray(seen * lit, np.float32)


def lamp_cosine(normals: Floats, lamp: Lamp) -> Floats:
    """(N,) the lamp's light on surfaces that see all of it; skin lets a little round the edge of light and shade."""
    return np.asarray(np.clip((normals @ lamp.direction.astype(np.float32) + 0.12) / 1.12, 0, 1), np.float32)


def _sky_on_surface(surface: Surface, caster: Caster, start: Floats) -> Floats:
    """(V,) light of the sky and of the floor: every vertex casts a few rays, another set than its neighbours, and what
    is in their way is then taken as the mean over the neighbours."""
    # the sole is pressed flat on the floor: nothing is between
    free = np.flatnonzero((surface.vertices[:, 1] > 0.0005) | (surface.normals[:, 1] > -0.9))
    turn = seeds.rng(0, "sky").integers(0, _TURNS, len(start))[free]
    directions = about_normals(_domes()[turn], surface.normals[free])
    blocked = caster.blocked(start[free], directions)
    down = directions[..., 1] < 0
    counts = np.zeros((len(start), 2), np.float32)
    counts[free, 0] = (blocked & ~down).sum(axis=1)
    counts[free, 1] = (blocked & down).sum(axis=1)
    counts = _around(counts / np.float32(SKY_RAYS), surface.faces)
    return sky_share(surface.normals, surface.vertices[:, 1], counts[:, 0], counts[:, 1])


def sky_share(normals: Floats, height_m: Floats, above: Floats, below: Floats) -> Floats:
    """(N,) cosine-weighted light from the hemisphere about each normal: what looks down sees the floor, dark near the
    sole.

    Args:
        above: (N,) share of all rays that go up and meet the surface itself.
        below: (N,) the same of those that go down.
    """
    up = (1 + normals[:, 1]) / 2
    near = np.clip(height_m / 0.04, 0, 1) * np.float32(0.75) + np.float32(0.25)
    share = np.maximum(up - above, 0) + np.maximum(1 - up - below, 0) * near * np.float32(_BOUNCE)
    # light that skin throws onto skin keeps hollows from going black
    return np.asarray(share + np.float32(0.14) * (above + below), np.float32)


def about_normals(directions: Floats, normals: Floats) -> Floats:
    """(N, K, 3): directions (N, K, 3) about +y, turned to be about the normals (N, 3)."""
    # a frame without branches but one (Duff et al. 2017, Building an Orthonormal Basis, Revisited), with y for z
    x, y, z = normals.T
    sign = np.where(y >= 0, np.float32(1), np.float32(-1))
    a = -1 / (sign + y)
    b = x * z * a
    side = np.stack([1 + sign * x * x * a, -sign * x, sign * b], axis=1)
    other = np.stack([b, -z, sign + z * z * a], axis=1)
    return np.asarray(np.matmul(directions, np.stack([side, normals, other], axis=1)), np.float32)


def _around(values: Floats, faces: npt.NDArray[np.int64]) -> Floats:
    """(V, C): the mean over the faces around each vertex of their corners' mean."""
    corner = faces.ravel()
    uses = np.maximum(np.bincount(corner, minlength=len(values)), 1)
    out = np.empty_like(values)
    for channel in range(values.shape[1]):
        each = values[:, channel][faces].mean(axis=1)
        out[:, channel] = np.bincount(corner, np.repeat(each, 3), minlength=len(values)) / uses
    return out


@cache
def _dome(count: int, shift: float = 0.5, turn: float = 0.0) -> Floats:
    """(count, 3) cosine-weighted directions about +y (spiral), the same for every point: no noise, only steps."""
    k = np.arange(count) + 0.5
    radius = np.sqrt((np.arange(count) + shift) / count)
    angle = k * np.pi * (3 - np.sqrt(5)) + turn
    return np.stack([radius * np.cos(angle), np.sqrt(1 - radius**2), radius * np.sin(angle)], axis=1).astype(np.float32)


@cache
def _domes() -> Floats:
    """(_TURNS, SKY_RAYS, 3): domes turned against one another, their rays at heights of their own."""
    shifts = (np.arange(_TURNS) * 7 % _TURNS + 0.5) / _TURNS
    turns = np.arange(_TURNS) / _TURNS * 2 * np.pi
    return np.stack([_dome(SKY_RAYS, float(s), float(t)) for s, t in zip(shifts, turns, strict=True)])


@cache
def _floor_points(texels: int) -> Floats:
    """(texels^2, 3) points just above the floor, row = z, column = x."""
    line = ((np.arange(texels) + 0.5) / texels * 2 - 1) * FLOOR_HALF_M
    z, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x, np.full_like(x, 0.0004), z], axis=-1).reshape(-1, 3).astype(np.float32)


class _Shadows:
    """Shadows on the floor: rays are cast only from texels whose ray in a direction passes near the surface."""

    def __init__(self, surface: Surface, caster: Caster) -> None:
        self._caster = caster
        corners = surface.vertices[surface.faces]
        # cloth that goes on to the horizon throws no shadow back
        corners = corners[(np.abs(corners[..., [0, 2]]).min(axis=1) < _FAR_M).all(axis=-1)]
        points = [surface.vertices]
        while True:
            sides = corners - np.roll(corners, 1, axis=1)
            corners = corners[(sides * sides).sum(axis=-1).max(axis=1) > _LONGEST_M**2]
            if not len(corners):
                break
            middles = (corners + np.roll(corners, -1, axis=1)) / 2
            points.append(middles.reshape(-1, 3))
            a, b, c = corners.transpose(1, 0, 2)
            ab, bc, ca = middles.transpose(1, 0, 2)
            corners = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
        all_points = np.concatenate(points)
        # one point a cube will do, the cubes being smaller than texels
        self._grain = _LONGEST_M / 4
        cube = np.floor(all_points / self._grain).astype(np.int64)
        key = (cube[:, 0] * 4096 + cube[:, 1]) * 4096 + cube[:, 2]
        self._points = all_points[np.unique(key, return_index=True)[1]]

    def seen(self, directions: Floats, texels: int) -> Floats:
        """(texels, texels) mean visibility over directions (K, 3); blurred by a texel, which hides the steps between
        few directions."""
        near = [np.flatnonzero(self._may_be_dark(direction, texels)) for direction in directions]
        rays = np.empty((sum(map(len, near)), 6), np.float32)
        at = np.concatenate(near)
        rays[:, :3] = _floor_points(texels)[at]
        rays[:, 3:] = np.repeat(directions, [len(some) for some in near], axis=0)
        dark = np.bincount(at[self._caster.hidden(rays)], minlength=texels * texels).reshape(texels, texels)
        seen = (1 - dark / len(directions)).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(seen, (0, 0), 1.1), dtype=np.float32)

    def _may_be_dark(self, direction: Floats, texels: int) -> npt.NDArray[np.bool_]:
        """(texels, texels): no ray in ``direction`` from the others meets the surface."""
        x, y, z = (float(value) for value in direction)
        size = 2 * FLOOR_HALF_M / texels
        column = (self._points[:, 0] - self._points[:, 1] * (x / y)) / size + texels / 2
        row = (self._points[:, 2] - self._points[:, 1] * (z / y)) / size + texels / 2
        inside = (column > -1) & (row > -1) & (column < texels + 1) & (row < texels + 1)
        marks = np.zeros((texels + 2, texels + 2), np.uint8)
        marks[row[inside].astype(np.int32) + 1, column[inside].astype(np.int32) + 1] = 1
        # no point of a triangle is farther from its nearest corner than this
        reach = (_LONGEST_M / np.sqrt(3) + self._grain * np.sqrt(3)) / y / size
        side = 2 * int(np.ceil(reach)) + 1
        grown = cv2.dilate(marks, np.ones((side, side), np.uint8))
        return np.asarray(grown[1:-1, 1:-1] > 0)


def floor_to_texel() -> npt.NDArray[np.float64]:
    """(3, 3): floor position (x, z, 1) in metres to texels (column, row, 1) of the floor maps."""
    scale = FLOOR_TEXELS / (2 * FLOOR_HALF_M)
    middle = FLOOR_TEXELS / 2 - 0.5
    return np.array([[scale, 0, middle], [0, scale, middle], [0, 0, 1]])
