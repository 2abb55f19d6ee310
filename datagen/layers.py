"""What a cutout knows besides light and colour, for labels: depth, normals, what each pixel is and whose foot.

Seen along the ray through the middle of each pixel, and carried on a little beyond the outline, where a pixel is
covered but its middle is not.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen.cameras import Camera
from datagen.lights import Caster
from datagen.surface import Surface

Array = npt.NDArray[Any]

# name -> (channels, type)
KINDS: dict[str, tuple[int, str]] = {"depth": (1, "<u2"), "normal": (3, "u1"), "part": (1, "u1"), "piece": (1, "u1")}
DEPTH_M = 1e-4  # a step of depth; 65,535 of them are 6.5 m
_MISS = np.uint32(0xFFFFFFFF)
_BEYOND_PX = 3


def seen(
    surface: Surface, caster: Caster, camera: Camera, corner: tuple[int, int], shape: tuple[int, int]
) -> dict[str, Array]:
    """The layers of a part of the canvas.

    Args:
        corner: (x, y) its first pixel.
        shape: (H, W) of it.

    Returns:
        ``depth`` (H, W, 1) uint16, along the camera's axis in steps of 0.1 mm, 0 = nothing; ``normal`` (H, W, 3) uint8,
        128 + 127 n in the camera's axes (x right, y down, z ahead); ``part`` and ``piece`` (H, W, 1) of the nearest
        vertex, see :class:`datagen.surface.Surface`.
    """
    columns, rows = (start + np.arange(count) for start, count in zip(corner, shape[::-1], strict=True))
    rays = camera.rays(np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2))
    primitive, uv, distance = caster.cast(rays)
    rotation, _ = camera.pose()
    hit = np.flatnonzero(primitive != _MISS)
    corners = surface.faces[primitive[hit]]
    u, v = uv[hit, 0], uv[hit, 1]
    weights = np.stack([1 - u - v, u, v], axis=1)
    normal = (surface.normals[corners] * weights[..., None]).sum(axis=1) @ rotation.T.astype(np.float32)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    nearest = corners[np.arange(len(hit)), weights.argmax(axis=1)]
    depth = distance[hit] * (rays[hit, 3:] @ rotation[2].astype(np.float32))
    values = {
        "depth": np.clip(np.rint(depth / DEPTH_M), 1, 65535)[:, None],
        "normal": np.rint(128 + 127 * normal),
        "part": surface.part[nearest][:, None],
        "piece": surface.piece[nearest][:, None],
    }
    known = np.zeros(len(primitive), np.uint8)
    known[hit] = 1
    source = nearest_known(known.reshape(shape), _BEYOND_PX)
    out = {}
    for name, (channels, kind) in KINDS.items():
        flat = np.zeros((len(primitive) + 1, channels), kind)
        flat[hit] = values[name].astype(kind)
        out[name] = flat[source].reshape(*shape, channels)
    return out


def nearest_known(known: Array, reach_px: float = np.inf) -> Array:
    """(H, W) int, for each pixel the flat position of the nearest one that is known (H, W, not 0).

    Where none is within ``reach_px``, the number of pixels.
    """
    count = known.size
    if not known.any():
        return np.full(known.shape, count)
    distance, label = cv2.distanceTransformWithLabels(
        (known == 0).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    position = np.zeros(int(label.max()) + 1, np.int64)
    here = np.flatnonzero(known)
    position[label.ravel()[here]] = here
    return np.where(distance <= reach_px, position[label], count)
