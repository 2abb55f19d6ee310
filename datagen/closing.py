"""The holes of a standing foot: small ones are closed, the cut through the leg stays open and is said to.

Scenes carry the leg on from its cut, so a scan that its software closed at the top is opened there again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from datagen.foot import Foot

Array = npt.NDArray[Any]

_LEG_HEIGHT = 0.6  # the cut through the leg lies above this share of the foot's height
_LEG_WIDTH_M = 0.02
_LEG_SHARE = 0.65  # of the foot's length: a wider rim is no cut through a leg
_SOLE_M = 0.02  # a hole that lies as low as this is closed however wide: the scanner did not see the sole
_LID_M = 0.004  # so much is taken off the top of a scan that was closed there
_LID_FACING = 0.6  # the cosine between a lid and straight up, at least
_NOTCH_M = 0.015  # scenes level out what is shallower
_WIDEST = 0.5  # of the foot's length: a hole wider than this is a missing half, not a hole


@dataclass(frozen=True)
class Closed:
    """A foot after its holes were seen to.

    Attributes:
        foot: with its notes.
        closed: number of holes closed.
        left: number of holes left open, the leg's cut not counted.
        leg: ``open`` as scanned, ``opened`` where a lid was taken off, ``none`` where no leg was found.
    """

    foot: Foot
    closed: int
    left: int
    leg: str


def close_holes(foot: Foot) -> Closed:
    """Close every hole but the leg's cut with a surface that bends on as its surroundings do.

    Colours and texture coordinates are carried in from the rim. A hole wider than half the foot is left, but not one
    in the sole, which many scanners don't see.
    """
    loops = rims(foot.faces.astype(np.int64))
    leg, rest = _leg(foot, loops)
    notes = list(foot.notes)
    state = "open"
    if leg is None:
        opened = _without_lid(foot)
        if opened is None:
            state = "none"
            notes.append("no cut through a leg was found: scenes will show where the scan ends")
        else:
            foot, state = opened, "opened"
            loops = rims(foot.faces.astype(np.int64))
            leg, rest = _leg(foot, loops)
            height = float(foot.vertices[:, 1].max()) * 1000
            notes.append(f"the leg was closed at the top and was opened at {height:.0f} mm, where scenes carry it on")
    else:
        level = _levelled(foot, leg)
        if level is not None:
            foot = level
            loops = rims(foot.faces.astype(np.int64))
            leg, rest = _leg(foot, loops)
            notes.append("the ragged end of the leg was cut level")
        height = float(foot.vertices[leg, 1].mean()) * 1000
        notes.append(f"the leg's cut at {height:.0f} mm was left open: scenes carry the leg on from it")
    widest = _WIDEST * max(foot.length_m, 1e-9)
    soles = [loop for loop in rest if float(foot.vertices[loop, 1].max()) < _SOLE_M]
    small = [loop for loop in rest if float(np.ptp(foot.vertices[loop], axis=0).max()) <= widest]
    small += [loop for loop in soles if not any(loop is other for other in small)]
    left = len(rest) - len(small)
    for loop in small:
        foot = _patched(foot, loop)
    if small:
        width = max(float(np.ptp(foot.vertices[loop], axis=0).max()) for loop in small) * 1000
        notes.append(f"{_holes(len(small))} closed, the widest {width:.0f} mm")
    if left:
        notes.append(f"{_holes(left)} left open, wider than {widest * 1000:.0f} mm")
    return Closed(replace(foot, notes=tuple(notes)), len(small), left, state)


def _holes(number: int) -> str:
    return "1 hole was" if number == 1 else f"{number:,} holes were"


def rims(faces: Array) -> list[Array]:
    """The open edges of a surface as closed loops of vertex indices, in the direction of their faces.

    Where rims touch in a vertex they are taken apart into simple loops.
    """
    directed = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    count = int(faces.max(initial=0)) + 1
    forward, backward = directed[:, 0] * count + directed[:, 1], directed[:, 1] * count + directed[:, 0]
    following: dict[int, list[int]] = {}
    for start, end in directed[~np.isin(forward, backward)].tolist():
        following.setdefault(start, []).append(end)
    loops: list[Array] = []
    for first in sorted(following):
        while following.get(first):
            path, place = [first], {first: 0}
            while following.get(path[-1]):
                step = following[path[-1]].pop(0)
                if step in place:
                    loop = path[place[step] :]
                    if len(loop) >= 3:
                        loops.append(np.array(loop, np.int64))
                    for gone in path[place[step] + 1 :]:
                        del place[gone]
                    path = path[: place[step] + 1]
                else:
                    place[step] = len(path)
                    path.append(step)
            if len(path) == 1 and not following.get(first):
                break
    return sorted(loops, key=lambda loop: (-len(loop), int(loop.min())))


def _leg(foot: Foot, loops: list[Array]) -> tuple[Array | None, list[Array]]:
    """(the cut through the leg, the other holes): the widest of the high ones."""
    height = float(foot.vertices[:, 1].max())
    widths = [float(np.ptp(foot.vertices[loop][:, [0, 2]], axis=0).max()) for loop in loops]
    high = [
        k
        for k, loop in enumerate(loops)
        if float(foot.vertices[loop, 1].mean()) > _LEG_HEIGHT * height
        and _LEG_WIDTH_M < widths[k] < _LEG_SHARE * foot.length_m
    ]
    if not high:
        return None, loops
    best = max(high, key=lambda k: widths[k])
    return loops[best], [loop for k, loop in enumerate(loops) if k != best]


def _levelled(foot: Foot, leg: Array) -> Foot | None:
    """The foot cut below the notches in its leg's end; None where there are no deep ones, or they go too deep."""
    rim = foot.vertices[leg].astype(np.float64)
    terms = np.stack([np.ones(len(rim)), rim[:, 0], rim[:, 2]], axis=1)
    fits = np.ones(len(rim), bool)
    for _ in range(4):  # the plane of the rim without its notches
        plane = np.linalg.lstsq(terms[fits], rim[fits, 1], rcond=None)[0]
        below = terms @ plane - rim[:, 1]
        fits = below <= max(_NOTCH_M / 2, float(np.quantile(below, 0.3)))
    depth = float(below.max())
    if depth < _NOTCH_M or depth > (1 - _LEG_HEIGHT) * float(rim[:, 1].mean()):
        return None
    surface = foot.vertices.astype(np.float64)
    limit = plane[0] + surface[:, [0, 2]] @ plane[1:] - depth
    shorter = part(foot, np.asarray(np.all((surface[:, 1] < limit + 1e-6)[foot.faces], axis=1)))
    return shorter if _leg(shorter, rims(shorter.faces.astype(np.int64)))[0] is not None else None


