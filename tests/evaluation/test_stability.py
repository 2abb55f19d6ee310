"""Stillness along motion, at the truth's boundary and at rest: the identities, and what has no figure."""

import math
import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from evaluation.stability import Constancy, band_px, signed_distance
from evaluation.temporal import ClipJudge, summarise

NEW = ("warp_iou", "boundary_jitter_px", "boundary_flip_rate", "vc8", "vc16")
SIZE = (64, 80)


def disc(x=40, y=32, r=14, size=SIZE):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return ((columns - x) ** 2 + (rows - y) ** 2 <= r * r).astype(np.uint8)


def square(x=30, y=20, side=24, size=SIZE):
    mask = np.zeros(size, np.uint8)
    mask[y : y + side, x : x + side] = 1
    return mask


def grown(mask, by=1):
    return cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=by)


def judged(preds, truths=None, *, motions=None, pictures=None, **options):
    judge = ClipJudge(**options)
    for k, pred in enumerate(preds):
        judge.update(
            pred,
            None if truths is None else truths[k],
            known=None if motions is None or not k else motions[k],
            picture=None if pictures is None else pictures[k],
        )
    return judge.figures()


def shift(dx, dy, size=SIZE):
    return np.broadcast_to(np.float32([dx, dy]), (*size, 2))


def still(frames=16):
    return [shift(0, 0)] * frames


def edt(mask):
    """The plain definition, on the whole picture."""
    inside = distance_transform_edt(mask) - 0.5
    outside = distance_transform_edt(1 - mask) - 0.5
    return np.where(mask, inside, -outside)


def test_constant_prediction_and_truth_are_perfect_in_every_figure():
    found = judged([disc(42)] * 16, [disc()] * 16, motions=still())
    assert [getattr(found, name) for name in NEW] == [1, 0, 0, 1, 1]


@pytest.mark.parametrize("motions", [None, still()])
def test_the_truth_itself_has_no_jitter_and_no_flips(motions):
    moving = [disc(24 + 2 * k) for k in range(16)]
    found = judged(moving, moving, motions=motions)
    assert (found.boundary_jitter_px, found.boundary_flip_rate, found.vc8, found.vc16) == (0, 0, 1, 1)


@pytest.mark.parametrize("truth", [disc(), square(), square(0, 0, 30)])
def test_growing_by_a_pixel_on_every_second_frame_is_about_a_pixel_of_jitter(truth):
    found = judged([grown(truth, k % 2) for k in range(10)], [truth] * 10)
    assert found.boundary_jitter_px == pytest.approx(1, abs=0.2)
    assert found.boundary_flip_rate > 0.1


@pytest.mark.parametrize("by", [1, 3])
def test_growing_by_as_much_on_every_frame_is_no_jitter(by):
    found = judged([grown(disc(), by)] * 10, [disc()] * 10)
    assert (found.boundary_jitter_px, found.boundary_flip_rate) == (0, 0)


def test_jitter_is_the_size_of_the_change_and_not_of_the_error():
    truth = square()
    small = judged([grown(truth, 4 + k % 2) for k in range(6)], [truth] * 6)
    large = judged([grown(truth, 3 * (k % 2)) for k in range(6)], [truth] * 6)
    assert small.boundary_jitter_px == pytest.approx(1, abs=0.25)
    assert large.boundary_jitter_px == pytest.approx(3, abs=0.6)


def test_a_bias_that_moves_with_the_truth_costs_nothing_along_known_motion():
    truths = [disc(24 + 3 * k, 32 - k) for k in range(10)]
    preds = [grown(truth) for truth in truths]
    along = judged(preds, truths, motions=[shift(-3, 1)] * 10)
    assert along.boundary_jitter_px == pytest.approx(0, abs=1e-5)
    assert (along.warp_iou, along.boundary_flip_rate, along.motion) == (1, 0, "known")
    across = judged(preds, truths)
    assert across.boundary_flip_rate > 0
    assert (math.isnan(across.warp_iou), across.motion) == (True, "identity")


