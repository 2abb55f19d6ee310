"""Toenails: where they are on any foot, and polish on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from datagen.shape import SKIN, Shape, vertex_normals

Array = npt.NDArray[Any]


class Plate(NamedTuple):
    """A toenail on a mesh.

    Attributes:
        near: (N,) vertices around it.
        radius: (N,) 0 in its middle, 1 at its edge.
        back: (N,) -1 at its free end, 1 at its root.
        share: (N,) how far a vertex belongs to it, 0 to 1.
    """

    near: Array
    radius: Array
    back: Array
    share: Array


def plates(vertices: Array, normals: Array, extent: tuple[float, float], side: str) -> list[Plate]:
    """The toenails of a standing foot, on top of each toe's end.

    Args:
        vertices, normals: (V, 3), toes towards +z, sole on y = 0.
        extent: length of the foot, and z of its heel, in metres.
        side: ``left`` or ``right``: where the big toe is.
    """
    length, heel = extent
    tips = toe_tips(vertices, length, heel)
    big = 0 if side == "left" else len(tips) - 1
    found = []
    for number, (x, z, wide) in enumerate(tips):
        width = min(wide, (0.105 if number == big else 0.066) * length)
        near = np.flatnonzero((np.abs(vertices[:, 0] - x) < width) & (vertices[:, 2] > z - 1.6 * width))
        near = near[(normals[near, 1] > 0.15) & (vertices[near, 1] < 0.2 * length)]
        if len(near) < 12:
            continue
        tip = near[vertices[near, 2] > z - 0.9 * width]
        middle = float(np.average(vertices[tip, 0], weights=normals[tip, 1]) + x) / 2 if len(tip) else x
        aside = (vertices[near, 0] - middle) / (0.31 * width)
        back = (z - 0.40 * width - vertices[near, 2]) / (0.33 * width)
        radius = (np.abs(aside) ** 3 + np.abs(back) ** 3) ** (1 / 3)
        share = (1 - _ramp(radius, 0.82, 1.08)) * _ramp(normals[near, 1], 0.15, 0.4)
        found.append(Plate(near, radius, back, share))
    return found


def polished(foot: Shape, side: str, colour: tuple[float, float, float]) -> Shape:
    """The standing foot with painted nails."""
    front = np.flatnonzero((foot.vertices[:, 1] < 0.08) & (foot.part == SKIN))
    low = foot.vertices[front]
    extent = float(np.ptp(low[:, 2])), float(low[:, 2].min())
    colours = foot.colours.copy()
    normals = vertex_normals(foot.vertices, foot.faces)
    for plate in plates(foot.vertices, normals, extent, side):
        amount = 0.96 * plate.share[:, None]
        colours[plate.near] = colours[plate.near] * (1 - amount) + np.array(colour) * amount
    return replace(foot, colours=colours)


def toe_tips(vertices: Array, length: float, heel: float) -> list[tuple[float, float, float]]:
    """(x, z, width) in metres of each toe's tip that the front outline shows, from -x to +x; at most five."""
    front = vertices[(vertices[:, 2] > heel + 0.66 * length) & (vertices[:, 1] < 0.2 * length)]
    if len(front) < 50:
        return []
    step = 0.004 * length
    bins = ((front[:, 0] - front[:, 0].min()) / step).astype(int)
    outline = np.full(int(bins.max()) + 1, -np.inf)
    np.maximum.at(outline, bins, front[:, 2])
    known = np.isfinite(outline)
    outline = np.interp(np.arange(len(outline)), np.flatnonzero(known), outline[known])
    smooth = gaussian_filter1d(outline, 1.0, mode="nearest")
    # the toes stand on a slope from the big one to the small one: what counts is how far each sticks out of it
    out = smooth - gaussian_filter1d(outline, 0.045 * length / step, mode="nearest")
    ends = np.full(3, float(out.min()) - 0.01 * length)
    peaks, about = find_peaks(np.concatenate([ends, out, ends]), prominence=0.006 * length, width=1, rel_height=0.7)
    best = sorted(np.argsort(about["prominences"])[::-1][:5].tolist())
    first = float(front[:, 0].min())
    found = []
    for k in best:
        column = int(np.clip(peaks[k] - 3, 0, len(smooth) - 1))
        width = float(np.clip(about["widths"][k] * step, 0.035 * length, 0.115 * length))
        found.append((first + (column + 0.5) * step, float(smooth[column]), width))
    return found


def _ramp(values: Array, start: float, end: float) -> Array:
    part = np.clip((values - start) / (end - start), 0, 1)
    return np.asarray(part * part * (3 - 2 * part))
