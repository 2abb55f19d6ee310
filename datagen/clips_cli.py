"""``masksmith clips``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from datagen import asked
from masksmith import console, options
from masksmith.errors import BadInput, UsageProblem


@click.command()
@asked.sources
@click.option("--out", required=True, callback=asked.folder, help="Folder of the new dataset.")
@click.option("--count", type=click.IntRange(min=1), default=12, show_default=True, help="Number of clips.")
@click.option("--frames", type=click.IntRange(2, 10_000), default=24, show_default=True, help="Frames of a clip.")
@click.option("--fps", type=click.FloatRange(1, 240), default=25, show_default=True, help="Frames a second.")
@click.option(
    "--size", type=click.IntRange(32, 2048), default=256, show_default=True, help="Side of a frame in pixels."
)
@click.option(
    "--shake",
    type=click.FloatRange(0, 10, min_open=True),
    default=1.0,
    show_default=True,
    help="How much the hand moves: 2 is twice its usual drift and tremor.",
)
@click.option("--still-camera", is_flag=True, help="A camera on a tripod instead of in a hand.")
@click.option("--still-feet", is_flag=True, help="Feet that stand; light is cast once a clip, which is quicker.")
@click.option("--lossless", is_flag=True, help="Frames as PNG instead of JPEG.")
@click.option("--mp4", is_flag=True, help="A video of each clip as well.")
@click.option(
    "--preview",
    type=click.Path(path_type=Path),
    help="Draw the first clips into this PNG, with their motion.",
)
@click.option("--varied", is_flag=True, help="Trousers on some legs, rugs, and floors in other colours.")
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    help="Make this one clip again, byte for byte; what it says stands in place of all options on how to film.",
)
@options.seed_option
@options.engine_options
@options.dry_run_option
@options.json_option
def clips(
    scan_specs: tuple[str, ...],
    floor_specs: tuple[str, ...],
    out: Path,
    count: int,
    frames: int,
    fps: float,
    size: int,
    shake: float,
    still_camera: bool,
    still_feet: bool,
    lossless: bool,
    mp4: bool,
    preview: Path | None,
    skin: float | None,
    varied: bool,
    shares: dict[str, float] | None,
    recipe: Path | None,
    seed: int,
    engine: str,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make clips of moving cameras and feet, with exact motion.

    A camera in a hand drifts, trembles and is carried around feet that stand, lift their toes, rise, turn or step.
    Each frame comes with mask, alpha and the way back of each of its pixels to the frame before, known and not
    estimated (motion/, what `masksmith jitter --motion` reads), and with the reason where there is none (hidden/: 1
    behind the foot, 2 outside of the picture). No subject and no floor is in two splits. The same seed and inputs give
    the same bytes, whatever the engine. Run it again after a stop and it goes on.

    \b
    Example:
      masksmith clips --scans scans --floors floors --out moving --count 40 --frames 48 --seed 1 --mp4
      masksmith jitter predicted moving/masks --motion moving/motion
      masksmith clips --recipe moving/recipes/00007.json --scans scans --floors floors --out again
    """
    from datagen import clip_set, clip_sheet
    from datagen import plan as planning
    from datagen.bank import Rig
    from datagen.clips import Filming
    from datagen.scenes import Style
    from masksmith import engine as engines
    from masksmith import files, images

    if recipe is not None:
        if preview is not None:
            raise UsageProblem("--preview shows a dataset of clips: leave it out beside --recipe")
        _once_more(recipe, scan_specs, floor_specs, out, mp4, dry_run, as_json)
        return
    if still_camera and still_feet:
        raise UsageProblem("--still-camera and --still-feet together leave nothing that moves: use one of them")
    filming = Filming(frames, fps, shake, still_camera, still_feet, lossless, skin)
    style = Style(size=size)
    if varied:
        style, filming = replace(style, rug_share=0.3, tint_share=0.6), replace(filming, trousers_share=0.35)
    given = {"--still-camera": still_camera, "--still-feet": still_feet, "--lossless": lossless, "--varied": varied}
    work = planning.plan(
        scans=scan_specs,
        floor_spec=floor_specs,
        out=out,
        count=count,
        seed=seed,
        rig=Rig(skin=skin),
        style=style,
        shares=shares,
        command=f"clips --count {count} --frames {frames} --fps {fps:g} --size {size} --seed {seed}"
        + "".join(f" {name}" for name, wanted in given.items() if wanted)
        + (f" --shake {shake:g}" if shake != 1 else "")
        + (f" --skin {skin:g}" if skin is not None else ""),
    )
    for text in work.warnings:
        console.warn(text)
    summary = clip_set.summary(work, filming)
    if not as_json:
        columns = ("split", "clips", "subjects", "floors")
        console.table(
            f"{console.counted(count, 'clip')} of {console.counted(frames, 'frame')}"
            + (" (dry run: nothing is written)" if dry_run else ""),
            columns,
            [[name, row["clips"], row["subjects"], row["floors"]] for name, row in summary["splits"].items()],
        )
    if not dry_run:
        clip_set.make(work, filming, engines.get(engine, workers), mp4=mp4)
        if preview is not None:
            files.write_bytes(preview, images.encode_png(clip_sheet.sheet(out), level=6))
    if as_json:
        console.emit_json({**summary, "out": str(out), "dry_run": dry_run})
    elif not dry_run:
        console.say(f"{out}: {console.counted(count, 'clip')}, {console.counted(count * frames, 'frame')}")


def _once_more(
    recipe: Path, scans: tuple[str, ...], floors: tuple[str, ...], out: Path, mp4: bool, dry_run: bool, as_json: bool
) -> None:
    from datagen import clip_set

    value = _recipe(recipe)
    if dry_run:
        told: dict[str, Any] = {"clip": f"{value.get('index', 0):05d}", "frames": value.get("frames"), "dry_run": True}
    else:
        told = clip_set.again(value, scans, floors, out, mp4=mp4)
    if as_json:
        console.emit_json({**told, "out": str(out)})
    else:
        console.say(f"{out}: clip {told['clip']}, {told['frames']} frames" + (" (dry run)" if dry_run else ""))


def _recipe(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise BadInput(path, "a clip's recipe (JSON)", f"{fault}", "name a file of recipes/") from None
    if not isinstance(value, dict) or "path" not in value:
        raise BadInput(path, "a clip's recipe", "another document", "name a file of recipes/")
    return value
