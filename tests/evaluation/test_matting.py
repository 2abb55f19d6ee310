"""Matting errors against a slow implementation that follows the published one line by line."""

import math

import cv2
import numpy as np
import pytest

from evaluation.matting import connectedness, gradient_magnitude, measure


def literal_gauss(x, sigma):
    return math.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))


def literal_gradient(image, sigma=1.4):
    """gaussgradient: the kernel entry by entry, the convolution pixel by pixel, the edge replicated."""
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 1e-2)))
    size = 2 * half + 1
    kernel = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            u, v = i - half, j - half
            kernel[i, j] = literal_gauss(u, sigma) * (-v * literal_gauss(v, sigma) / sigma**2)
    kernel /= math.sqrt((kernel * kernel).sum())
    height, width = image.shape
    magnitude = np.zeros(image.shape)
    for y in range(height):
        for x in range(width):
            total = [0.0, 0.0]
            for i in range(size):
                for j in range(size):
                    row = min(max(y - (i - half), 0), height - 1)
                    column = min(max(x - (j - half), 0), width - 1)
                    total[0] += kernel[i, j] * image[row, column]
                    total[1] += kernel[j, i] * image[row, column]
            magnitude[y, x] = math.sqrt(total[0] ** 2 + total[1] ** 2)
    return magnitude


def literal_components(mask):
    """4-connected components by flooding, in the order in which their first pixels stand."""
    seen, found = np.zeros(mask.shape, bool), []
    for start in zip(*np.nonzero(mask), strict=True):
        if seen[start]:
            continue
        stack, members = [start], []
        seen[start] = True
        while stack:
            y, x = stack.pop()
            members.append((y, x))
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= near[0] < mask.shape[0] and 0 <= near[1] < mask.shape[1]
                if inside and mask[near] and not seen[near]:
                    seen[near] = True
                    stack.append(near)
        found.append(members)
    return found


def literal_connectivity(pred, truth, judged):
    steps = [k / 10 for k in range(11)]
    level = np.full(pred.shape, -1.0)
    for k in range(1, 11):
        omega = np.zeros(pred.shape, bool)
        parts = literal_components((pred >= steps[k]) & (truth >= steps[k]))
        if parts:
            for place in max(parts, key=len):  # max keeps the first of equals
                omega[place] = True
        level[(level == -1) & ~omega] = steps[k - 1]
    level[level == -1] = 1
    apart = 0.0
    for place in zip(*np.nonzero(judged), strict=True):
        phi = []
        for side in (pred, truth):
            above = side[place] - level[place]
            phi.append(1 - above * (above >= 0.15))
        apart += abs(phi[0] - phi[1])
    return apart / 1000


def literal(pred, truth, judged):
    return (
        sum(abs(a - b) for a, b in zip(pred[judged], truth[judged], strict=True)) / 1000,
        sum((a - b) ** 2 for a, b in zip(pred[judged], truth[judged], strict=True)) / judged.sum(),
        float(((literal_gradient(pred) - literal_gradient(truth)) ** 2)[judged].sum()) / 1000,
        literal_connectivity(pred, truth, judged),
    )


def mattes(seed, size=(21, 26)):
    rng = np.random.default_rng(seed)
    noise = [cv2.GaussianBlur(rng.standard_normal(size), (0, 0), 2.5) for _ in range(2)]
    smooth = [np.clip(0.5 + field * 4, 0, 1) for field in (noise[0], noise[0] + 0.3 * noise[1])]
    return [np.rint(field * 255).astype(np.uint8) for field in smooth]


def errors(pred, truth, judged=None):
    found = measure(pred, truth, judged=judged)
    return found.sad, found.mse, found.gradient_error, found.connectivity_error


@pytest.mark.parametrize("seed", range(4))
def test_the_four_errors_are_those_of_the_literal_implementation(seed):
    pred, truth = mattes(seed)
    everywhere = np.ones(pred.shape, bool)
    assert errors(pred, truth) == pytest.approx(literal(pred / 255.0, truth / 255.0, everywhere), abs=1e-9)
    some = np.random.default_rng(seed).random(pred.shape) < 0.3
    assert errors(pred, truth, some) == pytest.approx(literal(pred / 255.0, truth / 255.0, some), abs=1e-9)


def test_of_two_equally_large_regions_the_first_by_rows_is_the_source():
    alpha = np.zeros((5, 9), np.float64)
    alpha[3:, 0:2] = 1
    alpha[1:3, 5:7] = 1
    other = alpha * 0.9
    first, second = connectedness(alpha, other)
    assert first[1, 5] == 1  # of the source: connected up to its own alpha
    assert first[3, 0] == 0  # opaque but apart from it
    assert errors(alpha, other)[3] == pytest.approx(literal_connectivity(alpha, other, np.ones(alpha.shape, bool)))
    assert second[3, 0] == pytest.approx(0.1)


def test_a_perfect_matte_has_no_errors_and_errors_do_not_depend_on_the_side():
    pred, truth = mattes(9)
    assert errors(truth, truth) == (0, 0, 0, 0)
    assert errors(pred, truth) == pytest.approx(errors(truth, pred))


def test_a_shift_in_level_is_seen_by_sad_and_mse_and_not_by_the_gradient():
    truth = np.full((40, 50), 0.5)
    sad, mse, gradient, _ = errors(truth + 0.1, truth)
    assert (sad, mse, gradient) == pytest.approx((0.2, 0.01, 0), abs=1e-12)


def test_a_hole_costs_connectivity_nothing_and_an_island_does():
    truth = np.zeros((30, 30))
    truth[5:25, 5:20] = 1
    island = truth.copy()
    island[10:14, 24:28] = 1
    assert errors(island, truth)[3] == pytest.approx(16 / 1000)


def test_the_gradient_of_a_ramp_is_the_same_in_every_direction():
    y, x = np.mgrid[:40, :40] / 100
    inner = np.s_[10:30, 10:30]
    flat = [gradient_magnitude(ramp)[inner] for ramp in (x, y, (x + y) / math.sqrt(2))]
    assert np.ptp(np.stack(flat)) == pytest.approx(0, abs=1e-12)


def test_nothing_judged_sums_to_0_and_has_no_mean():
    pred, truth = mattes(2)
    found = measure(pred, truth, judged=np.zeros(pred.shape, bool))
    assert found.sad == found.gradient_error == found.connectivity_error == 0
    assert math.isnan(found.mse)


@pytest.mark.parametrize(
    ("pred", "truth", "judged", "says"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), None, "the truth is"),
        (np.full((2, 2), 1.1), np.zeros((2, 2)), None, "the prediction must be in"),
        (np.zeros((2, 2)), np.full((2, 2), np.nan), None, "the truth must be in"),
        (np.zeros((2, 2), np.int32), np.zeros((2, 2)), None, "int32"),
        (np.zeros((2, 2, 1)), np.zeros((2, 2)), None, "must be"),
        (np.zeros((2, 2)), np.zeros((2, 2)), np.ones((1, 2)), "judged region"),
    ],
)
def test_what_is_no_matte_is_refused(pred, truth, judged, says):
    with pytest.raises(ValueError, match=says):
        measure(pred, truth, judged=judged)
