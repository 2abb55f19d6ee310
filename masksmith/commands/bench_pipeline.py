"""``masksmith bench pipeline``: a model on video, from file to composite."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from masksmith import console, options
from masksmith.commands.export import frame_size
from masksmith.errors import BadInput


@click.command()
@click.argument("video", type=click.Path(path_type=Path))
@click.argument("model")
@click.option("--runtime", default="openvino", show_default=True, help="Of a run or random:NAME; files: what opens it.")
@click.option("--frames", type=click.IntRange(1), default=300, show_default=True, help="At most so many.")
@click.option("--loop", is_flag=True, help="Begin a short clip again until there are so many.")
@click.option("--at", callback=frame_size, metavar="HxW", help="Bring frames to this size first, such as 480x854.")
@click.option("--skip", type=click.FloatRange(0, 100), help="Skip frames that differ less than this percentile.")
@click.option("--upsample", default="sharp", show_default=True, help="sharp (edge-aware) or bilinear.")
@click.option("--no-prior", is_flag=True, help="Every frame without the mask of the one before.")
@click.option(
    "--cpu-quota",
    "quota",
    type=click.FloatRange(0, 100, min_open=True),
    help="Percent of a core; decoding is not counted then.",
)
@click.option("--core", type=click.IntRange(0), help="The processor to run on [default: the last one].")
@click.option(
    "--clock",
    type=click.Choice(["wall", "cpu"]),
    default="wall",
    show_default=True,
    help="cpu = the process's own time.",
)
@options.json_option
def pipeline(video: Path, model: str, as_json: bool, **given: Any) -> None:
    """Time a model on video, from file to composite.

    VIDEO is a video file or a folder of frames; MODEL an exported file, a run, or random:NAME.

    \b
    Example:
      masksmith bench pipeline clip.mp4 person.xml --at 480x854
      masksmith bench pipeline clip.mp4 runs/person --cpu-quota 10 --skip 80
    """
    from evaluation import pipeline as reels
    from masksmith import processor
    from masksmith.commands import bench_models

    if not video.exists():
        fix = "check the path; a camera is timed by the page of masksmith demo"
        raise BadInput(video, "a video file or a folder of frames", "no such file", fix)
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(model).is_file() and Path(model).suffix != ".safetensors"
        if exported:
            path, runtime = model, "auto"
        else:
            chosen = bench_models.candidates([model], bench_models.runtimes(given["runtime"]), [None], Path(folder))
            path, runtime = chosen[0].path, chosen[0].runtime
        film = reels.Film(
            video=str(video),
            model=path,
            runtime=runtime,
            frames=given["frames"],
            at=given["at"],
            skip=given["skip"],
            upsample=given["upsample"],
            prior=not given["no_prior"],
            decoded=given["quota"] is not None,
            loop=given["loop"],
        )
        reel, limit = reels.measure(film, quota=given["quota"], core=given["core"], say=console.note)
    # a quota shows on the wall alone
    clock = "wall" if given["quota"] else given["clock"]
    found = {
        "model": model,
        "video": str(video),
        "cpu": processor.name(),
        "clock": clock,
        "cpu_quota": given["quota"],
        "quota_by": limit.how if limit else None,
        **reel.figures(clock),
    }
    if as_json:
        console.emit_json(found)
        return
    rows = [(row["stage"], f"{row['mean_ms']:.2f}", f"{row['share']:.0%}") for row in found["stages"]]
    console.table("", ("stage", "ms", "share"), rows)
    counted = "" if found["decode_counted"] else ", decoding not counted"
    console.say(
        f"{found['width']}x{found['height']}, {found['runtime']}, one thread: "
        f"{found['fps']:.1f} fps end to end{counted}; {found['frames']} frames, {found['predicted']} predicted; "
        f"a frame takes {found['frame_ms']:.2f} ms (median), {found['p95_ms']:.2f} ms (p95), {clock} time"
    )
