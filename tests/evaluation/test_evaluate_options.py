"""``masksmith evaluate`` with engines, slices and sweeps, as it is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from masksmith.receipts import FOLDER
from tests.evaluation.typed import run, save

ROOT = Path(__file__).parents[2]


def disc(x: int, r: int = 8) -> Any:
    rows, columns = np.mgrid[:32, :40]
    return ((columns - x) ** 2 + (rows - 16) ** 2 <= r * r).astype(np.uint8)


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    for k in range(70):
        soft = cv2.GaussianBlur(disc(k % 30 + 5 + k % 3) * 255, (0, 0), 2)
        save(tmp_path / "pred" / f"{k}.png", soft)
        save(tmp_path / "truth" / f"{k}.png", disc(k % 30 + 5) * 255)
        save(tmp_path / "photos" / f"{k}.png", np.full((32, 40, 3), 3 * k, np.uint8))
    return tmp_path / "pred", tmp_path / "truth"


def written(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_processes_write_the_same_bytes_as_one_process(sides: tuple[Path, Path], tmp_path: Path) -> None:
    words = ("evaluate", *sides, "--soft", "--sweep", "--slice", "area", "--out")
    assert run(*words, tmp_path / "one") == 0
    assert run(*words, tmp_path / "two", "--engine", "process", "--workers", "2") == 0
    assert written(tmp_path / "one") == written(tmp_path / "two")
    assert set(written(tmp_path / "one")) == {"report.html", "report.json", "counts.parquet"}


@pytest.mark.slow
def test_ray_writes_the_same_bytes_as_one_process(sides: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the library ray is not installed")
    from masksmith import cluster

    words = ("evaluate", *sides, "--soft", "--out")
    assert run(*words, tmp_path / "one") == 0
    try:
        assert run(*words, tmp_path / "two", "--engine", "ray", "--workers", "2") == 0
    finally:
        cluster.disconnect()
    assert written(tmp_path / "one") == written(tmp_path / "two")


def test_a_cluster_that_is_not_there_ends_with_4(sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray", reason="the library ray is not installed")
    assert run("evaluate", *sides, "--soft", "--engine", "ray", "--ray-address", "127.0.0.1:1") == 4
    assert "127.0.0.1:1" in capsys.readouterr().err
    assert run("evaluate", *sides, "--soft", "--ray-address", "127.0.0.1:1") == 2


def test_slices_are_in_the_report_and_again_from_its_counts(
    sides: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ("area", "position", "brightness", "blur")
    words = [word for key in keys for word in ("--slice", key)]
    out = tmp_path / "out"
    assert run("evaluate", *sides, "--soft", "--images", tmp_path / "photos", *words, "--out", out, "--json") == 0
    first = json.loads(capsys.readouterr().out)["slices"]
    assert list(first) == list(keys)
    assert [row["value"] for row in first["brightness"]] == ["under 25 %", "25 to 50 %", "50 to 75 %", "75 % and more"]
    assert sum(row["images"] for row in first["position"]) == 70
    assert all(row["intervals"] or row["note"] for rows in first.values() for row in rows)
    assert run("evaluate", "--from-counts", out / "counts.parquet", *words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["slices"] == first
    assert run("evaluate", "--from-counts", out / "counts.parquet", "--slice", "area", "--least", "71", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["slices"]["area"]
    assert all(not row["intervals"] and "fewer than 71" in row["note"] for row in rows)


def test_without_photos_there_is_no_slice_by_brightness(
    sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", *sides, "--soft", "--slice", "brightness") == 2
    assert "--images" in capsys.readouterr().err


def test_a_sweep_is_told_with_its_warning_and_holds_the_threshold_of_the_report(
    sides: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", *sides, "--soft", "--sweep", "--threshold", "0.3", "--json") == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    place = told["sweep"]["thresholds"].index(0.3)
    for name in ("iou_fg_image", "miou_image", "iou_fg_dataset", "miou_dataset"):
        assert told["sweep"][name][place] == pytest.approx(told[name])
    assert told["sweep"]["best"]["value"] == max(told["sweep"]["iou_fg_image"])
    assert "warning" in shown.err and "leak" in shown.err and any("leak" in note for note in told["notes"])
    assert run("evaluate", *sides, "--sweep") == 2
    assert run("evaluate", *sides, "--soft", "--sweep", "--headline", "recall") == 2


@pytest.mark.parametrize(("policy", "value"), [("one", "count as IoU 1"), ("zero", "IoU 0"), ("skip", "left out")])
def test_the_policy_for_absent_classes_and_its_cases_are_always_told(
    tmp_path: Path, policy: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "p" / "a.png", disc(16))
    save(tmp_path / "t" / "a.png", disc(16))
    for empty in (0, 1):
        if empty:
            save(tmp_path / "p" / "b.png", disc(16) * 0)
            save(tmp_path / "t" / "b.png", disc(16) * 0)
        assert run("evaluate", tmp_path / "p", tmp_path / "t", "--empty", policy) == 0
        told = capsys.readouterr().err
        assert f"{empty} of {2 + 2 * empty} (image, class) pairs" in told and value in told


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(sides: tuple[Path, Path], tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom evaluation import shards\nfrom masksmith import cli\n"
        "real = shards._Learn.__call__\n"
        "def slow(self, shard):\n"
        "    if shard.index == 1:\n        time.sleep(600)\n"
        "    return real(self, shard)\n"
        "shards._Learn.__call__ = slow\ncli.main(sys.argv[1:])\n"
    )
    out = tmp_path / "killed"
    words = ["evaluate", str(sides[0]), str(sides[1]), "--soft", "--out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    victim = subprocess.Popen([sys.executable, "-c", code, *words, str(out)], env=environment)
    deadline = time.monotonic() + 60
    while not list(out.rglob("000000.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert (out / FOLDER).is_dir() and not (out / "report.json").exists()
    assert run(*words, out) == 0
    assert run(*words, tmp_path / "undisturbed") == 0
    assert written(out) == written(tmp_path / "undisturbed")
