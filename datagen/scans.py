"""Scanned feet: a folder of mesh files, each read into a :class:`datagen.foot.Foot` that stands on the floor."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datagen import placing, points
from datagen.foot import SIDES, Foot
from datagen.mending import mend
from datagen.meshfile import SUFFIXES as MESHES
from datagen.meshfile import read_mesh
from datagen.placing import Placed
from masksmith.errors import BadInput, MasksmithError

TABLE = "scans.csv"
SUFFIXES = (*MESHES, *points.SUFFIXES)
_SIDE_TAIL = re.compile(r"^(?P<subject>.+?)[ _.-]+(?P<side>left|right|l|r)$", re.IGNORECASE)


@dataclass(frozen=True)
class ScanFile:
    """A scan that is known to be there, not read yet; None = to be found from the shape."""

    path: Path
    subject: str
    side: str | None = None
    units: str | None = None
    up: str | None = None
    licence: str = "unknown"


def list_scans(folder: str | os.PathLike[str]) -> list[ScanFile]:
    """The scans of a folder, sorted by file name.

    A ``scans.csv`` there (columns ``file, subject, side, units, up, licence``; only ``file`` is needed) names them.
    Without one, every mesh file counts, and ``P07_left.obj`` is the left foot of subject ``P07``.

    Raises:
        BadInput: no such folder, no scans in it, or a row of the table that is wrong.
    """
    root = Path(folder)
    if not root.is_dir():
        found = "a file" if root.exists() else "no such folder"
        raise BadInput(root, "a folder of foot scans", found, "check the path")
    table = root / TABLE
    if table.is_file():
        scans = _from_table(root, table)
    else:
        meshes = (p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        scans = [_from_name(p) for p in meshes if not any(q.startswith(".") for q in p.relative_to(root).parts)]
    if not scans:
        raise BadInput(root, f"foot scans ({', '.join(SUFFIXES)})", "none", "check the path")
    return sorted(scans, key=lambda scan: scan.path.relative_to(root).as_posix())


def read_scan(
    scan: ScanFile | str | os.PathLike[str],
    units: str | None = None,
    up: str | None = None,
    skin: float | None = None,
) -> Foot:
    """Read one scan and stand it on the floor.

    Args:
        scan: an entry of :func:`list_scans`, or a file.
        units: ``mm``, ``cm``, ``m`` or ``inch``; wins over the entry's. None for both: found from the size.
        up: ``y``, ``z``, ``-z`` ...; wins over the entry's. None for both: found from the shape.
        skin: melanin from 0 (very light) to 1 (very dark) to paint a mesh with that has no colour of its own.

    Returns:
        The foot, with a note for everything that was guessed or repaired.

    Raises:
        BadInput: the file cannot be read, has no colour, or is no foot.
        UsageProblem: an unknown unit or axis, or a skin outside 0 to 1.
    """
    entry = scan if isinstance(scan, ScanFile) else _from_name(Path(scan))
    foot, _ = stand(entry, units, up)
    if has_colour(foot):
        return foot
    if skin is None:
        raise colourless(entry.path)
    return painted(foot, skin)


def stand(entry: ScanFile, units: str | None = None, up: str | None = None) -> tuple[Foot, Placed]:
    """As :func:`read_scan`, but a mesh without colour comes back as it is, with neither texture nor colours."""
    path = entry.path
    raw = points.reconstruct(path) if points.is_cloud(path) else read_mesh(path)
    surface = mend(raw, path)
    placed = placing.place(surface.vertices, surface.faces, where=path, units=units or entry.units, up=up or entry.up)
    notes = [*raw.notes, *surface.notes, *placed.notes]
    side = entry.side
    if side is None:
        side = placed.side_seen
        notes.append(f"{side} foot, a guess by the place of its big toe")
    elif side != placed.side_seen:
        notes.append(f"{side} foot as its file says, but the place of its big toe says {placed.side_seen}")
    foot = Foot(
        subject=entry.subject,
        side=side,
        vertices=np.ascontiguousarray(placed.vertices, np.float32),
        faces=np.ascontiguousarray(surface.faces, np.int32),
        source=path.name,
        licence=entry.licence,
        sha256=raw.sha256,
        uv=surface.uv,
        texture=raw.texture,
        colours=surface.colours,
        notes=tuple(notes),
    )
    return foot, placed


def has_colour(foot: Foot) -> bool:
    """Whether it has a texture or vertex colours."""
    return foot.texture is not None or foot.colours is not None


def colourless(path: Path) -> BadInput:
    """The error for a mesh without colour that nobody wants painted."""
    return BadInput(
        path,
        "a texture or vertex colours",
        "a mesh without colour",
        "export it with a texture or vertex colours (OBJ, GLB, PLY), or have it painted: --skin MELANIN (0 to 1)",
    )


def painted(foot: Foot, melanin: float) -> Foot:
    """A foot with a made skin; its chance comes from the foot's digest."""
    from dataclasses import replace

    from datagen import skin as painting
    from masksmith import seeds

    rng = seeds.rng(int(foot.sha256[:8], 16), "skin")
    colours = painting.paint(foot.vertices, foot.faces, foot.normals(), rng, melanin=melanin, side=foot.side)
    said = (*foot.notes, f"painted with a made skin, melanin {melanin:g}")
    return replace(foot, uv=None, texture=None, colours=colours, notes=said)


