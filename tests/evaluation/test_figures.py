"""Figures for a paper: the same bytes for the same data, and what they are drawn from."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from evaluation import comparison, exhibits
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem
from tests.evaluation.test_comparison import counts
from tests.evaluation.typed import run, save

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from evaluation import figures


def everything(out: Path) -> list[Path]:
    random = np.random.default_rng(0)
    curve = [(x / 10, 1 - (x / 10) ** 3) for x in range(11)]
    log = [{"epoch": e, "loss": 1 / (e + 1), "val_loss": 1.1 / (e + 1)} for e in range(9)]
    pictures = [random.integers(0, 255, (20, 30, 3), dtype=np.uint8) for _ in range(3)]
    points = [
        {"name": "_a $x$", "ms": 73.0, "iou": 0.93, "interval": [0.92, 0.94]},
        {"name": "b", "ms": 366.0, "iou": 0.97, "interval": None},
    ]
    return [
        *figures.map_over_x({"_a $x$": curve, "b": curve[:5]}, out / "map"),
        *figures.iou_over_time(points, out / "time"),
        *figures.losses({"a": log, "b": log[:2]}, out / "losses"),
        *figures.search({"CE": [0.9, 0.8, float("nan")], "IoU": [0.7]}, out / "search"),
        *figures.grid([("one", pictures), ("two", [None, *pictures[:2]])], ["photo", "a", "b"], out / "grid"),
    ]


def test_the_same_data_gives_the_same_bytes_without_dates(tmp_path: Path) -> None:
    first, second = everything(tmp_path / "a"), everything(tmp_path / "b")
    assert len(first) == 10
    for one, other in zip(first, second, strict=True):
        data = one.read_bytes()
        assert data == other.read_bytes(), one.name
        if one.suffix == ".png":
            with Image.open(io.BytesIO(data)) as picture:
                assert min(picture.size) > 300 and "Software" not in picture.info
                assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 20  # something is drawn
        else:
            assert b"<dc:date>" not in data and data.count(b"<path") > 5


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EnvironmentFault, match=r"pip install matplotlib"):
        figures.losses({}, tmp_path / "x")


@pytest.fixture
def runs(tmp_path: Path) -> list[comparison.Run]:
    counts(tmp_path / "enet" / "counts.parquet")
    counts(tmp_path / "linknet" / "counts.parquet", 50, report={"facts": {"Model": "runs/best-of-all"}})
    return comparison.open_runs([tmp_path / "enet", tmp_path / "linknet"])


def test_times_come_by_name_or_from_rows_of_a_benchmark(runs: list[comparison.Run], tmp_path: Path) -> None:
    rows = [
        {"model": "best-of-all", "runtime": "onnx", "fps": 50, "median_ms": 20.5},
        {"model": "best-of-all", "runtime": "torch", "fps": 10, "median_ms": None},
        {"model": "other", "runtime": "torch", "fps": 10, "median_ms": 1},
    ]
    (tmp_path / "speed.json").write_text(json.dumps({"rows": rows}))
    found = exhibits.latencies(["enet=7.5", str(tmp_path / "speed.json")], runs)
    assert [(one["name"], one["ms"]) for one in found] == [
        ("enet", 7.5),
        ("linknet (onnx)", 20.5),
        ("linknet (torch)", 100.0),
    ]
    low, high = found[0]["interval"]
    assert low <= found[0]["iou"] <= high
    for word in ("enet=0", "enet=-3", "enet=fast", "enet"):
        with pytest.raises(UsageProblem, match="MILLISECONDS"):
            exhibits.latencies([word], runs)
    with pytest.raises(UsageProblem, match="nobody"):
        exhibits.latencies(["nobody=3"], runs)
    (tmp_path / "speed.json").write_text('{"rows": [{"fps": 3}]}')
    with pytest.raises(BadInput, match="median_ms"):
        exhibits.latencies([str(tmp_path / "speed.json")], runs)


def test_losses_are_read_from_the_log_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,step,loss,val_loss\n1,10,0.5,0.6\n2,20,0.4,\n")
    found = exhibits.losses(tmp_path)
    assert (found[0]["loss"], found[1]["epoch"]) == (0.5, 2.0) and np.isnan(found[1]["val_loss"])
    (tmp_path / "log.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="other columns"):
        exhibits.losses(tmp_path)
    with pytest.raises(BadInput, match="FileNotFoundError"):
        exhibits.losses(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "loss,value\nCE,0.9\nIoU,0.8\nCE,\n"),
        ("t.csv", "number,params_loss,value\n0,CE,0.9\n1,IoU,0.8\n2,CE,nan\n"),
        ("t.json", '[{"loss": "CE", "value": 0.9}, {"loss": "IoU", "value": 0.8}, {"loss": "CE", "value": null}]'),
        ("t.json", '{"trials": [{"params": {"loss": "CE"}, "value": 0.9}, {"params": {"loss": "IoU"}, "value": 0.8},'
         ' {"params": {"loss": "CE"}, "value": null}]}'),
    ],
)  # fmt: skip
def test_trials_of_a_search_are_read_however_they_were_written(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    found = exhibits.trials(tmp_path / name)
    assert list(found) == ["CE", "IoU"] and found["IoU"] == [0.8]
    assert found["CE"][0] == 0.9 and np.isnan(found["CE"][1])


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '[{"loss": "CE"}]', '[{"loss": 3, "value": 1}]', "[1]"])
def test_a_file_without_trials_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(BadInput, match="trials"):
        exhibits.trials(tmp_path / "t.json")


def test_the_command_draws_what_there_is_and_says_what_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = np.zeros((30, 40), np.uint8)
    box[8:20, 10:30] = 255
    for k in range(7):
        save(tmp_path / "truth" / f"{k}.png", box)
        for name, shift in (("good", 1), ("bad", 4)):
            save(tmp_path / name / f"{k}.png", np.roll(box, shift + k, 1))
    for name in ("good", "bad"):
        assert run("evaluate", tmp_path / name, tmp_path / "truth", "--out", tmp_path / f"r-{name}") == 0
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss\n1,0.5,0.6\n2,0.4,0.5\n")
    (tmp_path / "t.csv").write_text("loss,value\nCE,0.9\n")
    words: list[Any] = ["report", f"good={tmp_path / 'r-good'}", f"bad={tmp_path / 'r-bad'}"]
    words += ["--latency", "good=10", "--latency", "bad=20", "--training", tmp_path, "--search", tmp_path / "t.csv"]
    assert run(*words, "--figures", tmp_path / "f", "--out", tmp_path / "out") == 0
    names = {path.name for path in (tmp_path / "f").iterdir()}
    stems = ("map_over_x", "iou_over_time", "losses", "search", "predictions")
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}
    assert (tmp_path / "out" / "report.html").read_text().count("data:image/png") == 5
    (tmp_path / "bad").rename(tmp_path / "gone")
    capsys.readouterr()
    assert run(*words, "--figures", tmp_path / "f2") == 0
    assert "no grid of predictions: no masks of bad" in capsys.readouterr().err
    assert not (tmp_path / "f2" / "predictions.png").exists()


def test_figures_of_training_alone_need_no_evaluation(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss\n1,0.5,0.6\n2,0.4,0.5\n")
    assert run("report", "--figures", tmp_path / "f", "--training", tmp_path) == 0
    assert {path.name for path in (tmp_path / "f").iterdir()} == {"losses.png", "losses.svg"}


def test_the_grid_goes_from_the_worst_image_to_the_best_with_errors_in_colour(tmp_path: Path) -> None:
    box = np.zeros((30, 40), np.uint8)
    box[8:20, 10:30] = 255
    for k in range(9):
        save(tmp_path / "truth" / f"{k}.png", box)
        save(tmp_path / "pred" / f"{k}.png", np.roll(box, 8 - k, 1))
    assert run("evaluate", tmp_path / "pred", tmp_path / "truth", "--out", tmp_path / "r") == 0
    rows, columns, why = exhibits.predictions(comparison.open_runs([tmp_path / "r"]), rows=5)
    assert why is None and columns == ["truth", "r"] and [name for name, _ in rows] == ["0", "2", "4", "6", "8"]
    worst, best = (np.asarray(row[1][1]) for row in (rows[0], rows[-1]))
    assert len(np.unique(worst.reshape(-1, 3), axis=0)) == 4  # ground, found, missed, made up
    assert len(np.unique(best.reshape(-1, 3), axis=0)) == 2
    assert cv2.countNonZero((worst != best).any(-1).astype(np.uint8)) == 2 * 8 * 12
