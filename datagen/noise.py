"""Seamless fields of chance that surfaces are made of: clouds, cells, and light on a relief.

All fields are (S, S) float32 and repeat: what leaves on the right comes in on the left.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy import fft

Field = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


def cloud(
    rng: np.random.Generator,
    size: int,
    *,
    fall: float = 2.0,
    low: float = 1.0,
    high: float | None = None,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> Field:
    """Gaussian noise with mean 0 and deviation 1, made in the frequency domain.

    Args:
        rng: its chance.
        size: S, pixels.
        fall: the power spectrum falls as frequency to this power: 0 is white, 2 a cloud, 4 soft hills.
        low: lowest frequency, in waves over the whole field.
        high: highest frequency; None for all.
        stretch: how much longer features are along (rows, columns).
    """
    limit = size // 2 if high is None else min(size // 2, int(np.ceil(high / min(stretch))))
    rows = np.concatenate([np.arange(0, limit + 1), np.arange(-limit, 0)])
    rows = rows if len(rows) <= size else np.fft.fftfreq(size, 1 / size).astype(int)
    columns = np.arange(0, min(limit, size // 2) + 1)
    radius = np.hypot(rows[:, None] * stretch[0], columns[None] * stretch[1]).astype(np.float32)
    gain = np.maximum(radius, 1e-3) ** np.float32(-fall / 2)
    gain[radius < low] = 0
    if high is not None:
        gain *= np.exp(-((radius / np.float32(high)) ** 4))
    chance = rng.standard_normal((2, *radius.shape), dtype=np.float32)
    spectrum = np.zeros((size, size // 2 + 1), np.complex64)
    spectrum[rows[:, None] % size, columns[None]] = (chance[0] + 1j * chance[1]) * gain
    field = fft.irfft2(spectrum, s=(size, size))
    field -= field.mean()
    return np.asarray(field / max(float(field.std()), 1e-20), dtype=np.float32)


def cells(rng: np.random.Generator, size: int, across: int, jitter: float = 0.9) -> tuple[Field, Field, Array]:
    """Voronoi cells on a jittered grid of ``across`` x ``across`` points.

    Returns:
        Distances to the nearest and to the second nearest point, in grid steps, and the (S, S) int32 number of the
        nearest cell, 0 to ``across`` squared - 1.
    """
    if size % 2 == 0 and size >= 12 * across:  # large cells: half the resolution does, smoothly enlarged
        small = cells(rng, size // 2, across, jitter)
        return _doubled(small[0]), _doubled(small[1]), np.repeat(np.repeat(small[2], 2, axis=0), 2, axis=1)
    offset = ((rng.random((2, across, across)) - 0.5) * jitter + 0.5).astype(np.float32)
    place = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(across / size)
    cell = np.floor(place).astype(np.int32)
    near = np.full((size, size), 9.0, np.float32)
    second = near.copy()
    owner = np.zeros((size, size), np.int32)
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            rows, columns = (cell + row) % across, (cell + column) % across
            away = (place - cell - row)[:, None] - offset[0][rows].take(columns, axis=1)
            aside = (place - cell - column)[None] - offset[1][rows].take(columns, axis=1)
            away *= away
            aside *= aside
            distance = away + aside
            closer = distance < near
            np.minimum(second, np.maximum(near, distance), out=second)
            np.minimum(near, distance, out=near)
            np.copyto(owner, rows[:, None] * across + columns[None], where=closer)
    return np.sqrt(near), np.sqrt(second), owner


def _doubled(field: Field) -> Field:
    wide = cv2.resize(np.pad(field, 2, mode="wrap"), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return np.asarray(wide[4:-4, 4:-4], dtype=np.float32)


def relief(height: Field, strength: float, angle: float) -> Field:
    """Light from ``angle`` (radians) on a height field: a factor around 1 for each pixel."""
    across = np.roll(height, -1, axis=1) - np.roll(height, 1, axis=1)
    down = np.roll(height, -1, axis=0) - np.roll(height, 1, axis=0)
    slope = across * np.float32(np.cos(angle)) + down * np.float32(np.sin(angle))
    return np.asarray(np.clip(1 + np.float32(strength) * slope, 0.35, 1.6), dtype=np.float32)


def soft(field: Array, sigma: float) -> Field:
    """Gaussian blur of (S, S) or (S, S, C) that wraps round."""
    pad = int(4 * sigma) + 2
    wide = cv2.copyMakeBorder(np.asarray(field, np.float32), pad, pad, pad, pad, cv2.BORDER_WRAP)
    return np.asarray(cv2.GaussianBlur(wide, (0, 0), sigma)[pad:-pad, pad:-pad], dtype=np.float32)


def sample(field: Field, rows: Array, columns: Array) -> Field:
    """The field at fractional pixel positions, bilinear, wrapping round."""
    size = field.shape[0]
    wide = np.pad(field, ((0, 1), (0, 1)), mode="wrap")
    column_map = np.asarray(np.mod(columns, size), dtype=np.float32)
    row_map = np.asarray(np.mod(rows, size), dtype=np.float32)
    return np.asarray(cv2.remap(wide, column_map, row_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def step(field: Array, start: float, end: float) -> Field:
    """0 before ``start``, 1 after ``end``, smooth between."""
    part = np.clip((field - start) / (end - start), 0, 1)
    return np.asarray(part * part * (3 - 2 * part), dtype=np.float32)


def mix(one: Array, two: Array, share: Array) -> Array:
    """(S, S, 3) colours between two colours (3,) or pictures, by an (S, S) share of the second."""
    shape = np.broadcast_shapes(np.shape(one), np.shape(two), (*share.shape, 3))
    mixed = np.empty(shape, np.float32)
    for channel in range(3):
        start = one[..., channel]
        mixed[..., channel] = start + (two[..., channel] - start) * share
    return mixed
