"""Bringing a dataset into one manifest: what a reader finds is looked at, then written.

Two rounds of shards. The first opens every image and mask, checks and hashes them and counts the masks' values; what
the values mean is then decided over all of them. The second writes what has to be written: masks whose values are no
class ids, and with ``copy`` everything. A shard that is done is done again only where its files have changed since.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from loaders.coding import Coding, Tally, decide
from loaders.readers.reader import Item, Reader
from manifests import Info, ManifestWriter, Record
from manifests.manifest import RECORDS
from manifests.record import from_table, to_table
from masksmith import __version__, files, images
from masksmith.engine import Engine, Shard
from masksmith.errors import BadInput, UsageProblem
from masksmith.receipts import FOLDER, Receipts

SHARD_ITEMS = 64
LISTING, LOOK, WRITE, DONE = "listing", "look", "write", "done.json"


@dataclass(frozen=True)
class Task:
    """What is to be done.

    Attributes:
        reader: finds the items.
        out: folder of the manifest.
        copy: copy images and masks byte for byte into ``out`` instead of naming them where they are.
        absolute: name files left in place by absolute paths instead of paths relative to ``out``.
        command: for ``dataset.json``.
    """

    reader: Reader
    out: Path
    copy: bool = False
    absolute: bool = False
    command: str | None = None


@dataclass(frozen=True)
class Prepared:
    """What was found and written.

    Attributes:
        records: their number.
        coding: what the masks' values mean.
        shares: class name to its share of all pixels of masks.
        smallest, largest: (width, height) of the images with fewest and most pixels.
        rewritten: number of masks written anew as class ids.
    """

    records: int
    coding: Coding
    shares: dict[str, float]
    smallest: tuple[int, int]
    largest: tuple[int, int]
    rewritten: int


def prepare(task: Task, engine: Engine, tell: Callable[[str], None] = lambda _: None) -> Prepared:
    """Write the manifest; a run that was stopped goes on, and so does one that bad input stopped.

    Args:
        tell: is given what the user should know, a sentence each.

    Raises:
        BadInput: a file that cannot be used, or a folder that holds something else.
        UsageProblem: both ``copy`` and ``absolute``.
        EnvironmentFault: the disk is full, the folder is not writable, or another run is writing there.
    """
    if task.copy and task.absolute:
        raise UsageProblem("use just one of --copy and --absolute")
    _own(task.out)
    # before anything is written: most mistakes show here
    first = next(task.reader.items(), None)
    if first is None:
        raise BadInput(task.reader.root, f"the dataset {task.reader.name}", "no images", "check --from")
    out = files.writable(task.out)
    with files.sole_writer(out / FOLDER):
        _own(out)
        shards = _list(task.reader, out)
        looks = Receipts(out, LOOK, {"reader": task.reader.name, "version": __version__})
        _drop_stale(looks, shards, [str(shard.payload[1]) for shard in shards])
        looked = engine.map(partial(_look, task.reader, os.fspath(out)), shards, receipts=looks, label="looking")
        tally = Tally.together(each["tally"] for each in looked)
        coding = decide(tally, task.reader.classes, task.reader.class_name)
        rewrites = task.reader.rewrites or bool(coding.ids)
        for text in coding.notes:
            tell(text)
        if coding.ids:
            tell(f"these masks are written anew as class ids in {out / 'masks'}; the originals stay as they are")
        _keep_foreign(task, rewrites)
        writes = Receipts(out, WRITE, _job(task, coding))
        shards = [Shard(s.index, s.items, each["rows"]) for s, each in zip(shards, looked, strict=True)]
        _drop_stale(writes, shards, [files.digest(each) for each in looked])
        plan = _Writing(task, coding, rewrites)
        written = engine.map(partial(_write, plan), shards, receipts=writes, label="writing")
        _assemble(task, coding, [writes.folder / each["rows"] for each in written])
    areas = [tuple(size) for each in looked for size in each["sizes"]]
    return Prepared(
        sum(each["records"] for each in looked),
        coding,
        coding.shares(tally) if tally.kinds else {},
        min(areas, key=_area),
        max(areas, key=_area),
        sum(each["rewritten"] for each in written),
    )


def _area(size: Sequence[int]) -> tuple[int, int]:
    return size[0] * size[1], size[0]


def _own(out: Path) -> None:
    """Refuse a folder with a dataset that another command wrote or changed, such as its split."""
    if not (out / RECORDS).exists():
        return
    note = out / FOLDER / DONE
    if note.exists():
        as_left = json.loads(note.read_text())["records"] == files.sha256(out / RECORDS)
        found = "one that was changed since (split, filtered, ...)"
    else:
        as_left = (out / FOLDER / WRITE).is_dir()  # stopped between the manifest and the note
        found = "another dataset"
    if not as_left:
        raise BadInput(
            out / RECORDS, "no dataset, or the one this command left", found, "give another --to, or delete that folder"
        )


def _keep_foreign(task: Task, rewrites: bool) -> None:
    """Refuse to write among files that are not from here, such as the dataset's own."""
    if (task.out / FOLDER / WRITE).is_dir():
        return
    for name, wanted in (("images", task.copy), ("masks", task.copy or rewrites)):
        if wanted and (task.out / name).exists():
            raise BadInput(
                task.out / name,
                f"no folder {name} yet: {'copies' if task.copy else 'masks of class ids'} go there",
                "one with files of another origin",
                "give another --to",
            )


