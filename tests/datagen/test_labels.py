"""Labels: exact through crop, roll and lens, and in agreement with the mask."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import compose, cutouts, labels, layers, scenes
from datagen import generate as making
from datagen import plan as planning
from datagen.bank import Rig
from datagen.labels import ANYTHING
from datagen.scenes import Style
from datagen.shape import SHOE
from manifests import Manifest
from masksmith import engine, files, images
from masksmith.errors import BadInput
from tests.datagen import staged

SIZE = 128
windows = st.tuples(st.floats(-14, 14), st.floats(-14, 14), st.floats(110, 150), st.floats(-6, 6))
bends = st.tuples(st.floats(-0.06, 0.04), st.floats(-0.01, 0.01))


def seen_through(window: tuple[float, ...], bend: tuple[float, float], **more: Any) -> dict[str, Any]:
    recipe = staged.recipe(SIZE, k1=bend[0], k2=bend[1])
    x, y, side, roll = window
    middle = (staged.CANVAS - 1) / 2
    recipe["window"] = {"centre_px": [middle + x, middle + y], "side_px": side, "roll_deg": roll}
    return recipe | more


def arrays(recipe: dict[str, Any]) -> tuple[compose.Scene, labels.Seen, dict[str, Any]]:
    scene = compose.compose(recipe, staged.cutout(), staged.ground())
    return scene, labels.through(recipe, staged.cutout(), scene), labels.camera(recipe, staged.cutout())


def rays(camera: dict[str, Any], pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Origins and directions in the world, and the cosine to the camera's axis, by OpenCV's own way back."""
    K, distortion = np.array(camera["K"]), np.array(camera["distortion"])
    flat = np.zeros((len(pixels), 2))
    for _ in range(12):  # a step back by what the way forward misses
        seen, _ = cv2.projectPoints(
            np.column_stack([flat, np.ones(len(flat))]), np.zeros(3), np.zeros(3), K, distortion
        )
        flat += (pixels - seen[:, 0]) / K[0, 0]
    local = np.column_stack([flat, np.ones(len(flat))])
    cosine = 1 / np.linalg.norm(local, axis=1)
    rotation, shift = np.array(camera["R"]), np.array(camera["t_m"])
    directions = (local * cosine[:, None]) @ rotation
    return np.broadcast_to(-rotation.T @ shift, directions.shape), directions, cosine


@settings(max_examples=8, deadline=None)
@given(windows, bends)
def test_depth_is_what_a_ray_through_the_cameras_pixel_meets(
    window: tuple[float, ...], bend: tuple[float, float]
) -> None:
    _, seen, camera = arrays(seen_through(window, bend))
    grid = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1).reshape(-1, 2)
    origins, directions, cosine = rays(camera, grid)
    _, caster = staged.boxes()
    _, _, distance = caster.cast(np.column_stack([origins, directions]).astype(np.float32))
    floor = -origins[:, 1] / directions[:, 1]
    expected = (np.minimum(distance, floor) * cosine).reshape(SIZE, SIZE)
    on_body = (distance < floor).reshape(SIZE, SIZE)
    # two pixels from every outline and fold
    jump = cv2.dilate(expected, np.ones((5, 5))) - cv2.erode(expected, np.ones((5, 5))) > 0.012
    error = np.abs(seen.depth * layers.DEPTH_M - expected)
    body, floor = error[on_body & ~jump], error[~on_body & ~jump]
    assert len(body) > 250
    assert np.median(body) < 1e-4 and np.percentile(body, 95) < 1e-3 and body.max() < 4e-3
    assert np.percentile(floor, 99.9) < 1e-4 and floor.max() < 4e-3  # a step of the file, but for where boxes stand


@settings(max_examples=8, deadline=None)
@given(windows, bends)
def test_the_camera_projects_corners_to_where_the_picture_shows_them(
    window: tuple[float, ...], bend: tuple[float, float]
) -> None:
    _, seen, camera = arrays(seen_through(window, bend))
    tops = [np.array([[x + sx, 0.06, sz] for sx, sz in ((-s, -s), (s, -s), (s, s), (-s, s))]) for x, s in TOPS]
    for number, corners in enumerate(tops, start=1):
        turn = cv2.Rodrigues(np.array(camera["R"]))[0]
        pixels, _ = cv2.projectPoints(
            corners, turn, np.array(camera["t_m"]), np.array(camera["K"]), np.array(camera["distortion"])
        )
        face = np.zeros((SIZE, SIZE), np.uint8)
        cv2.fillPoly(face, [np.rint(pixels[:, 0] * 16).astype(np.int32)], 1, shift=4)
        inner = cv2.erode(face, np.ones((5, 5), np.uint8)) > 0
        up = (seen.normals / 127.5 - 1) * [1, -1, -1] @ np.array(camera["R"])
        assert (seen.pieces[inner] == number).all()
        assert np.abs(up[inner] - [0, 1, 0]).max() < 0.03  # two roundings to bytes
        # beside the face's two upper edges is something else: the outline stands where the corners say
        around = cv2.dilate(face, np.ones((5, 5), np.uint8)) - cv2.dilate(face, np.ones((3, 3), np.uint8))
        level = (np.abs(up - [0, 1, 0]).max(axis=2) < 0.03) & (seen.pieces == number)
        assert not (level & (around > 0)).any()


