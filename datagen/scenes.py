"""Recipes: everything about a scene, decided before anything is drawn.

A recipe is a JSON value. It names a cutout and a floor and says how they come together; the same recipe, cutout
and floor give the same picture, byte for byte.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen import blends, complexion, optics, veils
from datagen.chance import Chance
from masksmith import seeds

RECIPE_VERSION = 4


@dataclass(frozen=True)
class Style:
    """What the scenes of a dataset vary; shares and ranges are of our own choosing.

    Attributes:
        size: side of the square scene in pixels (document F: 256).
        effects: False leaves out perspective light changes, blur, noise and tone: crop, blend and shadow only.
        shadow: False leaves the shadow out of scenes without effects too: the bare paste that others are compared with.
        sheet_share: share of scenes with a sheet of paper under the foot.
        rug_share: share of scenes with a second floor, as a rug or a blanket, over part of the first.
        tint_share: share of floors in another colour than their photo's.
        empty_share: share of scenes with nothing on the floor: true negatives.
        window: smallest and largest share of the cutout's canvas that a scene shows.
        blends: (kind, weight) of the ways to join foot and floor, see :mod:`datagen.blends`.
        veil_share: share of scenes with a shadow of something that is not in the picture.
        as_is_share: share of floors shown as their photo was taken, instead of laid into the scene's perspective.
        bend_share, vignette_share, focus_share: shares of lenses that bend lines, darken corners, and blur the floor
            before and behind a place in focus.
        complexion_share: share of feet in another skin than their scan's, see :mod:`datagen.complexion`.
        grade_share: share of pictures whose white balance missed, or which were made vivid, faded or crisp afterwards.
        labels: what is written beside picture and mask, of :data:`datagen.labels.KINDS`.
        clothes: socks and shoes are classes of the mask.
    """

    size: int = 256
    effects: bool = True
    shadow: bool = True
    sheet_share: float = 0.2
    rug_share: float = 0.0
    tint_share: float = 0.0
    empty_share: float = 0.0
    window: tuple[float, float] = (0.5, 0.97)
    blends: tuple[tuple[str, float], ...] = (("alpha", 1.0),)
    veil_share: float = 0.0
    as_is_share: float = 0.0
    bend_share: float = 0.0
    vignette_share: float = 0.0
    focus_share: float = 0.0
    complexion_share: float = 0.0
    grade_share: float = 0.0
    labels: tuple[str, ...] = ()
    clothes: bool = False


VARIED = Style(
    rug_share=0.3,
    tint_share=0.6,
    empty_share=0.02,
    blends=(("alpha", 0.4), ("feather", 0.2), ("gaussian", 0.2), ("poisson", 0.1), ("motion", 0.1)),
    veil_share=0.35,
    as_is_share=0.1,
    bend_share=0.25,
    vignette_share=0.4,
    focus_share=0.2,
    complexion_share=0.7,
    grade_share=0.5,
)
"""What ``--varied`` makes."""


@dataclass(frozen=True)
class Choice:
    """A split's material: (file, number of cutouts, subject) for every foot, and the floors' ids."""

    feet: Sequence[tuple[str, int, str]]
    floors: Sequence[str]


def draw(seed: int, index: int, rank: int, choice: Choice, canvas: int, style: Style) -> dict[str, Any]:
    """The recipe of scene ``index``.

    Args:
        rank: the scene's number within its split; feet and their cutouts are dealt out in turn by it, so that each
            is used as often as the others.
        canvas: side of the cutouts in pixels.
    """
    chance = Chance(seed, "scene", index)
    turn, place = divmod(rank, len(choice.feet))
    file, cutouts, subject = choice.feet[int(_turn(seed, turn, len(choice.feet))[place])]
    recipe: dict[str, Any] = {
        "version": RECIPE_VERSION,
        "index": index,
        "size": style.size,
        "effects": style.effects,
        "shadow": style.shadow,
        "cutout": {
            "file": file,
            "index": (turn + _first(seed, subject)) % cutouts,
            "subject": subject,
        },
        "empty": chance.random() < style.empty_share,
        "floor": _floor(chance, choice, style),
        "rug": _rug(chance, choice, style),
        "window": _window(chance, canvas, style),
        "light": _light(chance),
        "sheet": _sheet(chance, style.sheet_share),
        "lens": _lens(chance, style.size),
        "jpeg_quality": 78 + chance.integers(19),
        "noise_seed": chance.integers(2**31),
        "labels": list(style.labels),
        "clothes": style.clothes,
    }
    _look(recipe, chance, style)
    if not style.effects:
        recipe["sheet"] = recipe["rug"] = recipe["floor"]["tint"] = None
        recipe["empty"], recipe["window"]["roll_deg"] = False, 0.0
        recipe["veil"], recipe["blend"], recipe["floor"]["as_is"] = None, dict(blends.ALPHA), False
        recipe["complexion"] = None
        recipe["lens"] = {"defocus_px": 0.0, "motion_px": 0.0, "motion_deg": 0.0, "noise": 0.0, **optics.CLEAR}
        recipe["light"] = {
            "lamp_share": 0.5,
            "sky_kelvin": 6500.0,
            "lamp_kelvin": 6500.0,
            "balance_kelvin": 6500.0,
            "exposure": 1.0,
            "contrast": 1.0,
            "saturation": 1.0,
        }
        recipe["jpeg_quality"] = 92
    return recipe


def _look(recipe: dict[str, Any], chance: Chance, style: Style) -> None:
    """Edges, lens and shadows of others, drawn last and always: a style without them leaves the rest as it is."""
    recipe["blend"] = blends.draw(chance, style.blends, style.size)
    recipe["veil"] = veils.draw(chance, style.veil_share)
    recipe["floor"]["as_is"] = chance.random() < style.as_is_share
    recipe["lens"] |= optics.draw(
        chance,
        style.size,
        bend_share=style.bend_share,
        vignette_share=style.vignette_share,
        focus_share=style.focus_share,
    )
    # less light, more gain: noise of the darker half of the scenes is the stronger one
    recipe["lens"]["noise"] = _round(recipe["lens"]["noise"] * recipe["light"]["exposure"] ** -0.5)
    recipe["complexion"] = complexion.draw(chance, style.complexion_share)
    _grade(recipe["light"], chance, style.grade_share)


def _grade(light: dict[str, float], chance: Chance, share: float) -> None:
    """A camera that took a pink blanket for white, and what people do to pictures before they show them."""
    graded = chance.random() < share
    missed, green = math.exp(chance.normal(0, 0.3)), math.exp(chance.normal(0, 0.06))
    saturation, contrast = chance.uniform(0.2, 1.45), chance.uniform(0.75, 1.5)
    clarity = chance.uniform(0.2, 1.2) if chance.random() < 0.4 else 0.0
    if graded:
        light["balance_kelvin"] = _round(min(max(light["balance_kelvin"] * missed, 2000), 20000))
        light["saturation"], light["contrast"] = _round(saturation), _round(contrast)
        light["green"], light["clarity"] = _round(green), _round(clarity)


@lru_cache(maxsize=4096)
def _first(seed: int, subject: str) -> int:
    """Which of its cutouts a subject begins with."""
    return seeds.integer(seed, "first", subject)


@lru_cache(maxsize=16)
def _turn(seed: int, turn: int, feet: int) -> npt.NDArray[np.int64]:
    """The order in which the feet of a split come this time round."""
    return seeds.rng(seed, "turn", turn).permutation(feet)


def floor_ids(recipe: dict[str, Any]) -> list[str]:
    """The floors that a recipe shows, each once."""
    rug = recipe["rug"]
    return list(dict.fromkeys([recipe["floor"]["id"], *([rug["floor"]["id"]] if rug else [])]))


def _floor(chance: Chance, choice: Choice, style: Style) -> dict[str, Any]:
    return {
        "id": choice.floors[chance.integers(len(choice.floors))],
        "yaw_deg": _round(chance.uniform(0, 360)),
        "offset_m": [_round(chance.uniform(-3, 3)), _round(chance.uniform(-3, 3))],
        "scale": _round(chance.log_uniform(0.7, 1.6)),
        "tint": _tint(chance, style.tint_share),
    }


def _tint(chance: Chance, share: float) -> list[float] | None:
    """The mean colour (linear RGB) that a floor is brought to: any, or a skin's, which no net may take for a foot."""
    wanted, like_skin = chance.random() < share, chance.random() < 0.35
    value = chance.uniform(0.04, 0.85)
    hue, saturation = chance.uniform(0, 6), chance.uniform(0, 1) ** 1.5
    wheel = [min(max(abs((hue + turn) % 6 - 3) - 1, 0.0), 1.0) for turn in (0.0, 4.0, 2.0)]
    colour = [value * (1 - saturation * (1 - share)) for share in wheel]
    if like_skin:
        colour = [value, value * chance.uniform(0.42, 0.75), value * chance.uniform(0.3, 0.7)]
    return [_round(channel) for channel in colour] if wanted else None


