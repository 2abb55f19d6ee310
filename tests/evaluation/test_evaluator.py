"""The evaluator: masks in, figures out, in one process or in several."""

import numpy as np
import pytest

from evaluation import Evaluator

RNG = np.random.default_rng(1)
TRUTH = (RNG.random((10, 9, 9)) < 0.4).astype(np.uint8)
PRED = np.where(RNG.random(TRUTH.shape) < 0.2, 1 - TRUTH, TRUTH).astype(np.uint8)


def filled(numbers, **options):
    judge = Evaluator(**options)
    for k in numbers:
        judge.update(PRED[k], TRUTH[k], id=f"i{k}", subject=f"s{k % 4}")
    return judge


def test_merged_evaluators_compute_what_one_would():
    left, right = filled(range(4)), filled(range(4, 10))
    left.merge(right)
    assert len(left) == 10
    assert left.compute() == pytest.approx(filled(range(10)).compute())
    left.update(PRED[0], TRUTH[0], id="again")
    assert len(left) == 11


def test_a_reset_evaluator_has_forgotten_everything():
    judge = filled(range(3))
    judge.reset()
    with pytest.raises(ValueError, match="no images"):
        judge.compute()
    judge.update(TRUTH[0], TRUTH[0])
    assert judge.compute()["iou_fg_image"] == 1.0


def test_subjects_reach_the_intervals():
    found = filled(range(10)).intervals()
    assert (found.unit, found.groups) == ("subject", 4)
    low, high = found.bounds["iou_fg_image"]
    assert low < filled(range(10)).compute()["iou_fg_image"] < high


def test_bool_masks_count_as_0_and_1():
    judge = Evaluator()
    judge.update(PRED[0] > 0, TRUTH[0] > 0)
    assert judge.compute() == filled([0]).compute()


def test_0_255_masks_are_refused_on_either_side():
    judge = Evaluator()
    with pytest.raises(ValueError, match="prediction holds 255"):
        judge.update(PRED[0] * 255, TRUTH[0])
    judge.update(PRED[0], TRUTH[0] * 255)
    with pytest.raises(ValueError, match="0/255 masks are not class ids"):
        judge.compute()


def test_soft_predictions_are_refused():
    with pytest.raises(ValueError, match="float32"):
        Evaluator().update(PRED[0].astype(np.float32), TRUTH[0])


def test_without_an_ignore_value_255_is_unknown():
    with pytest.raises(ValueError, match="truth holds 255"):
        Evaluator(ignore=None).update(PRED[0], TRUTH[0] * 255)
