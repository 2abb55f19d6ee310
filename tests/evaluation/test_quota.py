"""A process held back by the kernel, where it lets us."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation.quota import ControlGroup, limited

BUSY = "while True: pass"


@pytest.fixture
def busy() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", BUSY]) as child:
        yield child.pid
        child.kill()


def made_by_hand(root: Path, folder: str, files: dict[str, str]) -> Path:
    """What a control group's file system looks like, as plain files; the kernel would make them with the folder."""
    place = root / folder
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / name).write_text(text)
    return place


def test_a_group_of_the_kernel_holds_a_process_and_is_gone_afterwards(busy: int) -> None:
    limit = limited(busy, 20)
    if not isinstance(limit, ControlGroup):
        limit.stop()
        pytest.skip("no control groups can be made here")
    spent = Path(f"/proc/{busy}/schedstat")
    try:
        time.sleep(0.2)
        start, before = time.monotonic(), int(spent.read_text().split()[0])
        time.sleep(1.2)
        share = (int(spent.read_text().split()[0]) - before) / 1e9 / (time.monotonic() - start)
        assert list(Path("/sys/fs/cgroup").glob(f"**/masksmith-*-{busy}"))
    finally:
        limit.stop()
    assert share < 0.3
    assert not list(Path("/sys/fs/cgroup").glob(f"**/masksmith-*-{busy}"))


def test_a_group_that_cannot_be_filled_is_taken_away_and_the_process_is_held_otherwise(
    busy: int, tmp_path: Path
) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu io")
    made_by_hand(tmp_path, "cpu", {"cpu.cfs_quota_us": "-1", "cgroup.procs": ""})
    limit = limited(busy, 50, root=tmp_path)
    limit.stop()
    assert "duty cycle" in limit.how
    assert not list(tmp_path.glob("**/masksmith-*"))


def test_without_the_controller_no_group_is_made(busy: int, tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("memory io")
    limited(busy, 50, root=tmp_path).stop()
    assert [place.name for place in tmp_path.iterdir()] == ["cgroup.controllers"]
