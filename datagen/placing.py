"""Which way a scanned foot stands, how large it is and which side it is; then putting it on the floor.

A scanner's file rarely says its units or its axes. What the shape itself tells: the leg is cut open at the top, the
sole is flat at the bottom, the toes reach farther from the leg than the heel does, and feet are 10 to 36 cm long.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError

from masksmith.errors import BadInput, unknown_choice

Points = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

UNITS = {"mm": 0.001, "cm": 0.01, "m": 1.0, "inch": 0.0254}
"""Metres in one unit, in the order of preference where two fit."""
UPS = ("x", "-x", "y", "-y", "z", "-z")
LENGTH_M = (0.10, 0.36)
"""Heel to toe: a small child's foot to the longest on record."""
FOOT_PART_M = 0.08
"""Below this height is foot, above it ankle and leg."""
WIDTH_TO_LENGTH = (0.2, 0.88)
_TILT_DEG = 10.0  # a scan that leans less stands as its scanner saw it
_YAW_DEG = 15.0
_ROUND = 0.55  # a leg's rim is at least so wide for its length


@dataclass(frozen=True)
class Placed:
    """A foot put on the floor.

    Attributes:
        vertices: (V, 3) float64, metres, y up, toes towards +z, origin under the foot.
        units: the unit of the file, a key of :data:`UNITS`.
        up: the axis of the file that points up, one of :data:`UPS`, or ``tilted``.
        side_seen: the side that the shape suggests.
        notes: what was guessed.
    """

    vertices: Points
    units: str
    up: str
    side_seen: str
    notes: tuple[str, ...]


def place(
    vertices: Points, faces: Array, *, where: str | Path, units: str | None = None, up: str | None = None
) -> Placed:
    """Put a foot of unknown units and axes on the floor.

    Args:
        vertices: (V, 3) in the file's units and axes.
        faces: (F, 3) on merged vertices, wound outwards.
        where: the file, for messages.
        units: ``mm``, ``cm``, ``m`` or ``inch``; None to find them from the size.
        up: ``y``, ``z``, ``-z`` ...; None to find it from the shape.

    Raises:
        UsageProblem: an unknown unit or axis.
        BadInput: no unit makes it a foot's size, or its proportions are no foot's.
    """
    if units is not None and units not in UNITS:
        raise unknown_choice("unit", units, UNITS)
    axis = up.removeprefix("+") if up is not None else None
    if axis is not None and axis not in UPS:
        raise unknown_choice("up axis", axis, UPS)
    notes: list[str] = []
    if axis is None:
        axis, direction, said = _find_up(vertices, faces)
        notes.append(said)
    else:
        direction = _axis(axis)
    standing = vertices @ rotation_to_y(direction).T
    standing[:, 1] -= standing[:, 1].min()
    turned, said_yaw = _toes_forward(standing, faces, snap=axis != "tilted")
    notes += said_yaw
    unit, said_unit = _find_units(turned, where, units)
    notes += said_unit
    metres = turned * UNITS[unit]
    low = metres[metres[:, 1] < FOOT_PART_M]
    metres[:, 0] -= (low[:, 0].min() + low[:, 0].max()) / 2
    metres[:, 2] -= (low[:, 2].min() + low[:, 2].max()) / 2
    return Placed(metres, unit, axis, _side(metres, faces), tuple(notes))


def open_ends(faces: Array) -> list[Array]:
    """The vertex indices of each hole in a surface, the one with the most vertices first."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    key = edges[:, 0].astype(np.int64) * (int(edges.max(initial=0)) + 1) + edges[:, 1]
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    rim = edges[first[count == 1]]
    if not len(rim):
        return []
    used, compact = np.unique(rim, return_inverse=True)
    compact = compact.reshape(rim.shape)
    graph = coo_matrix((np.ones(len(rim)), (compact[:, 0], compact[:, 1])), shape=(len(used), len(used)))
    number, label = connected_components(graph, directed=False)
    return sorted((used[label == k] for k in range(number)), key=len, reverse=True)


def _axis(name: str) -> Points:
    direction = np.zeros(3)
    direction["xyz".index(name[-1])] = -1.0 if name.startswith("-") else 1.0
    return direction


def rotation_to_y(up: Points) -> Points:
    """The rotation (3, 3) that brings ``up`` to +y by the shortest way."""
    target = np.array([0.0, 1.0, 0.0])
    cosine = float(up @ target)
    if cosine < -0.999999:
        return np.diag([1.0, -1.0, -1.0])
    across = np.cross(up, target)
    skew = np.array([[0, -across[2], across[1]], [across[2], 0, -across[0]], [-across[1], across[0], 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine))


def _areas(vertices: Points, faces: Array) -> tuple[Points, Points, Points]:
    """Centres (F, 3), outward unit normals (F, 3) and areas (F,)."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    double = np.linalg.norm(across, axis=1)
    return corners.mean(axis=1), across / np.maximum(double, 1e-300)[:, None], double / 2


