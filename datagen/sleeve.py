"""A smooth sleeve around a foot and its leg, from the toes' tips up: what socks, shoes and straps are cut from.

The foot is cut by planes that stand across it, fan out around the bend of the instep and lie flat across the leg.
Each section is taken by its convex hull, as cloth bridges the gaps between toes and the hollow of the arch.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from datagen.shape import Floats, Ints

AROUND = 64  # points around a section; 0 is the instep and the shin, a quarter on is +x
STEP_M = 0.005
_FAN = 26  # sections around the bend
_TOP_M = 0.5


@dataclass(frozen=True)
class Sleeve:
    """Sections from the tip of the toes (row 0) to the middle of the shin.

    Attributes:
        grid: (S, AROUND, 3) points of the hull, metres.
        outward: (S, AROUND, 3) unit directions in the plane of each section, away from its middle.
        along_m: (S,) way along the middles from the tip.
        bend: (y, z) of the line that the fan turns about.
        ball, ankle: rows where the fan begins and ends.
        length_m: of the foot.
    """

    grid: Floats
    outward: Floats
    along_m: Floats
    bend: tuple[float, float]
    fan: tuple[int, int]
    length_m: float

    def row(self, vertices: npt.NDArray[np.floating]) -> Floats:
        """(V,) which section each point lies on, with fractions."""
        y, z = vertices[:, 1].astype(np.float64), vertices[:, 2].astype(np.float64)
        up, back = y - self.bend[0], self.bend[1] - z
        first, last = self.fan
        turned = np.arctan2(np.maximum(back, 0), np.maximum(-up, 1e-9)) / (np.pi / 2)
        on_fan = first + turned * (last - first)
        on_foot = np.interp(z, self._z_of_rows[::-1], np.arange(first + 1)[::-1])
        on_leg = last + up / STEP_M
        return np.where(z >= self.bend[1], on_foot, np.where(up >= 0, on_leg, on_fan))

    def row_at_height(self, height_m: float) -> float:
        """The row on the leg at a height above the floor, or the fan's last row where it is below the leg."""
        return self.fan[1] + max((height_m - self.bend[0]) / STEP_M, 0.0)

    @cached_property
    def _z_of_rows(self) -> Floats:
        return self.grid[: self.fan[0] + 1, :, 2].mean(axis=1)

    def at(self, rows: Floats, columns: Floats, offset_m: Floats | float) -> Floats:
        """(..., 3) points at fractional rows and columns, moved outwards by ``offset_m``."""
        shape = np.broadcast_shapes(np.shape(rows), np.shape(columns))
        r = np.clip(np.broadcast_to(rows, shape), 0, len(self.grid) - 1).astype(np.float32)
        c = (np.broadcast_to(columns, shape) % AROUND).astype(np.float32)
        both = np.concatenate([self.grid, self.outward], axis=2).astype(np.float32)
        both = np.concatenate([both, both[:, :1]], axis=1)
        flat_r, flat_c = np.atleast_2d(r), np.atleast_2d(c)
        found = np.concatenate(
            [cv2.remap(np.ascontiguousarray(both[..., k : k + 3]), flat_c, flat_r, cv2.INTER_LINEAR) for k in (0, 3)],
            axis=-1,
        ).astype(np.float64)
        points = found[..., :3] + found[..., 3:] * np.broadcast_to(offset_m, shape).reshape(flat_r.shape)[..., None]
        return np.asarray(points.reshape(*shape, 3))


