"""The split proof: what ``dataset.json`` says about its splits, so that anyone can check it again."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.record import members
from manifests.splits import Plan, components


def make_proof(
    table: pa.Table, keys: Sequence[str], seed: int | None = None, plan: Plan | None = None
) -> dict[str, Any]:
    """The proof of a table's ``split`` column over group keys.

    It holds the keys, the seed, the number of connected components, the counts, how many records have no split, and a
    SHA-256 over the sorted lines (id, split, values of every key): any change of these shows.
    """
    splits = table.column("split").to_pylist()
    counts: dict[str, int] = defaultdict(int)
    for split in splits:
        if split is not None:
            counts[split] += 1
    kept = sum(counts.values())
    labels = components(table, keys)
    return {
        "keys": list(keys),
        "seed": seed,
        "components": int(labels.max(initial=-1)) + 1,
        "counts": dict(sorted(counts.items())),
        "shares": {name: round(number / kept, 6) for name, number in sorted(counts.items())},
        "target": None if plan is None else {name: round(share, 6) for name, share in plan.target.items()},
        "method": None if plan is None else plan.method,
        "dropped": table.num_rows - kept,
        "digest": digest(table, keys),
    }


def digest(table: pa.Table, keys: Sequence[str]) -> str:
    """SHA-256 over the sorted lines (id, split, values of every key) of a table."""
    ids = table.column("id").to_pylist()
    lines = [f"{name}\t{split or ''}" for name, split in zip(ids, table.column("split").to_pylist(), strict=True)]
    for key in sorted(keys):
        values: list[list[str]] = [[] for _ in ids]
        rows, names = members(table, key)
        for row, name in zip(rows.tolist(), names.to_pylist(), strict=True):
            values[row].append(name)
        lines = [f"{line}\t{key}={'|'.join(sorted(each))}" for line, each in zip(lines, values, strict=True)]
    total = hashlib.sha256()
    for line in sorted(lines):
        total.update(line.encode() + b"\n")
    return total.hexdigest()


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
    pairs = np.unique(np.stack([value[inside], code[inside]], axis=1), axis=0)
    seen: dict[str, list[str]] = defaultdict(list)
    labels = coded.dictionary.to_pylist()
    for number, split in pairs.tolist():
        seen[labels[number]].append(known[split])
    return {name: sorted(each) for name, each in sorted(seen.items()) if len(each) > 1}


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
