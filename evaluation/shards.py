"""Judging in shards: each counts some images, and the counts are joined in the order of the images.

How the images are cut never depends on how shards run, so neither do the bytes of the result.
"""

from __future__ import annotations

import base64
import itertools
import json
import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from evaluation import boundary, dataset, properties
from evaluation.coding import Coding, CodingCheck
from evaluation.counts import Counts, CountsBuilder, joint_counts, reduce_joint
from evaluation.inputs import Pair, Reader, Size
from evaluation.temporal import ClipFigures
from manifests.manifest import Manifest
from manifests.record import Record
from masksmith import files, images
from masksmith.engine import Engine, Serial, Shard, cut
from masksmith.errors import BadInput
from masksmith.receipts import FOLDER, Receipts

SIZE = 4 * dataset.BATCH
"""Images a shard; whole batches, so that a network sees the same ones together."""
_STAGE = "evaluate"


class Progress:
    """What finished shards leave in an output folder until the report stands there.

    Args:
        out: the folder; None leaves nothing.
        job: everything the counts depend on, as a JSON value.
    """

    def __init__(self, out: Path | None, job: Mapping[str, Any]) -> None:
        self.out, self.job = out, dict(job)
        self._name = f"{_STAGE}/{files.digest(self.job)[:16]}"

    def receipts(self, stage: str) -> Receipts | None:
        """The receipts of one stage of the work; those of another job are left aside."""
        return Receipts(self.out, f"{self._name}/{stage}", self.job) if self.out else None

    def masks(self) -> Path | None:
        """A folder for masks that are needed only until the report is written."""
        return self.out / FOLDER / self._name / "masks" if self.out else None

    def done(self) -> None:
        """Take it all away."""
        if self.out:
            shutil.rmtree(self.out / FOLDER / _STAGE, ignore_errors=True)
            if (self.out / FOLDER).is_dir() and not any((self.out / FOLDER).iterdir()):
                (self.out / FOLDER).rmdir()


def stamp(paths: Sequence[Path]) -> str:
    """A digest of files by name, size and time of change: enough to tell an unfinished run from another."""
    told = [(str(path), (found := path.stat()).st_size, found.st_mtime_ns) for path in paths]
    return files.digest(told)


def count_pairs(
    pairs: Sequence[Pair],
    reader: Reader,
    engine: Engine | None = None,
    *,
    classes: Sequence[int] | None = None,
    tolerance: float | None = None,
    photos: Mapping[str, Path] | None = None,
    progress: Progress | None = None,
) -> tuple[Counts, Coding]:
    """Count two folders; see :func:`evaluation.inputs.count_pairs`, whose counts these are, with what
    :mod:`evaluation.properties` says of truth and photo beside them.

    Args:
        photos: the photo of each pair, by name.
        progress: where an interrupted run goes on.

    Raises:
        BadInput: a file cannot be read, sizes differ, or the two sides are coded differently.
    """
    engine, progress = engine or Serial(), progress or Progress(None, {})
    told = [(pair, (photos or {}).get(pair.name)) for pair in pairs]
    if engine.name == "ray":  # workers may stand in another folder
        told = [
            (Pair(pair.name, pair.pred.absolute(), pair.truth.absolute()), photo and photo.absolute())
            for pair, photo in told
        ]
    shards = cut(told, SIZE)
    learn = _Learn(reader, tuple(classes) if classes else None)
    learnt = _Rows(engine.map(learn, shards, receipts=progress.receipts("values"), label="judging"))
    check = CodingCheck(soft=reader.soft, classes=classes)
    for pair, row in zip(pairs, learnt, strict=True):
        check.add(
            pair.pred, row["levels"] or {a for a, _, _ in row["joint"]}, pair.truth, {b for _, b, _ in row["joint"]}
        )
    coding = check.settle()
    edges: Iterable[Any] = itertools.repeat(None, len(pairs))
    if tolerance is not None:
        outline = _Outline(reader, coding, tolerance)
        edges = _Rows(engine.map(outline, shards, receipts=progress.receipts("outlines"), label="outlines"))
    builder = CountsBuilder(coding.class_ids, boundary.note(tolerance))
    for pair, row, edge in zip(pairs, learnt, edges, strict=True):
        joint = {(a, b): pixels for a, b, pixels in row["joint"]}
        counted = reduce_joint(coding.joint(joint), coding.class_ids, coding.ignore)
        builder.add(
            pair.name,
            counted,
            edges=None if edge is None else np.asarray(edge, np.float64),
            ignored=sum(joint.values()) - int(counted[0].sum()),
            **row["centre" if coding.ignore is None else "centre_judged"],
            **row["photo"],
        )
    return builder.build(), coding


@dataclass(frozen=True)
class Question:
    """A model's evaluation as something that can be sent to a worker.

    Args:
        manifest: the dataset's folder.
        load: makes the model, once a worker; must pickle.
        truth, masks, threshold, size, flow, tolerance, motions: see :class:`evaluation.dataset.Job`.
    """

    manifest: Path
    load: Callable[[], dataset.Model]
    truth: dataset.TruthReader
    masks: Path | None
    threshold: float = 0.5
    size: Size = field(default_factory=Size)
    flow: str | None = None
    tolerance: float | None = None
    motions: Path | None = None

    def job(self) -> dataset.Job:
        """What a worker makes of it."""
        manifest, model = Manifest.open(self.manifest), _loaded(self.load)
        rest = (self.threshold, self.size, self.flow, self.tolerance, self.motions)
        return dataset.Job(manifest, model, self.truth, self.masks, *rest)

    def __call__(self, shard: Shard) -> dict[str, Any]:
        counts, clips = dataset.judge(self.job(), shard.payload)
        return {"counts": _packed(counts), "clips": [asdict(clip) for clip in clips]}


