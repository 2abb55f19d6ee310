"""The same figures as other libraries and as literal definitions, on random masks and on real ones."""

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.distance import directed_hausdorff
from sklearn.metrics import f1_score, jaccard_score
from torchmetrics.functional.classification import binary_jaccard_index
from torchmetrics.functional.classification import f1_score as torch_f1
from torchmetrics.functional.segmentation import mean_iou

from evaluation import Evaluator, SegmentationMetric, boundary_f, boundary_iou, hausdorff95
from masksmith import images


def literal_j(annotation, segmentation):
    """DAVIS J: 1 where both are empty, else intersection over union."""
    annotation, segmentation = annotation.astype(bool), segmentation.astype(bool)
    if np.isclose(annotation.sum(), 0) and np.isclose(segmentation.sum(), 0):
        return 1.0
    return (annotation & segmentation).sum() / (annotation | segmentation).sum()


def literal_f(foreground, truth, bound=0.008):
    """DAVIS F: contours by seg2bmap, matched within a disk, by shifting one pixel at a time."""
    radius = int(np.ceil(bound * np.linalg.norm(foreground.shape)))
    lines = []
    for seg in (foreground.astype(bool), truth.astype(bool)):
        right, below, both = (np.zeros_like(seg) for _ in range(3))
        right[:, :-1], below[:-1], both[:-1, :-1] = seg[:, 1:], seg[1:], seg[1:, 1:]
        line = (seg ^ right) | (seg ^ below) | (seg ^ both)
        line[-1] = seg[-1] ^ right[-1]
        line[:, -1] = seg[:, -1] ^ below[:, -1]
        line[-1, -1] = False
        lines.append(line)
    wide = []
    for line in lines:
        grown = np.zeros_like(line)
        padded = np.pad(line, radius)
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                if dy * dy + dx * dx <= radius * radius:
                    top, left = radius + dy, radius + dx
                    grown |= padded[top : top + line.shape[0], left : left + line.shape[1]]
        wide.append(grown)
    found, there = lines[0].sum(), lines[1].sum()
    if not found or not there:
        return float(bool(found) == bool(there))
    precision, recall = (lines[0] & wide[1]).sum() / found, (lines[1] & wide[0]).sum() / there
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def literal_band_iou(pred, truth):
    """Cheng: what erosion takes away, step by step."""
    steps = max(1, round(0.02 * float(np.hypot(*truth.shape))))
    bands = []
    for mask in (pred.astype(bool), truth.astype(bool)):
        inner = np.pad(mask, 1)
        for _ in range(steps):
            inner = ndimage.binary_erosion(inner, np.ones((3, 3)))
        bands.append(mask & ~inner[1:-1, 1:-1])
    return (bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum()


def surface_points(mask):
    return np.argwhere(mask.astype(bool) & ~ndimage.binary_erosion(mask.astype(bool)))


def check(pred, truth):
    """All figures of a pair; each within 1e-6."""
    found = SegmentationMetric()(pred, truth)
    tensors = torch.from_numpy(pred), torch.from_numpy(truth)
    iou, dice = found["iou_fg_image"], found["dice_fg_image"]
    assert iou == pytest.approx(float(binary_jaccard_index(*tensors)), abs=1e-6)
    assert iou == pytest.approx(jaccard_score(truth.ravel(), pred.ravel()), abs=1e-6)
    assert iou == pytest.approx(literal_j(truth, pred), abs=1e-6)
    assert dice == pytest.approx(float(torch_f1(*tensors, task="binary")), abs=1e-6)
    assert dice == pytest.approx(f1_score(truth.ravel(), pred.ravel()), abs=1e-6)
    assert boundary_f(pred, truth) == pytest.approx(literal_f(pred, truth), abs=1e-6)
    assert boundary_iou(pred, truth) == pytest.approx(literal_band_iou(pred, truth), abs=1e-6)
    points = surface_points(pred), surface_points(truth)
    farthest = max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
    assert hausdorff95(pred, truth, percent=100) == pytest.approx(farthest, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_random_masks(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(30, 90, 2))
    noise = [cv2.GaussianBlur(rng.standard_normal(shape[::-1]), (0, 0), rng.uniform(0.6, 6)) for _ in range(2)]
    truth, pred = ((field > 0.1 * field.std()).astype(np.uint8) for field in (noise[0], noise[0] + 0.5 * noise[1]))
    check(pred, truth)


@pytest.mark.parametrize("frames", [(3, 4), (20, 23), (60, 61)])
@pytest.mark.data
def test_neighbouring_frames_of_a_real_clip(real_data, frames):
    masks = sorted((real_data / "video" / "DAVIS2016").rglob("*.png"))
    pred, truth = ((images.read_mask(masks[k])[::2, ::2] > 0).astype(np.uint8) for k in frames)
    check(np.ascontiguousarray(pred), np.ascontiguousarray(truth))


@pytest.mark.data
def test_masks_of_real_feet_against_themselves_shifted(real_data):
    for path in images.list_images(real_data / "feet" / "real" / "masks")[:3]:
        truth = (images.resize_mask(images.read_mask(path), 160, 120) > 0).astype(np.uint8)
        check(np.roll(truth, (3, -2), (0, 1)), truth)


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_over_classes_of_several_images_agrees_with_torchmetrics(seed):
    rng = np.random.default_rng(seed)
    truths = rng.integers(0, 3, (5, 20, 30)).astype(np.uint8)
    preds = np.where(rng.random(truths.shape) < 0.6, truths, rng.integers(0, 3, truths.shape)).astype(np.uint8)
    metric = SegmentationMetric(3)
    metric.update(preds, truths)
    arrays = (torch.from_numpy(side.astype(np.int64)) for side in (preds, truths))
    each = mean_iou(*arrays, num_classes=3, input_format="index")
    assert metric.compute()["miou_image"] == pytest.approx(float(each.mean()), abs=1e-6)
    overall = jaccard_score(truths.ravel(), preds.ravel(), average="macro")
    assert metric.compute()["miou_dataset"] == pytest.approx(overall, abs=1e-6)


def test_both_sides_empty_is_1_as_in_davis_and_not_nan_or_0_as_elsewhere():
    # torchmetrics gives 0 (or NaN), scikit-learn 0 with a warning: a convention, told in the report, --empty changes it
    nothing = np.zeros((8, 8), np.uint8)
    judge = Evaluator()
    judge.update(nothing, nothing)
    assert judge.compute()["iou_fg_image"] == literal_j(nothing, nothing) == 1
    assert boundary_f(nothing, nothing) == literal_f(nothing, nothing) == 1
