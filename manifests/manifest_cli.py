"""The command ``manifest``: show, verify, compare, merge and filter datasets as they lie on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import options

if TYPE_CHECKING:
    from manifests.verify import Verification

_FOLDER = click.Path(path_type=Path)


@click.group()
def manifest() -> None:
    """Show, verify, compare, merge and filter manifests.

    \b
    Example:
      masksmith manifest show feet
      masksmith manifest verify feet
      masksmith manifest filter feet --where split=train --limit 100 --out few
    """


@manifest.command()
@click.argument("dataset", metavar="D", type=_FOLDER)
@options.json_option
def show(dataset: Path, as_json: bool) -> None:
    """Say what a dataset holds.

    \b
    Example:
      masksmith manifest show feet
    """
    from manifests import Manifest
    from manifests.contents import contents
    from masksmith import console

    found = contents(Manifest.open(dataset))
    if as_json:
        console.emit_json(found)
        return
    console.say(f"{found['name']}, version {found['version']}: {console.counted(found['records'], 'record')}")
    console.table(
        "",
        ["split", "records", "share"],
        [[name, n, f"{n / max(found['records'], 1):.3f}"] for name, n in found["splits"].items()],
    )
    proof, size = found["split_proof"], found["size"]
    rows = [
        ["classes", ", ".join(f"{number} {name}" for name, number in found["classes"].items())],
        ["masks", f"{found['masks']} of {console.counted(found['records'], 'record')}"],
        ["size (width x height)", f"{size['least']} to {size['most']}, mostly {size['usual']}"],
        ["subjects", found["subjects"]],
        *([f"values of {key}", number] for key, number in found["groups"].items()),
        *([f"source {name or '(unknown)'}", number] for name, number in found["sources"].items()),
        *([f"licence {name}", number] for name, number in found["licences"].items()),
        ["split proof", "none" if proof is None else _proof_line(proof)],
    ]
    console.table("", ["what", "value"], rows)


@manifest.command()
@click.argument("dataset", metavar="D", type=_FOLDER)
@options.engine_options
@options.json_option
def verify(dataset: Path, engine: str, workers: int | None, as_json: bool) -> None:
    """Check every file of a dataset against its record; exit code 3 where one is wrong.

    Looks for files that are missing, changed, cut off, of another size than their record or image says, for mask
    values that are not in the class table, and for ids that occur twice.

    \b
    Example:
      masksmith manifest verify feet
      masksmith manifest verify feet --json > problems.json
    """
    from manifests import Manifest
    from manifests.verify import verify as look
    from masksmith import console
    from masksmith import engine as engines

    opened = Manifest.open(dataset)
    found = look(opened, engines.get(engine, workers))
    if as_json:
        console.emit_json(_verified(dataset, found))
    elif found.problems:
        rows = [[p.kind, p.id, p.file, f"expected {p.expected}, found {p.found}"] for p in found.problems]
        console.table(f"problems of {dataset}", ["kind", "id", "file", "what"], rows)
        if found.total > len(found.problems):
            console.note(f"{found.total - len(found.problems)} more are not shown")
    else:
        console.say(
            f"{dataset}: {console.counted(found.records, 'record')}, {console.counted(found.files, 'file')}, no problem"
        )
    if found.unread:
        console.warn(f"{found.unread} files at URLs were not looked at")
    fault = found.fault()
    if fault is not None:
        raise fault


@manifest.command()
@click.argument("first", metavar="A", type=_FOLDER)
@click.argument("second", metavar="B", type=_FOLDER)
@options.json_option
def diff(first: Path, second: Path, as_json: bool) -> None:
    """Compare two datasets record by record; exit code 1 where they differ.

    Name, command and tool version of a dataset may differ; everything else counts.

    \b
    Example:
      masksmith manifest diff feet feet-before
    """
    from manifests import Manifest
    from manifests.diff import diff as compare
    from masksmith import console
    from masksmith.errors import CheckFailed

    found = compare(Manifest.open(first), Manifest.open(second))
    if as_json:
        console.emit_json(
            {
                "equal": found.equal,
                "only_first": found.only_first,
                "only_second": found.only_second,
                "changed": found.changed,
                "examples": found.examples,
                "dataset_json": found.described,
            }
        )
    elif found.equal:
        console.say(f"{first} and {second} hold the same records")
    else:
        rows = [["records only in A", len(found.only_first), _some(found.only_first)]]
        rows += [["records only in B", len(found.only_second), _some(found.only_second)]]
        for column, number in found.changed.items():
            example = next((e for e in found.examples if e["column"] == column), None)
            shown = "" if example is None else f"{example['id']}: {example['first']} -> {example['second']}"
            rows.append([f"changed {column}", number, shown])
        rows += [["dataset.json", len(found.described), _some(found.described)]]
        console.say(f"A {first}, B {second}")
        console.table("", ["what", "number", "such as"], rows)
    if not found.equal:
        raise CheckFailed(found.verdict())


@manifest.command()
@click.argument("datasets", metavar="D...", nargs=-1, required=True, type=_FOLDER)
@click.option("--out", required=True, type=_FOLDER, help="Folder of the new dataset.")
@click.option("--name", help="Its name [default: that of the folder].")
@click.option("--prefix", is_flag=True, help="Put the dataset's name in front of every id and clip.")
@click.option("--no-splits", is_flag=True, help="Leave the splits out, to divide the whole anew.")
@options.dry_run_option
@options.json_option
def merge(
    datasets: tuple[Path, ...],
    out: Path,
    name: str | None,
    prefix: bool,
    no_splits: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make one dataset of several; images and masks stay where they are.

    The class tables must be the same. Splits are kept, and datasets that have a subject or floor in different splits
    are refused; a split proof does not outlive a merge, so split again or audit.

    \b
    Example:
      masksmith manifest merge feet portraits --prefix --out both
      masksmith manifest merge feet more-feet --prefix --no-splits --out all
    """
    from manifests import Manifest
    from manifests.edit import merge as plan_merge
    from manifests.places import new_folder
    from masksmith import console

    new_folder(out)
    opened = [Manifest.open(each) for each in datasets]
    planned = plan_merge(opened, name or out.resolve().name, prefix, not no_splits)
    if planned.proofs_dropped:
        console.warn(
            f"{planned.proofs_dropped} split proofs are left out: together nothing is proved; run masksmith split"
        )
    if not dry_run:
        planned.write(out)
    parts = [{"dataset": str(each), "records": len(m)} for each, m in zip(datasets, planned.manifests, strict=True)]
    if as_json:
        console.emit_json(
            {
                "out": str(out),
                "written": not dry_run,
                "records": planned.records,
                "parts": parts,
                "split_proofs_dropped": planned.proofs_dropped,
            }
        )
        return
    rows = [[each["dataset"], each["records"]] for each in parts]
    console.table(planned.info.name, ["dataset", "records"], [*rows, ["all", planned.records]])
    console.note(f"would write {out}" if dry_run else f"wrote {out}")


