"""The ORL faces (38 people, ten photos each): learn 28 people, cluster the other ten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from masksmith import seeds
from tests.trainers.identity.people import copied, run

WANTED = 0.85


@pytest.mark.slow
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
    out = tmp_path / "run"
    assert run("train", "--data", tmp_path / "known", "--out", out, "--seed", seed, "--json") == 0
    expected = json.loads(capsys.readouterr().out)["train"]["error"]
    assert run("cluster", "--weights", out, "--data", tmp_path / "strangers", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["people"] == 10
    assert told["f1"] >= WANTED, f"F1 {told['f1']:.3f}, {told['clusters']} clusters"
    assert told["expected_pair_error"] == pytest.approx(expected, rel=1e-4)
    assert told["expected_pair_error_of"] == "strangers"
    assert told["error"] < 3 * expected  # what was said beforehand is of the right size
