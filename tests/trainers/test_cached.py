"""Training from the cache of decoded pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from trainers import Settings, make_plan, train


def test_a_run_from_the_cache_learns_the_same_weights(
    small: Callable[..., Settings], discs: Callable[..., Path], tmp_path: Path
) -> None:
    settings, folder = small(), discs()
    plain = train(make_plan(folder, settings), tmp_path / "plain")
    cached = train(make_plan(folder, settings), tmp_path / "cached", cache=tmp_path / "decoded")
    assert plain.steps == cached.steps
    first, second = (
        torch.load(tmp_path / name / "last.pt", weights_only=True)["network"] for name in ("plain", "cached")
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert list((tmp_path / "decoded").glob("*train*.cache"))
