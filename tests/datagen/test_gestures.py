"""Moving feet: on the floor and never below it, without jumps, each kind as it is named."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import gestures, surface
from datagen.foot import Foot
from datagen.gestures import KINDS, Gesture, Pose
from datagen.surface import Surface
from masksmith import seeds
from masksmith.errors import UsageProblem
from tests.datagen.shapes import left_foot, shades


@pytest.fixture(scope="module")
def body() -> Surface:
    vertices, faces = left_foot()
    foot = Foot("S", "left", vertices.astype(np.float32), faces.astype(np.int32), "t", "", "", colours=shades(vertices))
    return surface.from_foot(foot, seeds.rng(0, "body"))


def of(body: Surface, part: str) -> np.ndarray:
    """Which vertices are toes' tips, heel (near the floor) or shank."""
    y, z = body.vertices[:, 1], body.vertices[:, 2]
    low = z[y < 0.08]
    length = np.ptp(low)
    return {
        "tips": (y < 0.03) & (z > low.min() + 0.9 * length),
        "heel": (y < 0.02) & (z < low.min() + 0.12 * length),
        "shank": y > 0.16,
    }[part]


def rise(body: Surface, pose: Pose, part: str) -> np.ndarray:
    return (gestures.moved(body, pose).vertices - body.vertices)[of(body, part)]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 10**6), st.floats(0, 3))
def test_no_gesture_goes_below_the_floor_or_tears_the_foot(body: Surface, kind: str, seed: int, time: float) -> None:
    gesture = gestures.draw_gesture(seeds.rng(seed, "gesture"), 2.0, (kind,))
    there = gestures.moved(body, gesture.pose(time))
    assert there.vertices[:, 1].min() >= -1e-6
    assert there.faces is body.faces
    edges = body.faces[:, [0, 1]]
    before, after = (np.linalg.norm(np.diff(b.vertices[edges], axis=1)[:, 0], axis=1) for b in (body, there))
    assert (after < 2.5 * before + 1e-4).all()
    assert np.allclose(np.linalg.norm(there.normals, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gestures_have_no_jumps(body: Surface, kind: str) -> None:
    gesture = gestures.draw_gesture(seeds.rng(3, kind), 1.0, (kind,))
    places = [gestures.moved(body, gesture.pose(t)).vertices[::50] for t in np.linspace(0, 2.5, 120)]
    speed = [np.linalg.norm(b - a, axis=1).max() * 119 / 2.5 for a, b in pairwise(places)]
    assert max(speed) < 1.5  # m/s
    assert (max(speed) > 0.01) == (kind != "still")


def test_lifted_toes_leave_the_heel_on_the_floor(body: Surface) -> None:
    pose = Pose(toes_deg=30)
    assert rise(body, pose, "tips")[:, 1].min() > 0.005
    assert np.abs(rise(body, pose, "heel")).max() < 1e-6
    assert np.abs(rise(body, pose, "shank")).max() < 1e-6


def test_a_raised_heel_keeps_the_toes_down_and_the_leg_upright(body: Surface) -> None:
    pose = Pose(pitch_deg=20)
    assert rise(body, pose, "heel")[:, 1].min() > 0.02
    assert np.abs(rise(body, pose, "tips")).max() < 0.004
    assert np.ptp(rise(body, pose, "shank"), axis=0).max() < 1e-5  # all of it travels alike
    assert rise(body, pose, "shank")[:, 1].min() > 0.01


def test_a_tapping_forefoot_stands_on_its_heel(body: Surface) -> None:
    pose = Pose(pitch_deg=-12, toes_deg=12)
    assert rise(body, pose, "tips")[:, 1].min() > 0.02
    assert np.abs(rise(body, pose, "heel")[:, 1]).max() < 0.01


def test_a_turn_pivots_on_the_heel(body: Surface) -> None:
    moved = rise(body, Pose(yaw_deg=20), "tips")
    assert moved[:, 0].min() > 0.03
    assert np.abs(rise(body, Pose(yaw_deg=20), "heel")).max() < 0.02
    assert np.abs(moved[:, 1]).max() < 1e-6


@pytest.mark.parametrize("amount", [0.2, -0.15])
def test_a_step_ends_flat_on_the_floor_as_far_as_it_says(body: Surface, amount: float) -> None:
    gesture = Gesture("step", amount, 0.2, 0.6)
    assert gesture.pose(0.1) == Pose()
    end = gestures.moved(body, gesture.pose(5.0)).vertices
    assert np.allclose(end, body.vertices + np.array([0, 0, amount], np.float32), atol=1e-6)
    assert gesture.pose(0.5).up_m > 0.02
    low = gestures.moved(body, gesture.pose(0.5)).vertices[:, 1].min()
    assert low > 0.01


def test_a_gesture_repeats_until_told_otherwise() -> None:
    assert Gesture("toes", 20, 0.0, 1.0).pose(1.5).toes_deg == pytest.approx(20)
    assert Gesture("toes", 20, 0.0, 1.0, repeat=False).pose(1.5) == Pose()


def test_an_unknown_gesture_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageProblem, match=r"'toe'.*toes"):
        Gesture("toe")
