"""``masksmith evaluate``: masks against the truth, or a model on a dataset."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import console, options
from masksmith.errors import BadInput, CheckFailed, UsageProblem

if TYPE_CHECKING:
    from evaluation.counts import Counts
    from evaluation.pictures import Sample

EACH = 4  # samples of each rank in the report
WALL = 24
SHOWN = (
    "iou_fg_image",
    "miou_image",
    "iou_fg_dataset",
    "miou_dataset",
    "dice_fg_image",
    "pixel_accuracy",
    "precision",
    "recall",
    "boundary_iou",
    "boundary_f",
    "hausdorff95",
    "surface_dice",
    "flicker",
    "flicker_excess",
    "dtssd",
    "warp_iou",
    "boundary_jitter_px",
    "boundary_flip_rate",
    "vc8",
    "vc16",
)


@dataclass
class Judged:
    """What one of the three ways to evaluate hands on to the report."""

    counts: Counts
    title: str
    facts: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    time: dict[str, Any] | None = None
    sample: Callable[[int], Sample] | None = None


@dataclass(frozen=True)
class Bar:
    """``--fail-under NAME=VALUE`` or ``--fail-over NAME=VALUE``."""

    name: str
    value: float
    under: bool


@click.command()
@click.argument("pred", type=click.Path(path_type=Path), required=False)
@click.argument("truth", type=click.Path(path_type=Path), required=False)
@click.option(
    "--model", "run", type=click.Path(path_type=Path), help="A run folder or .safetensors to judge on --data."
)
@click.option("--data", type=click.Path(path_type=Path), help="The manifest to judge --model on.")
@click.option("--split", help="Split of --data, or all [default: test if there is one, else val, else all].")
@click.option("--from-counts", type=click.Path(path_type=Path), help="Reduce a counts.parquet again.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for report.html, report.json and counts.parquet.")
@click.option("--headline", default="iou_fg_image", show_default=True, help="The figure to name first.")
@click.option("--empty", default="one", show_default=True, help="A class absent from both sides: one, skip or zero.")
@click.option("--at", "size", metavar="SIZE", help="Compare at this size: truth, pred or HEIGHTxWIDTH.")
@click.option("--classes", callback=options.names, help="Class ids of two folders, such as 0,1,2 [default: as found].")
@click.option("--images", "photos", type=click.Path(path_type=Path), help="Photos of two folders, for the report.")
@click.option("--soft", is_flag=True, help="PRED holds grey levels, 0 to 255 for 0 to 1.")
@click.option(
    "--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Foreground from here on."
)
@click.option("--boundary", is_flag=True, help="Boundary figures too (bands, contours, distances of surfaces).")
@click.option("--tolerance", type=click.FloatRange(0), metavar="PX", help="What surface_dice forgives [default: 2].")
@click.option("--save-masks", is_flag=True, help="Keep the model's masks in OUT/masks.")
@click.option("--flow", help="Estimate the motion of clips, for warp_iou: dis or farneback [default: no motion].")
@click.option("--device", default="cpu", show_default=True, help="Where the model runs.")
@click.option("--fail-under", multiple=True, metavar="NAME=VALUE", help="Exit 1 if a figure is lower; repeatable.")
@click.option("--fail-over", multiple=True, metavar="NAME=VALUE", help="Exit 1 if a figure is higher; repeatable.")
@options.seed_option
@options.dry_run_option
@options.json_option
def evaluate(**given: Any) -> None:
    """Judge masks against the truth, or a model on a dataset.

    \b
    Example:
      masksmith evaluate predictions truth --out report
      masksmith evaluate --model runs/feet --data feet --fail-under iou_fg_image=0.9
    """
    from evaluation import boundary, region, report, surface
    from evaluation.evaluator import check_foreground
    from masksmith import files

    _usage(given)
    region.fill_value(given["empty"])
    bars = [_bar(text, under=True) for text in given["fail_under"]]
    bars += [_bar(text, under=False) for text in given["fail_over"]]
    edges = {given["headline"], *(bar.name for bar in bars)} & set(boundary.CONVENTIONS)
    if edges and not given["boundary"] and not given["from_counts"]:
        raise UsageProblem(f"{min(edges)} is measured with --boundary only")
    if given["boundary"] and given["tolerance"] is None:
        given["tolerance"] = surface.TOLERANCE
    out: Path | None = given["out"]
    if out and not given["dry_run"]:
        files.writable(out)
    with ExitStack() as stack:
        if given["from_counts"]:
            judged = _again(given)
        elif given["run"]:
            judged = _model(given, stack)
        else:
            judged = _folders(given)
        if judged is None:
            return
        try:
            check_foreground(judged.counts)
        except ValueError as fault:
            where = given["truth"] or given["data"] or given["from_counts"]
            raise BadInput(where, "masks whose foreground is a class id", str(fault), "see the class table") from None
        if not len(judged.counts):
            raise BadInput(given["from_counts"], "counts of images", "none", "evaluate the masks again")
        wanted = {float(bar.name[7:]) for bar in bars if bar.name.startswith("map_at_")}
        made = report.document(
            judged.counts,
            empty=given["empty"],
            at=sorted({*region.AT, *wanted}),
            seed=given["seed"],
            headline=given["headline"],
            time=judged.time,
            title=judged.title,
            facts=judged.facts,
            notes=judged.notes,
        )
        missed = [text for bar in bars if (text := _missed(bar, report.figure(made, bar.name)))]
        if out:
            _write(out, made, judged, given)
        if given["as_json"]:
            console.emit_json({**made, "report": str(out / "report.html") if out else None})
        else:
            _print(made, out)
    if missed:
        raise CheckFailed("; ".join(missed))


def _usage(given: dict[str, Any]) -> None:
    ways = [bool(given["pred"] or given["truth"]), bool(given["run"] or given["data"]), bool(given["from_counts"])]
    if sum(ways) != 1:
        raise UsageProblem("give one of: PRED and TRUTH, --model and --data, or --from-counts")
    if ways[0] and not given["truth"]:
        raise UsageProblem("give the folder of truth masks after the folder of predictions")
    if ways[1] and not (given["run"] and given["data"]):
        raise UsageProblem("--model and --data go together: a model is judged on a dataset")
    if given["save_masks"] and not (given["run"] and given["out"]):
        raise UsageProblem("--save-masks goes with --model and --out")
    for name, option, way in (
        ("classes", "--classes", 0),
        ("photos", "--images", 0),
        ("soft", "--soft", 0),
        ("split", "--split", 1),
        ("flow", "--flow", 1),
    ):
        if given[name] and not ways[way]:
            raise UsageProblem(f"{option} goes with {'PRED and TRUTH' if way == 0 else '--model and --data'}")
    if given["size"] and ways[2]:
        raise UsageProblem("--at goes with masks: counts have no size")
    if given["tolerance"] is not None and (ways[2] or not given["boundary"]):
        raise UsageProblem("--tolerance goes with --boundary and masks")


def _folders(given: dict[str, Any]) -> Judged | None:
    from evaluation import inputs, region
    from evaluation.pictures import Sample
    from masksmith import images

    pred, truth = given["pred"], given["truth"]
    classes = _classes(given["classes"])
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
        _would(len(pairs), "pairs of masks", given)
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

    facts = {"Predictions": str(pred), "Truth": str(truth), "Values": coding.says}
    facts |= {"Compared at": given["size"]} if given["size"] else {}
    facts |= {"Threshold": given["threshold"]} if given["soft"] else {}
    return Judged(counts, f"{pred.resolve().name} against {truth.resolve().name}", facts, sample=sample)


def _model(given: dict[str, Any], stack: ExitStack) -> Judged | None:
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
        _would(len(records), "records", given)
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


def _again(given: dict[str, Any]) -> Judged | None:
    from evaluation.counts import Counts

    path = given["from_counts"]
    counts = Counts.from_parquet(path)
    if given["boundary"] and not counts.measured:
        raise BadInput(path, "counts with boundary figures", "none", "evaluate the masks again with --boundary")
    if given["dry_run"]:
        _would(len(counts), "counted images", given)
        return None
    told = counts.info.get("report", {})
    return Judged(
        counts,
        str(told.get("title", path)),
        {**told.get("facts", {}), "Reduced from": str(path)},
        list(told.get("notes", [])),
        told.get("time"),
    )


def _write(out: Path, made: dict[str, Any], judged: Judged, given: dict[str, Any]) -> None:
    from evaluation import pictures, region, report
    from masksmith import seeds

    counts, sample = judged.counts, judged.sample
    told = {"title": judged.title, "facts": judged.facts, "notes": judged.notes, "time": judged.time}
    if not given["from_counts"]:
        counts = replace(counts, info={**counts.info, "report": console.plain(told)})
    ranked: dict[str, list[Any]] = {}
    wall: list[Any] = []
    if sample:
        iou = region.image_iou(counts, given["empty"])[0]
        for rank, positions in pictures.choose(iou, EACH).items():
            ranked[rank] = [pictures.draw(sample(position)) for position in positions]
        drawn = seeds.rng(given["seed"], "wall").permutation(len(counts))[:WALL]
        wall = [pictures.draw(sample(int(k)), width=200, panels=False) for k in sorted(drawn)]
    report.write(out, made, counts, ranked=ranked, wall=wall)


def _print(made: dict[str, Any], out: Path | None) -> None:
    bounds = made["intervals"]["values"]
    rows: list[list[Any]] = []
    names = [made["headline"]["name"], *(name for name in SHOWN if name != made["headline"]["name"])]
    for name in names:
        if name in made and (name, made[name]) != ("warp_iou", None):
            rows.append([name, made[name], bounds.get(name)])
    rows += [[f"map_at_{x}", share, bounds.get(f"map_at_{x}")] for x, share in made["map_at_x"].items()]
    shown = [
        [name, "undefined" if value is None else value, f"{pair[0]:.4f} to {pair[1]:.4f}" if pair else ""]
        for name, value, pair in rows
    ]
    console.table(f"{made['title']}: {made['images']:,} images", ["figure", "value", "95 % interval"], shown)
    trust, undefined = made["intervals"], made["undefined"]
    console.note(trust["note"] or f"intervals: bootstrap over {trust['groups']:,} {trust['unit']}s")
    if undefined["image_class_pairs"]:
        console.note(
            f"{undefined['image_class_pairs']:,} (image, class) pairs are absent from both sides; "
            f"policy: {undefined['policy']}"
        )
    if lost := undefined.get("hausdorff95_images"):
        console.note(f"hausdorff95: {lost:,} images left out, foreground on one side only")
    if out:
        console.say(str(out / "report.html"))


def _would(count: int, what: str, given: dict[str, Any]) -> None:
    files = f"; would write report.html, report.json and counts.parquet to {given['out']}" if given["out"] else ""
    console.say(f"would judge {count:,} {what}{files}")


def _classes(names: Sequence[str]) -> list[int] | None:
    if not names:
        return None
    if any(not name.isdigit() for name in names):
        raise UsageProblem(f"--classes takes ids such as 0,1,2, not {','.join(names)!r}")
    return [int(name) for name in names]


def _bar(text: str, *, under: bool) -> Bar:
    from evaluation import boundary, region, report, temporal
    from masksmith.errors import unknown_choice

    option = "--fail-under" if under else "--fail-over"
    name, _, value = (part.strip() for part in text.partition("="))
    try:
        bar = float(value)
    except ValueError:
        raise UsageProblem(f"{option} takes NAME=VALUE such as iou_fg_image=0.9, not {text!r}") from None
    if bar != bar:
        raise UsageProblem(f"{option} {text}: nothing compares with that")
    if match := re.fullmatch(r"map_at_(0?\.\d+|0|1|1\.0*)", name):
        return Bar(region.at_name(float(match[1])), bar, under)
    if name not in report.CONVENTIONS:
        raise unknown_choice("figure", name, [*report.CONVENTIONS, "map_at_0.9"])
    if under != (name in region.CONVENTIONS or name in boundary.HIGHER or name in temporal.HIGHER):
        other = "--fail-over" if under else "--fail-under"
        raise UsageProblem(f"{name} is better {'lower' if under else 'higher'}: use {other}")
    return Bar(name, bar, under)


def _missed(bar: Bar, value: float | None) -> str | None:
    if value is None:
        return f"{bar.name} is undefined, the bar is {bar.value:g}"
    if bar.under and value < bar.value:
        return f"{bar.name} is {value:.4f}, under {bar.value:g}"
    if not bar.under and value > bar.value:
        return f"{bar.name} is {value:.4f}, over {bar.value:g}"
    return None
