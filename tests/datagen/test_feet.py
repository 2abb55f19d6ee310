"""Made feet, their skin, and the subdivision under them."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import feet, nails, placing, skin
from datagen.feet import foot_parameters, parametric_foot
from datagen.subdivision import catmull_clark, triangles
from masksmith import seeds
from masksmith.errors import EnvironmentFault, UsageProblem

needs_anny = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="the package anny is not installed")


@needs_anny
def test_a_made_foot_stands_open_at_the_leg_with_toes_forward() -> None:
    for index in range(4):
        foot = parametric_foot(3, index)
        assert foot.subject == f"P{index:04d}" and foot.side == "left" and foot.licence == "CC0-1.0"
        assert foot.colours is not None and foot.colours.shape == foot.vertices.shape
        assert 30_000 < len(foot.faces) < 42_000
        assert 0.139 < foot.length_m < 0.311 and 0.15 < foot.vertices[:, 1].max() < 0.32
        assert abs(foot.vertices[:, 1].min()) < 1e-6
        resting = foot.vertices[foot.vertices[:, 1] < 0.002, 2]
        assert np.ptp(resting) > 0.6 * foot.length_m  # heel and ball both touch the floor
        ends = placing.open_ends(foot.faces)
        assert len(ends) == 1 and foot.vertices[ends[0], 1].min() > 0.1
        seen = placing.place(foot.vertices.astype(np.float64), foot.faces, where="made")
        assert (seen.units, seen.up, seen.side_seen) == ("m", "y", "left")
        assert np.allclose(seen.vertices, foot.vertices, atol=1e-5)


@needs_anny
def test_normals_of_a_made_foot_point_outwards() -> None:
    foot = parametric_foot(0, 1)
    normals = foot.normals()
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)
    assert normals[foot.vertices[:, 1] < 0.001, 1].mean() < -0.8
    leg = (foot.vertices[:, 1] > 0.1) & (foot.vertices[:, 1] < 0.13)
    out = foot.vertices[leg][:, [0, 2]] - foot.vertices[leg][:, [0, 2]].mean(axis=0)
    assert (np.einsum("ij,ij->i", out, normals[leg][:, [0, 2]]) > 0).mean() > 0.98


@needs_anny
def test_seed_and_index_alone_decide_a_made_foot() -> None:
    one = parametric_foot(5, 2)
    feet._leg.cache_clear()
    feet._target.cache_clear()
    parametric_foot(5, 0)
    two, other, later = parametric_foot(5, 2), parametric_foot(6, 2), parametric_foot(5, 3)
    assert np.array_equal(one.vertices, two.vertices) and np.array_equal(one.colours, two.colours)
    assert one.sha256 == two.sha256 and len({one.sha256, other.sha256, later.sha256}) == 3
    assert not np.array_equal(one.vertices[:100], other.vertices[:100])


@needs_anny
def test_made_feet_differ_in_length_width_and_skin() -> None:
    people = [parametric_foot(9, index) for index in range(10)]
    lengths = [foot.length_m for foot in people]
    widths = [np.ptp(foot.vertices[foot.vertices[:, 1] < 0.03, 0]) / foot.length_m for foot in people]
    shades = [foot.colours.mean() for foot in people if foot.colours is not None]
    assert np.ptp(lengths) > 0.04 and np.ptp(widths) > 0.03 and np.ptp(shades) > 40


@needs_anny
def test_a_made_foot_loads_no_deep_learning_library_and_is_quick() -> None:
    code = (
        "import sys; from datagen.feet import parametric_foot; parametric_foot(0, 0); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    for index in range(20):
        parametric_foot(0, index)
    start = time.process_time()
    for index in range(20, 24):
        parametric_foot(0, index)
    assert (time.process_time() - start) / 4 < 1.5


def test_without_the_package_the_way_to_get_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    feet._leg.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault, match=r'pip install "masksmith\[feet\]"'):
        parametric_foot(0, 0)
    monkeypatch.undo()
    feet._leg.cache_clear()


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), index=st.integers(0, 10**6))
def test_parameters_stay_in_their_ranges_and_shares_add_up(seed: int, index: int) -> None:
    wishes = foot_parameters(seed, index)
    for key in ("age", "gender", "muscle", "weight", "height", "proportions", "melanin"):
        assert 0 <= wishes[key] <= 1
    assert sum(wishes["race"].values()) == pytest.approx(1)
    shares = dict(feet._shares(wishes))
    assert all(share >= 0 for share in shares.values())
    for kind in ("macrodetails/universal", "macrodetails/height/", "macrodetails/proportions/"):
        assert sum(share for name, share in shares.items() if name.startswith(kind)) == pytest.approx(1)


def bump() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A low, foot-sized dome on the floor: vertices, faces, outward normals."""
    x, z = np.meshgrid(np.linspace(-0.05, 0.05, 40), np.linspace(-0.125, 0.125, 100), indexing="ij")
    y = 0.06 * np.clip(1 - (x / 0.05) ** 2 - (z / 0.125) ** 2, 0, 1)
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    grid = np.arange(4000).reshape(40, 100)
    quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=-1).reshape(-1, 4)
    normals = np.zeros_like(points)
    normals[:, 1] = 1
    return points, triangles(quads), normals


