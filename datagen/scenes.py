"""Recipes: everything about a scene, decided before anything is drawn.

A recipe is a JSON value. It names a cutout and a floor and says how they come together; the same recipe, cutout
and floor give the same picture, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen import blends, complexion, optics, veils
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
    rng = seeds.rng(seed, "scene", index)
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
            "index": int((turn + seeds.integer(seed, "first", subject)) % cutouts),
            "subject": subject,
        },
        "empty": bool(rng.random() < style.empty_share),
        "floor": _floor(rng, choice, style),
        "rug": _rug(rng, choice, style),
        "window": _window(rng, canvas, style),
        "light": _light(rng),
        "sheet": _sheet(rng, style.sheet_share),
        "lens": _lens(rng, style.size),
        "jpeg_quality": int(rng.integers(78, 97)),
        "noise_seed": int(rng.integers(2**31)),
        "labels": list(style.labels),
        "clothes": style.clothes,
    }
    _look(recipe, seeds.rng(seed, "look", index), style)
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


def _look(recipe: dict[str, Any], rng: np.random.Generator, style: Style) -> None:
    """Edges, lens and shadows of others, by a chance of their own: a style without them leaves the rest as it is."""
    recipe["blend"] = blends.draw(rng, style.blends, style.size)
    recipe["veil"] = veils.draw(rng, style.veil_share)
    recipe["floor"]["as_is"] = bool(rng.random() < style.as_is_share)
    recipe["lens"] |= optics.draw(
        rng,
        style.size,
        bend_share=style.bend_share,
        vignette_share=style.vignette_share,
        focus_share=style.focus_share,
    )
    # less light, more gain: noise of the darker half of the scenes is the stronger one
    recipe["lens"]["noise"] = _round(recipe["lens"]["noise"] * recipe["light"]["exposure"] ** -0.5)
    recipe["complexion"] = complexion.draw(rng, style.complexion_share)
    _grade(recipe["light"], rng, style.grade_share)


def _grade(light: dict[str, float], rng: np.random.Generator, share: float) -> None:
    """A camera that took a pink blanket for white, and what people do to pictures before they show them."""
    graded = rng.random() < share
    missed, green = np.exp(rng.normal(0, 0.3)), np.exp(rng.normal(0, 0.06))
    saturation, contrast = rng.uniform(0.2, 1.45), rng.uniform(0.75, 1.5)
    clarity = rng.uniform(0.2, 1.2) if rng.random() < 0.4 else 0.0
    if graded:
        light["balance_kelvin"] = _round(np.clip(light["balance_kelvin"] * missed, 2000, 20000))
        light["saturation"], light["contrast"] = _round(saturation), _round(contrast)
        light["green"], light["clarity"] = _round(green), _round(clarity)


@lru_cache(maxsize=16)
def _turn(seed: int, turn: int, feet: int) -> npt.NDArray[np.int64]:
    """The order in which the feet of a split come this time round."""
    return seeds.rng(seed, "turn", turn).permutation(feet)


def floor_ids(recipe: dict[str, Any]) -> list[str]:
    """The floors that a recipe shows, each once."""
    rug = recipe["rug"]
    return list(dict.fromkeys([recipe["floor"]["id"], *([rug["floor"]["id"]] if rug else [])]))


def _floor(rng: np.random.Generator, choice: Choice, style: Style) -> dict[str, Any]:
    return {
        "id": choice.floors[int(rng.integers(len(choice.floors)))],
        "yaw_deg": _round(rng.uniform(0, 360)),
        "offset_m": [_round(rng.uniform(-3, 3)), _round(rng.uniform(-3, 3))],
        "scale": _round(float(np.exp(rng.uniform(np.log(0.7), np.log(1.6))))),
        "tint": _tint(rng, style.tint_share),
    }


def _tint(rng: np.random.Generator, share: float) -> list[float] | None:
    """The mean colour (linear RGB) that a floor is brought to: any, or a skin's, which no net may take for a foot."""
    wanted, like_skin = rng.random() < share, rng.random() < 0.35
    value = rng.uniform(0.04, 0.85)
    hue, saturation = rng.uniform(0, 6), rng.uniform(0, 1) ** 1.5
    wheel = np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    colour = value * (1 - saturation * (1 - wheel))
    if like_skin:
        colour = value * np.array([1.0, rng.uniform(0.42, 0.75), rng.uniform(0.3, 0.7)])
    return [_round(channel) for channel in colour] if wanted else None


