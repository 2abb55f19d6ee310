"""Cameras, light, cutouts and composing, on shapes whose picture is known beforehand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import cameras, compose, cutouts, lights, scenes
from datagen.cameras import Camera
from datagen.develop import kelvin_to_rgb, to_linear
from datagen.floors import Floor
from datagen.ground import Ground, prepared
from datagen.lights import Caster, Lamp
from datagen.surface import Surface, vertex_normals
from masksmith.errors import BadInput

angles = st.floats(0, 360, allow_nan=False)


def block(half: float = 0.05, height: float = 0.1, cells: int = 12) -> Surface:
    """A grey box on the floor, finely divided so that light on its vertices is fine too."""
    import trimesh

    box = trimesh.creation.box((2 * half, height, 2 * half))
    vertices, faces = trimesh.remesh.subdivide_to_size(box.vertices, box.faces, 2 * half / cells)
    mesh = trimesh.Trimesh(vertices, faces)
    vertices = np.asarray(mesh.vertices) + [0, height / 2, 0]
    faces = np.asarray(mesh.faces, np.int64)
    normals = vertex_normals(vertices, faces).astype(np.float32)
    grey = np.full((len(vertices), 3), 0.5, np.float32)
    one = np.ones(len(vertices), np.uint8)
    return Surface(vertices.astype(np.float32), faces, normals, grey, height, np.zeros(0, np.int64), one, one)


def plain_floor(value: int = 200) -> Ground:
    image = np.full((64, 64, 3), value, np.uint8)
    return prepared(Floor("plain", image, 1.0, "CC0-1.0", "made", "", True))


def flat_recipe(size: int, canvas: int) -> dict:  # type: ignore[type-arg]
    choice = scenes.Choice([("a", 1, "S")], ["plain"])
    recipe = scenes.draw(0, 0, 0, choice, canvas, scenes.Style(size=size, effects=False))
    recipe["window"] = {"centre_px": [(canvas - 1) / 2] * 2, "side_px": float(canvas), "roll_deg": 0.0}
    recipe["effects"] = True  # none of them drawn, but all of the way taken
    return recipe


@settings(max_examples=60, deadline=None)
@given(angles, st.floats(15, 89), st.floats(0.3, 2), st.floats(-20, 20), st.floats(15, 70))
def test_the_floor_homography_is_the_projection_of_floor_points(
    azimuth: float, elevation: float, distance: float, roll: float, fov: float
) -> None:
    camera = Camera(azimuth, elevation, distance, roll, fov, (0.01, 0.03, -0.02), 200)
    points = np.array([[0.05, 0, 0.02], [-0.1, 0, 0.1], [0, 0, 0]])
    pixels, depth = camera.project(points)
    flat = np.column_stack([points[:, 0], points[:, 2], np.ones(3)]) @ camera.floor_homography().T
    assert np.allclose(flat[:, :2] / flat[:, 2:], pixels, atol=1e-6)
    assert np.allclose(flat[:, 2], depth)
    assert np.allclose(camera.project(np.array([camera.target]))[0], 99.5)


@settings(max_examples=30, deadline=None)
@given(angles, st.floats(20, 85), st.floats(-20, 20))
def test_rays_go_through_the_pixels_they_are_for(azimuth: float, elevation: float, roll: float) -> None:
    camera = Camera(azimuth, elevation, 0.8, roll, 40, (0, 0.05, 0), 64)
    expected = np.stack(np.meshgrid(np.arange(10, 14), np.arange(20, 23)), -1).reshape(-1, 2)
    rays = camera.rays(expected)
    pixels, depth = camera.project(rays[:, :3] + 0.7 * rays[:, 3:])
    assert np.allclose(pixels, expected, atol=2e-3)
    assert (depth > 0).all()
    assert np.allclose(np.linalg.norm(rays[:, 3:], axis=1), 1, atol=1e-5)


def test_toes_point_up_in_the_owners_picture_and_down_from_the_front() -> None:
    for azimuth, sign in ((180.0, -1), (0.0, 1)):
        camera = Camera(azimuth, 60, 0.8, 0, 40, (0, 0, 0), 100)
        pixels, _ = camera.project(np.array([[0, 0, 0.1], [0, 0, -0.1]]))
        assert np.sign(pixels[0, 1] - pixels[1, 1]) == sign


@pytest.mark.parametrize("azimuth", [0.0, 90.0, 200.0])
def test_the_shadow_falls_away_from_the_lamp(azimuth: float) -> None:
    body = block()
    lamp = Lamp(azimuth, 45, 1)
    light = lights.light(body, Caster(body), lamp)
    line = (np.arange(lights.FLOOR_TEXELS) + 0.5) / lights.FLOOR_TEXELS * 2 - 1
    z, x = np.meshgrid(line * lights.FLOOR_HALF_M, line * lights.FLOOR_HALF_M, indexing="ij")
    outside = (np.abs(x) > 0.055) | (np.abs(z) > 0.055)
    dark = outside & (light.floor_lamp < 0.5)
    assert dark.any()
    towards = np.array([x[dark].mean(), z[dark].mean()])
    assert np.dot(towards, lamp.direction[[0, 2]]) < -0.03
    reach = -(np.stack([x[dark], z[dark]], 1) @ (lamp.direction[[0, 2]] / np.linalg.norm(lamp.direction[[0, 2]])))
    # the box is 10 cm high, the lamp at 45 degrees: the shadow ends 10 cm behind its far edge or corner
    assert 0.14 < reach.max() < 0.18


def test_contact_darkens_the_floor_beside_the_body_and_fades() -> None:
    body = block()
    light = lights.light(body, Caster(body), Lamp(0, 80, 5))
    row = light.floor_sky[lights.FLOOR_TEXELS // 2]
    at = lambda metres: row[int((metres / lights.FLOOR_HALF_M + 1) / 2 * lights.FLOOR_TEXELS)]
    assert at(0.053) < 0.75 < at(0.12) < at(0.3) <= 1.001
    assert at(0.55) > 0.97


def test_light_on_a_box_is_brightest_where_it_faces_the_lamp() -> None:
    body = block()
    light = lights.light(body, Caster(body), Lamp(90, 40, 1))
    inner = np.abs(body.vertices - [0, 0.05, 0]).max(axis=1) < 0.0501
    faces_lamp = inner & (body.normals[:, 0] > 0.99)
    away = inner & (body.normals[:, 0] < -0.99)
    assert light.lamp[faces_lamp].mean() > 0.7
    assert light.lamp[away].max() == 0
    top = body.normals[:, 1] > 0.99
    assert light.sky[top].mean() > 0.95


def test_a_cutout_covers_what_the_projection_says(tmp_path: Path) -> None:
    body = block()
    camera = Camera(0, 90, 1.0, 0, 30, (0, 0.1, 0), 200)  # straight down on the top face
    lamp = Lamp(0, 60, 2)
    caster = Caster(body)
    cut = cutouts.render(body, caster, lights.light(body, caster, lamp), camera, lamp, {"lamp": lamp.as_json()})
    side = 0.1 * camera.focal_px / 1.0
    cover = cut.colour[..., 3]
    assert abs(np.sqrt(cover.sum() / 255) - side) < 0.25  # rays stand a quarter of a pixel apart
    assert np.abs(cut.colour[cover == 255][:, :3].astype(int) - 128).max() <= 1
    assert np.array_equal(cut.shade[..., 3], cover)  # all of it is skin
    assert cutouts.write(tmp_path / "c.arrow", iter([cut, replace(cut, floor=255 - cut.floor)])) == 2
    again = cutouts.read(tmp_path / "c.arrow", 0)
    for name in cutouts.LAYERS:
        assert np.array_equal(getattr(again, name), getattr(cut, name)), name
    assert again.camera == camera
    assert np.array_equal(cutouts.read(tmp_path / "c.arrow", 1).floor, 255 - cut.floor)
    assert json.dumps(dict(again.about)) is not None


def test_a_damaged_file_of_cutouts_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.arrow").write_bytes(b"no arrow")
    with pytest.raises(BadInput, match=r"c\.arrow"):
        cutouts.read(tmp_path / "c.arrow", 0)


@pytest.fixture(scope="module")
def cut() -> cutouts.Cutout:
    body = block()
    lamp = Lamp(90, 45, 2)
    caster = Caster(body)
    camera = Camera(0, 50, 1.0, 0, 40, (0, 0.03, 0), 160)
    return cutouts.render(body, caster, lights.light(body, caster, lamp), camera, lamp, {"lamp": lamp.as_json()})


def test_the_mask_is_alpha_of_at_least_half(cut: cutouts.Cutout) -> None:
    scene = compose.compose(flat_recipe(128, 160), cut, plain_floor())
    assert np.array_equal(scene.mask == 1, np.rint(scene.alpha * 255) >= 128)
    assert scene.image.shape == (128, 128, 3)
    assert 0.02 < scene.mask.mean() < 0.5


def test_cloth_hides_the_floor_and_is_no_foot(cut: cutouts.Cutout) -> None:
    shade = cut.shade.copy()
    shade[..., 3] = 0
    bare, clothed = (
        compose.compose(flat_recipe(128, 160), each, plain_floor()) for each in (cut, replace(cut, shade=shade))
    )
    assert np.array_equal(bare.image, clothed.image)
    assert clothed.mask.max() == 0


def test_an_empty_scene_is_the_floor_alone(cut: cutouts.Cutout) -> None:
    scene = compose.compose({**flat_recipe(128, 160), "empty": True}, cut, plain_floor())
    assert scene.mask.max() == 0
    assert np.abs(scene.image.astype(int) - 200).max() <= 3


def test_a_tint_gives_a_floor_its_mean_colour(cut: cutouts.Cutout) -> None:
    recipe = flat_recipe(128, 160)
    recipe["empty"] = True
    recipe["floor"]["tint"] = [0.5, 0.2, 0.1]
    linear = to_linear()[compose.compose(recipe, cut, plain_floor()).image].reshape(-1, 3).mean(axis=0)
    assert np.allclose(linear, [0.5, 0.2, 0.1], atol=0.02)


@pytest.mark.parametrize("folds", [0.0, 0.4])
def test_a_rug_covers_its_rectangle_and_names_its_floor(cut: cutouts.Cutout, folds: float) -> None:
    recipe = flat_recipe(160, 160)
    recipe["empty"] = True
    floor = {**recipe["floor"], "id": "rug"}
    rug = {"floor": floor, "sides_m": [0.2, 0.3], "yaw_deg": 0.0, "centre_m": [0.0, 0.0], "folds": folds}
    image = compose.compose({**recipe, "rug": rug}, cut, plain_floor(30), plain_floor(220)).image
    middle, _ = cut.camera.project(np.zeros((1, 3)))
    x, y = np.rint(middle[0]).astype(int)
    patch = image[y - 5 : y + 5, x - 5 : x + 5]
    assert patch.mean() > 150
    assert (np.abs(patch.astype(int) - 220).max() <= 3) == (folds == 0)
    assert np.abs(image[2:8, 2:8].astype(int) - 30).max() <= 3
    assert scenes.floor_ids({**recipe, "rug": rug}) == ["plain", "rug"]


def test_an_open_floor_keeps_its_colour_and_a_shadow_darkens_it(cut: cutouts.Cutout) -> None:
    scene = compose.compose(flat_recipe(128, 160), cut, plain_floor())
    far = scene.image[100:125, 100:125]  # the lamp stands on this side
    assert np.abs(far.astype(int) - 200).max() <= 3
    column = np.flatnonzero(scene.mask.any(axis=0))
    shaded = scene.image[60:75, column[0] - 10 : column[0] - 4].mean()
    assert shaded < 185


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_does_not(cut: cutouts.Cutout) -> None:
    choice = scenes.Choice([("a", 1, "S")], ["plain"])
    draw = lambda seed: scenes.draw(seed, 5, 0, choice, 160, scenes.Style(size=96))
    first, second = (compose.compose(draw(1), cut, plain_floor()).image for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, compose.compose(draw(2), cut, plain_floor()).image)
    through_json = json.loads(json.dumps(draw(1)))
    assert np.array_equal(first, compose.compose(through_json, cut, plain_floor()).image)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 10**6), st.integers(64, 600))
def test_a_window_never_looks_beyond_its_canvas(seed: int, index: int, canvas: int) -> None:
    window = scenes.draw(seed, index, 0, scenes.Choice([("a", 1, "S")], ["f"]), canvas, scenes.Style())["window"]
    half, roll = window["side_px"] / 2, np.radians(window["roll_deg"])
    corners = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    at = corners @ turn + np.array(window["centre_px"])
    assert at.min() >= -0.5
    assert at.max() <= canvas - 0.5


def test_every_foot_is_used_as_often_as_the_others() -> None:
    choice = scenes.Choice([(f"{k}.arrow", 3, f"S{k}") for k in range(7)], ["f"])
    drawn = [scenes.draw(0, rank, rank, choice, 100, scenes.Style())["cutout"] for rank in range(42)]
    uses = {(c["subject"], c["index"]): 0 for c in drawn}
    for c in drawn:
        uses[c["subject"], c["index"]] += 1
    assert len(uses) == 21
    assert set(uses.values()) == {2}


def test_white_light_is_white_and_lamps_are_warmer_than_the_sky() -> None:
    assert np.allclose(kelvin_to_rgb(6500.0), 1)
    warm, cold = kelvin_to_rgb(2800.0), kelvin_to_rgb(9000.0)
    assert warm[0] > 1.3 and warm[2] < 0.6
    assert cold[0] < 1 and cold[2] > 1.1


def test_a_sheet_of_paper_is_white_and_lies_in_perspective(cut: cutouts.Cutout) -> None:
    recipe = flat_recipe(160, 160)
    recipe["sheet"] = {"sides_m": [0.21, 0.297], "yaw_deg": 0.0, "centre_m": [0.0, 0.0], "white": 1.0}
    scene = compose.compose(recipe, cut, plain_floor(60))
    corners = np.array([[x, 0, z] for x in (-0.105, 0.105) for z in (-0.1485, 0.1485)])
    pixels, _ = cut.camera.project(corners)
    white = (scene.image.min(axis=2) > 110) & (scene.mask == 0)
    rows, columns = np.nonzero(white)
    assert abs(columns.min() - pixels[:, 0].min()) < 4 and abs(columns.max() - pixels[:, 0].max()) < 4
    assert abs(rows.max() - pixels[:, 1].max()) < 4


def test_scanner_views_are_four_and_fixed() -> None:
    assert len(cameras.SCANNER_VIEWS) == 4
    assert cameras.scanner(2, 100) == cameras.scanner(2, 100)
    assert len({cameras.scanner(k, 100).azimuth_deg for k in range(4)}) == 4


def test_a_bare_paste_has_no_shadow_on_its_floor_and_a_plain_one_has(cut: cutouts.Cutout) -> None:
    recipe = {**flat_recipe(96, cut.camera.size), "effects": False}
    bare = compose.compose({**recipe, "shadow": False}, cut, plain_floor())
    plain = compose.compose({**recipe, "shadow": True}, cut, plain_floor())
    floor = bare.alpha == 0
    assert np.ptp(bare.image[floor].astype(int)) <= 1
    assert plain.image[floor].min() < bare.image[floor].min() - 20
    np.testing.assert_array_equal(bare.mask, plain.mask)
