"""Models timed by turns, held to a share of a core, set beside peers."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from evaluation.quota import DutyCycle, limited
from evaluation.speed import Timing, take_turns
from evaluation.speed_table import plot, read_iou
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem


def busy() -> None:
    while True:
        sum(range(1000))


@pytest.fixture
def worker() -> Iterator[int]:
    child = multiprocessing.get_context("fork").Process(target=busy, daemon=True)
    child.start()
    yield int(child.pid or 0)
    child.kill()
    child.join()


def used_s(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def test_models_are_run_by_turns_in_short_blocks() -> None:
    order: list[str] = []
    times = take_turns([lambda: order.append("a"), lambda: order.append("b")], runs=4, warm_up=1, block=2)
    assert "".join(order) == "ab" + "aaabbb" + "aaabbb"
    assert [len(wall) for wall, _ in times] == [4, 4]
    assert all((wall >= 0).all() for wall, _ in times)


def test_the_number_of_runs_is_kept_when_it_is_no_multiple_of_the_block() -> None:
    count = 0

    def call() -> None:
        nonlocal count
        count += 1

    ((wall, own),) = take_turns([call], runs=7, warm_up=0, block=5)
    assert len(wall) == len(own) == 7
    assert count == 7 + 2


def test_under_a_quota_frames_a_second_count_the_time_a_process_was_stopped() -> None:
    walls = np.array([1.0] * 9 + [91.0])
    timing = Timing("m", "onnxruntime", "8x8", walls, np.ones(10), foreign=True, meta={})
    assert timing.row()["fps"] == pytest.approx(1000)
    assert timing.row(quota=10)["fps"] == pytest.approx(100)
    assert timing.row("cpu")["median_ms"] == 1


def test_no_run_is_refused() -> None:
    with pytest.raises(UsageProblem, match="at least one run"):
        take_turns([lambda: None], runs=0)


def test_a_duty_cycle_holds_a_process_to_its_share(worker: int) -> None:
    limit = DutyCycle(worker, 20)
    try:
        time.sleep(0.3)
        start, before = time.monotonic(), used_s(worker)
        time.sleep(1.0)
        share = (used_s(worker) - before) / (time.monotonic() - start)
    finally:
        limit.stop()
    assert share < 0.35
    assert limit.how


def test_a_limit_that_is_stopped_lets_the_process_go_on(worker: int) -> None:
    limited(worker, 5, kernel=False).stop()
    before = used_s(worker)
    deadline = time.monotonic() + 20
    while used_s(worker) - before < 0.02 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert used_s(worker) - before >= 0.02


def test_without_control_groups_the_process_is_stopped_and_continued(worker: int, tmp_path: Path) -> None:
    limit = limited(worker, 50, root=tmp_path)
    limit.stop()
    assert "duty cycle" in limit.how


@pytest.mark.parametrize("share", [0, -1, 101])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(UsageProblem, match="quota"):
        limited(os.getpid(), share)


def test_a_process_that_is_not_there_is_named() -> None:
    with pytest.raises(EnvironmentFault, match="no process"):
        limited(2**22 + 5, 10)


def test_an_iou_is_a_number_or_stands_in_a_report(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"iou_fg_image": 0.91}))
    assert read_iou("a=0.5") == ("a", 0.5)
    assert read_iou(f"b={report}") == ("b", 0.91)
    with pytest.raises(UsageProblem, match="between 0 and 1"):
        read_iou("a=91")
    with pytest.raises(UsageProblem, match="MODEL=VALUE"):
        read_iou("a")
    report.write_text("{}")
    with pytest.raises(BadInput, match="none of them"):
        read_iou(f"b={report}")


def test_the_plot_holds_the_models_that_have_an_iou(tmp_path: Path) -> None:
    rows = [
        {"model": "a", "runtime": "onnxruntime", "median_ms": 2.0, "iou": 0.9},
        {"model": "b", "runtime": "litert", "median_ms": 6.0, "iou": None},
    ]
    assert plot(rows, tmp_path / "p.png") == 1
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(UsageProblem, match="--iou"):
        plot(rows[1:], tmp_path / "p.png")
