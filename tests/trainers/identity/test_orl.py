"""The ORL faces (38 people, ten photos each): learn 28 people, cluster the other ten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from masksmith import seeds
from tests.trainers.identity.people import copied, run

SETTINGS = {
    "crop": "none",
    "width": 0.25,
    "size": 64,
    "steps": 700,
    "warmup": 600,
    "optimiser": "adamw",
    "lr": 0.002,
    "cooldown": 0.3,
    "threads": 1,
}
WANTED = 0.85


@pytest.mark.slow
@pytest.mark.xfail(reason="F1 0.77, 0.57 and 0.86 with seeds 0, 1 and 2 after 700 steps", strict=False)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ten_people_it_has_not_seen_are_clustered(
    seed: int, real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = real_data / "faces" / "att_orl"
    if not source.is_dir():
        pytest.skip("no ORL faces among the real data")
    people = sorted(path.name for path in source.iterdir() if path.is_dir())
    order = [people[k] for k in seeds.rng(seed, "people").permutation(len(people))]
    copied(source, tmp_path / "known", order[:28])
    copied(source, tmp_path / "strangers", order[28:])
    changes = [f"--set={key}={value}" for key, value in SETTINGS.items()]
    out = tmp_path / "run"
    assert run("train", "--data", tmp_path / "known", "--out", out, "--seed", seed, *changes, "--json") == 0
    capsys.readouterr()
    assert run("cluster", "--weights", out, "--data", tmp_path / "strangers", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["people"] == 10
    assert told["f1"] >= WANTED, f"F1 {told['f1']:.3f}, {told['clusters']} clusters"
