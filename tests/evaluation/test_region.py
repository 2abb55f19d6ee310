"""Region figures: equal to other people's where they mean the same, and true to their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import region
from evaluation.counts import CountsBuilder, count_image
from masksmith.errors import UsageProblem


def masks_of(number, classes=2, seed=0, size=(24, 31)):
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(number):
        truth = rng.integers(0, classes, size).astype(np.uint8)
        wrong = rng.random(size) < rng.uniform(0.05, 0.5)
        made.append((np.where(wrong, rng.integers(0, classes, size), truth).astype(np.uint8), truth))
    return made


def counted(masks, classes=2, **columns):
    builder = CountsBuilder(tuple(range(classes)))
    for k, (pred, truth) in enumerate(masks):
        extra = {name: values[k] for name, values in columns.items()}
        builder.add(str(k), count_image(pred, truth, tuple(range(classes))), **extra)
    return builder.build()


@pytest.mark.parametrize("seed", range(3))
def test_binary_figures_agree_with_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    masks = masks_of(6, seed=seed)
    found = region.reduce(counted(masks)).values
    per_image = [metrics.jaccard_score(t.ravel(), p.ravel(), average=None) for p, t in masks]
    dice_per_image = [metrics.f1_score(t.ravel(), p.ravel(), average=None) for p, t in masks]
    pred, truth = (np.concatenate([m[k].ravel() for m in masks]) for k in (0, 1))
    expected = {
        "iou_fg_image": np.mean([row[1] for row in per_image]),
        "miou_image": np.mean(per_image),
        "iou_fg_dataset": metrics.jaccard_score(truth, pred),
        "miou_dataset": metrics.jaccard_score(truth, pred, average="macro"),
        "dice_fg_image": np.mean([row[1] for row in dice_per_image]),
        "mdice_image": np.mean(dice_per_image),
        "dice_fg_dataset": metrics.f1_score(truth, pred),
        "mdice_dataset": metrics.f1_score(truth, pred, average="macro"),
        "pixel_accuracy": metrics.accuracy_score(truth, pred),
        "precision": metrics.precision_score(truth, pred),
        "recall": metrics.recall_score(truth, pred),
    }
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 4])
def test_figures_agree_with_torchmetrics(classes):
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.classification")
    masks = masks_of(5, classes, seed=classes)
    found = region.reduce(counted(masks, classes))
    pred, truth = (torch.from_numpy(np.stack([m[k] for m in masks]).astype(np.int64)) for k in (0, 1))
    each = classification.MulticlassJaccardIndex(classes, average="none")(pred, truth)
    assert found.values["miou_dataset"] == pytest.approx(float(each.mean()), abs=1e-6)
    assert [row["iou_dataset"] for row in found.classes] == pytest.approx(each.tolist(), abs=1e-6)
    dice = classification.MulticlassF1Score(classes, average="macro")(pred, truth)
    assert found.values["mdice_dataset"] == pytest.approx(float(dice), abs=1e-6)
    images = [
        classification.MulticlassJaccardIndex(classes)(p[None], t[None]) for p, t in zip(pred, truth, strict=True)
    ]
    assert found.values["miou_image"] == pytest.approx(float(torch.stack(images).mean()), abs=1e-6)
    front = classification.BinaryJaccardIndex()((pred > 0).long(), (truth > 0).long())
    assert found.values["iou_fg_dataset"] == pytest.approx(float(front), abs=1e-6)
    right = classification.MulticlassAccuracy(classes, average="micro")(pred, truth)
    assert found.values["pixel_accuracy"] == pytest.approx(float(right), abs=1e-6)


def test_one_set_of_predictions_has_four_different_ious():
    truth = [np.zeros((10, 10), np.uint8) for _ in range(2)]
    pred = [np.zeros((10, 10), np.uint8) for _ in range(2)]
    truth[0][:1, :2] = 1  # 1 of 2 pixels found
    pred[0][:1, :1] = 1
    truth[1][:5] = 1  # all found
    pred[1][:5] = 1
    values = region.reduce(counted(list(zip(pred, truth, strict=True)))).values
    assert values["iou_fg_image"] == pytest.approx((1 / 2 + 1) / 2)
    assert values["miou_image"] == pytest.approx((1 / 2 + 98 / 99 + 1 + 1) / 4)
    assert values["iou_fg_dataset"] == pytest.approx(51 / 52)
    assert values["miou_dataset"] == pytest.approx((51 / 52 + 148 / 149) / 2)


EMPTY_PAIR = (np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8))
HALF = np.array([[1, 1, 0, 0]], np.uint8).repeat(4, 0)


@pytest.mark.parametrize(("policy", "expected"), [("one", 1.0), ("zero", 0.5), ("skip", 1.0)])
def test_a_class_absent_from_both_sides_follows_the_policy_and_is_counted(policy, expected):
    found = region.reduce(counted([EMPTY_PAIR, (HALF, HALF)]), empty=policy)
    assert found.values["iou_fg_image"] == expected
    assert found.undefined == {"foreground_images": 1, "image_class_pairs": 1, "dataset_classes": 0}


def test_a_class_absent_everywhere_is_undefined_under_skip_and_0_under_zero():
    table = counted([EMPTY_PAIR])
    skipped, zero = region.reduce(table, empty="skip").values, region.reduce(table, empty="zero").values
    assert math.isnan(skipped["iou_fg_image"]) and math.isnan(skipped["iou_fg_dataset"])
    assert skipped["miou_dataset"] == 1.0  # the background alone
    assert (zero["iou_fg_image"], zero["miou_dataset"]) == (0.0, 0.5)


def test_nothing_predicted_where_there_is_something_has_precision_and_recall_0():
    values = region.reduce(counted([(np.zeros_like(HALF), HALF)])).values
    assert (values["precision"], values["recall"]) == (0.0, 0.0)


def test_an_unknown_policy_is_refused_with_the_choices():
    with pytest.raises(UsageProblem, match=r"Did you mean 'zero'.*one, skip, zero"):
        region.reduce(counted([EMPTY_PAIR]), empty="zeros")


def test_map_at_x_is_the_share_of_image_class_pairs_background_included():
    quarter = HALF.copy()
    quarter[:, 1] = 0  # foreground 4 of 8 -> 0.5; background 8 of 12
    found = region.reduce(counted([(quarter, HALF), (HALF, HALF)]), at=(0.5, 0.51, 0.67, 1.0))
    assert found.map_at_x == {0.5: 1.0, 0.51: 0.75, 0.67: 0.5, 1.0: 0.5}


def test_the_curve_passes_through_map_at_x_and_never_rises():
    table = counted(masks_of(9, seed=4))
    xs = (0.2, 0.5, 0.75, 0.9)
    curve = dict(region.curve(table))
    assert {x: curve[x] for x in xs} == pytest.approx(region.reduce(table, at=xs).map_at_x)
    assert list(curve.values()) == sorted(curve.values(), reverse=True)
    assert curve[0.0] == 1.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(1, 5))
def test_dice_and_iou_of_one_mask_are_tied_and_everything_is_between_0_and_1(seed, classes, number):
    table = counted(masks_of(number, classes, seed, size=(5, 6)), classes)
    found = region.reduce(table)
    assert all(0 <= value <= 1 for value in found.values.values())
    iou = found.values["iou_fg_dataset"]
    assert found.values["dice_fg_dataset"] == pytest.approx(2 * iou / (1 + iou))
    for row in found.classes:
        assert row["dice_dataset"] == pytest.approx(2 * row["iou_dataset"] / (1 + row["iou_dataset"]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_swapping_sides_keeps_iou_and_swaps_precision_with_recall(seed, classes):
    masks = masks_of(3, classes, seed, size=(6, 6))
    one = region.reduce(counted(masks, classes)).values
    two = region.reduce(counted([(t, p) for p, t in masks], classes)).values
    swapped = {**two, "precision": two["recall"], "recall": two["precision"]}
    assert one == pytest.approx(swapped)


def test_the_order_of_images_does_not_matter():
    masks = masks_of(8, seed=2)
    assert region.reduce(counted(masks)).values == pytest.approx(region.reduce(counted(masks[::-1])).values)
