"""Cameras: the scanner's four fixed ones, and phones in somebody's hand."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Document F photographs each scanned foot from four fixed cameras around the rig (azimuth, elevation in degrees).
SCANNER_VIEWS = ((35.0, 42.0), (145.0, 42.0), (215.0, 42.0), (325.0, 42.0))


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks at a point of the scene.

    World: metres, y up, floor at y = 0, toes towards +z. Azimuth 0 stands in front of the toes and grows towards +x.

    Attributes:
        azimuth_deg, elevation_deg, distance_m: where the camera stands, seen from ``target``.
        roll_deg: turn about the line of sight, clockwise in the image.
        fov_deg: field of view across the square canvas.
        target: (x, y, z) in metres; lies in the middle of the canvas.
        size: canvas side in pixels.
    """

    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    roll_deg: float
    fov_deg: float
    target: tuple[float, float, float]
    size: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> Camera:
        return Camera(**{**value, "target": tuple(value["target"])})

    @property
    def focal_px(self) -> float:
        return self.size / 2 / float(np.tan(np.radians(self.fov_deg) / 2))

    def pose(self) -> tuple[Floats, Floats]:
        """(R, position): R (3, 3) takes world directions to the camera (x right, y down, z ahead)."""
        azimuth, elevation, roll = np.radians([self.azimuth_deg, self.elevation_deg, self.roll_deg])
        away = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
        ahead = -away
        # straight down there is no "up": the azimuth still says which way the top of the image points
        upward = np.array(
            [-np.sin(azimuth) * np.sin(elevation), np.cos(elevation), -np.cos(azimuth) * np.sin(elevation)]
        )
        right = np.cross(ahead, upward)
        c, s = np.cos(roll), np.sin(roll)
        x, y = right, -upward
        rotation = np.stack([c * x + s * y, -s * x + c * y, ahead])
        return rotation, np.array(self.target) + self.distance_m * away

    def intrinsics(self) -> Floats:
        """(3, 3) K for pixel centres at integer coordinates."""
        middle = (self.size - 1) / 2
        return np.array([[self.focal_px, 0, middle], [0, self.focal_px, middle], [0, 0, 1]])

    def project(self, points: npt.NDArray[Any]) -> tuple[Floats, Floats]:
        """Pixel positions (N, 2) and depths (N,) in metres of world points (N, 3)."""
        rotation, position = self.pose()
        local = (points.astype(np.float64) - position) @ rotation.T
        depth = local[:, 2]
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        middle = (self.size - 1) / 2
        return local[:, :2] / safe[:, None] * self.focal_px + middle, depth

    def floor_homography(self) -> Floats:
        """(3, 3): floor position (x, z, 1) in metres to pixels (u, v, 1) of the canvas; not to be written to."""
        return _floor_homography(self)

    def rays(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """(N, 6) origins and unit directions through pixel positions (N, 2); whole numbers are pixel centres."""
        rotation, position = self.pose()
        middle = (self.size - 1) / 2
        across = ((pixels - middle) / self.focal_px).astype(np.float32)
        right, down, ahead = rotation.astype(np.float32)
        out = np.empty((len(pixels), 6), np.float32)
        out[:, :3] = position
        for k in range(3):
            out[:, 3 + k] = across[:, 0] * right[k] + across[:, 1] * down[k] + ahead[k]
        out[:, 3:] /= np.sqrt(1 + (across * across).sum(axis=1, keepdims=True))
        return out

    def horizon_clear_deg(self) -> float:
        """Degrees between the horizon and the highest corner of the canvas; negative when the horizon shows."""
        rotation, _ = self.pose()
        edge = np.tan(np.radians(self.fov_deg) / 2)
        corners = np.array([[x, y, 1.0] for x in (-edge, edge) for y in (-edge, edge)]) @ rotation
        rise = np.degrees(np.arcsin(corners[:, 1] / np.linalg.norm(corners, axis=1)))
        return float(-rise.max())


@lru_cache(maxsize=2048)
def _floor_homography(camera: Camera) -> Floats:
    rotation, position = camera.pose()
    columns = np.stack([rotation[:, 0], rotation[:, 2], -rotation @ position], axis=1)
    found = camera.intrinsics() @ columns
    found.setflags(write=False)
    return found


def scanner(view: int, size: int) -> Camera:
    """One of the scanner's four fixed cameras (document F)."""
    azimuth, elevation = SCANNER_VIEWS[view]
    return Camera(azimuth, elevation, 0.85, 0.0, 36.0, (0.0, 0.05, 0.0), size)


def phone(rng: np.random.Generator, size: int, own: bool, reach_m: float) -> Camera:
    """A phone in the hand of the foot's owner, who looks down at it, or of somebody else around it.

    Args:
        own: the owner holds it: from above and behind, so that the toes point up in the picture.
        reach_m: half the extent of what is looked at.
    """
    if own:
        azimuth = 180 + rng.normal(0, 22)
        elevation = float(np.clip(rng.normal(66, 11), 42, 88))
        distance = rng.uniform(0.55, 1.4)
    else:
        azimuth = rng.uniform(0, 360)
        elevation = float(np.clip(rng.normal(42, 15), 17, 85))
        distance = rng.uniform(0.45, 1.2)
    wanted = 2 * reach_m * rng.uniform(1.3, 2.9)  # how much of the world the canvas spans at the target
    fov = float(np.clip(np.degrees(2 * np.arctan(wanted / 2 / distance)), 14, 62))
    target = (float(rng.normal(0, 0.025)), float(rng.uniform(0.01, 0.07)), float(rng.normal(0, 0.03)))
    return Camera(float(azimuth % 360), elevation, float(distance), float(rng.normal(0, 7)), fov, target, size)