def _rug(rng: np.random.Generator, choice: Choice, style: Style) -> dict[str, Any] | None:
    """A rug, towel or blanket: another floor's picture on a rectangle of floor, flat or in folds."""
    wanted = rng.random() < style.rug_share
    rug = {
        "floor": _floor(rng, choice, style),
        "sides_m": [_round(rng.uniform(0.25, 2.5)), _round(rng.uniform(0.25, 2.5))],
        "yaw_deg": _round(rng.uniform(0, 180)),
        "centre_m": [_round(rng.normal(0, 0.35)), _round(rng.normal(0, 0.35))],
        "folds": _round(rng.uniform(0.1, 0.5) if rng.random() < 0.5 else 0.0),
    }
    return rug if wanted else None


def _round(value: float) -> float:
    return round(float(value), 5)


def _window(rng: np.random.Generator, canvas: int, style: Style) -> dict[str, Any]:
    """A square view that stays inside the canvas, so that a leg which the canvas cuts is cut by the frame too."""
    side = canvas * rng.uniform(*style.window)
    roll = float(np.clip(rng.normal(0, 2.5), -6, 6))
    need = side / 2 * (np.cos(np.radians(abs(roll))) + np.sin(np.radians(abs(roll))))
    if need > canvas / 2 - 1:
        side *= (canvas / 2 - 1) / need
        need = canvas / 2 - 1
    room = canvas / 2 - 1 - need
    shift = np.clip(rng.normal(0, 0.11 * side, 2), -room, room)
    middle = (canvas - 1) / 2
    return {
        "centre_px": [_round(middle + shift[0]), _round(middle + shift[1])],
        "side_px": _round(side),
        "roll_deg": _round(roll),
    }


def _light(rng: np.random.Generator) -> dict[str, float]:
    lamp_kelvin = float(np.exp(rng.uniform(np.log(2700), np.log(6800))))
    sky_kelvin = float(np.exp(rng.uniform(np.log(3800), np.log(8500))))
    # a camera finds most of the cast and leaves some of it
    mean = lamp_kelvin**0.5 * sky_kelvin**0.5
    return {
        "lamp_share": _round(rng.uniform(0.15, 0.8)),
        "sky_kelvin": _round(sky_kelvin),
        "lamp_kelvin": _round(lamp_kelvin),
        "balance_kelvin": _round(mean * np.exp(rng.normal(0, 0.12))),
        "exposure": _round(np.exp(rng.normal(0.05, 0.28))),
        "contrast": _round(rng.uniform(0.85, 1.2)),
        "saturation": _round(rng.uniform(0.75, 1.2)),
    }


def _sheet(rng: np.random.Generator, share: float) -> dict[str, Any] | None:
    """A sheet of paper (A4, letter, A3) under or beside the foot, as people use it for scale."""
    wanted = rng.random() < share
    sides = ((0.21, 0.297), (0.216, 0.279), (0.297, 0.42))[int(rng.integers(3))]
    sheet = {
        "sides_m": list(sides),
        "yaw_deg": _round(rng.normal(0, 25) + (90 if rng.random() < 0.3 else 0)),
        "centre_m": [_round(rng.normal(0, 0.05)), _round(rng.normal(0, 0.06))],
        "white": _round(rng.uniform(0.72, 0.93)),
    }
    return sheet if wanted else None


def _lens(rng: np.random.Generator, size: int) -> dict[str, float]:
    unit = size / 256
    blurred, moved = rng.random() < 0.45, rng.random() < 0.15
    return {
        "defocus_px": _round(float(np.exp(rng.uniform(np.log(0.35), np.log(1.5)))) * unit if blurred else 0.0),
        "motion_px": _round(rng.uniform(1.5, 7) * unit if moved else 0.0),
        "motion_deg": _round(rng.uniform(0, 180)),
        "noise": _round(float(np.exp(rng.uniform(np.log(0.001), np.log(0.03))))),
    }
