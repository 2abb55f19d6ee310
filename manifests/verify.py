"""Verification: is every file of a manifest there, whole, unchanged and what its record says."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from manifests.manifest import RECORDS, Manifest, description, is_url
from manifests.record import IGNORE
from masksmith import files, images
from masksmith.engine import Engine, Serial, Shard
from masksmith.errors import BadInput, MasksmithError

KEPT = 100
SHARD_RECORDS = 256
_COLUMNS = ("id", "image", "mask", "width", "height", "sha256_image", "sha256_mask")


@dataclass(frozen=True)
class Problem:
    """Something wrong with a record.

    Attributes:
        kind: ``missing``, ``damaged``, ``sha256``, ``image size``, ``mask size``, ``class ids``, ``0/255 mask``,
            ``duplicate id`` or ``records.parquet``.
        id: the record's id; empty where it is about the whole manifest.
        file: the file at fault.
        expected, found, fix: as in :class:`masksmith.errors.BadInput`.
    """

    kind: str
    id: str
    file: str
    expected: str
    found: str
    fix: str


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        records, files: how many were looked at.
        problems: the first :data:`KEPT`, in the order of the records.
        counts: all of them, by kind.
        unread: files at URLs, which are not looked at.
        unhashed: files without a digest; they were decoded in whole instead.
    """

    records: int
    files: int
    problems: tuple[Problem, ...]
    counts: Mapping[str, int]
    unread: int
    unhashed: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def fault(self) -> BadInput | None:
        """The first problem as an error that says how many there are; None where there is none."""
        if not self.total:
            return None
        first = self.problems[0]
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.counts.items())
        fix = first.fix if self.total == 1 else f"{first.fix} ({self.total} problems in all: {kinds})"
        return BadInput(first.file, first.expected, first.found, fix)


def verify(manifest: Manifest, engine: Engine | None = None) -> Verification:
    """Look at every file of a manifest.

    A file is checked against its SHA-256 where the record has one and decoded in whole where it has none; image and
    mask sizes against the record; mask values against the class table, 255 being ignore. Masks that hold nothing but
    0 and 255 under a class table of 0 and 1 are problems unless another mask shows that 255 means ignore here, by
    having it beside a class.
    """
    engine = engine or Serial()
    shards = list(_shards(manifest))
    work = functools.partial(_look, str(manifest.folder), dict(manifest.info.classes))
    results = engine.map(work, shards, label="verifying")
    ignores = any(result["ignores"] for result in results)
    counts: Counter[str] = Counter()
    problems = list(_of_the_whole(manifest, counts))
    for result in results:
        counts.update(result["counts"])
        if not ignores and result["binary"]:
            counts["0/255 mask"] += result["binary"]
        shown = [p for p in result["problems"] if p["kind"] != "0/255 mask" or not ignores]
        problems += [Problem(**p) for p in shown[: max(KEPT - len(problems), 0)]]
    return Verification(
        records=len(manifest),
        files=sum(result["files"] for result in results),
        problems=tuple(problems[:KEPT]),
        counts=dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))),
        unread=sum(result["unread"] for result in results),
        unhashed=sum(result["unhashed"] for result in results),
    )


def _shards(manifest: Manifest) -> Iterator[Shard]:
    """Row ranges instead of rows: workers read them from the manifest, so that memory stays flat."""
    for index, start in enumerate(range(0, len(manifest), SHARD_RECORDS)):
        count = min(SHARD_RECORDS, len(manifest) - start)
        yield Shard(index, count, (start, count))


def _of_the_whole(manifest: Manifest, counts: Counter[str]) -> Iterator[Problem]:
    described = description(manifest.folder)
    for entry in described.get("distribution") or ():
        if isinstance(entry, dict) and entry.get("@id") == RECORDS and entry.get("sha256") != manifest.digest:
            counts["records.parquet"] += 1
            yield Problem(
                "records.parquet",
                "",
                str(manifest.folder / RECORDS),
                f"SHA-256 {entry.get('sha256')}, as dataset.json says",
                manifest.digest,
                "restore either, or write both again: masksmith split",
            )
    for row in manifest.table(["id"]).column("id").value_counts().to_pylist():
        if row["counts"] > 1:
            counts["duplicate id"] += 1
            if counts["duplicate id"] <= KEPT:
                yield Problem(
                    "duplicate id",
                    row["values"],
                    f"{manifest.folder / RECORDS} id {row['values']!r}",
                    "one record an id",
                    f"{row['counts']} records",
                    "give them ids of their own",
                )


