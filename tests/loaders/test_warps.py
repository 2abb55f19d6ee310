import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import ProjectiveTransform

from loaders import warps

sizes = st.integers(16, 300)
seeds = st.integers(0, 2**32)


@settings(max_examples=100, deadline=None)
@given(seed=seeds, height=sizes, width=sizes)
def test_corner_points_lie_one_in_each_corner_cell_and_are_convex(seed: int, height: int, width: int) -> None:
    quad = warps.corner_quad(np.random.default_rng(seed), height, width)
    x, y = quad[:, 0] / (width - 1), quad[:, 1] / (height - 1)
    assert np.all(x[[0, 3]] <= 1 / 3) and np.all(x[[1, 2]] >= 2 / 3)
    assert np.all(y[[0, 1]] <= 1 / 3) and np.all(y[[2, 3]] >= 2 / 3)
    assert np.all((x >= 0) & (x <= 1) & (y >= 0) & (y <= 1))
    assert warps.is_upright_convex(quad)


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_quads_that_are_not_convex_are_drawn_again(seed: int) -> None:
    # with two cells a side the four points often make a dart
    quad = warps.corner_quad(np.random.default_rng(seed), 100, 100, grid=2)
    assert warps.is_upright_convex(quad)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, height=sizes, width=sizes)
def test_the_homography_takes_the_points_to_the_corners(seed: int, height: int, width: int) -> None:
    quad = warps.corner_quad(np.random.default_rng(seed), height, width)
    matrix = warps.homography(quad, height, width)
    assert warps.move_points(matrix, quad) == pytest.approx(warps.corners(height, width), abs=2e-3)


def test_the_homography_is_scikit_images() -> None:
    quad = warps.corner_quad(np.random.default_rng(8), 120, 200)
    other = ProjectiveTransform.from_estimate(quad, warps.corners(120, 200))
    points = np.array([[30.0, 40.0], [100.0, 60.0], [150.0, 90.0]])
    assert warps.move_points(warps.homography(quad, 120, 200), points) == pytest.approx(other(points), abs=1e-2)


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_no_other_affine_map_brings_the_points_nearer_to_the_corners(seed: int) -> None:
    rng = np.random.default_rng(seed)
    quad = warps.corner_quad(rng, 90, 130)
    target = warps.corners(90, 130)
    matrix = warps.affine_fit(quad, 90, 130)
    best = ((warps.move_points(matrix, quad) - target) ** 2).sum()
    for _ in range(10):
        nudged = matrix.copy()
        nudged[:2] += rng.normal(0, [0.01, 0.01, 1.0], (2, 3))
        assert ((warps.move_points(nudged, quad) - target) ** 2).sum() >= best


@pytest.mark.parametrize(
    "order", [(1, 0, 3, 2), (0, 2, 1, 3), (3, 2, 1, 0)], ids=["mirrored", "crossed", "upside down mirrored"]
)
def test_flipped_and_crossed_quads_are_refused(order: tuple[int, ...]) -> None:
    quad = warps.corners(50, 50)[list(order)]
    for fit in (warps.homography, warps.affine_fit):
        with pytest.raises(ValueError, match="no convex quad"):
            fit(quad, 50, 50)


def test_a_dart_is_refused() -> None:
    dart = np.array([[0.0, 0.0], [40.0, 0.0], [12.0, 12.0], [0.0, 40.0]])
    with pytest.raises(ValueError, match="no convex quad"):
        warps.homography(dart, 50, 50)


def test_the_centre_stays_where_it_is_under_turn_and_scale_and_moves_by_the_shift() -> None:
    centre = np.array([[49.5, 29.5]])
    still = warps.centred_affine(60, 100, angle_deg=33, scale=1.4)
    assert warps.move_points(still, centre) == pytest.approx(centre)
    moved = warps.centred_affine(60, 100, angle_deg=33, scale=1.4, shift_px=(5, -3))
    assert warps.move_points(moved, centre) == pytest.approx(centre + np.array([5, -3]))
    right = warps.move_points(warps.centred_affine(60, 100, angle_deg=90, scale=2), np.array([[59.5, 29.5]]))
    assert right == pytest.approx(np.array([[49.5, 49.5]]))  # clockwise: what was right is now below


def test_warping_moves_a_pixel_where_the_matrix_moves_its_point() -> None:
    spot = np.zeros((60, 100), np.uint8)
    spot[20, 30] = 255
    matrix = warps.centred_affine(60, 100, angle_deg=0, scale=1, shift_px=(7, 4))
    warped = warps.warp(spot, matrix, nearest=True)
    assert np.argwhere(warped).tolist() == [[24, 37]]


def test_places_outside_are_filled_in_every_channel() -> None:
    picture = np.full((20, 30, 3), 9, np.uint8)
    warped = warps.warp(picture, warps.centred_affine(20, 30, angle_deg=0, scale=1, shift_px=(40, 0)), fill=77)
    assert np.all(warped == 77)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, mean=st.floats(0.5, 6), height=sizes, width=sizes)
def test_elastic_offsets_have_the_mean_length_asked_for(seed: int, mean: float, height: int, width: int) -> None:
    field = warps.elastic_field(np.random.default_rng(seed), height, width, mean)
    assert np.hypot(field[..., 0], field[..., 1]).mean(dtype=np.float64) == pytest.approx(mean, rel=1e-4)


def test_elastic_offsets_are_smooth_and_seldom_fold() -> None:
    folded = []
    for seed in range(20):
        field = warps.elastic_field(np.random.default_rng(seed), 224, 224, 2.5)
        across = np.diff(field, axis=1)
        assert np.abs(across).mean() < 0.3
        folded.append((across[..., 0] < -1).mean())
    assert np.mean(folded) < 1e-3


@settings(max_examples=30, deadline=None)
@given(angle=st.floats(-45, 45), scale=st.floats(0.6, 1.5), x=st.floats(-30, 30), y=st.floats(-30, 30))
def test_affine_displacement_is_the_mean_over_all_pixels(angle: float, scale: float, x: float, y: float) -> None:
    matrix = warps.centred_affine(90, 120, angle_deg=angle, scale=scale, shift_px=(x, y))
    exact = warps.mean_length(warps.affine_field(matrix, None, 90, 120) - warps.positions(90, 120))
    assert warps.affine_displacement(matrix, 90, 120) == pytest.approx(exact, rel=0.02, abs=0.02)
