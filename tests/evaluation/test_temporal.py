"""Time figures: the identities they must have, the first frame, gaps and ignored pixels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.temporal import ClipJudge, summarise


def disc(x=20, y=20, r=10, size=(40, 48)):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return ((columns - x) ** 2 + (rows - y) ** 2 <= r * r).astype(np.uint8)


def judged(preds, truths=None, **options):
    judge = ClipJudge(**options)
    for k, pred in enumerate(preds):
        judge.update(pred, None if truths is None else truths[k])
    return judge.figures()


MOVING = [disc(x) for x in range(15, 30, 2)]


def test_constant_prediction_and_truth_have_no_flicker_and_no_dtssd():
    found = judged([disc()] * 5, [disc(21)] * 5)
    assert (found.flicker, found.flicker_excess, found.dtssd) == (0, 0, 0)


def test_the_truth_itself_has_no_excess_and_no_dtssd():
    found = judged(MOVING, MOVING)
    assert (found.flicker_excess, found.dtssd) == (0, 0)
    assert found.flicker == found.truth_flicker > 0


def test_a_constant_bias_in_a_still_clip_costs_nothing():
    found = judged([disc(r=11)] * 4, [disc(r=10)] * 4)
    assert (found.flicker, found.flicker_excess, found.dtssd) == (0, 0, 0)


def test_flicker_is_one_minus_the_iou_of_neighbours_and_the_first_frame_is_not_averaged_in():
    a, b = np.zeros((2, 4), np.uint8), np.zeros((2, 4), np.uint8)
    a[:, :2] = 1
    b[:, 1:3] = 1
    assert judged([a, b]).flicker == pytest.approx(1 - 2 / 6)
    assert judged([a, b, b]).flicker == pytest.approx((1 - 2 / 6) / 2)


def test_dtssd_of_one_blinking_prediction_is_the_formula():
    still = np.zeros((2, 5), np.uint8)
    blink = still.copy()
    blink[0, 0] = 1
    found = judged([still, blink, still], [still] * 3)
    assert found.dtssd == pytest.approx(100 * math.sqrt(1 / 10))


def test_dtssd_uses_soft_values_and_flicker_thresholds_them():
    low, high = np.full((4, 4), 0.6, np.float32), np.full((4, 4), 0.8, np.float32)
    found = judged([low, high], [np.ones((4, 4), np.uint8)] * 2)
    assert found.flicker == 0
    assert found.dtssd == pytest.approx(20, rel=1e-5)
    assert judged([low, high], threshold=0.7).flicker == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999))
def test_figures_agree_with_whole_array_formulas(seed):
    rng = np.random.default_rng(seed)
    soft = rng.random((5, 6, 7)).astype(np.float32)
    truth = rng.integers(0, 2, (5, 6, 7)).astype(np.uint8)
    found = judged(soft, truth)
    p, g = soft.astype(np.float64), truth.astype(np.float64)
    expected = 100 * np.sqrt((((p[1:] - p[:-1]) - (g[1:] - g[:-1])) ** 2).mean((1, 2))).mean()
    m = soft >= 0.5
    flicker = np.mean([1 - (a & b).sum() / (a | b).sum() for a, b in zip(m[1:], m[:-1], strict=True)])
    assert found.dtssd == pytest.approx(expected, rel=1e-5)
    assert found.flicker == pytest.approx(flicker)


def test_playing_a_clip_backwards_changes_nothing():
    noisy = [np.roll(mask, k % 3, 0) for k, mask in enumerate(MOVING)]
    forth, back = judged(noisy, MOVING), judged(noisy[::-1], MOVING[::-1])
    for name in ("flicker", "flicker_excess", "dtssd"):
        assert getattr(forth, name) == pytest.approx(getattr(back, name))


def test_what_happens_under_ignored_pixels_does_not_count_against_the_truth():
    truth = np.zeros((6, 6), np.uint8)
    truth[2:4, 2:4] = 1
    truth[0] = 255
    calm, wild = (truth == 1).astype(np.uint8), (truth == 1).astype(np.uint8)
    wild[0] = 1
    found = judged([calm, wild, calm], [truth] * 3)
    assert (found.flicker_excess, found.dtssd) == (0, 0)
    assert found.flicker > 0  # over all pixels


def test_two_empty_neighbours_are_still_and_are_counted():
    empty = np.zeros((3, 3), np.uint8)
    found = judged([empty, empty, np.ones((3, 3), np.uint8)])
    assert (found.flicker, found.empty_steps, found.steps) == (0.5, 1, 2)


def test_a_missing_frame_leaves_its_step_out():
    judge = ClipJudge(step=2)
    for frame, mask in ((0, disc()), (2, disc()), (6, disc(30)), (8, disc(30))):
        judge.update(mask, frame=frame)
    found = judge.figures()
    assert (found.steps, found.gaps, found.flicker) == (2, 1, 0)


def test_one_frame_alone_has_no_figures():
    found = judged([disc()], [disc()])
    assert found.steps == 0
    assert all(math.isnan(value) for value in (found.flicker, found.flicker_excess, found.dtssd))


def test_each_clip_has_one_voice_and_short_ones_are_named():
    long = judged([disc()] * 9, clip="long")
    short = judged([disc(), 1 - disc()], clip="short")
    found = summarise([long, short, judged([disc()], clip="lone")])
    assert found["flicker"] == 0.5
    assert found["left_out"] == ["lone"]
    assert found["dtssd"] is None
    assert found["intervals"]["flicker"] == (0.0, 1.0)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (disc(), disc(size=(41, 48)), "frames before"),
        (disc(), np.full((40, 48), np.nan, np.float32), r"\[0, 1\]"),
        (disc(), np.full((40, 48), 1.5, np.float32), r"\[0, 1\]"),
        (disc(), np.zeros((40, 48), np.int32), "int32"),
        (disc(), np.zeros((40, 48, 1), np.uint8), "H, W"),
    ],
)
def test_frames_that_cannot_be_judged_are_refused(first, second, says):
    with pytest.raises(ValueError, match=says):
        judged([first, second])


def test_a_truth_that_comes_and_goes_is_refused():
    judge = ClipJudge()
    judge.update(disc(), disc())
    with pytest.raises(ValueError, match="others have none"):
        judge.update(disc())
