"""The audit: what two splits share that they must not."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.manifest import Manifest
from manifests.proof import check_proof
from manifests.record import group_keys, members
from masksmith.errors import BadInput, unknown_choice

COLUMNS = ("id", "image", "subject", "groups", "split", "clip", "source", "sha256_image")
SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """A value that more than one split has.

    Attributes:
        kind: ``subject``, ``clip``, a group key such as ``floor`` or ``photo``, ``bytes`` (the same image file, by its
            SHA-256) or ``path`` (of two lists).
        splits: which, sorted.
        records: how many records of these splits have it.
    """

    kind: str
    value: str
    splits: tuple[str, ...]
    records: int


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        keys: what was looked at, beside image bytes.
        counts: records a split; records without one are not looked at.
        groups: every shared value.
        rows: (kind, value, row) of every record that has one.
        proof: what no longer holds of the split proof, a sentence each; None where there is no proof.
        unhashed: records in a split whose image digest is not known.
    """

    keys: tuple[str, ...]
    counts: Mapping[str, int]
    groups: tuple[Finding, ...]
    rows: tuple[tuple[str, str, int], ...] = field(repr=False)
    proof: tuple[str, ...] | None
    unhashed: int

    @property
    def clean(self) -> bool:
        return not self.groups and not self.proof

    def verdict(self) -> str:
        """One line: every kind of leak with its first values; empty where there is none."""
        kinds = list(dict.fromkeys(each.kind for each in self.groups))
        parts = [
            _sentence(
                kind, [g for g in self.groups if g.kind == kind], len({row for k, _, row in self.rows if k == kind})
            )
            for kind in kinds
        ]
        # the proof says again which keys are shared; only what else is wrong with it is news
        news = [line for line in self.proof or () if not line.startswith(tuple(f"{kind} in two" for kind in kinds))]
        told = [f"leaks: {'; '.join(parts)}"] if parts else []
        return "; ".join([*told, *(["split proof: " + ", and ".join(news)] if news else [])])


def audit(manifest: Manifest, by: Sequence[str] = ()) -> Audit:
    """Look for values of group keys and image files in more than one split, and check the split proof.

    Args:
        by: keys; by default subject, clip and every group key that a record has.

    Raises:
        UsageProblem: a key that no record has.
    """
    return audit_table(manifest.table(COLUMNS), manifest.info.split_proof, by)


def audit_table(table: pa.Table, proof: Mapping[str, Any] | None, by: Sequence[str] = ()) -> Audit:
    """As :func:`audit`, of a table with at least the columns :data:`COLUMNS`."""
    present = [key for key in ("subject", "clip") if table.column(key).null_count < table.num_rows]
    found = list(dict.fromkeys([*present, *group_keys(table)]))
    for key in by:
        if key not in {*found, "subject", "clip", "source"}:
            raise unknown_choice("key", key, [*found, "source"])
    keys = tuple(dict.fromkeys(by)) or tuple(found)
    splits = pa.chunked_array(table.column("split")).dictionary_encode().combine_chunks()
    if isinstance(splits, pa.ChunkedArray):
        splits = splits.chunk(0) if splits.num_chunks else pa.array([], pa.string()).dictionary_encode()
    names = splits.dictionary.to_pylist()
    code = np.asarray(splits.indices.fill_null(-1)).astype(np.int64)
    digests = table.column("sha256_image")
    hashed = np.flatnonzero(np.asarray(pc.greater(pc.fill_null(pc.binary_length(digests), 0), 0)))
    kinds = [(key, *members(table, key)) for key in keys]
    kinds.append(("bytes", hashed, _one(digests).take(pa.array(hashed))))
    groups: list[Finding] = []
    leaked: list[tuple[str, str, int]] = []
    for kind, rows, values in kinds:
        for finding, where in _shared(kind, rows, values, code, names):
            groups.append(finding)
            leaked += [(kind, finding.value, row) for row in where]
    return Audit(
        keys=keys,
        counts={name: int((code == number).sum()) for number, name in sorted(enumerate(names), key=lambda p: p[1])},
        groups=tuple(groups),
        rows=tuple(leaked),
        proof=None if proof is None else tuple(check_proof(table, proof)),
        unhashed=int((code >= 0).sum() - (code[hashed] >= 0).sum()),
    )


def leaked_records(found: Audit, table: pa.Table) -> list[dict[str, Any]]:
    """An entry a leaked record: kind, value, id, split and image."""
    rows = table.select(["id", "split", "image"]).take(pa.array([row for _, _, row in found.rows], pa.int64()))
    return [
        {"kind": kind, "value": value, **row}
        for (kind, value, _), row in zip(found.rows, rows.to_pylist(), strict=True)
    ]


