"""Skin for a foot that has none: a colour for each vertex, from melanin, blood and where on the foot it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates
from scipy.sparse import coo_matrix, csr_matrix

from datagen import nails
from masksmith.errors import UsageProblem

Array = npt.NDArray[Any]

_PALETTE = np.array(  # sRGB of untanned skin at melanin 0, 0.2 ... 1
    [(241, 211, 194), (230, 189, 162), (206, 158, 124), (166, 117, 85), (116, 79, 58), (70, 49, 40)], np.float64
)
_LATTICE = 24
_POLISH = ((176, 24, 40), (226, 84, 110), (30, 28, 34), (238, 226, 220), (92, 40, 96), (206, 60, 40), (70, 110, 160))
_LENGTH_OF_DETAIL = 0.25  # metres: sizes below are those of a foot this long


def paint(
    vertices: Array,
    faces: Array,
    normals: Array,
    rng: np.random.Generator,
    melanin: float | None = None,
    age: float = 0.7,
    side: str = "left",
) -> npt.NDArray[np.uint8]:
    """Paint a standing foot.

    Args:
        vertices: (V, 3) metres, y up, toes towards +z, sole on y = 0.
        faces: (F, 3).
        normals: (V, 3) outward unit normals.
        rng: its chance.
        melanin: 0 (very light) to 1 (very dark); None to draw it.
        age: 0.33 child, 0.67 adult, 1 old: veins and blotches grow with it.
        side: ``left`` or ``right``; the inner side has the arch and the brighter sole.

    Returns:
        (V, 3) uint8 RGB.

    Raises:
        UsageProblem: melanin outside 0 to 1.
    """
    if melanin is None:
        melanin = float(rng.random())
    if not 0 <= melanin <= 1:
        raise UsageProblem(f"melanin is a number from 0 (very light) to 1 (very dark), not {melanin:g}")
    low = vertices[vertices[:, 1] < 0.08]
    heel, length = float(low[:, 2].min()), float(np.ptp(low[:, 2]))
    size = length / _LENGTH_OF_DETAIL
    along = (vertices[:, 2] - heel) / length
    height = vertices[:, 1] / size
    up = normals[:, 1]
    place = vertices / size
    noise = _Noise(rng)
    hollow = _hollowness(vertices, faces, normals)

    broad = noise(place, 0.055)
    middle = noise(place, 0.018)
    fine = noise(place, 0.0055)
    grain = noise(place, 0.0024)
    sole = _ramp(-up + 0.1 * middle, 0.2, 0.75) * (1 - _ramp(height, 0.02, 0.045))
    shade = melanin + 0.022 * broad + 0.02 * middle + 0.016 * fine + 0.012 * grain
    shade += 0.10 * melanin * _knuckles(along, up, height)
    shade += _tan(rng, height, melanin)
    shade += (0.02 + 0.05 * melanin) * np.clip(hollow, 0, 1)
    shade = shade * (1 - sole) + (0.42 * melanin + 0.03) * sole + 0.03 * middle * sole
    colour = _palette(shade, float(rng.normal(0, 1)))
    blood = _blood(along, height, up, sole, broad, middle, hollow) * rng.uniform(0.6, 1.3) * (1 - 0.55 * melanin)
    colour *= 1 - np.clip(blood, -0.12, 1.2)[:, None] * np.array([0.02, 0.20, 0.17])
    callus = sole * np.clip(_ramp(-along, -0.22, -0.05) + _bell(along, 0.68, 0.08), 0, 1)
    colour *= 1 + callus[:, None] * np.array([0.04, 0.02, -0.06])
    colour = _veins(colour, noise, place, along, height, up, sole, melanin, age, rng)
    colour = _speckles(colour, noise, place, height, sole, melanin, age, rng)
    crease = np.clip(hollow - 0.15, 0, 1)
    colour *= 1 - crease[:, None] * np.array([0.22, 0.32, 0.32])
    colour = _nails(colour, vertices, normals, (length, heel), side, melanin, rng)
    return np.clip(np.round(colour), 0, 255).astype(np.uint8)


class _Noise:
    """Value noise in space: 24 x 24 x 24 random numbers, repeated, smoothly filled in; deviation about 1."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._table = rng.standard_normal((_LATTICE, _LATTICE, _LATTICE)) * 1.6

    def __call__(self, points: Array, period: float) -> Array:
        shift = self._rng.random(3) * _LATTICE
        cells = points / period + shift
        whole = np.floor(cells)
        part = cells - whole
        smooth = whole + part * part * (3 - 2 * part)
        return np.asarray(map_coordinates(self._table, smooth.T, order=1, mode="grid-wrap"))


