"""Scenes from a Ray cluster: the bytes of one process, though a node dies midway."""

from __future__ import annotations

import importlib.util
import threading
import time
from pathlib import Path

import pytest

from datagen import generate as making
from masksmith import cluster, engine
from tests.datagen.test_generate import digests, plan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the library ray is not installed"),
]


def test_three_nodes_of_which_one_is_killed_give_the_bytes_of_one_process(
    tmp_path: Path, scan_folder: Path, floor_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    alone = making.generate(plan(scan_folder, floor_folder, tmp_path / "alone" / "d", count=600), engine.get("serial"))
    out = tmp_path / "together" / "d"
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        victim = nodes.add_node(num_cpus=1)
        nodes.add_node(num_cpus=1)
        nodes.wait_for_nodes()
        left: list[int] = []

        def kill() -> None:
            deadline = time.monotonic() + 240
            while time.monotonic() < deadline and not list(out.glob(".receipts/scenes/0*.json")):
                time.sleep(0.02)
            left.append(12 - len(list(out.glob(".receipts/scenes/0*.json"))))
            nodes.remove_node(victim, allow_graceful=False)

        killer = threading.Thread(target=kill)
        killer.start()
        work = plan(scan_folder, floor_folder, out, count=600)
        making.generate(work, engine.get("ray", address=nodes.address))
        killer.join()
        assert left and left[0] > 0, "the node died after the work was done"
        assert digests(out) == digests(alone)
    finally:
        cluster.disconnect()
        nodes.shutdown()