def _find_up(vertices: Points, faces: Array) -> tuple[str, Points, str]:
    """(name, unit vector, sentence): the axis with the open leg above and the flat sole below."""
    centres, normals, areas = _areas(vertices, faces)
    holes = open_ends(faces)
    rim = _leg_rim([vertices[hole] for hole in holes])
    shape = (centres, normals, areas)
    scores = {name: _stands(_axis(name), vertices, shape, rim) for name in UPS}
    name = max(scores, key=lambda key: scores[key])
    by = "the open end of the leg above the sole" if rim is not None else "the flat sole"
    lean = np.degrees(np.arccos(np.clip(_axis(name) @ hull_sole(vertices, _axis(name)), -1, 1)))
    if lean <= _TILT_DEG and scores[name] >= (1.0 if rim is not None else 0.15):
        return name, _axis(name), f"up axis {name} found by {by}"
    guesses = [_axis(axis) for axis in UPS]
    if rim is not None and len(rim) >= 8:
        guesses.append(_hole_direction(rim, vertices))
    soles = [hull_sole(vertices, guess) for guess in guesses]
    best = max(soles, key=lambda sole: _stands(sole, vertices, shape, rim))
    return "tilted", best, f"the scan was tilted and was stood on its sole, found by {by}"


def _leg_rim(rims: list[Points]) -> Points | None:
    """The cut through the leg: the widest rim that is about round; a missing sole is wider, but long and narrow."""
    if not rims:
        return None
    spreads = [np.linalg.svd(rim - rim.mean(axis=0), compute_uv=False) for rim in rims]
    round_ones = [k for k, spread in enumerate(spreads) if spread[1] > _ROUND * spread[0]]
    return rims[max(round_ones or range(len(rims)), key=lambda k: float(np.ptp(rims[k], axis=0).max()))]


def _stands(up: Points, vertices: Points, shape: tuple[Points, Points, Points], rim: Points | None) -> float:
    """How much a shape stands: its share of flat downward surface at the bottom, plus 1 if the hole is on top."""
    centres, normals, areas = shape
    height = vertices @ up
    low, extent = height.min(), max(float(np.ptp(height)), 1e-300)
    flat = (normals @ up < -0.7) & (centres @ up < low + 0.1 * extent)
    score = float(areas[flat].sum() / areas.sum()) * 2
    top = centres @ up > low + 0.8 * extent
    bottom = centres @ up < low + 0.25 * extent
    if top.any() and bottom.any():
        flatten = np.eye(3) - np.outer(up, up)
        spread = [np.ptp(centres[part] @ flatten, axis=0).max() for part in (bottom, top)]
        score += 0.2 if spread[0] > 1.3 * spread[1] else 0.0
    if rim is not None:
        score += 1.0 if float((rim @ up).min()) > low + 0.6 * extent else 0.0
    return score


def _hole_direction(rim: Points, vertices: Points) -> Points:
    """Out of the hole: the normal of the rim's plane, away from the rest of the surface."""
    middle = rim.mean(axis=0)
    normal = np.linalg.svd(rim - middle, full_matrices=False)[2][2]
    return np.asarray(normal if normal @ (middle - vertices.mean(axis=0)) > 0 else -normal)


