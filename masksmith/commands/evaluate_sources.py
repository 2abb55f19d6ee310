"""The ways in which truth and prediction come to ``masksmith evaluate``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from masksmith import console
from masksmith.commands.evaluate_checks import class_ids
from masksmith.commands.evaluate_output import would
from masksmith.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from evaluation.counts import Counts
    from evaluation.pictures import Sample

    Array = npt.NDArray[np.generic]


@dataclass
class Judged:
    """What one of the ways to evaluate hands on to the report.

    Attributes:
        counts: of every image, in the order of ``sample``.
        facts: where the masks came from, text by name; ``notes``: what the reader must know.
        time: what ``temporal.summarise`` returned, where there are clips.
        sample: draws the image at a position, for the report.
        each: reads every image again, in the order of ``counts``: (id, prediction, truth) of one size; a prediction is
            float32 in [0, 1] where it is soft, else both are class ids. None where nothing can be read again.
        figures: further top-level entries of report.json, such as ``coco_ap``.
    """

    counts: Counts
    title: str
    facts: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    time: dict[str, Any] | None = None
    sample: Callable[[int], Sample] | None = None
    each: Callable[[], Iterator[tuple[str, Array, Array]]] | None = None
    figures: dict[str, Any] = field(default_factory=dict)


def folders(given: dict[str, Any]) -> Judged | None:
    """Two folders of masks; None after a dry run."""
    from evaluation import inputs, region
    from evaluation.pictures import Sample
    from masksmith import images

    pred, truth = given["pred"], given["truth"]
    classes = class_ids(given["classes"])
    reader = inputs.Reader(inputs.Size.parse(given["size"]), given["soft"], given["threshold"])
    pairs = inputs.pair_folders(pred, truth)
    photos = inputs.named_files(given["photos"]) if given["photos"] else {}
    lacking = [pair.name for pair in pairs if pair.name not in photos] if photos else []
    if lacking:
        raise BadInput(
            given["photos"], "a photo for each mask", f"{len(lacking)} missing: {', '.join(lacking[:3])}", "add them"
        )
    if pred.resolve() == truth.resolve():
        console.warn("PRED and TRUTH are the same folder: everything will be right")
    if given["dry_run"]:
        would(len(pairs), "pairs of masks", given)
        return None
    tolerance = given["tolerance"]
    with console.progress("judging", len(pairs) * (1 if tolerance is None else 2), unit="pairs ") as advance:
        counts, coding = inputs.count_pairs(pairs, reader, classes=classes, tolerance=tolerance, advance=advance)
    console.note(coding.says)
    iou = region.image_iou(counts, given["empty"])[0]

    def sample(position: int) -> Sample:
        pair = pairs[position]
        mask, goal = reader.coded(pair, coding)
        photo = None
        if photos:
            photo = images.resize_image(images.read_image(photos[pair.name]), *goal.shape)
        return Sample(pair.name, float(iou[position]), photo, mask, goal)

    def each() -> Iterator[tuple[str, Array, Array]]:
        for pair in pairs:
            yield pair.name, *reader.frame(pair, coding)

    facts = {"Predictions": str(pred), "Truth": str(truth), "Values": coding.says}
    facts |= {"Compared at": given["size"]} if given["size"] else {}
    facts |= {"Threshold": given["threshold"]} if given["soft"] else {}
    return Judged(counts, f"{pred.resolve().name} against {truth.resolve().name}", facts, sample=sample, each=each)


def model(given: dict[str, Any], stack: ExitStack) -> Judged | None:
    """A model on a dataset; None after a dry run."""
    from evaluation import dataset, inputs, motion, region, temporal
    from evaluation.pictures import Sample
    from manifests.manifest import Manifest
    from masksmith import files, images

    run, out = given["run"], given["out"]
    motion.Estimator(given["flow"] or "dis")  # an unknown one is refused before the work
    manifest = Manifest.open(given["data"])
    records, split, bare = dataset.pick(manifest, given["split"])
    if not run.exists():
        raise BadInput(run, "a run folder or a .safetensors file", "no such file", "check the path")
    front = dataset.foreground(manifest.info.classes, dataset.trained_on(run))
    console.note(f"{len(records):,} records of {given['data']}, split {split}; foreground: {', '.join(front)}")
    notes = [f"{bare:,} records without a mask were left out."] if bare else []
    for text in notes:
        console.warn(text)
    if given["dry_run"]:
        would(len(records), "records", given)
        return None
    masks: Path | None = None
    if out:  # the report draws some of them
        masks = out / "masks" if given["save_masks"] else Path(stack.enter_context(tempfile.TemporaryDirectory()))
    truth = dataset.TruthReader(manifest.info.classes, front)
    size = inputs.Size.parse(given["size"])
    job = dataset.Job(manifest, _asked(run, given["device"]), truth, masks, given["threshold"], size, given["flow"])
    job = replace(job, tolerance=given["tolerance"])
    with console.progress("judging", len(records), unit="images ") as advance:
        counts, clips = dataset.judge(job, records, advance=advance)
    iou = region.image_iou(counts, given["empty"])[0]
    places = dataset.mask_paths(records, masks) if masks else {}

    def sample(position: int) -> Sample:
        record = records[position]
        mask = (images.read_mask(places[record.id]) > 0).astype("uint8")
        _, goal = size.fit(mask, truth(manifest.path(record.mask or "")), record.mask)
        photo = images.resize_image(images.read_image(manifest.path(record.image)), *mask.shape)
        goal = images.resize_mask(goal, *mask.shape)
        return Sample(record.id, float(iou[position]), photo, mask, goal, record.subject or "")

    time = temporal.summarise(clips, seed=given["seed"]) if any(clip.steps for clip in clips) else None
    if time and not given["flow"]:
        console.note("motion of clips: none; warp_iou is left out (--flow estimates it)")
    gaps = sum(clip.gaps for clip in clips)
    if gaps:
        notes.append(f"{gaps:,} steps between frames that are not neighbours were left out of the time figures.")
    facts = {
        "Model": str(run),
        "Data": f"{manifest.info.name} {manifest.info.version}, split {split} ({given['data']})",
        "Records": f"sha256 {files.sha256(manifest.folder / 'records.parquet')}",
        "Foreground": ", ".join(f"{name} ({number})" for name, number in front.items()),
        "Threshold": given["threshold"],
    }
    facts |= {"Compared at": given["size"]} if given["size"] else {}
    facts |= {"Motion of clips": f"optical flow ({given['flow']})"} if given["flow"] and time else {}
    title = f"{run.resolve().stem} on {manifest.info.name}, {'all records' if split == 'all' else split + ' split'}"
    return Judged(counts, title, facts, notes, time, sample)


def _asked(run: Path, device: str) -> Any:
    from evaluation.dataset import Model
    from trainers.predict import Predictor

    predictor = Predictor(run, device=device)
    return Model(predictor.batch, predictor if "prior" in predictor.inputs else None)


def again(given: dict[str, Any]) -> Judged | None:
    """Counts that were written before; None after a dry run."""
    from evaluation.counts import Counts

    path = given["from_counts"]
    counts = Counts.from_parquet(path)
    if given["boundary"] and not counts.measured:
        raise BadInput(path, "counts with boundary figures", "none", "evaluate the masks again with --boundary")
    if given["dry_run"]:
        would(len(counts), "counted images", given)
        return None
    told = counts.info.get("report", {})
    return Judged(
        counts,
        str(told.get("title", path)),
        {**told.get("facts", {}), "Reduced from": str(path)},
        list(told.get("notes", [])),
        told.get("time"),
        figures=dict(told.get("figures", {})),
    )
