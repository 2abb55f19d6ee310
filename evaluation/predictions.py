"""A folder of predictions against a dataset: matched by record id, so that subjects and groups are known."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from evaluation.counts import IGNORE, present_values
from evaluation.dataset import TruthReader, mask_paths
from evaluation.inputs import ClipFolder, Pair, match, named_files
from evaluation.sources import Source
from evaluation.stored import Mask, Soft, read_ids, read_level
from manifests.manifest import Manifest
from manifests.record import Record
from masksmith.errors import BadInput, UsageProblem


@dataclass(frozen=True)
class Truth:
    """A record's mask as 0 background, 1 foreground, 255 ignore."""

    path: Path
    reader: TruthReader

    def __str__(self) -> str:
        return str(self.path)

    def absolute(self) -> Self:
        return replace(self, path=self.path.absolute())

    def ids(self) -> Mask:
        return self.reader(self.path)

    def level(self) -> Soft:
        return np.asarray(self.reader(self.path) == 1, np.float32)


@dataclass(frozen=True)
class Binary:
    """A prediction of 0 and one other value, which is read as 1; as levels it is read as it is."""

    path: Path
    value: int

    def __str__(self) -> str:
        return str(self.path)

    def absolute(self) -> Self:
        return replace(self, path=self.path.absolute())

    def ids(self) -> Mask:
        """(H, W) uint8 of 0 and 1.

        Raises:
            BadInput: another value.
        """
        stored = read_ids(self.path)
        odd = sorted({*present_values(stored)} - {0, self.value})
        if odd:
            found = f"the value {odd[0]}"
            raise BadInput(self.path, f"0 and {self.value} as in the other predictions", found, "write all alike")
        return np.asarray(stored != 0, np.uint8)

    def level(self) -> Soft:
        return read_level(self.path)


def of_dataset(
    manifest: Manifest,
    records: Sequence[Record],
    pred: Path,
    front: Sequence[str] = (),
    *,
    soft: bool = False,
    common: bool = False,
    ids: bool = False,
) -> Source:
    """Pair the masks of a folder with records by id: ``PRED/ID.png``, as ``--save-masks`` names them.

    Predictions of 0 and 255 (or 0 and 1) are foreground against the rest; of several class ids they are judged class
    by class.

    Args:
        records: with masks, the frames of a clip in order, as :func:`evaluation.dataset.pick` gives them.
        front: names of the classes that are foreground; needed where there are several and predictions are binary.
        ids: predictions are class ids, even where they hold one class alone.

    Raises:
        BadInput: a record without a prediction or a prediction without a record, or values that are no class.
        UsageProblem: an unknown class, or binary predictions for several classes and no ``front``.
    """
    classes = {name: number for name, number in manifest.info.classes.items() if number != IGNORE}
    for name in front:
        if name not in classes:
            raise UsageProblem(f"the dataset has no class {name!r}; it has {', '.join(classes)}")
    left = named_files(pred)
    wanted = {
        path.relative_to(pred).with_suffix("").as_posix(): record_id
        for record_id, path in mask_paths(records, pred).items()
    }
    names, notes = match(left, wanted, pred, manifest.folder, common=common)
    chosen = {wanted[name]: left[name] for name in names}
    kept = [record for record in records if record.id in chosen]
    several = [name for name, number in classes.items() if number != 0]
    value = None if soft or ids else _binary([chosen[record.id] for record in kept], classes)
    if not front and len(several) > 1 and (soft or value is not None):
        raise UsageProblem(f"predictions are binary, the classes are {', '.join(several)}: name the --foreground")
    goals = {record.id: manifest.path(record.mask or "") for record in kept}
    columns = _columns(kept)
    groups = _clips(kept)
    if not (soft or front or value is not None):
        pairs = [Pair(record.id, chosen[record.id], goals[record.id]) for record in kept]
        numbers = tuple(sorted({0, *classes.values()}))
        return Source(pairs, notes, groups, numbers, classes, columns)
    named = {name: classes[name] for name in (front or several)}
    reader = TruthReader(manifest.info.classes, named)
    notes.append(f"foreground: {', '.join(f'{name} {number}' for name, number in named.items())}")
    if value is None and not soft:
        value = next(iter(named.values())) if len(named) == 1 else None
        if value is None:
            raise UsageProblem("predictions hold class ids: leave --foreground out, or name one class")
    pairs = [
        Pair(
            record.id,
            chosen[record.id] if soft else Binary(chosen[record.id], value or 255),
            Truth(goals[record.id], reader),
        )
        for record in kept
    ]
    return Source(pairs, notes, groups, (0, 1), {"background": 0, "foreground": 1}, columns)


def _binary(paths: Sequence[Path], classes: Mapping[str, int]) -> int | None:
    """The one value besides 0 of binary predictions, told by the first file that has any; None for class ids."""
    known = set(classes.values()) - {0}
    for path in paths:
        values = {*present_values(read_ids(path))} - {0}
        if not values:
            continue
        if values == {255}:
            return 255
        if len(known) == 1 and values <= {1, *known}:
            return min(values)
        return None
    return 255


def _columns(records: Sequence[Record]) -> dict[str, list[Any]]:
    keys = sorted({key for record in records for key in record.groups})
    return {
        "subject": [record.subject or None for record in records],
        "clip": [record.clip for record in records],
        "frame": [record.frame for record in records],
        **{f"group.{key}": [list(record.groups.get(key, ())) or None for record in records] for key in keys},
    }


def _clips(records: Sequence[Record]) -> list[ClipFolder]:
    frames: dict[str, list[tuple[int, str]]] = {}
    for record in records:
        if record.clip is not None and record.frame is not None:
            frames.setdefault(record.clip, []).append((record.frame, record.id))
    found = []
    for clip, told in frames.items():
        told.sort()
        numbers = tuple(number for number, _ in told)
        gaps = [later - earlier for earlier, later in itertools.pairwise(numbers)]
        found.append(ClipFolder(clip, tuple(name for _, name in told), numbers, min(gaps, default=1)))
    return found
