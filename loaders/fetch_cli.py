"""``masksmith fetch``: a dataset of the registry onto the disk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import console, options

if TYPE_CHECKING:
    from loaders.fetch import Outcome, Request, Step
    from manifests.registry import Entry

SHOWN = 5


def _listing(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from manifests.registry import entry_names, find_entry

    entries = [find_entry(name) for name in entry_names()]
    rows = [[each.name, each.title, each.licence, len(each.files) or "ask"] for each in entries]
    console.table("", ["name", "dataset", "licence", "files"], rows)
    context.exit()


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--to", "out", required=True, type=click.Path(path_type=Path), help="Folder; the dataset gets its own.")
@click.option("--accept-licence", is_flag=True, help="Agree to the dataset's terms; asked for at a terminal.")
@click.option("--from", "origin", type=click.Path(path_type=Path), help="An archive, or a list of URLs, you have.")
@click.option("--only", callback=options.names, metavar="FILES", help="Just these files, with commas between.")
@click.option("--parallel", type=click.IntRange(1, 16), default=4, show_default=True, help="Files at a time.")
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_listing, help="Name the datasets.")
@options.dry_run_option
@options.json_option
def fetch(
    name: str,
    out: Path,
    accept_licence: bool,
    origin: Path | None,
    only: tuple[str, ...],
    parallel: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Fetch a public dataset, verified and resumable.

    NAME is a dataset of the registry (--list). It goes to a folder of that name in --to: archives as they came,
    unpacked beside them. What was cut off is gone on with; sizes and checksums are checked where they are published,
    and held to what came first where they are not (.fetch.json). What cannot simply be fetched says who must ask.
    Proxies come from the environment.

    \b
    Example:
      masksmith fetch camvid --to downloads --accept-licence
      masksmith fetch eg1800 --to downloads --from alldata_urls.txt
    """
    from loaders import fetch as fetching
    from manifests.registry import find_entry

    entry = find_entry(name)
    request = fetching.Request(entry, out / entry.name, origin, only, parallel)
    if dry_run:
        _planned(request, fetching.plan(request), as_json)
        return
    if not fetching.agreed(request):
        fetching.plan(request)  # nobody is asked to agree to what cannot be had
        _show_terms(entry)
        if not accept_licence and sys.stdin.isatty():
            click.confirm("Do you agree?", abort=True, err=True)
            accept_licence = True
    outcomes = fetching.fetch(request, console.warn, accept=accept_licence)
    _report(request, outcomes, as_json)


def _show_terms(entry: Entry) -> None:
    console.note(f"{entry.title}: {entry.licence}. {entry.terms}")
    console.note(f"cite: {entry.citation}")
    for page in entry.pages:
        console.note(f"see:  {page.url}")


def _about(request: Request) -> dict[str, Any]:
    entry = request.entry
    return {
        "dataset": entry.name,
        "title": entry.title,
        "out": str(request.out),
        "licence": entry.licence,
        "terms": entry.terms,
        "citation": entry.citation,
        "subject": entry.subject,
        "splits": dict(entry.splits or {}),
        "split_note": entry.split_note,
    }


def _planned(request: Request, steps: list[Step], as_json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {"path": step.path, "action": step.action, "bytes": step.bytes, "unpack_to": step.folder or None}
        for step in steps
    ]
    if as_json:
        console.emit_json({**_about(request), "dry_run": True, "files": rows})
        return
    _show_terms(request.entry)
    for row in rows[: 4 * SHOWN]:
        size = f", about {row['bytes'] / 1e6:.1f} MB" if row["bytes"] else ""
        console.say(f"{row['action']}: {row['path']}{size}")
    if len(rows) > 4 * SHOWN:
        console.say(f"and {len(rows) - 4 * SHOWN} more")
    console.note(f"would write {request.out}")


def _report(request: Request, outcomes: list[Outcome], as_json: bool) -> None:
    from masksmith.errors import BadInput, EnvironmentFault

    counts = {result: sum(each.result == result for each in outcomes) for result in ("had", "fetched", "unpacked")}
    failed = [each for each in outcomes if each.result == "failed"]
    counts |= {"failed": len(failed), "dead": sum(each.result == "dead" for each in outcomes)}
    if as_json:
        rows = [
            {
                "path": each.path,
                "result": each.result,
                "bytes": each.bytes,
                "sha256": each.sha256,
                "unpacked_to": each.folder or None,
                "unpacked_files": each.files,
                "failures": [vars(failure) for failure in each.failures],
            }
            for each in sorted(outcomes, key=lambda each: each.path)
        ]
        console.emit_json({**_about(request), "dry_run": False, "counts": counts, "files": rows})
    else:
        told = ", ".join(f"{number} {result}" for result, number in counts.items() if number)
        console.say(f"{request.out}: {told}, {sum(each.bytes for each in outcomes) / 1e6:.1f} MB")
        for each in sorted(outcomes, key=lambda each: each.path):
            if each.folder and each.files:
                console.say(f"{request.out / each.folder}: {each.files} files")
    if not failed:
        return
    for each in failed[:SHOWN]:
        console.note("; ".join(f"{failure.url}: {failure.reason}" for failure in each.failures))
    ledger = request.out / ".fetch.json"
    if len(failed) < len(outcomes) and request.origin is not None:
        # photos that their owners took down stay away: the others are what there is
        console.warn(f"{len(failed)} did not come, each with its reason in {ledger}; run it again to try them again")
        return
    kinds = {failure.kind for each in failed for failure in each.failures}
    what = f"{len(failed)} of {len(outcomes)} files did not come"
    if "wrong" in kinds:
        raise BadInput(ledger, "the files that the registry names", what, "see the reasons above, or give --from")
    hint = f" {request.entry.access}" if request.entry.access else ""
    raise EnvironmentFault(f"{what}; run the same command again to go on, or give an archive with --from.{hint}")
