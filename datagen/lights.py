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

Floats = npt.NDArray[np.float32]

FLOOR_HALF_M = 0.6  # the floor maps reach this far from the origin
FLOOR_TEXELS = 256
SKY_RAYS = 16
LAMP_RAYS = 12
FLOOR_SKY_RAYS = 32
_SKY_COARSER = 2  # the sky's shadow is soft: cast at half the texels
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

    def visible(self, origins: Floats, directions: Floats) -> Floats:
        """(N, K) 1.0 where nothing stands in the way; origins (N, 3), directions (K, 3) or (N, K, 3)."""
        count, each = len(origins), directions.shape[-2]
        rays = np.empty((count, each, 6), np.float32)
        rays[..., :3] = origins[:, None]
        rays[..., 3:] = directions
        hidden = self.scene.test_occlusions(self._tensor(rays.reshape(-1, 6)), nthreads=self._threads)
        return 1.0 - hidden.numpy().reshape(count, each).astype(np.float32)


def light(surface: Surface, caster: Caster, lamp: Lamp) -> Light:
    """Cast the rays that say how one lamp and the sky light ``surface`` and the floor."""
    start = surface.vertices + surface.normals * np.float32(_LIFT_M)
    sky = _sky_on_surface(surface, caster, start)
    to_lamp = lamp.rays(LAMP_RAYS)
    cosine = surface.normals @ lamp.direction.astype(np.float32)
    # skin lets a little light round the edge between light and shade
    wrapped = np.clip((cosine + 0.12) / 1.12, 0, 1)
    lit = wrapped > 0
    seen = np.zeros(len(start), np.float32)
    seen[lit] = caster.visible(start[lit], to_lamp).mean(axis=1)
    floor_lamp = _on_floor(caster, to_lamp, FLOOR_TEXELS)
    coarse = _on_floor(caster, _dome(FLOOR_SKY_RAYS), FLOOR_TEXELS // _SKY_COARSER)
    floor_sky = np.asarray(cv2.resize(coarse, (FLOOR_TEXELS, FLOOR_TEXELS), interpolation=cv2.INTER_LINEAR), np.float32)
    return Light(sky, (seen * wrapped).astype(np.float32), floor_sky, floor_lamp)


def _sky_on_surface(surface: Surface, caster: Caster, start: Floats) -> Floats:
    """Cosine-weighted share of the hemisphere that is open; what looks down sees the floor, dark near the sole."""
    dome = _dome(SKY_RAYS)
    normal = surface.normals
    any_axis = np.where(
        np.abs(normal[:, 1:2]) < 0.9, np.array([[0, 1, 0]], np.float32), np.array([[1, 0, 0]], np.float32)
    )
    side = np.cross(normal, any_axis)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    other = np.cross(normal, side)
    directions = (
        dome[None, :, 0:1] * side[:, None] + dome[None, :, 2:3] * other[:, None] + dome[None, :, 1:2] * normal[:, None]
    ).astype(np.float32)
    open_ = caster.visible(start, directions)
    down = directions[..., 1] < 0
    near = np.clip(surface.vertices[:, 1] / 0.04, 0, 1)[:, None] * 0.75 + 0.25
    share = np.where(down, open_ * _BOUNCE * near, open_).mean(axis=1)
    # light that skin throws onto skin keeps hollows from going black
    return (share + 0.14 * (1 - open_.mean(axis=1))).astype(np.float32)


@cache
def _dome(count: int) -> Floats:
    """(count, 3) cosine-weighted directions about +y (spiral), the same for every point: no noise, only steps."""
    k = np.arange(count) + 0.5
    radius = np.sqrt(k / count)
    angle = k * np.pi * (3 - np.sqrt(5))
    return np.stack([radius * np.cos(angle), np.sqrt(1 - radius**2), radius * np.sin(angle)], axis=1).astype(np.float32)


@cache
def _floor_points(texels: int) -> Floats:
    """(texels^2, 3) points just above the floor, row = z, column = x."""
    line = ((np.arange(texels) + 0.5) / texels * 2 - 1) * FLOOR_HALF_M
    z, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x, np.full_like(x, 0.0004), z], axis=-1).reshape(-1, 3).astype(np.float32)


def _on_floor(caster: Caster, directions: Floats, texels: int) -> Floats:
    """(texels, texels) mean visibility; blurred by a texel, which hides the steps between few directions."""
    seen = caster.visible(_floor_points(texels), directions).mean(axis=1).reshape(texels, texels)
    return np.asarray(cv2.GaussianBlur(seen, (0, 0), 1.1), dtype=np.float32)


def floor_to_texel() -> npt.NDArray[np.float64]:
    """(3, 3): floor position (x, z, 1) in metres to texels (column, row, 1) of the floor maps."""
    scale = FLOOR_TEXELS / (2 * FLOOR_HALF_M)
    middle = FLOOR_TEXELS / 2 - 0.5
    return np.array([[scale, 0, middle], [0, scale, middle], [0, 0, 1]])
