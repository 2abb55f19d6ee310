"""Geometry of moving pixels: affine maps, four-point homographies, elastic and grid fields.

Points are (x, y) in pixels, pixel centres at whole numbers: an image of (H, W) has its corners at (0, 0) and
(W - 1, H - 1). A 3 x 3 matrix maps points of the source to points of the output.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
"""(3, 3) float64."""
Points = npt.NDArray[np.float64]
"""(n, 2) float64, (x, y) in pixels."""
Field = npt.NDArray[np.float32]
"""(H, W, 2) float32: per output pixel, an offset or a source position, (x, y) in pixels."""


def centred_affine(
    height: int, width: int, *, angle_deg: float, scale: float, shift_px: tuple[float, float] = (0.0, 0.0)
) -> Matrix:
    """Turn by ``angle_deg`` (clockwise on the screen) and scale about the image's centre, then shift by (x, y)."""
    angle = np.deg2rad(angle_deg)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    x, y = (width - 1) / 2, (height - 1) / 2
    return np.array(
        [
            [cos, -sin, x + shift_px[0] - cos * x + sin * y],
            [sin, cos, y + shift_px[1] - sin * x - cos * y],
            [0.0, 0.0, 1.0],
        ]
    )


def corners(height: int, width: int) -> Points:
    """The centres of the four corner pixels, clockwise from the top left."""
    right, bottom = float(width - 1), float(height - 1)
    return np.array([[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]])


def is_upright_convex(quad: Points) -> bool:
    """Whether four points, meant as top left, top right, bottom right, bottom left, are convex and not flipped."""
    edges = np.roll(quad, -1, axis=0) - quad
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    # all four turns clockwise on the screen; a quad that winds twice cannot do that with four corners
    return bool(np.all(turns > 1e-9))


def corner_quad(rng: np.random.Generator, height: int, width: int, *, grid: int = 3) -> Points:
    """One random point in each corner cell of a ``grid`` x ``grid`` division, clockwise from the top left.

    Quads that are not convex, or flipped, are drawn again. With three cells a side (document F) every draw is
    convex; with two it need not be.

    Raises:
        ValueError: ``grid`` below 2, or an image below 2 x 2 pixels.
    """
    if grid < 2 or min(height, width) < 2:
        raise ValueError(f"a corner quad needs a grid of 2 or more and 2 x 2 pixels, not {grid} and {width} x {height}")
    size = np.array([width - 1, height - 1], dtype=np.float64)
    start = corners(2, 2) * (grid - 1) / grid
    while True:
        quad = (start + rng.random((4, 2)) / grid) * size
        if is_upright_convex(quad):
            return quad


def homography(quad: Points, height: int, width: int) -> Matrix:
    """The projective map that takes the four points of ``quad`` to the corners of an (H, W) image.

    Raises:
        ValueError: the quad is not convex, or flipped.
    """
    _require_upright(quad)
    return np.asarray(
        cv2.getPerspectiveTransform(quad.astype(np.float32), corners(height, width).astype(np.float32)), np.float64
    )


def affine_fit(quad: Points, height: int, width: int) -> Matrix:
    """The affine map that takes ``quad`` nearest, in least squares, to the corners of an (H, W) image.

    Raises:
        ValueError: the quad is not convex, or flipped.
    """
    _require_upright(quad)
    design = np.column_stack([quad, np.ones(4)])
    solved, *_ = np.linalg.lstsq(design, corners(height, width), rcond=None)
    return np.vstack([solved.T, [0.0, 0.0, 1.0]])


