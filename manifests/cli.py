"""Commands about datasets as they lie on disk: ``manifest`` and ``split``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from manifests.manifest_cli import manifest
from masksmith import options

if TYPE_CHECKING:
    from manifests.edit import Resplit
    from manifests.splits import Plan

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
@click.option("--stratify", callback=options.names, metavar="COLUMNS", help="What splits have alike: area,source,...")
@click.option("--bins", type=click.IntRange(2, 50), default=5, show_default=True, help="Bins of a column of numbers.")
@click.option(
    "--folds", type=click.IntRange(2, 1000), help="Cross-validation: fold0, fold1, ...; with --out, a manifest each."
)
@click.option("--like", multiple=True, metavar="SPLIT=LIST", help="A paper's list of paths, stems or ids; repeatable.")
@click.option(
    "--leave-out", metavar="KEY[=VALUE]", help="Test on one value (source=camvid, split=test), or each in turn."
)
@click.option("--official", is_flag=True, help="Keep the split the records came with, and prove what it keeps apart.")
@click.option("--derive", multiple=True, metavar="KEY=REGEX", help="A group key read from image paths, and kept.")
@click.option("--out", type=_FOLDER, help="Write a copy there instead of changing D; images stay where they are.")
@options.seed_option
@options.engine_options
@options.dry_run_option
@options.json_option
def split(
    dataset: Path,
    by: tuple[str, ...],
    shares: dict[str, float],
    stratify: tuple[str, ...],
    bins: int,
    folds: int | None,
    like: tuple[str, ...],
    leave_out: str | None,
    official: bool,
    derive: tuple[str, ...],
    out: Path | None,
    seed: int,
    engine: str,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Divide a dataset so that no subject or floor is in two splits.

    Records that are joined by a chain of common values stay together. Where the keys are crossed (every subject on
    every floor), the values of each key are divided instead, and records that would mix two splits are left without
    one; how many is said first. A split of a paper or of a dataset's authors is taken as it is, and what it shares
    between splits is marked in its proof.

    \b
    Example:
      masksmith split feet --by subject,floor --shares train=0.7,val=0.15,test=0.15 --seed 1
      masksmith split people --by subject --stratify area,brightness,source
      masksmith split people --by subject --folds 5 --out folds
      masksmith split eg1800 --like train=eg1800_train.txt --like test=eg1800_test.txt
      masksmith split all --leave-out source=camvid
      masksmith split eg1800 --leave-out split=test --by photo --shares train=0.9,val=0.1
    """
    from manifests import Manifest, split_writing
    from manifests.strata import strata
    from masksmith import console
    from masksmith import engine as engines
    from masksmith.errors import UsageProblem

    ways = {"--folds": folds, "--like": like, "--leave-out": leave_out, "--official": official}
    chosen = [name for name, given in ways.items() if given]
    if len(chosen) > 1:
        raise UsageProblem(f"{' and '.join(chosen)} do not go together: use one of them")
    if stratify and (like or official):
        raise UsageProblem("--stratify does not go with --like or --official: these splits are as they are")
    opened = Manifest.open(dataset)
    task = split_writing.Task(opened, by, shares, seed, patterns=split_writing.patterns(derive))
    if stratify:
        task = task.with_columns(strata(opened, stratify, bins, engines.get(engine, workers), keep=not dry_run))
    if like:
        planned, listed = task.like(like)
        documents = [_told(planned, out or dataset, as_json, split_writing.listed_json(listed))]
        parts = [(out, planned)]
    elif (folds and out is not None) or (leave_out and "=" not in leave_out):
        if out is None:
            raise UsageProblem("--leave-out KEY makes a manifest for each value: say where with --out FOLDER")
        parts = task.each_fold(folds, out) if folds else task.each_left_out(str(leave_out), out)
        documents = [_told(each, place or dataset, as_json, {}, several=True) for place, each in parts]
        if not as_json:
            _told_together(documents)
    else:
        planned = task.folds(folds) if folds else task.left_out(leave_out) if leave_out else task.plain(official)
        documents = [_told(planned, out or dataset, as_json, {})]
        parts = [(out, planned)]
    if not dry_run:
        for place, each in parts:
            each.write(place)
    for document in documents:
        document["written"] = not dry_run
    if as_json:
        several = len(documents) > 1 or parts[0][0] != out
        console.emit_json({"manifests": documents} if several else documents[0])
    else:
        for place, _ in parts:
            folder = place or dataset
            console.note(f"would write {folder}" if dry_run else f"wrote {folder}")


