"""What lies around feet: things on the floor beside them, and cloth in folds beneath."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from datagen import cloth as cloths
from datagen import objects, surface
from datagen.shape import NO_FOOT, OTHER, Floats, shape
from datagen.sleeve import wall
from datagen.surface import Surface

_TRIES = 14
_CELLS = 84
_DENSE_M = 0.85  # half of what is finely meshed; from there to the horizon the cloth goes on in ever larger cells
_REACH_M = 9.0


def beside(body: Surface | None, rng: np.random.Generator, count: int) -> Surface | None:
    """``body`` and up to ``count`` things around it, none of which runs into it or another; None for none at all."""
    taken = np.zeros((0, 3)) if body is None else body.vertices[::5].astype(np.float64)
    for _ in range(count):
        thing = objects.draw(rng)
        at = thing.vertices
        high, reach = float(at[:, 1].max()), float(np.hypot(at[:, 0], at[:, 2]).max())
        low = taken[taken[:, 1] < high + 0.01][:, [0, 2]]
        for _ in range(_TRIES):
            angle, way = rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.5) if body is not None else rng.uniform(0, 0.3)
            middle = np.array([np.sin(angle), np.cos(angle)]) * way
            near = low[np.abs(low - middle).max(axis=1) < reach + 0.01]
            if not _meet(near - middle, at[:, [0, 2]]):
                placed = thing.moved(at + np.array([middle[0], 0.0, middle[1]]))
                ready = surface.finished(placed, 0.0, NO_FOOT)
                body = ready if body is None else surface.joined(body, ready)
                taken = np.concatenate([taken, placed.vertices])
                break
    return body


def _meet(points: Floats, thing: Floats) -> bool:
    """Whether one of the points lies within the outline (its hull) of the thing, or within a few millimetres of it."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    way = np.stack([np.sin(turn), np.cos(turn)])
    hull = (thing @ way).max(axis=0) + 0.004
    return bool((points @ way < hull).all(axis=1).any())


def upon_cloth(body: Surface | None, rng: np.random.Generator) -> Surface:
    """``body`` on a blanket, a bed, a beach towel: wrinkled cloth that lies flat under feet and legs."""
    stuff = cloths.draw(rng, 0.6, 0.5)
    even = np.arange(_CELLS) / (_CELLS - 1) * 2 - 1
    line = _DENSE_M * even + (_REACH_M - _DENSE_M) * even**9
    x, z = np.meshgrid(line, line)
    relief = objects.wrinkles(_CELLS, rng)
    height = float(rng.uniform(0.006, 0.05)) * np.clip(0.9 + 0.45 * relief, 0.0, 2.5)
    if body is not None:
        low = body.vertices[body.vertices[:, 1] < 0.06]
        column, row = (np.rint(np.interp(low[:, k], line, np.arange(_CELLS))).astype(int) for k in (0, 2))
        free = np.ones((_CELLS, _CELLS), bool)
        free[row, column] = False
        away = distance_transform_edt(free) * 2 * _DENSE_M / (_CELLS - 1)
        height = height * np.clip((away - 0.022) / rng.uniform(0.03, 0.09), 0, 1)
    height = gaussian_filter(height, 0.6) + 0.0007
    places = np.stack([x, z], -1).reshape(-1, 2)
    # finer prints than this are finer than the mesh
    pattern = {"dots": "checks", "blossoms": "heather"}.get(stuff.pattern, stuff.pattern)
    wide = cloths.Cloth(stuff.colour, stuff.second, pattern, max(stuff.period_m, 0.07), stuff.angle_rad)
    paint = wide.paint(places, rng) * (1 + 0.03 * relief.reshape(-1, 1))
    slide = gaussian_filter(rng.normal(0, 1, (2, _CELLS, _CELLS)), (0, 6, 6)) * 0.1
    points = np.stack([x + slide[0], height, z + slide[1]], -1).reshape(-1, 3)
    made = surface.finished(shape(points, wall(_CELLS, _CELLS, False)[:, ::-1], paint, OTHER), 0.0, NO_FOOT)
    return made if body is None else surface.joined(body, made)
