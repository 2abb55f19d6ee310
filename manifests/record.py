"""The record: one image and its mask, with everything known about them, and the table of many."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import pyarrow as pa

IGNORE = 255
"""The value of mask pixels that count for nothing."""

SPLITS = ("train", "val", "test")

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("image", pa.string(), nullable=False),
        pa.field("mask", pa.string()),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("subject", pa.string()),
        pa.field("groups", pa.map_(pa.string(), pa.string())),
        pa.field("split", pa.string()),
        pa.field("clip", pa.string()),
        pa.field("frame", pa.int32()),
        pa.field("source", pa.string()),
        pa.field("licence", pa.list_(pa.string())),
        pa.field("sha256_image", pa.string()),
        pa.field("sha256_mask", pa.string()),
        pa.field("recipe", pa.string()),
        pa.field("extra", pa.string()),
    ]
)

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, eq=True)
class Record:
    """One image (or frame) and its mask.

    Attributes:
        id: unique in its manifest.
        image, mask: paths relative to the manifest, absolute paths, or fsspec URLs; mask None = no truth known.
        width, height: of the upright image, in pixels.
        subject: the person, or the foot's owner; None = unknown. Further subjects stand in ``groups["subject"]``.
        groups: what else must not be in two splits (floor, photo, clip, ...), each key with its values.
        split: ``train``, ``val``, ``test`` or None.
        clip, frame: the sequence and the place in it.
        source: the dataset it comes from.
        licence: of every input it is made of.
        sha256_image, sha256_mask: hex digests of the files.
        recipe: JSON text that makes a synthetic record again.
        extra: anything else that JSON can hold.
    """

    id: str
    image: str
    mask: str | None
    width: int
    height: int
    subject: str | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: str | None = None
    clip: str | None = None
    frame: int | None = None
    source: str = ""
    licence: tuple[str, ...] = ()
    sha256_image: str = ""
    sha256_mask: str | None = None
    recipe: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def values_of(self, key: str) -> tuple[str, ...]:
        """The record's values for a group key: ``subject``, ``clip``, ``source`` or a key of ``groups``."""
        own = getattr(self, key) if key in ("subject", "clip", "source") else None
        rest = self.groups.get(key, ())
        return (own, *(value for value in rest if value != own)) if own else tuple(rest)


_NAMES = tuple(each.name for each in fields(Record))


def to_table(records: Iterable[Record]) -> pa.Table:
    """Records as a table of :data:`SCHEMA`."""
    rows = [_row(record) for record in records]
    return pa.table(
        {name: pa.array([row[name] for row in rows], SCHEMA.field(name).type) for name in _NAMES}, schema=SCHEMA
    )


def _row(record: Record) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in _NAMES}
    row["groups"] = [(key, value) for key in sorted(record.groups) for value in record.groups[key]]
    row["licence"] = list(record.licence)
    row["extra"] = json.dumps(record.extra, sort_keys=True, ensure_ascii=False) if record.extra else None
    return row


def from_table(table: pa.Table) -> Iterator[Record]:
    """The records of a table, in order."""
    for batch in table.to_batches():
        for row in batch.to_pylist():
            yield _record(row)


def _record(row: dict[str, Any]) -> Record:
    groups: dict[str, tuple[str, ...]] = {}
    for key, value in row["groups"] or ():
        groups[key] = (*groups.get(key, ()), value)
    return Record(
        **{
            **row,
            "groups": groups,
            "licence": tuple(row["licence"] or ()),
            "extra": json.loads(row["extra"]) if row["extra"] else {},
            "source": row["source"] or "",
            "sha256_image": row["sha256_image"] or "",
        }
    )


def group_keys(table: pa.Table) -> list[str]:
    """The keys of ``groups`` that occur in a table, sorted."""
    keys: set[str] = set()
    for chunk in table.column("groups").chunks:
        keys.update(chunk.keys.unique().to_pylist())
    return sorted(keys)


def members(table: pa.Table, key: str) -> tuple[Any, Any]:
    """(row, value) pairs of a group key over a table, as an int64 numpy array and an Arrow string array.

    A row appears once for each of its values and not at all where it has none.
    """
    import numpy as np
    import pyarrow.compute as pc

    rows: list[Any] = []
    values: list[Any] = []
    start = 0
    own = key if key in ("subject", "clip", "source") else None
    columns: Sequence[str] = ["groups", own] if own else ["groups"]
    for batch in table.select(columns).to_batches():
        count = batch.num_rows
        if own:
            column = batch.column(own)
            there = np.flatnonzero(
                np.asarray(pc.and_kleene(pc.is_valid(column), pc.not_equal(column, "")).fill_null(False))
            )
            rows.append(there + start)
            values.append(column.take(pa.array(there)))
        groups = batch.column("groups")
        flat_rows = np.repeat(
            np.arange(count), np.asarray(pc.list_value_length(pc.cast(groups, _AS_LIST)).fill_null(0))
        )
        entries = pc.list_flatten(pc.cast(groups, _AS_LIST))
        fits = pc.and_(pc.equal(pc.struct_field(entries, 0), key), pc.is_valid(pc.struct_field(entries, 1)))
        pick = np.flatnonzero(np.asarray(fits))
        rows.append(flat_rows[pick] + start)
        values.append(pc.struct_field(entries, 1).take(pa.array(pick)))
        start += count
    if not rows:
        return np.zeros(0, np.int64), pa.array([], pa.string())
    return np.concatenate(rows).astype(np.int64), pa.concat_arrays([v.cast(pa.string()) for v in values])


def distinct(values: Any) -> Any:
    """The distinct values of an (N,) integer array in order; by sorting, which on millions is quicker than hashing."""
    import numpy as np

    ordered = np.sort(np.asarray(values))
    first = np.ones(len(ordered), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]


_AS_LIST = pa.list_(pa.struct([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.string())]))