def _without_lid(foot: Foot) -> Foot | None:
    """The foot without what closes its leg at the top; None where its top is no leg: too low, or too narrow.

    A lid is the largest patch high up that faces upwards. Where there is none, the topmost millimetres go.
    """
    height = float(foot.vertices[:, 1].max())
    if height < 0.07:
        return None
    corners = foot.vertices[foot.faces].astype(np.float64)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(across, axis=1) / 2
    upward = across[:, 1] > 2 * _LID_FACING * areas
    upward &= corners[..., 1].mean(axis=1) > _LEG_HEIGHT * height
    lid = _largest_patch(foot.faces.astype(np.int64), upward, areas)
    slice_off = np.asarray(np.all(corners[..., 1] < height - _LID_M, axis=1))
    for keep in (~lid & ~_within(foot, lid), slice_off):
        if 0 < keep.sum() < len(keep):
            shorter = part(foot, keep)
            if _leg(shorter, rims(shorter.faces.astype(np.int64)))[0] is not None:
                return shorter
    return None


def _largest_patch(faces: Array, chosen: Array, areas: Array) -> Array:
    """(F,) the chosen faces of their largest patch by area."""
    none = np.zeros(len(faces), bool)
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return none
    count = int(faces.max()) + 1
    some = faces[rows]
    starts, ends = np.concatenate([some[:, 0], some[:, 1]]), np.concatenate([some[:, 1], some[:, 2]])
    graph = sparse.coo_matrix((np.ones(len(starts), np.int8), (starts, ends)), shape=(count, count))
    label = connected_components(graph, directed=False)[1][some[:, 0]]
    best = int(np.argmax(np.bincount(label, weights=areas[rows])))
    none[rows[label == best]] = True
    return none


def _within(foot: Foot, lid: Array) -> Array:
    """(F,) faces above the lid's lowest border over its own ground plan: bumps in a lid that face sideways."""
    if not lid.any():
        return lid
    border = foot.vertices[foot.faces[lid].ravel()]
    return np.asarray(np.all(foot.vertices[foot.faces][..., 1] > border[:, 1].max() - 1e-6, axis=1))


def part(foot: Foot, keep: Array) -> Foot:
    """The foot with only the faces that ``keep`` (F,) marks, and no unused vertices."""
    used, compact = np.unique(foot.faces[keep], return_inverse=True)
    return replace(
        foot,
        vertices=foot.vertices[used],
        faces=compact.reshape(-1, 3).astype(np.int32),
        uv=None if foot.uv is None else foot.uv[keep],
        colours=None if foot.colours is None else foot.colours[used],
    )


