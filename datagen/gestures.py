"""Moving feet: toes that lift, a heel that rises, a forefoot that taps, a turn on the heel, a step.

A foot is moved by three bones, toes, foot and shank, whose turns are blended softly where they meet (linear blend
skinning): the leg follows the ankle and stays upright, as a standing person's does. Everything is a function of time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen import surface
from datagen.paths import gently
from datagen.surface import Surface
from masksmith.errors import unknown_choice

Floats = npt.NDArray[np.float64]

KINDS = ("still", "toes", "heel", "tap", "turn", "step")
_LOW_M = 0.08  # what is below is foot
_TOES_AT = 0.72  # of the foot's length from the heel: the line of the toes' joints
_ANKLE_AT = 0.24
_BLEND_M = 0.03
_SOFT_M = 0.0015


@dataclass(frozen=True)
class Pose:
    """How far a foot is from standing flat, in its own frame (toes along +z).

    Attributes:
        toes_deg: the toes' turn upwards, against the floor.
        pitch_deg: the foot's turn about its joints: above 0 the heel is up, below 0 the forefoot.
        yaw_deg: turn on the heel about the vertical axis, from +z to +x.
        ahead_m, up_m: travel along the floor and above it.
    """

    toes_deg: float = 0.0
    pitch_deg: float = 0.0
    yaw_deg: float = 0.0
    ahead_m: float = 0.0
    up_m: float = 0.0


@dataclass(frozen=True)
class Gesture:
    """A movement over time.

    Attributes:
        kind: one of :data:`KINDS`.
        amount: degrees; metres for a step. A negative step goes back.
        start_s: when it begins; before it the foot stands.
        seconds: how long it takes there and back; there only for a step, which is not taken back.
        repeat: it begins again when it is over; not for a step.
    """

    kind: str = "still"
    amount: float = 0.0
    start_s: float = 0.0
    seconds: float = 1.0
    repeat: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_choice("gesture", self.kind, KINDS)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def pose(self, time_s: float) -> Pose:
        """Where the foot is at a time."""
        share = (time_s - self.start_s) / self.seconds
        if self.kind == "still" or share <= 0:
            return Pose()
        if self.kind == "step":
            way = gently(share)
            pitch = 16 * np.sin(np.pi * way) ** 2 * np.cos(np.pi * way)  # heel first off, heel first on the floor
            up = 0.22 * abs(self.amount) * np.sin(np.pi * way) ** 2
            pitch = float(np.sign(self.amount) * pitch)
            return Pose(max(-pitch, 0.0), pitch, ahead_m=self.amount * way, up_m=float(up))
        if share >= 1 and not self.repeat:
            return Pose()
        there = self.amount * (1 - float(np.cos(2 * np.pi * share))) / 2
        if self.kind == "toes":
            return Pose(toes_deg=there)
        if self.kind == "heel":
            return Pose(pitch_deg=there)
        if self.kind == "tap":
            return Pose(pitch_deg=-there, toes_deg=there)
        return Pose(yaw_deg=there)


def draw_gesture(rng: np.random.Generator, seconds: float, kinds: tuple[str, ...] = KINDS) -> Gesture:
    """A gesture that shows within a clip of ``seconds``."""
    kind = kinds[int(rng.integers(len(kinds)))]
    reach = {
        "still": 0.0,
        "toes": rng.uniform(12, 38),
        "heel": rng.uniform(8, 30),
        "tap": rng.uniform(6, 18),
        "turn": rng.uniform(8, 28) * rng.choice([-1, 1]),
        "step": rng.uniform(0.08, 0.22) * rng.choice([-1, 1]),
    }[kind]
    takes = rng.uniform(0.5, 0.9) if kind == "step" else rng.uniform(0.8, 1.8)
    start = rng.uniform(0, 0.35 * seconds)
    return Gesture(kind, round(float(reach), 4), round(float(start), 4), round(float(takes), 4))


def moved(body: Surface, pose: Pose) -> Surface:
    """A standing foot (:func:`datagen.surface.from_foot`, its own frame) in another pose; never below the floor."""
    if pose == Pose():
        return body
    at = body.vertices.astype(np.float64)
    low = at[at[:, 1] < _LOW_M, 2]
    heel, length = float(low.min()), float(np.ptp(low))
    joint = np.array([0.0, 0.012, heel + _TOES_AT * length])
    pivot = joint if pose.pitch_deg >= 0 else np.array([0.0, 0.0, heel + 0.1 * length])
    ankle = np.array([0.0, 0.07, heel + _ANKLE_AT * length])
    foot = _pitched(at, pivot, pose.pitch_deg)
    shank = at + (_pitched(ankle[None], pivot, pose.pitch_deg) - ankle)
    toes = _pitched(at, joint, -pose.toes_deg) + (_pitched(joint[None], pivot, pose.pitch_deg) - joint)
    leg = _between(at[:, 1], 0.055, 0.15)[:, None]
    front = _between(at[:, 2], joint[2] - _BLEND_M / 2, joint[2] + _BLEND_M)[:, None] * (1 - leg)
    at = front * toes + (1 - front) * (leg * shank + (1 - leg) * foot)
    if pose.yaw_deg:
        c, s = np.cos(np.radians(pose.yaw_deg)), np.sin(np.radians(pose.yaw_deg))
        x, z = at[:, 0].copy(), at[:, 2] - heel
        at[:, 0], at[:, 2] = c * x + s * z, -s * x + c * z + heel
    # the sole gives way a little before it lifts the foot, as in datagen.surface
    at[:, 1] = np.maximum(at[:, 1] + max(-float(at[:, 1].min()) - _SOFT_M, 0.0), 0.0) + pose.up_m
    at[:, 2] += pose.ahead_m
    normals = surface.vertex_normals(at, body.faces).astype(np.float32)
    return replace(body, vertices=at.astype(np.float32), normals=normals)


def _pitched(points: Floats, pivot: Floats, angle_deg: float) -> Floats:
    """Points turned about an axis along x through ``pivot``; above 0 what is ahead goes down."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    out = points - pivot
    y, z = out[:, 1].copy(), out[:, 2].copy()
    out[:, 1], out[:, 2] = c * y - s * z, s * y + c * z
    return np.asarray(out + pivot)


def _between(values: Floats, start: float, end: float) -> Floats:
    part = np.clip((values - start) / (end - start), 0, 1)
    return np.asarray(part * part * (3 - 2 * part))
