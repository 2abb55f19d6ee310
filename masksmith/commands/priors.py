"""``masksmith priors``: previous masks to look at, or as files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import console, options

if TYPE_CHECKING:
    from loaders.preview import Predict
    from loaders.prior_files import Task


@click.command()
@click.argument("dataset", metavar="D", type=click.Path(path_type=Path))
@click.option("--preview", type=click.Path(path_type=Path, dir_okay=False), help="Contact sheet to write (PNG).")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write a prior of each record, and a manifest that names it."
)
@click.option(
    "--model", type=click.Path(path_type=Path), help='A run, or an .onnx file: its answers are the kind "self".'
)
@click.option("--count", type=click.IntRange(min=1), default=24, show_default=True, help="Samples to look at.")
@click.option("--mix", default="paper", show_default=True, help="Mix of kinds: paper, empty30 or data.")
@click.option("--split", default="train", show_default=True, help="Split to take samples from; 'all' for every one.")
@click.option("--size", type=click.IntRange(min=16), default=224, show_default=True, help="Working size in pixels.")
@click.option(
    "--foreground", callback=options.names, metavar="NAMES", help="Foreground classes; default: all but background."
)
@options.seed_option
@options.engine_options
@options.dry_run_option
@options.json_option
def priors(
    dataset: Path,
    preview: Path | None,
    out: Path | None,
    model: Path | None,
    count: int,
    mix: str,
    split: str,
    size: int,
    foreground: tuple[str, ...],
    seed: int,
    engine: str,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Preview the simulated previous-frame masks, or write them.

    Shows how often each kind is drawn, how far its pixels move and how much of the truth it still covers. On the
    sheet the truth's outline lies over every prior. Without --model there is no network, and the kind "self" is its
    stand-in, a small warp. With --out every record of the split gets one prior, a PNG of 0 to 255, drawn by the mix;
    the new manifest names it under extra.prior, with its kind, displacement in pixels and IoU with the truth.

    \b
    Example:
      masksmith priors feet --preview priors.png
      masksmith priors feet --out feet-priors --model run --seed 1
    """
    from loaders import preview as drawing
    from loaders import prior_files
    from loaders.priors import find_mix
    from loaders.samples import Samples
    from manifests import Manifest
    from masksmith import files, images, seeds
    from masksmith.errors import UsageProblem

    if preview is not None and preview.suffix.lower() != ".png":
        raise UsageProblem(f"--preview {preview}: the sheet is a PNG; give a name that ends in .png")
    if out is not None and preview is not None:
        raise UsageProblem("use just one of --out and --preview")
    chosen = find_mix(mix)
    loaded = partial(load_model, model) if model is not None else None
    if out is not None:
        task = prior_files.Task(
            dataset,
            out,
            mix,
            None if split == "all" else split,
            (size, size),
            seed,
            foreground or None,
            loaded,
            digest(model) if model is not None else "",
        )
        _write(task, (engine, workers), dry_run, as_json)
        return
    manifest = Manifest.open(dataset)
    samples = Samples(
        manifest,
        None if split == "all" else split,
        size=(size, size),
        mix=mix,
        seed=seed,
        foreground=foreground or None,
    )
    predict = loaded() if loaded is not None else None
    rows = []
    shown = min(count, len(samples))
    chosen_records = seeds.rng(seed, "preview").permutation(len(samples))[:shown]
    with console.progress("priors", shown) as advance:
        for index in map(int, chosen_records):
            image, target = samples.pair(index)
            rng = seeds.rng(seed, "preview", index)
            rows.append(drawing.make_row(samples.id(index), image, samples.table.solid(target), rng, predict))
            advance(1)
    figures = drawing.figures(rows, chosen, seed)
    if preview is not None and not dry_run:
        files.write_bytes(preview, images.encode_png(drawing.sheet(rows)))
    if as_json:
        console.emit_json(
            {
                "dataset": str(dataset),
                "mix": mix,
                "split": split,
                "size": [size, size],
                "seed": seed,
                "samples": shown,
                "draws": drawing.DRAWS,
                "self": "small warp, no network given" if model is None else f"answers of {model}",
                "preview": None if preview is None or dry_run else str(preview),
                "kinds": figures,
            }
        )
        return
    console.table(
        f"priors of {dataset}, mix {mix}, {shown} samples at {size} x {size}",
        ["kind", "wanted", "drawn", "moved px (mean)", "least", "most", "IoU (mean)", "lowest", "highest"],
        [
            [
                row["kind"],
                f"{row['wanted']:.3f}",
                f"{row['share']:.3f}",
                *(f"{value:.2f}" for value in (row["displacement_px"], *row["displacement_range_px"])),
                f"{row['iou']:.3f}",
                *(f"{value:.3f}" for value in row["iou_range"]),
            ]
            for row in figures
        ],
    )
    if model is None:
        console.note("self: no network here, a small warp stands in; training fills in the network's own answer")
    if preview is not None:
        console.note(f"would write {preview}" if dry_run else f"wrote {preview}")


