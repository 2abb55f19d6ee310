"""Lenses, seams and the shadows of others: what they change, and what they must leave alone."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import blends, compose, optics, scenes, veils
from masksmith import seeds
from tests.datagen import staged

SIZE = 96
ks = st.tuples(st.floats(-0.06, 0.04), st.floats(-0.01, 0.01))
centres = st.tuples(st.floats(20, 75), st.floats(20, 75))


@settings(max_examples=25, deadline=None)
@given(ks, centres)
def test_a_bend_is_opencvs_own_and_fills_its_frame(k: tuple[float, float], centre: tuple[float, float]) -> None:
    bend = optics.bend({"k1": k[0], "k2": k[1]}, SIZE, centre)
    if bend is None:
        assert k == (0, 0)
        return
    source = bend.source().reshape(-1, 2).astype(np.float64)
    straight = (source - centre) / bend.reach_px * bend.zoom  # the pinhole picture, in focal lengths of reach_px
    points = np.column_stack([straight, np.ones(len(straight))])
    camera = np.array([[bend.reach_px, 0, centre[0]], [0, bend.reach_px, centre[1]], [0, 0, 1]])
    seen, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera, np.array([*k, 0, 0]))
    grid = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1).reshape(-1, 2)
    assert np.abs(seen[:, 0] - grid).max() < 0.08  # straight between nodes
    assert source.min() > -0.1 and source.max() < SIZE - 0.9
    assert 1 <= bend.zoom < 1.3


def test_a_vignette_takes_its_share_in_the_corners_and_nothing_in_the_middle() -> None:
    picture = optics.darkened(np.ones((SIZE, SIZE, 3), np.float32), 0.3)
    assert picture[0, 0, 0] == pytest.approx(0.7, abs=0.01)
    assert picture[SIZE // 2, SIZE // 2].min() > 0.999
    assert np.allclose(picture, picture[::-1, ::-1])


def test_the_floor_is_sharp_where_the_focus_is_and_soft_before_and_behind_it() -> None:
    lines = np.zeros((SIZE, SIZE, 3), np.float32)
    lines[:, ::4] = 1
    to_px = compose.scene_view(staged.recipe(SIZE)["window"], SIZE) @ staged.CAMERA.floor_homography()
    seen = optics.focused(lines, {"depth_px": 2.0, "focus": [0.5, 0.5]}, to_px)
    contrast = seen[..., 0].std(axis=1)
    assert contrast[SIZE // 2] > 3 * max(contrast[2], contrast[-3])


@pytest.mark.parametrize("kind", veils.KINDS)
def test_every_shadow_of_others_has_light_and_dark(kind: str) -> None:
    for seed in range(6):
        veil = {"kind": kind, "seed": seed, "yaw_deg": 30.0, "centre_m": [0, 0], "soft_m": 0.01, "dark": 0.8}
        pattern = veils.pattern(veil)
        assert pattern.min() == 51 and pattern.max() == 255


def test_a_shadow_of_others_darkens_floor_and_foot_and_leaves_the_mask() -> None:
    recipe = staged.recipe(SIZE)
    dark = {"kind": "edge", "seed": 1, "yaw_deg": 0.0, "centre_m": [0.0, -0.9], "soft_m": 0.01, "dark": 1.0}
    before, after = (
        compose.compose(recipe | {"veil": veil}, staged.cutout(), staged.ground()) for veil in (None, dark)
    )
    assert np.array_equal(before.mask, after.mask)
    for where in (before.mask == 1, before.mask == 0):
        darker = before.image[where].astype(int) - after.image[where]
        assert darker.min() >= 0 and np.median(darker) > 10


def blended(kind: str, width_px: float = 2.0) -> compose.Scene:
    recipe = staged.recipe(SIZE) | {"blend": {"kind": kind, "width_px": width_px, "turn_deg": 20.0}}
    return compose.compose(recipe, staged.cutout(), staged.ground(230))


@pytest.mark.parametrize("kind", blends.KINDS[1:])
def test_a_blend_changes_the_seam_alone_and_not_the_mask(kind: str) -> None:
    plain, scene = blended("alpha", 0), blended(kind)
    assert np.array_equal(scene.mask, plain.mask) and np.array_equal(scene.alpha, plain.alpha)
    change = np.abs(scene.image.astype(int) - plain.image).max(axis=2)
    body = (staged_cover() > 0).astype(np.uint8)
    seam = cv2.dilate(body, np.ones((15, 15))) - cv2.erode(body, np.ones((15, 15)))
    assert change[seam > 0].max() > 15
    assert change[cv2.dilate(body, np.ones((15, 15))) == 0].max() <= 1  # a rounding either way


def staged_cover() -> np.ndarray:
    cut = staged.cutout()
    way = (compose.scene_view(staged.recipe(SIZE)["window"], SIZE) @ cut.to_canvas())[:2]
    return np.asarray(cv2.warpAffine(cut.colour, way, (SIZE, SIZE))[..., 3])


def flat(kind: str, width_px: float, turn_deg: float = 0.0) -> np.ndarray:
    """A dark half plane over a light one."""
    foot, floor = np.full((24, 40, 3), 0.2, np.float32), np.full((24, 40, 3), 0.8, np.float32)
    cover = np.zeros((24, 40), np.uint8)
    cover[:, :20] = 255
    return blends.joined(foot, floor, cover, {"kind": kind, "width_px": width_px, "turn_deg": turn_deg})


@pytest.mark.parametrize("kind", blends.KINDS)
def test_from_dark_to_light_a_seam_never_turns_back(kind: str) -> None:
    row = flat(kind, 2.0)[12, :, 0]
    assert row[2] == pytest.approx(0.2, abs=1e-3) and row[-3] == pytest.approx(0.8, abs=1e-3)
    assert np.diff(row).min() > -1e-5
    steps = int((np.diff(row) > 0.01).sum())
    assert steps == 1 if kind == "alpha" else steps > 1


def test_the_poisson_seam_has_the_gradients_of_both_sides() -> None:
    rng = seeds.rng(1, "texture")
    foot = 0.3 + 0.05 * rng.standard_normal((24, 40, 3)).astype(np.float32)
    floor = 0.6 + 0.05 * rng.standard_normal((24, 40, 3)).astype(np.float32)
    cover = np.zeros((24, 40), np.uint8)
    cover[:, :20] = 255
    seen = blends.joined(foot, floor, cover, {"kind": "poisson", "width_px": 2.0, "turn_deg": 0.0})
    down = lambda picture: np.diff(picture[4:-4, 18:20], axis=0)
    assert np.corrcoef(down(seen).ravel(), down(foot).ravel())[0, 1] > 0.5
    assert np.allclose(seen[:, :16], foot[:, :16], atol=1e-3) and np.allclose(seen[:, 24:], floor[:, 24:], atol=1e-3)


def test_a_moving_foot_is_smeared_along_its_motion_only() -> None:
    across, along = flat("motion", 6.0, 0.0), flat("motion", 6.0, 90.0)
    assert (np.diff(across[12, :, 0]) > 0.01).sum() >= 5
    assert (np.diff(along[12, :, 0]) > 0.01).sum() <= 3


def test_styles_draw_what_they_weigh_and_the_plain_one_draws_none() -> None:
    choice = scenes.Choice([("a", 1, "S")], ["f"])

    def drawn(style: scenes.Style) -> list[dict[str, Any]]:
        return [scenes.draw(0, k, k, choice, 200, style) for k in range(300)]

    varied, plain = drawn(scenes.VARIED), drawn(scenes.Style(effects=False))
    assert {recipe["blend"]["kind"] for recipe in varied} == set(blends.KINDS)
    for share, have in (
        (scenes.VARIED.veil_share, [bool(r["veil"]) for r in varied]),
        (scenes.VARIED.bend_share, [r["lens"]["k1"] != 0 for r in varied]),
        (scenes.VARIED.focus_share, [r["lens"]["depth_px"] > 0 for r in varied]),
        (scenes.VARIED.as_is_share, [r["floor"]["as_is"] for r in varied]),
    ):
        assert abs(np.mean(have) - share) < 0.1
    assert all(r["blend"] == blends.ALPHA and r["veil"] is None for r in plain)
    assert all({k: r["lens"][k] for k in optics.CLEAR} == optics.CLEAR for r in plain)
