"""The difference of two manifests: records of one only, changed columns, changed descriptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.manifest import RECORDS, Manifest
from manifests.places import located
from manifests.record import SCHEMA
from masksmith import console
from masksmith.errors import BadInput

KEPT = 100
MADE = ("name", "command", "tool_version")
"""What a description says about the making; it may differ between equal datasets."""
_PART = 16_384


@dataclass(frozen=True)
class Difference:
    """What two manifests, the first and the second, do not share.

    Attributes:
        only_first, only_second: ids of records that the other lacks, in order.
        changed: how many of the records of both differ, column by column.
        examples: the first :data:`KEPT` of these: ``id``, ``column``, ``first``, ``second``.
        described: keys of ``dataset.json`` that differ.
    """

    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    changed: Mapping[str, int]
    examples: tuple[Mapping[str, Any], ...]
    described: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether they are the same but for their name, command and tool."""
        return not (self.only_first or self.only_second or self.changed or set(self.described) - set(MADE))

    def verdict(self) -> str:
        """What differs, in one line; empty where nothing does."""
        if self.equal:
            return ""
        parts = [f"{console.counted(len(self.only_first), 'record')} only in the first"] if self.only_first else []
        parts += [f"{len(self.only_second)} only in the second"] if self.only_second else []
        parts += [f"{column} of {console.counted(number, 'record')} changed" for column, number in self.changed.items()]
        parts += [f"{key} in dataset.json" for key in self.described if key not in MADE]
        return f"the manifests differ: {', '.join(parts)}"


def diff(first: Manifest, second: Manifest) -> Difference:
    """Compare two manifests record by record, by id.

    Paths are the same where their text is, or where they lead to the same place.

    Raises:
        BadInput: an id that occurs twice in one of them.
    """
    ids = [_ids(manifest) for manifest in (first, second)]
    there = pc.index_in(ids[0], value_set=ids[1])
    both = np.flatnonzero(np.asarray(there.is_valid()))
    partner = np.asarray(there.drop_null()).astype(np.int64)
    alone = pc.invert(pc.is_in(ids[1], value_set=ids[0]))
    changed: Counter[str] = Counter()
    examples: list[Mapping[str, Any]] = []
    for name in SCHEMA.names[1:]:
        columns = [manifest.table([name]).column(name) for manifest in (first, second)]
        for start in range(0, len(both), _PART):
            rows = both[start : start + _PART]
            mine = columns[0].take(pa.array(rows))
            theirs = columns[1].take(pa.array(partner[start : start + _PART]))
            if mine.equals(theirs):
                continue
            here = _plain(mine), _plain(theirs)
            places = here
            if name in ("image", "mask"):
                places = located(first, mine), located(second, theirs)
            for row, old, new, place, other in zip(rows.tolist(), *here, *places, strict=True):
                if old == new or place == other:
                    continue
                changed[name] += 1
                if len(examples) < KEPT:
                    examples.append({"id": ids[0][row].as_py(), "column": name, "first": old, "second": new})
    described = [manifest.info.as_json() for manifest in (first, second)]
    return Difference(
        only_first=tuple(ids[0].filter(there.is_null()).to_pylist()),
        only_second=tuple(ids[1].filter(alone).to_pylist()),
        changed=dict(changed),
        examples=tuple(examples),
        described=tuple(key for key in described[0] if described[0][key] != described[1][key]),
    )


def _ids(manifest: Manifest) -> pa.Array:
    column = manifest.table(["id"]).column("id")
    ids = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())
    if pc.count_distinct(ids).as_py() < len(ids):
        twice = next(row["values"] for row in ids.value_counts().to_pylist() if row["counts"] > 1)
        raise BadInput(
            manifest.folder / RECORDS, "one record an id", f"several with {twice!r}", "see: masksmith manifest verify"
        )
    return ids


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """Values that compare; group entries in order of their keys."""
    if pa.types.is_map(column.type):
        return [sorted((key, value or "") for key, value in entries or ()) for entries in column.to_pylist()]
    if pa.types.is_list(column.type):
        return [entries or [] for entries in column.to_pylist()]
    return column.to_pylist()