def test_warp_iou_sums_over_the_clip_and_over_visible_pixels_only():
    a, b = np.zeros((2, 4), np.uint8), np.zeros((2, 4), np.uint8)
    a[:, :2] = 1
    b[:, 1:3] = 1
    rest = shift(0, 0, (2, 4))
    assert judged([a, b, b], motions=[rest] * 3).warp_iou == pytest.approx((2 + 4) / (6 + 4))
    hidden = rest.copy()
    hidden[:, 0] = np.nan
    assert judged([a, b, b], motions=[hidden] * 3).warp_iou == pytest.approx((2 + 4) / (4 + 4))
    assert judged([a, b], motions=[shift(1, 0, (2, 4))] * 2).warp_iou == 0  # the wrong way round
    assert judged([a, b], motions=[shift(-1, 0, (2, 4))] * 2).warp_iou == 1


def test_warp_iou_of_masks_without_foreground_is_one_and_of_hidden_ones_undefined():
    empty = np.zeros((4, 4), np.uint8)
    assert judged([empty] * 3, motions=[shift(0, 0, (4, 4))] * 3).warp_iou == 1
    hidden = np.full((4, 4, 2), np.nan, np.float32)
    assert math.isnan(judged([empty, empty], motions=[hidden] * 2).warp_iou)


@pytest.mark.parametrize("flow", ["dis", "farneback"])
def test_masks_that_go_with_the_picture_keep_together_along_optical_flow(flow):
    noise = np.random.default_rng(3).integers(0, 255, (96, 128), dtype=np.uint8)
    pattern = cv2.GaussianBlur(noise, (0, 0), 2)
    pictures = [np.repeat(np.roll(pattern, 3 * k, 1)[..., None], 3, 2) for k in range(4)]
    masks = [disc(50 + 3 * k, 48, 20, (96, 128)) for k in range(4)]
    along = judged(masks, pictures=pictures, flow=flow)
    assert (along.warp_iou > 0.97, along.motion) == (True, flow)
    against = judged([disc(50 - 3 * k, 48, 20, (96, 128)) for k in range(4)], pictures=pictures, flow=flow)
    assert against.warp_iou < 0.85


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.integers(1, 9))
def test_signed_distances_and_jitter_are_those_of_the_plain_definition(seed, band):
    rng = np.random.default_rng(seed)
    blobs = cv2.GaussianBlur(rng.random((12, 40, 56)).astype(np.float32).transpose(1, 2, 0), (0, 0), 4)
    blobs = (blobs.transpose(2, 0, 1) > 0.5).astype(np.uint8)
    truths, preds = blobs[:6], blobs[6:]
    found = judged(preds, truths, band=band)
    errors = [edt(pred) - edt(truth) for pred, truth in zip(preds, truths, strict=True)]
    bands = [np.abs(edt(truth)) <= band for truth in truths]
    steps = [np.abs(errors[k] - errors[k - 1])[bands[k]].mean() for k in range(1, 6)]
    wrong = [pred != truth for pred, truth in zip(preds, truths, strict=True)]
    flips = [(wrong[k] ^ wrong[k - 1])[bands[k]] for k in range(1, 6)]
    assert np.allclose(signed_distance(truths[0]), edt(truths[0]), atol=1e-4)
    assert found.boundary_jitter_px == pytest.approx(np.mean(steps), rel=1e-4)
    assert found.boundary_flip_rate == pytest.approx(np.concatenate(flips).mean())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9999), st.integers(2, 5))
