"""Where a phone is held: near and far, high and close to the floor, on the whole foot or on a part of it."""

from __future__ import annotations

import numpy as np

from datagen.cameras import Camera
from datagen.stances import Stance

_CLEAR_DEG = 4.5  # below the horizon
_FARTHEST_M = 4.0


def draw(rng: np.random.Generator, size: int, stance: Stance, own: bool) -> Camera:
    """A camera on the feet of ``stance``; ``own`` if their owner holds it."""
    lying = stance.kind != "standing"
    if own:
        azimuth = stance.owner_deg + rng.normal(0, 24)
        elevation = float(np.clip(rng.normal(50 if lying else 63, 13), 26, 88))
    elif lying and rng.random() < 0.8:
        azimuth = stance.sole_deg + rng.normal(0, 32)
        high = stance.kind == "front"
        elevation = float(np.clip(rng.normal(48 if high else 24, 16), 7, 85))
    else:
        azimuth = rng.uniform(0, 360)
        low = rng.random() < 0.4
        elevation = float(rng.uniform(7, 26) if low else np.clip(rng.normal(44, 16), 18, 88))
    low_part = stance.body.vertices[(stance.body.vertices[:, 1] < 0.14) & (stance.body.piece > 0)]
    start, end = (
        np.percentile(low_part[:, [0, 2]], [2, 98], axis=0) if not lying else np.array([[-0.12] * 2, [0.12] * 2])
    )
    if lying and stance.mate_m is not None:
        start, end = start - np.abs(stance.mate_m), end + np.abs(stance.mate_m)
    extent = float(np.clip((end - start).max(), 0.18, 0.5 if stance.mate_m is None else 0.9))
    much = rng.random()
    if much < 0.13:  # toes, a heel, a part
        wanted = rng.uniform(0.14, 0.26)
        middle = start + rng.uniform(0.1, 0.9, 2) * (end - start)
        if rng.random() < 0.5 and not lying:
            middle[1] = end[1] - 0.04
        distance = rng.uniform(0.25, 0.7)
    else:
        wanted = extent * (rng.uniform(1.15, 2.4) if much < 0.85 else rng.uniform(2.4, 4.0))
        middle = (start + end) / 2 + rng.normal(0, 0.12 * extent, 2)
        distance = rng.uniform(0.35, 1.3) if much < 0.85 else rng.uniform(0.9, 2.2)
    widest = (elevation - _CLEAR_DEG) * 1.3  # the corners of the picture stay below the horizon
    fov = float(np.clip(np.degrees(2 * np.arctan(wanted / 2 / distance)), 3, min(68, max(widest, 3))))
    distance = max(distance, min(wanted / 2 / np.tan(np.radians(fov) / 2), _FARTHEST_M))
    target = (float(middle[0]), float(rng.uniform(0.0, 0.11 if lying else 0.07)), float(middle[1]))
    return Camera(float(azimuth % 360), elevation, float(distance), float(rng.normal(0, 7)), fov, target, size)
