"""``masksmith convert``: a dataset in the form that another tool reads, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masksmith import console, options


@click.command()
@click.argument("source", metavar="D", type=click.Path(path_type=Path))
@click.option("--to", "target", metavar="FORMAT", help="Write D, a manifest, in this form.")
@click.option("--from", "origin", metavar="FORMAT", help="D is in this form: make a manifest of it.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write; must be empty.")
@click.option("--split", "splits", callback=options.names, metavar="NAMES", help="Only these splits.  [--to]")
@click.option("--shard", type=click.IntRange(min=1), default=256, show_default=True, help="Records a shard.  [--to]")
@click.option("--classes", metavar="NAME=ID,...", help="Class ids, for data that does not say them.  [--from]")
@options.engine_options
@options.dry_run_option
@options.json_option
def convert(
    source: Path,
    target: str | None,
    origin: str | None,
    out: Path,
    splits: tuple[str, ...],
    shard: int,
    classes: str | None,
    engine: str,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write a dataset in the form of another tool, or read it back.

    FORMAT is coco, webdataset, hf (datasets.load_from_disk), imagefolder, croissant, fiftyone or folders. Every column
    of the records and every pixel of the masks goes out and comes back, 255 (ignore) included; COCO holds it as
    iscrowd annotations of an extra category "ignore". Run it again after a stop and it goes on.

    \b
    Example:
      masksmith convert feet --to coco --out feet-coco
      masksmith convert feet-coco --from coco --out feet-again
    """
    from masksmith.errors import UsageProblem

    if (target is None) == (origin is None):
        raise UsageProblem("give one of --to FORMAT and --from FORMAT")
    if origin is not None and splits:
        raise UsageProblem("--split goes with --to")
    if target is not None:
        if classes:
            raise UsageProblem("--classes goes with --from")
        told = _out(source, target, out, splits, shard, (engine, workers), dry_run)
    else:
        told = _in(source, str(origin), out, classes, (engine, workers), dry_run)
    if as_json:
        console.emit_json({**told, "dry_run": dry_run})
        return
    if told.get("left"):
        console.warn(f"these further files of records stay behind, only their names travel: {', '.join(told['left'])}")
    verb = "would write" if dry_run else "wrote"
    counts = ", ".join(f"{number:,} in {name}" for name, number in told.get("splits", {}).items())
    number = told.get("records")
    console.say(f"{verb} {out}: " + (console.counted(number, "record") if number is not None else "a manifest"))
    if counts:
        console.say(counts)
    if told.get("masks_rewritten"):
        console.note(
            f"{told['masks_rewritten']:,} masks have the same pixels but other bytes than they had: "
            "their sha256 is the new one"
        )


def _out(
    source: Path,
    form: str,
    out: Path,
    splits: tuple[str, ...],
    shard: int,
    how: tuple[str, int | None],
    dry_run: bool,
) -> dict[str, Any]:
    from loaders.formats import export
    from masksmith import engine as engines

    task = export.Task(source, out, form, splits, shard)
    planned = export.plan(task) if dry_run else export.export(task, engines.get(*how))
    return export.as_json(task, planned)


def _in(
    source: Path, form: str, out: Path, classes: str | None, how: tuple[str, int | None], dry_run: bool
) -> dict[str, Any]:
    from loaders.formats import bring
    from loaders.readers.reader import parse_classes
    from masksmith import engine as engines

    task = bring.Task(source, out, form, parse_classes(classes) if classes else {})
    bring.check_target(task)
    info = bring.look(task)
    told = {"root": str(source), "out": str(out), "form": form, "name": info.name, "classes": dict(info.classes)}
    if dry_run:
        return told
    done = bring.bring(task, engines.get(*how))
    return {**told, "records": done.records, "masks_rewritten": done.rewritten}
