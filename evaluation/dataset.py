"""A model on a dataset: which records, which classes are foreground, and the counts of what it predicts.

The model comes in as a callable, so that nothing here knows how a network is run.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation import boundary, properties
from evaluation.counts import IGNORE, Counts, CountsBuilder, count_image
from evaluation.inputs import Size, read
from evaluation.motion_files import Motions
from evaluation.temporal import ClipFigures, ClipJudge
from manifests.manifest import Manifest
from manifests.record import Record
from masksmith import files, images
from masksmith.errors import BadInput, unknown_choice

Soft = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]
BATCH = 8


@dataclass(frozen=True)
class Model:
    """How a network is asked.

    Args:
        many: a list of images (H, W, 3) uint8 -> a soft foreground map (H, W) in [0, 1] for each.
        after: an image and the soft map of the frame before -> its soft map; None where the network takes no prior.
    """

    many: Callable[[list[images.Image]], list[Soft]]
    after: Callable[[images.Image, Soft | None], Soft] | None = None


def pick(manifest: Manifest, split: str | None) -> tuple[list[Record], str, int]:
    """The records to judge: of ``split``, or of ``test``, else ``val``, else all of them.

    Returns:
        (records with a mask, the split's name or ``"all"``, how many records have no mask).

    Raises:
        UsageProblem: no such split.
        BadInput: no record with a mask.
    """
    there = Counter(manifest.table(["split"])["split"].to_pylist())
    if split is None:
        split = next((name for name in ("test", "val") if there.get(name)), "all")
    if split != "all" and not there.get(split):
        raise unknown_choice("split", split, [*(name for name in there if name), "all"])
    chosen = list(manifest.records(split=None if split == "all" else split))
    judged = [record for record in chosen if record.mask]
    if not judged:
        raise BadInput(manifest.folder, "records with a mask", f"none among {len(chosen)}", "choose another --split")
    twice = [name for name, times in Counter(record.id for record in judged).items() if times > 1]
    if twice:
        raise BadInput(manifest.folder, "ids that name one record each", f"{twice[0]!r} twice", "mend the manifest")
    clips = [record for record in judged if _moving(record)]
    stills = [record for record in judged if not _moving(record)]
    return stills + sorted(clips, key=lambda r: (r.clip or "", r.frame or 0)), split, len(chosen) - len(judged)


def foreground(classes: Mapping[str, int], trained_on: Sequence[str] | None) -> dict[str, int]:
    """The classes that are foreground: those the model was trained on, else all but background.

    Raises:
        BadInput: the dataset has no such class, or none at all.
    """
    if trained_on:
        unknown = [name for name in trained_on if name not in classes]
        if unknown:
            raise BadInput(
                "dataset.json",
                f"the classes the model was trained on ({', '.join(trained_on)})",
                f"no {', '.join(unknown)} among {', '.join(classes)}",
                "judge it on a dataset that has them",
            )
        return {name: classes[name] for name in trained_on}
    found = {name: number for name, number in classes.items() if number not in (0, IGNORE)}
    if not found:
        raise BadInput("dataset.json", "a class besides background", "none", "add it to the manifest's classes")
    return found


def trained_on(run: Path) -> list[str] | None:
    """The foreground classes that a run's ``run.json`` names; None where it names none.

    Raises:
        BadInput: the file is no JSON object.
    """
    note = (run if run.is_dir() else run.parent) / "run.json"
    if not note.is_file():
        return None
    try:
        described = json.loads(note.read_text(encoding="utf-8"))
        named = described.get("foreground")
    except (ValueError, AttributeError):
        raise BadInput(note, "the JSON description of a run", "something else", "train again") from None
    if isinstance(named, str):
        return [named]
    return [str(name) for name in named] if named else None


class TruthReader:
    """Reads truth masks as 0 background, 1 foreground, 255 ignore.

    Args:
        classes: the dataset's class table.
        front: name -> id of the foreground classes.
    """

    def __init__(self, classes: Mapping[str, int], front: Mapping[str, int]) -> None:
        self._table = np.zeros(256, np.uint8)
        self._table[IGNORE] = IGNORE
        for number in front.values():
            self._table[number] = 1
        self._known = np.zeros(256, np.bool_)
        self._known[[0, IGNORE, *classes.values()]] = True
        self._says = ", ".join(f"{name} {number}" for name, number in classes.items())

    def __call__(self, path: Path) -> Mask:
        """(H, W) uint8.

        Raises:
            BadInput: unreadable, or a value that is no class.
        """
        stored = read(path)
        if not self._known[stored].all():
            odd = sorted({int(value) for value in np.unique(stored)} - set(np.flatnonzero(self._known).tolist()))
            raise BadInput(
                path,
                f"the dataset's class ids ({self._says}; {IGNORE} = ignore)",
                f"{', '.join(map(str, odd[:5]))}",
                "add the class to the manifest, or mend the mask",
            )
        return np.asarray(self._table[stored])


@dataclass(frozen=True)
class Job:
    """Everything that decides what a model's evaluation finds.

    Args:
        masks: a folder for the predicted masks (0 and 255, PNG), or None.
        flow: how the motion of clips is estimated from their images, one of :data:`evaluation.motion.METHODS`; None
            for no motion, and then there is no ``warp_iou``.
        tolerance: measure boundaries too, ``surface_dice`` within so many pixels; None leaves them out.
        motions: a folder with the known motion of every frame of a clip but its first, named as the record's id, in the
            formats of :mod:`evaluation.motion_files`; instead of ``flow``.
    """

    manifest: Manifest
    model: Model
    truth: TruthReader
    masks: Path | None
    threshold: float = 0.5
    size: Size = field(default_factory=Size)
    flow: str | None = None
    tolerance: float | None = None
    motions: Path | None = None


def judge(
    job: Job,
    records: Sequence[Record],
    *,
    info: Mapping[str, Any] | None = None,
    advance: Callable[[int], None] = lambda items: None,
) -> tuple[Counts, list[ClipFigures]]:
    """Predict and count every record, in the order of :func:`pick`: a clip's frames together and in order.

    Raises:
        BadInput: a file cannot be read, sizes differ, or a truth value is no class.
    """
    classes = {"classes": {"background": 0, "foreground": 1}}
    builder = CountsBuilder((0, 1), {**classes, **boundary.note(job.tolerance), **(info or {})})
    clips: list[ClipFigures] = []
    clip: ClipJudge | None = None
    steps = _steps(records)
    places = mask_paths(records, job.masks) if job.masks else {}
    motions = Motions(job.motions) if job.motions else None
    options: dict[str, Any] = {"threshold": job.threshold, **({"flow": job.flow} if job.flow else {})}
    for record, soft, picture in _predictions(job, records, steps):
        path = job.manifest.path(record.mask or "")
        level, truth = job.size.fit(soft, job.truth(path), path)
        if not np.isfinite(level).all():
            raise BadInput(record.image, "a soft mask in [0, 1] from the model", "NaN or infinity", "train it again")
        pred = (level >= job.threshold).astype(np.uint8)
        counted = count_image(pred, truth)
        edges = None if job.tolerance is None else boundary.measure(pred, truth, tolerance=job.tolerance)
        builder.add(
            record.id,
            counted,
            subject=record.subject or None,
            clip=record.clip,
            frame=record.frame,
            edges=edges,
            ignored=int(truth.size - counted[0].sum()),
            **properties.of_record(record),
            **properties.of_truth(truth),
            **properties.of_photo(picture),
        )
        if _moving(record):
            name = str(record.clip)
            begins = clip is None or clip.clip != name  # the frames of a clip come together
            if clip is None or begins:
                clips += [clip.figures()] if clip else []
                clip = ClipJudge(name, step=steps[name], **options)
            seen = images.resize_image(picture, *level.shape) if job.flow else None
            known = motions.of(record.id) if motions and not begins else None
            try:
                clip.update(np.clip(level, 0, 1), truth, frame=record.frame, picture=seen, known=known)
            except ValueError as fault:
                raise BadInput(path, "frames of one size in a clip", str(fault), "mend the clip") from None
        if places:
            files.write_bytes(places[record.id], images.encode_png(pred * np.uint8(255), level=1), durable=False)
        advance(1)
    clips += [clip.figures()] if clip else []
    return builder.build(), clips


def levels(job: Job, records: Sequence[Record]) -> Iterator[tuple[str, Soft, Mask]]:
    """(id, soft map, truth) of every record, at one size, as :func:`judge` sees them; the model is asked again."""
    for record, soft, _ in _predictions(job, records, _steps(records)):
        path = job.manifest.path(record.mask or "")
        level, truth = job.size.fit(soft, job.truth(path), path)
        yield record.id, level, truth


def mask_paths(records: Sequence[Record], folder: Path) -> dict[str, Path]:
    """Where the predicted mask of each record goes: its id with ``.png``, never outside the folder.

    Raises:
        BadInput: two ids that come to one file.
    """
    found: dict[str, Path] = {}
    taken: dict[Path, str] = {}
    for record in records:
        parts = [part.replace("\0", "").replace("\\", "_") for part in record.id.split("/")]
        parts = [part for part in parts if part not in ("", ".", "..")] or ["_"]
        path = folder.joinpath(*parts[:-1], f"{parts[-1]}.png")
        if path in taken:
            raise BadInput(record.id, "ids that make different file names", f"the same as {taken[path]}", "rename one")
        taken[path] = record.id
        found[record.id] = path
    return found


def _predictions(
    job: Job, records: Sequence[Record], steps: Mapping[str, int]
) -> Iterator[tuple[Record, Soft, images.Image]]:
    """(record, soft map, image) in order; frames of a clip get the map before them where the network takes one."""
    after = job.model.after
    for chained, group in itertools.groupby(records, key=lambda record: after is not None and _moving(record)):
        if not chained or after is None:
            while batch := list(itertools.islice(group, BATCH)):
                pictures = [images.read_image(job.manifest.path(record.image)) for record in batch]
                yield from zip(batch, job.model.many(pictures), pictures, strict=True)
            continue
        before: tuple[Record, Soft] | None = None
        for record in group:
            prior = None
            if before and before[0].clip == record.clip:
                follows = (before[0].frame or 0) + steps[str(record.clip)] == record.frame
                prior = before[1] if follows else None
            picture = images.read_image(job.manifest.path(record.image))
            if prior is not None and prior.shape != picture.shape[:2]:
                prior = None
            soft = after(picture, prior)
            before = (record, soft)
            yield record, soft, picture


def _steps(records: Sequence[Record]) -> dict[str, int]:
    """The distance of neighbouring frames of each clip: the smallest that occurs."""
    steps: dict[str, float] = {}
    for before, now in itertools.pairwise(record for record in records if _moving(record)):
        if before.clip == now.clip:
            step = (now.frame or 0) - (before.frame or 0)
            if step < 1:
                raise BadInput(now.id, f"one frame {now.frame} in clip {now.clip}", "two", "mend the manifest")
            steps[str(now.clip)] = min(step, steps.get(str(now.clip), math.inf))
    return {str(r.clip): int(steps.get(str(r.clip), 1)) for r in records if _moving(r)}


def _moving(record: Record) -> bool:
    return record.clip is not None and record.frame is not None
