"""Counted pixels: the table that every region figure is a reduction of."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from evaluation import boundary
from evaluation.joint import IGNORE, Joint, UnknownValues, count_image, joint_counts, present_values, reduce_joint
from masksmith import files
from masksmith.errors import BadInput

__all__ = [
    "IGNORE",
    "Counts",
    "CountsBuilder",
    "Joint",
    "UnknownValues",
    "count_image",
    "joint_counts",
    "present_values",
    "reduce_joint",
]

_INFO_KEY = b"masksmith"
_BASE = {
    "id": pa.string(),
    "class": pa.int32(),
    "tp": pa.int64(),
    "fp": pa.int64(),
    "fn": pa.int64(),
    "tn": pa.int64(),
    "subject": pa.string(),
    "clip": pa.string(),
    "frame": pa.int32(),
}


@dataclass(frozen=True)
class Counts:
    """Counts of many images: one row per image and class, the rows of an image together.

    Columns: ``id, class, tp, fp, fn, tn, subject, clip, frame`` and any others that were passed through;
    a column ``group.KEY`` holds lists of strings (an image may stand on two floors). Where boundaries were measured
    the columns of :data:`evaluation.boundary.CONVENTIONS` stand there too, null where one is undefined.

    Args:
        table: a pyarrow table, as :class:`CountsBuilder` makes it.
        class_ids: the classes, in the order of an image's rows.
        info: a JSON value that travels with the table: class names, where the masks came from.
    """

    table: pa.Table
    class_ids: tuple[int, ...]
    info: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.table.num_rows // max(len(self.class_ids), 1)

    @cached_property
    def values(self) -> npt.NDArray[np.int64]:
        """(N, C, 4) int64: TP, FP, FN, TN."""
        columns = [self.table[name].to_numpy() for name in ("tp", "fp", "fn", "tn")]
        stacked = np.stack([np.asarray(column, np.int64) for column in columns], axis=-1)
        return stacked.reshape(len(self), len(self.class_ids), 4)

    @property
    def measured(self) -> bool:
        """Whether boundaries were measured."""
        return set(boundary.CONVENTIONS) <= set(self.table.column_names)

    @cached_property
    def boundaries(self) -> npt.NDArray[np.float64]:
        """(N, C, 4) float64: the boundary figures, as :func:`evaluation.boundary.measure` returned them."""
        columns = [self.table[name].to_numpy() for name in boundary.CONVENTIONS]
        stacked = np.stack([np.asarray(column, np.float64) for column in columns], axis=-1)
        return stacked.reshape(len(self), len(self.class_ids), len(columns))

    @cached_property
    def images(self) -> pa.Table:
        """One row per image: the columns that are not counts."""
        rows = np.arange(len(self)) * len(self.class_ids)
        each_class = {"class", "tp", "fp", "fn", "tn", *boundary.CONVENTIONS}
        kept = [name for name in self.table.column_names if name not in each_class]
        return self.table.select(kept).take(pa.array(rows))

    def column(self, name: str) -> list[Any]:
        """A column with one entry per image; all None where there is no such column."""
        return self.images[name].to_pylist() if name in self.table.column_names else [None] * len(self)

    def class_name(self, class_id: int) -> str:
        names = {number: name for name, number in self.info.get("classes", {}).items()}
        return str(names.get(class_id, "background" if class_id == 0 else f"class {class_id}"))

    def take(self, images: Sequence[int] | npt.NDArray[Any]) -> Counts:
        """The counts of some images, by position."""
        chosen = np.asarray(images, np.int64)
        size = len(self.class_ids)
        rows = (chosen[:, None] * size + np.arange(size)).ravel()
        return Counts(self.table.take(pa.array(rows)), self.class_ids, self.info)

    def merge(self, *others: Counts) -> Counts:
        """This table and others of the same classes as one.

        Raises:
            ValueError: other classes, boundaries measured in some or otherwise, or an id in two tables.
        """
        for other in others:
            how = {(counts.measured, str(counts.info.get("boundary"))) for counts in (self, other) if len(counts)}
            if len(how) > 1:
                raise ValueError("counts cannot join others whose boundaries were measured in another way, or not")
            if other.class_ids != self.class_ids:
                raise ValueError(f"counts of classes {other.class_ids} cannot join counts of classes {self.class_ids}")
        table = pa.concat_tables([self.table, *(other.table for other in others)], promote_options="default")
        return _unique(Counts(table, self.class_ids, self.info))

    def digest(self) -> str:
        """SHA-256 of ids and counts, in the table's order."""
        total = hashlib.sha256()
        total.update("\n".join(self.column("id")).encode())
        total.update(json.dumps(self.class_ids).encode())
        total.update(np.ascontiguousarray(self.values, dtype="<i8").tobytes())
        if self.measured:
            total.update(np.ascontiguousarray(self.boundaries + 0.0, dtype="<f8").tobytes())
        return total.hexdigest()

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write the table atomically."""
        note = json.dumps({"class_ids": self.class_ids, "info": self.info}, sort_keys=True)
        with files.atomic(path) as part:
            pq.write_table(self.table.replace_schema_metadata({_INFO_KEY: note.encode()}), part, compression="zstd")

    @classmethod
    def from_parquet(cls, path: str | os.PathLike[str]) -> Counts:
        """Read what :meth:`to_parquet` wrote.

        Raises:
            BadInput: no such file, or not a table of counts.
        """
        want, fix = "a counts.parquet that masksmith evaluate wrote", "check the path"
        try:
            table = pq.read_table(os.fspath(path))
        except FileNotFoundError:
            raise BadInput(path, want, "no such file", fix) from None
        except (pa.ArrowException, OSError) as fault:
            raise BadInput(path, want, f"something else ({str(fault).splitlines()[0]})", fix) from None
        missing = [name for name in _BASE if name not in table.column_names]
        try:
            note = json.loads((table.schema.metadata or {})[_INFO_KEY])
            class_ids, info = tuple(int(c) for c in note["class_ids"]), dict(note["info"])
        except (KeyError, ValueError, TypeError):
            raise BadInput(path, want, "a table without its note on classes", fix) from None
        if missing:
            raise BadInput(path, want, f"a table without the columns {', '.join(missing)}", fix)
        counts = cls(table.replace_schema_metadata(None), class_ids, info)
        laid = np.tile(np.asarray(class_ids, np.int64), len(counts))
        names = table["id"].to_numpy(zero_copy_only=False)
        size = max(len(class_ids), 1)
        torn = not np.array_equal(laid, table["class"].to_numpy()) or any(
            not np.array_equal(names[::size], names[k::size]) for k in range(size)
        )
        odd = [c for c in boundary.CONVENTIONS if counts.measured and not pa.types.is_floating(table[c].type)]
        if torn or odd or table["tp"].null_count or np.any(counts.values < 0):
            raise BadInput(path, want, "rows that are not one per image and class", "evaluate the masks again")
        return counts


class CountsBuilder:
    """Collects counts image by image; :meth:`build` makes the table.

    Args:
        class_ids: the classes; background (0) included.
        info: see :class:`Counts`.
    """

    def __init__(self, class_ids: Sequence[int] = (0, 1), info: Mapping[str, Any] | None = None) -> None:
        self.class_ids, self.info = tuple(int(c) for c in class_ids), dict(info or {})
        if len(set(self.class_ids)) != len(self.class_ids) or len(self.class_ids) < 2 or 0 not in self.class_ids:
            raise ValueError(f"class ids must be unique, with the background 0 and one more at least, not {class_ids}")
        self._counts = bytearray()
        self._boundaries: list[npt.NDArray[np.float64]] = []
        self._columns: dict[str, list[Any]] = {"id": [], "subject": [], "clip": [], "frame": []}

    def __len__(self) -> int:
        return len(self._columns["id"])

    def add(
        self,
        id: str,
        counts: npt.NDArray[np.int64],
        *,
        subject: str | None = None,
        clip: str | None = None,
        frame: int | None = None,
        edges: npt.NDArray[np.float64] | None = None,
        **columns: Any,
    ) -> None:
        """Add an image: ``counts`` is (C, 4) as :func:`count_image` returns it, ``edges`` (C, 4) as
        :func:`evaluation.boundary.measure` does, for all images or none; ``columns`` pass through."""
        if any(given.shape != (len(self.class_ids), 4) for given in (counts, counts if edges is None else edges)):
            raise ValueError(f"counts of shape {counts.shape}, expected {(len(self.class_ids), 4)}")
        if len(self) and (edges is None) == bool(self._boundaries):
            raise ValueError("boundaries are measured for all images or for none")
        self._boundaries += [] if edges is None else [edges]
        self._counts += np.asarray(counts, np.int64).tobytes()
        row = {"id": str(id), "subject": subject, "clip": clip, "frame": frame, **columns}
        for name in row:  # in the order in which they come
            if name not in self._columns:
                self._columns[name] = [None] * len(self)
        for name, values in self._columns.items():
            values.append(row.get(name))

    def build(self) -> Counts:
        """The table of everything added so far.

        Raises:
            ValueError: an id was added twice.
        """
        size = len(self.class_ids)
        stacked = np.frombuffer(bytes(self._counts), np.int64).reshape(len(self), size, 4)
        columns: dict[str, pa.Array] = {}
        repeat = np.repeat(np.arange(len(self)), size)
        names = list(self._columns)
        per_image = {name: _array(name, values).take(repeat) for name, values in self._columns.items()}
        columns["id"] = per_image["id"]
        columns["class"] = pa.array(np.tile(np.asarray(self.class_ids, np.int32), len(self)), pa.int32())
        for position, name in enumerate(("tp", "fp", "fn", "tn")):
            columns[name] = pa.array(stacked[..., position].ravel(), pa.int64())
        for position, name in enumerate(boundary.CONVENTIONS if self._boundaries else ()):
            columns[name] = pa.array(np.stack(self._boundaries)[..., position].ravel(), pa.float64(), from_pandas=True)
        columns |= {name: per_image[name] for name in names if name != "id"}
        return _unique(Counts(pa.table(columns), self.class_ids, dict(self.info)))


def _array(name: str, values: Iterable[Any]) -> pa.Array:
    if name.startswith("group."):
        return pa.array(values, pa.list_(pa.string()))
    return pa.array(values, _BASE.get(name))


def _unique(counts: Counts) -> Counts:
    seen: set[str] = set()
    for name in counts.column("id"):
        if name in seen:
            raise ValueError(f"the id {name!r} is there twice; ids name images, and each is counted once")
        seen.add(name)
    return counts
