"""Repair: records that leak are joined into groups, and the dataset is split again over these as it was before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.audit import Audit, split_codes
from manifests.edit import PLANNING, Resplit
from manifests.leaks import Links
from manifests.manifest import Manifest
from manifests.origins import Ints, Members, with_groups
from manifests.places import with_column
from manifests.record import SCHEMA, group_keys, members
from manifests.splits import DEFAULT_SHARES, split_table

_STATED = ("list", "official", "left out")
"""Methods of splits in which a record without a split is meant to have none."""


@dataclass(frozen=True)
class Repair:
    """A repair that is planned and not yet written.

    Attributes:
        keys: what the new split keeps apart.
        moves: how many records go from one split to another (None: no split).
    """

    resplit: Resplit
    keys: tuple[str, ...]
    shares: Mapping[str, float]
    seed: int
    moves: Mapping[tuple[str | None, str | None], int]
    moved: tuple[str, ...]

    def write(self) -> None:
        """Write the manifest in place, whole or not at all."""
        self.resplit.write()

    def as_json(self) -> dict[str, Any]:
        return {
            "keys": list(self.keys),
            "seed": self.seed,
            "target": dict(self.shares),
            "counts": dict(self.resplit.plan.counts),
            "dropped": self.resplit.plan.dropped,
            "moves": [{"from": old, "to": new, "records": number} for (old, new), number in self.moves.items()],
            "moved": list(self.moved),
        }


def repair(
    manifest: Manifest, found: Audit, table: pa.Table, more: Mapping[str, Members], links: Sequence[Links]
) -> Repair:
    """Plan groups of what leaks, and a split over the old keys and these with the old shares and seed.

    Each kind of leak becomes a group key: ``photo``, ``bytes``, ``path``, ``near``, ``face``; records of one chain of
    near duplicates get the id of the first of them as its value. The old keys are those of the split proof, or, where
    there is none, subject, clip and every group key that a record has. A record that was left without a split on
    purpose keeps none.

    Args:
        found: the audit of ``table`` (see :data:`manifests.audit.COLUMNS`), ``more`` and ``links``.
    """
    kinds = {each.kind for each in found.groups}
    stated = {"subject", "clip", "source", *group_keys(table)}
    added: dict[str, Members] = {key: more[key] for key in sorted(kinds & set(more))}
    for key, name in (("path", "image"), ("bytes", "sha256_image")):
        if key in kinds:
            added[key] = _repeated(table.column(name))
    for each in links:
        if each.kind in kinds:
            rows, values = _chains(each, table.column("id"))
            if each.kind in added:  # two passes of one kind: the split takes both as one key
                rows = np.append(added[each.kind][0], rows)
                values = pa.concat_arrays([added[each.kind][1], values])
            added[each.kind] = rows, values
    proof = manifest.info.split_proof or {}
    # without a proof nothing says what the split kept apart: then all that the records tell, lest the new one mix it
    kept = proof.get("keys") or [key for key in ("subject", "clip", *group_keys(table)) if len(members(table, key)[0])]
    keys = tuple(dict.fromkeys([*kept, *sorted(kinds & (stated | set(added)))]))
    shares = dict(proof.get("target") or _realised(found.counts))
    seed = int(proof.get("seed") or 0)
    planning = with_groups(manifest.table(PLANNING), added)
    code, _ = split_codes(planning)
    inside = np.ones(len(code), bool)
    if proof.get("method") in _STATED or not proof:
        inside = code >= 0
    part, plan = split_table(planning.take(pa.array(np.flatnonzero(inside))), keys, shares, seed)
    column = np.full(len(code), None, object)
    column[inside] = part.column("split").to_pylist()
    done = with_column(planning, "split", pa.array(column.tolist(), SCHEMA.field("split").type))
    before = planning.column("split").to_pylist()
    counted = Counter((old, new) for old, new in zip(before, column.tolist(), strict=True) if old != new)
    changed = np.array([old != new for old, new in zip(before, column.tolist(), strict=True)], bool)
    moved = planning.column("id").take(pa.array(np.flatnonzero(changed))).to_pylist()
    order = sorted(counted, key=lambda pair: (pair[0] or "", pair[1] or ""))
    resplit = Resplit(manifest, plan, done, groups=done.column("groups") if added else None)
    return Repair(resplit, keys, shares, seed, {pair: counted[pair] for pair in order}, tuple(moved))


def _realised(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    shares = {name: number / total for name, number in counts.items() if number}
    return shares if len(shares) > 1 else dict(DEFAULT_SHARES)


def _repeated(column: pa.ChunkedArray) -> Members:
    """Rows whose value occurs more than once, and the value."""
    counted = column.value_counts()
    often = pc.struct_field(counted, "values").filter(
        pc.and_(pc.greater(pc.struct_field(counted, "counts"), 1), pc.is_valid(pc.struct_field(counted, "values")))
    )
    often = often.filter(pc.greater(pc.binary_length(often), 0))
    rows: Ints = np.flatnonzero(np.asarray(pc.is_in(column, value_set=often))).astype(np.int64)
    taken = column.take(pa.array(rows))
    return rows, pa.array(taken.to_pylist(), pa.string())


def _chains(links: Links, ids: pa.ChunkedArray) -> Members:
    """Rows that links join with others, and the id of the first (alphabetically) of their chain."""
    from scipy import sparse

    inside = np.flatnonzero(links.code >= 0)
    if not len(inside):
        return inside.astype(np.int64), pa.array([], pa.string())
    count = int(links.code.max()) + 1
    edges = sparse.coo_matrix((np.ones(len(links.first), np.int8), (links.first, links.second)), shape=(count, count))
    number, chain = sparse.csgraph.connected_components(edges, directed=False)
    label = chain[links.code[inside]]
    joined = inside[np.bincount(label, minlength=number)[label] > 1]
    label = chain[links.code[joined]]
    names = ids.take(pa.array(joined)).to_pylist()
    first: dict[int, str] = {}
    for name, each in zip(names, label.tolist(), strict=True):
        first[each] = min(name, first.get(each, name))
    return joined.astype(np.int64), pa.array([first[each] for each in label.tolist()], pa.string())
