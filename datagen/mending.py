"""A raw mesh into one clean surface: merged vertices, no broken triangles, no crumbs, normals outwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components

from datagen.meshfile import RawMesh
from masksmith.errors import BadInput

Array = npt.NDArray[Any]

_UNUSED_SHARE = 0.3  # more unused vertices than this: the list of faces was cut off
_SPIKE = 5.0  # times the spread of its neighbours
_SPIKE_SHARE = 0.03  # of the size of all
_SECOND_PIECE = 0.25  # a second piece this large is no crumb


@dataclass(frozen=True)
class Surface:
    """One piece of surface: vertices (V, 3) float64, faces (F, 3) int64 on merged vertices, its look, its notes."""

    vertices: npt.NDArray[np.float64]
    faces: npt.NDArray[np.int64]
    uv: npt.NDArray[np.float32] | None
    colours: npt.NDArray[np.uint8] | None
    notes: tuple[str, ...]


def mend(raw: RawMesh, where: str | Path) -> Surface:
    """Merge by position, drop what is broken or loose, wind outwards; every repair leaves a note.

    Raises:
        BadInput: nothing is left, the file was cut off, or it holds two large pieces.
    """
    notes: list[str] = []
    faces, kept = _sound_faces(raw, where, notes)
    vertices, faces, colours = _merged(raw, faces)
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    size = float(np.ptp(vertices[faces.ravel()], axis=0).max(initial=0.0))
    repeated = (faces[:, 0] == faces[:, 1]) | (faces[:, 1] == faces[:, 2]) | (faces[:, 2] == faces[:, 0])
    thick = ~repeated & (area > 1e-14 * size * size)
    if not thick.all():
        notes.append(f"{int((~thick).sum()):,} triangles without area were dropped")
    faces, kept, area = faces[thick], kept[thick], area[thick]
    if not len(faces):
        raise BadInput(where, "a surface", "only triangles without area", "export the mesh again")
    sharp = _spikes(vertices, faces, size)
    if sharp.any():
        notes.append(f"{int(sharp.sum()):,} spikes were cut off")
        smooth = ~sharp[faces].any(axis=1)
        faces, kept, area = faces[smooth], kept[smooth], area[smooth]
    main = _largest(faces, area, len(vertices), where, notes)
    faces, kept = faces[main], kept[main]
    faces, turned = _outwards(vertices, faces, notes)
    uv = None
    if raw.uv is not None:
        uv = raw.uv[kept]
        uv[turned] = uv[turned][:, ::-1]
    used, compact = np.unique(faces, return_inverse=True)
    return Surface(vertices[used], compact.reshape(-1, 3), uv, None if colours is None else colours[used], tuple(notes))


def _sound_faces(raw: RawMesh, where: str | Path, notes: list[str]) -> tuple[Array, Array]:
    """(faces, their row numbers) without those that name missing or non-finite vertices."""
    total = len(raw.vertices)
    if raw.faces.min(initial=0) < 0 or raw.faces.max(initial=-1) >= total:
        raise BadInput(
            where, f"faces of the {total:,} vertices there", "faces of vertices that are missing", "export it again"
        )
    finite = ~np.isnan(raw.vertices.sum(axis=1) * 0)  # 0 times infinity is NaN as well
    sound: Array = np.all(finite[raw.faces], axis=1)
    if not sound.any():
        raise BadInput(where, "finite coordinates", "NaN or infinity in every triangle", "export the mesh again")
    if not sound.all():
        notes.append(f"{int((~sound).sum()):,} triangles with NaN or infinite corners were dropped")
    used = np.zeros(total, bool)
    used[raw.faces.ravel()] = True
    unused = 1 - float(used.mean())
    if unused > _UNUSED_SHARE:
        raise BadInput(
            where,
            "a whole mesh",
            f"{unused:.0%} of the vertices in no triangle (a file cut off?)",
            "export the mesh again",
        )
    return raw.faces[sound], np.flatnonzero(sound)


def _merged(raw: RawMesh, faces: Array) -> tuple[npt.NDArray[np.float64], Array, npt.NDArray[np.uint8] | None]:
    """Vertices at one place become one; colours that met there are averaged."""
    used, compact = np.unique(faces, return_inverse=True)
    vertices = raw.vertices[used]
    grain = max(float(np.ptp(vertices, axis=0).max()), 1e-300) * 1e-6
    cells = np.round((vertices - vertices.min(axis=0)) / grain).astype(np.int64)
    key = (cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2]
    _, first, same = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)  # as in the file
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    first, same = first[order], rank[same]
    colours = None
    if raw.colours is not None:
        counts = np.bincount(same)
        shades = raw.colours[used]
        sums = [np.bincount(same, weights=shades[:, k].astype(np.float64)) for k in range(3)]
        colours = np.round(np.stack(sums, axis=1) / counts[:, None]).astype(np.uint8)
    return vertices[first], same[compact].reshape(-1, 3), colours


def _spikes(vertices: Array, faces: Array, size: float) -> Array:
    """(V,) vertices that stick far out of their neighbours, which lie close together: a scanner's stray readings."""
    here, there = faces.ravel(), faces[:, [1, 2, 0]].ravel()  # around a vertex inside, each neighbour once
    total = len(vertices)
    count = np.bincount(here, minlength=total)
    safe = np.maximum(count, 1)
    away, apart = np.zeros(total), np.zeros(len(here))
    for axis in range(3):  # one at a time: large scans have millions of edges
        place = np.ascontiguousarray(vertices[:, axis])
        middle = np.bincount(here, place[there], minlength=total) / safe
        away += (place - middle) ** 2
        apart += (place[there] - middle[here]) ** 2
    spread = np.bincount(here, np.sqrt(apart), minlength=total) / safe
    away = np.sqrt(away)
    return np.asarray((count > 2) & (away > _SPIKE * spread) & (away > _SPIKE_SHARE * size))