def test_consistency_is_that_of_every_window_of_the_clip(seed, window):
    rng = np.random.default_rng(seed)
    preds, truths = rng.random((2, 9, 5, 6)) < 0.15
    ignored = rng.random((9, 5, 6)) < 0.1
    judge = Constancy((window,))
    for pred, truth, hole in zip(preds, truths & ~ignored, ignored, strict=True):
        judge.update(pred, truth, ~hole, follows=True)
    shares = []
    for start in range(9 - window + 1):
        part = slice(start, start + window)
        rest = (truths[part] == truths[start]).all(0) & ~ignored[part].any(0)
        if rest.any():
            shares.append((preds[part] == preds[start]).all(0)[rest].mean())
    assert judge.figure(window) == pytest.approx(np.mean(shares) if shares else math.nan, nan_ok=True)
    assert judge.undefined[window] == 9 - window + 1 - len(shares)


def test_one_blink_spoils_every_window_that_holds_it():
    preds = [disc()] * 9
    blink = disc()
    blink[0, 0] = 1
    preds[8] = blink
    found = judged(preds, [disc()] * 9)
    assert found.vc8 == pytest.approx((1 + (1 - 1 / disc().size)) / 2)


@pytest.mark.parametrize(
    ("frames", "defined"), [(1, ()), (7, ()), (8, ("vc8",)), (15, ("vc8",)), (16, ("vc8", "vc16"))]
)
def test_a_clip_shorter_than_the_window_has_no_consistency_and_is_counted(frames, defined):
    short = judged([disc()] * frames, [disc()] * frames, clip="short")
    assert tuple(name for name in ("vc8", "vc16") if not math.isnan(getattr(short, name))) == defined
    told = summarise([short, judged([disc()] * 20, [disc()] * 20, clip="long")])
    assert (told["vc8"], told["vc16"]) == (1, 1)
    assert {name for name, number in told["undefined_clips"].items() if number and name.startswith("vc")} == {
        "vc8",
        "vc16",
    } - set(defined)


def test_one_frame_alone_has_none_of_the_figures():
    found = judged([disc()], [disc()])
    assert all(math.isnan(getattr(found, name)) for name in NEW)
    told = summarise([found])
    assert all(told[name] is None and told["undefined_clips"][name] == 1 for name in NEW)