def around(vertices: Floats) -> Sleeve:
    """The sleeve of a standing foot with its leg: (V, 3) metres, toes along +z, sole on y = 0."""
    low = vertices[vertices[:, 1] < 0.08]
    heel, tip = float(low[:, 2].min()), float(low[:, 2].max())
    length = tip - heel
    y_bend = 0.40 * length
    shin = vertices[np.abs(vertices[:, 1] - y_bend) < 0.008]
    front = float(shin[:, 2].max()) if len(shin) > 8 else heel + 0.4 * length
    z_bend = float(np.clip(front + 0.012, heel + 0.36 * length, heel + 0.62 * length))
    below = vertices[:, 1] < y_bend
    toes = np.concatenate([tip - np.array([0.0, 0.0015, 0.004, 0.008]), np.arange(tip - 0.013, z_bend, -STEP_M)])
    sections: list[tuple[Floats, Floats, Floats, Floats]] = []  # points in the plane (x, t), origin, axis t
    ahead, upward = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    for z in toes:
        near = below & (np.abs(vertices[:, 2] - z) < 0.006)
        sections.append((vertices[near][:, [0, 1]], np.array([0.0, 0.0, z]), upward, vertices[near]))
    y, z = vertices[:, 1] - y_bend, z_bend - vertices[:, 2]
    turn, way = np.arctan2(z, -y), np.hypot(y, z)
    pivot = np.array([0.0, y_bend, z_bend])
    for k in range(_FAN + 1):
        angle = np.pi / 2 * k / _FAN
        near = (np.abs(turn - angle) < np.pi / 4 / _FAN + 0.02) & (way < 0.75 * length) & (vertices[:, 1] < 2 * y_bend)
        axis = np.cos(angle) * upward + np.sin(angle) * ahead
        sections.append((np.stack([vertices[near, 0], -way[near]], axis=1), pivot, axis, vertices[near]))
    first, last = len(toes), len(toes) + _FAN
    for height in np.arange(y_bend + STEP_M, _TOP_M, STEP_M):
        near = np.abs(vertices[:, 1] - height) < 0.008
        origin = np.array([0.0, height, 0.0])
        sections.append((vertices[near][:, [0, 2]], origin, ahead, vertices[near]))
    grid, outward = _hulls(sections, first, last)
    middle = grid.mean(axis=1)
    steps = np.linalg.norm(np.diff(middle, axis=0), axis=1)
    return Sleeve(grid, outward, np.concatenate([[0.0], np.cumsum(steps)]), (y_bend, z_bend), (first, last), length)


def _hulls(sections: list[tuple[Floats, Floats, Floats, Floats]], first: int, last: int) -> tuple[Floats, Floats]:
    turn = 2 * np.pi * np.arange(AROUND) / AROUND
    directions = np.stack([np.sin(turn), np.cos(turn)], axis=1)  # 0 = t, a quarter = x
    centres, radii = np.full((len(sections), 2), np.nan), np.full((len(sections), AROUND), np.nan)
    for k, (points, _, _, _) in enumerate(sections):
        if len(points) < 6:
            continue
        centre = (points.min(axis=0) + points.max(axis=0)) / 2
        support = ((points - centre) @ directions.T).max(axis=0)
        facing = directions @ directions.T
        reach = np.where(facing > 0.05, support[None] / np.maximum(facing, 0.05), np.inf)
        centres[k], radii[k] = centre, reach.min(axis=1)
    known = np.isfinite(centres[:, 0])
    rows = np.arange(len(sections))
    for table in (centres, radii):
        for column in range(table.shape[1]):
            table[:, column] = np.interp(rows, rows[known], table[known, column])
    ends = [0, first, last + 1, len(sections)]
    smooth_c = centres.copy()
    for a, b in itertools.pairwise(ends):  # the planes' own coordinates differ from run to run
        smooth_c[a:b] = gaussian_filter1d(centres[a:b], 1.5, axis=0, mode="nearest") if b - a > 4 else centres[a:b]
    radii = gaussian_filter1d(gaussian_filter1d(radii, 1.2, axis=0, mode="nearest"), 1.0, axis=1, mode="wrap")
    grid = np.empty((len(sections), AROUND, 3))
    outward = np.empty_like(grid)
    for k, (_, origin, axis, _) in enumerate(sections):
        way = directions[:, :1] * np.array([[1.0, 0.0, 0.0]]) + directions[:, 1:] * axis
        grid[k] = origin + smooth_c[k, 0] * np.array([1.0, 0.0, 0.0]) + smooth_c[k, 1] * axis + radii[k][:, None] * way
        outward[k] = way
    # the bend's sections meet the others' a little apart: let them flow into one another
    for a in (first, last + 1):
        window = slice(max(a - 4, 0), min(a + 4, len(grid)))
        grid[window] = gaussian_filter1d(grid[window], 1.2, axis=0, mode="nearest")
    return grid, outward


def wall(rows: int, columns: int, closed: bool) -> Ints:
    """(F, 3) triangles between the points of a grid (rows, columns) like a sleeve's, wound outwards.

    Args:
        closed: the last column is beside the first.
    """
    number = np.arange(rows * columns).reshape(rows, columns)
    if closed:
        number = np.concatenate([number, number[:, :1]], axis=1)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
