"""Commands about datasets as they lie on disk: ``manifest`` and ``split``."""

from __future__ import annotations

from pathlib import Path

import click

from manifests.manifest_cli import manifest
from masksmith import options

__all__ = ["manifest", "split"]

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("dataset", metavar="D", type=_FOLDER)
@click.option(
    "--by", callback=options.names, default="subject", show_default=True, help="Keys that no two splits may share."
)
@click.option(
    "--shares",
    callback=options.shares,
    default="train=0.7,val=0.15,test=0.15",
    show_default=True,
    help="Splits and their shares of the records.",
)
@click.option("--out", type=_FOLDER, help="Write a copy there instead of changing D; images stay where they are.")
@options.seed_option
@options.dry_run_option
@options.json_option
def split(
    dataset: Path,
    by: tuple[str, ...],
    shares: dict[str, float],
    out: Path | None,
    seed: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Divide a dataset so that no subject or floor is in two splits.

    Records that are joined by a chain of common values stay together. Where the keys are crossed (every subject on
    every floor), the values of each key are divided instead, and records that would mix two splits are left without
    one; how many is said first.

    \b
    Example:
      masksmith split feet --by subject,floor --shares train=0.7,val=0.15,test=0.15 --seed 1
      masksmith split feet --by subject --dry-run
    """
    from manifests import Manifest
    from manifests.edit import resplit
    from masksmith import console

    planned = resplit(Manifest.open(dataset), by, shares, seed)
    plan, total = planned.plan, planned.table.num_rows
    if plan.dropped:
        told = f"{plan.dropped} of {total} records mix splits ({', '.join(by)} are crossed) and get none"
        (console.warn if as_json else console.say)(told)
    for key, number in plan.unknown.items():
        if number:
            console.warn(f"{number} of {total} records have no {key}; they count as unrelated")
    empty = [name for name, number in plan.counts.items() if not number]
    if empty:
        console.warn(
            f"{', '.join(empty)} stays empty: {plan.components} components cannot fill {len(plan.counts)} splits; "
            "name fewer splits in --shares, or give other keys"
        )
    folder = out or dataset
    if not dry_run:
        planned.write(out)
    if as_json:
        console.emit_json(
            {
                "dataset": str(folder),
                "written": not dry_run,
                "keys": list(plan.keys),
                "seed": seed,
                "method": plan.method,
                "components": plan.components,
                "largest_component": plan.largest,
                "records": total,
                "dropped": plan.dropped,
                "unknown": plan.unknown,
                "counts": plan.counts,
                "target": plan.target,
                "realised": plan.realised,
                "deviation": plan.deviation,
            }
        )
        return
    told = f"{plan.components} components, the largest of {plan.largest} records"
    console.say(f"{total} records by {', '.join(plan.keys)}: {told}; method {plan.method}, seed {seed}")
    console.table(
        "",
        ["split", "records", "target", "realised", "deviation"],
        [
            [name, plan.counts[name], target, plan.realised[name], plan.realised[name] - target]
            for name, target in plan.target.items()
        ],
    )
    console.say(f"largest deviation {plan.deviation:.4f}")
    console.note(f"would write {folder}" if dry_run else f"wrote {folder}")
