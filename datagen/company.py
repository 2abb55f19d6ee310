"""Company: a second person beside the first, so that a picture holds up to four feet of two people.

Both are of one split, and the record names both: whoever splits or audits by subject holds the second apart, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from datagen import surface
from datagen.rigs import Rig
from datagen.shape import Floats
from datagen.stances import Stance
from datagen.surface import Surface
from masksmith import seeds

if TYPE_CHECKING:
    from datagen.bank import Source

NEAREST_M, FARTHEST_M = 0.3, 0.7  # from the middle of one person's feet to that of the other's
_FACING_SHARE = 0.45
_WIDER_M, _STEPS = 0.05, 4  # further away where they would run into each other
_TRIES = 6
_CELL_M = 0.03  # finer than a foot is wide, coarser than the meshes are


def drawn(source: Source, found: Sequence[Source], splits: Mapping[str, str], rig: Rig, seed: int) -> dict[int, Source]:
    """Who comes to stand beside ``source``, for those settings in which somebody does.

    Only a foot of another subject of the same split comes. What is drawn depends on the seed, the foot, and who is in
    its split; not on the order of ``found``. A scanner takes one person at a time, and photos show no one else.

    Args:
        found: all feet of the dataset.
        splits: subject to split; a subject that is not there has no company.
    """
    if source.photos or rig.scanner or source.subject not in splits or not rig.company_share:
        return {}
    split = splits[source.subject]
    others = [each for each in found if each.subject != source.subject and splits.get(each.subject) == split]
    others = sorted((each for each in others if not each.photos), key=lambda each: (each.subject, each.sha256))
    chosen = {}
    for setting in range(rig.settings if others else 0):
        rng = seeds.rng(seed, "company", source.subject, source.sha256[:16], setting)
        if rng.random() < rig.company_share:
            chosen[setting] = others[int(rng.integers(len(others)))]
    return chosen


def joined(first: Stance, second: Stance, rng: np.random.Generator) -> Stance | None:
    """Both as one surface, the second beside the first or facing it; None where no place is free.

    The pieces of the second are counted on from those of the first. Who lies has company that lies alongside.
    """
    lying = first.kind != "standing"
    taken = _cells(first.body.vertices)
    here, there = (np.zeros(2), np.zeros(2)) if lying else (_middle(first.body), _middle(second.body))
    for _ in range(_TRIES):
        way_m, side = rng.uniform(NEAREST_M, FARTHEST_M), rng.choice([-90.0, 90.0])
        facing = not lying and rng.random() < _FACING_SHARE
        if lying:
            way_deg, yaw_deg = first.sole_deg + side, first.sole_deg - second.sole_deg + rng.normal(0, 6)
        else:
            way_deg = rng.normal(0, 18) if facing else side + rng.normal(0, 18)
            yaw_deg = (180.0 if facing else 0.0) + rng.normal(0, 18)
        direction = np.array([np.sin(np.radians(way_deg)), np.cos(np.radians(way_deg))])
        turned = surface.placed(surface.placed(second.body, 0.0, -there[0], -there[1]), np.radians(yaw_deg), 0.0, 0.0)
        for step in range(_STEPS):
            at = here + direction * (way_m + step * _WIDER_M)
            body = surface.placed(turned, 0.0, float(at[0]), float(at[1]))
            if not len(np.intersect1d(taken, _cells(body.vertices))):
                both = surface.joined(first.body, body)
                # their middle over the origin: light and shadow on the floor are cast a little way around it
                middle = (here + at) / 2
                both = surface.placed(both, 0.0, -float(middle[0]), -float(middle[1]))
                mate_m = (float(at[0] - here[0]) / 2, float(at[1] - here[1]) / 2)
                return replace(first, body=both, sides=[*first.sides, *second.sides], mate_m=mate_m)
    return None


def _middle(body: Surface) -> npt.NDArray[np.float64]:
    """(x, z) of the feet, without the legs that lean away from them."""
    low = body.vertices[body.vertices[:, 1] < 0.1][:, [0, 2]]
    return np.asarray((low.min(axis=0) + low.max(axis=0)) / 2, np.float64)


def _cells(vertices: Floats | npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """The cells of space that hold a vertex, each as one number."""
    at = np.floor(np.asarray(vertices, np.float64) / _CELL_M).astype(np.int64) + 512
    return np.unique((at[:, 0] * 1024 + at[:, 1]) * 1024 + at[:, 2])
