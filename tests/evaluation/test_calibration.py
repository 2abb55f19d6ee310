"""Calibration of soft masks: ECE and Brier from histograms that can be reduced again."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from torchmetrics.classification import BinaryCalibrationError

from evaluation.calibration import BINS, Calibration, figures, histogram
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


def test_figures_of_a_set_weight_images_by_their_pixels_and_come_back_from_the_file(tmp_path):
    small, large = soft_pair(1, (8, 8)), soft_pair(2, (40, 50))
    table = Calibration.of([("a", histogram(*small)), ("b", histogram(*large))])
    both = [np.concatenate([x.ravel(), y.ravel()])[None] for x, y in zip(small, large, strict=True)]
    assert table.figures() == pytest.approx(dict(zip(("ece", "brier"), one(*both), strict=True)))
    table.to_parquet(tmp_path / "calibration.parquet")
    again = Calibration.from_parquet(tmp_path / "calibration.parquet")
    assert again.ids == ("a", "b")
    assert np.array_equal(again.sums, table.sums)
    rows = pq.read_table(tmp_path / "calibration.parquet")
    assert rows.column_names == ["id", "bin", "pixels", "foreground", "confidence", "squared_error"]
    assert rows.num_rows == 2 * BINS


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


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "calibration.parquet"
    with pytest.raises(BadInput, match="no such file"):
        Calibration.from_parquet(path)
    path.write_text("words")
    with pytest.raises(BadInput, match="something else"):
        Calibration.from_parquet(path)
    pq.write_table(pa.table({"id": ["a"]}), path)
    with pytest.raises(BadInput, match="without the columns bin"):
        Calibration.from_parquet(path)
    table = Calibration.of([("a", histogram(*soft_pair(0))), ("b", histogram(*soft_pair(1)))])
    table.to_parquet(path)
    pq.write_table(pq.read_table(path).slice(0, 20), path)
    with pytest.raises(BadInput, match="15 per image"):
        Calibration.from_parquet(path)
