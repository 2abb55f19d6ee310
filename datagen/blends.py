"""How a foot is joined to its floor: several ways to mix along its outline, so that no one of them can be learnt.

A net that sees one kind of seam finds the seam instead of the foot. The way is chosen per scene; the outline itself,
mask and alpha do not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen.chance import Chance
from datagen.develop import streak

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

KINDS = ("alpha", "feather", "gaussian", "poisson", "motion")
ALPHA: dict[str, Any] = {"kind": "alpha", "width_px": 0.0, "turn_deg": 0.0}
_STEPS = 20  # of Jacobi's method: errors in a band of six pixels are gone by then
_WIDTHS = {"alpha": (0.0, 0.0), "feather": (0.5, 1.3), "gaussian": (0.5, 1.5), "poisson": (1.0, 2.0), "motion": (2, 6)}


def draw(chance: Chance, weights: Sequence[tuple[str, float]], size: int) -> dict[str, Any]:
    """The blend of a scene: its kind, how wide it is in pixels, and the direction of a motion.

    Args:
        weights: (kind, weight) of each of :data:`KINDS` that may come.
    """
    kind = weights[chance.pick([weight for _, weight in weights])][0]
    width, turn = chance.random(), chance.uniform(0, 180)
    low, high = _WIDTHS[kind]
    width_px = (low + (high - low) * width) * size / 256
    return {"kind": kind, "width_px": round(width_px, 4), "turn_deg": round(turn, 4)}


def joined(foot: Floats, floor: Floats, cover: Bytes, about: Mapping[str, Any]) -> Floats:
    """(H, W, 3) linear light: ``foot`` over ``floor``.

    Args:
        foot: (H, W, 3) linear light, filled some pixels beyond the outline.
        floor: (H, W, 3) linear light.
        cover: (H, W) how much of each pixel the foot covers, 255 = all.
        about: of :func:`draw`. ``alpha`` mixes by cover; ``feather`` fades out inside the outline; ``gaussian`` blurs
            the cover; ``poisson`` solves for a picture with the gradients of both sides (Perez et al. 2003, eq. 2) in
            a band along the outline, so that the step between them becomes a slope, never beyond either; ``motion``
            smears the foot, and not the floor, along a line.
    """
    kind, width = about["kind"], float(about["width_px"])
    if kind == "motion":
        return _smeared(foot, floor, cover, width, about["turn_deg"])
    if kind in ("feather", "gaussian"):
        cover = cv2.GaussianBlur(cover, (0, 0), width)
        if kind == "feather":  # nothing left of it at the outline
            cover = cv2.addWeighted(cover, 2, cover, 0, -255)
    weight = cover.astype(np.float32)
    weight *= np.float32(1 / 255)
    mixed = np.asarray(cv2.blendLinear(foot, floor, weight, 1 - weight), np.float32)
    return _seamless(mixed, foot, floor, cover, width) if kind == "poisson" else mixed


def _smeared(foot: Floats, floor: Floats, cover: Bytes, length_px: float, angle_deg: float) -> Floats:
    """What a sensor adds up while the foot moves: colour times cover, and cover, both along the streak."""
    layers = np.empty((*cover.shape, 4), np.float32)
    weight = cover.astype(np.float32)
    weight *= np.float32(1 / 255)
    cv2.mixChannels([foot * weight[..., None], weight], [layers], [0, 0, 1, 1, 2, 2, 3, 3])
    layers = cv2.filter2D(layers, -1, streak(length_px, angle_deg), borderType=cv2.BORDER_REPLICATE)
    left = 1 - cv2.extractChannel(layers, 3)
    return np.asarray(cv2.cvtColor(layers, cv2.COLOR_RGBA2RGB) + floor * left[..., None], np.float32)


def _seamless(mixed: Floats, foot: Floats, floor: Floats, cover: Bytes, half_px: float) -> Floats:
    """Solve in a band of ``half_px`` on both sides of the outline; outside it ``mixed`` stays as it is."""
    inside = (cover >= 128).view(np.uint8)
    across = 2 * max(round(half_px), 1) + 1
    kernel = np.ones((across, across), np.uint8)
    band = cv2.dilate(inside, kernel, borderValue=0) - cv2.erode(inside, kernel, borderValue=1)
    band[[0, -1]] = 0
    band[:, [0, -1]] = 0
    rows, columns = np.nonzero(band)
    if not len(rows):
        return mixed
    # the unknowns alone, as a list: a band is a small part of its frame
    number = np.full(band.shape, -1, np.int32)
    wide = band.shape[1]
    flat = (rows * wide + columns).astype(np.int32)
    number.ravel()[flat] = np.arange(len(flat), dtype=np.int32)
    around = flat[:, None] + np.array([-wide, wide, -1, 1], np.int32)
    where = np.where(inside.ravel()[flat][:, None] > 0, 1.0, 0.0).astype(np.float32)
    goal = _laplacian(foot, flat, around) * where + _laplacian(floor, flat, around) * (1 - where)
    known = mixed.reshape(-1, 3)
    beside = number.ravel()[around]
    fixed = (known[around] * (beside < 0)[..., None]).sum(axis=1) - goal
    fixed *= np.float32(0.25)
    beside[beside < 0] = len(flat)  # an extra unknown that stays 0
    sides = [np.ascontiguousarray(side, np.intp) for side in beside.T]
    other = np.empty((len(flat), 3), np.float32)
    value = np.zeros((len(flat) + 1, 3), np.float32)
    value[:-1] = known[flat]
    for _ in range(_STEPS):
        total = value.take(sides[0], axis=0)
        for side in sides[1:]:
            total += value.take(side, axis=0, out=other, mode="clip")
        total *= np.float32(0.25)
        total += fixed
        value[:-1] = total
    # gradients of two sides need not fit one picture: what comes of it stays between the two
    here, there = foot.reshape(-1, 3)[flat], floor.reshape(-1, 3)[flat]
    out = mixed.copy()
    out.reshape(-1, 3)[flat] = np.clip(value[:-1], np.minimum(here, there), np.maximum(here, there))
    return out


def _laplacian(picture: Floats, flat: npt.NDArray[np.int32], around: npt.NDArray[np.int32]) -> Floats:
    """(N, 3): the four neighbours less four times the pixel."""
    values = picture.reshape(-1, 3)
    total = values.take(around[:, 0], axis=0)
    for k in (1, 2, 3):
        total += values.take(around[:, k], axis=0)
    total -= 4 * values.take(flat, axis=0)
    return total
