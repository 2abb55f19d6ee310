"""``masksmith tune``: a search for settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from masksmith import console, options
from masksmith.errors import UsageProblem

if TYPE_CHECKING:
    from trainers.search import Search, Trial


@click.command()
@click.option("--preset", required=True, help="A paper's settings, e.g. demborg2018 or pirshutuk2023.")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="The manifest's folder.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the search.")
@click.option("--trials", type=click.IntRange(1), default=100, show_default=True, help="How many in all.")
@click.option("--minutes-per-trial", type=float, help="Time budget of a trial.")
@click.option("--steps", type=click.IntRange(1), help="Steps of a trial, in place of the preset's epochs.")
@click.option(
    "--validations", type=click.IntRange(1), default=5, show_default=True, help="Validations a trial, with --steps."
)
@click.option("--sampler", default="random", show_default=True, help="random (the paper's) or tpe.")
@click.option(
    "--pruner", default="median", show_default=True, help="Gives up on trials early: median, hyperband, none."
)
@click.option("--teacher", type=click.Path(path_type=Path), help="A trained run, for the loss distillation.")
@click.option("--model", default=None, help="Another network than the preset's; see `masksmith models`.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@options.seed_option
@click.option("--allow-leaks", is_flag=True, help="Train although two splits share subjects, floors or images.")
@options.dry_run_option
@options.json_option
def tune(
    preset: str,
    data: Path,
    out: Path,
    trials: int,
    minutes_per_trial: float | None,
    steps: int | None,
    validations: int,
    sampler: str,
    pruner: str,
    teacher: Path | None,
    model: str | None,
    changes: tuple[str, ...],
    seed: int,
    allow_leaks: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Search for a network's learning rate, dropout and loss.

    Learning rate 1e-6 to 1e-2, dropout below 1, loss among ce, iou and, with --teacher, distillation with T 1 to 100
    and lambda 0 to 10. A search that was stopped goes on; ask for more --trials and it goes on too. The folder gets
    search.db, search.json and a histogram of scores a loss.

    \b
    Example:
      masksmith tune --preset demborg2018 --data feet --out search --trials 100 --steps 500 --teacher big
      masksmith tune --preset demborg2018 --data feet --out search --trials 40 --minutes-per-trial 2 --sampler tpe
    """
    given = options.settings(changes)
    for key in ("lr", "dropout", "loss", "teacher", "temperature", "soften_lambda"):
        if key in given:
            raise UsageProblem(f"{key} is what is searched for: leave out --set {key}")
    if steps is not None and minutes_per_trial is not None:
        raise UsageProblem("give --steps or --minutes-per-trial, not both")
    asked_for: dict[str, str | None] = {"model": model, "seed": options.typed_seed(seed)}
    if minutes_per_trial is not None:
        asked_for["minutes"] = repr(minutes_per_trial)
    if steps is not None:
        asked_for |= {
            "epochs": str(min(validations, steps)),
            "steps_per_epoch": str(-(-steps // min(validations, steps))),
        }
    given = options.with_own(given, asked_for, "with an option of its own")
    from trainers.presets import load_preset
    from trainers.search import plan_search, search, summary

    asked = plan_search(
        data,
        load_preset(preset, given),
        trials=trials,
        teacher=str(teacher) if teacher else "",
        sampler=sampler,
        pruner=pruner,
        allow_leaks=allow_leaks,
    )
    for line in asked.plan.notes:
        console.warn(line)
    if teacher is None:
        console.note("no --teacher: the loss is searched among ce and iou, without distillation")
    if dry_run:
        told = {**asked.plan.as_json(), "trials": trials, "losses": list(asked.losses), "out": str(out)}
        if as_json:
            console.emit_json(told)
        else:
            console.say(
                f"would try {trials} settings of {asked.plan.settings.model}, {asked.plan.steps:,} steps each at most, "
                f"losses {', '.join(asked.losses)}, into {out}"
            )
        return
    found = search(asked, out, on_trial=_line)
    if as_json:
        console.emit_json(summary(asked, found))
        return
    _show(asked, found)


def _line(trial: Trial) -> None:
    drawn = "  ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{value}" for key, value in trial.drawn.items()
    )
    console.note(
        f"trial {trial.number:>3}  {trial.state:<6}  miou_image {trial.score:.4f}  {drawn}  {trial.seconds:.0f} s"
    )


def _show(asked: Search, found: list[Trial]) -> None:
    from trainers.search import flags

    def number(trial: Trial, name: str) -> str:
        value = trial.drawn.get(name)
        return "" if value is None else f"{value:.3g}"

    ranked = sorted(found, key=lambda trial: (trial.score != trial.score, -trial.score))
    console.table(
        "the best ten",
        ("trial", "state", "score", "loss", "lr", "dropout", "T", "lambda"),
        [
            (
                str(trial.number),
                trial.state,
                f"{trial.score:.4f}",
                trial.drawn["loss"],
                *(number(trial, name) for name in ("lr", "dropout", "temperature", "soften_lambda")),
            )
            for trial in ranked[:10]
        ],
    )
    best = next((trial for trial in ranked if trial.state == "done"), None)
    if best is None:
        console.warn("no trial came to its end")
        return
    console.say(f"best miou_image {best.score:.4f}: masksmith train {flags(asked, best)}")
