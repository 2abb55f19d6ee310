"""``masksmith audit``: what two splits share that they must not, seen by groups, bytes, looks and faces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from masksmith import console, options
from masksmith.errors import CheckFailed, UsageProblem

if TYPE_CHECKING:
    import pyarrow as pa

    from manifests import Manifest
    from manifests.audit import Audit
    from manifests.duplicates import Likeness
    from manifests.origins import Members, Pattern

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("dataset", metavar="[D]", required=False, type=_FOLDER)
@click.option("--by", callback=options.names, help="Keys to look at [default: subject, clip and all group keys].")
@click.option("--lists", nargs=2, type=_FOLDER, metavar="TRAIN TEST", help="Compare two lists of paths instead of D.")
@click.option("--urls", type=_FOLDER, help="List of NAME URL lines: says which pictures are one photo.")
@click.option("--derive", multiple=True, metavar="KEY=REGEX", help="A key read from image paths, such as a drive.")
@click.option("--near-duplicates", is_flag=True, help="Look for one photo in other bytes: scaled, relit, flipped.")
@click.option("--crops/--no-crops", default=None, help="Look for crops too, with an encoder [default: small sets].")
@click.option("--faces", is_flag=True, help="Look for one face in two splits.")
@click.option("--html", type=_FOLDER, metavar="PAGE.html", help="Write the leaking pairs side by side.")
@click.option("--fix", is_flag=True, help="Join what leaks into groups and split again with the old shares and seed.")
@options.engine_options
@options.dry_run_option
@options.json_option
def audit(
    dataset: Path | None,
    by: tuple[str, ...],
    lists: tuple[Path, Path] | None,
    urls: Path | None,
    derive: tuple[str, ...],
    near_duplicates: bool,
    crops: bool | None,
    faces: bool,
    html: Path | None,
    fix: bool,
    engine: str,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Look for leaks between splits; exit code 1 where there are any.

    A leak is a subject, clip, floor, photo (any group), path or image file that two splits share, or a path that
    stands in two lists. Photos of Flickr, Pexels and Unsplash are known by their file names and URLs, drives of CamVid
    by their prefixes. Of the records that share something, those outside train leak (of val and test, those in test).
    A split proof is checked again. Records without a split are left out.

    \b
    Example:
      masksmith audit feet
      masksmith audit people --near-duplicates --html leaks.html
      masksmith audit people --near-duplicates --fix --dry-run
      masksmith audit --lists train.txt test.txt
      masksmith audit --urls alldata_urls.txt --lists train.txt test.txt
    """
    from manifests.list_audit import asked
    from manifests.origins import Pattern

    asked(dataset, lists, urls)
    patterns = tuple(Pattern.parse(text) for text in derive)
    if dataset is None:
        if near_duplicates or crops or faces or html or fix:
            raise UsageProblem("--near-duplicates, --crops, --faces, --html and --fix need a dataset")
        if lists is not None:
            _lists(lists, by, urls, patterns, as_json)
        elif urls is not None:
            _urls(urls, as_json)
        return
    from manifests import Manifest
    from manifests.duplicates import by_fingerprint
    from manifests.lists import read_urls
    from manifests.origins import derived
    from masksmith import engine as engines

    opened = Manifest.open(dataset)
    runs = engines.get(engine, workers)
    more = derived(opened, patterns, read_urls(urls) if urls else None)
    likenesses: list[Likeness] = []
    if near_duplicates or crops:
        likenesses.append(by_fingerprint(opened, runs, keep=not dry_run))
        likenesses += _crops(opened, crops)
    if faces:
        likenesses.append(_faces(opened))
    for each in likenesses:
        if each.unread:
            console.warn(
                f"{each.unread} pictures could not be compared, such as {'; '.join(each.faults[:1]) or 'URLs'}"
            )
        if each.flat:
            console.warn(f"{each.flat} pictures of one colour were not compared")
    _dataset(opened, by, more, likenesses, html, fix, dry_run, as_json)


