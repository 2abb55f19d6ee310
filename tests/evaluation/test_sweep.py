"""One look at each image gives the counts at every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import inputs, region, sweep
from evaluation.counts import count_image
from masksmith.errors import UsageProblem
from tests.evaluation.typed import save


def soft(seed: int, size: tuple[int, int] = (20, 30)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    level = random.random(size, np.float32)
    level[random.random(size) < 0.2] = np.float32(0.5)  # right on a threshold
    truth = (random.random(size) < level).astype(np.uint8)
    truth[random.random(size) < 0.1] = 255
    return level, truth


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sets(st.integers(0, 256), min_size=1, max_size=9))
def test_every_threshold_counts_as_thresholding_there_would(seed: int, marks: set[int]) -> None:
    thresholds = [mark / 256 for mark in sorted(marks)]
    found = sweep.Sweep(thresholds)
    level, truth = soft(seed)
    found.add("a", level, truth)
    for position, threshold in enumerate(thresholds):
        expected = count_image((level >= threshold).astype(np.uint8), truth)
        assert np.array_equal(found.counts(position).values[0], expected)


@pytest.mark.parametrize("empty", ["one", "zero", "skip"])
def test_the_curves_are_the_figures_at_each_threshold(empty: str) -> None:
    found = sweep.Sweep((0.1, 0.5, 0.9, 1.0))
    for seed in range(5):
        found.add(str(seed), *soft(seed))
    found.add("nothing", np.zeros((4, 4), np.float32), np.zeros((4, 4), np.uint8))
    told = found.document(empty=empty)
    for position in range(4):
        values = region.reduce(found.counts(position), empty=empty).values
        for name in sweep.FIGURES:
            assert told[name][position] == pytest.approx(values[name])


def test_the_best_threshold_is_found_and_called_a_leak() -> None:
    truth = np.zeros((10, 10), np.uint8)
    truth[:5] = 1
    level = np.where(truth == 1, 0.3, 0.1).astype(np.float32)
    found = sweep.Sweep()
    found.add("a", level, truth)
    told = found.document(headline="miou_dataset")
    assert told["best"]["value"] == 1.0 and 0.1 < told["best"]["threshold"] <= 0.3
    assert told["best"]["figure"] == "miou_dataset" and "leak" in told["note"]


def test_files_of_grey_levels_give_what_judging_them_at_each_threshold_gives(tmp_path) -> None:
    for seed in range(3):
        level, truth = soft(seed)
        save(tmp_path / "p" / f"{seed}.png", (level * 255).astype(np.uint8))
        save(tmp_path / "t" / f"{seed}.png", (truth == 1).astype(np.uint8) * 255)
    pairs = inputs.pair_folders(tmp_path / "p", tmp_path / "t")
    coding = inputs.count_pairs(pairs, inputs.Reader(soft=True))[1]
    thresholds = [k / 255 for k in (1, 77, 128, 255)]
    found = sweep.over_pairs(pairs, inputs.Reader(soft=True), coding, thresholds)
    for position, threshold in enumerate(thresholds):
        alone = inputs.count_pairs(pairs, inputs.Reader(soft=True, threshold=threshold))[0]
        assert np.array_equal(found.counts(position).values, alone.values)


@pytest.mark.parametrize("thresholds", [(), (0.5, 0.4), (0.5, 0.5), (-0.1,), (0.5, 1.5), (float("nan"),)])
def test_thresholds_out_of_order_or_range_are_refused(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(UsageProblem):
        sweep.Sweep(thresholds)


def test_sizes_must_agree_and_the_figure_must_be_one_of_the_four() -> None:
    found = sweep.Sweep()
    with pytest.raises(ValueError, match="height"):
        found.add("a", np.zeros((2, 3), np.float32), np.zeros((3, 2), np.uint8))
    with pytest.raises(UsageProblem, match="sweep"):
        found.document(headline="recall")