def test_a_gap_breaks_windows_and_steps():
    judge = ClipJudge()
    for frame in (*range(7), *range(10, 17)):
        judge.update(disc(40 + frame // 10), disc(), frame=frame)
    found = judge.figures()
    assert (found.gaps, found.boundary_jitter_px, found.boundary_flip_rate) == (1, 0, 0)
    assert math.isnan(found.vc8) and found.undefined_windows == {"vc8": 0, "vc16": 0}


def test_frames_whose_truth_is_empty_have_no_band_and_are_counted():
    empty = np.zeros(SIZE, np.uint8)
    truths = [disc(), disc(), empty, empty, disc(), disc()]
    found = judged(truths, truths)
    assert (found.boundary_jitter_px, found.boundary_flip_rate, found.bandless_steps) == (0, 0, 3)
    ghosts = judged([disc(), disc(), disc(), disc(), disc(), disc()], truths)
    assert (ghosts.boundary_jitter_px, ghosts.bandless_steps) == (0, 3)
    nothing = judged([disc()] * 4, [empty] * 4)
    assert math.isnan(nothing.boundary_jitter_px) and math.isnan(nothing.boundary_flip_rate)
    assert (nothing.bandless_steps, nothing.vc8, nothing.flicker) == (3, pytest.approx(math.nan, nan_ok=True), 0)


def test_a_prediction_that_is_gone_for_a_frame_jitters_by_about_a_diagonal_and_is_counted():
    empty = np.zeros(SIZE, np.uint8)
    found = judged([disc(), empty, disc()], [disc()] * 3)
    diagonal = math.hypot(*SIZE)
    assert found.boundary_jitter_px == pytest.approx(diagonal, rel=0.02)
    assert found.lost_steps == 2


def test_ignored_pixels_do_not_count():
    truth = disc()
    truth[:, :36] = 255
    wild = disc().copy()
    wild[:, :30] = 1
    found = judged([disc(), wild] * 5, [truth] * 10)
    assert (found.boundary_jitter_px, found.boundary_flip_rate, found.vc8) == (0, 0, 1)


@pytest.mark.parametrize("motions", [None, still()])
def test_what_was_ignored_or_hidden_in_the_frame_before_has_no_error_to_compare_with(motions):
    ring = (grown(disc(), 2) != 0) & (disc() == 0)
    hidden = np.where(ring, 255, disc()).astype(np.uint8)
    first = grown(disc(), 2)
    assert judged([first, first], [hidden, disc()], motions=motions).boundary_flip_rate == 0
    assert judged([first, disc()], [disc(), disc()], motions=motions).boundary_flip_rate > 0
    if motions:
        away = np.where(ring[..., None], np.float32(np.nan), shift(0, 0))
        assert judged([first, disc()], [disc(), disc()], motions=[None, away]).boundary_flip_rate == 0


def test_no_window_counts_where_the_truth_never_rests():
    turns = [np.full((6, 6), k % 2, np.uint8) for k in range(16)]
    found = judged([disc(size=(6, 6))] * 16, turns)
    assert math.isnan(found.vc8)
    assert found.undefined_windows == {"vc8": 9, "vc16": 1}


def test_the_band_is_that_of_the_boundary_iou_unless_it_is_chosen():
    assert (band_px(480, 854), band_px(10, 10)) == (20, 1)
    assert judged([disc()] * 2, [disc()] * 2).band_px == band_px(*SIZE)
    truth = square(side=40, y=10)
    one = [truth, np.where(grown(truth, 9) > 0, 1, 0).astype(np.uint8)]
    narrow, wide = (judged(one, [truth] * 2, band=band).boundary_flip_rate for band in (2, 30))
    assert narrow > wide


def test_far_motion_reaches_errors_outside_the_last_band():
    truths = [square(4, 4, 12), square(60, 44, 12)]
    preds = [grown(truth) for truth in truths]
    found = judged(preds, truths, motions=[None, shift(-56, -40)], band=2)
    assert found.boundary_jitter_px == pytest.approx(0, abs=1e-5)
    assert (found.boundary_flip_rate, found.warp_iou) == (0, 1)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ({"known": shift(0, 0), "picture": np.zeros((*SIZE, 3), np.uint8)}, "others have none"),
        ({"picture": np.zeros((8, 8, 3), np.uint8)}, "the picture is"),
        ({"known": shift(0, 0, (8, 8))}, "the motion is"),
    ],
)
def test_motion_that_does_not_fit_is_refused(second, says):
    judge = ClipJudge()
    judge.update(disc(), disc())
    with pytest.raises(ValueError, match=says):
        judge.update(disc(), disc(), **second)


def test_a_truth_of_another_size_is_refused():
    with pytest.raises(ValueError, match="the truth is"):
        ClipJudge().update(disc(), disc(size=(8, 8)))


def test_motion_that_comes_and_goes_is_refused():
    judge = ClipJudge()
    judge.update(disc())
    judge.update(disc(), known=shift(0, 0))
    with pytest.raises(ValueError, match="was known before, and is identity now"):
        judge.update(disc())


def test_a_summary_says_which_motion_it_rests_on_and_leaves_warp_iou_out_without():
    with_motion = judged([disc()] * 3, motions=still(3), clip="a")
    without = judged([disc()] * 3, clip="b")
    assert summarise([without])["motion"] == "identity"
    assert summarise([without])["warp_iou"] is None
    told = summarise([with_motion, without])
    assert (told["motion"], told["warp_iou"], told["undefined_clips"]["warp_iou"]) == ("identity and known", 1, 1)


def test_what_is_held_does_not_grow_with_the_clip():
    judge, held = ClipJudge(), []
    tracemalloc.start()
    try:
        for k in range(60):
            judge.update(disc(30 + k % 5), disc(31 + k % 5), known=shift(0, 0) if k else None)
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[-1] < 1.2 * max(held[5:20])
