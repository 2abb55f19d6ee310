"""The listing: what a reader finds, spooled to disk in shards, and the list of what it does not find."""

from __future__ import annotations

import csv
import heapq
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loaders.readers.reader import Item, Reader, first_few
from masksmith import files
from masksmith.engine import Shard
from masksmith.errors import BadInput
from masksmith.receipts import FOLDER

SHARD_ITEMS = 64
LISTING = "listing"
MISSING = "missing.csv"
UNREADABLE = "unreadable"
_COLUMNS = ("id", "image", "mask", "reason", "detail")


@dataclass
class Listing:
    """What was found.

    Attributes:
        shards: a shard's payload is (name of its spool, digest of all that its records hang on).
        missing: reason to the number of items that are left out for it.
        faults: the reasons that the dataset does not excuse, with the first ids.
    """

    shards: list[Shard] = field(default_factory=list)
    missing: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)


def spool(reader: Reader, out: Path) -> Listing:
    """List the items of a reader, a file a shard, below ``out``; what is left out goes to a table beside them.

    Raises:
        BadInput: two items of one id, or a file that is not there.
    """
    found = Listing()
    waiting: list[Item] = []
    last = ""
    with files.atomic(_missing(out), durable=False) as part, part.open("w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        for item in reader.items():
            if last and item.id <= last:
                if item.id == last:
                    raise BadInput(reader.root, "one record an id", f"{item.id} twice", "rename or remove one of them")
                raise ValueError(f"reader {reader.name}: {item.id} comes after {last}")
            last = item.id
            if item.lacks:
                rows.writerow([item.id, item.image, item.mask or "", item.lacks, item.detail])
                found.missing[item.lacks] += 1
                if not item.excused:
                    found.faults.setdefault(item.lacks, []).append(item.id)
                continue
            waiting.append(item)
            if len(waiting) == SHARD_ITEMS:
                _spool(reader, out, waiting, found.shards)
        if waiting:
            _spool(reader, out, waiting, found.shards)
    return found


def read_spool(folder: Path, name: str) -> list[Item]:
    """The items of a shard; ``folder`` is that of the receipts."""
    return [Item(**row) for row in json.loads((folder / LISTING / name).read_text())]


def refuse_faults(reader: Reader, found: Listing) -> None:
    """Stop at what the dataset should have.

    Raises:
        BadInput: naming the reasons with the first ids of each.
    """
    if found.faults:
        told = "; ".join(f"{len(ids)} with {reason} ({first_few(ids)})" for reason, ids in sorted(found.faults.items()))
        raise BadInput(reader.root, "a whole dataset", told, "restore the files, or leave these out with --skip-bad")


def refuse_unreadable(reader: Reader, out: Path, faults: Sequence[dict[str, Any]]) -> None:
    """Stop at files that cannot be used; the one, or how many and which.

    Raises:
        BadInput: naming them.
    """
    if len(faults) == 1:
        raise BadInput(*faults[0]["fault"])
    if faults:
        first = BadInput(*faults[0]["fault"])
        raise BadInput(
            reader.root,
            "files that can be used",
            f"{len(faults)} that cannot ({first_few([each['id'] for each in faults])}); the first: {first}",
            f"{out / MISSING} lists all; correct them, or leave them out with --skip-bad",
        )


def write_missing(out: Path, faults: Sequence[dict[str, Any]]) -> int:
    """Write the table of what is left out, in the order of ids; none where there is nothing. Returns its length."""
    unreadable = (
        [each["id"], each["image"], each["mask"] or "", UNREADABLE, str(BadInput(*each["fault"]))] for each in faults
    )
    final = out / MISSING
    count = 0
    with files.atomic(final) as part, part.open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle, lineterminator="\n")
        table.writerow(_COLUMNS)
        for row in heapq.merge(_rows(_missing(out)), unreadable, key=lambda row: row[0]):
            table.writerow(row)
            count += 1
    if not count:
        final.unlink()
    return count


def _rows(path: Path) -> Iterator[list[str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        yield from csv.reader(handle)


def _missing(out: Path) -> Path:
    return out / FOLDER / LISTING / MISSING


def _spool(reader: Reader, out: Path, waiting: list[Item], shards: list[Shard]) -> None:
    name = f"{len(shards):06d}.json"
    rows = [dict(vars(item)) for item in waiting]
    files.write_json(out / FOLDER / LISTING / name, rows, durable=False)
    dated = [(row, [_date(p) for p in (row["image"], row["mask"], *row["files"].values()) if p]) for row in rows]
    hangs_on = [reader.source, list(reader.licence), reader.settings, dated]
    shards.append(Shard(len(shards), len(rows), (name, files.digest(hangs_on))))
    waiting.clear()


def _date(path: str) -> tuple[int, int]:
    try:
        state = Path(path).stat()
    except OSError as fault:
        raise BadInput(path, "a file", fault.strerror or "none", "restore it, or remove its counterpart") from None
    return state.st_size, state.st_mtime_ns
