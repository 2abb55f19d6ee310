"""Quality against the share of skipped frames."""

import math

import numpy as np
import pytest

from evaluation import Evaluator
from evaluation.skipping import CONVENTIONS, SkipCurve
from evaluation.temporal import ClipJudge
from masksmith.skipping import FrameSkipper


def scene(number, seed=0, size=(40, 60), pace=1):
    """A square that wanders over a noisy ground, its truth, and a prediction that is one pixel too wide."""
    rng = np.random.default_rng(seed)
    frames = []
    for t in range(number):
        left = 5 + pace * t % 30
        truth = np.zeros(size, np.uint8)
        truth[10:30, left : left + 15] = 1
        pred = np.zeros(size, np.uint8)
        pred[10:30, left : left + 16] = 1
        picture = np.clip(60 + 120 * truth + rng.normal(0, 3, size), 0, 255).astype(np.uint8)
        frames.append((np.repeat(picture[..., None], 3, axis=2), pred, truth))
    return frames


def judge(clips, alphas, **options):
    curve = SkipCurve(alphas, **options)
    for name, frames in clips.items():
        for picture, pred, truth in frames:
            curve.update(picture, pred, truth, clip=name)
    return curve.rows()


def test_every_row_is_the_quality_of_the_masks_that_the_policy_leaves():
    clips = {"a": scene(70), "b": scene(60, seed=1)}
    rows = judge(clips, [0, 50, 90], warm_up=5)
    for row in rows:
        held_all, flickers, predicted = Evaluator(), [], 0
        for frames in clips.values():
            skipper, held, clip = FrameSkipper(row["alpha"], warm_up=5), None, ClipJudge()
            for picture, pred, truth in frames:
                held = pred if skipper.wants(picture) else held
                held_all.update(held, truth)
                clip.update(held, truth)
            flickers.append(clip.figures())
            predicted += skipper.predicted
        expected = held_all.compute(at=())
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-12)
        assert row["predicted"] == predicted
        assert row["realised_skip_rate"] == pytest.approx(1 - predicted / 130)
        assert row["flicker"] == pytest.approx(sum(f.flicker for f in flickers) / 2)
        assert row["flicker_excess"] == pytest.approx(sum(f.flicker_excess for f in flickers) / 2)


def test_more_skipping_is_worse_in_a_moving_clip_and_costs_nothing_in_a_still_one():
    moving = judge({"a": scene(200)}, [0, 60, 95])
    assert [row["realised_skip_rate"] for row in moving] == sorted(row["realised_skip_rate"] for row in moving)
    assert moving[0]["realised_skip_rate"] == 0
    assert moving[2]["iou_fg_image"] < moving[0]["iou_fg_image"] - 0.01
    still = judge({"a": scene(200, pace=0)}, [0, 80])
    assert still[1]["realised_skip_rate"] > 0.5
    assert still[1]["iou_fg_image"] == still[0]["iou_fg_image"]


def test_rows_have_the_documented_keys_in_the_order_of_the_alphas():
    rows = judge({"a": scene(3)}, [90, 10])
    assert [list(row) for row in rows] == [list(CONVENTIONS)] * 2
    assert [row["alpha"] for row in rows] == [90, 10]


def test_soft_predictions_are_thresholded_and_ignored_pixels_do_not_count():
    frames = scene(12)
    soft = [(picture, pred * 0.7, np.where(truth == pred, truth, 255)) for picture, pred, truth in frames]
    row = judge({"a": soft}, [0], threshold=0.6)[0]
    assert row["iou_fg_image"] == row["pixel_accuracy"] == 1
    assert judge({"a": soft}, [0], threshold=0.8)[0]["recall"] == 0


def test_one_frame_has_quality_and_no_flicker():
    row = judge({"a": scene(1)}, [80])[0]
    assert row["frames"] == row["predicted"] == 1
    assert math.isnan(row["flicker"])
    assert math.isnan(row["flicker_excess"])


def test_a_gap_counts_no_flicker():
    curve = SkipCurve([0])
    for number, (picture, pred, truth) in enumerate(scene(2, pace=20)):
        curve.update(picture, pred, truth, follows=number != 1)
    assert math.isnan(curve.rows()[0]["flicker"])


def test_no_alphas_no_frames_and_masks_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="one alpha"):
        SkipCurve([])
    with pytest.raises(ValueError, match="no images"):
        SkipCurve([80]).rows()
    picture, pred, truth = scene(1)[0]
    with pytest.raises(ValueError, match="the truth is"):
        SkipCurve([80]).update(picture, pred[:-1], truth)
