"""``masksmith bench speed``: models side by side, one thread, all by turns."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from masksmith import console, options
from masksmith.commands.export import frame_size
from masksmith.errors import unknown_choice

BY_HAND = "operator by operator"
PATH = click.Path(path_type=Path)


def frame_sizes(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[tuple[int, int] | None, ...]:
    """Callback for a comma-separated list of sizes; none = each model's own."""
    parts = [part.strip() for part in (value or "").split(",") if part.strip()]
    return tuple(frame_size(context, parameter, part) for part in parts) or (None,)


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--runs", type=click.IntRange(1), default=1000, show_default=True, help="Counted runs of each model.")
@click.option("--warm-up", type=click.IntRange(0), default=20, show_default=True, help="Runs before them.")
@click.option(
    "--runtimes",
    "wanted",
    default="onnxruntime,openvino,litert,torch",
    show_default=True,
    help="A file is run by those of them that open it.",
)
@click.option("--sizes", callback=frame_sizes, metavar="LIST", help="Resolutions: 160,224 or 144x256 [default: own].")
@click.option("--cpu-quota", "quota", type=click.FloatRange(0, 100, min_open=True), help="Percent of a core at most.")
@click.option("--core", type=click.IntRange(0), help="The processor to run on [default: the last one].")
@click.option(
    "--clock",
    type=click.Choice(["wall", "cpu"]),
    default="wall",
    show_default=True,
    help="cpu = the process's own time, where others use the machine too.",
)
@click.option("--memory/--no-memory", default=True, show_default=True, help="Weigh each model in a process of its own.")
@click.option("--iou", "ious", multiple=True, metavar="MODEL=IOU", help="A number or a report.json; repeatable.")
@click.option("--against", metavar="MODEL", help="Ratios are to this one [default: the first that is not ours].")
@click.option("--plot", "picture", type=PATH, help="Draw IoU against latency (.png, .svg, .pdf).")
@click.option("--keep", type=PATH, help="Folder that exported runs and random weights stay in.")
@options.json_option
def speed(models: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Time models side by side on one thread.

    MODELS are exported files (.onnx, .xml, .tflite, .pt), those of others too, run folders, or random:NAME
    (random:NAME:relu with ReLU for h-swish). All are run by turns in one process on one processor.

    \b
    Example:
      masksmith bench speed random:portrait_lcnet selfie_segmentation.tflite
      masksmith bench speed runs/person --cpu-quota 10 --runs 100
      masksmith bench speed random:peopleseg_fpn --sizes 320,160,64,32 --json
    """
    from evaluation import speed as timing
    from evaluation import speed_table
    from masksmith import processor
    from masksmith.commands import bench_models

    wanted = bench_models.runtimes(given["wanted"])
    against = given["against"] and Path(given["against"]).name
    if against and against not in {Path(text).name.removeprefix("random:") for text in models}:
        raise unknown_choice("model", given["against"], models)
    told = dict(speed_table.read_iou(text) for text in given["ious"])
    if given["picture"]:
        speed_table.drawable(given["picture"], len(told))
    with tempfile.TemporaryDirectory() as folder:
        place = given["keep"] or Path(folder)
        chosen = bench_models.candidates(models, wanted, given["sizes"], place)
        console.note(f"{len(chosen)} models by turns, {given['runs']:,} runs each, one thread")
        timings, limit = timing.measure(
            chosen, given["runs"], warm_up=given["warm_up"], quota=given["quota"], core=given["core"], say=console.note
        )
        memory = {number: timing.peak_memory(one) for number, one in enumerate(chosen)} if given["memory"] else {}
        rows = speed_table.rows(
            chosen,
            timings,
            clock=given["clock"],
            quota=given["quota"],
            memory=memory,
            ious=told,
            against=against,
        )
    share = speed_table.disturbed(timings)
    if given["clock"] == "wall" and given["quota"] is None and share > 1.1:
        console.warn(f"others used the core too (wall over own time {share:.2f}); --clock cpu leaves them out")
    unknown = sorted(set(told) - {row["model"] for row in rows})
    if unknown:
        console.warn(
            f"no model is called {', '.join(unknown)}; there are {', '.join(sorted({r['model'] for r in rows}))}"
        )
    if given["picture"]:
        number = speed_table.plot(rows, given["picture"])
        console.note(f"{number} models in {given['picture']}")
    about = {
        "cpu": processor.name(),
        "threads": 1,
        "clock": given["clock"],
        "cpu_quota": given["quota"],
        "quota_by": limit.how if limit else None,
        "wall_over_cpu": share,
    }
    if as_json:
        console.emit_json({**about, "rows": rows})
        return
    _show(rows, about)


def _show(rows: list[dict[str, Any]], about: dict[str, Any]) -> None:
    quota = f", {about['cpu_quota']:g} % of a core by {about['quota_by']}" if about["cpu_quota"] else ""
    title = f"{about['cpu'] or 'one thread'}, one thread, {about['clock']} time{quota}"
    columns = (
        "model",
        "runtime",
        "input",
        "fps",
        "ratio",
        "median ms",
        "p95",
        "p99",
        "MFLOPs",
        "params",
        "MB",
        "peak MB",
    )
    console.table(
        title,
        columns,
        [
            (
                row["model"],
                row["runtime"],
                row["input"],
                f"{row['fps']:.1f}",
                f"{row['ratio']:.2f}",
                f"{row['median_ms']:.3f}",
                f"{row['p95_ms']:.3f}",
                f"{row['p99_ms']:.3f}",
                "-" if row["mflops"] is None else f"{row['mflops']:.1f}",
                "-" if row["params"] is None else f"{row['params']:,}",
                f"{row['size_mb']:.2f}",
                "-" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}",
            )
            for row in rows
        ],
    )
    written = dict.fromkeys(f"{row['model']} in {row['runtime']}" for row in rows if BY_HAND in row["form"])
    if written:
        console.say(f"TFLite written {BY_HAND}, without the converter: {', '.join(written)}")
    if rows:
        console.say(f"ratio: frames a second over those of {rows[0]['ratio_to']}")
