"""Exact motion between two moments: where each pixel of a frame was in the frame before, and whether it was seen.

A pixel shows a point of the foot or of the floor. The point of the foot is the same place on the same triangle in
both poses; the floor does not move. Both are projected by both cameras, so the motion is known, not estimated.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datagen.cameras import Camera
from datagen.lights import Caster
from datagen.sight import EDGE_RAYS
from datagen.surface import Surface

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

SEEN, HIDDEN, OUTSIDE = 0, 1, 2
STEP_PX = 1 / 2048
"""Motion is rounded to this, far below what matters, so that files pack well."""
_MISS = np.uint32(0xFFFFFFFF)
_NEAR_M = 0.0005  # what lies this little before a point does not hide it
_WITHIN = np.stack(np.meshgrid(*[(np.arange(EDGE_RAYS) + 0.5) / EDGE_RAYS - 0.5] * 2), axis=-1).reshape(-1, 2)
_FROM_MIDDLE = _WITHIN[np.argsort(np.hypot(*_WITHIN.T), kind="stable")]


@dataclass(frozen=True)
class Moment:
    """What there is to see at one time: a surface in its pose, rays cast on it, and the camera."""

    surface: Surface
    caster: Caster
    camera: Camera


@dataclass(frozen=True)
class Flow:
    """Where the pixels of a frame were in the frame before.

    Attributes:
        backward: (H, W, 2) float32, (dx, dy) in pixels: what is at (x, y) was at (x + dx, y + dy) in the frame before;
            NaN where it was behind the camera.
        state: (H, W) uint8: :data:`SEEN` in the frame before, :data:`HIDDEN` there behind the foot, or
            :data:`OUTSIDE` of its picture.
    """

    backward: npt.NDArray[np.float32]
    state: Bytes

    def npz(self) -> bytes:
        """``backward`` and ``valid`` as a file of numpy, packed; the same motion gives the same bytes.

        The array lies column by column, dx before dy: so it packs into half the bytes. Numpy reads either alike.
        """
        sink = io.BytesIO()
        np.savez_compressed(sink, backward=np.asfortranarray(self.backward), valid=self.state == SEEN)
        return sink.getvalue()


def floor_way(now: Camera, before: Camera) -> Floats:
    """(3, 3): pixels that show the floor to the pixels of the frame before that showed the same place."""
    return np.asarray(before.floor_homography() @ np.linalg.inv(now.floor_homography()))


def between(now: Moment, before: Moment, mask: npt.NDArray[np.uint8] | None = None) -> Flow:
    """The motion from ``now`` back to ``before``.

    Args:
        mask: (H, W) uint8, foot where not 0: a pixel on an edge moves as what the mask says it is, and not as what
            its middle happens to meet.

    Raises:
        ValueError: the surfaces are not two poses of one, or the cameras differ in size.
    """
    size = now.camera.size
    if before.camera.size != size or now.surface.faces.shape != before.surface.faces.shape:
        raise ValueError("motion needs two poses of one surface, seen by cameras of one size")
    at = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2).astype(np.float64)
    primitive, uv, _ = now.caster.cast(now.camera.rays(at))
    if mask is not None:
        _settle(now, mask.reshape(-1) != 0, at, primitive, uv)
    backward = np.empty((size * size, 2))
    points = np.empty((size * size, 3))
    on = np.flatnonzero(primitive != _MISS)
    points[on] = on_surface(before.surface, primitive[on], uv[on])
    here, _ = now.camera.project(on_surface(now.surface, primitive[on], uv[on]))
    there, depth = before.camera.project(points[on])
    backward[on] = np.where(depth[:, None] > 1e-6, there - here, np.nan)
    off = np.flatnonzero(primitive == _MISS)
    backward[off], points[off] = _floor(now.camera, before.camera, at[off])
    backward = np.round(backward / STEP_PX) * STEP_PX + 0.0  # no negative zeros
    whole = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1).reshape(-1, 2)
    state = _state(before, whole + backward, points)
    return Flow(backward.astype(np.float32).reshape(size, size, 2), state.reshape(size, size))


def on_surface(surface: Surface, primitive: npt.NDArray[np.uint32], uv: npt.NDArray[np.float32]) -> Floats:
    """(N, 3) the points that rays met, given by triangle and barycentric coordinates, in this surface's pose."""
    corners = surface.vertices.astype(np.float64)[surface.faces[primitive]]
    u, v = uv[:, 0:1].astype(np.float64), uv[:, 1:2].astype(np.float64)
    return np.asarray(corners[:, 0] * (1 - u - v) + corners[:, 1] * u + corners[:, 2] * v)


def _settle(
    now: Moment,
    foot: npt.NDArray[np.bool_],
    at: Floats,
    primitive: npt.NDArray[np.uint32],
    uv: npt.NDArray[np.float32],
) -> None:
    """Where a pixel's middle meets something else than the mask says, take the ray nearest to it that agrees."""
    odd = np.flatnonzero(_skin(now.surface, primitive, uv) != foot)
    if not len(odd):
        return
    fine = at[odd, None] + _FROM_MIDDLE[None]
    hit, where, _ = now.caster.cast(now.camera.rays(fine.reshape(-1, 2)))
    agrees = (_skin(now.surface, hit, where) == np.repeat(foot[odd], len(_FROM_MIDDLE))).reshape(len(odd), -1)
    rows = np.flatnonzero(agrees.any(axis=1))
    first = agrees[rows].argmax(axis=1)
    pick = rows * len(_FROM_MIDDLE) + first
    at[odd[rows]] = fine[rows, first]
    primitive[odd[rows]], uv[odd[rows]] = hit[pick], where[pick]


def _skin(surface: Surface, primitive: npt.NDArray[np.uint32], uv: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    out = np.zeros(len(primitive), bool)
    hit = np.flatnonzero(primitive != _MISS)
    corners = surface.skin[surface.faces[primitive[hit]]]
    u, v = uv[hit, 0], uv[hit, 1]
    out[hit] = corners[:, 0] * (1 - u - v) + corners[:, 1] * u + corners[:, 2] * v >= 0.5
    return out


def _floor(now: Camera, before: Camera, at: Floats) -> tuple[Floats, Floats]:
    """Motion (N, 2) and place (N, 3) of the floor at pixel positions (N, 2)."""
    flat = np.column_stack([at, np.ones(len(at))])
    moved = flat @ floor_way(now, before).T
    spot = flat @ np.linalg.inv(now.floor_homography()).T
    with np.errstate(divide="ignore", invalid="ignore"):
        motion = moved[:, :2] / moved[:, 2:] - at
        place = spot[:, :2] / spot[:, 2:]
    points = np.stack([place[:, 0], np.zeros(len(at)), place[:, 1]], axis=1)
    _, depth = before.project(points)
    motion[~(depth > 1e-6)] = np.nan
    return motion, points


def _state(before: Moment, source: Floats, points: Floats) -> Bytes:
    """(N,) whether the points, at pixels ``source`` there, were in the frame before, and not behind something."""
    size = before.camera.size
    state = np.full(len(points), OUTSIDE, np.uint8)
    inside = np.flatnonzero(((source >= -0.5) & (source <= size - 0.5)).all(axis=1))
    _, eye = before.camera.pose()
    away = points[inside] - eye
    far = np.linalg.norm(away, axis=1)
    rays = np.empty((len(inside), 6), np.float32)
    rays[:, :3], rays[:, 3:] = eye, away / far[:, None]
    _, _, distance = before.caster.cast(rays)
    state[inside] = np.where(distance < far - _NEAR_M, HIDDEN, SEEN)
    return state
