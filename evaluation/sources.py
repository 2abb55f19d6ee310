"""The forms in which predictions and truths come: folders, files, stacks of arrays, videos, a dataset's columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from evaluation import arrays, footage
from evaluation.counts import Counts
from evaluation.inputs import ClipFolder, Pair, clips, match, named_files
from evaluation.stored import Where, decodes, is_palette
from evaluation.table import ClassTable, Painted
from masksmith.errors import BadInput
from masksmith.images import IMAGE_SUFFIXES
from masksmith.video import VIDEO_SUFFIXES

_NAMED = 3


@dataclass(frozen=True)
class Source:
    """Pairs of masks, and what is known about them.

    Attributes:
        pairs: what is to be compared.
        notes: what the reader must know of what was left out, or of how files are read.
        clips: pairs by name that are the frames of clips, where time figures are wanted.
        classes: the class ids where they are known.
        names: class name -> id, where they are known.
        columns: further columns of the counts (``subject``, ``clip``, ``frame``, ``group.KEY``), one entry a pair.
    """

    pairs: list[Pair]
    notes: list[str] = field(default_factory=list)
    clips: list[ClipFolder] = field(default_factory=list)
    classes: tuple[int, ...] | None = None
    names: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def kept(self, names: set[str]) -> Source:
        """The same with these pairs alone; a clip that lost a frame loses its numbers' neighbourhood, not its name."""
        places = [k for k, pair in enumerate(self.pairs) if pair.name in names]
        left = []
        for clip in self.clips:
            there = [k for k, name in enumerate(clip.frames) if name in names]
            numbers = clip.numbers or range(len(clip.frames))
            chosen = tuple(clip.frames[k] for k in there)
            left.append(replace(clip, frames=chosen, numbers=tuple(numbers[k] for k in there)))
        return replace(
            self,
            pairs=[self.pairs[k] for k in places],
            clips=[clip for clip in left if clip.frames],
            columns={name: [values[k] for k in places] for name, values in self.columns.items()},
        )

    def marked(self, counts: Counts) -> Counts:
        """Counts of the pairs, in their order, with the columns and class names of this source."""
        table = counts.table
        columns = dict(self.columns)
        if self.clips:
            columns |= _clip_columns(self)
        for name, values in columns.items():
            kind = pa.list_(pa.string()) if name.startswith("group.") else None
            kind = table.schema.field(name).type if name in table.column_names else kind
            column = pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(counts)), len(counts.class_ids))))
            position = table.column_names.index(name) if name in table.column_names else None
            table = table.append_column(name, column) if position is None else table.set_column(position, name, column)
        info = {**counts.info, "classes": dict(self.names)} if self.names else counts.info
        return Counts(table, counts.class_ids, info)


def between(
    pred: Path,
    truth: Path,
    *,
    common: bool = False,
    moving: bool = False,
    table: ClassTable | None = None,
    soft: bool = False,
) -> Source:
    """Masks against masks: two folders, two pictures, two stacks (``.npy``, ``.npz``), two videos or folders of them.

    Args:
        common: judge the names that both sides have, instead of refusing others.
        moving: folders and stacks are clips, each sub-folder and each stack one, and time figures are wanted.
        table: the classes, and colours where masks are painted.
        soft: predictions are levels.

    Raises:
        BadInput: no such files, two forms, names or lengths that do not fit, or a clip with a gap.
    """
    for path in (pred, truth):
        if not path.exists():
            raise BadInput(path, "masks: a folder, a picture, a stack or a video", "nothing there", "check the path")
    forms = [_form(path) for path in (pred, truth)]
    if forms[0] != forms[1]:
        raise BadInput(pred, f"{forms[1]} as the truth is", forms[0], "give both sides in one form")
    found: Source
    if forms[0] == "videos":
        pairs, groups, notes = footage.pair_videos(pred, truth, common=common)
        found = Source(pairs, [*notes, *([] if soft else [footage.SAYS])], groups, (0, 1))
        return found
    if forms[0] == "a stack of arrays":
        found = Source(*arrays.pair_arrays(pred, truth, common=common))
    elif forms[0] == "a picture":
        found = Source([Pair(pred.stem, pred, truth)])
    else:
        left, right = named_files(pred), named_files(truth)
        names, notes = match(left, right, pred, truth, common=common)
        found = Source([Pair(name, left[name], right[name]) for name in names], notes)
    found = _tabled(found, table, soft)
    palettes = sum(
        is_palette(path) for pair in found.pairs for path in (pair.pred, pair.truth) if isinstance(path, Path)
    )
    if palettes:
        found.notes.append(f"{palettes:,} PNG files have a palette: their indices are read as ids, not their colours.")
    if moving:
        found = replace(found, clips=clips((pair.name for pair in found.pairs), pred))
    return found


