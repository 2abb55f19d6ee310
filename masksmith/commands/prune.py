"""``masksmith prune``: a trained network without the channels it needs least."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masksmith import console, options
from masksmith.commands.train import epoch_line
from masksmith.errors import UsageProblem


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--ratio", type=float, required=True, help="Share of all scored channels that go, such as 0.3.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the smaller run.")
@click.option("--data", type=click.Path(path_type=Path), help="A manifest to judge on before and after.")
@click.option("--minutes", type=float, help="Train on in so much time; needs --data.")
@click.option("--epochs", type=click.IntRange(1), help="Train on so many epochs; needs --data.")
@click.option("--preset", help="Settings of the training [default: those of the run].")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@click.option("--least", type=click.IntRange(1), default=8, show_default=True, help="Channels a block keeps.")
@click.option("--allow-leaks", is_flag=True, help="Train although two splits share subjects, floors or images.")
@options.dry_run_option
@options.json_option
def prune(
    run: Path,
    ratio: float,
    out: Path,
    data: Path | None,
    minutes: float | None,
    epochs: int | None,
    preset: str | None,
    changes: tuple[str, ...],
    least: int,
    allow_leaks: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take the channels a trained network needs least out of it.

    RUN is a run folder or a file of weights; it is best trained with `--set sparsity=1e-4`. Channels inside blocks are
    scored by their normalisation's scales, over the whole network at once; the result is a run like any other.

    \b
    Example:
      masksmith train --preset cepeopleseg2021 --data people --out sparse --set sparsity=1e-4
      masksmith prune sparse --ratio 0.3 --data people --minutes 20 --out small
    """
    tune = minutes is not None or epochs is not None
    given = options.with_own(options.settings(changes), {"minutes": minutes, "epochs": epochs})
    if data is None and (tune or given or preset):
        raise UsageProblem("--minutes, --epochs, --preset and --set are for training on: give --data too")
    if not 0 <= ratio < 1:
        raise UsageProblem(f"--ratio must be at least 0 and below 1, not {ratio:g}")
    from trainers import pruned

    if dry_run:
        _would(run, ratio, out, least, as_json)
        return
    settings = pruned.settings_of(run, preset, given) if data is not None else None
    made = pruned.prune(
        run,
        out,
        ratio,
        data=data,
        settings=settings,
        tune=tune,
        least=least,
        allow_leaks=allow_leaks,
        on_epoch=epoch_line,
    )
    told = made.as_json()
    if as_json:
        console.emit_json(told)
        return
    _show(told, made.saving)
    console.say(f"weights in {out}")


def _would(run: Path, ratio: float, out: Path, least: int, as_json: bool) -> None:
    from trainers.checkpoint import load
    from trainers.pruned import Pruned
    from trainers.pruning import apply_cut, plan_cut, saving

    network = load(run)
    cut = plan_cut(network, ratio, least=least)
    saved = saving(network, apply_cut(network, cut))
    told = Pruned(str(out), cut, saved, None, None, None).as_json()
    if as_json:
        console.emit_json(told)
        return
    _show(told, saved)
    console.say(f"would prune {network.name} into {out}")


def _show(told: dict[str, Any], saved: Any) -> None:
    console.table(
        f"{told['realised']:.1%} of the scored channels taken",
        ("", "before", "after", "ratio"),
        [
            (
                "parameters",
                f"{saved.parameters_before:,}",
                f"{saved.parameters_after:,}",
                f"{saved.parameters_ratio:.3f}",
            ),
            (
                "MFLOPs",
                f"{saved.flops_before / 1e6:,.1f}",
                f"{saved.flops_after / 1e6:,.1f}",
                f"{saved.flops_ratio:.3f}",
            ),
        ],
    )
    console.table("", ("block", "channels", "kept"), [tuple(row.values()) for row in told["blocks"]])
    scores = told["miou_image"]
    if scores["before"] is not None:
        after = "" if scores["tuned"] is None else f", trained on {scores['tuned']:.4f}"
        console.say(f"miou_image {scores['before']:.4f}, pruned {scores['pruned']:.4f}{after}")
