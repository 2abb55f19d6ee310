"""Splits: groups stay whole, shares are met as nearly as groups allow, the order of the input is nothing."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import Record, assign_values, split_table
from manifests.record import from_table, to_table
from manifests.splits import DEFAULT_SHARES, assign, components
from masksmith.errors import UsageProblem

KEYS = ("subject", "floor", "photo")
values = st.sampled_from([None, "a", "b", "c", "d", "e"])
several = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=2, unique=True)
shares = st.dictionaries(st.sampled_from(["train", "val", "test", "extra"]), st.floats(0.05, 1), min_size=1)


@st.composite
def tables(draw: st.DrawFn, largest: int = 40) -> list[Record]:
    rows = draw(st.lists(st.tuples(values, several, several), min_size=1, max_size=largest))
    return [
        record(f"r{number}", subject, floor=tuple(floors), photo=tuple(photos))
        for number, (subject, floors, photos) in enumerate([*rows, ("a", ["a"], ["a"])])
    ]


def record(name: str, subject: str | None, **groups: tuple[str, ...]) -> Record:
    return Record(
        name, f"{name}.png", None, 4, 4, subject=subject, groups={key: each for key, each in groups.items() if each}
    )


def pairs(subjects: np.ndarray, floors: np.ndarray) -> pa.Table:
    return to_table(
        record(f"r{number:05d}", f"s{subject}", floor=(f"f{floor}",))
        for number, (subject, floor) in enumerate(zip(subjects, floors, strict=True))
    )


def splits_of(table: pa.Table, key: str) -> dict[str, set[str]]:
    seen: dict[str, set[str]] = defaultdict(set)
    for each in from_table(table):
        for value in each.values_of(key):
            if each.split is not None:
                seen[value].add(each.split)
    return seen


def given_splits(table: pa.Table) -> dict[str, str | None]:
    return dict(zip(table.column("id").to_pylist(), table.column("split").to_pylist(), strict=True))


@given(tables(), st.sets(st.sampled_from(KEYS), min_size=1), shares, st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_no_value_of_any_key_is_in_two_splits(
    records: list[Record], keys: set[str], wanted: dict[str, float], seed: int
) -> None:
    done, plan = split_table(to_table(records), sorted(keys), wanted, seed)
    for key in keys:
        assert all(len(each) == 1 for each in splits_of(done, key).values())
    assert sum(plan.counts.values()) + plan.dropped == len(records)
    assert done.column("split").null_count == plan.dropped
    if plan.method == "components":
        assert plan.dropped == 0


@given(tables(), st.randoms(use_true_random=False), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_the_order_of_the_records_does_not_matter(records: list[Record], shuffler: object, seed: int) -> None:
    mixed = list(records)
    shuffler.shuffle(mixed)  # type: ignore[attr-defined]
    straight, first = split_table(to_table(records), ("subject", "floor"), DEFAULT_SHARES, seed)
    other, second = split_table(to_table(mixed), ("subject", "floor"), DEFAULT_SHARES, seed)
    assert (first.counts, first.method, first.dropped) == (second.counts, second.method, second.dropped)
    assert given_splits(straight) == given_splits(other)


def test_crossed_keys_come_out_the_same_in_another_order() -> None:
    chance = np.random.default_rng(4)
    table = pairs(chance.integers(0, 20, 900), chance.integers(0, 15, 900))
    turned = table.take(pa.array(chance.permutation(900)))
    once, _ = split_table(table, ("subject", "floor"), DEFAULT_SHARES, 3)
    again, _ = split_table(turned, ("subject", "floor"), DEFAULT_SHARES, 3)
    assert given_splits(once) == given_splits(again)


def test_another_seed_gives_another_split_of_the_same_sizes() -> None:
    table = pairs(np.arange(600) % 60, np.arange(600) % 60)
    one, first = split_table(table, ("subject",), DEFAULT_SHARES, 1)
    two, second = split_table(table, ("subject",), DEFAULT_SHARES, 2)
    assert first.counts == second.counts == {"train": 420, "val": 90, "test": 90}
    assert given_splits(one) != given_splits(two)


@given(st.lists(st.integers(1, 50), min_size=3, max_size=6), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_few_components_are_dealt_out_in_the_best_of_all_ways(sizes: list[int], seed: int) -> None:
    def miss(case: tuple[int, ...]) -> float:
        got = [sum(size for size, split in zip(sizes, case, strict=True) if split == k) for k in range(3)]
        goal = [share * sum(sizes) for share in DEFAULT_SHARES.values()]
        return sum(abs(a - b) for a, b in zip(got, goal, strict=True)) + (1e6 if 0 in got else 0)

    dealt = assign(np.array(sizes), DEFAULT_SHARES, seed)
    best = min(miss(case) for case in itertools.product(range(3), repeat=len(sizes)))
    assert miss(tuple(dealt.tolist())) == pytest.approx(best)


def test_of_three_components_the_largest_is_for_training() -> None:
    assert assign(np.array([15, 70, 15]), DEFAULT_SHARES, 0).tolist()[1] == 0
    assert sorted(assign(np.array([15, 70, 15]), DEFAULT_SHARES, 0).tolist()) == [0, 1, 2]


@given(st.lists(st.integers(1, 40), min_size=60, max_size=200), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_many_uneven_components_meet_the_shares_closely(sizes: list[int], seed: int) -> None:
    dealt = assign(np.array(sizes), DEFAULT_SHARES, seed)
    got = np.bincount(dealt, weights=sizes, minlength=3) / sum(sizes)
    assert np.abs(got - [0.7, 0.15, 0.15]).max() < 0.01


def test_one_giant_among_many_small_components_leaves_no_split_empty() -> None:
    sizes = np.array([10_000] + [1] * 20)
    assert set(assign(sizes, DEFAULT_SHARES, 0).tolist()) == {0, 1, 2}


def test_crossed_keys_drop_mixed_records_and_keep_the_shares() -> None:
    chance = np.random.default_rng(0)
    table = pairs(chance.integers(0, 30, 3000), chance.integers(0, 40, 3000))
    done, plan = split_table(table, ("subject", "floor"), DEFAULT_SHARES, 0)
    assert plan.components == 1
    assert plan.method == "values"
    assert plan.deviation < 0.05
    assert done.column("split").null_count == plan.dropped
    # (sum of the roots of the shares) ** -2 = 0.385 is what independent keys can keep at most
    assert plan.dropped < 0.66 * 3000


def test_few_crossing_records_cost_few_records() -> None:
    chance = np.random.default_rng(0)
    subjects = chance.integers(0, 300, 3000)
    floors = subjects % 30 * 10 + chance.integers(0, 10, 3000)
    stray = chance.random(3000) < 0.02
    floors = np.where(stray, chance.integers(0, 300, 3000), floors)
    _, plan = split_table(pairs(subjects, floors), ("subject", "floor"), DEFAULT_SHARES, 0)
    assert plan.method == "values"
    assert plan.dropped <= int(stray.sum()) * 1.5
    assert plan.deviation < 0.05


def test_a_key_that_lies_within_another_costs_nothing_beside_it() -> None:
    chance = np.random.default_rng(1)
    subjects, floors = chance.integers(0, 40, 2000), chance.integers(0, 40, 2000)
    records = [
        record(f"r{k:05d}", f"s{subject}", floor=(f"f{floor}",), photo=(f"p{subject}-{k % 5}",))
        for k, (subject, floor) in enumerate(zip(subjects, floors, strict=True))
    ]
    table = to_table(records)
    _, two = split_table(table, ("subject", "floor"), DEFAULT_SHARES, 0)
    _, three = split_table(table, ("subject", "photo", "floor"), DEFAULT_SHARES, 0)
    assert three.dropped < two.dropped * 1.1


def test_records_without_a_value_are_groups_of_their_own_and_are_counted() -> None:
    records = [record(f"r{k}", None if k % 2 else f"s{k % 10}") for k in range(200)]
    table = to_table(records)
    labels = components(table, ("subject",))
    assert len(np.unique(labels)) == 5 + 100
    _, plan = split_table(table, ("subject",), DEFAULT_SHARES, 0)
    assert plan.unknown == {"subject": 100}
    assert plan.counts == {"train": 140, "val": 30, "test": 30}


def test_two_subjects_in_one_record_stay_together() -> None:
    records = [record(f"r{k}", f"s{k}") for k in range(40)]
    records.append(Record("both", "both.png", None, 4, 4, subject="s3", groups={"subject": ("s17",)}))
    done, plan = split_table(to_table(records), ("subject",), DEFAULT_SHARES, 5)
    found = given_splits(done)
    assert found["r3"] == found["r17"] == found["both"]
    assert plan.components == 39


def test_a_key_that_no_record_has_is_refused_with_the_keys_there_are() -> None:
    with pytest.raises(UsageProblem, match="floor"):
        split_table(to_table([record("r", "s", floor=("f",))]), ("flor",), DEFAULT_SHARES, 0)


@pytest.mark.parametrize("wrong", [{"train": 0.0, "test": 1.0}, {"train": float("nan")}, {"train": -1.0}, {}])
def test_shares_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageProblem, match="shares"):
        split_table(to_table([record("r", "s")]), ("subject",), wrong, 0)


@given(st.lists(st.text(max_size=4), unique=True, max_size=60), shares, st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_names_are_dealt_out_to_every_split_where_there_are_enough(
    names: list[str], wanted: dict[str, float], seed: int
) -> None:
    dealt = assign_values(names, wanted, seed, "floor")
    assert set(dealt) == set(names)
    if len(names) >= len(wanted):
        assert set(dealt.values()) == set(wanted)
    assert dealt == assign_values(names[::-1], wanted, seed, "floor")


def test_names_of_another_purpose_are_dealt_out_independently() -> None:
    names = [f"n{k}" for k in range(40)]
    assert assign_values(names, DEFAULT_SHARES, 0, "floor") != assign_values(names, DEFAULT_SHARES, 0, "subject")


@pytest.mark.slow
def test_a_hundred_thousand_records_split_in_seconds() -> None:
    import time

    chance = np.random.default_rng(0)
    table = pairs(chance.integers(0, 5000, 100_000), chance.integers(0, 400, 100_000))
    start = time.perf_counter()
    _, plan = split_table(table, ("subject", "floor"), DEFAULT_SHARES, 0)
    assert time.perf_counter() - start < 10
    assert plan.deviation < 0.01
