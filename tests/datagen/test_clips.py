"""Clips: what a frame shows, that its motion is true, and what blurs it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from datagen import clips, flow, gestures, ground
from datagen.clips import Filming, Frame, Stance
from datagen.floors import procedural_floor
from datagen.foot import Foot
from datagen.gestures import Gesture
from datagen.ground import Ground, prepared
from datagen.paths import Hand, Path
from datagen.scenes import Choice, Style
from tests.datagen.shapes import left_foot, shades

SIZE = 96


@pytest.fixture(scope="module")
def foot() -> Foot:
    vertices, faces = left_foot()
    triple = (vertices.astype(np.float32), faces.astype(np.int32))
    return Foot("S", "left", *triple, "t", "CC0-1.0", "ab", colours=shades(vertices))


@pytest.fixture(scope="module")
def below() -> Ground:
    return prepared(procedural_floor("stone", 1, 256))


def a_recipe(foot: Foot, index: int = 0, *, frames: int = 3, **more: object) -> dict:  # type: ignore[type-arg]
    filming = Filming(frames=frames, **more)  # type: ignore[arg-type]
    return clips.draw(1, index, index, Choice([("f", 1, "S")], ["stone"]), Style(size=SIZE), filming, {"f": foot})


def without_chance(recipe: dict) -> dict:  # type: ignore[type-arg]
    """No noise, no blur: what is there is what is seen."""
    lens = {"defocus_px": 0.0, "motion_px": 0.0, "motion_deg": 0.0, "noise": 0.0}
    scene = {**recipe["scene"], "lens": lens, "sheet": None}
    return {**recipe, "shutter": 1e-6, "metering": {**recipe["metering"], "size": 0.0}, "scene": scene}


def steady(recipe: dict, gesture: Gesture) -> dict:  # type: ignore[type-arg]
    """The camera on a tripod, beside the toes."""
    path = replace(Path.from_json(recipe["path"]), hand=Hand.still(), orbit_deg=0.0, closer=1.0)
    path = replace(path, start=replace(path.start, azimuth_deg=75.0, elevation_deg=45.0))
    return {**recipe, "path": path.as_json(), "gesture": gesture.as_json()}


def warped(before: np.ndarray, frame: Frame) -> np.ndarray:
    assert frame.flow is not None
    v, u = np.mgrid[:SIZE, :SIZE]
    source = (np.stack([u, v], -1) + np.nan_to_num(frame.flow.backward)).astype(np.float32)
    return cv2.remap(before, source, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def test_a_frame_without_noise_is_the_one_before_moved_along(foot: Foot, below: Ground) -> None:
    smooth = cv2.GaussianBlur(below.floor.image, (0, 0), 3)  # so that resampling loses nothing
    below = prepared(replace(below.floor, image=smooth))
    recipe = without_chance(a_recipe(foot, 2, still_feet=True))
    path = Path.from_json(recipe["path"])
    recipe["path"] = replace(path, orbit_deg=18.0, seconds=3 / 25).as_json()
    frames = list(clips.film(recipe, foot, below))
    kernel = np.ones((5, 5), np.uint8)
    for last, frame in pairwise(frames):
        assert frame.flow is not None
        edge = cv2.dilate(frame.scene.mask, kernel) != cv2.erode(frame.scene.mask, kernel)
        inner = (cv2.dilate((frame.flow.state != flow.SEEN).astype(np.uint8), kernel) == 0) & ~edge
        assert inner.mean() > 0.4
        now = frame.scene.image.astype(float)
        moved = np.abs(warped(last.scene.image, frame) - now)[inner].mean()
        unmoved = np.abs(last.scene.image - now)[inner].mean()
        assert moved < 0.3 * unmoved
        assert moved < 2


def test_a_floor_photo_stays_where_it_lies_when_the_camera_crosses_its_edge(foot: Foot, below: Ground) -> None:
    """Beyond its edge a photo goes on as its mirror image, and which of the two is which must not change in a clip."""
    ramp = np.linspace(20, 230, 256).astype(np.uint8)
    picture = np.broadcast_to(ramp[None, :, None], (256, 256, 3)).copy()
    photo = prepared(replace(below.floor, image=picture, tileable=False, metres=0.4))
    recipe = without_chance(a_recipe(foot, 2, frames=4, still_feet=True))
    recipe["scene"]["floor"] |= {"yaw_deg": 0.0, "scale": 1.0, "tint": None}
    path = Path.from_json(recipe["path"])
    start = replace(path.start, azimuth_deg=0.0, elevation_deg=60.0, distance_m=0.9, roll_deg=0.0)
    recipe["path"] = replace(path, start=start, hand=Hand.still(), orbit_deg=16.0, seconds=4 / 25).as_json()
    tiles = set()
    for offset in np.arange(-0.02, 0.021, 0.005):  # somewhere here the middle of the picture crosses the edge
        recipe["scene"]["floor"]["offset_m"] = [float(offset), 0.1]
        about = recipe["scene"]["floor"]
        seen_from = [Path.from_json(recipe["path"]).camera(k / 25) for k in range(4)]
        found = [str(ground.anchored(photo, about, c.floor_homography(), SIZE)["tile"]) for c in seen_from]
        if len(set(found)) > 1:
            tiles.update(found)
            break
    assert len(tiles) > 1
    for last, frame in pairwise(clips.film(recipe, foot, photo)):
        assert frame.flow is not None
        floor = (cv2.dilate(frame.scene.mask, np.ones((25, 25), np.uint8)) == 0) & (frame.flow.state == flow.SEEN)
        apart = np.abs(warped(last.scene.image, frame) - frame.scene.image.astype(float))[floor]
        assert floor.mean() > 0.2
        assert np.percentile(apart, 95) < 6


@pytest.mark.parametrize("kind", ["toes", "turn", "step"])
def test_masks_go_along_with_the_motion_of_moving_feet(kind: str, foot: Foot, below: Ground) -> None:
    gesture = Gesture(kind, {"toes": 40.0, "turn": 30.0, "step": 0.15}[kind], -0.04, 0.4)
    recipe = steady(without_chance(a_recipe(foot, 1, frames=2)), gesture)
    first, second = clips.film(recipe, foot, below)
    assert second.flow is not None
    seen = second.flow.state == flow.SEEN
    moved = warped(first.scene.mask * 255, second) >= 128
    now = second.scene.mask > 0
    iou = (moved & now & seen).sum() / ((moved | now) & seen).sum()
    still = ((first.scene.mask > 0) & now).sum() / ((first.scene.mask > 0) | now).sum()
    assert iou > 0.96
    assert iou >= still
    travel = np.hypot(*np.moveaxis(second.flow.backward, -1, 0))
    assert travel[~now].max() < 1e-3  # the floor rests, and so does the camera
    assert travel[now].max() > 0.5


def test_only_noise_changes_where_nothing_moves(foot: Foot, below: Ground) -> None:
    recipe = a_recipe(foot, 3, still_camera=True, still_feet=True)
    recipe["scene"]["lens"]["noise"] = 0.02
    first, second, third = clips.film(recipe, foot, below)
    assert second.flow is not None
    assert not second.flow.backward.any()
    assert (second.flow.state == flow.SEEN).all()
    assert np.array_equal(first.scene.alpha, second.scene.alpha)
    apart = second.scene.image.astype(int) - first.scene.image
    assert 0.3 < apart.std() < 20
    assert abs(apart.mean()) < 1
    other = third.scene.image.astype(int) - second.scene.image
    assert abs(np.corrcoef(apart.ravel(), other.ravel())[0, 1] + 0.5) < 0.2  # new noise each time, not one pattern


def test_the_exposure_hunts_a_little_and_slowly(foot: Foot, below: Ground) -> None:
    recipe = without_chance(a_recipe(foot, 3, frames=12, still_camera=True, still_feet=True))
    recipe["scene"]["light"] |= {"exposure": 0.6, "contrast": 1.0, "saturation": 1.0}
    hunting = {**recipe, "metering": {"size": 0.04, "hz": 1.0, "phase": 0.0}}
    light = [frame.scene.image.mean() for frame in clips.film(hunting, foot, below)]
    calm = [frame.scene.image.mean() for frame in clips.film({**recipe, "frames": 2}, foot, below)]
    assert calm[0] == calm[1]
    assert 0.01 < np.ptp(light) / np.mean(light) < 0.06
    assert np.abs(np.diff(light)).max() < 0.35 * np.ptp(light)


def test_a_long_exposure_blurs_what_moves_and_leaves_the_mask_sharp(foot: Foot, below: Ground) -> None:
    recipe = steady(without_chance(a_recipe(foot, 1, frames=1)), Gesture("step", 0.4, -0.1, 0.3))
    frames = [list(clips.film({**recipe, "shutter": share}, foot, below)) for share in (1e-6, 0.9)]
    (sharp,), (soft,) = frames
    assert np.array_equal(sharp.scene.mask, soft.scene.mask)
    kernel = np.ones((9, 9), np.uint8)
    rim = cv2.dilate(sharp.scene.mask, kernel) != cv2.erode(sharp.scene.mask, kernel)
    far = cv2.dilate(sharp.scene.mask, np.ones((45, 45), np.uint8)) == 0
    changed = np.abs(sharp.scene.image.astype(int) - soft.scene.image).max(axis=2)
    assert changed[rim].mean() > 3
    assert not far.any() or changed[far].mean() < 2


def test_mask_is_alpha_of_at_least_half_in_every_frame(foot: Foot, below: Ground) -> None:
    for frame in clips.film(a_recipe(foot, 5, frames=2), foot, below):
        assert np.array_equal(frame.scene.mask == 1, np.rint(frame.scene.alpha * 255) >= 128)
        assert frame.scene.image.shape == (SIZE, SIZE, 3)
        assert 0.01 < frame.scene.mask.mean() < 0.9


def test_a_foot_stays_in_the_picture_and_the_end_of_its_leg_out_of_it(foot: Foot) -> None:
    for index in range(3):
        recipe = a_recipe(foot, index, frames=20)
        path = Path.from_json(recipe["path"])
        stance = Stance(foot, recipe["stance"], Gesture(**recipe["gesture"]))
        for time in np.linspace(0, 20 / 25, 5):
            body, camera = stance.surface(stance.pose(float(time))), path.camera(float(time))
            low = camera.project(body.vertices[body.vertices[:, 1] < 0.08])[0]
            assert ((low > 0) & (low < SIZE - 1)).all(axis=1).mean() > 0.5
            top = camera.project(body.vertices[body.top])[0]
            assert not ((top > 0) & (top < SIZE - 1)).all(axis=1).any()


@pytest.mark.parametrize("side", ["left", "right"])
def test_feet_of_a_pair_turn_away_from_each_other(side: str, foot: Foot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gestures, "KINDS", ("turn",))
    mine = replace(foot, side=side, vertices=foot.vertices * ([1, 1, 1] if side == "left" else [-1, 1, 1]))
    recipes = (a_recipe(mine, index) for index in range(20))
    pair = next(recipe for recipe in recipes if len(recipe["stance"]["feet"]) == 2)
    stance = Stance(mine, pair["stance"], Gesture(**pair["gesture"]))
    gesture = Gesture(**pair["gesture"])
    rests, turned = (stance.surface(stance.pose(t)).vertices for t in (0.0, gesture.start_s + gesture.seconds / 2))
    half = len(rests) // 2
    moving = slice(0, half) if pair["stance"]["moving"] == 0 else slice(half, None)
    low = rests[moving][:, 1] < 0.05
    outward = np.sign(rests[moving][low, 0].mean())
    assert (outward * (turned - rests)[moving][low, 0]).mean() > 0.01
    assert sorted(stance.sides) == ["left", "right"]


def test_recipes_differ_and_come_again(foot: Foot) -> None:
    assert a_recipe(foot, 4) == a_recipe(foot, 4)
    assert a_recipe(foot, 4)["path"] != a_recipe(foot, 5)["path"]
    kinds = {a_recipe(foot, index)["gesture"]["kind"] for index in range(7)}
    assert len(kinds) >= 3
    assert {a_recipe(foot, index, still_feet=True)["gesture"]["kind"] for index in range(2)} == {"still"}
    assert a_recipe(foot, 4, still_camera=True)["path"]["hand"]["hz"] == ()
