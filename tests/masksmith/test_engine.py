from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from masksmith import engine
from masksmith.engine import Shard
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem
from masksmith.receipts import Receipts

# workers import what they run: a module on disk, as for the real commands
WORK = """
import os, time
from pathlib import Path
from masksmith.errors import BadInput

def square(shard):
    return {"index": shard.index, "squares": [v * v for v in shard.payload], "pid": os.getpid()}

def touch(shard):
    with open(shard.payload, "a") as handle:
        handle.write(f"{shard.index}\\n")
    return {"index": shard.index}

def refuse(shard):
    raise BadInput("a.png", "a mask", "soup", "cook less")

def die(shard):
    os._exit(9)

def sleep(shard):
    Path(shard.payload, f"{os.getpid()}.pid").write_text("")
    time.sleep(600)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "shard_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(folder))
    sys.modules.pop("shard_work", None)
    import shard_work

    return shard_work


def test_shards_cover_every_item_once_in_order() -> None:
    shards = engine.cut(list(range(10)), 4)
    assert [s.payload for s in shards] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [(s.index, s.items) for s in shards] == [(0, 4), (1, 4), (2, 2)]


def test_processes_and_one_process_give_the_same_results_in_order(work: Any) -> None:
    shards = engine.cut(list(range(23)), 3)
    alone = engine.get("serial").map(work.square, shards)
    together = engine.get("process", 2).map(work.square, shards)
    assert {r["pid"] for r in alone} == {os.getpid()}
    assert os.getpid() not in {r["pid"] for r in together}
    assert [r["squares"] for r in alone] == [r["squares"] for r in together]


def test_shards_with_a_receipt_are_not_done_again(work: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    shards = [Shard(k, 1, str(log)) for k in range(4)]
    receipts = Receipts(tmp_path / "out", "work", {})
    receipts.save(1, {"index": 1})
    results = engine.get("serial").map(work.touch, shards, receipts=receipts)
    assert log.read_text().split() == ["0", "2", "3"]
    assert [r["index"] for r in results] == [0, 1, 2, 3]
    engine.get("serial").map(work.touch, shards, receipts=Receipts(tmp_path / "out", "work", {}))
    assert log.read_text().split() == ["0", "2", "3"]


def test_an_error_in_a_worker_arrives_whole(work: Any) -> None:
    with pytest.raises(BadInput) as caught:
        engine.get("process", 1).map(work.refuse, [Shard(0, 1, None)])
    assert str(caught.value) == "a.png: expected a mask, found soup; cook less"


def test_a_worker_that_dies_is_an_environment_fault(work: Any) -> None:
    with pytest.raises(EnvironmentFault, match="worker process died"):
        engine.get("process", 1).map(work.die, [Shard(0, 1, None)])


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
def test_no_worker_outlives_a_killed_parent(work: Any, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import shard_work\nfrom masksmith import engine\n"
        "if __name__ == '__main__':\n"
        "    engine.get('process', 1).map(shard_work.sleep, [engine.Shard(0, 1, sys.argv[2])])\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path / "module"), str(tmp_path)])
    deadline = time.monotonic() + 60
    while not (found := list(tmp_path.glob("*.pid"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    worker = Path("/proc") / found[0].stem
    while worker.exists() and "\nState:\tZ" not in (worker / "status").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not worker.exists() or "\nState:\tZ" in (worker / "status").read_text()


def test_an_unknown_engine_lists_the_known_ones() -> None:
    with pytest.raises(UsageProblem, match="Did you mean 'process'"):
        engine.get("proces")
