"""Motion between frames: moving masks along, what is hidden, and what optical flow finds."""

import cv2
import numpy as np
import pytest

from evaluation import motion
from masksmith.errors import UsageProblem


def disc(x, y=20, r=9, size=(40, 48)):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= r * r


def shift(dx, dy, size=(40, 48)):
    return np.broadcast_to(np.float32([dx, dy]), (*size, 2))


def texture(seed=0, size=(96, 128)):
    noise = np.random.default_rng(seed).integers(0, 255, size, dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def test_a_mask_moved_along_known_motion_is_the_mask_of_now():
    moved = motion.known(shift(-5, 2)).mask_before(disc(20, 22))
    assert np.array_equal(moved, disc(25, 20))


@pytest.mark.parametrize(("by", "pixels"), [(0.4, 0), (-0.4, 0), (0.6, 1), (-1.3, -1)])
def test_motion_of_a_part_of_a_pixel_is_rounded(by, pixels):
    moved = motion.known(shift(-by, 0)).mask_before(disc(20))
    assert np.array_equal(moved, disc(20 + pixels))


def test_pixels_that_come_from_outside_the_picture_are_not_visible():
    seen = motion.known(shift(-5, 2)).visible
    assert not seen[:, :5].any() and not seen[-2:].any()
    assert seen[:-2, 5:].all()


def test_nan_says_that_a_pixel_was_hidden():
    flow = shift(0, 0).copy()
    flow[3, 4] = np.nan
    found = motion.known(flow)
    assert not found.visible[3, 4] and found.visible.sum() == found.visible.size - 1
    assert np.isfinite(found.source).all()


def test_what_a_moving_thing_uncovers_was_hidden_and_is_found_by_going_forth_and_back():
    before, now = disc(20), disc(26)
    backward = np.where(now[..., None], np.float32([-6, 0]), np.float32(0))
    forward = np.where(before[..., None], np.float32([6, 0]), np.float32(0))
    seen = motion.known(backward, forward).visible
    uncovered = before & ~now
    assert not seen[uncovered].any()
    assert seen[now & disc(26, r=7)].all()
    assert seen[~(before | now) & ~disc(23, r=14)].all()


@pytest.mark.parametrize("method", sorted(motion.METHODS))
def test_optical_flow_finds_a_shift_and_says_its_name(method):
    before = texture()
    now = np.roll(before, (2, 3), (0, 1))
    found = motion.Estimator(method).between(before, now)
    inner = (slice(20, -20), slice(20, -20))
    rows, columns = np.mgrid[:96, :128]
    assert np.abs(found.source[..., 0] - columns + 3)[inner].mean() < 0.5
    assert np.abs(found.source[..., 1] - rows + 2)[inner].mean() < 0.5
    assert found.visible[inner].mean() > 0.95
    assert found.kind == method


def test_what_is_refused_is_named():
    with pytest.raises(UsageProblem, match="Did you mean 'dis'"):
        motion.Estimator("diss")
    with pytest.raises(ValueError, match="at least 12"):
        motion.Estimator().between(np.zeros((8, 40), np.uint8), np.zeros((8, 40), np.uint8))
    with pytest.raises(ValueError, match="H, W, 2"):
        motion.known(np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"\(30, 40\)"):
        motion.grey(np.zeros((40, 30, 3), np.uint8), 30, 40)
    with pytest.raises(ValueError, match=r"\(40, 48\)"):
        motion.known(shift(0, 0)).mask_before(disc(5, size=(40, 40)))