@dataclass(frozen=True)
class ListAudit:
    """Paths that two lists share; ``train`` and ``test`` are the numbers of distinct paths in each."""

    lists: tuple[str, str]
    train: int
    test: int
    shared: tuple[str, ...]

    def verdict(self) -> str:
        if not self.shared:
            return ""
        names = [Path(each).name for each in self.lists]
        if names[0] == names[1]:
            names = list(self.lists)
        share = f"{len(self.shared)} of {self.test} paths of the second"
        return f"leaks: path {_some(self.shared)} in {' and '.join(names)} ({share})"


def audit_lists(train: Path, test: Path) -> ListAudit:
    """Which paths stand in both of two lists (a path a line, further columns after white space are left out).

    Raises:
        BadInput: a list that is not there, not text, or empty.
    """
    first, second = read_list(train), read_list(test)
    shared = sorted(set(first) & set(second))
    return ListAudit((str(train), str(test)), len(set(first)), len(set(second)), tuple(shared))


def read_list(path: Path) -> list[str]:
    """The first column of a list of paths.

    Raises:
        BadInput: not there, not text, or empty.
    """
    return [posixpath.normpath(line.split()[0]) for line in read_lines(path, "a path")]


def read_lines(path: Path, what: str) -> list[str]:
    """The lines of a text file without the white space around them; empty ones are left out.

    Raises:
        BadInput: not there, not text, or empty.
    """
    wanted = f"a text file with {what} a line"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInput(path, wanted, "no such file", "check the path") from None
    except (IsADirectoryError, NotADirectoryError):
        raise BadInput(path, wanted, "a folder", "name a file in it") from None
    except UnicodeDecodeError:
        raise BadInput(path, wanted, "bytes that are not UTF-8 text", "save it as UTF-8") from None
    found = [line.strip() for line in text.split("\n") if line.strip()]
    if not found:
        raise BadInput(path, wanted, "an empty list", "check the path")
    return found


def as_json(found: Audit, table: pa.Table) -> dict[str, Any]:
    """The audit as one JSON value."""
    return {
        "ok": found.clean,
        "keys": list(found.keys),
        "counts": dict(found.counts),
        "leaks": leaked_records(found, table),
        "groups": [finding_json(each) for each in found.groups],
        "proof": list(found.proof or ()),
        "proved": found.proof is not None,
        "without_sha256": found.unhashed,
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "value": finding.value,
        "splits": list(finding.splits),
        "records": finding.records,
    }


def _shared(
    kind: str, rows: npt.NDArray[np.int64], values: pa.Array, code: npt.NDArray[np.int64], names: list[str]
) -> Iterator[tuple[Finding, list[int]]]:
    """Every value that two splits have, in order, with its rows."""
    inside = code[rows] >= 0
    rows = rows[inside]
    if not len(rows):
        return
    coded = values.take(pa.array(np.flatnonzero(inside))).dictionary_encode()
    value = np.asarray(coded.indices).astype(np.int64)
    pairs = np.unique(value * len(names) + code[rows])
    number, times = np.unique(pairs // len(names), return_counts=True)
    crossed = number[times > 1]
    if not len(crossed):
        return
    hit = np.isin(value, crossed)
    # a record may say the same value twice
    where = np.unique(np.stack([value[hit], rows[hit]], axis=1), axis=0)
    starts = np.searchsorted(where[:, 0], crossed)
    ends = np.searchsorted(where[:, 0], crossed, side="right")
    texts = coded.dictionary.take(pa.array(crossed)).to_pylist()
    for text, start, end in sorted(zip(texts, starts.tolist(), ends.tolist(), strict=True)):
        mine = where[start:end, 1]
        splits = tuple(sorted(names[k] for k in np.unique(code[mine]).tolist()))
        yield Finding(kind, text, splits, len(mine)), mine.tolist()


def _one(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _sentence(kind: str, findings: list[Finding], records: int) -> str:
    splits = sorted({split for each in findings for split in each.splits})
    between = " and ".join(splits) if len(splits) < 3 else f"{', '.join(splits[:-1])} and {splits[-1]}"
    values = [each.value[:12] if kind == "bytes" else each.value for each in findings]
    return f"{kind} {_some(values)} in {between} ({records} records)"


def _some(values: Sequence[str]) -> str:
    # a value may hold anything; the verdict stays one line
    shown = ", ".join(json.dumps(each, ensure_ascii=False)[1:-1] for each in values[:SHOWN])
    return shown + (f" and {len(values) - SHOWN} more" if len(values) > SHOWN else "")
