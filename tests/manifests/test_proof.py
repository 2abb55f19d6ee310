"""Split proofs and audits: they hold for what was split, and notice any later change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import Record, check_proof, make_proof, split_table
from manifests.audit import audit_table
from manifests.record import from_table, to_table
from manifests.splits import DEFAULT_SHARES

names = st.sampled_from(["a", "b", "c", "d", "e", "f", "g"])


@st.composite
def datasets(draw: st.DrawFn) -> list[Record]:
    rows = draw(st.lists(st.tuples(names, st.lists(names, max_size=2, unique=True)), min_size=3, max_size=40))
    return [
        Record(
            f"r{number}",
            f"{number}.png",
            None,
            4,
            4,
            subject=subject,
            groups={"floor": tuple(floors) or ("none",)},
            sha256_image=f"{number:064x}",
        )
        for number, (subject, floors) in enumerate(rows)
    ]


def proved(records: list[Record], seed: int) -> tuple[list[Record], dict[str, object]]:
    table, plan = split_table(to_table(records), ("subject", "floor"), DEFAULT_SHARES, seed)
    return list(from_table(table)), make_proof(table, plan.keys, seed, plan)


@given(datasets(), st.integers(0, 99), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_proof_holds_for_its_split_in_any_order(records: list[Record], seed: int, shuffler: object) -> None:
    done, proof = proved(records, seed)
    assert check_proof(to_table(done), proof) == []
    shuffler.shuffle(done)  # type: ignore[attr-defined]
    assert check_proof(to_table(done), proof) == []
    found = audit_table(to_table(done), proof)
    assert found.clean
    assert found.verdict() == ""


def other(value: str | None) -> str:
    return f"{value} of another"


EDITS = {
    "id": lambda r: replace(r, id=other(r.id)),
    "split": lambda r: replace(r, split="val" if r.split != "val" else "train"),
    "no split": lambda r: replace(r, split=None if r.split else "train"),
    "subject": lambda r: replace(r, subject=other(r.subject)),
    "no subject": lambda r: replace(r, subject=None),
    "floor": lambda r: replace(r, groups={"floor": (*r.groups["floor"], "one more")}),
}


@pytest.mark.parametrize("edit", EDITS)
@given(records=datasets(), seed=st.integers(0, 99), place=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_a_proof_fails_after_any_edit_of_a_record(edit: str, records: list[Record], seed: int, place: int) -> None:
    done, proof = proved(records, seed)
    done[place % len(done)] = EDITS[edit](done[place % len(done)])
    assert check_proof(to_table(done), proof)
    found = audit_table(to_table(done), proof)
    assert not found.clean
    assert "proof" in found.verdict() or "leaks" in found.verdict()


@given(records=datasets(), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_proof_fails_after_a_record_is_lost_or_doubled(records: list[Record], seed: int) -> None:
    done, proof = proved(records, seed)
    assert check_proof(to_table(done[1:]), proof)
    assert check_proof(to_table([*done, done[0]]), proof)


def split_record(name: str, split: str | None, **changes: object) -> Record:
    return replace(Record(name, f"{name}.png", None, 4, 4, split=split), **changes)  # type: ignore[arg-type]


def test_values_that_look_alike_when_joined_have_different_proofs() -> None:
    one = to_table([split_record("r", "train", groups={"floor": ("a|b",)})])
    two = to_table([split_record("r", "train", groups={"floor": ("a", "b")})])
    assert make_proof(one, ("floor",))["digest"] != make_proof(two, ("floor",))["digest"]


def test_every_kind_of_leak_is_found_with_its_records() -> None:
    records = [
        split_record("a", "train", subject="anna", sha256_image="1" * 64),
        split_record("b", "test", subject="anna", sha256_image="2" * 64),
        split_record("c", "train", groups={"floor": ("oak",)}, sha256_image="3" * 64),
        split_record("d", "val", groups={"floor": ("oak", "tile")}, sha256_image="4" * 64),
        split_record("e", "train", clip="walk", sha256_image="5" * 64),
        split_record("f", "test", clip="walk", sha256_image="5" * 64),
        split_record("g", None, subject="anna", sha256_image="1" * 64),
    ]
    found = audit_table(to_table(records), None)
    seen = {(each.kind, each.value, each.splits) for each in found.groups}
    assert seen == {
        ("subject", "anna", ("test", "train")),
        ("floor", "oak", ("train", "val")),
        ("clip", "walk", ("test", "train")),
        ("bytes", "5" * 64, ("test", "train")),
    }
    assert {records[leak.row].id: [reason.kind for reason in leak.reasons] for leak in found.leaks} == {
        "b": ["subject"],
        "d": ["floor"],
        "f": ["bytes", "clip"],
    }
    assert [records[row].id for leak in found.leaks for reason in leak.reasons for row in reason.partners] == [
        "a",
        "c",
        "e",
        "e",
    ]
    assert "anna" in found.verdict()


def test_a_further_subject_of_a_record_leaks_as_the_first_does() -> None:
    records = [
        split_record("a", "train", subject="anna", groups={"subject": ("bert",)}),
        split_record("b", "test", subject="bert"),
    ]
    assert [each.value for each in audit_table(to_table(records), None).groups] == ["bert"]


def test_only_the_chosen_keys_are_looked_at() -> None:
    records = [
        split_record("a", "train", subject="anna", groups={"floor": ("oak",)}),
        split_record("b", "test", subject="bert", groups={"floor": ("oak",)}),
    ]
    assert audit_table(to_table(records), None, ("subject",)).clean
    assert not audit_table(to_table(records), None, ("floor",)).clean