@manifest.command("filter")
@click.argument("dataset", metavar="D", type=_FOLDER)
@click.option("--where", multiple=True, help="KEY=VALUE or KEY!=VALUE; several must all hold; no value: none known.")
@click.option("--ids", type=click.Path(path_type=Path), help="Text file with an id a line.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many records, the first ones.")
@click.option("--out", required=True, type=_FOLDER, help="Folder of the new dataset.")
@options.dry_run_option
@options.json_option
def filter_(
    dataset: Path, where: tuple[str, ...], ids: Path | None, limit: int | None, out: Path, dry_run: bool, as_json: bool
) -> None:
    """Make a dataset of some records of another; images and masks stay where they are.

    Keys are id, subject, split, clip, source and the group keys of the dataset.

    \b
    Example:
      masksmith manifest filter feet --where split=train --where subject!=S03 --out some
      masksmith manifest filter feet --ids hard.txt --out hard
    """
    from manifests import Manifest
    from manifests.edit import Condition, select
    from manifests.places import new_folder
    from masksmith import console

    new_folder(out)
    planned = select(Manifest.open(dataset), [Condition.parse(text) for text in where], ids, limit)
    if planned.proof_dropped:
        console.warn("the split proof is left out, because it did not hold; see: masksmith audit")
    kept = int(planned.keep.sum())
    if not dry_run:
        planned.write(out)
    if as_json:
        figures = {"records": kept, "of": len(planned.keep), "split_proof": planned.info.split_proof is not None}
        console.emit_json({"out": str(out), "written": not dry_run, **figures})
        return
    console.say(f"{kept} of {len(planned.keep)} records")
    console.note(f"would write {out}" if dry_run else f"wrote {out}")


def _proof_line(proof: dict[str, Any]) -> str:
    state = "holds" if proof["holds"] else f"broken: {'; '.join(proof['wrong'])}"
    return f"{state}; by {', '.join(proof['keys'])}, {proof['components']} components, seed {proof['seed']}"


def _some(values: tuple[str, ...]) -> str:
    return ", ".join(values[:5]) + (f" and {len(values) - 5} more" if len(values) > 5 else "")


def _verified(dataset: Path, found: Verification) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "dataset": str(dataset),
        "ok": not found.total,
        "records": found.records,
        "files": found.files,
        "found": found.total,
        "counts": found.counts,
        "problems": [asdict(problem) for problem in found.problems],
        "urls_not_read": found.unread,
        "without_sha256": found.unhashed,
    }
