"""``masksmith evaluate --calibration``, as it is typed."""

import json

import numpy as np
import pytest

from evaluation.calibration import Calibration
from evaluation.counts import Counts
from tests.evaluation.typed import run, save


@pytest.fixture
def soft(tmp_path):
    """Six grey-level predictions and their 0/255 truths."""
    rng = np.random.default_rng(0)
    for number in range(6):
        level = rng.integers(0, 256, (30, 40)).astype(np.uint8)
        save(tmp_path / "pred" / f"{number}.png", level)
        save(tmp_path / "truth" / f"{number}.png", np.where(rng.random((30, 40)) < (level / 255) ** 2, 255, 0))
    return tmp_path


def plain_brier(folder):
    import cv2

    squares = []
    for path in sorted((folder / "pred").iterdir()):
        level, goal = (cv2.imread(str(one), cv2.IMREAD_GRAYSCALE) / 255 for one in (path, folder / "truth" / path.name))
        squares.append(np.square(level - goal).mean())
    return float(np.mean(squares))


def test_figures_reach_json_report_and_counts_and_come_back_from_these(soft, capsys):
    words = ["evaluate", soft / "pred", soft / "truth", "--soft", "--calibration", "--json", "--out", soft / "out"]
    assert run(*words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["brier"] == pytest.approx(plain_brier(soft), abs=1e-6)
    assert 0.1 < found["ece"] < 0.3
    assert len(found["reliability"]) == 15
    assert json.loads((soft / "out" / "report.json").read_text())["ece"] == found["ece"]
    kept = Calibration.in_counts(Counts.from_parquet(soft / "out" / "counts.parquet"))
    assert kept.figures()["ece"] == pytest.approx(found["ece"])
    assert run("evaluate", "--from-counts", soft / "out" / "counts.parquet", "--calibration", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["ece"], again["brier"]) == (found["ece"], found["brier"])


def test_a_bar_can_be_set(soft):
    words = ["evaluate", soft / "pred", soft / "truth", "--soft", "--calibration"]
    assert run(*words, "--fail-over", "ece=0.5") == 0
    assert run(*words, "--fail-over", "ece=0.01") == 1
    assert run(*words, "--fail-under", "ece=0.5") == 2


def test_hard_masks_and_counts_without_histograms_cannot_be_calibrated(soft, capsys):
    assert run("evaluate", soft / "truth", soft / "truth", "--calibration") == 2
    assert run("evaluate", soft / "pred", soft / "truth", "--soft", "--out", soft / "out") == 0
    capsys.readouterr()
    assert run("evaluate", "--from-counts", soft / "out" / "counts.parquet", "--calibration") == 3
    assert "evaluate the masks again with --calibration" in capsys.readouterr().err
