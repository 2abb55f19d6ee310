"""Subdivision: Catmull-Clark of quads as one sparse matrix, and Loop's of triangles.

With the matrix many shapes of one topology cost a product each. Catmull and Clark, "Recursively generated B-spline
surfaces on arbitrary topological meshes", 1978.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csr_matrix, identity

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def catmull_clark(quads: Array, count: int, rounds: int) -> tuple[csr_matrix, Array]:
    """The matrix (V', V) that makes the finer vertices from the coarse ones, and the finer quads (Q', 4).

    Args:
        quads: (Q, 4) vertex indices, wound alike; borders are kept as smooth curves.
        count: number of coarse vertices V, all of them used.
        rounds: how often each quad becomes four.
    """
    matrix = identity(count, format="csr")
    for _ in range(rounds):
        once, quads = _once(quads, matrix.shape[0])
        matrix = once @ matrix
    return matrix.tocsr(), quads


def triangles(quads: Array) -> Array:
    """(Q, 4) quads as (2 Q, 3) int32 triangles, the diagonals alternating."""
    even, odd = quads[0::2], quads[1::2]
    return np.concatenate(
        [even[:, [0, 1, 2]], even[:, [0, 2, 3]], odd[:, [0, 1, 3]], odd[:, [1, 2, 3]]], axis=0
    ).astype(np.int32)


def _rows(entries: list[tuple[Array, Array, Array]], shape: tuple[int, int]) -> csr_matrix:
    rows, columns, values = (np.concatenate([np.ravel(entry[k]) for entry in entries]) for k in range(3))
    return coo_matrix((values, (rows, columns)), shape=shape).tocsr()


def _once(quads: Array, count: int) -> tuple[csr_matrix, Array]:
    number = len(quads)
    sides = np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2)
    key = np.sort(sides, axis=1)
    edges, side_edge = np.unique(key, axis=0, return_inverse=True)
    side_edge = side_edge.reshape(-1)
    total = len(edges)
    owners = np.bincount(side_edge, minlength=total)
    inner = owners == 2
    face_rows = np.repeat(np.arange(number), 4)
    faces = _rows([(face_rows, quads, np.full(quads.size, 0.25))], (number, count))
    ends = _rows([(np.repeat(np.arange(total), 2), edges, np.full(edges.size, 0.5))], (total, count))
    beside = _rows([(side_edge, face_rows, np.full(len(side_edge), 0.5))], (total, number)) @ faces
    share = np.where(inner, 0.5, 0.0)
    edge_points = ends.multiply((1 - share)[:, None]) + beside.multiply(share[:, None])
    rim_edges = edges[~inner]
    on_rim = np.zeros(count, bool)
    on_rim[rim_edges.ravel()] = True
    valence = np.bincount(edges.ravel(), minlength=count)
    around = np.bincount(quads.ravel(), minlength=count)
    corners = (quads.ravel(), face_rows, 1.0 / around[quads.ravel()])
    mean_face = _rows([corners], (count, number)) @ faces
    tips = np.concatenate([edges, edges[:, ::-1]])
    edge_number = np.tile(np.arange(total), 2)
    mean_edge = _rows([(tips[:, 0], edge_number, 1.0 / valence[tips[:, 0]])], (count, total)) @ ends
    n = np.maximum(valence, 1).astype(np.float64)[:, None]
    smooth = mean_face.multiply(1 / n) + mean_edge.multiply(2 / n) + identity(count).multiply((n - 3) / n)
    rim_tips = np.concatenate([rim_edges, rim_edges[:, ::-1]])
    every = np.arange(count)
    along = _rows(
        [(every, every, np.full(count, 0.75)), (rim_tips[:, 0], rim_tips[:, 1], np.full(len(rim_tips), 0.125))],
        (count, count),
    )
    vertex_points = smooth.multiply((~on_rim)[:, None]) + along.multiply(on_rim[:, None])
    from scipy.sparse import vstack

    matrix = vstack([vertex_points, edge_points, faces]).tocsr()
    edge_of = count + side_edge.reshape(-1, 4)
    middle = np.repeat(count + total + np.arange(number), 4)
    finer = np.stack([quads.ravel(), edge_of.ravel(), middle, np.roll(edge_of, 1, axis=1).ravel()], axis=1)
    return matrix, finer


def subdivide(
    vertices: Floats,
    faces: Ints,
    uv: Floats | None,
    colours: Floats | None,
) -> tuple[Floats, Ints, Floats | None, Floats | None]:
    """One step of Loop subdivision (Loop 1987; boundary rules of Hoppe et al. 1994), every face into four.

    Positions follow Loop's weights; texture coordinates (F, 3, 2), which may jump at seams, and colours are
    interpolated linearly.
    """
    count = len(vertices)
    ends = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    keys, first, inverse, uses = np.unique(
        ends[:, 0] * count + ends[:, 1], return_index=True, return_inverse=True, return_counts=True
    )
    edges = ends[first]
    border = uses == 1
    opposite = faces[:, [2, 0, 1]].reshape(-1)  # the corner that faces each of the three edges
    facing = (
        np.stack([np.bincount(inverse, vertices[opposite, k], minlength=len(keys)) for k in range(3)], axis=1)
        / np.maximum(uses, 1)[:, None]
    )
    middle = vertices[edges].mean(axis=1)
    odd = np.where(border[:, None], middle, 0.75 * middle + 0.25 * facing)

    ones = np.ones(len(edges))
    around = coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(count, count))
    around = (around + around.T).tocsr()
    valence = np.asarray(around.sum(axis=1)).ravel()
    safe = np.maximum(valence, 1)
    beta = (0.625 - (0.375 + 0.25 * np.cos(2 * np.pi / safe)) ** 2) / safe
    even = (1 - beta * valence)[:, None] * vertices + beta[:, None] * (around @ vertices)
    rim = np.unique(edges[border])
    if len(rim):
        b = edges[border]
        along = coo_matrix((np.ones(len(b)), (b[:, 0], b[:, 1])), shape=(count, count))
        along = (along + along.T).tocsr()
        plain = np.asarray(along.sum(axis=1)).ravel() == 2
        even[rim] = vertices[rim]
        smooth = rim[plain[rim]]
        even[smooth] = 0.75 * vertices[smooth] + 0.125 * (along @ vertices)[smooth]

    mid = inverse.reshape(-1, 3) + count  # new vertex on the edges 01, 12, 20
    a, b, c = faces.T
    ab, bc, ca = mid.T
    children = np.stack(
        [np.stack([a, ab, ca], 1), np.stack([ab, b, bc], 1), np.stack([ca, bc, c], 1), np.stack([ab, bc, ca], 1)], 1
    ).reshape(-1, 3)
    if uv is not None:
        ua, ub, uc = uv[:, 0], uv[:, 1], uv[:, 2]
        uab, ubc, uca = (ua + ub) / 2, (ub + uc) / 2, (uc + ua) / 2
        uv = np.stack(
            [
                np.stack([ua, uab, uca], 1),
                np.stack([uab, ub, ubc], 1),
                np.stack([uca, ubc, uc], 1),
                np.stack([uab, ubc, uca], 1),
            ],
            1,
        ).reshape(-1, 3, 2)
    if colours is not None:
        colours = np.concatenate([colours, colours[edges].mean(axis=1)])
    return np.concatenate([even, odd]), children, uv, colours
