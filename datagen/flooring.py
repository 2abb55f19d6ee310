"""Which floors there are: photos of several folders and made ones, each picture once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from datagen import bank, floors
from manifests import fingerprints
from masksmith import files, seeds
from masksmith.errors import BadInput

PROCEDURAL = "procedural:"


@dataclass(frozen=True)
class FloorSource:
    """Where a floor comes from: a photo, or a kind and a number."""

    id: str
    path: str | None = None
    kind: str = ""
    number: int = 0
    licence: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class _Read:
    """A floor with what it is known again by: a digest of its pixels, and a fingerprint where it has features."""

    source: FloorSource
    pixels: str
    print: npt.NDArray[np.uint64] | None


def all_floors(specs: Sequence[str], seed: int) -> tuple[list[FloorSource], list[str]]:
    """The floors that ``specs`` name (folders of photos, ``procedural:N``), and what to warn of.

    A photo that is there a second time counts once, under its first name: the same file, the same pixels in another
    file, or all but the same picture (another size, format or quality, or flipped), which otherwise could come into two
    splits.

    Raises:
        BadInput: no such folder, no photo in it, a damaged photo, or two floors of one name.
    """
    found: list[_Read] = []
    warnings: list[str] = []
    for spec in specs:
        if spec.startswith(PROCEDURAL):
            found += [_Read(source, source.sha256, None) for source in _made(spec, seed)]
            continue
        listed, notes = floors.list_floors(Path(spec))
        warnings += notes
        found += [_read(item) for item in listed]
    kept, more = _each_once(found)
    taken: dict[str, FloorSource] = {}
    for source in kept:
        before = taken.setdefault(source.id, source)
        if before is not source:
            where = before.path or "a made floor"
            raise BadInput(source.path or source.id, "a name of its own", f"that of {where}", "rename one of them")
    return kept, warnings + more


def _made(spec: str, seed: int) -> list[FloorSource]:
    kinds = floors.FLOOR_KINDS
    return [
        FloorSource(
            f"{kinds[k % len(kinds)]}-{k:04d}",
            None,
            kinds[k % len(kinds)],
            seeds.integer(seed, "floor", k),
            "CC0-1.0",
            files.digest({"procedural": k, "seed": seed}),
        )
        for k in range(bank.made_count(spec))
    ]


def _read(item: floors.FloorFile) -> _Read:
    """Read a photo once: to see that it can be read, and what it will be known by."""
    floor = floors.read_floor(item)
    path = os.fspath(Path(item.path).resolve())
    source = FloorSource(floor.id, path, "", 0, floor.licence, floor.sha256)
    pixels = hashlib.sha256(repr(floor.image.shape).encode())
    pixels.update(np.ascontiguousarray(floor.image).data)
    return _Read(source, pixels.hexdigest(), fingerprints.fingerprint(floor.image))


def _each_once(found: Sequence[_Read]) -> tuple[list[FloorSource], list[str]]:
    """Each picture once, the first of its kind, and a warning for each that is left out."""
    first: dict[str, int] = {}
    same_as: dict[int, tuple[int, str]] = {}
    for place, read in enumerate(found):
        for mark in (read.source.sha256, read.pixels):
            before = first.setdefault(mark, place)
            if before != place:
                same_as.setdefault(place, (before, "the same picture as"))
    printed = [place for place, read in enumerate(found) if read.print is not None and place not in same_as]
    if len(printed) > 1:
        prints = np.stack([print_ for place in printed if (print_ := found[place].print) is not None])
        for i, j, _, flip in zip(*fingerprints.near_pairs(prints), strict=True):
            how = list(fingerprints.FLIPS)[int(flip)]
            said = "all but the same picture as" if not how else f"all but the same picture, {how}, as"
            same_as.setdefault(printed[int(j)], (printed[int(i)], said))
    kept = [read.source for place, read in enumerate(found) if place not in same_as]
    warnings = []
    for place, (before, said) in sorted(same_as.items()):
        name = found[place].source.path or found[place].source.id
        warnings.append(f"{name}: {said} {found[before].source.path or found[before].source.id}, left out")
    return kept, warnings
