"""The split proof: what ``dataset.json`` says about its splits, so that anyone can check it again."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.record import distinct as only
from manifests.record import members
from manifests.splits import Plan, components


def make_proof(
    table: pa.Table, keys: Sequence[str], seed: int | None = None, plan: Plan | None = None
) -> dict[str, Any]:
    """The proof of a table's ``split`` column over group keys.

    It holds the keys, the seed, the number of connected components, the counts, how many records have no split, and a
    :func:`digest`: any change of these shows.

    Args:
        plan: how the split came out, where these splits and keys come from :func:`manifests.splits.split_table`.
    """
    counted = table.column("split").value_counts().to_pylist()
    counts = {each["values"]: int(each["counts"]) for each in counted if each["values"] is not None}
    kept = sum(counts.values())
    return {
        "keys": list(keys),
        "seed": seed,
        "components": plan.components if plan else int(components(table, keys).max(initial=-1)) + 1,
        "counts": dict(sorted(counts.items())),
        "shares": {name: round(number / kept, 6) for name, number in sorted(counts.items())},
        "target": None if plan is None else {name: round(share, 6) for name, share in plan.target.items()},
        "method": None if plan is None else plan.method,
        "dropped": table.num_rows - kept,
        "digest": digest(table, keys),
        **({"leaks": dict(plan.leaks)} if plan and plan.leaks else {}),
    }


def digest(table: pa.Table, keys: Sequence[str]) -> str:
    """SHA-256 of a table's ids, splits and values of every key, whatever the order of its records.

    Records are put in the order of (id, split). What is hashed is the ids, the splits, and for every key (sorted) its
    name, the places of the records that have values and, place by place, their distinct values in order. Strings
    count with their lengths, so that no two tables look alike.
    """
    total = hashlib.sha256()
    ids, names = _ranked(_whole(table.column("id")))
    splits, known = _ranked(_whole(table.column("split")))
    order = np.lexsort((splits, ids))
    place = np.empty(len(order), np.int64)
    place[order] = _dense(ids[order], splits[order])
    _update(total, names.take(pa.array(ids[order])))
    _update(total, known)
    total.update(splits[order].astype("<i8").tobytes())
    for key in sorted(set(keys)):
        rows, values = members(table, key)
        code, distinct = _ranked(values)
        pairs = only(place[rows] * max(len(distinct), 1) + code)
        _update(total, pa.array([key]))
        _update(total, distinct)
        total.update(pairs.astype("<i8").tobytes())
    return total.hexdigest()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _ranked(strings: pa.Array) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Each string's place among the distinct ones in order (-1 where there is none), and those."""
    import pyarrow.compute as pc

    coded = strings.dictionary_encode()
    distinct = coded.dictionary
    order = np.asarray(pc.sort_indices(distinct))
    rank = np.empty(len(order) + 1, np.int64)
    rank[order], rank[-1] = np.arange(len(order)), -1
    return rank[np.asarray(coded.indices.fill_null(-1))], distinct.take(pa.array(order))


def _dense(*sorted_columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The number of each distinct row of columns that are in order."""
    new = np.zeros(len(sorted_columns[0]), np.int64)
    for column in sorted_columns:
        new[1:] |= column[1:] != column[:-1]
    return np.cumsum(new)


def _update(total: Any, strings: pa.Array) -> None:
    import pyarrow.compute as pc

    total.update(np.int64(len(strings)).astype("<i8").tobytes())
    total.update(np.asarray(pc.binary_length(strings)).astype("<i8").tobytes())
    for start in range(0, len(strings), 65_536):
        total.update("".join(strings[start : start + 65_536].to_pylist()).encode())


def crossings(table: pa.Table, key: str) -> dict[str, list[str]]:
    """Values of a key that occur in more than one split, each with its splits; records without one don't count."""
    rows, names = members(table, key)
    if not len(rows):
        return {}
    splits = table.column("split").dictionary_encode().combine_chunks()
    if isinstance(splits, pa.ChunkedArray):
        splits = splits.chunk(0)
    known = splits.dictionary.to_pylist()
    code = splits.indices.fill_null(-1).to_numpy(zero_copy_only=False)[rows]
    coded = names.dictionary_encode()
    value = coded.indices.to_numpy(zero_copy_only=False)
    inside = code >= 0
    ways = max(len(known), 1)
    pairs = only(value[inside].astype(np.int64) * ways + code[inside])
    number = pairs // ways
    twice = np.isin(number, number[1:][number[1:] == number[:-1]])
    seen: dict[str, list[str]] = defaultdict(list)
    for pair in pairs[twice].tolist():
        seen[coded.dictionary[pair // ways].as_py()].append(known[pair % ways])
    return {name: sorted(each) for name, each in sorted(seen.items())}


def check_proof(table: pa.Table, proof: Mapping[str, Any]) -> list[str]:
    """What no longer holds of a proof, a sentence each; empty when all of it does."""
    wrong = []
    keys = list(proof.get("keys", ()))
    now = make_proof(table, keys)
    if now["counts"] != proof.get("counts"):
        wrong.append(f"records a split: {now['counts']}, the proof says {proof.get('counts')}")
    if now["components"] != proof.get("components"):
        wrong.append(f"connected components: {now['components']}, the proof says {proof.get('components')}")
    if now["digest"] != proof.get("digest"):
        wrong.append("ids, splits or group values were changed after the split was proved")
    for key in keys:
        crossed = crossings(table, key)
        if crossed:
            wrong.append(f"{key} in two splits: {', '.join(list(crossed)[:5])}")
    return wrong
