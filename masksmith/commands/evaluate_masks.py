"""Masks against masks for ``masksmith evaluate``: whatever form they come in, one way to count them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from masksmith import __version__, console
from masksmith.commands.evaluate_checks import class_ids
from masksmith.commands.evaluate_output import would
from masksmith.commands.evaluate_sources import Judged
from masksmith.errors import BadInput, UsageProblem

if TYPE_CHECKING:
    import numpy.typing as npt

    from evaluation.coding import Coding
    from evaluation.inputs import Reader
    from evaluation.pictures import Sample
    from evaluation.sources import Source

    Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Opened:
    """What PRED and its truth turned out to be; ``photos`` for the report, and ``subjects``, by the pairs' names."""

    source: Source
    title: str
    facts: dict[str, Any]
    photos: dict[str, Path] = field(default_factory=dict)
    truth: Path | None = None


def masks(given: dict[str, Any]) -> Judged | None:
    """PRED against TRUTH, against the masks of --data, or two columns of a dataset; None after a dry run."""
    from evaluation import inputs, motion, region, shards, sources, stored, temporal
    from masksmith import engine as engines

    motion.Estimator(given["flow"] or "dis")  # an unknown one is refused before the work
    reader = inputs.Reader(inputs.Size.parse(given["size"]), given["soft"], given["threshold"])
    classes = class_ids(given["classes"])
    opened = _dataset(given) if given["data"] else _columns(given) if not given["truth"] else _both(given)
    source = opened.source
    if given["allow_unreadable"]:
        source = sources.sift(source, given["allow_unreadable"])
    classes = classes or (list(source.classes) if source.classes else None)
    photos = _photos(given["photos"], source) if given["photos"] else {}
    for text in source.notes:
        console.note(text)
    if given["flow"] and not source.clips:
        raise UsageProblem("--flow is the motion of clips: name --clips, or give videos or a dataset of clips")
    if given["flow"] and not (photos or opened.photos):
        raise UsageProblem("--flow estimates motion from pictures: name them with --images")
    if given["dry_run"]:
        would(len(source.pairs), "pairs of masks", given)
        return None
    named = ("size", "soft", "threshold", "tolerance", "photos", "class_table", "foreground", "split", "common")
    options = [classes, *(str(given[name]) for name in named)]
    paths = dict.fromkeys(stored.file_of(where) for pair in source.pairs for where in (pair.pred, pair.truth))
    job = {"files": shards.stamp([*paths]), "options": options, "tool": __version__}
    progress = shards.Progress(given["out"], job)
    try:
        counts, coding = shards.count_pairs(
            source.pairs,
            reader,
            engines.get(given["engine"], given["workers"]),
            classes=classes,
            tolerance=given["tolerance"],
            photos=photos,
            progress=progress,
        )
    except BadInput:
        sources.sift(source, given["allow_unreadable"])  # counts all that is damaged, not the first file alone
        raise
    console.note(coding.says)
    counts = source.marked(counts)
    notes = list(source.notes)
    time = None
    if source.clips:
        pairs = {pair.name: pair for pair in source.pairs}
        with console.progress("time", len(pairs), unit="frames ") as advance:
            clips = _clips(opened, source, pairs, reader, coding, given, photos or opened.photos, advance)
        time = temporal.summarise(clips, seed=given["seed"]) if any(clip.steps for clip in clips) else None
        if gaps := sum(clip.gaps for clip in clips):
            notes.append(f"{gaps:,} steps between frames that are not neighbours were left out of the time figures.")
        short = [clip.clip for clip in clips if not clip.steps]
        if short:
            notes.append(f"{len(short):,} clips of one frame have no time figures: {sources.few(short)}")
            console.warn(notes[-1])
    iou = region.image_iou(counts, given["empty"])[0]
    pictures = photos or opened.photos

    def sample(position: int) -> Sample:
        from evaluation.pictures import Sample
        from masksmith import images

        pair = source.pairs[position]
        mask, goal = reader.coded(pair, coding)
        photo = pictures.get(pair.name)
        shown = images.resize_image(images.read_image(photo), *goal.shape) if photo and photo.is_file() else None
        subject = source.columns.get("subject")
        return Sample(pair.name, float(iou[position]), shown, mask, goal, (subject[position] or "") if subject else "")

    def each() -> Iterator[tuple[str, Array, Array]]:
        for pair in source.pairs:
            yield pair.name, *reader.frame(pair, coding)

    facts = {**opened.facts, "Values": coding.says}
    facts |= {"Compared at": given["size"]} if given["size"] else {}
    facts |= {"Threshold": given["threshold"]} if given["soft"] else {}
    facts |= {"Motion of clips": f"optical flow ({given['flow']})"} if given["flow"] and time else {}
    return Judged(counts, opened.title, facts, notes, time, sample, each, progress.done)


