"""A shape under construction: a mesh in full precision whose vertices know what they are.

Feet are lengthened, dressed and painted as shapes, and clutter is put together from them, before
:mod:`datagen.surface` makes of them what is rendered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

OTHER, SKIN, SOCK, SHOE = range(4)  # what a vertex is
NO_FOOT = 0  # the piece of what belongs to no foot


@dataclass(frozen=True)
class Shape:
    """A coloured triangle mesh.

    Attributes:
        vertices: (V, 3) metres, y up, floor at y = 0.
        faces: (F, 3), wound outwards.
        colours: (V, 3) sRGB, 1 = white; may lie outside [0, 1] on the way.
        part: (V,) ``OTHER``, ``SKIN``, ``SOCK`` or ``SHOE``.
        top: (T,) vertices that no camera should see: the upper end of a leg.
    """

    vertices: Floats
    faces: Ints
    colours: Floats
    part: Bytes
    top: Ints

    def moved(self, vertices: Floats) -> Shape:
        """The same triangles elsewhere."""
        return replace(self, vertices=vertices)


def shape(vertices: Floats, faces: Ints, colours: Floats, part: int, top: Ints | None = None) -> Shape:
    """A shape of one part; ``colours`` is (V, 3) or one colour (3,)."""
    count = len(vertices)
    spread = np.array(np.broadcast_to(colours, (count, 3)), np.float64)
    none = np.zeros(0, np.int64) if top is None else top
    return Shape(vertices, faces.astype(np.int64), spread, np.full(count, part, np.uint8), none)


def together(shapes: Sequence[Shape]) -> Shape:
    """Several shapes as one; there is at least one."""
    starts = np.cumsum([0] + [len(each.vertices) for each in shapes])
    return Shape(
        np.concatenate([each.vertices for each in shapes]),
        np.concatenate([each.faces + start for each, start in zip(shapes, starts, strict=False)]),
        np.concatenate([each.colours for each in shapes]),
        np.concatenate([each.part for each in shapes]),
        np.concatenate([each.top + start for each, start in zip(shapes, starts, strict=False)]),
    )


def kept(whole: Shape, faces: npt.NDArray[np.bool_]) -> Shape:
    """The faces that are marked, and the vertices they use."""
    left = whole.faces[faces]
    used = np.zeros(len(whole.vertices), bool)
    used[left.ravel()] = True
    place = np.cumsum(used) - 1
    top = whole.top[used[whole.top]]
    return Shape(whole.vertices[used], place[left], whole.colours[used], whole.part[used], place[top])


def vertex_normals(vertices: npt.NDArray[Any], faces: Ints) -> Floats:
    """(V, 3) unit normals, each the area-weighted mean of the faces around."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.stack(
        [np.bincount(faces.ravel(), np.repeat(across[:, k], 3), minlength=len(vertices)) for k in range(3)], axis=1
    )
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.where(length > 1e-20, summed / np.maximum(length, 1e-20), np.array([0.0, 1.0, 0.0]))
