"""Measurements in processes of their own: what they find, what they raise, and how they are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation.confined import confined, ending_orderly
from evaluation.quota import limited
from masksmith.errors import BadInput, EnvironmentFault


def adds(ready: Callable[[], None], first: int, second: int) -> int:
    ready()
    return first + second


def refuses(ready: Callable[[], None]) -> None:
    raise BadInput("clip.mp4", "a video", "none", "check the path")


def dies(ready: Callable[[], None]) -> None:
    os._exit(1)


def test_what_the_work_finds_and_refuses_comes_back() -> None:
    assert confined(adds, (2, 3)) == (5, None)
    with pytest.raises(BadInput, match=r"clip\.mp4"):
        confined(refuses, ())
    with pytest.raises(EnvironmentFault, match="ended by itself"):
        confined(dies, ())


def test_being_told_to_end_runs_what_stands_in_finally(tmp_path: Path) -> None:
    note = tmp_path / "note"
    code = (
        "import pathlib, time\n"
        "from evaluation.confined import ending_orderly\n"
        "with ending_orderly():\n"
        "    try:\n"
        "        print('on', flush=True); time.sleep(60)\n"
        "    finally:\n"
        f"        pathlib.Path({str(note)!r}).write_text('let go')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert note.read_text() == "let go"


def test_signals_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ending_orderly():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_groups_of_makers_that_were_killed_are_taken_away(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    left = tmp_path / f"masksmith-{2**22 + 7}-9"
    left.mkdir()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        limited(child.pid, 50, root=tmp_path).stop()
    finally:
        child.kill()
        child.wait()
    assert not left.exists()
