"""Exact motion, against projections and intersections worked out another way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import flow, gestures, surface
from datagen.cameras import Camera
from datagen.flow import HIDDEN, OUTSIDE, SEEN, Moment
from datagen.foot import Foot
from datagen.gestures import Pose
from datagen.lights import Caster
from datagen.surface import Surface, placed
from evaluation.motion_files import read_motion
from masksmith import seeds
from tests.datagen.shapes import left_foot, shades
from tests.datagen.test_scenes import block

SIZE = 120
NOW = Camera(30.0, 48.0, 0.8, 4.0, 30.0, (0.0, 0.04, 0.0), SIZE)
BEFORE = Camera(33.0, 46.5, 0.82, 2.5, 30.0, (0.004, 0.038, -0.006), SIZE)
HALF, HEIGHT = 0.05, 0.1


def moment(body: Surface, camera: Camera) -> Moment:
    return Moment(body, Caster(body), camera)


def shifted(body: Surface, by: tuple[float, float, float]) -> Surface:
    return replace(body, vertices=body.vertices + np.array(by, np.float32))


@pytest.fixture(scope="module")
def box() -> Surface:
    return block(HALF, HEIGHT, 6)


@pytest.fixture(scope="module")
def found(box: Surface) -> flow.Flow:
    return flow.between(moment(box, NOW), moment(box, BEFORE))


def sampled(motion: flow.Flow, at: np.ndarray) -> np.ndarray:
    places = at.astype(np.float32)
    return np.stack(
        [cv2.remap(motion.backward[..., k], places[None], None, cv2.INTER_LINEAR)[0] for k in range(2)], axis=-1
    )


cameras = st.builds(
    lambda a, e, d, r, f, x, z: Camera(a, e, d, r, f, (x, 0.03, z), 200),
    st.floats(0, 360),
    st.floats(25, 88),
    st.floats(0.4, 1.5),
    st.floats(-15, 15),
    st.floats(15, 40),
    st.floats(-0.05, 0.05),
    st.floats(-0.05, 0.05),
)


@settings(max_examples=100, deadline=None)
@given(cameras, cameras, st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
def test_the_way_of_the_floor_takes_one_projection_of_a_place_to_the_other(
    now: Camera, before: Camera, x: float, z: float
) -> None:
    place = np.array([[x, 0.0, z]])
    here, there = now.project(place)[0][0], before.project(place)[0][0]
    u, v, w = flow.floor_way(now, before) @ [*here, 1.0]
    assert np.allclose([u / w, v / w], there, atol=1e-6 * max(1.0, float(np.abs(there).max())))
    back = flow.floor_way(before, now) @ flow.floor_way(now, before)
    assert np.allclose(back / back[2, 2], np.eye(3), atol=1e-6)


def test_vertices_go_where_the_motion_says(box: Surface, found: flow.Flow) -> None:
    inner = np.abs(box.vertices).max(axis=1)
    top = (box.vertices[:, 1] > HEIGHT - 1e-6) & (np.abs(box.vertices[:, [0, 2]]).max(axis=1) < 0.8 * HALF)
    assert inner.max() > 0 and top.sum() > 8
    here, there = NOW.project(box.vertices[top])[0], BEFORE.project(box.vertices[top])[0]
    assert np.abs(sampled(found, here) - (there - here)).max() < 1e-3
    assert np.hypot(*(there - here).T).min() > 0.5  # there is something to find


def test_floor_pixels_go_where_the_projection_of_their_place_says(found: flow.Flow) -> None:
    x, z = np.meshgrid(np.linspace(-0.16, 0.16, 30), np.linspace(-0.16, 0.16, 30))
    spots = np.stack([x.ravel(), np.zeros(900), z.ravel()], axis=1)
    spots = spots[np.abs(spots[:, [0, 2]]).max(axis=1) > 0.145]  # clear of the box and its picture's edge
    here, there = NOW.project(spots)[0], BEFORE.project(spots)[0]
    inside = ((here > 1) & (here < SIZE - 2)).all(axis=1)
    rays = NOW.rays(here[inside]).astype(np.float64)
    clear = ~through_box(rays[:, :3], rays[:, :3] + rays[:, 3:] * 3, 1.25)
    here, there = here[inside][clear], there[inside][clear]
    assert len(here) > 20
    assert np.abs(sampled(found, here) - (there - here)).max() < 1e-3


def through_box(starts: np.ndarray, ends: np.ndarray, wider: float = 1.0) -> np.ndarray:
    """Whether segments cross the box: the slab method, in double precision."""
    low, high = np.array([-HALF, 0, -HALF]) * wider, np.array([HALF, HEIGHT, HALF]) * wider
    way = ends - starts
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (low - starts) / way, (high - starts) / way
    enter, leave = np.minimum(one, two).max(axis=1), np.maximum(one, two).min(axis=1)
    return (enter < leave) & (leave > 0) & (enter < 1 - 1e-4)


def test_what_the_box_hid_before_is_hidden_and_nothing_else(box: Surface) -> None:
    far = replace(BEFORE, azimuth_deg=75.0)
    found = flow.between(moment(box, NOW), moment(box, far))
    v, u = np.mgrid[:SIZE, :SIZE]
    back = np.linalg.inv(NOW.floor_homography())
    place = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3) @ back.T
    spots = np.stack([place[:, 0] / place[:, 2], np.zeros(len(place)), place[:, 1] / place[:, 2]], axis=1)
    eye_now, eye = NOW.pose()[1], far.pose()[1]
    floor = ~through_box(np.broadcast_to(eye_now, spots.shape), spots)
    there = far.project(spots)[0]
    outside = ((there < -0.5) | (there > SIZE - 0.5)).any(axis=1)
    hidden = through_box(np.broadcast_to(eye, spots.shape), spots)
    expected = np.where(outside, OUTSIDE, np.where(hidden, HIDDEN, SEEN))
    state = found.state.reshape(-1)
    assert (expected[floor] == HIDDEN).sum() > 100 and (expected[floor] == OUTSIDE).sum() > 20
    assert np.mean(state[floor] == expected[floor]) > 0.998


def test_a_side_that_was_turned_away_was_hidden(box: Surface) -> None:
    """A quarter turn of the camera: of the sides of the box only one is seen both times, and the top."""
    now, before = (replace(NOW, azimuth_deg=a, roll_deg=0.0) for a in (45.0, 135.0))
    motion = flow.between(moment(box, now), moment(box, before))
    away = np.array([[0.0, 0.05, HALF]])  # the side towards +z, seen from 45 degrees and not from 135
    both = np.array([[HALF, 0.05, 0.0]])
    for spot, state in ((away, HIDDEN), (both, SEEN)):
        x, y = np.rint(now.project(spot)[0][0]).astype(int)
        assert motion.state[y, x] == state


def test_nothing_that_rests_moves(box: Surface) -> None:
    still = flow.between(moment(box, NOW), moment(box, NOW))
    assert not still.backward.any()
    assert (still.state == SEEN).all()


def test_a_pixel_on_an_edge_moves_as_the_mask_says(box: Surface) -> None:
    """The box slides, the camera rests: what is foot moves and what is floor does not, to the last pixel."""
    now, before = moment(box, NOW), moment(shifted(box, (0.02, 0.0, 0.01)), NOW)
    rng = np.random.default_rng(0)
    primitive, _, _ = now.caster.cast(NOW.rays(np.stack(np.meshgrid(*[np.arange(SIZE)] * 2), -1).reshape(-1, 2)))
    middle = (primitive != np.uint32(0xFFFFFFFF)).reshape(SIZE, SIZE).astype(np.uint8)
    fine = np.stack(np.meshgrid(*[(np.arange(4 * SIZE) + 0.5) / 4 - 0.5] * 2), -1).reshape(-1, 2)
    hit, _, _ = now.caster.cast(NOW.rays(fine))
    share = (hit != np.uint32(0xFFFFFFFF)).reshape(SIZE, 4, SIZE, 4).mean(axis=(1, 3))
    mask = (share >= np.where(rng.random(share.shape) < 0.5, 0.3, 0.7)).astype(np.uint8)
    assert (mask != middle).sum() > 10
    moved = np.hypot(*np.moveaxis(flow.between(now, before, mask).backward, -1, 0)) > 0
    assert np.array_equal(moved, mask == 1)


def test_turning_and_sliding_feet_carry_their_points_along(box: Surface) -> None:
    turned = placed(box, 0.1, 0.01, -0.004)
    motion = flow.between(moment(box, NOW), moment(turned, BEFORE))
    top = (box.vertices[:, 1] > HEIGHT - 1e-6) & (np.abs(box.vertices[:, [0, 2]]).max(axis=1) < 0.8 * HALF)
    here, there = NOW.project(box.vertices[top])[0], BEFORE.project(turned.vertices[top])[0]
    assert np.abs(sampled(motion, here) - (there - here)).max() < 1e-3


@pytest.mark.parametrize("pose", [Pose(toes_deg=35), Pose(pitch_deg=20), Pose(yaw_deg=15, ahead_m=0.05, up_m=0.02)])
def test_a_vertex_of_a_bending_foot_is_followed_to_a_thousandth_of_a_pixel(pose: Pose) -> None:
    """Cameras that have a vertex right in their middle pixel: there the motion is that of the vertex."""
    vertices, faces = left_foot()
    foot = Foot("S", "left", vertices.astype(np.float32), faces.astype(np.int32), "t", "", "", colours=shades(vertices))
    rests = surface.from_foot(foot, seeds.rng(0, "body"))
    bent = gestures.moved(rests, pose)
    before, bent_caster = Moment(rests, Caster(rests), replace(BEFORE, size=41, fov_deg=20)), Caster(bent)
    rng = np.random.default_rng(1)
    facing = np.flatnonzero((bent.normals[:, 1] > 0.6) & (bent.vertices[:, 1] < 0.09))
    found = 0
    for vertex in rng.choice(facing, 40, replace=False):
        x, y, z = (float(value) for value in bent.vertices[vertex])
        now = replace(NOW, size=41, fov_deg=20, target=(x, y, z))
        motion = flow.between(Moment(bent, bent_caster, now), before)
        seen_at = now.pose()[1]
        _, _, distance = bent_caster.cast(now.rays(np.array([[20.0, 20.0]])))
        if abs(distance[0] - np.linalg.norm(bent.vertices[vertex] - seen_at)) > 1e-5:
            continue  # something else is in front of it
        found += 1
        there, _ = before.camera.project(rests.vertices[[vertex]])
        assert np.abs(motion.backward[20, 20] - (there[0] - 20)).max() < 1e-3
    assert found > 10


def test_two_bodies_are_not_two_poses(box: Surface) -> None:
    with pytest.raises(ValueError, match="two poses of one surface"):
        flow.between(moment(box, NOW), moment(block(cells=4), NOW))
    with pytest.raises(ValueError, match="one size"):
        flow.between(moment(box, NOW), moment(box, replace(NOW, size=60)))


def test_evaluation_reads_the_file_as_it_was_meant(found: flow.Flow, tmp_path: Path) -> None:
    (tmp_path / "0001.npz").write_bytes(found.npz())
    assert found.npz() == found.npz()
    motion = read_motion(tmp_path / "0001.npz")
    assert motion.kind == "known"
    assert np.array_equal(motion.visible, found.state == SEEN)
    v, u = np.mgrid[:SIZE, :SIZE]
    there = np.stack([u, v], -1) + found.backward
    assert np.allclose(motion.source[motion.visible], there[motion.visible], atol=1e-4)
