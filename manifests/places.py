"""Places: where the files of a manifest lie, and how its paths read from another folder."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from manifests.manifest import DATASET, RECORDS, Manifest, is_url
from masksmith.errors import UsageProblem

PATHS_IN_EXTRA = ("alpha", "instances", "motion", "hidden")
"""Keys of ``Record.extra`` that hold paths, besides those that have their digest beside them (``sha256_depth``)."""
_DIGEST = "sha256_"


def prefix(old: Path, new: Path) -> str:
    """What stands before a path relative to ``old`` to make it relative to ``new``; empty for the same folder."""
    # real paths: ".." out of a linked folder leads to where the link points, not to where it stands
    relative = Path(os.path.relpath(os.path.realpath(old), os.path.realpath(new))).as_posix()
    return "" if relative == "." else relative


def moved(table: pa.Table, before: str) -> pa.Table:
    """Records with ``before`` (see :func:`prefix`) put in front of their relative paths, those in ``extra`` too."""
    if not before:
        return table
    for name in ("image", "mask"):
        paths = [_moved(path, before) for path in table.column(name).to_pylist()]
        table = with_column(table, name, pa.array(paths, pa.string()))
    notes = [_moved_extra(text, before) for text in table.column("extra").to_pylist()]
    return with_column(table, "extra", pa.array(notes, pa.string()))


def located(manifest: Manifest, paths: pa.ChunkedArray) -> list[str | None]:
    """Paths of a manifest as absolute ones, links in the way to its folder followed."""
    here = Path(os.path.realpath(manifest.folder)).as_posix()
    return [_moved(path, here) for path in paths.to_pylist()]


def tables_from(manifest: Manifest, folder: Path) -> Iterator[tuple[int, pa.Table]]:
    """The records of a manifest, row group by row group, with paths as they read from ``folder``.

    Yields:
        The number of records before, and the table.
    """
    before = prefix(manifest.folder, folder)
    start = 0
    for table in manifest.tables():
        yield start, moved(table, before)
        start += table.num_rows


def with_column(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """A table with one of its columns replaced."""
    position = table.schema.get_field_index(name)
    return table.set_column(position, table.schema.field(position), values)


def chosen(table: pa.Table, keep: np.ndarray) -> pa.Table:
    """The rows of a table where ``keep`` (N,) bool is true."""
    return table.take(pa.array(np.flatnonzero(keep)))


def new_folder(path: Path) -> Path:
    """A folder that holds no manifest yet.

    Raises:
        UsageProblem: it does; nothing is overwritten.
    """
    if (path / DATASET).exists() or (path / RECORDS).exists():
        raise UsageProblem(f"{path}: a dataset is there already; give another --out, or delete that one first")
    return path


def _moved_extra(text: str | None, before: str) -> str | None:
    if text is None or not any(f'"{key}' in text for key in (*PATHS_IN_EXTRA, _DIGEST)):
        return text
    extra = json.loads(text)
    digested = [key.removeprefix(_DIGEST) for key in extra if key.startswith(_DIGEST)]
    for key in dict.fromkeys((*PATHS_IN_EXTRA, *digested)):
        if isinstance(extra.get(key), str):
            extra[key] = _moved(extra[key], before)
    return json.dumps(extra, sort_keys=True, ensure_ascii=False)


def _moved(path: str | None, before: str) -> str | None:
    if path is None or posixpath.isabs(path):
        return path
    if is_url(path):  # of a chain, tar://MEMBER::SHARD, the shard may be a path
        chain, link, last = path.rpartition("::")
        return f"{chain}{link}{_moved(last, before)}" if link and not is_url(last) else path
    return posixpath.normpath(f"{before}/{path}")
