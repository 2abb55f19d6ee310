"""Calibration of soft masks: ECE and Brier from histograms that can be reduced again."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from torchmetrics.classification import BinaryCalibrationError

from evaluation.calibration import BINS, Calibration, figures, histogram, kept, noted
from evaluation.counts import Counts, CountsBuilder, count_image
from masksmith.errors import BadInput


def soft_pair(seed, size=(30, 40), ignored=0.0):
    rng = np.random.default_rng(seed)
    soft = rng.random(size).astype(np.float32)
    truth = (rng.random(size) < soft**2).astype(np.uint8)
    truth[rng.random(size) < ignored] = 255
    return soft, truth


def one(soft, truth):
    found = figures(histogram(soft, truth)[None])
    return float(found["ece"][0]), float(found["brier"][0])


def plain_ece(soft, truth):
    """The sum over bins, written out."""
    total = 0.0
    place = np.minimum(np.floor(soft.astype(np.float64) * BINS), BINS - 1)
    for k in range(BINS):
        here = place == k
        if here.any():
            total += here.sum() / soft.size * abs(truth[here].mean() - soft[here].astype(np.float64).mean())
    return total


@pytest.mark.parametrize("seed", range(5))
def test_figures_agree_with_torchmetrics_scikit_learn_and_the_definition(seed):
    soft, truth = soft_pair(seed)  # p = 1 itself gets a 16th bin in torchmetrics, and the last one here
    ece, brier = one(soft, truth)
    theirs = BinaryCalibrationError(n_bins=BINS, norm="l1")(torch.from_numpy(soft), torch.from_numpy(truth))
    assert ece == pytest.approx(float(theirs), abs=1e-6)
    assert ece == pytest.approx(plain_ece(soft, truth), abs=1e-9)
    assert brier == pytest.approx(brier_score_loss(truth.ravel(), soft.ravel().astype(np.float64)), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_grey_levels_and_their_shares_have_the_same_histogram(seed):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 256, (17, 23), np.uint8)
    truth = rng.choice(np.array([0, 1, 255], np.uint8), (17, 23))
    assert histogram(levels, truth) == pytest.approx(histogram(levels / 255.0, truth), abs=1e-9)


def test_a_sure_and_right_mask_has_no_error_and_a_sure_and_wrong_one_all_of_it():
    truth = np.array([[0, 1, 1, 0]], np.uint8)
    assert one(truth.astype(np.float32), truth) == (0.0, 0.0)
    assert one(1 - truth.astype(np.float32), truth) == (1.0, 1.0)


def test_a_mask_that_says_as_often_as_it_happens_is_calibrated_though_not_sharp():
    truth = np.array([[1, 0, 0, 0]], np.uint8)
    ece, brier = one(np.full((1, 4), 0.25, np.float32), truth)
    assert ece == pytest.approx(0, abs=1e-9)
    assert brier == pytest.approx(0.75 * 0.25)


def test_ignored_pixels_do_not_count_and_nothing_judged_is_undefined():
    soft, truth = soft_pair(3, ignored=0.4)
    kept = truth != 255
    assert one(soft, truth) == pytest.approx(one(soft[kept][None], truth[kept][None]))
    assert np.isnan(one(soft, np.full_like(truth, 255))).all()
    everything = figures(histogram(soft, np.full_like(truth, 255), ignore=None)[None])
    assert float(everything["brier"][0]) == pytest.approx(float(np.square(soft.astype(float) - 1).mean()))


def counted(pairs):
    builder = CountsBuilder()
    for name, (soft, truth) in pairs.items():
        builder.add(name, count_image((soft >= 0.5).astype(np.uint8), truth), **kept(histogram(soft, truth)))
    return builder.build()


def test_figures_of_a_set_weight_images_by_their_pixels_and_come_back_from_the_counts(tmp_path):
    small, large = soft_pair(1, (8, 8)), soft_pair(2, (40, 50))
    counts = counted({"a": small, "b": large})
    both = [np.concatenate([x.ravel(), y.ravel()])[None] for x, y in zip(small, large, strict=True)]
    found = Calibration.in_counts(counts)
    assert found.ids == ("a", "b")
    assert found.figures() == pytest.approx(dict(zip(("ece", "brier"), one(*both), strict=True)))
    counts.to_parquet(tmp_path / "counts.parquet")
    again = Calibration.in_counts(Counts.from_parquet(tmp_path / "counts.parquet"))
    assert np.array_equal(again.sums, found.sums)
    assert Calibration.in_counts(counts.take([1])).figures() == found.take([1]).figures()
    assert Calibration.in_counts(counts.merge(counted({"c": small}))).ids == ("a", "b", "c")


def test_histograms_can_be_put_beside_counts_that_are_there():
    pairs = {"a": soft_pair(1), "b": soft_pair(2)}
    counts = counted(pairs)
    bare = Counts(counts.table.drop_columns(["calibration"]), counts.class_ids)
    assert Calibration.in_counts(bare) is None
    found = Calibration.of((name, histogram(*pair)) for name, pair in pairs.items())
    for before in (bare, counts):
        assert noted(before, found).table["calibration"].to_pylist() == counts.table["calibration"].to_pylist()
    with pytest.raises(ValueError, match="other images"):
        noted(bare, found.take([1, 0]))


def test_a_column_of_something_else_is_refused():
    counts = counted({"a": soft_pair(1), "b": soft_pair(2)})
    for rows in ([[1.0]] * 4, [[1.0] * 60, [1.0] * 60, None, None], ["x"] * 4):
        table = counts.table.drop_columns(["calibration"]).append_column("calibration", pa.array(rows))
        with pytest.raises(BadInput, match="4 x 15 numbers"):
            Calibration.in_counts(Counts(table, counts.class_ids))


def test_tables_merge_and_slices_are_those_of_their_images():
    tables = [Calibration.of([(name, histogram(*soft_pair(seed)))]) for seed, name in enumerate("abc")]
    everyone = tables[0].merge(*tables[1:])
    assert everyone.ids == ("a", "b", "c")
    assert everyone.take([1]).figures() == tables[1].figures()
    with pytest.raises(ValueError, match="once"):
        everyone.merge(tables[0])


def test_reliability_has_a_row_a_bin_whose_pixels_add_up():
    soft, truth = soft_pair(5)
    soft = soft / 2
    rows = Calibration.of([("a", histogram(soft, truth))]).reliability()
    assert [round(row["low"] * BINS) for row in rows] == list(range(BINS))
    assert sum(row["pixels"] for row in rows) == soft.size
    assert np.isnan(rows[-1]["confidence"])
    assert rows[2]["low"] <= rows[2]["confidence"] < rows[2]["high"]


@pytest.mark.parametrize(
    ("soft", "truth", "says"),
    [
        (np.zeros((2, 2), np.float32), np.zeros((2, 3), np.uint8), r"\(2, 3\)"),
        (np.full((2, 2), 1.5), np.zeros((2, 2), np.uint8), "in \\[0, 1\\]"),
        (np.full((2, 2), np.nan), np.zeros((2, 2), np.uint8), "in \\[0, 1\\]"),
        (np.zeros((2, 2), np.int64), np.zeros((2, 2), np.uint8), "int64"),
        (np.zeros((2, 2)), np.zeros((2, 2)), "float64"),
    ],
)
def test_what_is_no_soft_mask_is_refused(soft, truth, says):
    with pytest.raises(ValueError, match=says):
        histogram(soft, truth)
