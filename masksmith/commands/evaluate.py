"""``masksmith evaluate``: masks against the truth, or a model on a dataset."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from masksmith import console, options
from masksmith.commands import (
    evaluate_checks,
    evaluate_classes,
    evaluate_coco,
    evaluate_masks,
    evaluate_output,
    evaluate_sources,
)
from masksmith.commands.evaluate_parts import PARTS, part_options
from masksmith.errors import BadInput, CheckFailed

PATH = click.Path(path_type=Path)


def _schema(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from evaluation import schema

        console.emit_json(schema.report())
        context.exit()


@click.command()
@click.argument("pred", type=PATH, required=False)
@click.argument("truth", type=PATH, required=False)
@click.option("--model", "run", type=PATH, help="A run, .safetensors or exported file to judge on --data.")
@click.option("--data", type=PATH, help="The manifest to judge --model, or PRED by record id, on.")
@click.option("--split", help="Split of the data, or all [default: test, else val, else all].")
@click.option(
    "--truth-column", metavar="NAME", help="Columns of a datasets folder PRED: truths (--pred-column: predictions)."
)
@click.option("--pred-column", metavar="NAME", hidden=True, help="Column of predictions in it.")
@click.option("--from-counts", type=PATH, multiple=True, help="Reduce counts.parquet again; several join.")
@click.option("--out", type=PATH, help="Folder for report.html, report.json and counts.parquet.")
@click.option("--classes", callback=options.names, help="Class ids, such as 0,1,2 [default: as found].")
@click.option("--class-table", type=PATH, help="Names, ids and colours of classes, .json or .csv.")
@click.option("--foreground", callback=options.names, metavar="NAMES", help="Classes of --data that PRED's one means.")
@click.option("--soft", is_flag=True, help="PRED holds levels: 8 bits, 16 bits, or floats in [0, 1].")
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Foreground from here.")
@click.option("--at", "size", metavar="SIZE", help="Compare at this size: truth, pred or HEIGHTxWIDTH.")
@click.option("--common", is_flag=True, help="Judge the names both sides have; the others are told.")
@click.option("--allow-unreadable", type=click.IntRange(0), default=0, metavar="N", help="Leave out N damaged files.")
@click.option("--clips", is_flag=True, help="Folders and stacks are clips: time figures too.")
@click.option("--flow", help="Motion of clips from pictures, for warp_iou: dis or farneback.")
@click.option("--motion", type=PATH, help="Known motion of a model's clips: a file named as each record's id.")
@click.option("--images", "photos", type=PATH, help="Photos of the masks, for the report and --flow.")
@click.option("--headline", default="iou_fg_image", show_default=True, help="The figure to name first.")
@click.option("--empty", default="one", show_default=True, help="A class absent from both sides: one, skip or zero.")
@click.option("--boundary", is_flag=True, help="Boundary figures too (bands, contours, distances).")
@click.option("--tolerance", type=click.FloatRange(0), metavar="PX", help="What surface_dice forgives [default: 2].")
@click.option("--save-masks", is_flag=True, help="Keep the model's masks in OUT/masks.")
@click.option("--device", default="cpu", show_default=True, help="Where the model runs.")
@click.option(
    "--fail-under",
    multiple=True,
    metavar="NAME=VALUE",
    help="Exit 1 if a figure is lower (--fail-over: higher); repeatable.",
)
@click.option("--fail-over", multiple=True, metavar="NAME=VALUE", hidden=True, help="Exit 1 if a figure is higher.")
@click.option("--slice", "by", multiple=True, metavar="KEY", help="Figures by a column, a group key, extra.FIELD, ...")
@click.option(
    "--least", type=click.IntRange(2), default=5, show_default=True, help="Subjects a slice needs for an interval."
)
@part_options
@partial(options.engine_options, default="serial")
@options.seed_option
@options.dry_run_option
@click.option(
    "--schema", is_flag=True, is_eager=True, expose_value=False, callback=_schema, help="Print report.json's schema."
)
@options.json_option
def evaluate(**given: Any) -> None:
    """Judge masks against the truth, or a model on a dataset.

    \b
    Example:
      masksmith evaluate predictions truth --out report
      masksmith evaluate predicted.mp4 truth.mp4                 (also .npy, .npz, and folders of videos)
      masksmith evaluate results.json instances.json             (COCO: AP, and figures of each category)
      masksmith evaluate predictions --data feet --split test    (by record id; intervals over subjects)
      masksmith evaluate --model runs/feet --data feet --fail-under iou_fg_image=0.9
    """
    from evaluation import region, report
    from evaluation.evaluator import check_foreground
    from masksmith import files

    bars = evaluate_checks.checked(given)
    out: Path | None = given["out"]
    if out and not given["dry_run"]:
        files.writable(out)
    if given["from_counts"]:
        judged = evaluate_sources.again(given)
    elif given["run"]:
        judged = (evaluate_classes if evaluate_classes.several(given["run"]) else evaluate_sources).model(given)
    elif given["truth"] and given["truth"].suffix.lower() == ".json":
        judged = evaluate_coco.coco(given)
    else:
        judged = evaluate_masks.masks(given)
    if judged is None:
        return
    try:
        check_foreground(judged.counts)
    except ValueError as fault:
        where = given["truth"] or given["data"] or ", ".join(map(str, given["from_counts"]))
        raise BadInput(where, "masks whose foreground is a class id", str(fault), "see the class table") from None
    if not len(judged.counts):
        raise BadInput(given["from_counts"][0], "counts of images", "none", "evaluate the masks again")
    for part in PARTS:
        judged.figures |= part.figures(judged, given)
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
        by=given["by"],
        least=given["least"],
    )
    made |= console.plain(judged.figures)
    for name in judged.figures:  # an interval of the counts' own figure would be of another
        made["intervals"]["values"].pop(name, None)
        if made["headline"]["name"] == name:
            made["headline"] |= {"value": made[name], "interval": None}
    missed = [text for bar in bars if (text := evaluate_checks.missed(bar, made))]
    if out:
        evaluate_output.write(out, made, judged, given)
        judged.done()
    if given["as_json"]:
        console.emit_json({**made, "report": str(out / "report.html") if out else None})
    else:
        evaluate_output.show(made, judged, out, given["by"])
    if missed:
        raise CheckFailed("; ".join(missed))