def move_points(matrix: Matrix, points: Points) -> Points:
    """``points`` under ``matrix``, with the perspective division."""
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def warp(
    values: npt.NDArray[np.uint8],
    matrix: Matrix,
    *,
    nearest: bool = False,
    border: int = cv2.BORDER_CONSTANT,
    fill: int = 0,
) -> npt.NDArray[np.uint8]:
    """Warp (H, W) or (H, W, 3) at its own size: bilinear for pictures, ``nearest`` for class ids.

    ``border`` is OpenCV's rule for what lies outside the source; constant means ``fill``.
    """
    height, width = values.shape[:2]
    way = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    if np.array_equal(matrix[2], (0.0, 0.0, 1.0)):
        warped = cv2.warpAffine(
            values, matrix[:2], (width, height), flags=way, borderMode=border, borderValue=(fill,) * 4
        )
    else:
        warped = cv2.warpPerspective(
            values, matrix, (width, height), flags=way, borderMode=border, borderValue=(fill,) * 4
        )
    return np.asarray(warped, dtype=np.uint8)


@lru_cache(maxsize=8)
def positions(height: int, width: int) -> Field:
    """Every pixel's own (x, y), read-only: the map that moves nothing."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    grid = np.dstack([x, y])
    grid.flags.writeable = False
    return grid


def elastic_field(
    rng: np.random.Generator, height: int, width: int, mean_px: float, *, pitch_px: float = 14.0
) -> Field:
    """Smooth random offsets whose mean length over the image is ``mean_px``.

    White noise on a grid of ``pitch_px`` is brought to full size by cubic interpolation and scaled by its own
    mean length; that looks like noise under a Gaussian blur of about half the pitch, at a small part of its cost.
    """
    nodes = (max(2, round(height / pitch_px)) + 1, max(2, round(width / pitch_px)) + 1, 2)
    noise = rng.standard_normal(nodes, dtype=np.float32)
    field = np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    return field * np.float32(mean_px / mean_length(field))


def grid_field(rng: np.random.Generator, height: int, width: int, limit: float, *, cells: int = 5) -> Field:
    """Source positions of a grid distortion: each of ``cells`` rows and columns stretched by 1 +- ``limit``.

    The outer edges stay where they are.
    """
    x, y = (_stretched(rng, length, limit, cells) for length in (width, height))
    field = np.empty((height, width, 2), np.float32)
    field[..., 0], field[..., 1] = x, y[:, None]
    return field


def affine_field(matrix: Matrix, offsets: Field | None, height: int, width: int) -> Field:
    """Source positions of an elastic move (``offsets``) followed by an affine ``matrix``."""
    back = np.linalg.inv(matrix)[:2]
    start = positions(height, width) if offsets is None else positions(height, width) + offsets
    return np.asarray(cv2.transform(start, back), np.float32)


def mean_length(field: Field) -> float:
    """Mean length of an (H, W, 2) field's vectors, in pixels."""
    # read as complex numbers: three times as fast as two planes
    return float(np.abs(np.ascontiguousarray(field, np.float32).view(np.complex64)).mean())


def affine_displacement(matrix: Matrix, height: int, width: int) -> float:
    """Mean distance, in pixels over the output, between a pixel and where an affine ``matrix`` takes it from."""
    back = np.linalg.inv(matrix)[:2]
    # a lattice is enough: the distance is smooth and this is called for every draw
    x = (np.arange(24) + 0.5) / 24 * width - 0.5
    y = (np.arange(24) + 0.5) / 24 * height - 0.5
    dx = (back[0, 0] - 1) * x[None] + back[0, 1] * y[:, None] + back[0, 2]
    dy = back[1, 0] * x[None] + (back[1, 1] - 1) * y[:, None] + back[1, 2]
    return float(np.hypot(dx, dy).mean())


def _require_upright(quad: Points) -> None:
    if quad.shape != (4, 2) or not is_upright_convex(quad):
        raise ValueError(
            f"the points {quad.tolist()} are no convex quad in the order top left, top right, bottom right, bottom left"
        )


def _stretched(rng: np.random.Generator, length: int, limit: float, cells: int) -> npt.NDArray[np.float32]:
    steps = 1.0 + rng.uniform(-limit, limit, cells)
    nodes = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum() * (length - 1)
    return np.interp(np.arange(length), np.linspace(0, length - 1, cells + 1), nodes).astype(np.float32)
