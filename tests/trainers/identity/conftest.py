"""A face network that learned made-up people for a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainers.identity.people import run, tree

TINY = [
    "--preset=fastfacenet2021",
    *(f"--set={each}" for each in ("crop=none", "width=0.25", "size=32", "people=8", "photos=3", "threads=1")),
]
QUICK = ["--set=optimiser=adamw", "--set=lr=0.003", "--set=steps=60", "--set=cooldown=0.5"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on twelve made-up people."""
    root = tmp_path_factory.mktemp("faces")
    data = tree(root / "data", range(12), 6)
    assert run("train", "--data", data, "--out", root / "run", *TINY, *QUICK) == 0
    return root / "run"
