"""``masksmith scans check``, ``prepare`` and ``photos``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from masksmith import console, options
from masksmith.errors import CheckFailed

F = TypeVar("F", bound=Callable[..., Any])


def _reading_options(command: F) -> F:
    """What may be said of all scans at once."""
    command = click.option(
        "--skin", type=click.FloatRange(0, 1), help="Melanin to paint scans without colour with (0 light, 1 dark)."
    )(command)
    command = click.option(
        "--up",
        type=click.Choice(["x", "-x", "y", "-y", "z", "-z"]),
        help="The axis that points up in every scan [default: found].",
    )(command)
    return click.option(
        "--units", type=click.Choice(["mm", "cm", "m", "inch"]), help="Units of every scan [default: found]."
    )(command)


@click.group()
def scans() -> None:
    """Check foot scans and make them ready.

    \b
    Example:
      masksmith scans check scans
      masksmith scans prepare scans --out ready
    """


@scans.command("check")
@click.argument("folder", type=click.Path(path_type=Path))
@_reading_options
@options.json_option
def scans_check(folder: Path, units: str | None, up: str | None, skin: float | None, as_json: bool) -> None:
    """Read every scan, say what was found, and what is refused.

    \b
    Example:
      masksmith scans check scans --json
    """
    from datagen.scans import list_scans, report_row, several_of_one

    listed = list_scans(folder)
    for text in several_of_one(listed):
        console.warn(text)
    rows = []
    with console.progress("scans", len(listed)) as advance:
        for scan in listed:
            rows.append(report_row(scan, skin, units, up))
            advance(1)
    if as_json:
        console.emit_json({"folder": str(folder), "scans": rows, "refused": _refused(rows)})
    else:
        columns = list(rows[0])
        console.table(f"{len(rows)} scans", columns, [[_cell(row[c]) for c in columns] for row in rows])
    _raise_if_refused(rows)


@scans.command("prepare")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the prepared scans.")
@click.option(
    "--max-faces",
    type=click.IntRange(1000, 1_000_000),
    default=40_000,
    show_default=True,
    help="Triangles of a scan at most.",
)
@_reading_options
@click.option("--no-pictures", is_flag=True, help="No picture of each scan and no contact sheet.")
@options.engine_options
@options.dry_run_option
@options.json_option
def scans_prepare(
    folder: Path,
    out: Path,
    max_faces: int,
    units: str | None,
    up: str | None,
    skin: float | None,
    no_pictures: bool,
    engine: str,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Close, thin out and stand up every scan, and write them for `generate`.

    Meshes (OBJ, GLB, glTF, PLY, STL) and point clouds (PLY, XYZ, PCD) become a GLB or PLY each, with a scans.csv,
    a report, a picture of each from three sides and a contact sheet. The leg's cut stays open: scenes carry the leg
    on from it. Run it again after a stop and it goes on.

    \b
    Example:
      masksmith scans prepare scans --out ready
      masksmith scans prepare exports --out ready --units mm --skin 0.3 --max-faces 20000
    """
    from datagen import scan_prepare
    from datagen.scans import list_scans, several_of_one
    from masksmith import engine as engines

    listed = list_scans(folder)
    for text in several_of_one(listed):
        console.warn(text)
    if dry_run:
        names = [scan.path.relative_to(folder).as_posix() for scan in listed]
        if as_json:
            console.emit_json({"folder": str(folder), "out": str(out), "dry_run": True, "files": names})
        else:
            console.say(f"{len(names)} scans would be prepared into {out} (dry run: nothing is written)")
        return
    wishes = scan_prepare.Wishes(max_faces, units, up, skin, not no_pictures)
    rows = scan_prepare.prepare(folder, out, wishes, engines.get(engine, workers))
    for text in scan_prepare.twins(rows):
        console.warn(text)
    if as_json:
        console.emit_json({"folder": str(folder), "out": str(out), "scans": rows, "refused": _refused(rows)})
    else:
        columns = ("file", "subject", "side", "units", "up", "length_mm", "faces", "holes_closed", "colour", "leg")
        shown = [[*(_cell(row.get(c)) for c in columns), str(row["verdict"]).split(":")[0]] for row in rows]
        console.table(f"{len(rows)} scans", (*columns, "verdict"), shown)
        for row in rows:
            if row["verdict"] != "ok":
                console.say(str(row["verdict"]))
        console.say(f"{out / scan_prepare.REPORT}: what was found, guessed and mended, scan by scan")
        console.say(f"{out}: {len(rows) - _refused(rows)} scans ready for `masksmith generate --scans {out}`")
    _raise_if_refused(rows)


@scans.command("photos")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the new dataset; without it they are checked.")
@options.engine_options
@options.dry_run_option
@options.json_option
def scans_photos(
    folder: Path, out: Path | None, engine: str, workers: int | None, dry_run: bool, as_json: bool
) -> None:
    """Check the photos of a four-camera scanner and write them as a dataset.

    Each is a cut-out (RGBA) or has a mask of its name in masks/, or with _mask at the end. The camera stands in the
    name (P07_left_cam2.png) or in a photos.csv with the columns file, mask, subject, camera, side, licence. Records
    can be split by subject and by camera.

    \b
    Example:
      masksmith scans photos rig
      masksmith scans photos rig --out rig-feet
    """
    from datagen import rig_photos
    from masksmith import engine as engines

    rows = rig_photos.prepare_photos(folder, None if dry_run else out, engines.get(engine, workers))
    for text in rig_photos.gaps(rows):
        console.warn(text)
    if as_json:
        where = None if out is None else str(out)
        document = {"folder": str(folder), "out": where, "dry_run": dry_run, "photos": rows, "refused": _refused(rows)}
        console.emit_json(document)
    else:
        columns = ("file", "subject", "side", "camera", "width", "height", "foot_share", "verdict", "notes")
        console.table(f"{len(rows)} photos", columns, [[_cell(row[c]) for c in columns] for row in rows])
        if out is not None and not dry_run:
            console.say(f"{out}: {len(rows) - _refused(rows)} photos")
    _raise_if_refused(rows, "photos")


def _refused(rows: list[dict[str, Any]]) -> int:
    return sum(row["verdict"] != "ok" for row in rows)


def _raise_if_refused(rows: list[dict[str, Any]], what: str = "scans") -> None:
    names = [str(row["file"]) for row in rows if row["verdict"] != "ok"]
    if names:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise CheckFailed(f"{len(names)} of {len(rows)} {what} are refused: {shown}")


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value))
    return "" if value is None else value
