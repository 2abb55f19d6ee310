"""Intervals: over subjects, the same for the same seed, honest about too few."""

import numpy as np
import pytest

from evaluation import intervals, region
from evaluation.counts import CountsBuilder


def table(ious, subjects, **columns):
    builder = CountsBuilder()
    for k, (iou, subject) in enumerate(zip(ious, subjects, strict=True)):
        hit = round(1000 * iou)
        extra = {name: values[k] for name, values in columns.items()}
        row = np.array([[5000, 0, 1000 - hit, hit], [hit, 1000 - hit, 0, 5000]])
        builder.add(str(k), row, subject=subject, **extra)
    return builder.build()


def spread(images_each, subjects=12, seed=0):
    level = np.random.default_rng(seed).uniform(0.6, 0.95, subjects)
    return table(np.repeat(level, images_each), np.repeat([f"s{k}" for k in range(subjects)], images_each))


def width(found, name="iou_fg_image"):
    return found.bounds[name][1] - found.bounds[name][0]


def test_intervals_hold_the_figure_and_are_the_same_for_the_same_seed():
    counts = spread(3)
    values = region.reduce(counts).values
    found = intervals.bootstrap(counts, seed=5)
    for name, value in values.items():
        low, high = found.bounds[name]
        assert low - 1e-12 <= value <= high + 1e-12, name
    assert found == intervals.bootstrap(counts, seed=5)
    assert found.bounds != intervals.bootstrap(counts, seed=6).bounds


def test_more_images_of_the_same_subjects_do_not_narrow_the_interval():
    once, often = (intervals.bootstrap(spread(n)) for n in (1, 20))
    assert width(often) == pytest.approx(width(once), rel=1e-9)
    assert (often.unit, often.groups) == ("subject", 12)


def test_without_subjects_images_are_resampled_and_the_interval_would_be_narrower():
    by_subject = spread(20)
    by_image = table(region.image_iou(by_subject)[0], [None] * len(by_subject))
    found = intervals.bootstrap(by_image)
    assert (found.unit, found.groups) == ("image", 240)
    assert width(found) < 0.5 * width(intervals.bootstrap(by_subject))


def test_the_bounds_are_those_of_resampling_by_hand():
    counts = spread(2, subjects=6)
    per_image = region.image_iou(counts)[0].reshape(6, 2).mean(1)
    weights = np.concatenate(list(intervals.draws(6, 1000, 3)))
    assert weights.shape == (1000, 6) and (weights.sum(1) == 6).all()
    low, high = np.percentile(weights @ per_image / 6, [2.5, 97.5])
    assert intervals.bootstrap(counts, seed=3).bounds["iou_fg_image"] == pytest.approx((low, high))


def test_resampling_in_blocks_covers_every_resample(monkeypatch):
    monkeypatch.setattr(intervals, "_CELLS", 70)
    blocks = list(intervals.draws(10, 1000, 0))
    assert len(blocks) == 143 and sum(len(block) for block in blocks) == 1000
    assert np.std(np.concatenate(blocks)) == pytest.approx(np.sqrt(0.9), rel=0.05)


def test_images_that_share_any_subject_are_one_cluster():
    counts = table([0.9] * 5, ["a", "b", "c", "c", "d"], **{"group.subject": [["a", "b"], ["b"], ["c"], None, ["d"]]})
    labels, unit = intervals.clusters(counts)
    assert unit == "subject"
    assert labels[0] == labels[1] and labels[2] == labels[3]
    assert len({labels[0], labels[2], labels[4]}) == 3


def test_frames_without_a_subject_are_held_together_by_their_clip():
    counts = table([0.9] * 4, [None] * 4, clip=["x", "x", "y", "y"])
    labels, unit = intervals.clusters(counts)
    assert unit == "clip" and labels.tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])


@pytest.mark.parametrize("images", [1, 7])
def test_one_subject_gives_no_interval_and_says_why(images):
    found = intervals.bootstrap(table([0.8] * images, ["anna"] * images))
    assert found.bounds == {}
    assert found.note == "no interval: it takes at least 2 subjects, there is 1"


def test_a_mean_of_fewer_than_two_values_has_no_interval():
    assert intervals.mean_interval([0.5]) is None
    assert intervals.mean_interval([0.5, float("nan")]) is None
    low, high = intervals.mean_interval([0.1, 0.2, 0.3, 0.4])
    assert 0.1 <= low < 0.25 < high <= 0.4