class _Shard:
    """The tally of a shard."""

    def __init__(self, folder: Path, classes: Mapping[str, int]) -> None:
        self.folder, self.classes = folder, classes
        self.known = np.zeros(256, bool)
        self.known[[number for number in classes.values() if 0 <= number <= 255]] = True
        self.known[IGNORE] = True
        self.zero_one = set(classes.values()) == {0, 1}
        self.problems: list[dict[str, str]] = []
        self.counts: Counter[str] = Counter()
        self.files = self.unread = self.unhashed = self.binary = 0
        self.ignores = False

    def record(self, row: Mapping[str, Any]) -> None:
        image = self._file(row["id"], row["image"], row["sha256_image"])
        if image is not None:
            self._guarded(row["id"], image, lambda: self._image(row, image))
        if row["mask"] is None:
            return
        mask = self._file(row["id"], row["mask"], row["sha256_mask"])
        if mask is not None:
            self._guarded(row["id"], mask, lambda: self._mask(row, mask))

    def _image(self, row: Mapping[str, Any], path: Path) -> None:
        height, width = images.image_size(path) if row["sha256_image"] else images.read_image(path).shape[:2]
        if (width, height) != (row["width"], row["height"]):
            self.problem(
                "image size", row["id"], path, _size(row), f"{width} x {height}", "restore the image, or its record"
            )

    def _mask(self, row: Mapping[str, Any], path: Path) -> None:
        mask = images.read_mask(path)
        if mask.shape != (row["height"], row["width"]):
            found = f"{mask.shape[1]} x {mask.shape[0]}"
            self.problem(
                "mask size", row["id"], path, f"a mask of its image's size, {_size(row)}", found, "make it anew"
            )
        there = np.bincount(mask.ravel(), minlength=256) > 0
        strange = np.flatnonzero(there & ~self.known).tolist()
        table = ", ".join(f"{number} {name}" for name, number in self.classes.items())
        if strange:
            shown = ", ".join(map(str, strange[:5])) + (f" and {len(strange) - 5} more" if len(strange) > 5 else "")
            fix = "map them to the table's ids, or add them to it"
            self.problem("class ids", row["id"], path, f"ids of the class table ({table}; 255 ignore)", shown, fix)
        if there[IGNORE] and there[1:IGNORE].any():
            self.ignores = True
        elif self.zero_one and there[IGNORE] and not strange:
            self.binary += 1
            self.problem(
                "0/255 mask",
                row["id"],
                path,
                f"ids of the class table ({table})",
                "only 0 and 255; 255 means ignore here, so this mask has no foreground at all",
                "if 255 is its foreground, write 1 instead",
                counted=False,  # whether it is one shows when all masks are seen
            )

    def _file(self, name: str, path: str, digest: str | None) -> Path | None:
        if is_url(path):
            self.unread += 1
            return None
        place = self.folder / path
        if ".." in place.parts:
            place = Path(os.path.realpath(place))
        self.files += 1
        if not place.is_file():
            found = "a folder" if place.is_dir() else "no such file"
            self.problem("missing", name, place, f"a file of record {name!r}", found, "restore it")
            return None
        if not digest:
            self.unhashed += 1
            return place
        try:
            now = files.sha256(place)
        except OSError as fault:
            self.problem("damaged", name, place, "a readable file", fault.strerror or str(fault), "restore it")
            return None
        if now != digest:
            self.problem(
                "sha256", name, place, f"SHA-256 {digest}", now, "restore it: it was changed after it was recorded"
            )
        return place

    def _guarded(self, name: str, path: Path, look: Any) -> None:
        try:
            look()
        except BadInput as fault:
            self.problem("damaged", name, path, fault.expected, fault.found, fault.fix)
        except (OSError, MasksmithError) as fault:
            self.problem("damaged", name, path, "a readable file", str(fault), "restore it")

    def problem(
        self, kind: str, name: str, path: Path, expected: str, found: str, fix: str, counted: bool = True
    ) -> None:
        if counted:
            self.counts[kind] += 1
        # room of their own for those that may turn out to be none
        if sum((p["kind"] == "0/255 mask") == (not counted) for p in self.problems) < KEPT:
            self.problems.append(
                {"kind": kind, "id": name, "file": str(path), "expected": expected, "found": found, "fix": fix}
            )


def _look(folder: str, classes: Mapping[str, int], shard: Shard) -> dict[str, Any]:
    start, count = shard.payload
    tally = _Shard(Path(folder), classes)
    for row in Manifest.open(folder).rows(start, count, _COLUMNS).to_pylist():
        tally.record(row)
    return {
        "problems": tally.problems,
        "counts": dict(tally.counts),
        "files": tally.files,
        "unread": tally.unread,
        "unhashed": tally.unhashed,
        "binary": tally.binary,
        "ignores": tally.ignores,
    }


def _size(row: Mapping[str, Any]) -> str:
    return f"{row['width']} x {row['height']}"
