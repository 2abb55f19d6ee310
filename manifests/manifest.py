"""The manifest: a folder with ``records.parquet`` and ``dataset.json``, read and written in a stream."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests import croissant
from manifests.record import SCHEMA, Record, from_table, to_table
from masksmith import __version__, files
from masksmith.errors import BadInput

RECORDS = "records.parquet"
DATASET = "dataset.json"
ROWS_PER_GROUP = 4096


@dataclass(frozen=True)
class Info:
    """What a dataset is as a whole.

    Attributes:
        classes: class name to id.
        licence: every licence that a record is under.
        citation: how its makers ask to be cited.
        sources: the inputs, each with ``name``, ``sha256``, ``licence`` and what else is known.
        tool: what wrote it.
        seed, command: how it was made.
        split_proof: see :mod:`manifests.proof`.
    """

    name: str
    version: str = "1"
    classes: Mapping[str, int] = field(default_factory=lambda: {"background": 0})
    licence: tuple[str, ...] = ()
    citation: str = ""
    sources: tuple[Mapping[str, Any], ...] = ()
    tool: str = f"masksmith {__version__}"
    seed: int | None = None
    command: str | None = None
    split_proof: Mapping[str, Any] | None = None
    description: str = ""

    def as_json(self) -> dict[str, Any]:
        """The keys of ``dataset.json`` that are ours, without those of Croissant."""
        return {
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "classes": dict(self.classes),
            "licence": list(self.licence),
            "citation": self.citation,
            "sources": [dict(source) for source in self.sources],
            "tool_version": self.tool,
            "seed": self.seed,
            "command": self.command,
            "split_proof": None if self.split_proof is None else dict(self.split_proof),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Info:
        return Info(
            name=value["name"],
            version=str(value.get("version", "1")),
            classes=dict(value["classes"]),
            licence=tuple(value.get("licence") or ()),
            citation=value.get("citation") or "",
            sources=tuple(value.get("sources") or ()),
            tool=value.get("tool_version") or "",
            seed=value.get("seed"),
            command=value.get("command"),
            split_proof=value.get("split_proof"),
            description=value.get("description") or "",
        )


def is_url(path: str) -> bool:
    """Whether a record's path is an fsspec URL."""
    return "://" in path


