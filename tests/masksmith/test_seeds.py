from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from masksmith import seeds


def test_a_seed_and_a_path_always_give_the_same_numbers() -> None:
    # golden values: a change here changes every dataset that was ever made
    assert seeds.rng(0, "scene", 17).integers(0, 2**32, 3).tolist() == [3377325694, 740507161, 3341039062]
    assert seeds.integer(1, "floor", 2) == 2619855127


@given(st.integers(0, 2**40), st.lists(st.integers(0, 2**31), min_size=1, max_size=3))
def test_other_paths_give_other_numbers(seed: int, path: list[int]) -> None:
    here = seeds.rng(seed, *path).integers(0, 2**63, 4)
    assert not np.array_equal(here, seeds.rng(seed, *path, 0).integers(0, 2**63, 4))
    assert not np.array_equal(here, seeds.rng(seed + 1, *path).integers(0, 2**63, 4))
    assert not np.array_equal(here, seeds.rng(seed, *path[:-1], path[-1] + 1).integers(0, 2**63, 4))


def test_seed_zero_is_a_seed() -> None:
    assert np.array_equal(seeds.rng(0, "a").random(4), seeds.rng(0, "a").random(4))
