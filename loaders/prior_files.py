"""Previous masks as files: a prior of each record beside its mask, with what was drawn and how far it moved.

For networks that are trained elsewhere, and to look at what training sees. The manifest that is written names each
prior under ``extra["prior"]`` (path, kind, displacement in pixels, IoU with the truth) and keeps everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loaders import priors
from loaders.preview import Predict
from loaders.priors import PRIOR_KINDS, PriorHistogram
from loaders.samples import Samples
from manifests import Manifest, ManifestWriter
from manifests.places import moved, prefix
from manifests.record import from_table, to_table
from masksmith import __version__, engine, files, images, seeds
from masksmith.errors import BadInput
from masksmith.images import Mask
from masksmith.receipts import FOLDER, Receipts

SHARD_ITEMS = 64
KEY = "prior"


@dataclass(frozen=True)
class Task:
    """What is to be done.

    Attributes:
        source: the manifest's folder; ``out`` the new one's.
        mix: name of a mix; ``split`` of the records, or None for all.
        size: (H, W) that priors are made at, so that displacements are pixels there; files have the mask's own size.
        model: loads the network of the ``self`` priors where it is used; None for a small warp in its place.
        model_digest: says which network it is.
    """

    source: Path
    out: Path
    mix: str
    split: str | None
    size: tuple[int, int]
    seed: int
    foreground: tuple[str, ...] | None = None
    model: Callable[[], Predict] | None = None
    model_digest: str = ""


@dataclass(frozen=True)
class Written:
    """What was written: the realised shares and the measures of each kind, by row as :meth:`PriorHistogram.rows`."""

    records: int
    kinds: list[dict[str, Any]]
    predicted: bool


def write_priors(task: Task, runner: engine.Engine) -> Written:
    """Write the priors and the manifest that names them; a run that was stopped goes on.

    Raises:
        BadInput: as :class:`Samples`, or a folder that holds something else.
        UsageProblem: an unknown mix, split or class.
        EnvironmentFault: no room, no rights, or another run is writing there.
    """
    samples = _samples(task)
    out = files.writable(task.out)
    with files.sole_writer(out / FOLDER):
        if not (out / FOLDER / "priors").is_dir() and any(path.name != FOLDER for path in out.iterdir()):
            raise BadInput(
                out, "an empty folder, or a stopped run of this command", "other files", "give another --out"
            )
        told = {key: value for key, value in asdict(replace(task, model=None)).items() if key not in ("source", "out")}
        job = {**told, "manifest": samples.digest, "version": __version__}
        receipts = Receipts(out, "priors", job)
        shards = engine.cut(range(len(samples)), SHARD_ITEMS)
        done = runner.map(partial(_shard, task), shards, receipts=receipts, label="priors")
        info = Manifest.open(task.source).info
        # row groups are cut by the writer: the bytes do not depend on the shards
        with ManifestWriter(out, info) as writer:
            for each in done:
                writer.add_table(pq.read_table(out / FOLDER / "parts" / each["part"]))
    return _summary(task, [row for each in done for row in each["rows"]])


def count(task: Task) -> int:
    """How many priors there would be; raises as :func:`write_priors`."""
    return len(_samples(task))


def _samples(task: Task) -> Samples:
    return Samples(
        Manifest.open(task.source),
        task.split,
        size=task.size,
        mix=task.mix,
        seed=task.seed,
        foreground=task.foreground,
    )


def _shard(task: Task, shard: engine.Shard) -> dict[str, Any]:
    manifest = Manifest.open(task.source)
    samples = _samples(task)
    predict = task.model() if task.model is not None else None
    before = prefix(manifest.folder, task.out)
    rows: list[list[Any]] = []
    records = []
    for index, record in zip(shard.payload, _records(manifest, samples, shard.payload, before), strict=True):
        prior = _made(task, samples, index, predict)
        path = f"priors/{index:07d}.png"
        size = record.height, record.width
        files.write_bytes(task.out / path, images.encode_png(_as_file(prior.mask, size)), durable=False)
        note = {
            "path": path,
            "kind": prior.kind,
            "displacement_px": None if np.isnan(prior.displacement_px) else round(prior.displacement_px, 4),
            "iou": round(prior.iou_with_truth, 4),
            "steps": list(prior.steps),
        }
        records.append(replace(record, extra={**record.extra, KEY: note}))
        rows.append([prior.kind, note["displacement_px"], note["iou"]])
    part = f"{shard.index:06d}.parquet"
    with files.atomic(task.out / FOLDER / "parts" / part, durable=False) as place:
        pq.write_table(to_table(records), place)
    return {"part": part, "rows": rows}


def _records(manifest: Manifest, samples: Samples, indices: list[int], before: str) -> Iterator[Any]:
    wanted = [samples.id(index) for index in indices]
    found = {}
    for table in manifest.tables():
        table = table.filter(pc.is_in(table["id"], pa.array(wanted)))
        for record in from_table(moved(table, before)):
            found[record.id] = record
        if len(found) == len(wanted):
            break
    yield from (found[id] for id in wanted)


def _made(task: Task, samples: Samples, index: int, predict: Predict | None) -> priors.Prior:
    rng = seeds.rng(task.seed, "prior", index)
    kind = priors.draw_kind(rng, priors.find_mix(task.mix))
    image, target = samples.pair(index)
    truth = samples.table.solid(target)
    prior = priors.make_prior(truth, kind, rng)
    if kind == "self" and predict is not None:
        soft = np.clip(predict(priors.grid_distort(image, rng), None), 0.0, 1.0).astype(np.float32)
        prior = priors.Prior(soft, "self", float("nan"), priors.overlap(soft, truth > 0), ("predicted",))
    return prior


def _as_file(soft: npt.NDArray[np.float32], size: tuple[int, int]) -> Mask:
    """A soft mask as 0 to 255, at the size of its picture."""
    import cv2

    grown = cv2.resize(soft, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.round(np.clip(grown, 0.0, 1.0) * 255), np.uint8)


def _summary(task: Task, rows: list[list[Any]]) -> Written:
    histogram = PriorHistogram()
    histogram.add([str(row[0]) for row in rows])
    kinds = []
    for counted in histogram.rows(priors.find_mix(task.mix)):
        own = [row for row in rows if row[0] == counted["kind"]]
        displaced = [row[1] for row in own if row[1] is not None]
        overlaps = [row[2] for row in own]
        kinds.append(
            {
                **counted,
                "displacement_px": float(np.mean(displaced)) if displaced else None,
                "displacement_range_px": [min(displaced), max(displaced)] if displaced else None,
                "iou": float(np.mean(overlaps)) if overlaps else None,
                "iou_range": [min(overlaps), max(overlaps)] if overlaps else None,
            }
        )
    if [each["kind"] for each in kinds] != list(PRIOR_KINDS):
        raise ValueError("kinds in another order")
    return Written(len(rows), kinds, task.model is not None)
