"""``masksmith export``: trained weights to a file for a runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masksmith import console, options
from masksmith.errors import BadInput

PATH = click.Path(path_type=Path)


def frame_size(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Callback for HEIGHTxWIDTH, or one number for a square."""
    if value is None:
        return None
    parts = value.lower().split("x")
    if len(parts) > 2 or not all(part.isdigit() and int(part) for part in parts):
        raise click.BadParameter("write it as HEIGHTxWIDTH, such as 144x256, or as one number")
    return int(parts[0]), int(parts[-1])


@click.command()
@click.argument("run", type=PATH, required=False)
@click.option("--to", default="onnx", show_default=True, help="onnx, openvino, tflite or torch.")
@click.option("--for", "place_to_run", type=click.Choice(["web"]), help="Of TFLite, the form that browsers run best.")
@click.option("--out", type=PATH, help="The file [default: in the run's folder, named after the network].")
@click.option("--model", default=None, help="The network; needed with --random.")
@click.option("--random", "at_random", is_flag=True, help="Random weights, for measuring speed.")
@click.option("--data", type=PATH, help="A manifest to compare with PyTorch on, and to calibrate 8 bits on.")
@click.option("--split", help="Split of the data to compare on [default: test, else val, else all].")
@click.option("--samples", type=click.IntRange(1), default=32, show_default=True, help="Pictures to compare on.")
@click.option("--size", callback=frame_size, metavar="HxW", help="Another size than the network was trained at.")
@click.option("--with-pre", is_flag=True, help="Pre-processing inside: takes uint8 pictures, channels last.")
@click.option("--with-post", is_flag=True, help="Post-processing inside: gives a uint8 mask.")
@click.option("--dynamic", is_flag=True, help="Any batch and size (multiples of 32).")
@click.option("--layout", default="", help="nchw or nhwc [default: nhwc for openvino and tflite].")
@click.option("--int8", is_flag=True, help="Convolutions in 8 bits, calibrated on --data.")
@click.option("--relu", is_flag=True, help="ReLU instead of h-swish, to measure what h-swish costs.")
@click.option("--latency", type=click.IntRange(0), default=50, show_default=True, help="Runs for the card's latency.")
@options.seed_option
@options.dry_run_option
@options.json_option
def export(run: Path | None, to: str, out: Path | None, **given: Any) -> None:
    """Write a trained network to a file for a runtime, checked against PyTorch.

    Batch normalisation is folded, and a card (JSON and Markdown) is written beside the file.

    \b
    Example:
      masksmith export runs/person --to onnx --data portraits
      masksmith export runs/person --to openvino --int8 --data portraits --with-pre
      masksmith export --model portrait_lcnet --random --to onnx --out lcnet.onnx
      masksmith export runs/person --for web --data portraits
    """
    from trainers.export import job
    from trainers.export.deployed import FORMATS, Form

    browser = given["place_to_run"] == "web"
    to = "tflite" if browser and to == "onnx" else to
    form = Form(
        to=to,
        size=given["size"],
        pre=given["with_pre"],
        post=given["with_post"],
        dynamic=given["dynamic"],
        layout=given["layout"],
        int8=given["int8"],
        relu=given["relu"],
    )
    network = job.network_of(run, given["model"], random=given["at_random"], seed=given["seed"])
    place = out or _default(run, network.name, form.int8, FORMATS[to])
    if given["dry_run"]:
        console.say(f"would write {network.name} to {place} ({to}{', 8 bits' if form.int8 else ''}) and its card")
        return
    made = job.export(
        network,
        form,
        place,
        run=run,
        data=given["data"],
        split=given["split"],
        samples=given["samples"],
        latency=given["latency"],
        browser=browser,
        say=console.note,
    )
    if given["as_json"]:
        console.emit_json({"path": str(place), **made.card})
        return
    check = made.check
    change = check.iou_change
    told = f", IoU {check.iou_torch:.4f} -> {check.iou_export:.4f} ({change:+.5f})" if change is not None else ""
    where = "pictures" if check.real else "made-up pictures (name --data for real ones)"
    console.say(
        f"{place}: {made.card['bytes']:,} bytes; against PyTorch on {check.pictures} {where}: "
        f"largest error {check.max_error:.1e}{told}"
    )


def _default(run: Path | None, name: str, int8: bool, suffix: str) -> Path:
    if run is None:
        raise click.UsageError("random weights have no folder: name the file with --out")
    if not run.exists():
        raise BadInput(run, "a run folder or a file of weights", "no such file", "check the path")
    return (run if run.is_dir() else run.parent) / f"{name}{'-int8' if int8 else ''}{suffix}"