def _patched(foot: Foot, loop: Array) -> Foot:
    """The foot with one hole closed: rings of new vertices from the rim to the middle, then bent smooth."""
    rim = foot.vertices[loop].astype(np.float64)
    count, middle = len(loop), rim.mean(axis=0)
    edge = float(np.linalg.norm(np.roll(rim, -1, axis=0) - rim, axis=1).mean())
    rings = int(np.clip(np.linalg.norm(rim - middle, axis=1).mean() / max(edge, 1e-9), 1, 12))
    share = np.arange(1, rings) / rings
    inner = rim[None] * (1 - share)[:, None, None] + middle * share[:, None, None]
    base = len(foot.vertices)
    index = np.concatenate([loop[None], base + np.arange((rings - 1) * count).reshape(-1, count)])
    tip = base + (rings - 1) * count
    ahead = np.roll(index, -1, axis=1)
    walls = [
        np.stack([ahead[:-1], index[:-1], index[1:]], -1).reshape(-1, 3),
        np.stack([ahead[:-1], index[1:], ahead[1:]], -1).reshape(-1, 3),
        np.stack([ahead[-1], index[-1], np.full(count, tip)], -1),
    ]
    added = np.concatenate(walls)
    vertices = np.concatenate([foot.vertices.astype(np.float64), inner.reshape(-1, 3), middle[None]])
    faces = np.concatenate([foot.faces.astype(np.int64), added])
    bent = _bent_on(vertices, faces, base)
    if np.linalg.norm(bent - middle, axis=1).max() < 1.5 * np.linalg.norm(rim - middle, axis=1).max():
        vertices[base:] = bent  # else its surroundings are too rough to be continued: it stays flat
    vertices[base:, 1] = np.maximum(vertices[base:, 1], 0)  # no patch bulges into the floor
    colours, uv = foot.colours, foot.uv
    if colours is not None:
        shades = colours[loop].astype(np.float64)
        mean = shades.mean(axis=0)
        inside = shades[None] * (1 - share)[:, None, None] + mean * share[:, None, None]
        new = np.round(np.concatenate([inside.reshape(-1, 3), mean[None]])).astype(np.uint8)
        colours = np.concatenate([colours, new])
    if uv is not None:
        uv = np.concatenate([uv, _uv_of_patch(foot, loop, rings)])
    return replace(foot, vertices=vertices.astype(np.float32), faces=faces.astype(np.int32), uv=uv, colours=colours)


def _bent_on(vertices: Array, faces: Array, base: int) -> Array:
    """Positions of the vertices from ``base`` on that bend as little as can be (the bi-Laplacian of the patch is 0)."""
    touched = np.zeros(len(vertices), bool)
    touched[base:] = True
    for _ in range(2):  # the surroundings that the patch continues
        touched[faces[touched[faces].any(axis=1)].ravel()] = True
    local = np.flatnonzero(touched)
    number = np.full(len(vertices), -1)
    number[local] = np.arange(len(local))
    near = number[faces[touched[faces].all(axis=1)]]
    ends = near[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    ends = np.unique(np.sort(ends, axis=1), axis=0)
    size = len(local)
    links = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(size, size))
    links = (links + links.T).tocsr()
    degree = np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1)
    bend = sparse.identity(size, format="csr") - links.multiply(1 / degree[:, None]).tocsr()
    free = local >= base
    # rows that look no farther than the rim: those of the patch and of the rim itself
    rows = free | (np.asarray(links @ free.astype(np.float64)).ravel() > 0)
    some = bend[rows]
    unknown, known = some[:, free], some[:, ~free] @ vertices[local[~free]]
    square = (unknown.T @ unknown + 1e-9 * sparse.identity(int(free.sum()))).tocsc()
    return np.stack([spsolve(square, -(unknown.T @ known[:, k])) for k in range(3)], axis=1)


def _uv_of_patch(foot: Foot, loop: Array, rings: int) -> Array:
    """Texture coordinates for the patch's faces: those of the rim's edge that each sector begins at.

    A patch has no place of its own in the texture, and its rim may run over seams; colours carried straight in
    from the rim are right to within what the eye sees.
    """
    if foot.uv is None:
        raise ValueError("a patch takes its texture coordinates from a foot that has some")
    at: dict[tuple[int, int], tuple[Array, Array]] = {}
    wanted = set(zip(loop.tolist(), np.roll(loop, -1).tolist(), strict=True))
    touching = np.flatnonzero(np.isin(foot.faces, loop).sum(axis=1) >= 2)
    for face in touching.tolist():
        corners = foot.faces[face].tolist()
        for k in range(3):
            key = (corners[k], corners[(k + 1) % 3])
            if key in wanted:
                at[key] = (foot.uv[face, k], foot.uv[face, (k + 1) % 3])
    pairs = list(zip(loop.tolist(), np.roll(loop, -1).tolist(), strict=True))
    first = np.array([at[key][0] for key in pairs])
    second = np.array([at[key][1] for key in pairs])
    middle = (first + second) / 2
    sectors = len(loop)
    share = (np.arange(rings) / rings)[:, None, None]
    low_a, low_b = first * (1 - share) + middle * share, second * (1 - share) + middle * share
    up_a, up_b = low_a[1:], low_b[1:]
    walls = np.stack([low_b[:-1], low_a[:-1], up_a], axis=2).reshape(-1, 3, 2)
    others = np.stack([low_b[:-1], up_a, up_b], axis=2).reshape(-1, 3, 2)
    tips = np.stack([low_b[-1], low_a[-1], middle], axis=1).reshape(sectors, 3, 2)
    return np.concatenate([walls, others, tips]).astype(np.float32)
