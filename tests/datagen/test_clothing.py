from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import arrangements, clothing, leg, nails, objects, stances, surface, trousers, viewpoints
from datagen.cloth import PATTERNS, Cloth
from datagen.clothing import Outfit, Shoe, Sock
from datagen.foot import Foot
from datagen.rigs import Rig, varied
from datagen.shape import SHOE, SKIN, SOCK, Shape
from tests.datagen.shapes import left_foot

RED = Cloth((0.8, 0.1, 0.1))


@lru_cache(maxsize=1)
def standing() -> Shape:
    vertices, faces = left_foot()
    colours = np.full((len(vertices), 3), 0.6)
    return leg.lengthened(np.asarray(vertices, float), np.asarray(faces, np.int64), colours, np.random.default_rng(0))


def bare_foot() -> Foot:
    vertices, faces = left_foot()
    colours = np.full((len(vertices), 3), 160, np.uint8)
    return Foot(
        "T", "left", vertices.astype(np.float32), faces.astype(np.int32), "test", "CC0-1.0", "", colours=colours
    )


def worn(outfit: Outfit) -> Shape:
    return clothing.dressed(standing(), outfit, "left", np.random.default_rng(0))


def test_a_sock_covers_the_foot_up_to_its_edge_and_leaves_the_leg() -> None:
    made = worn(Outfit(sock=Sock(0.16, RED)))
    sock, skin = made.vertices[made.part == SOCK], made.vertices[made.part == SKIN]
    assert skin[:, 1].min() > 0.12
    assert abs(sock[:, 1].max() - 0.16) < 0.02
    assert sock[:, 1].min() >= 0
    assert np.ptp(sock[:, 2]) > np.ptp(standing().vertices[standing().vertices[:, 1] < 0.08, 2])
    assert made.colours[made.part == SOCK][:, 0].mean() > 0.6


def test_a_closed_shoe_hides_the_toes_and_lifts_the_foot_by_its_sole() -> None:
    made = worn(Outfit(shoe=Shoe("closed", RED, (0.9, 0.9, 0.9), 0.025)))
    assert (made.part == SHOE).any()
    skin = made.vertices[made.part == SKIN]
    toes = standing().vertices[:, 2].max() - 0.03
    assert not (skin[:, 2] > toes).any()
    assert made.vertices[:, 1].max() > standing().vertices[:, 1].max() + 0.015
    assert made.vertices[:, 1].min() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", ["sandal", "slide", "flip-flop"])
def test_open_shoes_leave_all_skin_where_it_is(kind: str) -> None:
    made = worn(Outfit(shoe=Shoe(kind, RED, (0.5, 0.4, 0.3), 0.02)))
    assert np.count_nonzero(made.part == SKIN) == len(standing().vertices)
    straps = made.vertices[(made.part == SHOE) & (made.colours[:, 0] > 2.5 * made.colours[:, 2])]
    assert len(straps) > 50
    assert straps[:, 1].max() > 0.04


@given(seed=st.integers(0, 400))
@settings(max_examples=12, deadline=None)
def test_whatever_is_drawn_can_be_worn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = clothing.dressed(standing(), clothing.draw(rng), "left", rng)
    assert np.isfinite(made.vertices).all() and np.isfinite(made.colours).all()
    assert made.faces.max() < len(made.vertices)
    assert set(np.unique(made.part)) & {SOCK, SHOE}
    assert made.vertices[:, 1].min() > -0.005
    assert len(made.top)  # the leg's end is still known


def test_polish_changes_nails_and_nothing_else() -> None:
    foot = standing()
    painted = nails.polished(foot, "left", (0.0, 0.0, 1.0))
    changed = np.flatnonzero(np.abs(painted.colours - foot.colours).max(axis=1) > 0.1)
    assert len(changed) > 0
    assert np.array_equal(painted.vertices, foot.vertices)
    assert foot.vertices[changed, 2].min() > 0.03
    assert foot.vertices[changed, 1].min() > 0.005


def test_legwear_is_another_part_and_follows_its_cloth() -> None:
    wear = trousers.Legwear(0.15, 0.02, (0, 0, 0), 0.0, RED)
    made = trousers.put_on(standing(), wear, np.random.default_rng(0))
    cloth = made.part == 0
    assert cloth.any()
    assert made.colours[cloth, 0].mean() > 4 * made.colours[cloth, 1].mean()
    assert made.vertices[cloth, 1].min() > 0.13


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_stays_between_its_two_colours(pattern: str) -> None:
    stuff = Cloth((0.2, 0.2, 0.2), (0.8, 0.8, 0.8), pattern, 0.05)
    places = np.random.default_rng(1).uniform(-1, 1, (500, 2))
    paint = stuff.paint(places, np.random.default_rng(0))
    assert paint.shape == (500, 3)
    assert paint.min() > 0.1 and paint.max() < 0.95
    if pattern not in ("plain", "heather"):
        assert np.ptp(paint) > 0.3


@pytest.mark.parametrize("maker", [maker for maker, _ in objects.MAKERS])
def test_things_are_light_stand_on_the_floor_and_are_wound_outwards(maker) -> None:  # type: ignore[no-untyped-def]
    made = maker(np.random.default_rng(3))
    assert len(made.faces) < 8000
    assert -1e-6 <= made.vertices[:, 1].min() < 0.01
    assert (made.part == 0).all()
    if maker is objects._towel:
        up = surface.vertex_normals(made.vertices, made.faces)[:, 1]
        assert up.mean() > 0.3
        return
    a, b, c = made.vertices[made.faces].transpose(1, 0, 2)
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0  # the volume that the triangles enclose


def test_things_stand_beside_the_foot_and_belong_to_none() -> None:
    body = surface.from_foot(bare_foot(), np.random.default_rng(0))
    rig = varied(Rig())
    rig = Rig(clutter_share=1.0, blanket_share=1.0, canvas=rig.canvas)
    stance = arrangements.draw(bare_foot(), np.random.default_rng(5), rig, False)
    things = stance.body.piece == 0
    assert things.any() and (stance.body.part[things] == 0).all()
    assert set(stance.body.piece) == set(range(len(stance.sides) + 1))
    assert len(body.faces) < len(stance.body.faces)


def test_an_arrangement_may_hold_no_foot() -> None:
    stance = arrangements.draw(bare_foot(), np.random.default_rng(0), Rig(objects_share=1.0), False)
    assert stance.sides == []
    assert not stance.body.skin.any()
    viewpoints.draw(np.random.default_rng(0), 64, stance, False)


@given(seed=st.integers(0, 300))
@settings(max_examples=5, deadline=None)
def test_a_lying_leg_is_on_the_floor_with_its_sole_to_the_side_that_is_named(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stance = stances.lying(bare_foot(), rng, None, clothing.BARE)
    body = stance.body
    assert body.vertices[:, 1].min() == 0
    assert np.ptp(body.vertices[:, [0, 2]], axis=0).max() > 0.5  # the leg lies along the floor
    angle = np.radians(stance.sole_deg)
    away = body.vertices[body.top][:, [0, 2]].mean(axis=0)
    assert away @ np.array([np.sin(angle), np.cos(angle)]) < -0.2  # the leg leads away from who sees the sole
    camera = viewpoints.draw(rng, 64, stance, False)
    assert camera.elevation_deg > 0


def test_feet_on_tiptoe_and_in_step_stay_on_the_floor() -> None:
    for seed in range(6):
        stance = stances.standing(bare_foot(), np.random.default_rng(seed), False, None, (clothing.BARE, clothing.BARE))
        assert stance.body.vertices[:, 1].min() == 0
        assert len(stance.sides) == stance.body.piece.max()
