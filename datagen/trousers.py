"""Trousers: a second wall around the leg above a hem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datagen import cloth as cloths
from datagen.cloth import Cloth
from datagen.shape import OTHER, Shape, shape, together, vertex_normals

_DARK = Cloth((0.2, 0.2, 0.3))


@dataclass(frozen=True)
class Trousers:
    """A trouser leg.

    Attributes:
        hem_m: height of its lower edge above the floor.
        width_m: distance from the skin.
        colour: (r, g, b) in [0, 1], sRGB.
        turn_up_m: height of a turn-up of a lighter shade; 0 = none.
    """

    hem_m: float
    width_m: float
    colour: tuple[float, float, float]
    turn_up_m: float = 0.0


@dataclass(frozen=True)
class Legwear(Trousers):
    """A trouser leg, leggings or a skirt of any cloth.

    Attributes:
        cloth: colours and pattern; takes the place of ``colour``.
        slack: how deep its folds are; 1 = as of trousers.
        flare: by how much it widens towards the hem.
    """

    cloth: Cloth = _DARK
    slack: float = 1.0
    flare: float = 0.0


def draw_legwear(rng: np.random.Generator, least_m: float = 0.0) -> Legwear:
    """Jeans, leggings, pyjamas or a skirt; at least ``least_m`` away from the skin, where there is a shoe under it."""
    kind = rng.choice(["jeans", "plain", "leggings", "pyjamas", "skirt"], p=[0.26, 0.24, 0.2, 0.18, 0.12])
    jeans = rng.uniform((0.1, 0.16, 0.28), (0.45, 0.55, 0.72))
    stuff = cloths.draw(rng, 0.4, 0.12)
    if kind == "jeans":
        stuff = Cloth((float(jeans[0]), float(jeans[1]), float(jeans[2])), (0.8, 0.83, 0.88), "heather")
    if kind == "leggings" and rng.random() < 0.6:
        value = float(rng.uniform(0.03, 0.16))
        stuff = Cloth((value, value, value * 1.1))
    if kind in ("pyjamas", "skirt"):
        stuff = cloths.draw(rng, 0.5, 0.65)
    hem, wide, slack, flare = {
        "jeans": (rng.uniform(0.09, 0.25), rng.uniform(0.005, 0.03), 1.0, 0.0),
        "plain": (rng.uniform(0.08, 0.3), rng.uniform(0.006, 0.04), 1.0, rng.uniform(0, 0.5)),
        "leggings": (rng.uniform(0.1, 0.28), rng.uniform(0.0018, 0.004), 0.4, 0.0),
        "pyjamas": (rng.uniform(0.07, 0.2), rng.uniform(0.015, 0.045), 1.3, 0.3),
        "skirt": (rng.uniform(0.12, 0.4), rng.uniform(0.04, 0.09), 1.2, 0.6),
    }[str(kind)]
    cuff = float(rng.uniform(0.02, 0.05)) if kind == "jeans" and rng.random() < 0.3 else 0.0
    wide = max(float(wide), least_m)
    return Legwear(float(hem), wide, stuff.colour, cuff, stuff, float(slack), float(flare))


def put_on(leg: Shape, trousers: Trousers, rng: np.random.Generator) -> Shape:
    """The wall around the leg above the hem, with folds; the skin under it stays, out of sight."""
    vertices, faces = leg.vertices, leg.faces
    covered = (vertices[faces][..., 1] > trousers.hem_m).all(axis=1)
    if not covered.any():
        return leg
    used, index = np.unique(faces[covered], return_inverse=True)
    shell = vertices[used].copy()
    normals = vertex_normals(vertices, faces)[used] * np.array([1.0, 0.0, 1.0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 0.2)
    height = shell[:, 1] - trousers.hem_m
    angle = np.arctan2(shell[:, 0] - shell[:, 0].mean(), shell[:, 2] - shell[:, 2].mean())
    folds = np.zeros(len(shell))
    for _ in range(5):
        waves, pitch = rng.integers(1, 6), rng.normal(0, 45)
        folds += rng.uniform(0.2, 1.0) * np.sin(waves * angle + pitch * height + rng.uniform(0, 2 * np.pi))
    wear = trousers if isinstance(trousers, Legwear) else None
    wide = trousers.width_m * (1 + 0.25 * folds / 2 * (wear.slack if wear else 1.0))
    if wear:
        wide = wide * (1 + wear.flare * np.exp(-np.maximum(height, 0) / 0.1))
    shell += normals * wide[:, None]
    low = height < 0.012  # the lowest ring follows the mesh: bring it to one line, a little wavy
    shell[low, 1] = trousers.hem_m + 0.002 * np.sin(3 * angle[low] + rng.uniform(0, 6))
    shade = 1 + 0.05 * folds[:, None] + rng.normal(0, 0.03, (len(shell), 1))
    paint = np.array(trousers.colour) * shade
    if wear:
        paint = wear.cloth.paint(np.stack([0.06 * angle, height], axis=-1), rng) * shade
    if trousers.turn_up_m:
        cuff = height < trousers.turn_up_m
        shell[cuff] += normals[cuff] * 0.004
        paint[cuff] = np.minimum(paint[cuff] * 1.25 + 0.05, 1)
    seams = np.abs(height - 0.018) < 0.003
    paint[seams] *= 0.8
    place = np.full(len(vertices), -1)
    place[used] = np.arange(len(used))
    above = place[leg.top]
    return together([leg, shape(shell, index.reshape(-1, 3), paint, OTHER, above[above >= 0])])