def _both(given: dict[str, Any]) -> _Opened:
    from evaluation import sources, table

    pred, truth = given["pred"], given["truth"]
    classes = table.ClassTable.read(given["class_table"]) if given["class_table"] else None
    source = sources.between(
        pred, truth, common=given["common"], moving=given["clips"], table=classes, soft=given["soft"]
    )
    if pred.resolve() == truth.resolve():
        console.warn("PRED and TRUTH are the same: everything will be right")
    title = f"{pred.resolve().name} against {truth.resolve().name}"
    return _Opened(source, title, {"Predictions": str(pred), "Truth": str(truth)})


def _dataset(given: dict[str, Any]) -> _Opened:
    from evaluation import dataset, predictions
    from manifests.manifest import Manifest
    from masksmith import files

    manifest = Manifest.open(given["data"])
    records, split, bare = dataset.pick(manifest, given["split"])
    front = given["foreground"]
    source = predictions.of_dataset(
        manifest,
        records,
        given["pred"],
        front,
        soft=given["soft"],
        common=given["common"],
        ids=bool(given.get("ids")),
    )
    source.notes.extend([f"Left out: {console.counted(bare, 'record')} without a mask."] if bare else [])
    console.note(f"{console.counted(len(source.pairs), 'record')} of {given['data']}, split {split}")
    facts = {
        "Predictions": str(given["pred"]),
        "Data": f"{manifest.info.name} {manifest.info.version}, split {split} ({given['data']})",
        "Records": f"sha256 {files.sha256(manifest.folder / 'records.parquet')}",
    }
    title = f"{given['pred'].resolve().name} on {manifest.info.name}"
    photos = {record.id: manifest.path(record.image) for record in records}
    return _Opened(source, f"{title}, {'all records' if split == 'all' else split + ' split'}", facts, photos)


def _columns(given: dict[str, Any]) -> _Opened:
    from evaluation import hub

    path, truth, pred = given["pred"], given["truth_column"], given["pred_column"]
    if not hub.is_dataset(path):
        raise BadInput(path, "a folder that Dataset.save_to_disk wrote", "something else", "or give PRED and TRUTH")
    source = hub.pair_columns(path, truth, pred, split=given["split"])
    facts = {"Data": str(path), "Predictions": f"column {pred}", "Truth": f"column {truth}"}
    return _Opened(source, f"{pred} against {truth} of {path.resolve().name}", facts)


def _photos(folder: Path, source: Source) -> dict[str, Path]:
    from evaluation import inputs, sources

    photos = inputs.named_files(folder)
    lacking = [pair.name for pair in source.pairs if pair.name not in photos]
    if lacking:
        raise BadInput(folder, "a photo for each mask", f"{len(lacking)} missing: {sources.few(lacking)}", "add them")
    return photos


def _clips(
    opened: _Opened,
    source: Source,
    pairs: Any,
    reader: Reader,
    coding: Coding,
    given: dict[str, Any],
    photos: dict[str, Path],
    advance: Any,
) -> Any:
    from evaluation import moving

    if not given["flow"]:
        console.note("motion of clips: none; warp_iou is left out (--flow estimates it)")
    return moving.judge_clips(pairs, source.clips, reader, coding, flow=given["flow"], photos=photos, advance=advance)
