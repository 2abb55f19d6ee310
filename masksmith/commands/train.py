"""``masksmith train``: a network from a manifest, by a paper's settings."""

from __future__ import annotations

import time
from pathlib import Path

import click

from masksmith import console, options


@click.command()
@click.option("--preset", required=True, help="A paper's settings, e.g. demborg2018 or pirshutuk2023.")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="The manifest's folder.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--model", default=None, help="Another network than the preset's; see `masksmith models`.")
@click.option("--start", default=None, help="First weights: random, imagenet, or a run of the same network.")
@click.option("--minutes", type=float, default=None, help="Time budget, validation included; default: all epochs.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@options.seed_option
@click.option("--cache", type=click.Path(path_type=Path), help="Folder for decoded pictures, made once.")
@click.option("--allow-leaks", is_flag=True, help="Train although two splits share subjects, floors or images.")
@options.dry_run_option
@options.json_option
def train(
    preset: str,
    data: Path,
    out: Path,
    model: str | None,
    start: str | None,
    minutes: float | None,
    changes: tuple[str, ...],
    seed: int,
    cache: Path | None,
    allow_leaks: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train a network by a preset.

    A run that was stopped goes on when the same command is given again. A line an epoch goes to standard error;
    the folder gets run.json, best.safetensors (by the validation's mIoU), last.pt, log.csv, curves.png and TensorBoard
    events. Under torchrun each process takes its share of every batch.

    \b
    Example:
      masksmith train --preset demborg2018 --data feet --out run --minutes 20
      masksmith train --preset pirshutuk2023 --data portraits --out run --set foreground=person --set batch=16
      torchrun --nproc-per-node 2 -m masksmith train --preset demborg2018 --data feet --out run
    """
    started = time.monotonic()
    from trainers.presets import load_preset

    settings = load_preset(preset, _overrides(model, start, minutes, changes, seed))
    from trainers.plan import make_plan
    from trainers.ranks import is_main

    plan = make_plan(data, settings, allow_leaks=allow_leaks)
    talks = is_main()  # of several processes one
    for line in plan.notes if talks else ():
        console.warn(line)
    if dry_run:
        if as_json:
            console.emit_json({**plan.as_json(), "out": str(out)})
        else:
            console.say(
                f"would train {settings.model} ({plan.parameters:,} parameters) on {plan.counts['train']:,} records of "
                f"{data}, {plan.steps:,} steps of {settings.batch} at {settings.size[0]}x{settings.size[1]}, into {out}"
            )
        return
    from dataclasses import asdict

    from trainers import loop

    told = (
        f"{settings.model}: {plan.parameters:,} parameters; {plan.counts['train']:,} records to learn from, "
        f"{plan.counts['val']:,} to choose by; foreground: {', '.join(plan.foreground)}; "
        f"{f'{settings.minutes:g} minutes' if settings.minutes else f'{settings.epochs} epochs'}"
    )
    if talks:
        console.note(told)
    result = loop.train(plan, out, on_epoch=epoch_line, started=started, cache=cache)
    if not talks:
        return
    if as_json:
        console.emit_json(asdict(result))
        return
    console.say(
        f"best miou_image {result.best_miou_image:.4f} at step {result.best_step}; {result.steps:,} steps, "
        f"{result.images_per_s:.1f} images/s, {result.seconds:.0f} s, {result.ended}; weights in {out}"
    )


def _overrides(
    model: str | None, start: str | None, minutes: float | None, changes: tuple[str, ...], seed: int
) -> dict[str, str]:
    own = {"model": model, "start": start, "minutes": minutes, "seed": options.typed_seed(seed)}
    return options.with_own(options.settings(changes), own)


def epoch_line(row: dict[str, float]) -> None:
    """One line an epoch, on standard error."""
    console.note(
        f"epoch {row['epoch']:>3}  step {row['step']:>5}  loss {row['loss']:.4f}  val {row['val_loss']:.4f}  "
        f"miou_image {row['val_miou_image']:.4f}{'*' if row['best'] else ' '}  lr {row['lr']:.2e}  "
        f"{row['images_per_s']:.1f} images/s  {row['seconds']:.0f} s"
    )
