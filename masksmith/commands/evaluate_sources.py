"""The ways in which truth and prediction come to ``masksmith evaluate``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from masksmith import __version__, console
from masksmith.commands.evaluate_output import would
from masksmith.errors import BadInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from evaluation.counts import Counts
    from evaluation.pictures import Sample

    Array = npt.NDArray[Any]


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
        done: to be called when the report stands: takes away what an interrupted run would have gone on from.
        figures: further top-level entries of report.json, such as ``coco_ap``.
    """

    counts: Counts
    title: str
    facts: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    time: dict[str, Any] | None = None
    sample: Callable[[int], Sample] | None = None
    each: Callable[[], Iterator[tuple[str, Array, Array]]] | None = None
    done: Callable[[], None] = lambda: None
    figures: dict[str, Any] = field(default_factory=dict)


def model(given: dict[str, Any]) -> Judged | None:
    """A model on a dataset; None after a dry run."""
    from evaluation import dataset, deployed, inputs, motion, region, shards, temporal
    from evaluation.pictures import Sample
    from manifests.manifest import Manifest
    from masksmith import engine as engines
    from masksmith import files, images

    run, out = given["run"], given["out"]
    motion.Estimator(given["flow"] or "dis")  # an unknown one is refused before the work
    manifest = Manifest.open(given["data"])
    records, split, bare = dataset.pick(manifest, given["split"])
    if not run.exists():
        raise BadInput(run, "a run folder, a .safetensors file or an exported one", "no such file", "check the path")
    learned, assumed = deployed.described(run) if deployed.is_exported(run) else (dataset.trained_on(run), "")
    front = dataset.foreground(manifest.info.classes, learned)
    console.note(
        f"{console.counted(len(records), 'record')} of {given['data']}, split {split}; foreground: {', '.join(front)}"
    )
    notes = [f"Left out: {console.counted(bare, 'record')} without a mask."] if bare else []
    notes += [assumed] if assumed else []
    for text in notes:
        console.warn(text)
    if given["dry_run"]:
        would(len(records), "records", given)
        return None
    digest = files.sha256(manifest.folder / "records.parquet")
    named = ("split", "size", "threshold", "tolerance", "flow", "device", "save_masks", "motion")
    weights = sorted(run.glob("*.safetensors")) if run.is_dir() else [run]
    job = {"records": digest, "model": shards.stamp(weights), "options": [str(given[name]) for name in named]}
    progress = shards.Progress(out, {**job, "tool": __version__})
    masks = out / "masks" if given["save_masks"] else progress.masks()  # the report draws some of them
    truth = dataset.TruthReader(manifest.info.classes, front)
    size = inputs.Size.parse(given["size"])
    load = partial(_asked, run.absolute(), given["device"])
    options = (given["threshold"], size, given["flow"], given["tolerance"], given["motion"])
    question = shards.Question(given["data"], load, truth, masks, *options)
    engine = engines.get(given["engine"], given["workers"])
    counts, clips = shards.judge(question, records, engine, progress=progress)
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
    if time and not (given["flow"] or given["motion"]):
        console.note("motion of clips: none; warp_iou is left out (--flow estimates it, --motion gives it)")
    gaps = sum(clip.gaps for clip in clips)
    if gaps:
        notes.append(f"{gaps:,} steps between frames that are not neighbours were left out of the time figures.")
    facts = {
        "Model": str(run),
        "Data": f"{manifest.info.name} {manifest.info.version}, split {split} ({given['data']})",
        "Records": f"sha256 {digest}",
        "Foreground": ", ".join(f"{name} ({number})" for name, number in front.items()),
        "Threshold": given["threshold"],
    }
    facts |= {"Compared at": given["size"]} if given["size"] else {}
    facts |= {"Motion of clips": f"optical flow ({given['flow']})"} if given["flow"] and time else {}
    facts |= {"Motion of clips": f"known, from {given['motion']}"} if given["motion"] and time else {}
    title = f"{run.resolve().stem} on {manifest.info.name}, {'all records' if split == 'all' else split + ' split'}"

    def each() -> Iterator[tuple[str, Array, Array]]:
        yield from dataset.levels(replace(question.job(), masks=None), records)

    return Judged(counts, title, facts, notes, time, sample, each=each, done=progress.done)


def _asked(run: Path, device: str) -> Any:
    from evaluation import deployed
    from evaluation.dataset import Model

    if deployed.is_exported(run):
        return deployed.as_model(run)
    from trainers.predict import Predictor

    predictor = Predictor(run, device=device)
    return Model(predictor.batch, predictor if "prior" in predictor.inputs else None)


def again(given: dict[str, Any]) -> Judged | None:
    """Counts that were written before; None after a dry run."""
    from evaluation import shards
    from evaluation.counts import Counts

    paths = [path / "counts.parquet" if path.is_dir() else path for path in given["from_counts"]]
    several = [Counts.from_parquet(path) for path in paths]
    counts = shards.joined(several, [str(path) for path in paths]) if len(several) > 1 else several[0]
    if given["boundary"] and not counts.measured:
        where = ", ".join(map(str, paths))
        raise BadInput(where, "counts with boundary figures", "none", "evaluate the masks again with --boundary")
    if given["dry_run"]:
        would(len(counts), "counted images", given)
        return None
    told = [one.info.get("report", {}) for one in several]
    if len(several) > 1:
        notes = [note for one in told for note in one.get("notes", [])]
        facts = {"Joined from": ", ".join(map(str, paths))}
        return Judged(counts, f"{len(several)} evaluations joined", facts, notes, _joined_time(told, given["seed"]))
    return Judged(
        counts,
        str(told[0].get("title", paths[0])),
        {**told[0].get("facts", {}), "Reduced from": str(paths[0])},
        list(told[0].get("notes", [])),
        told[0].get("time"),
        figures=dict(told[0].get("figures", {})),
    )


def _joined_time(told: Sequence[Mapping[str, Any]], seed: int) -> dict[str, Any] | None:
    """The time figures over the clips of several evaluations."""
    from evaluation import temporal

    times = [one["time"] for one in told if one.get("time")]
    if not times:
        return None
    clips = [temporal.restored(clip) for time in times for clip in time["clips"]]
    return temporal.summarise(clips, seed=seed) | {"left_out": [name for time in times for name in time["left_out"]]}
