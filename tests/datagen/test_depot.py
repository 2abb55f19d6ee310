"""Prepared floors on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datagen import depot
from datagen.floors import Floor
from datagen.ground import Ground, prepared


def floor(side: int = 300) -> Ground:
    image = np.random.default_rng(side).integers(0, 256, (side, side + 20, 3), np.uint8)
    return prepared(Floor("f", image, 0.7, "CC0-1.0", "made", "", True))


def none_needed() -> Ground:
    raise AssertionError("made again")


def test_a_floor_is_made_once_and_comes_back_as_it_was(tmp_path: Path) -> None:
    made = depot.get(tmp_path / "floors", "one", floor)
    again = depot.get(tmp_path / "floors", "one", none_needed)
    assert len(again.levels) == len(made.levels)
    assert all(np.array_equal(one, other) for one, other in zip(again.levels, made.levels, strict=True))
    assert np.array_equal(again.mean, made.mean)
    assert (again.floor.metres, again.floor.tileable) == (0.7, True)
    assert [path.name for path in (tmp_path / "floors").iterdir()] == ["one"]


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_file_that_ends_too_early_is_made_again(tmp_path: Path, size: int) -> None:
    depot.get(tmp_path, "one", floor)
    whole = (tmp_path / "one").read_bytes()
    (tmp_path / "one").write_bytes(whole[:size])
    depot.get(tmp_path, "one", floor)
    assert (tmp_path / "one").read_bytes() == whole


def test_a_disk_that_is_nearly_full_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depot, "_SPARE", 1 << 60)
    depot.get(tmp_path, "one", floor)
    assert not list(tmp_path.iterdir())
