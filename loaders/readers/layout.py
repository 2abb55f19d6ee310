"""How a dataset lies on disk: finding its folders below ``--from``, and walking them in the order of ids."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from loaders.readers.reader import first_few
from masksmith import images
from masksmith.errors import BadInput

DEPTH = 3
MOST_FOLDERS = 2000
Named = tuple[str, str]
"""An id (path without suffix) and an absolute path."""


def locate(root: Path, name: str, layouts: Mapping[str, Sequence[str]]) -> tuple[str, Path]:
    """Which layout a dataset has, and the folder it lies in: ``root``, or one at most three levels below.

    Args:
        name: of the dataset in the registry, for the advice.
        layouts: name of a layout to the files and folders that mark it.

    Raises:
        BadInput: none; says what was looked for and what is there.
    """
    wanted = " or ".join(", ".join(marks) for marks in layouts.values())
    if not root.is_dir():
        found = "a file" if root.exists() else "no such folder"
        advice = "check --from"
        if root.exists():
            advice = f"unpack it first: masksmith fetch {name} --from {root.name} --to FOLDER"
        raise BadInput(root, f"a folder with {wanted}", found, advice)
    level = [root]
    seen = 0
    for _ in range(DEPTH + 1):
        for folder in level:
            for layout, marks in layouts.items():
                if all((folder / mark).exists() for mark in marks):
                    return layout, folder
        seen += len(level)
        if seen > MOST_FOLDERS:
            break
        level = [below for folder in level for below in folders_in(folder)]
    there = sorted(path.name + ("/" if path.is_dir() else "") for path in root.iterdir() if path.name[0] != ".")
    raise BadInput(root, f"{wanted} (there or below)", first_few(there) or "an empty folder", "check --from")


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, hidden ones left out."""
    with os.scandir(folder) as entries:
        return sorted(Path(each.path) for each in entries if each.is_dir() and each.name[0] != ".")


def walk(folder: Path, suffixes: Sequence[str] = images.IMAGE_SUFFIXES, prefix: str = "") -> Iterator[Named]:
    """The files of a folder and its subfolders with their ids, in ascending order of ids; hidden ones left out.

    A folder's list is read when its turn comes, so that memory does not grow with the dataset.
    """
    entries: list[tuple[str, str, bool]] = []
    with os.scandir(folder) as found:
        for each in found:
            if each.name[0] == ".":
                continue
            if each.is_dir():
                # ids below it begin with its name and a slash: that is what they are ordered by
                entries.append((f"{prefix}{each.name}/", each.path, True))
            elif (suffix := Path(each.name).suffix).lower() in suffixes:
                entries.append((prefix + each.name.removesuffix(suffix), each.path, False))
    for key, path, deeper in sorted(entries):
        if deeper:
            yield from walk(Path(path), suffixes, key)
        else:
            yield key, path


def trimmed(named: Iterator[Named], ending: str) -> Iterator[Named]:
    """Ids without an ending that all of them share (``_mask``); others left out.

    The order may change by that, where one id is the beginning of another.
    """
    yield from sorted((name.removesuffix(ending), path) for name, path in named if name.endswith(ending))


def paired(pictures: Iterator[Named], masks: Iterator[Named]) -> Iterator[tuple[str, str | None, str | None]]:
    """(id, image or None, mask or None) of two sides in ascending order of ids, each read as it is asked for.

    Raises:
        BadInput: two files of one id on the same side.
    """
    sides = heapq.merge(
        ((name, 0, path) for name, path in pictures),
        ((name, 1, path) for name, path in masks),
        key=lambda each: each[0],
    )
    current: str | None = None
    pair: list[str | None] = [None, None]
    for name, side, path in sides:
        if name != current:
            if current is not None:
                yield current, pair[0], pair[1]
            current, pair = name, [None, None]
        other = pair[side]
        if other is not None:
            raise BadInput(path, "one file an id", f"{Path(other).name} too", "rename or remove one of them")
        pair[side] = path
    if current is not None:
        yield current, pair[0], pair[1]
