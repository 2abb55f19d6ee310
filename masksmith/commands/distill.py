"""``masksmith distill``: training with a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masksmith.commands.train import train
from masksmith.errors import UsageProblem


@click.command()
@click.option("--teacher", required=True, type=click.Path(path_type=Path), help="A trained run or file of weights.")
@click.option("--temperature", type=float, default=4.0, show_default=True, help="T, which softens both answers.")
@click.option(
    "--lambda", "weight", type=float, default=1.0, show_default=True, help="Weight of the teacher's answers (x T^2)."
)
def distill(teacher: Path, temperature: float, weight: float, **given: Any) -> None:
    """Train a network that also learns from a trained one.

    The teacher may be any network of the same classes, of whatever size. To the preset's loss comes
    lambda x T^2 x CE(teacher, student), both softened by T; the other options are those of `masksmith train`.

    \b
    Example:
      masksmith train --preset demborg2018 --model teacher --data feet --out big
      masksmith distill --teacher big --preset demborg2018 --model fastlinknet --data feet --out small
    """
    asked = {"teacher": str(teacher), "temperature": repr(temperature), "soften_lambda": repr(weight)}
    options = {"teacher": "--teacher", "temperature": "--temperature", "soften_lambda": "--lambda"}
    for change in given["changes"]:
        key = change.partition("=")[0].strip()
        if key in asked:
            raise UsageProblem(f"give {key} once: {options[key]}, not --set {key}=...")
    changes = (*given.pop("changes"), *(f"{key}={value}" for key, value in asked.items()))
    if train.callback is None:
        raise TypeError("train is no command")
    train.callback(**given, changes=changes)


distill.params += train.params
