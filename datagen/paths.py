"""Paths of a camera in a hand: a slow drift, the hand's tremor, and what the hand means to do.

A path is a function of time, not a list of frames: the moments inside an exposure lie on it too, and its speed has a
bound that follows from its waves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen.cameras import Camera

Floats = npt.NDArray[np.float64]

CHANNELS = ("right_mm", "down_mm", "ahead_mm", "pitch_deg", "yaw_deg", "roll_deg")
DRIFT_HZ = (0.08, 1.4)
TREMOR_HZ = (6.0, 12.5)  # physiological tremor of an outstretched hand has its peak between 8 and 12 Hz
_DRIFT_WAVES, _TREMOR_WAVES = 7, 9


@dataclass(frozen=True)
class Hand:
    """How a hand moves what it holds: a sum of waves in each of six directions.

    Attributes:
        hz: (K,) frequencies.
        size: (6, K) amplitudes in the units of :data:`CHANNELS`.
        phase: (6, K) radians.
    """

    hz: tuple[float, ...]
    size: tuple[tuple[float, ...], ...]
    phase: tuple[tuple[float, ...], ...]

    @staticmethod
    def still() -> Hand:
        """A tripod."""
        return Hand((), ((),) * 6, ((),) * 6)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Hand:
        size, phase = (tuple(tuple(row) for row in value[name]) for name in ("size", "phase"))
        return Hand(tuple(value["hz"]), size, phase)

    def at(self, time_s: float) -> Floats:
        """(6,) offsets at a time, in the units of :data:`CHANNELS`."""
        if not self.hz:
            return np.zeros(6)
        turn = 2 * np.pi * np.array(self.hz) * time_s + np.array(self.phase)
        return np.asarray((np.array(self.size) * np.sin(turn)).sum(axis=1))

    def fastest(self) -> Floats:
        """(6,) a bound of the speed, in units a second: sum of amplitude times angular frequency."""
        if not self.hz:
            return np.zeros(6)
        return np.asarray((np.abs(self.size) * 2 * np.pi * np.array(self.hz)).sum(axis=1))


def draw_hand(rng: np.random.Generator, shake: float = 1.0) -> Hand:
    """A hand, calm or less so: drift of 2 to 9 mm and 0.2 to 0.8 degrees, tremor of a twentieth of that (RMS, about).

    The drift's amplitudes fall with frequency; the tremor's stand in a band around its own peak. ``shake`` multiplies
    them all.
    """
    slow = np.sort(np.exp(rng.uniform(np.log(DRIFT_HZ[0]), np.log(DRIFT_HZ[1]), _DRIFT_WAVES)))
    quick = np.sort(np.clip(rng.normal(9.2, 1.3, _TREMOR_WAVES), *TREMOR_HZ))
    drift_rms = np.repeat([rng.uniform(2, 9), rng.uniform(0.2, 0.8)], 3) * rng.uniform(0.6, 1.4, 6)
    tremor_rms = np.repeat([rng.uniform(0.05, 0.4), rng.uniform(0.008, 0.045)], 3) * rng.uniform(0.6, 1.4, 6)
    size = np.concatenate(
        [
            _scaled(rng.uniform(0.5, 1.5, (6, _DRIFT_WAVES)) / slow, drift_rms),
            _scaled(rng.uniform(0.3, 1.0, (6, _TREMOR_WAVES)), tremor_rms),
        ],
        axis=1,
    )
    size *= shake
    phase = rng.uniform(0, 2 * np.pi, size.shape)
    hz = np.concatenate([slow, quick])
    return Hand(_rounded(hz), tuple(map(_rounded, size)), tuple(map(_rounded, phase)))


def _scaled(size: Floats, rms: Floats) -> Floats:
    """Rows brought to a root mean square over time: that of a wave is its amplitude by the root of two."""
    return np.asarray(size * (rms / np.sqrt((size**2).sum(axis=1) / 2))[:, None])


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)


@dataclass(frozen=True)
class Path:
    """Where a camera is at any time.

    Attributes:
        start: the camera at rest, at time 0.
        hand: that holds it.
        orbit_deg: how far the camera is carried around its target in ``seconds``, gently from start to end.
        closer: the distance at the end as a share of that at the start.
    """

    start: Camera
    hand: Hand
    orbit_deg: float = 0.0
    closer: float = 1.0
    seconds: float = 1.0

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "start": self.start.as_json()}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Path:
        start, hand = Camera.from_json(value["start"]), Hand.from_json(value["hand"])
        return Path(start, hand, value["orbit_deg"], value["closer"], value["seconds"])

    def camera(self, time_s: float) -> Camera:
        """The camera at a time; before 0 and after ``seconds`` only the hand goes on."""
        share = gently(time_s / self.seconds)
        carried = replace(
            self.start,
            azimuth_deg=self.start.azimuth_deg + share * self.orbit_deg,
            distance_m=self.start.distance_m * self.closer**share,
        )
        offset = self.hand.at(time_s)
        return shaken(carried, offset[:3] / 1000, offset[3:]) if offset.any() else carried


def gently(share: float) -> float:
    """0 to 1 with neither speed nor acceleration at the ends (Perlin's quintic); flat beyond them."""
    x = min(max(share, 0.0), 1.0)
    return x * x * x * (x * (6 * x - 15) + 10)


def shaken(camera: Camera, offset_m: npt.ArrayLike, turn_deg: npt.ArrayLike) -> Camera:
    """The camera moved by ``offset_m`` (3,) along its own axes (right, down, ahead) and turned about them.

    Args:
        turn_deg: (3,) turns about right, down and ahead: one rotation about their sum as an axis (Rodrigues).
    """
    rotation, position = camera.pose()
    turned = turn(np.radians(np.asarray(turn_deg, np.float64))) @ rotation
    return posed(camera, turned, position + np.asarray(offset_m, np.float64) @ rotation)


def turn(axis: Floats) -> Floats:
    """(3, 3) rotation by the length of ``axis`` (3,) in radians about it (Rodrigues)."""
    angle = float(np.linalg.norm(axis))
    if angle < 1e-15:
        return np.eye(3)
    x, y, z = axis / angle
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * across + (1 - np.cos(angle)) * across @ across)


def posed(camera: Camera, rotation: Floats, position: Floats) -> Camera:
    """The camera with another pose (see :meth:`datagen.cameras.Camera.pose`); its distance stays, its target moves."""
    ahead = rotation[2]
    away = -ahead
    x, y, z = (float(value) for value in position + camera.distance_m * ahead)
    level = replace(
        camera,
        azimuth_deg=float(np.degrees(np.arctan2(away[0], away[2]))),
        elevation_deg=float(np.degrees(np.arctan2(away[1], np.hypot(away[0], away[2])))),
        roll_deg=0.0,
        target=(x, y, z),
    )
    upright, _ = level.pose()
    roll = np.degrees(np.arctan2(rotation[0] @ upright[1], rotation[0] @ upright[0]))
    return replace(level, roll_deg=float(roll))