def hull_sole(vertices: Points, up: Points) -> Points:
    """The upward normal of the plane that the foot rests on: the largest flat of its hull below, within 40 degrees."""
    try:
        hull = ConvexHull(vertices)
    except QhullError:
        return up
    corners = vertices[hull.simplices]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    normals = hull.equations[:, :3]
    below = normals @ -up > np.cos(np.radians(40))
    if not below.any():
        return up
    normals, areas = normals[below], areas[below]
    largest = np.argsort(areas)[::-1][:200]
    alike = normals[largest] @ normals.T > np.cos(np.radians(4))
    best = largest[int(np.argmax(alike @ areas))]
    around = normals @ normals[best] > np.cos(np.radians(4))
    mean = -(normals[around] * areas[around, None]).sum(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def _toes_forward(standing: Points, faces: Array, *, snap: bool) -> tuple[Points, list[str]]:
    """Turn about y so that the toes point towards +z. ``snap``: keep the scanner's axes where they nearly fit."""
    centres, _, areas = _areas(standing, faces)
    height = float(standing[:, 1].max())
    reach = float(np.ptp(standing[:, [0, 2]], axis=0).max())
    low = centres[:, 1] < min(0.3 * reach, 0.6 * height)
    if not low.any():
        low = np.ones(len(centres), bool)
    flat, weight = centres[low][:, [0, 2]], areas[low]
    middle = np.average(flat, axis=0, weights=weight)
    spread = (flat - middle).T @ ((flat - middle) * weight[:, None])
    along = np.linalg.eigh(spread)[1][:, 1]
    high = centres[:, 1] > 0.85 * height
    if not areas[high].any():  # few, large triangles: none lies that high as a whole
        high = centres[:, 1] >= np.quantile(centres[:, 1], 0.9)
    leg = np.average(centres[high][:, [0, 2]], axis=0, weights=areas[high]) @ along
    ends = flat @ along
    forward, backward = float(ends.max() - leg), float(leg - ends.min())
    if forward < backward:
        along = -along
    notes = []
    if abs(forward - backward) < 0.12 * (forward + backward):
        notes.append("the toes were hard to tell from the heel: look at the foot before using it")
    angle = float(np.arctan2(along[0], along[1]))  # from +z towards +x
    if snap:
        nearest = round(angle / (np.pi / 2)) * (np.pi / 2)
        angle = nearest if abs(angle - nearest) < np.radians(_YAW_DEG) else angle
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    return standing @ turn.T, notes


def _find_units(turned: Points, where: str | Path, units: str | None) -> tuple[str, list[str]]:
    reach = float(np.ptp(turned[:, 2]))
    low = turned[turned[:, 1] < 0.35 * reach]
    length, width = float(np.ptp(low[:, 2])), float(np.ptp(low[:, 0]))
    if not WIDTH_TO_LENGTH[0] <= width / max(length, 1e-300) <= WIDTH_TO_LENGTH[1]:
        raise BadInput(
            where,
            "a foot with the sole down",
            f"a shape {length:.4g} long and {width:.4g} wide at its bottom",
            "give each file one bare foot with its lower leg, and say which axis points up (--up y, z, -z ...)",
        )
    fits = [unit for unit, metres in UNITS.items() if LENGTH_M[0] <= length * metres <= LENGTH_M[1]]
    if units is not None:
        if units not in fits:
            size = f"{length:.4g} {units} from heel to toe"
            fix = f"the size fits {' or '.join(fits)}: correct the units" if fits else "scale the mesh"
            raise BadInput(where, f"a foot of {_range()}", size, fix)
        return units, []
    if not fits:
        as_units = ", ".join(f"{length * metres:.3g} m if in {unit}" for unit, metres in UNITS.items())
        raise BadInput(
            where, f"a foot of {_range()}", f"{length:.4g} units from heel to toe ({as_units})", "scale the mesh"
        )
    # 10 to 14 units are an adult in inches or an infant in centimetres: adults get scanned
    unit = "inch" if fits == ["cm", "inch"] else fits[0]
    said = f"units {unit} found by the size: {length * UNITS[unit] * 1000:.0f} mm from heel to toe"
    if len(fits) > 1:
        said += f" ({' and '.join(other for other in fits if other != unit)} would fit too: give the units)"
    return unit, [said]


def _range() -> str:
    return f"{LENGTH_M[0]:.2f} to {LENGTH_M[1]:.2f} m"


def _side(metres: Points, faces: Array) -> str:
    """The big toe reaches farthest, on the inner side: on a left foot that is -x."""
    centres, _, areas = _areas(metres, faces)
    foot = centres[:, 1] < 0.05
    z, x, weight = centres[foot, 2], centres[foot, 0], areas[foot]
    length = float(np.ptp(z))
    front = z > z.max() - 0.07 * length
    ball = (z > z.max() - 0.45 * length) & (z < z.max() - 0.2 * length)
    tip = np.average(x[front], weights=weight[front])
    return "left" if tip < (x[ball].min() + x[ball].max()) / 2 else "right"