def _ramp(values: Array, start: float, end: float) -> Array:
    part = np.clip((values - start) / (end - start), 0, 1)
    return np.asarray(part * part * (3 - 2 * part))


def _bell(values: Array, middle: float, width: float) -> Array:
    return np.asarray(np.exp(-(((values - middle) / width) ** 2)))


def _palette(shade: Array, undertone: float) -> Array:
    places = np.linspace(0, 1, len(_PALETTE))
    colour = np.stack([np.interp(shade, places, _PALETTE[:, k]) for k in range(3)], axis=1)
    return np.asarray(colour * (1 + undertone * np.array([0.012, -0.004, -0.02])))


def _neighbours(faces: Array, count: int) -> csr_matrix:
    starts = np.concatenate([faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()])
    ends = np.concatenate([faces[:, [1, 2, 0]].ravel(), faces[:, [0, 1, 2]].ravel()])
    graph = coo_matrix((np.ones(len(starts)), (starts, ends)), shape=(count, count)).tocsr()
    degree = np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1)
    return graph.multiply(1 / degree[:, None]).tocsr()


def _hollowness(vertices: Array, faces: Array, normals: Array) -> Array:
    """How concave the surface is over about 6 mm: 1 in the gaps between toes, 0 on flats, negative on ridges."""
    mean = _neighbours(faces, len(vertices))
    corners = vertices[faces]
    edge = float(np.median(np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)))
    rounds = int(np.clip((0.005 / max(edge, 1e-6)) ** 2, 2, 24))
    smooth = np.asarray(vertices, np.float64)
    for _ in range(rounds):
        smooth = mean @ smooth
    rim = _rim(faces, len(vertices), rounds)
    smooth[rim] = vertices[rim]  # the cut edge is no hollow
    bend = np.einsum("ij,ij->i", smooth - vertices, normals) / (edge * np.sqrt(rounds))
    for _ in range(2):
        bend = mean @ bend
    return np.asarray(np.clip(bend * 2.5, -1, 1.2))


