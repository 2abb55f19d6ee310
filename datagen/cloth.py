"""Cloth and other stuff of one kind: its colours and the pattern woven, knitted or printed into it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datagen.shape import Floats

Colour = tuple[float, float, float]
PATTERNS = ("plain", "heather", "stripes", "checks", "dots", "blossoms")
_SKINS = (
    (0.945, 0.827, 0.761),
    (0.902, 0.741, 0.635),
    (0.808, 0.62, 0.486),
    (0.651, 0.459, 0.333),
    (0.455, 0.31, 0.227),
)


@dataclass(frozen=True)
class Cloth:
    """What a thing is made of.

    Attributes:
        colour, second: sRGB in [0, 1]; the second is the pattern's.
        pattern: one of :data:`PATTERNS`.
        period_m: of the pattern.
        angle_rad: its turn.
    """

    colour: Colour
    second: Colour = (0.9, 0.9, 0.9)
    pattern: str = "plain"
    period_m: float = 0.03
    angle_rad: float = 0.0

    def paint(self, places_m: npt.NDArray[np.floating], rng: np.random.Generator) -> Floats:
        """(N, 3) sRGB at places (N, 2) on the cloth, in metres."""
        c, s = np.cos(self.angle_rad), np.sin(self.angle_rad)
        u = (places_m[:, 0] * c - places_m[:, 1] * s) / self.period_m
        v = (places_m[:, 0] * s + places_m[:, 1] * c) / self.period_m
        share = np.zeros(len(places_m))
        if self.pattern == "stripes":
            share = _square(v)
        elif self.pattern == "checks":
            share = (_square(u) + _square(v)) / 2
        elif self.pattern == "dots":
            share = ((u % 1 - 0.5) ** 2 + ((v + 0.5 * (np.floor(u) % 2)) % 1 - 0.5) ** 2 < 0.07) * 1.0
        elif self.pattern == "blossoms":
            share = _blossoms(u / 2, v / 2, rng)
        elif self.pattern == "heather":
            share = 0.22 * rng.random(len(places_m))
        grain = 1 + rng.normal(0, 0.02, (len(places_m), 1))
        first, second = np.array(self.colour), np.array(self.second)
        return np.asarray((first + share[:, None] * (second - first)) * grain)


def _square(phase: Floats) -> Floats:
    return np.clip(4 * np.abs(phase % 1 - 0.5) - 0.5, 0, 1)


def _blossoms(u: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    """Five-petalled spots, one to a cell, each somewhere in it."""
    cell_u, cell_v = np.floor(u).astype(int) % 16, np.floor(v).astype(int) % 16
    at = rng.uniform(0.25, 0.75, (2, 16, 16))
    turn, wide = rng.uniform(0, 6, (16, 16)), rng.uniform(0.1, 0.3, (16, 16))
    du, dv = u % 1 - at[0][cell_u, cell_v], v % 1 - at[1][cell_u, cell_v]
    petals = 1 + 0.35 * np.cos(5 * np.arctan2(dv, du) + turn[cell_u, cell_v])
    return (np.hypot(du, dv) < wide[cell_u, cell_v] * petals) * 1.0


def any_colour(rng: np.random.Generator, like_skin: float = 0.35) -> Colour:
    """A colour that cloth has: white to black, anything, or, in a share ``like_skin``, pink, beige, brown or red."""
    if rng.random() < like_skin:
        if rng.random() < 0.5:  # rose, salmon, wine: warm, and no skin has them quite
            value = rng.uniform(0.4, 0.97)
            return (value, value * rng.uniform(0.25, 0.82), value * rng.uniform(0.35, 0.85))
        skin = np.array(_SKINS[int(rng.integers(len(_SKINS)))]) * rng.uniform(0.85, 1.1) + rng.normal(0, 0.02, 3)
        r, g, b = np.clip(skin, 0.02, 0.97)
        return (float(r), float(g), float(b))
    if rng.random() < 0.45:
        value = float(rng.choice([rng.uniform(0.03, 0.2), rng.uniform(0.2, 0.75), rng.uniform(0.75, 0.95)]))
        r, g, b = np.clip(value + rng.normal(0, 0.015, 3), 0.02, 0.97)
        return (float(r), float(g), float(b))
    value, hue, strong = rng.uniform(0.15, 0.95), rng.uniform(0, 6), rng.uniform(0.15, 0.95)
    wheel = np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    r, g, b = np.clip(value * (1 - strong * (1 - wheel)), 0.02, 0.97)
    return (float(r), float(g), float(b))


def draw(rng: np.random.Generator, like_skin: float = 0.35, patterned: float = 0.45) -> Cloth:
    """Some cloth."""
    pattern = PATTERNS[int(rng.integers(2, len(PATTERNS)))] if rng.random() < patterned else PATTERNS[rng.integers(2)]
    period = float(np.exp(rng.uniform(np.log(0.012), np.log(0.07))))
    angle = float(rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)]))
    return Cloth(any_colour(rng, like_skin), any_colour(rng, 0.15), pattern, period, angle)
