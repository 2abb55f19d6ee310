"""Prepared floors, and how many of them are kept."""

from __future__ import annotations

import numpy as np

from datagen.floors import Floor
from datagen.ground import Ground, Shelf, prepared


def floor(side: int) -> Floor:
    return Floor("f", np.full((side, side, 3), 90, np.uint8), 1.0, "CC0-1.0", "made", "", True)


def test_a_prepared_floor_lets_go_of_its_photo() -> None:
    ground = prepared(floor(3000))
    assert max(level.shape[0] for level in ground.levels) == 1536
    assert ground.floor.image.size < 64 * 64 * 3
    assert ground.floor.metres == 1.0


def test_a_shelf_keeps_the_floors_used_last_within_its_bytes() -> None:
    made: list[str] = []

    def get(name: str) -> Ground:
        def make() -> Ground:
            made.append(name)
            return prepared(floor(200))

        return shelf.get(name, make)

    one = prepared(floor(200)).nbytes
    shelf = Shelf(2 * one)
    for name in ("a", "b", "a", "c", "a", "b"):
        get(name)
        assert shelf.held <= shelf.limit
    assert made == ["a", "b", "c", "b"]  # b was used longest ago when c came


def test_a_floor_larger_than_the_shelf_is_still_served() -> None:
    shelf = Shelf(1)
    assert shelf.get("large", lambda: prepared(floor(300))) is shelf.get("large", lambda: prepared(floor(300)))
