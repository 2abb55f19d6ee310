"""A folder of scans as they come into a folder of scans that are ready: whole, on the floor, in metres, looked at."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datagen import closing, meshwrite, scans, thinning
from datagen.foot import Foot
from datagen.scans import ScanFile
from masksmith import __version__, files, images
from masksmith.engine import Engine, Shard
from masksmith.errors import BadInput, MasksmithError
from masksmith.receipts import FOLDER, Receipts

REPORT = "prepared.json"
PICTURES = "pictures"
SHEET = "contact.png"
MAX_FACES = 40_000
_COLUMNS = ("file", "subject", "side", "units", "up", "licence", "made_from", "sha256")
_BESIDE = (".mtl", ".bin", *images.IMAGE_SUFFIXES)  # what a mesh may be made of besides its own file
_FINE_ENOUGH = 20_000  # triangles that a made skin needs to show its detail


@dataclass(frozen=True)
class Wishes:
    """How scans are to be prepared.

    Attributes:
        max_faces: a mesh with more triangles is thinned out to so many.
        units, up: of every scan; None = as its table says, else found from the shape.
        skin: melanin (0 light, 1 dark) to paint scans without colour with; None refuses them.
        pictures: write a picture of each and a contact sheet.
    """

    max_faces: int = MAX_FACES
    units: str | None = None
    up: str | None = None
    skin: float | None = None
    pictures: bool = True


@dataclass(frozen=True)
class Prepared:
    """A scan that is ready, and the row that says how it became so."""

    foot: Foot
    row: dict[str, Any]


def prepare_scan(scan: ScanFile, wishes: Wishes) -> Prepared:
    """Read a scan, stand it on the floor, close its holes, thin it out and colour it.

    Raises:
        BadInput, UsageProblem: as :func:`datagen.scans.read_scan`.
    """
    foot, placed = scans.stand(scan, wishes.units, wishes.up)
    if not scans.has_colour(foot) and wishes.skin is None:
        raise scans.colourless(scan.path)
    before = len(foot.faces)
    closed = closing.close_holes(foot)
    foot = thinning.thinned(closed.foot, wishes.max_faces)
    colour = "texture" if foot.texture is not None else "vertices"
    if not scans.has_colour(foot) and wishes.skin is not None:
        foot = scans.painted(_finer(foot, wishes.max_faces), wishes.skin)
        colour = "painted"
    floor = np.array([0, foot.vertices[:, 1].min(), 0], np.float32)
    foot = replace(foot, vertices=foot.vertices - floor)  # thinning and smoothing may lift the lowest point a little
    row = {
        "subject": foot.subject,
        "side": foot.side,
        "side_by": "the file" if scan.side is not None else "the shape (a guess)",
        "side_seen": placed.side_seen,
        "units": placed.units,
        "units_by": "--units" if wishes.units else "the table" if scan.units else "the size",
        "up": placed.up,
        "up_by": "--up" if wishes.up else "the table" if scan.up else "the shape",
        "length_mm": round(foot.length_m * 1000, 1),
        "faces_before": before,
        "faces": len(foot.faces),
        "holes_closed": closed.closed,
        "holes_left": closed.left,
        "leg": closed.leg,
        "colour": colour,
    }
    return Prepared(foot, row)


def prepare(
    folder: str | os.PathLike[str], out: str | os.PathLike[str], wishes: Wishes, engine: Engine
) -> list[dict[str, Any]]:
    """Prepare every scan of a folder into ``out``; a scan that cannot be is refused in its row and passed over.

    ``out`` then holds a GLB or PLY for each, ``scans.csv`` for ``generate --scans``, ``prepared.json`` with the rows,
    and pictures. A run that was stopped goes on; the same input gives the same bytes.

    Returns:
        A row a scan, in the order of :func:`datagen.scans.list_scans`: ``file, verdict, written, picture, notes`` and,
        where the verdict is ``ok``, what :func:`prepare_scan` found.

    Raises:
        BadInput: no scans there, or ``out`` holds another run or lies inside the folder.
        EnvironmentFault: ``out`` cannot be written to.
    """
    source, target = Path(folder), Path(out)
    listed = scans.list_scans(source)
    if target.resolve().is_relative_to(source.resolve()):
        raise BadInput(target, "a folder outside of the scans", "one inside", "choose another --out")
    files.writable(target)
    with files.sole_writer(target / FOLDER):
        job = {"scans": _digest(source, listed), "wishes": asdict(wishes), "version": __version__}
        receipts = Receipts(target, "scans", job)
        shards = [
            Shard(k, 1, (scan, name)) for k, (scan, name) in enumerate(zip(listed, _names(source, listed), strict=True))
        ]
        work = partial(_prepare_shard, os.fspath(source), os.fspath(target), wishes)
        rows = engine.map(work, shards, receipts=receipts, label="scans")
        _finish(target, rows)
    return rows


def _prepare_shard(source: str, target: str, wishes: Wishes, shard: Shard) -> dict[str, Any]:
    scan: ScanFile
    scan, name = shard.payload
    row: dict[str, Any] = {"file": scan.path.relative_to(source).as_posix(), "subject": scan.subject, "side": scan.side}
    try:
        made = prepare_scan(scan, wishes)
    except MasksmithError as fault:
        return {
            **row,
            "verdict": f"refused: {fault}".replace(f"{source}{os.sep}", ""),
            "written": None,
            "picture": None,
            "notes": [],
        }
    written = name + meshwrite.suffix(made.foot)
    files.write_bytes(Path(target) / written, meshwrite.encode(made.foot), durable=False)
    shown = None
    if wishes.pictures:
        from datagen import scan_picture

        shown = f"{PICTURES}/{name}.png"
        found = made.row
        words = f"{written}: {found['side']}, {found['length_mm']:.0f} mm, {found['units']}, {found['up']} up"
        drawn = scan_picture.picture(made.foot, f"{words}, {found['faces']:,} triangles")
        files.write_bytes(Path(target) / shown, images.encode_png(drawn), durable=False)
    told = {"licence": scan.licence, "sha256": made.foot.sha256, "notes": list(made.foot.notes)}
    return {**row, **made.row, "verdict": "ok", "written": written, "picture": shown, **told}


def _finish(target: Path, rows: Sequence[dict[str, Any]]) -> None:
    """The table for ``generate``, the report and the contact sheet."""
    good = [row for row in rows if row["verdict"] == "ok"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in good:
        made = (row["written"], row["subject"], row["side"], "m", "y", row["licence"], row["file"], row["sha256"])
        writer.writerow(made)
    files.write_bytes(target / scans.TABLE, text.getvalue().encode())
    files.write_json(target / REPORT, {"scans": list(rows), "refused": len(rows) - len(good)})
    shown = [target / row["picture"] for row in good if row["picture"]]
    if shown:
        from datagen import scan_picture

        drawn = scan_picture.sheet(shown)
        if drawn is not None:
            files.write_bytes(target / SHEET, images.encode_png(drawn))


def twins(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for each pair of scans that are one file under two subjects: as two they would leak between splits."""
    first: dict[str, dict[str, Any]] = {}
    told = []
    for row in rows:
        other = first.setdefault(row["sha256"], row) if row["verdict"] == "ok" else row
        if other["subject"] != row["subject"]:
            told.append(
                f"{row['file']} is the same scan as {other['file']}, under another subject "
                f"({row['subject']}, {other['subject']}): give both one subject in scans.csv, or remove one"
            )
    return told


