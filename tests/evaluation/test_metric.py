"""The metric of a validation loop: arrays or tensors, batches or images, merged over workers."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from evaluation import Evaluator, SegmentationMetric


def batch(seed, number=6, size=(20, 24), classes=2, ignored=0.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, (number, *size)).astype(np.uint8)
    pred = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, classes, truth.shape)).astype(np.uint8)
    truth[rng.random(truth.shape) < ignored] = 255
    return pred, truth


def by_evaluator(pred, truth, classes=(0, 1)):
    judge = Evaluator(classes)
    for one, other in zip(pred, truth, strict=True):
        judge.update(one, other)
    return judge.compute()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.int32])
@pytest.mark.parametrize("classes", [2, 4])
def test_batches_of_tensors_and_arrays_give_the_figures_of_their_images(dtype, classes):
    pred, truth = batch(1, classes=classes, ignored=0.1)
    metric = SegmentationMetric(classes)
    metric.update(torch.from_numpy(pred[:2]).to(dtype), torch.from_numpy(truth[:2]).to(dtype))
    metric.update(pred[2:5], truth[2:5].astype(np.int64))
    metric.update(pred[5], truth[5])
    assert len(metric) == 6
    assert metric.compute() == pytest.approx(by_evaluator(pred, truth, range(classes)), nan_ok=True)


def test_a_call_returns_the_figures_of_its_batch_and_keeps_counting():
    pred, truth = batch(2)
    metric = SegmentationMetric()
    first, second = metric(pred[:3], truth[:3]), metric.forward(pred[3:], truth[3:])
    assert first == by_evaluator(pred[:3], truth[:3])
    assert second == by_evaluator(pred[3:], truth[3:])
    assert metric.compute() == by_evaluator(pred, truth)
    metric.reset()
    assert len(metric) == 0


def test_scores_of_each_class_are_decided_by_the_largest_and_may_be_logits():
    _, truth = batch(3, classes=3)
    scores = torch.randn(6, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    want = by_evaluator(scores.argmax(1).numpy().astype(np.uint8), truth, range(3))
    for given in (scores, scores.softmax(1), scores.numpy(), scores.requires_grad_()):
        metric = SegmentationMetric(3)
        metric.update(given, torch.from_numpy(truth))
        assert metric.compute() == pytest.approx(want)
    one = SegmentationMetric(3)
    one.update(scores[0], truth[0])
    assert len(one) == 1


@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.9])
def test_probabilities_and_logits_of_foreground_agree_for_any_threshold(threshold):
    _, truth = batch(4)
    logits = torch.randn(6, 1, 20, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    want = by_evaluator((logits.sigmoid()[:, 0] >= threshold).numpy(), truth)
    for given, kind in ((logits.sigmoid(), False), (logits, True), (logits[:, 0], True)):
        metric = SegmentationMetric(threshold=threshold, logits=kind)
        metric.update(given, torch.from_numpy(truth[:, None]))
        assert metric.compute() == want


def test_half_and_bfloat16_tensors_are_taken():
    _, truth = batch(5)
    soft = torch.rand(6, 20, 24, generator=torch.Generator().manual_seed(2))
    for dtype in (torch.float16, torch.bfloat16):
        metric = SegmentationMetric()
        metric.update(soft.to(dtype), torch.from_numpy(truth).bool())
        assert metric.compute() == by_evaluator((soft.to(dtype) >= 0.5).numpy(), truth)


def test_any_integer_can_mean_ignore():
    pred, truth = batch(6, ignored=0.2)
    want = by_evaluator(pred, truth)
    for ignore in (-100, -1, 7, 255):
        goal = truth.astype(np.int64)
        goal[truth == 255] = ignore
        metric = SegmentationMetric(ignore=ignore)
        metric.update(pred, goal)
        assert metric.compute() == want


def test_merged_ranks_compute_what_one_process_would():
    pred, truth = batch(7, number=9)
    ranks = [SegmentationMetric() for _ in range(3)]
    for number, rank in enumerate(ranks):
        rank.update(pred[number::3], truth[number::3])
    whole = by_evaluator(pred, truth)
    assert SegmentationMetric().merge(ranks[0]).merge_state(ranks[1:]).compute() == pytest.approx(whole)
    sent = [pickle.loads(pickle.dumps(rank.state())) for rank in ranks]
    assert SegmentationMetric().merge_state(sent).compute() == pytest.approx(whole)
    assert len(ranks[0]) == 3
    assert pickle.loads(pickle.dumps(ranks[0])).compute() == ranks[0].compute()


def test_an_empty_rank_can_be_merged():
    pred, truth = batch(8)
    metric = SegmentationMetric()
    metric.update(pred, truth)
    before = metric.compute()
    assert metric.merge(SegmentationMetric()).merge(SegmentationMetric().state()).compute() == before


class Counted(Dataset):
    """Each worker counts its own items and sends the state back."""

    def __init__(self):
        self.pred, self.truth = batch(9, number=8)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        metric = SegmentationMetric()
        metric.update(self.pred[index], self.truth[index])
        return metric.state()


def first(items):
    return items[0]


def test_workers_of_a_data_loader_count_and_send_their_state():
    data, metric = Counted(), SegmentationMetric()
    for state in DataLoader(data, num_workers=2, collate_fn=first):
        metric.merge_state(state)
    assert metric.compute() == by_evaluator(data.pred, data.truth)


def test_absent_classes_follow_the_policy_and_names_reach_the_counts():
    nothing = np.zeros((2, 4, 4), np.uint8)
    found = {}
    for empty in ("one", "zero", "skip"):
        metric = SegmentationMetric({"background": 0, "foot": 1}, empty=empty)
        metric.update(nothing, nothing)
        found[empty] = metric.compute()["iou_fg_image"]
    assert found["one"] == 1
    assert found["zero"] == 0
    assert np.isnan(found["skip"])
    assert metric.counts().class_name(1) == "foot"


@pytest.mark.parametrize(
    ("pred", "truth", "says"),
    [
        (np.full((4, 4), 255, np.uint8), np.ones((4, 4), np.uint8), "holds 255"),
        (np.full((4, 4), 255), np.ones((4, 4), np.uint8), "holds 255"),
        (np.full((4, 4), 3), np.ones((4, 4), np.int64), "holds 3"),
        (np.full((4, 4), 1.5), np.ones((4, 4), np.uint8), "logits=True"),
        (np.full((4, 4), -0.5), np.ones((4, 4), np.uint8), "logits=True"),
        (np.full((4, 4), np.nan), np.ones((4, 4), np.uint8), "NaN"),
        (np.full((2, 4, 4), np.nan), np.ones((4, 4), np.uint8), "NaN"),
        (np.zeros((3, 4, 4)), np.ones((4, 4), np.uint8), "3 channels"),
        (np.zeros((2, 4, 4), np.uint8), np.ones((4, 4), np.uint8), "2 channels of uint8"),
        (np.zeros((4, 5)), np.ones((4, 4), np.uint8), r"\(4, 5\)"),
        (np.zeros(4), np.ones(4, np.uint8), "of one size"),
        (np.zeros((0, 4, 4)), np.ones((0, 4, 4), np.uint8), "of one size"),
        (np.zeros((4, 4)), np.ones((4, 4)), "integer or bool"),
    ],
)
def test_what_cannot_be_counted_is_refused_and_leaves_the_metric_as_it_was(pred, truth, says):
    metric = SegmentationMetric()
    with pytest.raises(ValueError, match=says):
        metric.update(pred, truth)
    assert len(metric) == 0


def test_a_truth_of_0_and_255_is_refused_when_the_figures_are_asked_for():
    metric = SegmentationMetric()
    truth = np.zeros((1, 4, 4), np.uint8)
    truth[:, 1:3] = 255
    metric.update(np.zeros_like(truth), truth)
    with pytest.raises(ValueError, match="0/255"):
        metric.compute()


def test_metrics_of_other_settings_and_foreign_arrays_do_not_merge():
    with pytest.raises(ValueError, match="cannot join"):
        SegmentationMetric(2).merge(SegmentationMetric(3))
    with pytest.raises(ValueError, match="no state"):
        SegmentationMetric(2).merge(SegmentationMetric(3).state())
    with pytest.raises(ValueError, match="no images"):
        SegmentationMetric().compute()


@pytest.mark.parametrize("classes", [1, (1, 2), (0, 0), (0, 255), (-1, 0), (0, 300)])
def test_class_ids_that_cannot_be_are_refused(classes):
    with pytest.raises(ValueError, match="class ids"):
        SegmentationMetric(classes)


def test_the_metric_does_not_import_torch():
    code = "import sys, evaluation; evaluation.SegmentationMetric(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_tensors_are_moved():
    pred, truth = batch(10)
    metric = SegmentationMetric()
    metric.update(torch.from_numpy(pred).cuda(), torch.from_numpy(truth).cuda())
    metric.update(torch.from_numpy(pred).cuda().bfloat16(), truth)
    assert metric.compute() == pytest.approx(by_evaluator(pred, truth))