def _list(reader: Reader, out: Path) -> list[Shard]:
    """Spool the items to disk, a file a shard; a shard's payload is (name, digest of all that its records hang on)."""
    shards: list[Shard] = []
    last = ""
    waiting: list[Item] = []

    def spool() -> None:
        name = f"{len(shards):06d}.json"
        rows = [asdict(item) for item in waiting]
        files.write_json(out / FOLDER / LISTING / name, rows, durable=False)
        dated = [(row, [_date(path) for path in (row["image"], row["mask"]) if path]) for row in rows]
        shards.append(Shard(len(shards), len(rows), (name, files.digest([reader.source, list(reader.licence), dated]))))
        waiting.clear()

    for item in reader.items():
        if last and item.id <= last:
            if item.id == last:
                raise BadInput(reader.root, "one record an id", f"{item.id} twice", "rename or remove one of them")
            raise ValueError(f"reader {reader.name}: {item.id} comes after {last}")
        last = item.id
        waiting.append(item)
        if len(waiting) == SHARD_ITEMS:
            spool()
    if waiting:
        spool()
    return shards


def _date(path: str) -> tuple[int, int]:
    try:
        state = Path(path).stat()
    except OSError as fault:
        raise BadInput(path, "a file", fault.strerror or "none", "restore it, or remove its counterpart") from None
    return state.st_size, state.st_mtime_ns


def _drop_stale(receipts: Receipts, shards: Sequence[Shard], inputs: Sequence[str]) -> None:
    """Remove the receipts of shards whose input is another one now, so that they are done again."""
    for shard, value in zip(shards, inputs, strict=True):
        note = receipts.folder / f"{shard.index:06d}.of"
        if not note.exists() or note.read_text() != value:
            receipts.path(shard.index).unlink(missing_ok=True)
            files.write_bytes(note, value.encode(), durable=False)


def _look(reader: Reader, out: str, shard: Shard) -> dict[str, Any]:
    """Open, check and hash the files of a shard; their records go beside the receipt."""
    folder = Path(out) / FOLDER
    rows = []
    tally = Tally()
    for item in json.loads((folder / LISTING / shard.payload[0]).read_text()):
        rows.append(_record(reader, Item(**item), tally))
    name = f"{shard.index:06d}.parquet"
    with files.atomic(folder / LOOK / name, durable=False) as part:
        pq.write_table(to_table(rows), part, compression="zstd")
    sizes = [(row.width, row.height) for row in rows]
    return {
        "rows": name,
        "of": shard.payload[1],
        "records": len(rows),
        "sizes": [min(sizes, key=_area), max(sizes, key=_area)],
        "tally": tally.as_json(),
    }