class Manifest:
    """A dataset on disk, opened for reading.

    Attributes:
        folder: where it lies.
        info: what it is.
    """

    def __init__(self, folder: Path, info: Info, parquet: pq.ParquetFile) -> None:
        self.folder, self.info, self._parquet = folder, info, parquet

    @staticmethod
    def open(path: str | os.PathLike[str]) -> Manifest:
        """Open a manifest by its folder or its ``dataset.json``.

        Raises:
            BadInput: there is none, or it cannot be read.
        """
        place = Path(path)
        folder = place.parent if place.name == DATASET else place
        try:
            info = Info.from_json(description(folder))
        except (FileNotFoundError, NotADirectoryError):
            found = "no such folder" if not folder.exists() else "neither dataset.json nor records.parquet"
            if folder.exists() and (folder / RECORDS).exists():
                found = "records.parquet without dataset.json"
            raise BadInput(
                place,
                "a manifest (a folder with dataset.json and records.parquet)",
                found,
                "make one: masksmith generate",
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise BadInput(folder / DATASET, "the description of a dataset", f"{fault!r}", "restore it") from None
        try:
            parquet = pq.ParquetFile(folder / RECORDS)
        except FileNotFoundError:
            raise BadInput(folder / RECORDS, "the records of the dataset", "no such file", "restore it") from None
        except (pa.ArrowInvalid, OSError) as fault:
            raise BadInput(folder / RECORDS, "a Parquet file", str(fault).splitlines()[0], "restore it") from None
        missing = sorted(set(SCHEMA.names) - set(parquet.schema_arrow.names))
        if missing:
            raise BadInput(folder / RECORDS, "the columns of records", f"no {', '.join(missing)}", "restore it")
        return Manifest(folder, info, parquet)

    def __len__(self) -> int:
        return int(self._parquet.metadata.num_rows)

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The records as tables of a row group each, so that memory stays flat."""
        for group in range(self._parquet.num_row_groups):
            yield self._read(group, SCHEMA.names if columns is None else list(columns))

    def records(self, split: str | None = None) -> Iterator[Record]:
        """The records in order, or those of one split, read as they are asked for."""
        for table in self.tables():
            for record in from_table(table):
                if split is None or record.split == split:
                    yield record

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All records, or some columns of them, as one table."""
        parts = list(self.tables(columns))
        if parts:
            return pa.concat_tables(parts)
        return SCHEMA.empty_table().select(SCHEMA.names if columns is None else list(columns))

    def rows(self, start: int, count: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The records from ``start`` to ``start + count``, read from their row groups alone."""
        names = SCHEMA.names if columns is None else list(columns)
        parts, first = [], 0
        for group in range(self._parquet.num_row_groups):
            size = self._parquet.metadata.row_group(group).num_rows
            low, high = max(start - first, 0), min(start + count - first, size)
            if low < high:
                parts.append(self._read(group, names).slice(low, high - low))
            first += size
        return pa.concat_tables(parts) if parts else SCHEMA.empty_table().select(names)

    def _read(self, group: int, names: list[str]) -> pa.Table:
        try:
            table = self._parquet.read_row_group(group, columns=names).select(names)
            return table.cast(pa.schema([SCHEMA.field(name) for name in names]))
        except (pa.ArrowException, OSError, ValueError) as fault:
            found = f"damage in row group {group} ({str(fault).splitlines()[0]})"
            raise BadInput(self.folder / RECORDS, "records that can be read", found, "restore it") from None

    def path(self, relative: str) -> Path:
        """Where the file of a record lies.

        Raises:
            BadInput: in a tar shard or an object store, so not as a file.
        """
        if is_url(relative):
            fix = f"bring them to disk: masksmith convert {self.folder} --from webdataset --out FOLDER"
            raise BadInput(self.folder, "pictures and masks as files", f"{relative} (a URL)", fix)
        return self.folder / relative

    def url(self, path: str) -> str:
        """The fsspec URL of a record's file that is named by one; of a tar beside the manifest, from the root."""
        member, chained, shard = path.partition("::")
        beside = chained and not is_url(shard)
        return f"{member}::file://{(self.folder / shard).resolve()}" if beside else path

    @property
    def digest(self) -> str:
        """SHA-256 of ``records.parquet``."""
        return files.sha256(self.folder / RECORDS)


class ManifestWriter:
    """Writes a manifest in a stream; it appears when the block ends without an error, and not before.

    Args:
        folder: where; made if need be.
        info: what it is; its split proof is kept unless ``prove`` is given.
        prove: group keys; the split is then proved over them as it is written.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        info: Info,
        rows_per_group: int = ROWS_PER_GROUP,
        prove: Sequence[str] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.info = info
        self._rows_per_group = rows_per_group
        self._prove = prove
        self._waiting: list[Record] = []
        self._tables: list[pa.Table] = []
        self._pending = 0
        self.count = 0

    def __enter__(self) -> ManifestWriter:
        files.writable(self.folder)
        self._files = contextlib.ExitStack()  # leaves in reverse order: the records appear first
        self._described = self._files.enter_context(files.atomic(self.folder / DATASET))
        self._part = self._files.enter_context(files.atomic(self.folder / RECORDS))
        self._sink = pq.ParquetWriter(self._part, SCHEMA, compression="zstd", compression_level=3)
        return self

    def add(self, record: Record) -> None:
        """Add one record."""
        self._waiting.append(record)
        if len(self._waiting) >= self._rows_per_group:
            self._take()

    def add_table(self, table: pa.Table) -> None:
        """Add the records of a table of the record schema."""
        self._take()
        self._tables.append(table.select(SCHEMA.names).cast(SCHEMA))
        self._pending += table.num_rows
        self._flush(whole=False)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._take()
                self._flush(whole=True)
            self._sink.close()
            if kind is None:
                # described before anything is renamed: what a kill can come between is two renames, not two states
                self._described.write_bytes(_document(self._part, self.info, self._prove))
        except BaseException as late:
            self._files.__exit__(type(late), late, late.__traceback__)
            raise
        self._files.__exit__(kind, fault, trace)

    def _take(self) -> None:
        if self._waiting:
            self._tables.append(to_table(self._waiting))
            self._pending += len(self._waiting)
            self._waiting = []
        self._flush(whole=False)

    def _flush(self, whole: bool) -> None:
        """Row groups of equal size, whatever the sizes that came in: the bytes depend on the records alone."""
        if self._pending < self._rows_per_group and not whole:
            return
        everything = pa.concat_tables(self._tables).combine_chunks() if self._tables else SCHEMA.empty_table()
        cut = everything.num_rows if whole else everything.num_rows // self._rows_per_group * self._rows_per_group
        for start in range(0, cut, self._rows_per_group):
            self._sink.write_table(everything.slice(start, min(self._rows_per_group, cut - start)))
        rest = everything.slice(cut)
        self._tables, self._pending = ([rest], rest.num_rows) if rest.num_rows else ([], 0)
        self.count += cut


def _document(records: Path, info: Info, prove: Sequence[str] | None) -> bytes:
    """The bytes of ``dataset.json`` beside a file of records."""
    if prove is not None:
        from manifests.proof import make_proof  # the proof reads manifests

        table = pq.ParquetFile(records).read(columns=["id", "subject", "groups", "split", "clip", "source"])
        info = replace(info, split_proof=make_proof(table, tuple(prove), info.seed))
    document = croissant.document(info, files.sha256(records))
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def description(folder: Path) -> dict[str, Any]:
    """What ``dataset.json`` says, or what was to take its place when its writer was killed between two renames."""
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, IndexError, TypeError):
        waiting = json.loads((folder / f".{DATASET}.part").read_text(encoding="utf-8"))
        if waiting["distribution"][0]["sha256"] == files.sha256(folder / RECORDS):
            return dict(waiting)
    described: dict[str, Any] = json.loads((folder / DATASET).read_text(encoding="utf-8"))
    return described
