"""Shadows of what is not in the picture: an edge, a window with bars, leaves, railings, whoever takes the photo.

They lie over floor and foot alike, and take away the lamp's light only. A pattern is drawn in metres on the floor; on
a foot it is displaced as on a level plane at half a foot's height, and breaks at the outline as real shadows do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen.cameras import Camera
from datagen.chance import Chance
from masksmith import seeds

Bytes = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

KINDS = ("edge", "window", "leaves", "bars", "person")
_WEIGHTS = (0.3, 0.2, 0.2, 0.1, 0.2)
HALF_M = 0.9  # a pattern reaches this far from its centre and goes on as at its border
TEXELS = 256
_FOOT_M = 0.05


def draw(chance: Chance, share: float) -> dict[str, Any] | None:
    """A shadow of a scene, or None: kind, place on the floor, softness, and how much of the lamp it takes."""
    wanted = chance.random() < share
    kind = KINDS[chance.pick(_WEIGHTS)]
    veil = {
        "kind": kind,
        "seed": chance.integers(2**31),
        "yaw_deg": round(chance.uniform(0, 360), 3),
        "centre_m": [round(chance.normal(0, 0.12), 4), round(chance.normal(0, 0.12), 4)],
        "soft_m": round(chance.log_uniform(0.004, 0.06), 5),
        "dark": round(chance.uniform(0.45, 1.0), 4),
    }
    return veil if wanted else None


def pattern(veil: Mapping[str, Any]) -> Bytes:
    """(TEXELS, TEXELS) share of the lamp's light that passes, 255 = all; row = z, column = x before the yaw."""
    rng = seeds.rng(veil["seed"], "veil")
    dark = np.zeros((TEXELS, TEXELS), np.uint8)
    _SHAPES[veil["kind"]](dark, rng)
    side = max(round(veil["soft_m"] * TEXELS / (2 * HALF_M)), 1) | 1
    if side > 1:  # two boxes: the penumbra of a round lamp, nearly
        dark = cv2.blur(cv2.blur(dark, (side, side)), (side, side))
    return np.asarray(cv2.addWeighted(dark, -float(veil["dark"]), dark, 0, 255), np.uint8)


