"""Neighbours: the quick search finds what comparing all pairs finds, no more and no less."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import neighbours
from manifests.neighbours import pairs_within
from masksmith.errors import UsageProblem


def all_pairs(codes: npt.NDArray[np.uint64], radius: int, masks: list[int]) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for i in range(len(codes)):
        for j in range(i + 1, len(codes)):
            far = min(bin(int(codes[i]) ^ int(codes[j]) ^ mask).count("1") for mask in masks)
            if far <= radius:
                found[i, j] = far
    return found


@st.composite
def crowds(draw: st.DrawFn) -> npt.NDArray[np.uint64]:
    """Codes around a few centres, so that distances of all sizes occur, equal codes among them."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    centres = chance.integers(0, 2**64, draw(st.integers(1, 4)), dtype=np.uint64)
    codes = []
    for _ in range(draw(st.integers(0, 45))):
        flips = chance.choice(64, chance.integers(0, draw(st.sampled_from([1, 9, 14]))), replace=False)
        codes.append(int(centres[chance.integers(len(centres))]) ^ sum(1 << int(bit) for bit in flips))
    return np.array(codes, np.uint64)


@pytest.mark.parametrize("few", [0, 3000])
@given(
    codes=crowds(),
    radius=st.sampled_from([0, 1, 2, 3, 5, 8, 10, 13, 20, 40, 63]),
    masks=st.lists(st.integers(0, 2**64 - 1), max_size=2, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_the_search_finds_exactly_what_comparing_all_pairs_finds(
    few: int, codes: npt.NDArray[np.uint64], radius: int, masks: list[int]
) -> None:
    turned = [0, *(mask for mask in masks if mask)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(neighbours, "_FEW", few)
        patched.setattr(neighbours, "_TILE", 64)  # several tiles a bucket
        first, second, far, place = pairs_within(codes, radius, turned)
    got = dict(zip(zip(first.tolist(), second.tolist(), strict=True), far.tolist(), strict=True))
    assert len(got) == len(first)
    assert got == all_pairs(codes, radius, turned)
    for i, j, distance, k in zip(first.tolist(), second.tolist(), far.tolist(), place.tolist(), strict=True):
        assert bin(int(codes[i]) ^ int(codes[j]) ^ turned[k]).count("1") == distance


@pytest.mark.parametrize("count", [4_000, 9_000])
def test_planted_neighbours_are_found_among_many(count: int) -> None:
    chance = np.random.default_rng(count)
    codes = chance.integers(0, 2**64, count, dtype=np.uint64)
    for k in range(100):
        bits = chance.choice(64, k % 11, replace=False)
        codes[count - 1 - k] = codes[k] ^ np.uint64(sum(1 << int(bit) for bit in bits))
    first, second, far, _ = pairs_within(codes, 10)
    got = dict(zip(zip(first.tolist(), second.tolist(), strict=True), far.tolist(), strict=True))
    assert all(got[k, count - 1 - k] == k % 11 for k in range(100))


@pytest.mark.parametrize("radius", [-1, 64])
def test_a_radius_beyond_the_code_is_refused(radius: int) -> None:
    with pytest.raises(UsageProblem, match="radius"):
        pairs_within(np.zeros(2, np.uint64), radius)