def sift(source: Source, allowed: int) -> Source:
    """A source without the pairs whose picture files are damaged, if they are not more than allowed.

    Raises:
        BadInput: more damaged files than ``allowed``, or nothing is left.
    """
    broken: dict[str, Path] = {}
    for pair in source.pairs:
        for side in (pair.pred, pair.truth):
            where = side.path if isinstance(side, Painted) else side
            if not decodes(where) and isinstance(where, Path):
                broken.setdefault(pair.name, where)
    if not broken:
        return source
    told = f"{len(broken):,} of {len(source.pairs):,} pairs cannot be read: {few(sorted(map(str, broken.values())))}"
    if len(broken) > allowed or len(broken) == len(source.pairs):
        fix = f"replace them, or leave them out with --allow-unreadable {len(broken)}"
        raise BadInput(next(iter(broken.values())), f"at most {allowed:,} unreadable pairs", told, fix)
    left = source.kept({pair.name for pair in source.pairs} - broken.keys())
    return replace(left, notes=[*source.notes, f"{told}; they were left out."])


def few(names: Sequence[str]) -> str:
    """The first names, and whether there are more."""
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def _tabled(source: Source, table: ClassTable | None, soft: bool) -> Source:
    if table is None:
        return source
    pairs = source.pairs
    if table.colours or table.ignored:

        def painted(where: Where, ignored: tuple[int, ...] = ()) -> Where:
            return Painted(where, table.colours, ignored) if isinstance(where, Path) else where

        pairs = [
            Pair(pair.name, pair.pred if soft else painted(pair.pred), painted(pair.truth, table.ignored))
            for pair in pairs
        ]
    classes = tuple(sorted(table.ids.values()))
    return replace(source, pairs=pairs, notes=[*source.notes, table.says], classes=classes, names=table.ids)


def _clip_columns(source: Source) -> dict[str, list[Any]]:
    place: dict[str, tuple[str, int]] = {}
    for clip in source.clips:
        numbers = clip.numbers or range(len(clip.frames))
        place |= {name: (clip.name, number) for name, number in zip(clip.frames, numbers, strict=True)}
    told = [place.get(pair.name, (None, None)) for pair in source.pairs]
    return {"clip": [clip for clip, _ in told], "frame": [number for _, number in told]}


def _form(path: Path) -> str:
    suffix = path.suffix.lower()
    if path.is_dir():
        if any(each.suffix.lower() in IMAGE_SUFFIXES or each.suffix == ".npy" for each in path.rglob("*")):
            return "a folder of masks"
        return "videos" if footage.videos(path) else "a folder of masks"
    if suffix in arrays.SUFFIXES:
        return "a stack of arrays"
    if suffix in VIDEO_SUFFIXES:
        return "videos"
    if suffix in IMAGE_SUFFIXES:
        return "a picture"
    known = ", ".join((*IMAGE_SUFFIXES, *arrays.SUFFIXES, *VIDEO_SUFFIXES, ".json (COCO)"))
    raise BadInput(path, f"masks: a folder, or a file ({known})", f"a {suffix or 'nameless'} file", "convert it")