def seen(
    veil: Mapping[str, Any], texture: Bytes, camera: Camera, lamp: Mapping[str, float], view: Matrix, size: int
) -> tuple[Bytes, Bytes]:
    """The pattern on the floor, at half the scene's size (S / 2, S / 2), and (S, S) as it falls on a foot."""
    rotation, _ = camera.pose()
    azimuth, elevation = np.radians([lamp["azimuth_deg"], lamp["elevation_deg"]])
    slope = np.array([np.sin(azimuth), np.cos(azimuth)]) / np.tan(elevation)
    ground = camera.floor_homography()
    raised = ground.copy()
    raised[:, 2] += camera.intrinsics() @ rotation[:, 1] * _FOOT_M
    # the light that passes a point above the floor meets the floor farther from the lamp
    raised = raised @ np.array([[1, 0, slope[0] * _FOOT_M], [0, 1, slope[1] * _FOOT_M], [0, 0, 1.0]])
    step = 2 * HALF_M / TEXELS
    angle = np.radians(veil["yaw_deg"])
    c, s = step * np.cos(angle), step * np.sin(angle)
    middle = (TEXELS - 1) / 2
    x, z = veil["centre_m"]
    to_floor = np.array([[c, -s, x - middle * (c - s)], [s, c, z - middle * (s + c)], [0, 0, 1.0]])
    half = (size + 1) // 2
    share = half / size
    shrink = np.array([[share, 0, (share - 1) / 2], [0, share, (share - 1) / 2], [0, 0, 1]])
    first, second = (
        np.asarray(cv2.warpPerspective(texture, way, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8)
        for way, side in ((shrink @ view @ ground @ to_floor, half), (view @ raised @ to_floor, size))
    )
    return first, second


def behind(light: Bytes, veil: Bytes) -> Bytes:
    """(H, W, 3) sky light, lamp light and gloss; the last two are behind the veil (H, W)."""
    passes = cv2.merge([np.full_like(veil, 255), veil, veil])
    return np.asarray(cv2.multiply(light, passes, scale=1 / 255), np.uint8)


def _polygon(dark: Bytes, points: npt.NDArray[Any], value: int = 255) -> None:
    cv2.fillPoly(dark, [np.rint(np.asarray(points) * 16).astype(np.int32)], value, cv2.LINE_AA, 4)


def _edge(dark: Bytes, rng: np.random.Generator) -> None:
    """A wall, a table or a door: half of the floor, some with a corner."""
    corner = TEXELS * rng.uniform(-0.2, 0.5) if rng.random() < 0.5 else -TEXELS
    start = TEXELS * rng.uniform(0.35, 0.65)
    points = [[corner, start], [2 * TEXELS, start], [2 * TEXELS, 2 * TEXELS], [corner, 2 * TEXELS]]
    _polygon(dark, np.array(points))


def _window(dark: Bytes, rng: np.random.Generator) -> None:
    """All is dark but for the panes."""
    dark[:] = 255
    across, down = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    side = TEXELS * rng.uniform(0.16, 0.4, 2)
    bar = TEXELS * rng.uniform(0.01, 0.035)
    lean = rng.normal(0, 0.35)
    start = TEXELS * (0.5 + rng.uniform(-0.15, 0.15, 2)) - side * np.array([across, down]) / 2
    for column in range(across):
        for row in range(down):
            x, y = start + side * np.array([column, row])
            w, h = side - bar
            box = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
            box[:, 0] += lean * (box[:, 1] - TEXELS / 2)
            _polygon(dark, box, 0)


def _leaves(dark: Bytes, rng: np.random.Generator) -> None:
    """Leaves of one twig size, thick on one side."""
    number = int(rng.integers(15, 70))
    long = TEXELS * rng.uniform(0.02, 0.09)
    slim, towards = rng.uniform(0.3, 0.8), rng.normal(0, 0.16, 2)
    places = TEXELS * (0.5 + towards + rng.normal(0, 0.22, (number, 2)))
    sizes, turns = long * np.exp(rng.normal(0, 0.3, number)), rng.uniform(0, 180, number)
    for (x, y), reach, turn in zip(places, sizes, turns, strict=True):
        axes = (max(int(reach), 1), max(int(reach * slim), 1))
        cv2.ellipse(dark, (int(x), int(y)), axes, float(turn), 0, 360, 255, -1, cv2.LINE_AA)


def _bars(dark: Bytes, rng: np.random.Generator) -> None:
    """A railing or blinds: stripes side by side."""
    pitch = TEXELS * rng.uniform(0.04, 0.2)
    wide = pitch * rng.uniform(0.2, 0.7)
    place = rng.uniform(-pitch, 0)
    while place < TEXELS:
        _polygon(dark, np.array([[-1, place], [TEXELS, place], [TEXELS, place + wide], [-1, place + wide]]))
        place += pitch


def _person(dark: Bytes, rng: np.random.Generator) -> None:
    """Head, shoulders and arms that hold a telephone; the body reaches out of the pattern."""
    head = TEXELS * rng.uniform(0.05, 0.09)
    x, y = TEXELS * rng.uniform(0.35, 0.65), TEXELS * rng.uniform(0.1, 0.5)
    stretch = rng.uniform(1.0, 1.8)
    cv2.ellipse(dark, (int(x), int(y)), (int(head * 0.8), int(head * stretch)), 0.0, 0, 360, 255, -1, cv2.LINE_AA)
    wide, low = head * rng.uniform(1.9, 2.6), y + head * stretch * 1.1
    arm = head * rng.uniform(-0.8, 0.6)  # how far up the hands are
    body = [
        [x - head * 0.35, y],
        [x + head * 0.35, y],
        [x + wide, low + head * 0.4 * stretch],
        [x + wide * 1.25, low + head * 3 * stretch],
        [x + wide * 0.8, 2 * TEXELS],
        [x - wide * 0.8, 2 * TEXELS],
        [x - wide * 1.25, low + head * 3 * stretch],
        [x - wide, low + head * 0.4 * stretch],
    ]
    _polygon(dark, np.array(body))
    if rng.random() < 0.6:
        elbow = np.array([x + wide * 1.6, low + head * 2 * stretch])
        hand = np.array([x + wide * 0.9, low - arm])
        thick = max(int(head * 0.5), 1)
        for one, two in (((x + wide, low + head), elbow), (elbow, hand)):
            cv2.line(dark, (int(one[0]), int(one[1])), (int(two[0]), int(two[1])), 255, thick, cv2.LINE_AA)
        cv2.rectangle(dark, (int(hand[0] - head * 0.5), int(hand[1] - head)), (int(hand[0]), int(hand[1])), 255, -1)


_SHAPES = dict(zip(KINDS, (_edge, _window, _leaves, _bars, _person), strict=True))
