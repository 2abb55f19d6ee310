"""Leaks: the records outside the training data that share something with another split, one entry each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

KINDS = ("path", "photo", "bytes", "near", "subject", "face")
"""What a leak can be, the plainest first; any other group key (floor, clip, drive) is a kind of its own after these."""
NAMED = 5

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Finding:
    """A value that more than one split has.

    Attributes:
        kind: one of :data:`KINDS` or a group key.
        splits: which, sorted.
        where: rows of the records of these splits that have it, sorted.
    """

    kind: str
    value: str
    splits: tuple[str, ...]
    where: Ints

    @property
    def records(self) -> int:
        return len(self.where)

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "value": self.value, "splits": list(self.splits), "records": self.records}


@dataclass(frozen=True, eq=False)
class Links:
    """Records that are alike without having a value in common: near duplicates, faces.

    Attributes:
        kind: ``near`` or ``face``.
        code: (N,) what of each record was compared, -1 for nothing; records of one code are the same (distance 0).
        first, second: (P,) codes that are alike.
        distance: (P,) how far apart; in ``unit``.
        unit: what the distance is, in words.
    """

    kind: str
    code: Ints
    first: Ints
    second: Ints
    distance: Floats
    unit: str


@dataclass(frozen=True)
class Reason:
    """Why a record leaks: the ``value`` of a key that it shares with ``partners``, rows in splits before its own.

    Attributes:
        partners: the first :data:`NAMED` of them; ``partner_count`` says how many there are.
        distance: to the nearest one in ``unit``, where likeness has one.
    """

    kind: str
    value: str
    partners: tuple[int, ...]
    partner_count: int
    distance: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Leak:
    """A record that leaks, and all reasons, the plainest first."""

    row: int
    reasons: tuple[Reason, ...]


def ranks(names: Sequence[str]) -> Ints:
    """(S,) the order of splits: train, val, others by name, test. Of records that share something, those of later
    splits leak: what a model was fitted on is not at fault, what it is judged on is."""
    order = sorted(names, key=lambda name: ({"train": 0, "val": 1, "test": 3}.get(name, 2), name))
    return np.array([order.index(name) for name in names], np.int64)


def leaks(
    findings: Iterable[Finding], links: Iterable[Links], code: Ints, names: Sequence[str], ids: Any
) -> list[Leak]:
    """An entry for every leaked record, in the order of the records.

    Args:
        code: (N,) split of each record as its place in ``names``, -1 for none.
        ids: the column of ids; it names the values of links.
    """
    rank = np.append(ranks(names), np.iinfo(np.int64).max)[code]
    reasons: dict[int, list[Reason]] = defaultdict(list)
    for finding in findings:
        mine = rank[finding.where]
        order = np.argsort(mine, kind="stable")
        where, levels = finding.where[order].tolist(), mine[order]
        before = np.searchsorted(levels, levels)  # how many come in earlier splits
        for row, number in zip(where, before.tolist(), strict=True):
            if number:
                reasons[row].append(Reason(finding.kind, finding.value, tuple(where[: min(number, NAMED)]), number))
    for each in links:
        for row, reason in _linked(each, rank, code, ids):
            reasons[row].append(reason)
    return [Leak(row, tuple(sorted(reasons[row], key=_plainness))) for row in sorted(reasons)]


def link_findings(links: Links, code: Ints, names: Sequence[str], ids: Any) -> list[Finding]:
    """Records that links join across splits, chain by chain; the value is the first id of the chain."""
    from scipy import sparse

    inside = np.flatnonzero((links.code >= 0) & (code >= 0))
    if not len(inside):
        return []
    count = int(links.code.max()) + 1
    edges = sparse.coo_matrix((np.ones(len(links.first), np.int8), (links.first, links.second)), shape=(count, count))
    _, chain = sparse.csgraph.connected_components(edges, directed=False)
    label = chain[links.code[inside]]
    order = np.argsort(label, kind="stable")
    rows, label = inside[order], label[order]
    found = []
    for part in np.split(rows, np.flatnonzero(np.diff(label)) + 1):
        kinds = np.unique(code[part])
        if len(kinds) > 1:
            splits = tuple(sorted(names[k] for k in kinds.tolist()))
            found.append(Finding(links.kind, ids[int(part[0])].as_py(), splits, np.sort(part)))
    return found


def as_json(found: Sequence[Leak], table: pa.Table) -> list[dict[str, Any]]:
    """Leaks for JSON: what the plainest reason says stands at the top, further ones under ``also``."""
    rows = sorted({row for leak in found for row in (leak.row, *(p for r in leak.reasons for p in r.partners))})
    taken = table.select(["id", "split", "image"]).take(pa.array(rows, pa.int64())).to_pylist()
    known = dict(zip(rows, taken, strict=True))
    entries = []
    for leak in found:
        first, *others = (_reason(reason, known) for reason in leak.reasons)
        kind = first.pop("kind")
        entries.append({"kind": kind, **known[leak.row], **first, **({"also": others} if others else {})})
    return entries


def _reason(reason: Reason, known: dict[int, dict[str, Any]]) -> dict[str, Any]:
    partners = [known[row] for row in reason.partners]
    told = {
        "kind": reason.kind,
        "key": reason.kind,
        "value": reason.value,
        "partners": [each["id"] for each in partners],
        "partner_splits": [each["split"] for each in partners],
        "partner_count": reason.partner_count,
    }
    return told if reason.distance is None else {**told, "distance": reason.distance, "unit": reason.unit}


def _plainness(reason: Reason) -> tuple[int, str, float, str]:
    place = KINDS.index(reason.kind) if reason.kind in KINDS else len(KINDS)
    # fingerprints before embeddings: the first pass is the stricter one
    return place, reason.kind + reason.unit, reason.distance or 0.0, reason.value


def _linked(links: Links, rank: Ints, code: Ints, ids: Any) -> Iterable[tuple[int, Reason]]:
    inside = np.flatnonzero((links.code >= 0) & (code >= 0))
    if not len(inside):
        return
    count = int(links.code.max()) + 1
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row in inside.tolist():
        rows_of[int(links.code[row])].append(row)
    lowest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(lowest, links.code[inside], rank[inside])
    # each link both ways, and each code to itself
    heads = np.concatenate([links.first, links.second, np.unique(links.code[inside])])
    tails = np.concatenate([links.second, links.first, np.unique(links.code[inside])])
    far = np.concatenate([links.distance, links.distance, np.zeros(len(heads) - 2 * len(links.first))])
    reach = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(reach, heads, lowest[tails])
    guilty = inside[rank[inside] > reach[links.code[inside]]]
    order = np.lexsort((tails, far, heads))
    heads, tails, far = heads[order], tails[order], far[order]
    for row in guilty.tolist():
        mine = int(links.code[row])
        start, end = np.searchsorted(heads, [mine, mine + 1])
        partners: list[int] = []
        nearest, number = None, 0
        for other, distance in zip(tails[start:end].tolist(), far[start:end].tolist(), strict=True):
            earlier = [k for k in rows_of[other] if rank[k] < rank[row]]
            if earlier and nearest is None:
                nearest = distance
            number += len(earlier)
            partners += earlier[: NAMED - len(partners)]
        if partners:
            yield row, Reason(links.kind, ids[partners[0]].as_py(), tuple(partners), number, nearest, links.unit)
