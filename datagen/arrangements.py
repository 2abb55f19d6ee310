"""One setting of a foot, drawn: what it wears, how it is held, what lies beside it, and from where it is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from datagen import cloth, clothing, clutter, company, stances, trousers, viewpoints
from datagen.cameras import Camera
from datagen.clothing import BARE, Outfit
from datagen.foot import Foot
from datagen.rigs import Rig
from datagen.stances import Stance

EMPTY = "empty"  # the kind of an arrangement without feet


def draw(
    foot: Foot,
    rng: np.random.Generator,
    rig: Rig,
    own: bool,
    mate: tuple[Foot, np.random.Generator] | None = None,
) -> Stance:
    """The feet of one person or two, dressed, posed and surrounded; or things without feet.

    Args:
        mate: a foot of the second person, and what decides how that person stands; ``mate_m`` of the stance says
            whether there was room.
    """
    things = int(rng.integers(1, 5)) if rng.random() < rig.clutter_share else 0
    on_cloth = rng.random() < rig.blanket_share
    if rng.random() < rig.objects_share:
        body = clutter.beside(None, rng, max(things, 2))
        if on_cloth or body is None:
            body = clutter.upon_cloth(body, rng)
        return Stance(body, [], EMPTY)
    sole, posed = rng.random() < rig.sole_share, rng.random() < rig.pose_share
    stance = _person(foot, rng, rig, own, posed, sole and posed)
    if sole and posed:
        on_cloth = on_cloth or rng.random() < 0.35  # beds
    if mate is not None:
        theirs, lies = mate[1], stance.kind != "standing"
        second = _person(*mate, rig, False, theirs.random() < rig.pose_share, lies, stance.kind if lies else None)
        stance = company.joined(stance, second, theirs) or stance
    if on_cloth:
        stance = replace(stance, body=clutter.upon_cloth(stance.body, rng))
    if things:
        body = clutter.beside(stance.body, rng, things)
        stance = stance if body is None else replace(stance, body=body)
    return stance


def _person(
    foot: Foot, rng: np.random.Generator, rig: Rig, own: bool, posed: bool, lies: bool, kind: str | None = None
) -> Stance:
    """The feet of one person, dressed and posed; ``kind`` of lying, None for any."""
    outfits = _outfits(rng, rig)
    worn = trousers.draw_legwear(rng, 0.0 if outfits[0].shoe is None else 0.013)
    worn_here = worn if rng.random() < rig.trousers_share else None
    if lies:
        return stances.lying(foot, rng, worn_here, outfits[0], kind)
    return stances.standing(foot, rng, own, worn_here, outfits, posed)


def view(rng: np.random.Generator, size: int, stance: Stance, own: bool) -> Camera:
    """A camera that may suit the arrangement."""
    return viewpoints.draw(rng, size, stance, own)


def _outfits(rng: np.random.Generator, rig: Rig) -> tuple[Outfit, Outfit]:
    """Of both feet; now and then one of them is bare."""
    polish = cloth.any_colour(rng, 0.25)
    first = clothing.draw(rng)
    if rng.random() >= rig.clothes_share:
        first = BARE
    second = BARE if rng.random() < 0.12 else first
    if rng.random() < rig.polish_share:
        first, second = (each if each.sock else replace(each, polish=polish) for each in (first, second))
    return (first, second) if rng.random() < 0.5 else (second, first)
