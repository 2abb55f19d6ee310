"""What a split promises beyond keeping groups apart: how near it comes to the shares, and what it drops."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import Record, split_table
from manifests.record import to_table
from manifests.splits import DEFAULT_SHARES


@given(
    st.lists(st.integers(1, 40), min_size=4, max_size=60),
    st.dictionaries(st.sampled_from(["train", "val", "test", "more"]), st.floats(0.05, 1.0), min_size=1, max_size=4),
    st.integers(0, 99),
)
@settings(max_examples=50, deadline=None)
def test_every_share_is_met_within_the_size_of_the_largest_component(
    sizes: list[int], shares: dict[str, float], seed: int
) -> None:
    records = [
        Record(f"{group}-{k}", "i", None, 1, 1, subject=f"s{group}") for group, n in enumerate(sizes) for k in range(n)
    ]
    _, plan = split_table(to_table(records), ["subject"], shares, seed)
    assert (plan.dropped, plan.method, plan.components, plan.largest) == (0, "components", len(sizes), max(sizes))
    for name, count in plan.counts.items():
        assert count > 0
        # keeping every split filled may take one component more
        assert abs(count - plan.target[name] * len(records)) <= 2 * max(sizes)


def test_crossed_keys_drop_exactly_the_records_that_mix_splits_and_say_how_many() -> None:
    chance = np.random.default_rng(2)
    records = [
        Record(f"r{n}", "i", None, 1, 1, subject=f"s{s}", groups={"floor": (f"f{f}",)})
        for n, (s, f) in enumerate(chance.integers(0, 25, (2000, 2)).tolist())
    ]
    table, plan = split_table(to_table(records), ["subject", "floor"], DEFAULT_SHARES, 3)
    splits = dict(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))
    home: dict[tuple[str, str], str] = {}
    for record in records:
        for key in ("subject", "floor"):
            if splits[record.id] is not None:
                assert home.setdefault((key, record.values_of(key)[0]), splits[record.id]) == splits[record.id]
    mixed = [
        r.id
        for r in records
        if home[("subject", r.values_of("subject")[0])] != home[("floor", r.values_of("floor")[0])]
    ]
    assert plan.method == "values"
    assert plan.dropped == len(mixed) > 0
    assert {name for name, split in splits.items() if split is None} == set(mixed)