def judge(
    question: Question, records: Sequence[Record], engine: Engine | None = None, *, progress: Progress | None = None
) -> tuple[Counts, list[ClipFigures]]:
    """Predict and count every record, in the order of :func:`evaluation.dataset.pick`; a clip stays in one shard.

    Raises:
        BadInput: as :func:`evaluation.dataset.judge`.
    """
    engine, progress = engine or Serial(), progress or Progress(None, {})
    if engine.name == "ray":
        masks = question.masks and question.masks.absolute()
        motions = question.motions and question.motions.absolute()
        question = replace(question, manifest=question.manifest.absolute(), masks=masks, motions=motions)
    try:
        found = engine.map(question, _cut(records), receipts=progress.receipts("records"), label="judging")
    finally:
        _models.clear()
    counts = [_unpacked(one["counts"]) for one in found]
    return joined(counts), [ClipFigures(**clip) for one in found for clip in one["clips"]]


def joined(counts: Sequence[Counts], names: Sequence[str] = ()) -> Counts:
    """Several tables of counts as one, in order.

    Args:
        names: what an error calls them.

    Raises:
        BadInput: an image is in two of them, or they were counted in other ways.
    """
    if names:
        seen: dict[str, str] = {}
        for name, one in zip(names, counts, strict=True):
            for image in one.column("id"):
                if image in seen:
                    want = "images that are counted once"
                    raise BadInput(name, want, f"{image!r}, which is in {seen[image]} too", "leave one of them out")
                seen[image] = name
    try:
        whole = counts[0].merge(*counts[1:])
    except ValueError as fault:
        raise BadInput(", ".join(names), "counts that can be joined", str(fault), "judge them alike") from None
    return Counts(whole.table.combine_chunks(), whole.class_ids, whole.info)


@dataclass(frozen=True)
class _Learn:
    reader: Reader
    classes: tuple[int, ...] | None

    def __call__(self, shard: Shard) -> dict[str, Any]:
        check = CodingCheck(soft=self.reader.soft, classes=self.classes)  # grey levels are refused at once
        rows = []
        for pair, photo in shard.payload:
            pred, truth, levels = self.reader.raw(pair)
            joint = joint_counts(pred, truth)
            values = {b for _, b in joint}
            check.add(pair.pred, levels or {a for a, _ in joint}, pair.truth, values)
            centre = properties.of_truth(truth, None)
            rows.append(
                {
                    "joint": [[a, b, pixels] for (a, b), pixels in joint.items()],
                    "levels": list(levels),
                    "centre": centre,
                    "centre_judged": properties.of_truth(truth) if 255 in values else centre,
                    "photo": properties.of_photo(images.read_image(photo)) if photo else {},
                }
            )
        return {"rows": json.dumps(rows)}


@dataclass(frozen=True)
class _Outline:
    reader: Reader
    coding: Coding
    tolerance: float

    def __call__(self, shard: Shard) -> dict[str, Any]:
        ids, ignore = self.coding.class_ids, self.coding.ignore
        rows = []
        for pair, _ in shard.payload:
            pred, truth = self.reader.coded(pair, self.coding)
            rows.append(boundary.measure(pred, truth, ids, ignore, tolerance=self.tolerance).tolist())
        return {"rows": json.dumps(rows)}


class _Rows:
    """The rows of many shards, in order, read as often as wanted: held as text, an eighth of what objects take."""

    def __init__(self, found: Sequence[Mapping[str, Any]]) -> None:
        self._found = found

    def __iter__(self) -> Iterator[Any]:
        for one in self._found:
            yield from json.loads(one["rows"])


def _cut(records: Sequence[Record]) -> list[Shard]:
    """Shards of about :data:`SIZE` records; the frames of a clip, which stand together, are never parted."""
    pieces: list[list[Record]] = []
    moving = False  # whether the last piece is of clips
    for clip, group in itertools.groupby(records, key=lambda r: r.clip if r.frame is not None else None):
        several = list(group)
        if clip is None:
            pieces += [several[start : start + SIZE] for start in range(0, len(several), SIZE)]
        elif moving and len(pieces[-1]) + len(several) <= SIZE:
            pieces[-1] += several
        else:
            pieces.append(several)
            moving = True
    return [Shard(k, len(piece), piece) for k, piece in enumerate(pieces)]


_models: dict[bytes, dataset.Model] = {}


def _loaded(load: Callable[[], dataset.Model]) -> dataset.Model:
    """A worker's model: it is loaded for its first shard."""
    key = pickle.dumps(load)
    if key not in _models:
        _models.clear()
        _models[key] = load()
    return _models[key]


def _packed(counts: Counts) -> dict[str, Any]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, counts.table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(counts.table)
    table = base64.b64encode(sink.getvalue().to_pybytes()).decode()
    return {"table": table, "class_ids": list(counts.class_ids), "info": counts.info}


def _unpacked(told: Mapping[str, Any]) -> Counts:
    with pa.ipc.open_stream(base64.b64decode(told["table"])) as reader:
        return Counts(reader.read_all(), tuple(told["class_ids"]), dict(told["info"]))
