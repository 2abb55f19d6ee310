"""``masksmith report``: evaluations side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from masksmith import console, options
from masksmith.errors import UsageProblem


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN...")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for report.html and report.json.")
@click.option("--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write the tables as Markdown.")
@click.option("--latex", type=click.Path(path_type=Path, dir_okay=False), help="Write the tables as LaTeX (booktabs).")
@click.option("--figures", type=click.Path(path_type=Path), help="Folder for figures, as PNG and SVG.")
@click.option("--figure", "chosen", multiple=True, metavar="NAME", help="A figure for the tables; repeatable.")
@click.option("--headline", default="iou_fg_image", show_default=True, help="The figure of slices, named first.")
@click.option("--slice", "by", multiple=True, metavar="KEY", help="Slices side by side; keys as in evaluate --slice.")
@click.option(
    "--least", type=click.IntRange(2), default=5, show_default=True, help="Subjects a slice needs for an interval."
)
@click.option("--common", is_flag=True, help="Only the images that all runs have.")
@click.option("--unpaired", is_flag=True, help="No differences: the runs are about other images.")
@click.option("--empty", default="one", show_default=True, help="A class absent from both sides: one, skip or zero.")
@click.option("--latency", multiple=True, metavar="NAME=MS|FILE", help="Inference times: of a run, or a speed JSON.")
@click.option("--training", multiple=True, metavar="RUN", help="A training run with its log.csv, for loss curves.")
@click.option("--search", type=click.Path(path_type=Path), help="CSV or JSON of a search's trials: loss, value.")
@click.option("--data", type=click.Path(path_type=Path), help="The manifest models were judged on, for pictures.")
@options.seed_option
@options.dry_run_option
@options.json_option
def report(**given: Any) -> None:
    """Set evaluations side by side: tables, paired differences, slices, figures.

    RUN is a folder that evaluate --out wrote, or its counts.parquet; NAME=RUN names it. Differences are paired,
    each run's from the first.

    \b
    Example:
      masksmith report runs/enet/report runs/linknet/report --markdown table.md
      masksmith report old=a new=b --slice floor --figures paper --latency old=73 --latency new=41
    """
    from evaluation import comparison, tables
    from masksmith import files

    _check(given)
    if not given["runs"]:
        drawn = [] if given["dry_run"] else _draw(given, [])
        _end(given, {"figures": [str(path) for path in drawn]}, [], drawn)
        return
    runs = comparison.open_runs(given["runs"])
    made = comparison.document(
        runs,
        headline=given["headline"],
        empty=given["empty"],
        seed=given["seed"],
        common=given["common"],
        unpaired=given["unpaired"],
        by=given["by"],
        least=given["least"],
    )
    found = tables.of(made, given["chosen"])
    if given["dry_run"]:
        _end(given, made, found, [])
        return
    drawn = _draw(given, runs) if given["figures"] else []
    if given["markdown"]:
        files.write_bytes(given["markdown"], tables.markdown(found).encode())
    if given["latex"]:
        files.write_bytes(given["latex"], tables.latex(found).encode())
    if given["out"]:
        shots = {path.stem: path.read_bytes() for path in drawn if path.suffix == ".png"}
        files.write_json(given["out"] / "report.json", made)
        files.write_bytes(given["out"] / "report.html", _page(given, made, runs, shots).encode())
    _end(given, made, found, drawn)


def _page(given: dict[str, Any], made: dict[str, Any], runs: Any, shots: dict[str, bytes]) -> str:
    """The page, with what there is to draw: curves always, times and masks where they are known."""
    from evaluation import exhibits, region, versus

    options: dict[str, Any] = {"empty": given["empty"], "seed": given["seed"]}
    rows, columns, why = exhibits.predictions(runs, given["data"])
    if why:
        console.note(f"no pictures in the page: {why}")
    return versus.render(
        made,
        curves={run.name: region.curve(run.counts, empty=given["empty"]) for run in runs},
        points=exhibits.latencies(given["latency"], runs, **options) if given["latency"] else (),
        pictures=(rows, columns),
        figures=shots,
    )


def _check(given: dict[str, Any]) -> None:
    if not given["runs"] and not (given["figures"] and (given["training"] or given["search"])):
        raise UsageProblem("name the evaluations to compare: folders that evaluate --out wrote, or counts.parquet")
    if given["common"] and given["unpaired"]:
        raise UsageProblem("--common compares images in pairs, --unpaired does not: give one of them")
    for name in ("training", "search"):
        if given[name] and not given["figures"]:
            raise UsageProblem(f"--{name} is for figures: name their folder with --figures")
    for name in ("latency", "data"):
        if given[name] and not (given["figures"] or given["out"]):
            raise UsageProblem(f"--{name} is for figures and the page: name a folder with --figures or --out")


def _draw(given: dict[str, Any], runs: Any) -> list[Path]:
    """All figures there is something to draw of; says which one is left out, and why."""
    from evaluation import exhibits, figures, region
    from masksmith import files

    out = files.writable(given["figures"])
    drawn: list[Path] = []
    if runs:
        curves = {run.name: region.curve(run.counts, empty=given["empty"]) for run in runs}
        drawn += figures.map_over_x(curves, out / "map_over_x")
    if given["latency"]:
        points = exhibits.latencies(given["latency"], runs, empty=given["empty"], seed=given["seed"])
        drawn += figures.iou_over_time(points, out / "iou_over_time", label="mean IoU, per image")
    if given["training"]:
        named = {Path(folder).resolve().name or folder: exhibits.losses(Path(folder)) for folder in given["training"]}
        if len(named) < len(given["training"]):
            named = {folder: exhibits.losses(Path(folder)) for folder in given["training"]}
        drawn += figures.losses(named, out / "losses")
    if given["search"]:
        drawn += figures.search(exhibits.trials(given["search"]), out / "search")
    if runs:
        rows, columns, why = exhibits.predictions(runs, given["data"])
        if why:
            console.note(f"no grid of predictions: {why}")
        else:
            drawn += figures.grid(rows, columns, out / "predictions")
    return drawn


def _end(given: dict[str, Any], made: dict[str, Any], found: Any, drawn: list[Path]) -> None:
    out = given["out"]
    places = [given["markdown"], given["latex"], out / "report.html" if out else None]
    written = [str(place) for place in places if place and given["runs"]] + [str(path) for path in drawn]
    if given["as_json"]:
        console.emit_json({**made, "written": [] if given["dry_run"] else written})
        return
    for table in found:
        console.table(table.title, table.columns, table.rows)
        if table.note:
            console.note(table.note)
    if given["dry_run"]:
        written += [str(given["figures"])] if given["figures"] else []
        console.say(f"would write {', '.join(written) or 'nothing'}")
        return
    for place in written:
        console.say(place)
