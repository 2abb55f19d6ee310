"""Given splits: those of a paper's lists, those the authors published, one value left out, and folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.edit import PLANNING, Resplit
from manifests.lists import Listed, match, read_list
from manifests.manifest import Manifest
from manifests.places import with_column
from manifests.proof import crossings
from manifests.record import SCHEMA, group_keys, members
from manifests.splits import Plan, components, split_table
from manifests.strata import Stratum
from masksmith.errors import BadInput, UsageProblem

FOLD = "fold"


def from_lists(manifest: Manifest, lists: Mapping[str, Sequence[Path]], keys: Sequence[str]) -> tuple[Resplit, Listed]:
    """The split that lists of paths, stems or ids describe, one or more for each split; the rest gets none.

    What the lists share between splits stays so and is marked in the proof.

    Raises:
        BadInput: a list that is none, or names none of the records.
    """
    entries = {split: [entry for path in paths for entry in read_list(path)] for split, paths in lists.items()}
    table = manifest.table((*PLANNING, "image"))
    found = match(table, entries)
    for split, paths in lists.items():
        if split not in found.splits:
            raise BadInput(
                paths[0], f"names of records of {manifest.folder}", "none of them", "check that the list is of this set"
            )
    return _stated(manifest, table.select(PLANNING), list(found.splits), keys, "list"), found


def official(manifest: Manifest, keys: Sequence[str]) -> Resplit:
    """The split that the records came with, proved as it is; keys that it shares are marked in the proof.

    Raises:
        UsageProblem: there is none, or another took its place.
    """
    proof = manifest.info.split_proof
    table = manifest.table(PLANNING)
    splits = table.column("split").to_pylist()
    if proof is not None and proof.get("method") not in ("official", "list", None):
        raise UsageProblem(
            f"{manifest.folder}: its split was made here (by {', '.join(proof['keys'])}), not by its authors; "
            "prepare the dataset again to have theirs"
        )
    if all(split is None for split in splits):
        raise UsageProblem(f"{manifest.folder}: its records came without a split; make one with --by")
    return _stated(manifest, table, splits, keys, "official")


def left_out(
    manifest: Manifest,
    key: str,
    value: str,
    keys: Sequence[str],
    shares: Mapping[str, float],
    seed: int,
    columns: Sequence[Stratum] = (),
) -> Resplit:
    """All records with one value of a key for testing, the others dealt out to the other splits.

    The key may be ``split``: a published test split then stays as it is. A record elsewhere that a chain of ``keys``
    joins with the value would leak: it gets no split, counts as dropped.

    Raises:
        UsageProblem: no record has the value, or nothing is left beside it.
    """
    table = manifest.table(PLANNING)
    rows, values = _splits(table) if key == "split" else members(table, key)
    mine = np.zeros(table.num_rows, bool)
    mine[rows[np.asarray(pc.equal(values, value)).astype(bool)]] = True
    if not mine.any():
        known = sorted(set(values.to_pylist()))
        shown = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
        raise UsageProblem(f"--leave-out {key}={value}: no record has it; there are: {shown or 'none'}")
    labels = components(table, keys)
    tied = np.isin(labels, np.unique(labels[mine])) & ~mine
    rest = np.flatnonzero(~mine & ~tied)
    if not len(rest):
        raise UsageProblem(f"--leave-out {key}={value}: no record is left to train on that shares no {', '.join(keys)}")
    others = {name: share for name, share in shares.items() if name != "test"} or {"train": 1.0}
    part, plan = split_table(table.take(pa.array(rest)), keys, others, seed, [_taken(each, rest) for each in columns])
    column = np.full(table.num_rows, None, object)
    column[mine] = "test"
    column[rest] = part.column("split").to_pylist()
    return _planned(manifest, table, column.tolist(), plan, "left out")


def _splits(table: pa.Table) -> tuple[np.ndarray, pa.Array]:
    column = table.column("split").combine_chunks()
    there = np.flatnonzero(np.asarray(pc.is_valid(column)))
    return there, column.take(pa.array(there))


def folds(manifest: Manifest, number: int, keys: Sequence[str], seed: int, columns: Sequence[Stratum] = ()) -> Resplit:
    """Every record in one of ``number`` splits ``fold0``, ``fold1``, ... of about equal size, groups whole.

    Raises:
        UsageProblem: fewer groups than folds.
    """
    shares = {f"{FOLD}{k}": 1.0 for k in range(number)}
    table, plan = split_table(manifest.table(PLANNING), keys, shares, seed, columns, whole=True)
    empty = [name for name, count in plan.counts.items() if not count]
    if empty:
        raise UsageProblem(
            f"{plan.components} groups by {', '.join(keys)} cannot fill {number} folds (the largest has {plan.largest} "
            f"of {len(manifest)} records); ask for fewer folds, or give keys that join less"
        )
    return Resplit(manifest, plan, table)


def fold_as_split(
    dealt: Resplit, number: int, keys: Sequence[str], val: float, seed: int, columns: Sequence[Stratum] = ()
) -> Resplit:
    """One fold for testing; of the others a share ``val`` (0 to 1) for validation and the rest for training."""
    table = dealt.table
    test = np.array([name == f"{FOLD}{number}" for name in table.column("split").to_pylist()], bool)
    rest = np.flatnonzero(~test)
    shares = {"train": 1.0 - val, "val": val} if val > 0 else {"train": 1.0}
    part, plan = split_table(
        table.take(pa.array(rest)), keys, shares, seed, [_taken(each, rest) for each in columns], whole=True
    )
    column = np.full(table.num_rows, None, object)
    column[test] = "test"
    column[rest] = part.column("split").to_pylist()
    return _planned(dealt.manifest, table, column.tolist(), plan, "fold")


def _stated(
    manifest: Manifest, table: pa.Table, splits: Sequence[str | None], keys: Sequence[str], method: str
) -> Resplit:
    """A split that is what it is: proved over the keys that it keeps apart, marked with those that it does not."""
    column = [split or None for split in splits]
    done = with_column(table, "split", pa.array(column, SCHEMA.field("split").type))
    present = [key for key in ("subject", "clip") if done.column(key).null_count < done.num_rows]
    looked = list(dict.fromkeys([*keys, *present, *group_keys(done)]))
    shared = {key: len(crossings(done, key)) for key in looked}
    counted = {name: column.count(name) for name in sorted({split for split in column if split})}
    kept = max(sum(counted.values()), 1)
    clean = tuple(key for key in looked if not shared[key])
    labels = components(done, clean)
    sizes = np.bincount(labels) if len(labels) else np.zeros(1, np.int64)
    plan = Plan(
        keys=clean,
        seed=0,
        target={},
        realised={name: count / kept for name, count in counted.items()},
        counts=counted,
        method=method,
        components=int(labels.max(initial=-1)) + 1,
        largest=int(sizes.max(initial=0)),
        dropped=len(column) - sum(counted.values()),
        leaks={key: number for key, number in shared.items() if number},
    )
    return Resplit(manifest, plan, done)


def _planned(manifest: Manifest, table: pa.Table, column: Sequence[str | None], plan: Plan, method: str) -> Resplit:
    """The plan of a part, widened to the whole table."""
    done = with_column(table, "split", pa.array(list(column), SCHEMA.field("split").type))
    counts = {name: list(column).count(name) for name in (*plan.counts, "test")}
    kept = sum(counts.values())
    labels = components(done, plan.keys)
    whole = replace(
        plan,
        counts=counts,
        realised={name: count / max(kept, 1) for name, count in counts.items()},
        target={name: count / max(kept, 1) for name, count in counts.items()},
        method=method,
        components=int(labels.max(initial=-1)) + 1,
        largest=int(np.bincount(labels).max(initial=0)),
        dropped=len(column) - kept,
    )
    return Resplit(manifest, whole, done)


def _taken(each: Stratum, rows: np.ndarray) -> Stratum:
    return Stratum(each.name, each.bins[rows], each.labels)
