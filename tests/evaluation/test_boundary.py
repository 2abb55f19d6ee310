"""Boundary figures: equal to direct implementations, true to their identities, blind to what is not judged."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from scipy.io import loadmat
from skimage.metrics import hausdorff_distance
from skimage.morphology import dilation, disk

from evaluation import bits, boundary, surface
from evaluation.boundary import boundary_f, boundary_iou, measure
from evaluation.surface import hausdorff95, surface_dice, surface_distances


def direct_iou(pred, truth):
    """Cheng's definition with scipy's erosion."""
    d = max(1, round(0.02 * math.sqrt(truth.shape[0] ** 2 + truth.shape[1] ** 2)))
    bands = []
    for mask in (pred, truth):
        padded = np.pad(mask.astype(bool), 1)
        inner = ndimage.binary_erosion(padded, np.ones((3, 3)), iterations=d)[1:-1, 1:-1]
        bands.append(mask.astype(bool) & ~inner)
    union = (bands[0] | bands[1]).sum()
    return (bands[0] & bands[1]).sum() / union if union else math.nan


def direct_contour(mask):
    """seg2bmap, step by step."""
    seg = mask.astype(bool)
    e, s, se = np.zeros_like(seg), np.zeros_like(seg), np.zeros_like(seg)
    e[:, :-1], s[:-1], se[:-1, :-1] = seg[:, 1:], seg[1:], seg[1:, 1:]
    b = seg ^ e | seg ^ s | seg ^ se
    b[-1] = seg[-1] ^ e[-1]
    b[:, -1] = seg[:, -1] ^ s[:, -1]
    b[-1, -1] = False
    return b


def direct_f(pred, truth):
    """DAVIS's F with scikit-image's dilation by a disk."""
    off = int(np.ceil(0.008 * np.linalg.norm(truth.shape)))
    one, two = direct_contour(pred), direct_contour(truth)
    if not one.any() or not two.any():
        return float(one.any() == two.any())
    precision = (one & dilation(two, disk(off))).sum() / one.sum()
    recall = (two & dilation(one, disk(off))).sum() / two.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def direct_surface(mask):
    return mask.astype(bool) & ~ndimage.binary_erosion(mask.astype(bool))


def direct_distances(pred, truth):
    one, two = direct_surface(pred), direct_surface(truth)
    return ndimage.distance_transform_edt(~two)[one], ndimage.distance_transform_edt(~one)[two]


def check_all(pred, truth, tolerance=2.0):
    """The figures of a pair against the direct implementations of all of them; both masks hold something."""
    there, back = direct_distances(pred, truth)
    expected = [
        direct_iou(pred, truth),
        direct_f(pred, truth),
        max(np.percentile(there, 95), np.percentile(back, 95)),
        ((there <= tolerance).sum() + (back <= tolerance).sum()) / (there.size + back.size),
    ]
    assert measure(pred, truth, tolerance=tolerance)[1] == pytest.approx(expected, abs=1e-6)
    alone = [
        boundary_iou(pred, truth),
        boundary_f(pred, truth),
        hausdorff95(pred, truth),
        surface_dice(pred, truth, tolerance=tolerance),
    ]
    assert alone == pytest.approx(expected, abs=1e-6)
    assert boundary.outlines(pred, truth) == tuple(alone[:2])
    largest = hausdorff_distance(direct_surface(pred), direct_surface(truth))
    assert hausdorff95(pred, truth, percent=100) == pytest.approx(largest, abs=1e-6)


def blob(seed, size=(90, 120), rough=6.0, level=0.2):
    noise = np.random.default_rng(seed).standard_normal(size)
    smooth = cv2.GaussianBlur(noise, (0, 0), rough)
    return (smooth > level * smooth.std()).astype(np.uint8)


def square(low, high, size=60):
    mask = np.zeros((size, size), np.uint8)
    mask[low:high, low:high] = 1
    return mask


@pytest.mark.parametrize("size", [(90, 120), (1, 50), (50, 1), (33, 300), (256, 256)])
@pytest.mark.parametrize("rough", [0.5, 3.0, 12.0])
def test_figures_of_blobs_equal_direct_implementations(size, rough):
    for seed in range(2):
        pred, truth = blob(seed, size, rough), blob(seed + 100, size, rough)
        pred[0, 0] = truth[-1, -1] = 1
        check_all(pred, truth, tolerance=1.5)
        check_all(truth, cv2.dilate(truth, np.ones((3, 3), np.uint8)))


@settings(max_examples=40, deadline=None)
@given(st.data(), hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14), st.sampled_from([0, 1, 2, 5]))
def test_figures_of_any_pair_equal_direct_implementations(data, size, tolerance):
    pred, truth = (data.draw(hnp.arrays(np.uint8, size, elements=st.sampled_from([0, 1]))) for _ in range(2))
    assume(pred.any() and truth.any())
    check_all(pred, truth, tolerance)


def test_sparse_and_dense_surfaces_are_measured_alike():
    for seed in range(4):
        one, two = (surface.surface(blob(seed + k, rough=4.0) * np.uint8(255), None) for k in (0, 50))
        places, goals = surface._places(one), surface._places(two)
        expected = ndimage.distance_transform_edt(two == 0)[one > 0]
        assert surface._by_tree(places, goals) == pytest.approx(expected, abs=1e-9)
        assert surface._by_field(places, two) == pytest.approx(expected, abs=1e-9)
        assert surface.nearest(one, two) == pytest.approx(expected, abs=1e-9)


def test_a_disk_too_large_to_draw_finds_the_same_contours():
    one, two = (np.uint8(255) * direct_contour(blob(seed, (200, 200), 15)) for seed in (1, 2))
    for off in (1, 4, 9, 16):
        drawn = bits.count(bits.packed(one) & bits.disk(bits.packed(two), off))
        assert drawn == (dilation(two, disk(off)) & one > 0).sum()
        assert drawn == (surface.nearest(one, two) <= off).sum()


def test_a_perfect_mask_is_perfect():
    for mask in (blob(3), square(0, 60), square(20, 40)):
        assert measure(mask, mask)[1].tolist() == [1.0, 1.0, 0.0, 1.0]


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_dilation_by_so_many_pixels_has_a_hausdorff95_of_so_many(steps):
    truth = square(20, 40)
    pred = cv2.dilate(truth, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), iterations=steps)
    assert hausdorff95(cv2.dilate(truth, np.ones((3, 3), np.uint8)), truth) == 1.0
    there, back = surface_distances(pred, truth)
    assert there.max() == back.max() == hausdorff95(np.roll(truth, steps, 0), truth) == steps
    assert surface_dice(pred, truth, tolerance=steps) == 1.0
    assert surface_dice(pred, truth, tolerance=0.5) == 0.0


def test_the_band_of_a_square_is_as_wide_as_2_percent_of_the_diagonal():
    truth, pred = np.zeros((300, 400), np.uint8), np.zeros((300, 400), np.uint8)
    truth[100:200, 100:200] = 1
    pred[90:210, 90:210] = 1  # diagonal 500: d = 10, so the two bands do not touch
    assert boundary_iou(pred, truth) == 0.0
    pred[:91] = pred[:, :91] = pred[209:] = pred[:, 209:] = 0
    shared = 100**2 - 98**2
    bands = 2 * 100**2 + 118**2 - 80**2 - 98**2 - 100**2
    assert boundary_iou(pred, truth) == pytest.approx(shared / (bands - shared))


def test_a_mask_cut_by_the_image_ends_there_for_bands_and_surfaces_but_has_no_contour():
    whole = np.ones((40, 40), np.uint8)
    inner = square(1, 39, 40)
    assert hausdorff95(inner, whole) == 1.0
    assert boundary_iou(inner, whole) == pytest.approx(direct_iou(inner, whole)) and boundary_iou(inner, whole) < 1
    assert boundary_f(inner, whole) == 0.0
    assert boundary_f(whole, whole) == 1.0


def test_one_empty_side_leaves_the_distance_undefined_and_two_make_it_0():
    some, none = square(20, 40), square(0, 0)
    for pair in ((some, none), (none, some)):
        iou, f, far, dice = measure(*pair)[1]
        assert (iou, f, dice) == (0.0, 0.0, 0.0)
        assert math.isnan(far) and math.isnan(hausdorff95(*pair))
    assert np.isnan(measure(none, none)).all()
    assert (hausdorff95(none, none), boundary_f(none, none)) == (0.0, 1.0)
    assert math.isnan(boundary_iou(none, none)) and math.isnan(surface_dice(none, none))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40), st.integers(0, 40))
def test_sides_can_be_swapped_and_an_image_can_be_turned_for_bands_and_surfaces(seed, y, x):
    pred, truth = blob(seed, (40, 50)), blob(seed + 1, (40, 50))
    assume(pred.any() and truth.any())
    one = measure(pred, truth)[1]
    assert measure(truth, pred)[1] == pytest.approx(one)
    turned = measure(np.rot90(pred).copy(), np.rot90(truth).copy())[1]
    assert turned[[0, 2, 3]] == pytest.approx(one[[0, 2, 3]])
    assert one[[0, 1, 3]].min() >= 0 and one[[0, 1, 3]].max() <= 1 and one[2] >= 0


def test_classes_are_judged_one_by_one_and_the_background_from_the_other_side():
    rng = np.random.default_rng(5)
    pred, truth = (np.where(blob(k), 1 + 6 * blob(k + 7), 0).astype(np.uint8) for k in rng.integers(0, 99, 2))
    found = measure(pred, truth, (0, 1, 7))
    for row, one, two in ((0, pred > 0, truth > 0), (1, pred == 1, truth == 1), (2, pred == 7, truth == 7)):
        assert found[row] == pytest.approx(measure(one.astype(np.uint8), two.astype(np.uint8))[1])


def test_what_lies_under_ignored_pixels_changes_nothing():
    pred, truth = blob(1), blob(2)
    hidden = blob(3, rough=10) > 0
    truth[hidden] = 255
    found = measure(pred, truth)
    other = np.where(hidden, 1 - pred, pred).astype(np.uint8)
    assert np.array_equal(measure(other, truth), found)
    apart = [f(pred, truth == 1, ignored=hidden) for f in (boundary_iou, boundary_f, hausdorff95, surface_dice)]
    assert apart == pytest.approx(found[1])


def test_nothing_ends_at_ignored_pixels():
    truth = square(20, 40)
    pred = square(20, 40)
    pred[:, 30:] = 0  # half of it is missing, and all of that half is ignored, and more
    goal = truth.copy()
    goal[:, 28:] = 255
    assert measure(pred, goal)[1].tolist() == [1.0, 1.0, 0.0, 1.0]
    pred[:, 26:] = 0  # two columns too few where it is judged
    iou, f, far, dice = measure(pred, goal)[1]
    assert iou < 1 and f < 1 and far > 0 and dice < 1


@pytest.mark.parametrize("seed", range(4))
def test_masks_with_ignored_pixels_equal_the_definition_over_the_whole_image(seed):
    size = (150, 200)  # bands of 5 pixels
    pred, truth, hidden = (blob(seed + k, size, 7, 0.3).astype(bool) for k in (0, 20, 40))
    hidden[50:100, 130:] = True  # the masks end in the middle, and part of where they end is ignored
    for mask in (pred, truth):
        mask[60:90, 100:130] = True
        mask[:, 130:] = mask[:40] = mask[110:] = mask[:, :60] = False
    edges = []
    for mask in (pred & ~hidden, truth & ~hidden):
        solid = np.pad(mask | hidden, 1)
        inner = ndimage.binary_erosion(solid, np.ones((3, 3)), iterations=5)[1:-1, 1:-1]
        contour = np.zeros(size, bool)
        for y in range(size[0]):
            for x in range(size[1]):
                block = mask[y : y + 2, x : x + 2][~hidden[y : y + 2, x : x + 2]]
                contour[y, x] = not hidden[y, x] and bool((block != mask[y, x]).any())
        edges.append((mask & ~inner, contour, mask & ~ndimage.binary_erosion(solid)[1:-1, 1:-1]))
    (band, contour, skin), (band_2, contour_2, skin_2) = edges
    assert boundary_iou(pred, truth, ignored=hidden) == pytest.approx((band & band_2).sum() / (band | band_2).sum())
    near, near_2 = (ndimage.distance_transform_edt(~c) <= 2 for c in (contour, contour_2))
    right, found = (contour & near_2).sum() / contour.sum(), (contour_2 & near).sum() / contour_2.sum()
    assert boundary_f(pred, truth, ignored=hidden) == pytest.approx(2 * right * found / (right + found))
    there, back = surface_distances(pred, truth, ignored=hidden)
    assert there == pytest.approx(ndimage.distance_transform_edt(~skin_2)[skin])
    assert back == pytest.approx(ndimage.distance_transform_edt(~skin)[skin_2])


def test_ignored_pixels_far_away_change_nothing():
    pred, truth = square(20, 40), square(21, 42)
    goal = truth.copy()
    goal[:8], goal[:, 55:] = 255, 255
    assert np.array_equal(measure(pred, goal), measure(pred, truth))


def test_a_boundary_that_is_ignored_altogether_is_undefined():
    goal = np.full((40, 40), 255, np.uint8)
    goal[15:25, 15:25] = 1
    iou, f, far, dice = measure(square(10, 30, 40), goal)[1]
    assert math.isnan(iou) and math.isnan(far) and math.isnan(dice)
    assert f == 1.0  # DAVIS: two masks without a contour agree


@pytest.mark.parametrize("judge", [boundary_iou, boundary_f, hausdorff95, surface_dice])
def test_other_sizes_and_types_are_refused(judge):
    with pytest.raises(ValueError, match=r"\(4, 4\).*\(4, 5\)"):
        judge(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8))
    with pytest.raises(ValueError, match="uint8 or bool"):
        judge(np.zeros((4, 4), np.float32), np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match="ignored"):
        judge(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), ignored=np.zeros((5, 4), np.uint8))


@pytest.mark.data
def test_figures_of_real_portraits_and_feet_equal_direct_implementations(real_data):
    stored = [loadmat(path)["mask"] for path in sorted((real_data / "eg1800" / "images_mask").glob("*.mat"))[:1]]
    feet = [cv2.imread(str(path), 0) for path in sorted((real_data / "feet" / "real").rglob("*.png"))[:1]]
    assert stored
    for mask in stored + [(foot > 0).astype(np.uint8) for foot in feet]:
        truth = np.ascontiguousarray(mask, np.uint8)
        small = cv2.resize(truth * 255, (96, 96), interpolation=cv2.INTER_AREA)
        pred = (cv2.resize(small, truth.shape[::-1]) >= 128).astype(np.uint8)
        check_all(pred, truth)


@pytest.mark.data
def test_figures_of_neighbouring_real_frames_equal_direct_implementations(real_data):
    frames = sorted((real_data / "video" / "DAVIS2016" / "Annotations" / "480p").rglob("*.png"))
    pred, truth = ((cv2.imread(str(frames[k]), 0) > 0).astype(np.uint8) for k in (40, 41))
    check_all(pred, truth)
