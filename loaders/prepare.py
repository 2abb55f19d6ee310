"""Bringing a dataset into one manifest: what a reader finds is looked at, then written.

Two rounds of shards. The first opens every image and mask, checks and hashes them and counts the masks' values; what
the values mean is then decided over all of them. The second writes what has to be written: masks whose values are no
class ids, and with ``copy`` everything. A shard that is done is done again only where its files have changed since.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from loaders.coding import Coding, Tally, decide
from loaders.listing import MISSING, UNREADABLE, refuse_faults, refuse_unreadable, spool, write_missing
from loaders.looking import LOOK, Look, area
from loaders.readers.reader import Reader
from manifests import Info, ManifestWriter, Record
from manifests.manifest import RECORDS
from manifests.places import PATHS_IN_EXTRA
from manifests.record import from_table, to_table
from masksmith import __version__, files, images
from masksmith.engine import Engine, Shard
from masksmith.errors import BadInput, UsageProblem
from masksmith.receipts import FOLDER, Receipts

WRITE, DONE = "write", "done.json"


@dataclass(frozen=True)
class Task:
    """What is to be done.

    Attributes:
        reader: finds the items.
        out: folder of the manifest.
        copy: copy images and masks byte for byte into ``out`` instead of naming them where they are.
        absolute: name files left in place by absolute paths instead of paths relative to ``out``.
        skip_bad: leave out what is missing or cannot be read, and list it, instead of stopping there.
        command: for ``dataset.json``.
    """

    reader: Reader
    out: Path
    copy: bool = False
    absolute: bool = False
    command: str | None = None
    skip_bad: bool = False


@dataclass(frozen=True)
class Prepared:
    """What was found and written.

    Attributes:
        records: their number.
        coding: what the masks' values mean.
        shares: class name to its share of all pixels of masks.
        smallest, largest: (width, height) of the images with fewest and most pixels.
        rewritten: number of masks written anew as class ids.
        missing: reason to the number of items that are left out for it; ``missing.csv`` lists them.
    """

    records: int
    coding: Coding
    shares: dict[str, float]
    smallest: tuple[int, int]
    largest: tuple[int, int]
    rewritten: int
    missing: dict[str, int] = field(default_factory=dict)


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
    if next((item for item in task.reader.items() if not item.lacks), None) is None:
        raise _nothing(task.reader)
    out = files.writable(task.out)
    with files.sole_writer(out / FOLDER):
        _own(out)
        found = spool(task.reader, out)
        if not task.skip_bad:
            refuse_faults(task.reader, found)
        for text in task.reader.notes:
            tell(text)
        early = {
            "images": task.copy or task.reader.redraws,
            "masks": task.copy or _early(task.reader),
            "instances": task.reader.separates,
        }
        _keep_foreign(task, [name for name, wanted in early.items() if wanted])
        # a finished dataset's masks must outlive a run that is refused later
        binary = task.reader.classes is None and not (out / FOLDER / WRITE).is_dir() and _claim(out, "masks")
        looks = Receipts(out, LOOK, _seen_by(task.reader))
        shards = found.shards
        _drop_stale(looks, shards, [str(shard.payload[1]) for shard in shards])
        looked = engine.map(Look(task.reader, os.fspath(out), binary), shards, receipts=looks, label="looking")
        faults = [fault for each in looked for fault in each["faults"]]
        if write_missing(out, faults):
            tell(f"{out / MISSING} lists what is left out, with the reasons")
        if not task.skip_bad:
            refuse_unreadable(task.reader, out, faults)
        if len(faults) == sum(shard.items for shard in shards):
            raise _nothing(task.reader)
        resized = sum(each["resized"] for each in looked)
        if resized:
            tell(f"{resized} masks have another size than their image: brought to it by nearest neighbour")
        found.missing.update({UNREADABLE: len(faults)} if faults else {})
        tally = Tally.together(each["tally"] for each in looked)
        coding = decide(tally, task.reader.classes, task.reader.class_name, fixed=task.reader.fixed)
        rewrites = task.reader.rewrites or bool(coding.ids)
        for text in coding.notes:
            tell(text)
        if coding.ids:
            tell(f"these masks are written anew as class ids in {out / 'masks'}; the originals stay as they are")
        if rewrites:
            _keep_foreign(task, ["masks"])
        writes = Receipts(out, WRITE, _job(task, coding))
        shards = [Shard(s.index, s.items, each["rows"]) for s, each in zip(shards, looked, strict=True)]
        _drop_stale(writes, shards, [files.digest(each) for each in looked])
        plan = _Writing(task, coding, rewrites)
        parts = [looks.folder / each["rows"] for each in looked]
        late = task.copy or (rewrites and any(each["open"] for each in looked))
        if late:
            written = engine.map(partial(_write, plan), shards, receipts=writes, label="writing")
            parts = [writes.folder / each["rows"] for each in written]
        _assemble(plan, parts, placed=late, missing=sum(found.missing.values()))
    areas = [tuple(size) for each in looked for size in each["sizes"]]
    return Prepared(
        sum(each["records"] for each in looked),
        coding,
        coding.shares(tally) if tally.kinds else {},
        min(areas, key=area),
        max(areas, key=area),
        sum(each["written"] + (each["open"] if rewrites else 0) for each in looked),
        dict(found.missing),
    )


def _nothing(reader: Reader) -> BadInput:
    reasons = Counter(item.lacks for item in reader.items())
    told = "; ".join(f"{number} with {reason}" for reason, number in sorted(reasons.items()))
    return BadInput(reader.root, f"the dataset {reader.name}", told or "no images", "check --from")


def _early(reader: Reader) -> bool:
    """Whether the first round already writes masks."""
    return reader.fixed and reader.rewrites


def _seen_by(reader: Reader) -> dict[str, Any]:
    job = {"reader": reader.name, "version": __version__}
    # a refusal must come before another run's masks are overwritten
    return {**job, "settings": reader.settings} if reader.fixed else job


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


def _claim(out: Path, name: str) -> bool:
    """Whether a folder below ``out`` is this command's to write to: it was not there, or it is from here."""
    mark = out / FOLDER / f"{name}.own"
    if not mark.exists() and not (out / name).exists():
        files.write_bytes(mark, b"")
    return mark.exists()