def test_more_melanin_is_darker_skin_and_the_sole_of_dark_feet_is_paler() -> None:
    points, faces, normals = bump()
    tones = [skin.paint(points, faces, normals, seeds.rng(4), melanin=m).mean() for m in (0, 0.25, 0.5, 0.75, 1)]
    assert all(lighter > darker + 10 for lighter, darker in itertools.pairwise(tones))
    flat = points * [1, 0.05, 1]
    top = skin.paint(flat, faces, normals, seeds.rng(4), melanin=0.9)
    sole = skin.paint(flat, faces, -normals, seeds.rng(4), melanin=0.9)
    assert sole.mean() > top.mean() + 25


def test_skin_is_red_before_green_before_blue() -> None:
    points, faces, normals = bump()
    for number in range(6):
        red, green, blue = skin.paint(points, faces, normals, seeds.rng(number)).mean(axis=0)
        assert red > green > blue


def test_melanin_outside_its_range_is_refused() -> None:
    points, faces, normals = bump()
    with pytest.raises(UsageProblem, match=r"not 1\.2"):
        skin.paint(points, faces, normals, seeds.rng(0), melanin=1.2)


@needs_anny
def test_five_toes_are_found_on_most_made_feet() -> None:
    counts = []
    for index in range(8):
        foot = parametric_foot(2, index)
        low = foot.vertices[foot.vertices[:, 1] < 0.08]
        tips = nails.toe_tips(foot.vertices, foot.length_m, float(low[:, 2].min()))
        counts.append(len(tips))
        assert all(a[0] < b[0] for a, b in itertools.pairwise(tips))
    assert sum(count >= 4 for count in counts) >= 6


def test_subdividing_keeps_a_flat_grid_flat_and_its_weights_add_to_one() -> None:
    grid = np.arange(20).reshape(4, 5)
    quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=-1).reshape(-1, 4)
    matrix, finer = catmull_clark(quads, 20, 2)
    assert np.allclose(np.asarray(matrix.sum(axis=1)), 1)
    points = np.stack([*np.meshgrid(np.arange(4.0), np.arange(5.0), indexing="ij"), np.full((4, 5), 2.0)], -1)
    fine = matrix @ points.reshape(-1, 3)
    assert len(finer) == 16 * len(quads) and np.allclose(fine[:, 2], 2)
    corners = fine[finer]
    across = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])[:, 2]
    assert (across > 0).all() or (across < 0).all()  # no quad folds over


def test_a_subdivided_cube_is_closed_and_nearly_round() -> None:
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    quads = np.array([(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
    matrix, finer = catmull_clark(quads, 8, 3)
    radius = np.linalg.norm(matrix @ corners, axis=1)
    assert radius.max() / radius.min() < 1.2
    assert placing.open_ends(triangles(finer)) == []