def _largest(faces: Array, area: Array, count: int, where: str | Path, notes: list[str]) -> Array:
    """Which faces belong to the largest piece."""
    starts = np.concatenate([faces[:, 0], faces[:, 1]])
    ends = np.concatenate([faces[:, 1], faces[:, 2]])
    graph = coo_matrix((np.ones(len(starts), np.int8), (starts, ends)), shape=(count, count))
    label = connected_components(graph, directed=False)[1][faces[:, 0]]
    sizes = np.bincount(label, weights=area)
    order = np.argsort(sizes)[::-1]
    if len(order) > 1 and sizes[order[1]] > _SECOND_PIECE * sizes[order[0]]:
        raise BadInput(
            where,
            "one foot in one piece",
            f"{int((sizes > _SECOND_PIECE * sizes[order[0]]).sum())} large separate pieces",
            "cut the scan so that each file holds one foot",
        )
    main: Array = label == order[0]
    pieces = int((sizes > 0).sum()) - 1
    if pieces:
        share = 1 - sizes[order[0]] / sizes.sum()
        notes.append(f"{pieces:,} loose pieces ({share:.1%} of the surface) were dropped")
    return main


def _outwards(vertices: Array, faces: Array, notes: list[str]) -> tuple[Array, Array]:
    """(faces wound alike and outwards, which of them were turned round)."""
    turned = _against_the_others(faces)
    if turned.any():
        notes.append(f"{int(turned.sum()):,} triangles faced against their neighbours and were turned round")
    faces = np.where(turned[:, None], faces[:, ::-1], faces)
    corners = vertices[faces] - _rim_middle(vertices, faces)
    volume = float(np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum())
    if volume < 0:
        notes.append("the surface was inside out and was turned round")
        return faces[:, ::-1], ~turned
    return faces, turned


def _rim_middle(vertices: Array, faces: Array) -> Array:
    """Seen from the middle of its open rim a cup has the volume of the cup with its lid on."""
    key = _edge_keys(faces, len(vertices))
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    rim = _edges(faces)[first[count == 1]]
    return np.asarray(vertices[rim.ravel()].mean(axis=0) if len(rim) else vertices[faces.ravel()].mean(axis=0))


def _edges(faces: Array) -> Array:
    return faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)


def _edge_keys(faces: Array, count: int) -> Array:
    edges = np.sort(_edges(faces), axis=1).astype(np.int64)
    return np.asarray(edges[:, 0] * count + edges[:, 1])


def _against_the_others(faces: Array) -> Array:
    """Faces to turn so that each edge is walked once in each direction, the first face of all being right."""
    edges = _edges(faces).astype(np.int64)
    count = int(faces.max()) + 1
    walked, times = np.unique(edges[:, 0] * count + edges[:, 1], return_counts=True)
    none = np.zeros(len(faces), bool)
    if len(walked) == len(edges) or times.max() < 2:
        return none
    key = _edge_keys(faces, count)
    order = np.argsort(key, kind="stable")
    pairs = np.flatnonzero(key[order][1:] == key[order][:-1])
    one, two = order[pairs], order[pairs + 1]
    same_way = edges[one, 0] == edges[two, 0]
    # the weight says how two neighbours stand to each other: 1 alike, 2 against
    graph = coo_matrix((np.where(same_way, 2, 1), (one // 3, two // 3)), shape=(len(faces), len(faces))).tocsr()
    graph.data = np.minimum(graph.data, 2)
    graph = graph.maximum(graph.T).tocsr()
    flipped = none.copy()
    reached, before = breadth_first_order(graph, 0, directed=False)
    parents = before[reached[1:]]
    links = np.asarray(graph[parents, reached[1:]]).ravel() == 2
    for face, parent, against in zip(reached[1:].tolist(), parents.tolist(), links.tolist(), strict=True):
        flipped[face] = flipped[parent] ^ against
    return ~flipped if flipped.mean() > 0.5 else flipped
