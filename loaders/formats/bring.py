"""An export read back into a manifest: files get their paths, records their columns, in the order they had.

What is read is not trusted: paths stay inside the folder, digests must hold, pictures must be pictures.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from loaders.formats import coco
from loaders.formats.form import Found, Origin, parts_folder
from loaders.formats.rows import INSTANCES, INSTANCES_SHA256, instances_path, own_path, stem
from loaders.formats.table import find_format
from manifests import Info, ManifestWriter, Record
from manifests.manifest import DATASET, RECORDS
from manifests.record import to_table
from masksmith import __version__, engine, files, images
from masksmith.errors import BadInput, UsageProblem
from masksmith.receipts import FOLDER, Receipts

_POSITION = "position"


@dataclass(frozen=True)
class Task:
    """What is to be done.

    Attributes:
        root: the export; ``out`` the manifest's folder.
        form: name of its format.
        classes: name to id, for data from elsewhere that does not say it itself.
    """

    root: Path
    out: Path
    form: str
    classes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Brought:
    """What came: records, and how many of their masks have other bytes than they had (the pixels are the same)."""

    records: int
    rewritten: int


def look(task: Task) -> Info:
    """What the dataset is; nothing is written.

    Raises:
        UsageProblem: an unknown format, or classes that are not known.
        BadInput: no such export.
    """
    if not task.root.exists():
        raise BadInput(task.root, "an export", "no such file or folder", "check the path")
    info = find_format(task.form).about(_origin(task))
    return replace(info, classes=dict(task.classes)) if task.classes else info


def bring(task: Task, runner: engine.Engine) -> Brought:
    """Write the manifest; a run that was stopped goes on.

    Raises:
        BadInput: a damaged or dangerous export, or a folder that holds something else.
        EnvironmentFault: no room, no rights, or another run is writing there.
        UsageProblem: as :func:`look`.
    """
    form = find_format(task.form)
    info = look(task)
    out = files.writable(task.out)
    with files.sole_writer(out / FOLDER):
        _keep_foreign(out)
        origin = _origin(task)
        pieces = form.pieces(origin)
        job = {
            "format": task.form,
            "dataset": info.as_json(),
            "pieces": [{key: value for key, value in piece.items() if key != "sorted"} for piece in pieces],
            "version": __version__,
        }
        receipts = Receipts(out, "bring", job)
        shards = [engine.Shard(number, int(piece["items"]), piece) for number, piece in enumerate(pieces)]
        done = runner.map(partial(_shard, task), shards, receipts=receipts, label=f"reading {task.form}")
        _assemble(out, info, [parts_folder(out) / each["part"] for each in done])
    return Brought(sum(each["records"] for each in done), sum(each["rewritten"] for each in done))


def _origin(task: Task) -> Origin:
    return Origin(task.root, task.out / FOLDER / "scratch", task.classes)


def _keep_foreign(out: Path) -> None:
    if (out / FOLDER / "bring").is_dir():
        return
    strange = sorted(path.name for path in out.iterdir() if path.name != FOLDER)
    if strange:
        raise BadInput(out, "an empty folder, or a stopped run of this command", strange[0], "give another --out")


def _shard(task: Task, shard: engine.Shard) -> dict[str, Any]:
    records: list[Record] = []
    positions: list[int] = []
    rewritten = 0
    for found in find_format(task.form).read(_origin(task), shard.payload):
        record, again = _placed(task.out, found)
        rewritten += again
        records.append(record)
        positions.append(found.position)
    name = f"{shard.index:06d}.parquet"
    table = to_table(records).append_column(_POSITION, pa.array(positions, pa.int64()))
    with files.atomic(parts_folder(task.out) / name, durable=False) as part:
        pq.write_table(table, part)
    return {"records": len(records), "rewritten": rewritten, "part": name}


def _placed(out: Path, found: Found) -> tuple[Record, bool]:
    """The record with its files written; whether its mask has new bytes."""
    record = found.record
    where = f"{record.image} of record {record.id}"
    _check(found.image, record.sha256_image, where)
    name = stem(found.position, record.id)
    if found.foreign:
        record = _measured(record, found.image, where)
    image = record.image if own_path(record.image) else f"images/{name}{found.suffix}"
    if not own_path(image):
        raise BadInput(where, "a picture's path", repr(image), "give the file the suffix of its format")
    _put(out, image, found.image)
    record = replace(record, image=image)
    again = False
    if found.mask is None:
        if record.mask is not None:
            raise BadInput(f"record {record.id}", "a mask", "none in the export", "export the dataset again")
    else:
        record, again = _with_mask(out, record, found, name)
    if found.instances is not None:
        path = instances_path(record.extra)
        path = path if path and own_path(path) else f"instances/{name}.png"
        data = found.instances if isinstance(found.instances, bytes) else coco.encoded_map(found.instances)
        _put(out, path, data)
        known = {INSTANCES_SHA256: files.digest(data)} if INSTANCES_SHA256 in record.extra else {}
        record = replace(record, extra={**record.extra, INSTANCES: path, **known})
    return record, again


def _with_mask(out: Path, record: Record, found: Found, name: str) -> tuple[Record, bool]:
    where = f"{record.mask} of record {record.id}"
    path = record.mask or ""
    again = False
    if isinstance(found.mask, bytes):
        data = found.mask
        _check(data, record.sha256_mask, where)
        mask = coco.decoded(data, where) if found.foreign else None
        path = path if own_path(path) else f"masks/{name}.png"
    else:
        mask = np.asarray(found.mask, np.uint8)
        data = images.encode_png(mask)
        again = bool(record.sha256_mask) and files.digest(data) != record.sha256_mask
        path = path if own_path(path) and path.lower().endswith(".png") else f"masks/{name}.png"
        if again:
            record = replace(record, sha256_mask=files.digest(data))
    if found.foreign:
        record = replace(record, sha256_mask=files.digest(data))
        if mask is not None and mask.shape != (record.height, record.width):
            raise BadInput(
                where, f"a mask of its image's size, {record.width} x {record.height}",
                f"{mask.shape[1]} x {mask.shape[0]}", "resize the mask by nearest neighbour",
            )  # fmt: skip
    _put(out, path, data)
    return replace(record, mask=path), again


def _measured(record: Record, data: bytes, where: str) -> Record:
    from PIL import Image as pillow

    try:
        with pillow.open(io.BytesIO(data)) as opened:
            width, height = opened.size
            if opened.getexif().get(0x0112, 1) in (5, 6, 7, 8):
                width, height = height, width
    except (OSError, ValueError, SyntaxError) as fault:
        raise BadInput(where, "a readable image", str(fault), "replace or remove it") from None
    if width * height > images.MAX_PIXELS:
        raise BadInput(where, f"at most {images.MAX_PIXELS:,} pixels", f"{width} x {height}", "make it smaller")
    if record.width and (record.width, record.height) != (width, height):
        raise BadInput(where, f"{record.width} x {record.height}", f"{width} x {height}", "correct the sizes")
    return replace(record, width=width, height=height, sha256_image=files.digest(data))


def _check(data: bytes, sha256: str | None, where: str) -> None:
    if sha256 and files.digest(data) != sha256:
        raise BadInput(where, f"sha256 {sha256}", files.digest(data), "the export was changed: make it again")


def _put(out: Path, path: str, data: bytes) -> None:
    """Write a file that several records may share, as long as they agree on its bytes."""
    place = out / path
    if not place.resolve().is_relative_to(out.resolve()) or path in (RECORDS, DATASET):
        raise BadInput(path, f"a path inside {out}", "one that leads elsewhere", "correct the export")
    if place.exists():
        if place.read_bytes() != data:
            # a run that was killed may have left it; two records with two contents must not share it
            raise BadInput(place, "one file a path", "two records with different files", "rename one of them")
        return
    # another worker may write the same bytes at this moment
    with contextlib.suppress(FileNotFoundError):
        files.write_bytes(place, data, durable=False)
    if not place.exists() or place.stat().st_size != len(data):
        files.write_bytes(place, data, durable=False)


def _assemble(out: Path, info: Info, parts: list[Path]) -> None:
    """The records in the order they had."""
    if not parts:
        raise BadInput(out, "records", "none", "check the export")
    table = pa.concat_tables([pq.read_table(part) for part in parts]).sort_by(_POSITION)
    ids = table.column("id")
    if len(ids.unique()) < len(ids):
        raise BadInput(out, "an id of its own for each record", "one twice", "remove one of them")
    with ManifestWriter(out, info) as writer:
        writer.add_table(table.drop_columns([_POSITION]))


def check_target(task: Task) -> None:
    """Refuse to write where the export lies.

    Raises:
        UsageProblem: it is the same folder.
    """
    if task.out.resolve() == task.root.resolve():
        raise UsageProblem(f"{task.out}: that is the export itself; give another --out")