def _keep_foreign(task: Task, names: Sequence[str]) -> None:
    """Refuse to write among files that are not from here, such as the dataset's own."""
    for name in names:
        if not _claim(task.out, name):
            made = {"masks": "masks of class ids", "instances": "maps of objects"}.get(name, "crops")
            written = "copies" if task.copy else made
            raise BadInput(
                task.out / name,
                f"no folder {name} yet: {written} go there",
                "one with files of another origin",
                "give another --to",
            )


def _drop_stale(receipts: Receipts, shards: Sequence[Shard], inputs: Sequence[str]) -> None:
    """Remove the receipts of shards whose input is another one now, so that they are done again."""
    for shard, value in zip(shards, inputs, strict=True):
        note = receipts.folder / f"{shard.index:06d}.of"
        if not note.exists() or note.read_text() != value:
            receipts.path(shard.index).unlink(missing_ok=True)
            files.write_bytes(note, value.encode(), durable=False)


def _job(task: Task, coding: Coding) -> dict[str, Any]:
    return {
        "reader": task.reader.name,
        "from": os.fspath(task.reader.root),
        "to": None if task.copy or task.absolute else os.path.realpath(task.out),
        "copy": task.copy,
        "absolute": task.absolute,
        "classes": dict(coding.classes),
        "settings": task.reader.settings,
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
    return {"rows": name}


def _placed(plan: _Writing, record: Record) -> Record:
    task, extra = plan.task, dict(record.extra)
    image, mask, digest = record.image, record.mask, record.sha256_mask
    if Path(image).is_absolute():  # else it is written already
        image = _placed_file(task, "images", record.id, image, record.sha256_image)
    for key in PATHS_IN_EXTRA:
        if key in extra and Path(extra[key]).is_absolute():
            extra[key] = _placed_file(task, key, record.id, extra[key], extra[f"sha256_{key}"])
    if mask is not None and not Path(mask).is_absolute():
        pass
    elif mask is not None and plan.rewrites:
        values = task.reader.fit(mask, task.reader.read_mask(mask), record.height, record.width)
        data = images.encode_mask(plan.coding.apply(values))
        mask, digest = f"masks/{record.id}.png", files.digest(data)
        files.write_bytes(plan.task.out / mask, data, durable=False)
    elif mask is not None:
        mask = _placed_file(task, "masks", record.id, mask, digest or "")
    return replace(record, image=image, mask=mask, sha256_mask=digest, extra=extra)


def _placed_file(task: Task, folder: str, name: str, path: str, sha256: str) -> str:
    """How the manifest names a file of the dataset, copied or left where it is."""
    if task.copy:
        return _copied(task.out, folder, name, path, sha256)
    if task.absolute:
        return path
    folder, _, name = path.rpartition("/")
    return posixpath.normpath(f"{_way(task.out, folder)}/{name}")


@lru_cache(maxsize=256)
def _way(out: Path, folder: str) -> str:
    return Path(os.path.relpath(folder or "/", os.path.realpath(out))).as_posix()


def _copied(out: Path, folder: str, name: str, path: str, sha256: str) -> str:
    data = Path(path).read_bytes()
    if files.digest(data) != sha256:
        raise BadInput(path, "the file that was checked", "another one now", "run the same command again")
    place = f"{folder}/{name}{Path(path).suffix}"
    files.write_bytes(out / place, data, durable=False)
    return place


def _assemble(plan: _Writing, parts: Sequence[Path], placed: bool, missing: int) -> None:
    """Write the manifest of tables of records, whose files are ``placed`` already or stay where they are."""
    task = plan.task
    note = task.out / FOLDER / DONE
    note.unlink(missing_ok=True)
    licences: set[str] = set()
    total = hashlib.sha256()
    for record in chain.from_iterable(_records(part) for part in parts):
        licences.update(record.licence)
        total.update(f"{record.id} {record.sha256_image} {record.sha256_mask or '-'}\n".encode())
    source = {"name": task.reader.source, "sha256": total.hexdigest(), "licence": ", ".join(sorted(licences))}
    left_out = f"; {missing} items are left out, {MISSING} says why" if missing else ""
    info = Info(
        name=task.out.resolve().name,
        classes=dict(plan.coding.classes),
        licence=tuple(sorted(licences)),
        citation=task.reader.citation,
        sources=(source,),
        command=task.command,
        description=task.reader.description + left_out,
    )
    with ManifestWriter(task.out, info) as writer:
        for part in parts:
            if placed:
                writer.add_table(pq.read_table(part))
            else:
                writer.add_table(to_table(_placed(plan, record) for record in _records(part)))
    files.write_json(note, {"records": files.sha256(task.out / RECORDS)})


def _records(part: Path) -> Iterator[Record]:
    return from_table(pq.read_table(part))