TOPS = ((-0.06, 0.03), (0.03, 0.03))


@settings(max_examples=8, deadline=None)
@given(windows, bends, st.booleans())
def test_instances_parts_and_alpha_agree_with_the_mask(
    window: tuple[float, ...], bend: tuple[float, float], clothes: bool
) -> None:
    recipe = seen_through(window, bend, labels=list(labels.KINDS), clothes=clothes)
    scene = labels.added(recipe, staged.cutout(), compose.compose(recipe, staged.cutout(), staged.ground()))
    read = {kind: decoded(scene.labels[f"{kind}/{{}}.png"]) for kind in ("alpha", "instances", "parts")}
    assert np.array_equal(read["alpha"] >= 128, scene.mask == 1)
    assert np.array_equal(read["parts"] == 1, scene.mask == 1)
    assert np.array_equal(read["instances"] > 0, (scene.mask > 0))
    assert set(np.unique(read["instances"])) >= {0, 1, 2}
    assert (read["parts"] == SHOE).any() and not (read["parts"] == ANYTHING).any()
    assert (scene.mask == SHOE).any() == clothes
    if clothes:
        assert np.array_equal(scene.mask, read["parts"])
        assert np.array_equal(read["instances"] == 3, scene.mask == SHOE)


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))


def test_an_empty_floor_has_depth_and_normals_and_nobody_on_it() -> None:
    _, seen, camera = arrays(seen_through((0, 0, 140, 2), (-0.05, 0), empty=True))
    assert seen.pieces.max() == 0 and seen.parts.max() == 0
    *normal, offset = camera["floor_plane"]
    origins, directions, _ = rays(camera, np.array([[10, 20], [100, 90]]))
    points = (-origins[:, 1] / directions[:, 1])[:, None] * directions + origins
    local = points @ np.array(camera["R"]).T + np.array(camera["t_m"])
    assert np.allclose(local @ np.array(normal) + offset, 0, atol=1e-9)
    assert np.allclose(local[:, 2], seen.depth[[20, 90], [10, 100]] * layers.DEPTH_M, atol=1.1e-4)


def test_layers_live_in_the_file_of_cutouts_only_when_asked_for(tmp_path: Path) -> None:
    cutouts.write(tmp_path / "with", iter([staged.cutout()]), layers=True)
    cutouts.write(tmp_path / "without", iter([staged.cutout()]))
    again = cutouts.read(tmp_path / "with", 0).layers
    assert again is not None
    for name, layer in (staged.cutout().layers or {}).items():
        assert np.array_equal(again[name], layer), name
    assert cutouts.read(tmp_path / "without", 0).layers is None


def test_labels_of_cutouts_without_layers_are_refused_by_name() -> None:
    bare = replace(staged.cutout(), layers=None)
    recipe = staged.recipe(SIZE) | {"labels": ["depth"]}
    scene = compose.compose(recipe, bare, staged.ground())
    with pytest.raises(BadInput, match="--labels"):
        labels.added(recipe, bare, scene)
    only = labels.added(recipe | {"labels": ["alpha", "camera"]}, bare, scene)
    assert sorted(only.labels) == ["alpha/{}.png", "camera/{}.json"]


def test_a_dataset_with_labels_names_them_and_makes_each_scene_again_to_the_byte(
    tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    style = replace(scenes.VARIED, size=64, labels=labels.KINDS, clothes=True, empty_share=0.2)
    work = planning.plan(
        scans=str(scan_folder),
        floor_spec=str(floor_folder),
        out=tmp_path / "d",
        count=12,
        seed=1,
        rig=Rig(views=2, canvas=112, layers=True),
        style=style,
    )
    dataset = Manifest.open(making.generate(work, engine.get("serial")))
    assert dataset.info.classes == {"background": 0, "foot": 1, "sock": 2, "shoe": 3}
    for record in dataset.records():
        recipe = json.loads(record.recipe or "")
        again = making.again(recipe, tmp_path / "d", [str(floor_folder)], tmp_path / "again")
        for kind in labels.KINDS:
            assert files.sha256(dataset.path(record.extra[kind])) == record.extra[f"sha256_{kind}"]
            assert again[f"sha256_{kind}"] == record.extra[f"sha256_{kind}"]
        assert (again["sha256_image"], again["sha256_mask"]) == (record.sha256_image, record.sha256_mask)
        depth = cv2.imread(str(dataset.path(record.extra["depth"])), cv2.IMREAD_UNCHANGED)
        assert depth.dtype == np.uint16 and depth.shape == (64, 64)
        mask = images.read_mask(dataset.path(record.mask or ""))
        assert np.array_equal(images.read_mask(dataset.path(record.extra["alpha"])) >= 128, mask == 1)


def test_a_style_without_labels_writes_none() -> None:
    scene = compose.compose(staged.recipe(SIZE), staged.cutout(False), staged.ground())
    assert labels.added(staged.recipe(SIZE), staged.cutout(False), scene) is scene
    assert Style().labels == ()
