"""What a camera sees of a surface: a ray a pixel, and a square of rays where an outline or a fold runs through it."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from datagen.cameras import Camera
from datagen.lights import Caster
from datagen.surface import Surface

Floats = npt.NDArray[np.float32]

EDGE_RAYS = 4  # a side of the square of rays in a pixel on an edge
FOLD_M = 0.006
MISS = np.uint32(0xFFFFFFFF)
_NEAR_PX = 9
_WITHIN = (np.stack(np.meshgrid(*[(np.arange(EDGE_RAYS) + 0.5) / EDGE_RAYS - 0.5] * 2), axis=-1)).reshape(-1, 2)


def seen(
    surface: Surface, caster: Caster, values: Floats, camera: Camera, box: tuple[int, int, int, int]
) -> tuple[Floats, npt.NDArray[np.uint32]]:
    """What lies behind the pixels ``box`` (x0, y0, x1, y1).

    Args:
        values: (V, C) of each vertex, interpolated over the triangles.

    Returns:
        (H, W, C + 1): the values times cover, then cover, the share of the pixel's rays that meet the surface; and the
        (H, W) triangle in the middle of each pixel, ``MISS`` for none.
    """
    x0, y0, x1, y1 = box
    shape = (y1 - y0, x1 - x0)
    xs, ys = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
    primitive, uv, depth = caster.cast(_rays(camera, xs.ravel(), ys.ravel()))
    # eight columns are gathered in one step
    covered = np.column_stack([values, np.ones(len(values), np.float32)])
    picture = _interpolated(surface, covered, primitive, uv)
    edge = np.flatnonzero(_edges(depth.reshape(shape)))
    fine_x = xs.ravel()[edge, None] + _WITHIN[:, 0].astype(np.float32)
    fine_y = ys.ravel()[edge, None] + _WITHIN[:, 1].astype(np.float32)
    fine, fine_uv, _ = caster.cast(_rays(camera, fine_x.ravel(), fine_y.ravel()))
    several = _interpolated(surface, covered, fine, fine_uv)
    picture[edge] = several.reshape(len(edge), EDGE_RAYS**2, several.shape[1]).mean(axis=1)
    return picture.reshape(*shape, -1), primitive.reshape(shape)


def spread(product: Floats, cover: Floats) -> Floats:
    """(H, W, C): ``product`` divided by ``cover``, and carried some pixels beyond the edge, so that resampling mixes in
    no black."""
    out = product.copy()
    partly = cover < 1
    weight = cv2.blur(cover, (_NEAR_PX, _NEAR_PX))
    around = cv2.blur(product, (_NEAR_PX, _NEAR_PX))
    rim = np.flatnonzero(partly & (cover > 0.02))
    flat, sums = out.reshape(-1, out.shape[-1]), around.reshape(-1, out.shape[-1])
    flat[rim] /= cover.ravel()[rim, None]
    beyond = np.flatnonzero((cover <= 0.02) & (weight > 1e-4))
    flat[beyond] = sums[beyond] / weight.ravel()[beyond, None]
    return out


def _rays(camera: Camera, x: Floats, y: Floats) -> Floats:
    """(N, 6) rays through pixels; their unit is that of depth, so where they end is how deep it lies."""
    rotation, position = camera.pose()
    middle = (camera.size - 1) / 2
    right, down, ahead = rotation
    start = ahead - (right + down) * (middle / camera.focal_px)
    right, down = right / camera.focal_px, down / camera.focal_px
    out = np.empty((len(x), 6), np.float32)
    out[:, :3] = position
    for k in range(3):
        way = x * np.float32(right[k])
        way += y * np.float32(down[k])
        way += np.float32(start[k])
        out[:, 3 + k] = way
    return out


def _edges(depth: Floats) -> npt.NDArray[np.bool_]:
    """(H, W): pixels beside an outline or a fold.

    A fold is where depth bends by more than ``FOLD_M`` from one pixel to the next, however steep the surface is.
    """
    far = np.minimum(depth, np.float32(1e3))
    bends = np.zeros(depth.shape, bool)
    bends[:, 1:-1] = np.abs(far[:, 2:] + far[:, :-2] - 2 * far[:, 1:-1]) > FOLD_M
    bends[1:-1] |= np.abs(far[2:] + far[:-2] - 2 * far[1:-1]) > FOLD_M
    hit = (depth < 1e3).view(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    return np.asarray(bends | (cv2.dilate(hit, kernel) != cv2.erode(hit, kernel)))


def _interpolated(surface: Surface, values: Floats, primitive: npt.NDArray[np.uint32], uv: Floats) -> Floats:
    """(N, C) the values where the rays met their triangles, zeros for those that met none."""
    hit = np.flatnonzero(primitive != MISS)
    corners = surface.faces[primitive[hit]].T
    u, v = uv[hit].T
    mixed = values.take(corners[0], axis=0)
    mixed *= (1 - u - v)[:, None]
    for corner, weight in ((corners[1], u), (corners[2], v)):
        other = values.take(corner, axis=0)
        other *= weight[:, None]
        mixed += other
    if len(hit) == len(primitive):
        return mixed
    out = np.zeros((len(primitive), values.shape[1]), np.float32)
    out[hit] = mixed
    return out