def _names(source: Path, listed: Sequence[ScanFile]) -> list[str]:
    """A name for each prepared file: the stem, and where that is taken the folders or the format with it."""
    taken: set[str] = set()
    names: list[str] = []
    for scan in listed:
        relative = scan.path.relative_to(source)
        flat = relative.with_suffix("").as_posix().replace("/", "-")
        choices = (scan.path.stem, flat, f"{flat}-{scan.path.suffix[1:].lower()}")
        name = next((choice for choice in choices if choice.casefold() not in taken), None)
        if name is None:
            name = f"{flat}-{len(names)}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _digest(source: Path, listed: Sequence[ScanFile]) -> str:
    """Over everything that the prepared scans depend on: the scans as listed, and the files they may be made of."""
    rows: list[Any] = [
        [s.path.relative_to(source).as_posix(), files.sha256(s.path), s.subject, s.side, s.units, s.up, s.licence]
        for s in listed
    ]
    beside = sorted(p for p in source.rglob("*") if p.suffix.lower() in _BESIDE and p.is_file())
    return files.digest([*rows, *([p.relative_to(source).as_posix(), files.sha256(p)] for p in beside)])


def _finer(foot: Foot, most: int) -> Foot:
    """The foot with small triangles: a made skin lies at the vertices, and coarse ones would lose its nails."""
    from datagen.surface import subdivide

    vertices, faces = foot.vertices.astype(np.float64), foot.faces.astype(np.int64)
    while len(faces) < _FINE_ENOUGH and 4 * len(faces) <= most:
        vertices, faces, _, _ = subdivide(vertices, faces, None, None)
    if len(faces) == len(foot.faces):
        return foot
    note = f"{len(foot.faces):,} triangles became {len(faces):,} to hold a made skin"
    return replace(foot, vertices=vertices.astype(np.float32), faces=faces.astype(np.int32), notes=(*foot.notes, note))