def _rim(faces: Array, count: int, rounds: int) -> Array:
    """Vertices within ``rounds`` / 2 steps of an open edge."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1).astype(np.int64)
    _, first, times = np.unique(edges[:, 0] * count + edges[:, 1], return_index=True, return_counts=True)
    rim = np.zeros(count, bool)
    rim[edges[first[times == 1]].ravel()] = True
    for _ in range(rounds // 2 + 1):
        rim[edges[rim[edges].any(axis=1)].ravel()] = True
    return rim


def _knuckles(along: Array, up: Array, height: Array) -> Array:
    top = np.clip(up, 0, 1)
    return np.asarray(top * (_bell(along, 0.84, 0.03) + 0.6 * _bell(along, 0.91, 0.02)) * (height < 0.05))


def _tan(rng: np.random.Generator, height: Array, melanin: float) -> Array:
    """Some wear socks in the sun: darker above a soft line, or everywhere but the foot."""
    if rng.random() < 0.55:
        return np.zeros(len(height))
    line = rng.uniform(0.075, 0.15)
    depth = rng.uniform(0.03, 0.14) * (1 - 0.6 * melanin)
    return np.asarray(depth * _ramp(height, line - 0.006, line + 0.006))


def _blood(along: Array, height: Array, up: Array, sole: Array, broad: Array, middle: Array, hollow: Array) -> Array:
    """Redness: toe tips, the rims of heel and sole, ankle bones, and blotches."""
    toes = 0.75 * _ramp(along, 0.80, 0.97)
    rim = 0.55 * _bell(height, 0.013, 0.014) * (1 - np.abs(up)) * (1 - sole)
    heel = 0.6 * _ramp(-along, -0.14, -0.02) * (1 - _ramp(height, 0.02, 0.06))
    ball = 0.5 * sole * (_bell(along, 0.70, 0.07) + _ramp(-along, -0.2, -0.08) + _ramp(along, 0.86, 0.95))
    ankle = 0.25 * _bell(height, 0.07, 0.02) * _bell(along, 0.22, 0.12)
    foot = 0.25 * (1 - _ramp(height, 0.04, 0.13))
    ridges = 0.35 * np.clip(-hollow, 0, 1) + 0.5 * np.clip(hollow, 0, 1)
    return np.asarray(toes + rim + heel + ball + ankle + foot + ridges + 0.07 * broad + 0.07 * middle - 0.02)


def _veins(
    colour: Array,
    noise: _Noise,
    place: Array,
    along: Array,
    height: Array,
    up: Array,
    sole: Array,
    melanin: float,
    age: float,
    rng: np.random.Generator,
) -> Array:
    """Bluish, slightly raised lines over the instep and up the shin."""
    stretched = place * np.array([1.0, 0.45, 0.45]) + 0.004 * noise(place, 0.02)[:, None]
    line = 1 - _ramp(np.abs(noise(stretched, 0.026)), 0.03, 0.20)
    where = _ramp(along, 0.22, 0.34) * (1 - _ramp(along, 0.66, 0.78)) * _ramp(up, 0.15, 0.6)
    where = np.maximum(where, 0.4 * _ramp(height, 0.08, 0.12))
    strength = line * where * (1 - sole) * rng.uniform(0.05, 0.7) * (0.25 + 0.75 * _ramp(np.array(age), 0.5, 0.95))
    tint = np.array([0.20, 0.09, 0.05]) if melanin < 0.6 else np.array([0.12, 0.10, 0.08])
    return np.asarray(colour * (1 - strength[:, None] * tint))


def _speckles(
    colour: Array,
    noise: _Noise,
    place: Array,
    height: Array,
    sole: Array,
    melanin: float,
    age: float,
    rng: np.random.Generator,
) -> Array:
    """Freckles and age spots, hair on the leg, and the pores' unevenness everywhere."""
    spots = _ramp(noise(place, 0.0045), 2.2, 3.2) * (1 - sole) * rng.uniform(0, 1) ** 2
    colour = colour * (1 - spots[:, None] * np.array([0.16, 0.24, 0.3]))
    if age > 0.6 and rng.random() < 0.4:
        hair = _ramp(noise(place * np.array([1, 0.35, 1]), 0.0022), 0.9, 2.0) * _ramp(height, 0.09, 0.14)
        colour *= 1 - rng.uniform(0.05, 0.28) * hair[:, None] * np.array([0.9, 1.0, 1.0])
    pores = 1 + 0.016 * noise(place, 0.0019) + 0.014 * noise(place, 0.0036)
    return np.asarray(colour * pores[:, None])


def _nails(
    colour: Array,
    vertices: Array,
    normals: Array,
    extent: tuple[float, float],
    side: str,
    melanin: float,
    rng: np.random.Generator,
) -> Array:
    """A paler plate on the top of each toe's end, with a white tip and a darker fold; sometimes painted."""
    polish = np.array(_POLISH[rng.integers(len(_POLISH))], np.float64) if rng.random() < 0.14 else None
    gloss = rng.uniform(0.35, 0.7)
    free = rng.uniform(0.72, 0.95)
    plate = _palette(np.array([0.25 * melanin]), 0.0)[0] * np.array([1.0, 0.93, 0.92]) * (1 - 0.25 * melanin)
    for near, radius, back, share in nails.plates(vertices, normals, extent, side):
        fold = _bell(radius, 1.12, 0.16) * 0.20
        here = colour[near] * (1 - fold[:, None])
        if polish is not None:
            face, amount = np.broadcast_to(polish, here.shape), share * 0.95
        else:
            white = _ramp(-back, free - 0.12, free + 0.05)[:, None]
            moon = _ramp(back, 0.55, 0.8)[:, None] * 0.12
            face = plate * (1 + moon) * (1 - white) + np.array([236, 226, 210]) * (1 - 0.2 * melanin) * white
            amount = share * gloss
        colour[near] = here * (1 - amount[:, None]) + face * amount[:, None]
    return colour
