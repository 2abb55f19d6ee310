"""How feet are held: standing flat or on tiptoe, one ahead of the other, lying with the sole towards who looks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datagen import gestures, surface
from datagen.clothing import Outfit
from datagen.foot import Foot
from datagen.gestures import Pose
from datagen.surface import Surface
from datagen.trousers import Trousers

LYING = ("back", "front", "side")  # the leg lies on its back, its front, or a side
_LEG_M = 1.05  # a lying leg is seen along its length


@dataclass(frozen=True)
class Stance:
    """Feet, ready to be lit.

    Attributes:
        body: their surface, around the origin.
        sides: ``left`` and ``right`` of its feet, in the order of their pieces.
        kind: ``standing``, or one of :data:`LYING`.
        sole_deg: azimuth that the soles look to, for what lies.
        owner_deg: azimuth at which the owner's eyes are.
        mate_m: (x, z) of a second person's feet, those of the first as far from the origin on its other side; None
            where there is no second person.
    """

    body: Surface
    sides: list[str]
    kind: str = "standing"
    sole_deg: float = 0.0
    owner_deg: float = 180.0
    mate_m: tuple[float, float] | None = None


def standing(
    foot: Foot,
    rng: np.random.Generator,
    own: bool,
    trousers: Trousers | None,
    outfits: tuple[Outfit, Outfit],
    posed: bool = True,
) -> Stance:
    """One foot or two on the floor: flat, toes up, a heel up, on tiptoe, side by side or in step.

    Args:
        posed: False: always flat.
    """
    lean = (float(rng.normal(0, 0.1)), float(rng.uniform(-0.85, -0.1) if own else rng.normal(-0.03, 0.2)))
    pair, mirror = rng.random() < 0.55, rng.random() < 0.5
    free = posed and all(outfit.shoe is None for outfit in outfits)
    tiptoe = rng.random() < 0.12
    poses = []
    for _ in range(2):
        toes = float(rng.uniform(5, 35)) if rng.random() < 0.2 else 0.0
        heel = float(rng.uniform(30, 62)) if tiptoe else (float(rng.uniform(6, 40)) if rng.random() < 0.15 else 0.0)
        poses.append(Pose(toes, heel) if free else Pose())
    shapes = [surface.from_foot(foot, rng, lean, trousers, outfits[0])]
    if pair:
        other = shapes[0] if outfits[1] == outfits[0] else surface.from_foot(foot, rng, lean, trousers, outfits[1])
        shapes.append(other)
    shapes = [gestures.moved(made, pose) for made, pose in zip(shapes, poses, strict=False)]
    far = "right" if foot.side == "left" else "left"
    if not pair:
        return Stance(surface.mirrored(shapes[0]), [far]) if mirror else Stance(shapes[0], [foot.side])
    apart, turn = rng.uniform(0.05, 0.17), rng.normal(0.12, 0.16, 2)
    ahead = rng.normal(0, 0.03) if rng.random() < 0.7 else rng.uniform(0.1, 0.3) * rng.choice([-1, 1])
    out = 1 if foot.side == "left" else -1
    first = surface.placed(shapes[0], out * turn[0], out * apart, -ahead / 2)
    second = surface.placed(surface.mirrored(shapes[1]), -out * turn[1], -out * apart, ahead / 2)
    return Stance(surface.joined(first, second), [foot.side, far])


def lying(
    foot: Foot, rng: np.random.Generator, trousers: Trousers | None, outfit: Outfit, kind: str | None = None
) -> Stance:
    """One leg or both on a floor or a bed, soles in sight: on the back, on the front, or a foot on its side.

    Args:
        kind: of :data:`LYING`; None draws one.
    """
    any_kind = LYING[int(rng.choice(3, p=[0.45, 0.35, 0.2]))]
    kind = kind or any_kind
    lean = (float(rng.normal(0, 0.05)), 0.0)
    pitch = {"back": rng.uniform(0, 35), "front": rng.uniform(15, 60), "side": rng.uniform(0, 40)}[kind]
    toes = float(rng.uniform(0, 25)) if rng.random() < 0.25 else 0.0
    outfit = replace(outfit, shoe=None)
    shape = gestures.moved(surface.from_foot(foot, rng, lean, trousers, outfit, _LEG_M), Pose(toes, float(pitch)))
    pair = rng.random() < 0.5 and kind != "side"
    far = "right" if foot.side == "left" else "left"
    both = [(shape, foot.side), (surface.mirrored(shape), far)]
    chosen = both if pair else [both[int(rng.integers(2))]]
    parts = []
    for made, side in chosen:
        out = 1 if side == "left" else -1
        made = surface.placed(made, out * float(rng.normal(0.25, 0.3)), 0.0, 0.0)
        if kind == "side":
            laid = _rolled(made, 2, out * -float(rng.uniform(60, 88)))
        else:
            tip = float(rng.uniform(58, 92))
            laid = _rolled(made, 0, -tip if kind == "back" else tip + 8)
        laid = _settled(laid, made)
        parts.append(surface.placed(laid, float(rng.normal(0, 0.12)), out * float(rng.uniform(0.06, 0.14)) * pair, 0.0))
    body = parts[0] if len(parts) == 1 else surface.joined(parts[0], parts[1])
    sole = {"back": 0.0, "front": 180.0, "side": 0.0}[kind]
    if kind == "side":
        sole = 90.0 if chosen[0][1] == "left" else 270.0
    return Stance(body, [side for _, side in chosen], kind, sole, (sole + 180) % 360)


def _rolled(made: Surface, axis: int, angle_deg: float) -> Surface:
    """Turned about x (axis 0; above 0 what is up goes ahead) or z (axis 2; above 0 what is up goes to +x)."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]] if axis == 0 else [[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32)
    return replace(made, vertices=made.vertices @ turn.T, normals=made.normals @ turn.T)


def _settled(made: Surface, before: Surface) -> Surface:
    """Down on the floor, a little pressed into it, the foot over the origin."""
    at = made.vertices.astype(np.float64)
    low = before.vertices[:, 1] < 0.09
    middle = (at[low].min(axis=0) + at[low].max(axis=0)) / 2
    # the foot rests, and what of the leg is lower sinks in
    at -= np.array([middle[0], at[low, 1].min() + 0.004, middle[2]])
    at[:, 1] = np.maximum(at[:, 1], 0.0)
    normals = surface.vertex_normals(at, made.faces).astype(np.float32)
    return replace(made, vertices=at.astype(np.float32), normals=normals)
