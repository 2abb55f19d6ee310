"""``masksmith ablate``: what each kind of previous mask is good for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from masksmith import console, options
from masksmith.commands.train import epoch_line
from masksmith.errors import UsageProblem

_SHOWN = (
    ("stills", "iou_fg_image", "IoU stills"),
    ("clips", "iou_fg_image", "IoU clips"),
    ("clips", "flicker", "flicker"),
    ("clips", "flicker_excess", "excess"),
    ("clips", "dtssd", "dtssd"),
    ("clips", "boundary_jitter_px", "jitter px"),
    ("clips", "warp_iou", "warp IoU"),
)


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="A manifest of stills to learn from.")
@click.option("--clips", type=click.Path(path_type=Path), help="A manifest with clips, for the time figures.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the runs and the table.")
@click.option("--preset", default="pirshutuk2023", show_default=True, help="The settings all rows share.")
@click.option("--rows", callback=options.names, metavar="NAMES", help="none,empty,affine,elastic,major,self,paper.")
@click.option("--minutes", type=float, help="Time budget of each row.")
@click.option("--steps", type=click.IntRange(1), help="Steps of each row, in place of the preset's epochs.")
@click.option(
    "--validations", type=click.IntRange(1), default=10, show_default=True, help="Validations a row, with --steps."
)
@click.option("--split", help="Split of the stills to judge on, or all [default: test, else val].")
@click.option("--clips-split", default="all", show_default=True, help="Split of the clips to judge on.")
@click.option("--flow", help="Motion of the clips from pictures, for warp_iou: dis or farneback.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@options.seed_option
@click.option("--cache", type=click.Path(path_type=Path), help="Folder for decoded pictures, made once.")
@click.option("--allow-leaks", is_flag=True, help="Train although two splits share subjects, floors or images.")
@options.dry_run_option
@options.json_option
def ablate(
    data: Path,
    clips: Path | None,
    out: Path,
    preset: str,
    rows: tuple[str, ...],
    minutes: float | None,
    steps: int | None,
    validations: int,
    split: str | None,
    clips_split: str,
    flow: str | None,
    changes: tuple[str, ...],
    seed: int,
    cache: Path | None,
    allow_leaks: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train with and without each kind of previous mask, and compare.

    Document P's network without a second input (none), with an always empty one (empty), with one kind of previous
    mask beside empty ones (affine, elastic, major, self) and with the paper's mix; all else equal. On stills the prior
    is empty, on clips it is the network's last answer. A row that is done is not made again.

    \b
    Example:
      masksmith clips --scans scans --floors floors --out moving --count 20
      masksmith ablate --data feet --clips moving --out ablation --minutes 20
    """
    given = options.settings(changes)
    for key in ("model", "priors"):
        if key in given:
            raise UsageProblem(f"{key} is what the rows differ in: leave out --set {key}, choose --rows")
    if steps is not None and minutes is not None:
        raise UsageProblem("give --steps or --minutes, not both")
    asked_for: dict[str, str | None] = {"seed": options.typed_seed(seed)}
    if minutes is not None:
        asked_for["minutes"] = repr(minutes)
    if steps is not None:
        times = min(validations, steps)
        asked_for |= {"epochs": str(times), "steps_per_epoch": str(-(-steps // times))}
    given = options.with_own(given, asked_for, "with an option of its own")
    from trainers import ablation
    from trainers.presets import load_preset

    asked = ablation.plan_ablation(
        data,
        load_preset(preset, given),
        rows=rows,
        split=split,
        clips=clips,
        clips_split=clips_split,
        flow=flow,
        allow_leaks=allow_leaks,
    )
    for line in asked.plan.notes:
        console.warn(line)
    if clips is None:
        console.note("no --clips: there will be no time figures, which previous masks are for")
    names = [variant.name for variant in asked.variants]
    if dry_run:
        if as_json:
            console.emit_json({**asked.plan.as_json(), "rows": names, "out": str(out)})
        else:
            budget = f"{minutes:g} minutes" if minutes else f"{asked.plan.steps:,} steps"
            console.say(f"would train {len(names)} networks ({', '.join(names)}), {budget} each, into {out}")
        return
    made = ablation.ablate(asked, out, cache=cache, on_row=_line, on_epoch=epoch_line)
    if as_json:
        console.emit_json(ablation.document(asked, made))
        return
    _show(made)
    console.say(f"table in {out / ablation.TABLE}")


def _line(row: Mapping[str, Any]) -> None:
    console.note(f"{row['row']}: {row['steps']:,} steps, {row['seconds']:.0f} s, val {row['val_miou_image']:.4f}")


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    shown = [
        (part, name, title)
        for part, name, title in _SHOWN
        if any(row[part] and row[part].get(name) is not None for row in rows)
    ]

    def cell(row: Mapping[str, Any], part: str, name: str) -> str:
        value = (row[part] or {}).get(name)
        return "" if value is None else f"{value:.4f}"

    console.table(
        "previous masks in training",
        ("row", "what it is", *(title for _, _, title in shown), "steps"),
        [
            (row["row"], row["says"], *(cell(row, part, name) for part, name, _ in shown), f"{row['steps']:,}")
            for row in rows
        ],
    )