def _record(reader: Reader, item: Item, tally: Tally) -> Record:
    # read whole, by the function that training reads with: what passes here does not fail there
    height, width = images.read_image(item.image).shape[:2]
    if item.mask is not None:
        mask = reader.read_mask(item.mask)
        if mask.shape != (height, width):
            lying = mask.shape == (width, height)
            raise BadInput(
                item.mask,
                f"the size of its upright image, {width} x {height}",
                f"{mask.shape[1]} x {mask.shape[0]}" + (", lying on its side" if lying else ""),
                "turn it as the image's EXIF orientation turns that" if lying else "resize it or remove the pair",
            )
        tally.add(item.mask, mask)
    return Record(
        id=item.id,
        image=item.image,
        mask=item.mask,
        width=width,
        height=height,
        subject=item.subject,
        groups={key: tuple(values) for key, values in item.groups.items()},
        split=item.split,
        clip=item.clip,
        frame=item.frame,
        source=item.source or reader.source,
        licence=tuple(item.licence) or reader.licence,
        sha256_image=files.sha256(item.image),
        sha256_mask=None if item.mask is None else files.sha256(item.mask),
        extra=item.extra,
    )


def _job(task: Task, coding: Coding) -> dict[str, Any]:
    return {
        "reader": task.reader.name,
        "from": os.fspath(task.reader.root),
        "to": None if task.copy or task.absolute else os.path.realpath(task.out),
        "copy": task.copy,
        "absolute": task.absolute,
        "classes": dict(coding.classes),
        "mask values": {str(value): number for value, number in coding.ids.items()},
        "version": __version__,
    }


@dataclass(frozen=True)
class _Writing:
    """What a worker needs to know besides its shard."""

    task: Task
    coding: Coding
    rewrites: bool


def _write(plan: _Writing, shard: Shard) -> dict[str, Any]:
    """Copy, rewrite or just name the files of a shard; the records go beside the receipt."""
    folder = plan.task.out / FOLDER
    rows = [_placed(plan, record) for record in from_table(pq.read_table(folder / LOOK / shard.payload))]
    name = f"{shard.index:06d}.parquet"
    with files.atomic(folder / WRITE / name, durable=False) as part:
        pq.write_table(to_table(rows), part, compression="zstd")
    return {"rows": name, "rewritten": sum(row.mask is not None for row in rows) if plan.rewrites else 0}


def _placed(plan: _Writing, record: Record) -> Record:
    image, mask, digest = _left(plan.task, record.image), record.mask, record.sha256_mask
    if plan.task.copy:
        image = _copied(plan.task.out, "images", record.id, record.image, record.sha256_image)
    if mask is not None and plan.rewrites:
        data = images.encode_png(plan.coding.apply(plan.task.reader.read_mask(mask)))
        mask, digest = f"masks/{record.id}.png", files.digest(data)
        files.write_bytes(plan.task.out / mask, data, durable=False)
    elif mask is not None:
        if plan.task.copy:
            mask = _copied(plan.task.out, "masks", record.id, mask, digest or "")
        else:
            mask = _left(plan.task, mask)
    return replace(record, image=image, mask=mask, sha256_mask=digest)


def _left(task: Task, path: str) -> str:
    """How the manifest names a file that stays where it is."""
    if task.absolute:
        return path
    return Path(os.path.relpath(path, os.path.realpath(task.out))).as_posix()


def _copied(out: Path, folder: str, name: str, path: str, sha256: str) -> str:
    data = Path(path).read_bytes()
    if files.digest(data) != sha256:
        raise BadInput(path, "the file that was checked", "another one now", "run the same command again")
    place = f"{folder}/{name}{Path(path).suffix}"
    files.write_bytes(out / place, data, durable=False)
    return place


def _assemble(task: Task, coding: Coding, parts: Sequence[Path]) -> None:
    note = task.out / FOLDER / DONE
    note.unlink(missing_ok=True)
    licences: set[str] = set()
    total = hashlib.sha256()
    for record in _records(parts):
        licences.update(record.licence)
        total.update(f"{record.id} {record.sha256_image} {record.sha256_mask or '-'}\n".encode())
    source = {"name": task.reader.source, "sha256": total.hexdigest(), "licence": ", ".join(sorted(licences))}
    info = Info(
        name=task.out.resolve().name,
        classes=dict(coding.classes),
        licence=tuple(sorted(licences)),
        citation=task.reader.citation,
        sources=(source,),
        command=task.command,
        description=task.reader.description,
    )
    with ManifestWriter(task.out, info) as writer:
        for part in parts:
            writer.add_table(pq.read_table(part))
    files.write_json(note, {"records": files.sha256(task.out / RECORDS)})


def _records(parts: Sequence[Path]) -> Iterator[Record]:
    for part in parts:
        yield from from_table(pq.read_table(part))