def _rug(chance: Chance, choice: Choice, style: Style) -> dict[str, Any] | None:
    """A rug, towel or blanket: another floor's picture on a rectangle of floor, flat or in folds."""
    wanted = chance.random() < style.rug_share
    rug = {
        "floor": _floor(chance, choice, style),
        "sides_m": [_round(chance.uniform(0.25, 2.5)), _round(chance.uniform(0.25, 2.5))],
        "yaw_deg": _round(chance.uniform(0, 180)),
        "centre_m": [_round(chance.normal(0, 0.35)), _round(chance.normal(0, 0.35))],
        "folds": _round(chance.uniform(0.1, 0.5) if chance.random() < 0.5 else 0.0),
    }
    return rug if wanted else None


def _round(value: float) -> float:
    return round(value, 5)


def _window(chance: Chance, canvas: int, style: Style) -> dict[str, Any]:
    """A square view that stays inside the canvas, so that a leg which the canvas cuts is cut by the frame too."""
    side = canvas * chance.uniform(*style.window)
    roll = min(max(chance.normal(0, 2.5), -6.0), 6.0)
    need = side / 2 * (math.cos(math.radians(abs(roll))) + math.sin(math.radians(abs(roll))))
    if need > canvas / 2 - 1:
        side *= (canvas / 2 - 1) / need
        need = canvas / 2 - 1
    room = canvas / 2 - 1 - need
    shift = [min(max(chance.normal(0, 0.11 * side), -room), room) for _ in range(2)]
    middle = (canvas - 1) / 2
    return {
        "centre_px": [_round(middle + shift[0]), _round(middle + shift[1])],
        "side_px": _round(side),
        "roll_deg": _round(roll),
    }