def load_model(path: Path) -> Predict:
    """A trained run, its weights, or an exported ONNX file, as a function of a picture and a previous mask."""
    from masksmith.errors import BadInput

    if not path.exists():
        raise BadInput(path, "a run, a .safetensors or an .onnx file", "no such file or folder", "check --model")
    if path.suffix.lower() == ".onnx":
        return _onnx(path)
    from trainers.predict import Predictor

    return Predictor(path)


def digest(path: Path) -> str:
    """What tells one network from another: the digest of its file, or of a run's best weights."""
    from masksmith import files

    place = path / "best.safetensors" if path.is_dir() else path
    return files.sha256(place) if place.is_file() else str(path)


def _onnx(path: Path) -> Predict:
    import numpy as np

    from masksmith import images
    from masksmith.errors import BadInput, EnvironmentFault

    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError:
        raise EnvironmentFault("an .onnx model needs onnxruntime: pip install 'masksmith[dev]'") from None
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    except Exception as fault:  # onnxruntime has its own, without a common base
        raise BadInput(path, "an ONNX model", str(fault).splitlines()[0], "export it again") from None
    asked = session.get_inputs()
    pictures = [each for each in asked if len(each.shape) == 4 and each.shape[1] == 3]
    if len(pictures) != 1:
        shapes = ", ".join(f"{each.name} {each.shape}" for each in asked)
        raise BadInput(path, "one input of pictures (N, 3, H, W)", shapes, "export it with masksmith export")

    def predict(image: Any, prior: Any) -> Any:
        height, width = (
            side if isinstance(side, int) else whole
            for side, whole in zip(pictures[0].shape[2:], image.shape[:2], strict=True)
        )
        small = images.resize_image(image, height, width)
        given = {pictures[0].name: small.transpose(2, 0, 1)[None].astype(np.float32) / 255}
        for each in asked:
            if each.name != pictures[0].name:  # the previous mask: none
                given[each.name] = np.zeros((1, 1, height, width), np.float32)
        (answer, *_) = session.run(None, given)
        soft: Any = np.asarray(answer, np.float32).reshape(-1, *answer.shape[-2:])
        if len(soft) > 1:  # scores of classes, the background first
            power = np.exp(soft - soft.max(axis=0))
            soft = 1 - power[:1] / power.sum(axis=0)
        elif soft.min() < 0 or soft.max() > 1:
            soft = 1 / (1 + np.exp(-soft))
        import cv2

        return np.asarray(cv2.resize(soft[0], image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)

    return predict


def _write(task: Task, how: tuple[str, int | None], dry_run: bool, as_json: bool) -> None:
    from loaders import prior_files
    from masksmith import engine as engines

    told: dict[str, Any] = {
        "dataset": str(task.source),
        "out": str(task.out),
        "mix": task.mix,
        "split": task.split or "all",
        "size": list(task.size),
        "seed": task.seed,
        "self": "answers of a network" if task.model else "small warp, no network given",
        "dry_run": dry_run,
    }
    if dry_run:
        records = prior_files.count(task)
        if as_json:
            console.emit_json({**told, "records": records})
        else:
            console.say(f"would write {records:,} priors and a manifest to {task.out}")
        return
    done = prior_files.write_priors(task, engines.get(*how))
    if as_json:
        console.emit_json({**told, "records": done.records, "kinds": done.kinds})
        return
    console.table(
        f"{done.records:,} priors in {task.out}, mix {task.mix}",
        ["kind", "wanted", "drawn", "count", "moved px (mean)", "IoU (mean)"],
        [
            [
                row["kind"],
                row["wanted"],
                row["share"],
                row["count"],
                *(_shown(row[k]) for k in ("displacement_px", "iou")),
            ]
            for row in done.kinds
        ],
    )


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
