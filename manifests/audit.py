"""The audit: what two splits share that they must not."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests import leaks as leaking
from manifests.leaks import Finding, Leak, Links
from manifests.manifest import Manifest
from manifests.origins import Ints, Members, derived
from manifests.proof import check_proof
from manifests.record import distinct, group_keys, members
from masksmith import console
from masksmith.errors import unknown_choice

COLUMNS = ("id", "image", "subject", "groups", "split", "clip", "source", "sha256_image")
SHOWN = 5


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        keys: what was looked at, beside paths and image bytes.
        counts: records a split; records without one are not looked at.
        groups: every shared value.
        leaks: every leaked record.
        proof: what no longer holds of the split proof, a sentence each; None where there is no proof.
        unhashed: records in a split whose image digest is not known.
        marks: what the proof itself says is shared (``{"drive": 2}``), as with a split its authors published.
    """

    keys: tuple[str, ...]
    counts: Mapping[str, int]
    groups: tuple[Finding, ...] = field(repr=False)
    leaks: tuple[Leak, ...] = field(repr=False)
    proof: tuple[str, ...] | None
    unhashed: int
    marks: Mapping[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return not self.groups and not self.proof

    def verdict(self) -> str:
        """One line: every kind of leak with its first values; empty where there is none."""
        kinds = list(dict.fromkeys(each.kind for each in self.groups))
        parts = [_sentence(kind, [g for g in self.groups if g.kind == kind]) for kind in kinds]
        # the proof says again which keys are shared; only what else is wrong with it is news
        news = [line for line in self.proof or () if not line.startswith(tuple(f"{kind} in two" for kind in kinds))]
        told = [f"leaks: {'; '.join(parts)}"] if parts else []
        return "; ".join([*told, *(["split proof: " + ", and ".join(news)] if news else [])])


def audit(manifest: Manifest, by: Sequence[str] = ()) -> Audit:
    """Look for values of group keys, paths and image files in more than one split, and check the split proof.

    Keys that no record states but paths or URLs tell (see :mod:`manifests.origins`) are looked at, too.

    Args:
        by: keys; by default subject, clip and every group key that a record has.

    Raises:
        UsageProblem: a key that no record has.
    """
    return audit_table(manifest.table(COLUMNS), manifest.info.split_proof, by, derived(manifest))


def audit_table(
    table: pa.Table,
    proof: Mapping[str, Any] | None,
    by: Sequence[str] = (),
    more: Mapping[str, Members] | None = None,
    links: Sequence[Links] = (),
) -> Audit:
    """As :func:`audit`, of a table with at least the columns :data:`COLUMNS`.

    Args:
        more: group values beside those of the table.
        links: records that are alike.
    """
    more = more or {}
    present = [key for key in ("subject", "clip") if table.column(key).null_count < table.num_rows]
    found = list(dict.fromkeys([*present, *group_keys(table), *more]))
    for key in by:
        if key not in {*found, "subject", "clip", "source"}:
            raise unknown_choice("key", key, [*found, "source"])
    keys = tuple(dict.fromkeys(by)) or tuple(found)
    code, names = split_codes(table)
    groups: list[Finding] = []
    for key in keys:
        rows, values = members(table, key)
        if key in more:
            rows, values = np.append(rows, more[key][0]), pa.concat_arrays([values, more[key][1]])
        groups += _shared(key, rows, values, code, names)
    digests = table.column("sha256_image")
    hashed = np.flatnonzero(np.asarray(pc.greater(pc.fill_null(pc.binary_length(digests), 0), 0)))
    everywhere = np.flatnonzero(code >= 0)
    groups += _shared("path", everywhere, _paths(table.column("image"), everywhere), code, names)
    groups += _shared("bytes", hashed, _taken(_one(digests), hashed), code, names)
    ids, shared = table.column("id"), list(groups)
    for each in links:
        known = {(g.kind, g.where.tobytes()) for g in groups if g.kind == each.kind}
        groups += [g for g in leaking.link_findings(each, code, names, ids) if (g.kind, g.where.tobytes()) not in known]
    return Audit(
        keys=keys,
        counts={name: int((code == number).sum()) for number, name in sorted(enumerate(names), key=lambda p: p[1])},
        groups=tuple(groups),
        leaks=tuple(leaking.leaks(shared, links, code, names, ids)),
        proof=None if proof is None else tuple(check_proof(table, proof)),
        unhashed=int((code >= 0).sum() - (code[hashed] >= 0).sum()),
        marks=dict((proof or {}).get("leaks") or {}),
    )


def split_codes(table: pa.Table) -> tuple[Ints, list[str]]:
    """(N,) the split of each record as its place in the list of names, -1 for none; and the names."""
    splits = pa.chunked_array(table.column("split")).dictionary_encode().combine_chunks()
    if isinstance(splits, pa.ChunkedArray):
        splits = splits.chunk(0) if splits.num_chunks else pa.array([], pa.string()).dictionary_encode()
    return np.asarray(splits.indices.fill_null(-1)).astype(np.int64), splits.dictionary.to_pylist()


def as_json(found: Audit, table: pa.Table) -> dict[str, Any]:
    """The audit as one JSON value; ``leaks`` has an entry a leaked record."""
    kinds: dict[str, int] = {}
    for leak in found.leaks:
        for kind in {reason.kind for reason in leak.reasons}:
            kinds[kind] = kinds.get(kind, 0) + 1
    return {
        "ok": found.clean,
        "keys": list(found.keys),
        "counts": dict(found.counts),
        "leaks": leaking.as_json(found.leaks, table),
        "leaked": dict(sorted(kinds.items())),
        "groups": [each.as_json() for each in found.groups],
        "proof": list(found.proof or ()),
        "proved": found.proof is not None,
        "marked": dict(found.marks),
        "without_sha256": found.unhashed,
    }


def _shared(kind: str, rows: Ints, values: pa.Array, code: Ints, names: list[str]) -> Iterator[Finding]:
    """Every value that two splits have, in order, with its rows."""
    inside = code[rows] >= 0
    rows = rows[inside]
    if not len(rows):
        return
    coded = _taken(values, np.flatnonzero(inside)).dictionary_encode()
    value = np.asarray(coded.indices).astype(np.int64)
    pairs = distinct(value * len(names) + code[rows])
    number = pairs // len(names)
    crossed = distinct(number[1:][number[1:] == number[:-1]])
    if not len(crossed):
        return
    hit = np.isin(value, crossed)
    # a record may say the same value twice
    where = np.unique(np.stack([value[hit], rows[hit]], axis=1), axis=0)
    starts = np.searchsorted(where[:, 0], crossed)
    ends = np.searchsorted(where[:, 0], crossed, side="right")
    texts = coded.dictionary.take(pa.array(crossed)).to_pylist()
    for text, start, end in sorted(zip(texts, starts.tolist(), ends.tolist(), strict=True)):
        mine = where[start:end, 1].copy()
        splits = tuple(sorted(names[k] for k in np.unique(code[mine]).tolist()))
        yield Finding(kind, text, splits, mine)


def _paths(column: pa.ChunkedArray, rows: Ints) -> pa.Array:
    """Image paths as one string for one file: ``./a//b`` is ``a/b``."""
    paths = _taken(_one(column), rows)
    odd = np.flatnonzero(np.asarray(pc.match_substring_regex(paths, r"(^|/)\.\.?/|[^:]//")))
    if not len(odd):
        return paths
    plain = paths.to_pylist()
    for place in odd.tolist():
        plain[place] = posixpath.normpath(plain[place]) if "://" not in plain[place] else plain[place]
    return pa.array(plain, pa.string())


def _taken(values: pa.Array, rows: Ints) -> pa.Array:
    """Some of the values, in order; no copy where these are all."""
    return values if len(rows) == len(values) else values.take(pa.array(rows))


def _one(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _sentence(kind: str, findings: list[Finding]) -> str:
    splits = sorted({split for each in findings for split in each.splits})
    between = " and ".join(splits) if len(splits) < 3 else f"{', '.join(splits[:-1])} and {splits[-1]}"
    values = [each.value[:12] if kind == "bytes" else each.value for each in findings]
    records = len(np.unique(np.concatenate([each.where for each in findings])))
    return f"{kind} {some(values)} in {between} ({console.counted(records, 'record')})"


def some(values: Sequence[str]) -> str:
    """The first values in one line; they may hold anything."""
    shown = ", ".join(json.dumps(each, ensure_ascii=False)[1:-1] for each in values[:SHOWN])
    return shown + (f" and {len(values) - SHOWN} more" if len(values) > SHOWN else "")