def _light(chance: Chance) -> dict[str, float]:
    lamp_kelvin, sky_kelvin = chance.log_uniform(2700, 6800), chance.log_uniform(3800, 8500)
    # a camera finds most of the cast and leaves some of it
    mean = lamp_kelvin**0.5 * sky_kelvin**0.5
    return {
        "lamp_share": _round(chance.uniform(0.15, 0.8)),
        "sky_kelvin": _round(sky_kelvin),
        "lamp_kelvin": _round(lamp_kelvin),
        "balance_kelvin": _round(mean * math.exp(chance.normal(0, 0.12))),
        "exposure": _round(math.exp(chance.normal(0.05, 0.28))),
        "contrast": _round(chance.uniform(0.85, 1.2)),
        "saturation": _round(chance.uniform(0.75, 1.2)),
    }


def _sheet(chance: Chance, share: float) -> dict[str, Any] | None:
    """A sheet of paper (A4, letter, A3) under or beside the foot, as people use it for scale."""
    wanted = chance.random() < share
    sides = ((0.21, 0.297), (0.216, 0.279), (0.297, 0.42))[chance.integers(3)]
    sheet = {
        "sides_m": list(sides),
        "yaw_deg": _round(chance.normal(0, 25) + (90 if chance.random() < 0.3 else 0)),
        "centre_m": [_round(chance.normal(0, 0.05)), _round(chance.normal(0, 0.06))],
        "white": _round(chance.uniform(0.72, 0.93)),
    }
    return sheet if wanted else None


def _lens(chance: Chance, size: int) -> dict[str, float]:
    unit = size / 256
    blurred, moved = chance.random() < 0.45, chance.random() < 0.15
    return {
        "defocus_px": _round(chance.log_uniform(0.35, 1.5) * unit if blurred else 0.0),
        "motion_px": _round(chance.uniform(1.5, 7) * unit if moved else 0.0),
        "motion_deg": _round(chance.uniform(0, 180)),
        "noise": _round(chance.log_uniform(0.001, 0.03)),
    }
