"""Trousers: a second wall around the leg above a hem."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datagen.shape import OTHER, Shape, shape, together, vertex_normals


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
    shell += normals * (trousers.width_m * (1 + 0.25 * folds / 2))[:, None]
    low = height < 0.012  # the lowest ring follows the mesh: bring it to one line, a little wavy
    shell[low, 1] = trousers.hem_m + 0.002 * np.sin(3 * angle[low] + rng.uniform(0, 6))
    shade = 1 + 0.05 * folds[:, None] + rng.normal(0, 0.03, (len(shell), 1))
    paint = np.array(trousers.colour) * shade
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
