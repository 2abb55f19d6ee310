"""Stratified splits: groups stay whole, and every split looks like the whole in size, source and brightness."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import Manifest, Record, check_proof, make_proof, split_table
from manifests.record import from_table, to_table
from manifests.splits import DEFAULT_SHARES
from manifests.strata import Stratum, cut, named

Run = Callable[..., tuple[int, str, str]]
Make = Callable[..., Manifest]

shares = st.dictionaries(st.sampled_from(["train", "val", "test", "extra"]), st.floats(0.05, 1), min_size=1)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[list[Record], list[Stratum]]:
    """Records of subjects on floors, of any sizes, with two columns."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, 120))
    subjects = chance.integers(0, draw(st.integers(1, 60)), count)
    floors = subjects // draw(st.integers(1, 5))
    records = [
        Record(f"r{n:03d}", "i", None, 1, 1, subject=f"s{s}", groups={"floor": (f"f{f}",)})
        for n, (s, f) in enumerate(zip(subjects, floors, strict=True))
    ]
    area, source = chance.random(count), [str(each) for each in chance.integers(0, 3, count)]
    return records, [cut("area", area, draw(st.integers(2, 6))), named("source", source)]


@given(crowds(), shares, st.sampled_from([("subject",), ("subject", "floor")]), st.integers(0, 99))
@settings(max_examples=35, deadline=None)
def test_no_group_is_in_two_splits_and_the_proof_holds_until_an_edit(
    made: tuple[list[Record], list[Stratum]], wanted: dict[str, float], keys: tuple[str, ...], seed: int
) -> None:
    records, columns = made
    table, plan = split_table(to_table(records), keys, wanted, seed, columns)
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in from_table(table):
        for key in keys:
            if record.split is not None:
                seen[key, record.values_of(key)[0]].add(record.split)
    assert all(len(each) == 1 for each in seen.values())
    assert sum(plan.counts.values()) + plan.dropped == len(records)
    if plan.components >= len(wanted):
        assert all(plan.counts.values()) or plan.method == "values"
    proof = make_proof(table, plan.keys, seed, plan)
    assert check_proof(table, proof) == []
    edited = list(from_table(table))
    edited[-1] = Record(**{**vars(edited[-1]), "id": "another"})
    assert check_proof(to_table(edited), proof)


@given(crowds(), st.integers(0, 99), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_records_does_not_matter(
    made: tuple[list[Record], list[Stratum]], seed: int, shuffler: object
) -> None:
    records, columns = made
    order = list(range(len(records)))
    shuffler.shuffle(order)  # type: ignore[attr-defined]
    turned = [Stratum(each.name, each.bins[order], each.labels) for each in columns]
    one, first = split_table(to_table(records), ("subject",), DEFAULT_SHARES, seed, columns)
    two, second = split_table(to_table([records[k] for k in order]), ("subject",), DEFAULT_SHARES, seed, turned)
    assert {r.id: r.split for r in from_table(one)} == {r.id: r.split for r in from_table(two)}
    assert first.strata == second.strata


def test_stratified_splits_are_far_more_alike_than_plain_ones() -> None:
    chance = np.random.default_rng(5)
    subjects = np.repeat(np.arange(150), chance.integers(1, 20, 150))
    # people differ: a subject's masks are all of about one size, and come from one source
    area = chance.beta(2, 4, 150)[subjects] + chance.normal(0, 0.01, len(subjects))
    source = chance.choice(["a", "b", "c"], 150, p=[0.7, 0.2, 0.1])[subjects].tolist()
    table = to_table(Record(f"r{n:04d}", "i", None, 1, 1, subject=f"s{s:03d}") for n, s in enumerate(subjects))
    columns = [cut("area", area, 5), named("source", source)]
    worst: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(6):
        _, even = split_table(table, ("subject",), DEFAULT_SHARES, seed, columns)
        plain, _ = split_table(table, ("subject",), DEFAULT_SHARES, seed)
        from manifests.strata import balance

        names = list(DEFAULT_SHARES)
        of = np.array([names.index(split) for split in plain.column("split").to_pylist()])
        worst[True].append(max(far for each in even.strata.values() for far in each.distance.values()))
        worst[False].append(max(far for each in columns for far in balance(each, of, names).distance.values()))
        assert even.deviation < 0.01
    assert max(worst[True]) < 0.03
    assert np.median(worst[False]) > 4 * np.median(worst[True])


def test_numbers_are_cut_at_quantiles_equal_ones_together_and_unknown_ones_apart() -> None:
    each = cut("area", np.array([0.0, 0.0, 0.0, 0.0, 0.5, 0.6, 0.7, 0.8, np.nan]), 4)
    assert len(set(each.bins[:4].tolist())) == 1
    assert each.labels[-1] == "unknown" and each.bins[-1] == len(each.labels) - 1
    assert np.bincount(each.bins).min() >= 1
    assert cut("one", np.full(5, 3.0), 4).labels == ("all",)


def test_rare_names_share_a_bin() -> None:
    each = named("city", [f"c{k}" for k in range(30) for _ in range(30 - k)] + [None])
    assert len(each.labels) == 20 and each.labels[-1] == "other"
    assert named("x", ["b", None, "a"]).labels == ("a", "b", "unknown")


def test_area_and_brightness_are_read_from_the_files_and_reported(feet: Make, run: Run) -> None:
    opened = feet(subjects=24, each=2)
    args = ("split", opened.folder, "--stratify", "area,brightness,source", "--bins", 3, "--engine", "serial")
    code, out, _ = run(*args, "--json", "--dry-run")
    told = json.loads(out)
    assert code == 0 and list(told["strata"]) == ["area", "brightness", "source"]
    for each in told["strata"].values():
        assert sum(each["overall"]) == pytest.approx(1, abs=1e-4)
        for name, shares_ in each["splits"].items():
            far = sum(abs(a - b) for a, b in zip(shares_, each["overall"], strict=True)) / 2
            assert each["distance"][name] == pytest.approx(far, abs=1e-4)
    assert not (opened.folder / ".cache").exists()
    code, out, _ = run(*args)
    assert (opened.folder / ".cache" / "area-1.parquet").is_file()
    assert code == 0 and "area: shares of each bin" in out and "distance to all" in out
    assert run("audit", opened.folder, "--by", "subject")[0] == 0
    opened.path("masks/0.png").unlink()
    assert run(*args)[0] == 0  # read once, known by its digest


def test_a_column_that_is_none_is_refused_and_so_are_pictures_that_cannot_be_read(feet: Make, run: Run) -> None:
    opened = feet(subjects=4, each=1)
    assert "unknown column 'colour'" in run("split", opened.folder, "--stratify", "colour")[2]
    opened.path("masks/0.png").unlink()
    code, _, err = run("split", opened.folder, "--stratify", "area", "--engine", "serial")
    assert code == 3 and "masks/0.png" in err
