"""The policy that decides which frames of a video need a new mask."""

import numpy as np
import pytest

from masksmith.skipping import WARM_UP, FrameSkipper, grey


def noisy(number, seed=0, size=(24, 32), level=2.0):
    """A still scene with sensor noise."""
    rng = np.random.default_rng(seed)
    scene = rng.integers(40, 200, size)
    return [np.clip(scene + rng.normal(0, level, size), 0, 255).astype(np.uint8) for _ in range(number)]


def literal(frames, alpha, window, warm_up, floor):
    """The rule as it is told, with a list."""
    last, past, wanted = None, [], []
    for number, frame in enumerate(frames):
        if last is None:
            take = True
        else:
            difference = np.abs(frame.astype(int) - last.astype(int)).mean()
            recent = past[-window:]
            take = not recent or difference > np.percentile(recent, alpha)
            take = take and (floor is None or difference > floor)
            past.append(difference)
        take = take or number < warm_up or alpha == 0
        if take:
            last = frame
        wanted.append(bool(take))
    return wanted


@pytest.mark.parametrize("alpha", [0, 30, 80, 100])
@pytest.mark.parametrize("floor", [None, 3.0])
@pytest.mark.parametrize("window", [7, 3000])
def test_decisions_are_those_of_the_rule_as_it_is_told(alpha, floor, window):
    rng = np.random.default_rng(5)
    frames = [np.roll(frame, int(rng.integers(0, 3)), axis=1) for frame in noisy(120)]
    skipper = FrameSkipper(alpha, window=window, warm_up=10, floor=floor)
    decided = [skipper.wants(frame) for frame in frames]
    assert decided == literal(frames, alpha, window, 10, floor)
    assert (skipper.seen, skipper.predicted) == (120, sum(decided))
    assert skipper.skip_rate == pytest.approx(1 - sum(decided) / 120)


def test_the_first_thirty_frames_are_predicted_and_identical_ones_after_them_are_not():
    skipper = FrameSkipper(80)
    frame = noisy(1)[0]
    decided = [skipper.wants(frame) for _ in range(100)]
    assert decided == [True] * WARM_UP + [False] * (100 - WARM_UP)


def test_alpha_0_predicts_every_frame_even_of_a_frozen_scene():
    skipper = FrameSkipper(0, warm_up=0)
    frame = noisy(1)[0]
    assert all(skipper.wants(frame) for _ in range(20))
    assert skipper.skip_rate == 0


def test_a_higher_alpha_skips_more_of_a_noisy_scene():
    frames = noisy(600)
    rates = []
    for alpha in (0, 50, 80, 95):
        skipper = FrameSkipper(alpha)
        for frame in frames:
            skipper.wants(frame)
        rates.append(skipper.skip_rate)
    assert rates == sorted(rates)
    assert rates[0] == 0
    assert rates[2] == pytest.approx(0.8, abs=0.08)


def test_a_floor_keeps_noise_from_being_predicted_and_lets_a_cut_through():
    skipper = FrameSkipper(50, floor=8.0)
    after = [skipper.wants(frame) for frame in noisy(200)][WARM_UP:]
    assert not any(after)
    assert skipper.wants(255 - noisy(1)[0])


def test_frames_are_compared_with_the_last_predicted_one_so_that_slow_drift_adds_up():
    base = np.full((8, 8), 100, np.uint8)
    skipper = FrameSkipper(100, warm_up=3)
    decided = [skipper.wants(base + np.uint8(k)) for k in (0, 2, 4, 5, 6, 7)]
    # neighbours differ by 1, less than the 2 seen before; only the third of them has drifted by more than that
    assert decided == [True, True, True, False, False, True]


def test_a_change_of_size_is_predicted_and_a_buffer_that_is_filled_again_is_seen():
    skipper = FrameSkipper(100, warm_up=0)
    assert skipper.wants(np.zeros((4, 4), np.uint8))
    assert skipper.wants(np.zeros((6, 4), np.uint8))
    buffer = np.zeros((6, 4), np.uint8)
    skipper = FrameSkipper(50, warm_up=1)
    skipper.wants(buffer)
    buffer[:] = 90
    assert skipper.wants(buffer)


def test_a_reset_policy_starts_anew():
    skipper = FrameSkipper(90, warm_up=2)
    frames = noisy(40, seed=3)
    first = [skipper.wants(frame) for frame in frames]
    skipper.reset()
    assert skipper.seen == skipper.predicted == skipper.skip_rate == 0
    assert [skipper.wants(frame) for frame in frames] == first


def test_colour_and_grey_frames_decide_alike():
    colour = [np.repeat(frame[..., None], 3, axis=2) for frame in noisy(60)]
    one, other = FrameSkipper(70, warm_up=5), FrameSkipper(70, warm_up=5)
    assert [one.wants(frame) for frame in colour] == [other.wants(grey(frame)) for frame in colour]


@pytest.mark.parametrize("given", [{"alpha": -1}, {"alpha": 101}, {"window": 0}, {"warm_up": -1}, {"floor": -0.1}])
def test_numbers_out_of_range_are_refused(given):
    with pytest.raises(ValueError, match="not"):
        FrameSkipper(**given)


@pytest.mark.parametrize("frame", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4)), np.zeros(4, np.uint8)])
def test_what_is_no_frame_is_refused(frame):
    with pytest.raises(ValueError, match="RGB"):
        FrameSkipper().wants(frame)
