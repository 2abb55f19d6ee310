"""What ``masksmith evaluate`` prints and writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from masksmith import console

if TYPE_CHECKING:
    from masksmith.commands.evaluate_sources import Judged

EACH = 4  # samples of each rank in the report
WALL = 24
POLICIES = {
    "one": "they count as IoU 1 (--empty one)",
    "zero": "they count as IoU 0 (--empty zero)",
    "skip": "they are left out (--empty skip)",
}
SHOWN = (
    "iou_fg_image",
    "miou_image",
    "iou_fg_dataset",
    "miou_dataset",
    "dice_fg_image",
    "pixel_accuracy",
    "precision",
    "recall",
    "boundary_iou",
    "boundary_f",
    "hausdorff95",
    "surface_dice",
    "flicker",
    "flicker_excess",
    "dtssd",
    "warp_iou",
    "boundary_jitter_px",
    "boundary_flip_rate",
    "vc8",
    "vc16",
)


def write(out: Path, made: dict[str, Any], judged: Judged, given: dict[str, Any]) -> None:
    """Write the report, with samples drawn where there is something to draw."""
    from evaluation import pictures, region, report
    from masksmith import seeds

    counts, sample = judged.counts, judged.sample
    told = {
        "title": judged.title,
        "facts": judged.facts,
        "notes": judged.notes,
        "time": judged.time,
        "figures": judged.figures,
    }
    if not given["from_counts"]:
        counts = replace(counts, info={**counts.info, "report": console.plain(told)})
    ranked: dict[str, list[Any]] = {}
    wall: list[Any] = []
    if sample:
        iou = region.image_iou(counts, given["empty"])[0]
        for rank, positions in pictures.choose(iou, EACH).items():
            ranked[rank] = [pictures.draw(sample(position)) for position in positions]
        drawn = seeds.rng(given["seed"], "wall").permutation(len(counts))[:WALL]
        wall = [pictures.draw(sample(int(k)), width=200, panels=False) for k in sorted(drawn)]
    reels = _reels(judged, made, given) if sample and judged.time else []
    report.write(out, made, counts, ranked=ranked, wall=wall, reels=reels)


def _reels(judged: Judged, made: dict[str, Any], given: dict[str, Any]) -> list[Any]:
    """Small videos of the most restless clip, a middling one and the stillest."""
    from evaluation import reel

    sample = judged.sample
    if sample is None:
        return []
    clips, frames = judged.counts.column("clip"), judged.counts.column("frame")
    found = []
    for name in reel.choose(made["clips"]):
        places = [k for k, clip in enumerate(clips) if clip == name][: reel.MOST_FRAMES]
        numbers = [int(frames[k]) for k in places]
        step = min((b - a for a, b in pairwise(numbers)), default=1)
        total = clips.count(name)
        found.append(reel.film(name, map(sample, places), numbers=numbers, step=step, total=total, flow=given["flow"]))
    return found


def show(made: dict[str, Any], judged: Judged, out: Path | None, asked: Sequence[str] = ()) -> None:
    """Print the figures as a table, and one for each slice that was asked for."""
    bounds = made["intervals"]["values"]
    rows: list[list[Any]] = []
    names = [made["headline"]["name"], *(name for name in SHOWN if name != made["headline"]["name"])]
    for name in names:
        if name in made and (name, made[name]) != ("warp_iou", None):
            rows.append([name, made[name], bounds.get(name)])
    rows += [
        [name, value, None]
        for name, value in judged.figures.items()
        if isinstance(value, float | None) and name not in names
    ]
    rows += [[f"map_at_{x}", share, bounds.get(f"map_at_{x}")] for x, share in made["map_at_x"].items()]
    shown = [[name, "undefined" if value is None else value, _interval(pair)] for name, value, pair in rows]
    console.table(
        f"{made['title']}: {console.counted(made['images'], 'image')}", ["figure", "value", "95 % interval"], shown
    )
    for key in asked:
        _slices(key, made["slices"][key], made["headline"]["name"])
    trust, undefined = made["intervals"], made["undefined"]
    console.note(trust["note"] or f"intervals: bootstrap over {console.counted(trust['groups'], trust['unit'])}")
    pairs = made["images"] * len(made["classes"])
    console.note(
        f"absent from both sides: {undefined['image_class_pairs']:,} of {pairs:,} (image, class) pairs, "
        f"{console.counted(undefined['foreground_images'], 'image')} without any foreground; "
        f"{POLICIES[undefined['policy']]}"
    )
    if lost := undefined.get("hausdorff95_images"):
        console.note(f"hausdorff95: {console.counted(lost, 'image')} left out, foreground on one side only")
    if out:
        console.say(str(out / "report.html"))


def _slices(key: str, rows: Sequence[dict[str, Any]], headline: str) -> None:
    """Every value of a key: images, subjects where they are known, the headline figure and IoU of all classes."""
    if not rows:
        return
    figures = [name for name in dict.fromkeys((headline, "miou_image")) if name in rows[0]]
    units = [] if rows[0]["unit"] == "image" else [f"{rows[0]['unit']}s"]
    columns = [key, "images", *units]
    shown: list[list[Any]] = [[str(row["value"]), row["images"], *([row["groups"]] if units else [])] for row in rows]
    for name in figures:
        columns += [name, "95 % interval"]
        for cells, row in zip(shown, rows, strict=True):
            value = row[name]
            cells += [
                "undefined" if value is None or math.isnan(value) else value,
                _interval(row["intervals"].get(name)),
            ]
    console.table(f"by {key}", columns, shown)


def _interval(pair: Sequence[float] | None) -> str:
    return f"{pair[0]:.4f} to {pair[1]:.4f}" if pair else ""


def would(count: int, what: str, given: dict[str, Any]) -> None:
    """Say what a dry run would do."""
    files = f"; would write report.html, report.json and counts.parquet to {given['out']}" if given["out"] else ""
    console.say(f"would judge {count:,} {what}{files}")
