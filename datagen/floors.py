"""Floors to stand on: photos from a folder, or pictures made on the spot."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from masksmith import __version__, files, images, seeds
from masksmith.errors import BadInput, unknown_choice

FLOOR_KINDS = ("wood", "tile", "carpet", "concrete", "stone", "grass")
LICENCES = "LICENCES.csv"
MIN_SIDE_PX = 64
GUESSED_METRES = 1.2
"""What a floor photo of unknown scale is taken to show across: a phone held at arm's length."""


@dataclass(frozen=True, eq=False)
class Floor:
    """A floor seen from straight above.

    Attributes:
        id: the file's stem, or ``wood-0007`` for a made one; the group that splits keep together.
        image: (H, W, 3) uint8 RGB.
        metres: width that the picture shows.
        licence: as its owner named it, or ``unknown``.
        source: where it comes from: the origin in the licence table, the file's name, or ``procedural``.
        sha256: hex digest of the file, or of kind, seed, size and version.
        tileable: opposite borders fit together.
    """

    id: str
    image: npt.NDArray[np.uint8]
    metres: float
    licence: str
    source: str
    sha256: str
    tileable: bool


@dataclass(frozen=True)
class FloorFile:
    """A floor photo that is known to be there, not read yet."""

    path: Path
    id: str
    licence: str = "unknown"
    source: str = ""


def list_floors(folder: str | os.PathLike[str]) -> tuple[list[FloorFile], list[str]]:
    """The floor photos of a folder, sorted by path, each content once, and a warning for each copy left out.

    A ``LICENCES.csv`` there (columns ``file`` and ``origin`` or ``licence``) says where they come from.
    Two photos of one stem in different folders or formats get the folder or the format into their ids.

    Raises:
        BadInput: no such folder, no pictures in it, or a licence table without a column ``file``.
    """
    root = Path(folder)
    found = images.list_images(root)
    if not found:
        raise BadInput(root, "floor photos", "no pictures", "check the path")
    table = root / LICENCES
    known = _licences(table) if table.is_file() else {}
    warnings: list[str] = []
    first: dict[str, Path] = {}
    taken: set[str] = set()
    floors: list[FloorFile] = []
    for path in found:
        mark = files.sha256(path)
        if mark in first:
            warnings.append(f"{path}: the same picture as {first[mark].name}, left out")
            continue
        first[mark] = path
        relative = path.relative_to(root)
        names = (path.stem, relative.with_suffix("").as_posix().replace("/", "-"), relative.as_posix())
        name = next(candidate for candidate in names if candidate not in taken)
        taken.add(name)
        licence, origin = known.get(relative.as_posix(), known.get(path.name, ("unknown", "")))
        floors.append(FloorFile(path, name, licence, origin or path.name))
    return floors, warnings


def read_floor(floor: FloorFile | str | os.PathLike[str], metres: float = GUESSED_METRES) -> Floor:
    """Read a floor photo, upright, as RGB.

    Args:
        floor: an entry of :func:`list_floors`, or a file.
        metres: width that it shows.

    Raises:
        BadInput: not an image, damaged, or smaller than 64 px.
    """
    entry = floor if isinstance(floor, FloorFile) else FloorFile(Path(floor), Path(floor).stem)
    image = images.read_image(entry.path)
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise BadInput(
            entry.path,
            f"a floor photo of at least {MIN_SIDE_PX} x {MIN_SIDE_PX} px",
            f"{width} x {height} px",
            "use a larger one",
        )
    return Floor(
        id=entry.id,
        image=image,
        metres=float(metres),
        licence=entry.licence,
        source=entry.source or entry.path.name,
        sha256=files.sha256(entry.path),
        tileable=False,
    )


def procedural_floor(kind: str, seed: int, size: int = 768) -> Floor:
    """Make a floor: the same kind, seed and size give the same pixels.

    Args:
        kind: one of :data:`FLOOR_KINDS`.
        seed: chooses colours and layout.
        size: pixels a side, at least 64.

    Raises:
        UsageProblem: an unknown kind.
        ValueError: a size below 64.
    """
    if kind not in FLOOR_KINDS:
        raise unknown_choice("floor kind", kind, FLOOR_KINDS)
    if size < MIN_SIDE_PX:
        raise ValueError(f"a floor needs at least {MIN_SIDE_PX} px a side, not {size}")
    from datagen import textures

    picture, metres = textures.KINDS[kind](seeds.rng(seed, "floor", kind), size)
    return Floor(
        id=f"{kind}-{seed:04d}",
        image=np.ascontiguousarray(np.clip(np.round(picture), 0, 255).astype(np.uint8)),
        metres=float(metres),
        licence="CC0-1.0",
        source="procedural",
        sha256=files.digest({"floor": kind, "seed": seed, "size": size, "masksmith": __version__}),
        tileable=True,
    )


def _licences(table: Path) -> Mapping[str, tuple[str, str]]:
    """File name -> (licence, origin)."""
    return _read_licences(str(table), table.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read_licences(table: str, _: int) -> Mapping[str, tuple[str, str]]:
    try:
        with open(table, newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except (UnicodeDecodeError, csv.Error) as fault:
        raise BadInput(table, "a CSV table in UTF-8", str(fault), "save it again as CSV") from None
    if rows and "file" not in rows[0]:
        raise BadInput(table, "a column `file`", f"the columns {', '.join(map(str, rows[0]))}", "add the column")
    known: dict[str, tuple[str, str]] = {}
    for row in rows:
        origin = (row.get("origin") or row.get("source") or "").strip()
        licence = (row.get("licence") or row.get("license") or "").strip()
        known[(row["file"] or "").strip()] = (licence or _in_brackets(origin) or "unknown", origin)
    return known


def _in_brackets(origin: str) -> str:
    """``owner/name (MIT code, CC-BY-4.0 data)`` names its licence in brackets."""
    start, end = origin.rfind("("), origin.rfind(")")
    return origin[start + 1 : end].strip() if 0 <= start < end else ""
