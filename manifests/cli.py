"""Commands about datasets as they lie on disk: ``manifest``, ``split`` and ``audit``."""

from __future__ import annotations

from pathlib import Path

import click

from manifests.manifest_cli import manifest
from masksmith import options

__all__ = ["audit", "manifest", "split"]

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


@click.command()
@click.argument("dataset", metavar="[D]", required=False, type=_FOLDER)
@click.option("--by", callback=options.names, help="Keys to look at [default: subject, clip and all group keys].")
@click.option("--lists", nargs=2, type=click.Path(path_type=Path), help="Compare two lists of paths instead of D.")
@options.json_option
def audit(dataset: Path | None, by: tuple[str, ...], lists: tuple[Path, Path] | None, as_json: bool) -> None:
    """Look for leaks between splits; exit code 1 where there are any.

    A leak is a subject, clip, floor, photo (any group) or image file that two splits share, or a path that stands in
    two lists. A split proof is checked again. Records without a split are left out.

    \b
    Example:
      masksmith audit feet
      masksmith audit --lists train.txt test.txt
    """
    from masksmith.errors import UsageProblem

    if (dataset is None) == (lists is None):
        raise UsageProblem("give either a dataset or --lists TRAIN.txt TEST.txt")
    if lists is not None and by:
        raise UsageProblem("--by does not go with --lists: a list has nothing but paths")
    if lists is not None:
        _audit_lists(*lists, as_json)
    elif dataset is not None:
        _audit_dataset(dataset, by, as_json)


def _audit_dataset(dataset: Path, by: tuple[str, ...], as_json: bool) -> None:
    from manifests import Manifest
    from manifests import audit as auditing
    from masksmith import console
    from masksmith.errors import CheckFailed

    opened = Manifest.open(dataset)
    table = opened.table(auditing.COLUMNS)
    found = auditing.audit_table(table, opened.info.split_proof, by)
    if found.unhashed:
        console.warn(f"{found.unhashed} records have no image digest; their bytes were not compared")
    if not found.counts:
        console.warn(f"{dataset}: no record has a split, so there is nothing to compare; run masksmith split first")
    if as_json:
        console.emit_json({"dataset": str(dataset), **auditing.as_json(found, table)})
    elif found.groups:
        rows = [[each.kind, each.value, ", ".join(each.splits), each.records] for each in found.groups]
        console.table(f"leaks of {dataset}", ["kind", "value", "splits", "records"], rows)
    if not found.clean:
        raise CheckFailed(found.verdict())
    if not as_json:
        counts = ", ".join(f"{name} {number}" for name, number in found.counts.items())
        proof = "no split proof" if found.proof is None else "the split proof holds"
        console.say(f"no leaks: {', '.join((*found.keys, 'image bytes'))} over {counts or 'no splits'}; {proof}")


def _audit_lists(train: Path, test: Path, as_json: bool) -> None:
    from manifests.audit import audit_lists
    from masksmith import console
    from masksmith.errors import CheckFailed

    found = audit_lists(train, test)
    if as_json:
        entries = [{"kind": "path", "value": p, "id": p, "split": str(test), "image": p} for p in found.shared]
        groups = [{"kind": "path", "value": p, "splits": list(found.lists), "records": 2} for p in found.shared]
        figures = {"ok": not found.shared, "counts": {str(train): found.train, str(test): found.test}}
        console.emit_json({**figures, "leaks": entries, "groups": groups, "shared": len(found.shared), "proof": []})
    elif found.shared:
        rows = [[path] for path in found.shared]
        console.table(f"paths of {test} that are in {train} too", ["path"], rows)
    if found.shared:
        raise CheckFailed(found.verdict())
    if not as_json:
        console.say(f"no leaks: {found.train} and {found.test} paths, none in both")
