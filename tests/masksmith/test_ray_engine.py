"""The engine on a Ray cluster: the same results, whole errors, and an address that does not answer is named."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from masksmith import cluster, engine, options
from masksmith.engine import Shard
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem
from masksmith.receipts import Receipts

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the library ray is not installed")

WORK = """
import os, time
from pathlib import Path
from masksmith import files
from masksmith.errors import BadInput

def square(shard):
    return {"squares": [v * v for v in shard.payload], "pid": os.getpid(), "here": os.getcwd()}

def refuse(shard):
    raise BadInput("a.png", "a mask", "soup", "cook less")

def slow_file(shard):
    import ray
    out, number = Path(shard.payload[0][0]), shard.payload[0][1]
    with open(out / "starts.log", "a") as log:
        log.write(f"{shard.index} {ray.get_runtime_context().get_node_id()}\\n")
    time.sleep(0.6)
    files.write_bytes(out / f"{number:03d}.bin", bytes([number]) * 1000)
    return {"number": number}
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "ray_shard_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    sys.modules.pop("ray_shard_work", None)
    import ray_shard_work

    return ray_shard_work


@pytest.fixture
def no_cluster() -> Iterator[None]:
    yield
    cluster.disconnect()


@needs_ray
def test_ray_and_one_process_give_the_same_results_in_order(
    work: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_cluster: None
) -> None:
    shards = engine.cut(list(range(11)), 2)
    receipts = Receipts(tmp_path / "out", "work", {})
    receipts.save(1, {"squares": "known", "pid": 0})
    alone = engine.get("serial").map(work.square, shards)
    on_ray = engine.get("ray", 2)
    on_ray.map(work.square, shards[:1])
    monkeypatch.chdir(tmp_path)  # workers stand where the caller stands, whenever it went there
    together = on_ray.map(work.square, shards, receipts=receipts)
    assert together[1]["squares"] == "known"
    assert [r["squares"] for r in alone[2:]] == [r["squares"] for r in together[2:]]
    assert os.getpid() not in {r["pid"] for r in together}
    assert {r["here"] for r in together[2:]} == {str(tmp_path)}
    assert on_ray.map(work.square, shards, receipts=receipts) == together
    with pytest.raises(BadInput) as caught:
        on_ray.map(work.refuse, [Shard(0, 1, None)])
    assert str(caught.value) == "a.png: expected a mask, found soup; cook less"


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "ray.invalid:6379"])
def test_an_address_without_a_cluster_is_named_at_once(work: Any, address: str) -> None:
    start = time.monotonic()
    with pytest.raises(EnvironmentFault) as caught:
        engine.get("ray", address=address).map(work.square, engine.cut([1], 1))
    assert f"no Ray cluster at {address}" in str(caught.value) and caught.value.exit_code == 4
    assert time.monotonic() - start < cluster.ANSWER_S


@needs_ray
def test_the_environment_names_the_cluster_too(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(EnvironmentFault, match=r"127\.0\.0\.1:1"):
        engine.get("ray").map(work.square, engine.cut([1], 1))


def test_without_the_library_the_extra_to_install_is_named(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EnvironmentFault, match=r"pip install 'masksmith\[ray\]'"):
        engine.get("ray").map(work.square, engine.cut([1], 1))


@pytest.mark.parametrize("address", ["nonsense", "host:", ":6379", "http://host"])
def test_an_address_that_is_none_is_a_usage_problem(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(UsageProblem, match="host:port"):
        cluster.connect(address)


def test_the_option_for_the_address_reaches_the_engine() -> None:
    import click
    from click.testing import CliRunner

    from masksmith import engine as engines

    @click.command()
    @options.engine_options
    def command(engine: str, workers: int | None) -> None:
        click.echo(repr(engines.get(engine, workers)))

    def said(*words: str) -> str:
        return CliRunner().invoke(command, words).output

    assert said("--engine", "ray", "--ray-address", "h:1", "--workers", "3") == (
        "Ray(workers=3, address='h:1', name='ray')\n"
    )
    assert said("--engine", "ray") == "Ray(workers=None, address=None, name='ray')\n"
    assert said("--workers", "2") == "Process(workers=2, name='process')\n"
    assert "goes with --engine ray" in said("--ray-address", "h:1")


@needs_ray
@pytest.mark.slow
def test_a_node_that_dies_midway_costs_no_shard_and_no_byte(
    work: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_cluster: None
) -> None:
    import threading

    from ray.cluster_utils import Cluster

    out, quiet = tmp_path / "out", tmp_path / "quiet"
    out.mkdir()
    quiet.mkdir()
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        victim = nodes.add_node(num_cpus=2)
        nodes.add_node(num_cpus=1)
        nodes.wait_for_nodes()
        started = out / "starts.log"

        def kill() -> None:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                if started.exists() and f" {victim.node_id}" in started.read_text():
                    break
                time.sleep(0.05)
            nodes.remove_node(victim, allow_graceful=False)

        killer = threading.Thread(target=kill)
        killer.start()
        receipts = Receipts(out, "work", {})
        shards = engine.cut([(str(out), k) for k in range(40)], 1)
        results = engine.get("ray", address=nodes.address).map(work.slow_file, shards, receipts=receipts)
        killer.join()
        assert [r["number"] for r in results] == list(range(40))
        starts = [line.split()[0] for line in started.read_text().splitlines()]
        assert len(starts) > 40, "no task was lost with its node"
        assert {name.name: name.read_bytes() for name in out.glob("*.bin")} == {
            f"{k:03d}.bin": bytes([k]) * 1000 for k in range(40)
        }
    finally:
        cluster.disconnect()
        nodes.shutdown()
