"""``masksmith quickstart``: the main job from nothing but the installed packages, made of the real commands."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import click

from masksmith import console, options


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("quickstart"),
    show_default=True,
    help="Folder for all of it.",
)
@click.option("--feet", type=click.IntRange(min=3), default=60, show_default=True, help="Number of made feet.")
@click.option("--floors", type=click.IntRange(min=3), default=12, show_default=True, help="Number of made floors.")
@click.option("--count", type=click.IntRange(min=30), default=1500, show_default=True, help="Number of scenes.")
@click.option("--minutes", type=click.FloatRange(min=0.02), default=3.5, show_default=True, help="Minutes of training.")
@options.seed_option
@options.dry_run_option
def quickstart(out: Path, feet: int, floors: int, count: int, minutes: float, seed: int, dry_run: bool) -> None:
    """Feet, scenes, split, training, evaluation, report: all of it.

    Runs the commands it prints, one after the other. After a stop, run it again and it goes on.

    \b
    Example:
      masksmith quickstart --out quickstart
    """
    from masksmith.cli import group

    start = time.monotonic()
    scenes, run, report = out / "scenes", out / "run", out / "evaluation"
    for step in steps(scenes, run, report, feet, floors, count, minutes, seed):
        console.say(f"\n$ masksmith {shlex.join(step)}")
        if not dry_run:
            group.main(args=step, prog_name="masksmith", standalone_mode=False)
    if not dry_run:
        console.say(f"\nDone in {(time.monotonic() - start) / 60:.1f} minutes.")
        console.say(f"Pictures: {scenes / 'sheet.png'}")
        console.say(f"Report:   {report / 'report.html'}")


def steps(
    scenes: Path, run: Path, report: Path, feet: int, floors: int, count: int, minutes: float, seed: int
) -> list[list[str]]:
    """The commands of the main job, in order."""
    chance = ["--seed", str(seed)]
    made = ["--scans", f"parametric:{feet}", "--floors", f"procedural:{floors}"]
    size = ["--count", str(count), "--views", "6"]
    trained = ["--preset", "demborg2018", "--model", "fastlinknet", "--minutes", f"{minutes:g}"]
    return [
        ["generate", *made, *size, "--out", str(scenes), *chance],
        ["split", str(scenes), "--by", "subject,floor", *chance],
        ["audit", str(scenes)],
        ["show", str(scenes), *chance],
        ["train", *trained, "--data", str(scenes), "--out", str(run), *chance],
        ["evaluate", "--model", str(run), "--data", str(scenes), "--split", "test", "--out", str(report)],
    ]