def _dataset(
    opened: Manifest,
    by: tuple[str, ...],
    more: dict[str, Members],
    likenesses: list[Likeness],
    html: Path | None,
    fix: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from manifests import audit as auditing

    table = opened.table(auditing.COLUMNS)
    links = [each.links for each in likenesses]
    found = auditing.audit_table(table, opened.info.split_proof, by, more, links)
    if found.unhashed:
        console.warn(f"{console.counted(found.unhashed, 'record')} without an image digest; no bytes compared there")
    if not found.counts:
        console.warn(f"{opened.folder}: no record has a split, so there is nothing to compare; run masksmith split")
    if found.marks:
        told = ", ".join(f"{key} ({number})" for key, number in sorted(found.marks.items()))
        console.warn(f"the split is one that its authors published, and is marked as sharing: {told}")
    document = {"dataset": str(opened.folder), **auditing.as_json(found, table)}
    document["links"] = {each.links.kind: len(each.links.first) for each in likenesses}
    if html is not None and not dry_run:
        from manifests.leak_page import write

        write(html, opened, found, table)
        document["html"] = str(html)
        console.note(f"wrote {html}")
    if fix and not found.clean:
        document["fix"] = _fix(opened, found, table, more, likenesses, dry_run, as_json)
    if as_json:
        console.emit_json(document)
    elif found.groups and not fix:
        rows = [[each.kind, each.value, ", ".join(each.splits), each.records] for each in found.groups]
        console.table(f"leaks of {opened.folder}", ["kind", "value", "splits", "records"], rows)
        console.say(console.counted(len(found.leaks), "leaking record"))
    if not found.clean and not (fix and not dry_run):
        raise CheckFailed(found.verdict())
    if not as_json and not fix:
        counts = ", ".join(f"{name} {number}" for name, number in found.counts.items())
        proof = "no split proof" if found.proof is None else "the split proof holds"
        looks = dict.fromkeys([*found.keys, "image bytes", *(each.links.kind for each in likenesses)])
        console.say(f"no leaks: {', '.join(looks)} over {counts or 'no splits'}; {proof}")


def _fix(
    opened: Manifest,
    found: Audit,
    table: pa.Table,
    more: dict[str, Members],
    likenesses: list[Likeness],
    dry_run: bool,
    as_json: bool,
) -> dict[str, object]:
    """Join, split again, and say what moved; written unless it is a dry run."""
    from manifests.repair import repair

    planned = repair(opened, found, table, more, [each.links for each in likenesses])
    if not dry_run:
        planned.write()
    figures = planned.as_json()
    if not as_json:
        console.say(f"{console.counted(len(found.leaks), 'leaking record')}, joined by {', '.join(planned.keys)}")
        rows = [[f"{old or 'none'} to {new or 'none'}", number] for (old, new), number in planned.moves.items()]
        console.table("records that move" if rows else "", ["from and to", "records"], rows)
        console.note(f"would write {opened.folder}" if dry_run else f"wrote {opened.folder}")
    return {**figures, "written": not dry_run}


def _crops(opened: Manifest, wanted: bool | None) -> list[Likeness]:
    """The second pass; by default where an encoder is at hand and the dataset is small enough not to wait for it."""
    from manifests.duplicates import by_embedding
    from masksmith.commands.audit_encoders import SMALL, at_hand, encoder

    if wanted is False:
        return []
    if wanted is None and (len(opened) > SMALL or not at_hand()):
        why = f"more than {SMALL} records" if len(opened) > SMALL else "no encoder at hand"
        console.note(f"crops were not looked for ({why}); --crops does")
        return []
    import numpy as np

    return [by_embedding(opened, np.arange(len(opened)), encoder())]


def _faces(opened: Manifest) -> Likeness:
    import numpy as np

    from manifests.duplicates import by_face
    from masksmith.commands.audit_encoders import faces

    embed, similar = faces()
    return by_face(opened, np.arange(len(opened)), embed, similar)


def _lists(
    lists: tuple[Path, Path], by: tuple[str, ...], urls: Path | None, patterns: tuple[Pattern, ...], as_json: bool
) -> None:
    from manifests.list_audit import audit_lists

    found = audit_lists(*lists, by, urls, patterns)
    if as_json:
        console.emit_json(found.as_json())
    elif found.leaks:
        rows = [[leak.path, leak.kind, leak.partners[0]] for leak in found.leaks]
        console.table(f"paths of {lists[1]} that leak", ["path", "kind", f"in {lists[0].name}"], rows)
    if not as_json and found.further:
        rows = [[leak.path, leak.partners[0]] for leak in found.further]
        console.table("the same photo under another path", ["path", f"in {lists[0].name}"], rows)
    if not found.clean:
        raise CheckFailed(found.verdict())
    if not as_json:
        console.say(f"no leaks: {found.train} and {found.test} paths, none in both")


def _urls(urls: Path, as_json: bool) -> None:
    from manifests.list_audit import doubles

    found = doubles(urls)
    if as_json:
        photos = [{"value": photo, "ids": list(names)} for photo, names in found.items()]
        console.emit_json({"ok": not found, "photos": photos, "leaks": []})
    elif found:
        console.table("photos under two names", ["photo", "names"], [[p, ", ".join(n)] for p, n in found.items()])
    if found:
        raise CheckFailed(f"{len(found)} photos of {urls.name} stand under more than one name; --lists says which leak")
    if not as_json:
        console.say("no photo stands under two names")