def _told(planned: Resplit, folder: Path, as_json: bool, more: dict[str, Any], several: bool = False) -> dict[str, Any]:
    """Say how a split came out before it is written (of several, what is to be warned of); the same for JSON."""
    from manifests.split_writing import plan_json
    from masksmith import console

    plan, total = planned.plan, planned.table.num_rows
    _warned(plan, total, as_json)
    if more:
        for key in ("missing", "ambiguous"):
            if more[key]:
                shown = ", ".join(str(each) for each in list(more[key])[:5])
                console.warn(f"{len(more[key])} entries of the lists are {key}: {shown}")
        if more["twice"]:
            console.warn(f"{len(more['twice'])} records stand in two lists, such as {more['twice'][0]}; test has them")
        if more["extra"]:
            console.note(f"{more['extra']} of {total} records stand in no list and get no split")
    if not as_json and not several:
        joined = (
            f"{console.counted(plan.components, 'component')}, the largest of {console.counted(plan.largest, 'record')}"
        )
        console.say(
            f"{console.counted(total, 'record')} by {', '.join(plan.keys) or 'no key'}: {joined}; "
            f"method {plan.method}, seed {plan.seed}"
        )
        rows = [
            [
                name,
                number,
                plan.target.get(name, "-"),
                plan.realised[name],
                plan.realised[name] - plan.target.get(name, plan.realised[name]),
            ]
            for name, number in plan.counts.items()
        ]
        console.table("", ["split", "records", "target", "realised", "deviation"], rows)
        for name, each in plan.strata.items():
            bins = [
                [label, overall, *(share[k] for share in each.splits.values())]
                for k, (label, overall) in enumerate(zip(each.labels, each.overall, strict=True))
            ]
            far = ["distance to all", "", *each.distance.values()]
            console.table(f"{name}: shares of each bin", ["bin", "all", *each.splits], [*bins, far])
        if plan.target:
            console.say(f"largest deviation {plan.deviation:.4f}")
    return {"dataset": str(folder), **plan_json(plan, total), **more}


def _told_together(documents: list[dict[str, Any]]) -> None:
    """One table of several manifests of one dataset: records a split, and how far the shares are off."""
    from masksmith import console

    first = documents[0]
    joined = console.counted(first["components"], "component")
    console.say(
        f"{console.counted(first['records'], 'record')} by {', '.join(first['keys']) or 'no key'}: {joined}; "
        f"seed {first['seed']}; {console.counted(len(documents), 'manifest')}"
    )
    names = list(first["counts"])
    rows = [
        [
            Path(each["dataset"]).name,
            *(each["counts"].get(name, 0) for name in names),
            each["dropped"],
            each["deviation"],
        ]
        for each in documents
    ]
    console.table("", ["manifest", *names, "no split", "largest deviation"], rows)


def _warned(plan: Plan, total: int, as_json: bool) -> None:
    from masksmith import console

    if plan.dropped and plan.method == "values":
        told = f"{plan.dropped} of {total} records mix splits ({', '.join(plan.keys)} are crossed) and get none"
        (console.warn if as_json else console.say)(told)
        if plan.strata:
            console.warn("crossed keys leave no room for --stratify; see how its columns came out")
    elif plan.dropped and plan.method == "left out":
        console.warn(
            f"{plan.dropped} of {total} records share {', '.join(plan.keys)} with what is left out and get no split"
        )
    for key, number in plan.unknown.items():
        if number:
            console.warn(f"{number} of {total} records have no {key}; they count as unrelated")
    for key, number in plan.leaks.items():
        console.warn(f"this split leaks: {number} values of {key} are in two splits; that is marked in its proof")
    empty = [name for name, number in plan.counts.items() if not number]
    if empty:
        console.warn(
            f"{', '.join(empty)} stays empty: {plan.components} components cannot fill {len(plan.counts)} splits; "
            "name fewer splits in --shares, or give other keys"
        )