def scans_report(
    folder: str | os.PathLike[str], skin: float | None = None, units: str | None = None, up: str | None = None
) -> list[dict[str, Any]]:
    """Read every scan of a folder and say how each one went; a bad file is a row like any other.

    Returns:
        One dict a scan with ``file, subject, side, units, up, length_mm, faces, colour, verdict, notes``; ``verdict``
        is ``ok``, or ``refused: ...`` with the reason, and then the figures are None.

    Raises:
        BadInput: no such folder, or no scans in it.
    """
    return [report_row(scan, skin, units, up) for scan in list_scans(folder)]


def report_row(
    scan: ScanFile, skin: float | None = None, units: str | None = None, up: str | None = None
) -> dict[str, Any]:
    """One row of :func:`scans_report`."""
    row: dict[str, Any] = {
        "file": scan.path.name,
        "subject": scan.subject,
        "side": scan.side,
        "units": scan.units,
        "up": scan.up,
        "length_mm": None,
        "faces": None,
        "colour": None,
    }
    try:
        foot, placed = stand(scan, units, up)
        if not has_colour(foot) and skin is None:
            raise colourless(scan.path)
    except MasksmithError as fault:
        return {**row, "verdict": f"refused: {fault}", "notes": []}
    return {
        **row,
        "side": foot.side,
        "units": placed.units,
        "up": placed.up,
        "length_mm": round(foot.length_m * 1000, 1),
        "faces": len(foot.faces),
        "colour": "texture" if foot.texture is not None else "vertices" if foot.colours is not None else "painted",
        "verdict": "ok",
        "notes": list(foot.notes),
    }


def several_of_one(scans: Iterable[ScanFile]) -> list[str]:
    """A sentence for each subject with more than one scan: they are kept together, and that is worth knowing."""
    owned: dict[str, list[str]] = {}
    for scan in scans:
        owned.setdefault(scan.subject, []).append(scan.path.name)
    return [
        f"subject {subject} has {len(names)} scans ({', '.join(names)}): they stay together in one split"
        for subject, names in owned.items()
        if len(names) > 1
    ]


def _from_name(path: Path) -> ScanFile:
    match = _SIDE_TAIL.match(path.stem)
    if match is None:
        return ScanFile(path, path.stem)
    side = "left" if match["side"].lower().startswith("l") else "right"
    return ScanFile(path, match["subject"], side)


def _from_table(root: Path, table: Path) -> list[ScanFile]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            rows = list(reader)
            columns = reader.fieldnames or []
    except (UnicodeDecodeError, csv.Error) as fault:
        raise BadInput(table, "a CSV table in UTF-8", str(fault), "save it again as CSV") from None
    if "file" not in columns:
        raise BadInput(table, "a column `file`", f"the columns {', '.join(columns) or '(none)'}", "add the column")
    scans: list[ScanFile] = []
    seen: set[str] = set()
    for number, row in enumerate(rows, start=2):
        name = (row.get("file") or "").strip()
        where = f"{table}, line {number}"
        outside = Path(name).is_absolute() or ".." in Path(name).parts
        if outside or not name or not (root / name).is_file():
            raise BadInput(where, "the name of a file next to the table", repr(name), "correct or remove the row")
        if name in seen:
            raise BadInput(where, "each file once", f"{name} a second time", "remove the row")
        seen.add(name)
        scans.append(_row(root / name, row, where))
    return scans


def _row(path: Path, row: dict[str, Any], where: str) -> ScanFile:
    guess = _from_name(path)

    def cell(column: str, known: tuple[str, ...]) -> str | None:
        value = (row.get(column) or "").strip().lower().removeprefix("+")
        if value and value not in known:
            raise BadInput(where, f"{column} to be one of {', '.join(known)}", repr(value), "correct the row")
        return value or None

    return ScanFile(
        path=path,
        subject=(row.get("subject") or "").strip() or guess.subject,
        side=cell("side", SIDES) or guess.side,
        units=cell("units", tuple(placing.UNITS)),
        up=cell("up", placing.UPS),
        licence=(row.get("licence") or row.get("license") or "").strip() or "unknown",
    )
