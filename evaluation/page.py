"""The report as one HTML page that needs nothing else: no script, no request, every text escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from evaluation import boundary, plots, region, temporal
from evaluation.pictures import COLOURS, LEGEND, Drawn
from evaluation.sheet import CSS

MOST_ROWS = 25
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_NAMES = {
    "iou_fg_image": "IoU, foreground, per image",
    "miou_image": "Mean IoU, per image",
    "iou_fg_dataset": "IoU, foreground, dataset",
    "miou_dataset": "Mean IoU, dataset",
    "dice_fg_image": "Dice, foreground, per image",
    "mdice_image": "Mean Dice, per image",
    "dice_fg_dataset": "Dice, foreground, dataset",
    "mdice_dataset": "Mean Dice, dataset",
    "pixel_accuracy": "Pixel accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "boundary_iou": "Boundary IoU",
    "boundary_f": "Boundary F",
    "hausdorff95": "Hausdorff distance, 95 %, px",
    "surface_dice": "Surface Dice",
    "flicker": "Flicker",
    "flicker_excess": "Flicker excess",
    "dtssd": "dtSSD",
    "warp_iou": "Warp IoU",
    "boundary_jitter_px": "Boundary jitter, px",
    "boundary_flip_rate": "Boundary flip rate",
    "vc8": "Video consistency, 8 frames",
    "vc16": "Video consistency, 16 frames",
}
_RANKS = {"worst": "Worst", "median": "In the middle", "best": "Best"}


def render(
    made: Mapping[str, Any],
    plotted: Mapping[str, Any],
    ranked: Mapping[str, Sequence[Drawn]],
    wall: Sequence[Drawn],
) -> str:
    """The page as text.

    Args:
        made: the document of :func:`evaluation.report.document`.
        plotted: ``curve``, ``iou``, ``area``, from :func:`evaluation.report.plotted`.
        ranked: samples to show large, by rank.
        wall: samples to show small.
    """
    parts = [
        _head(made),
        _figures(made),
        _plots(made, plotted),
        _ranked(ranked, made),
        _wall(wall, made),
        _clips(made),
        _classes(made),
        *(_slice(key, rows) for key, rows in made["slices"].items() if len(rows) > 1),
        _facts(made),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(made['title'])}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<footer>Made by {escape(made['tool'])}. This page is whole in itself and loads nothing.</footer>\n"
        "</main>\n</body>\n</html>\n"
    )


def number(value: Any, digits: int = 4) -> str:
    """A figure as text; a dash where it is undefined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def _head(made: Mapping[str, Any]) -> str:
    head, trust = made["headline"], made["intervals"]
    if head["interval"]:
        low, high = head["interval"]
        unit = "clips" if head["name"] in temporal.CONVENTIONS else f"{_units(trust['unit'])}"
        groups = len(made.get("clips", ())) if head["name"] in temporal.CONVENTIONS else trust["groups"]
        sure = (
            f"{100 * trust['level']:g} % interval {number(low, 3)} to {number(high, 3)}, "
            f"resampling {groups:,} {unit} {trust['resamples']:,} times"
        )
    else:
        sure = trust["note"] or "no interval: the figure is undefined too often"
    undefined = made["undefined"]
    kicker = f"{made['images']:,} image{'s' if made['images'] != 1 else ''} judged"
    told = list(made["notes"])
    if undefined["image_class_pairs"]:
        did = {"one": "count as IoU 1", "zero": "count as IoU 0", "skip": "are left out"}[undefined["policy"]]
        told.append(
            f"{undefined['image_class_pairs']:,} times a class was absent from both an image's truth and its "
            f"prediction; these cases {did}."
        )
    if undefined.get("hausdorff95_images"):
        told.append(
            f"The Hausdorff distance is undefined in {undefined['hausdorff95_images']:,} images with foreground on one "
            "side only; they are left out of its mean."
        )
    notices = "".join(f'<p class="notice">{escape(str(text))}</p>' for text in told)
    return (
        f'<header class="top"><p class="kicker">{escape(kicker)}</p><h1>{escape(made["title"])}</h1>'
        f'<div class="hero"><div class="figure">{number(head["value"], 3)}</div>'
        f"<div><p>{escape(head['convention'])}</p><p>{escape(sure)}</p></div></div>{notices}</header>"
    )


def _figures(made: Mapping[str, Any]) -> str:
    bounds, lead = made["intervals"]["values"], made["headline"]["name"]
    shares = [*region.CONVENTIONS, *(name for name in boundary.CONVENTIONS if name in boundary.HIGHER)]
    shown = [name for name in shares if made.get(name) is not None]
    lowest = min([made[name] for name in shown] + [bounds[name][0] for name in shown if name in bounds], default=0)
    floor = max(0.0, math.floor((lowest - 0.02) * 10) / 10)
    rows = []
    for name, convention in {**region.CONVENTIONS, **boundary.CONVENTIONS, **temporal.CONVENTIONS}.items():
        if name not in made:
            continue
        unit = name in shares
        if name == "surface_dice" and "surface_dice_px" in made:
            convention = convention.replace("a tolerance", f"{made['surface_dice_px']:g} px")
        rows.append(
            _figure_row(
                _NAMES[name],
                convention,
                name,
                made[name],
                bounds.get(name),
                plots.interval(made[name], bounds.get(name), floor, 1.0) if unit else "",
                lead == name,
            )
        )
    for x, share in made["map_at_x"].items():
        name = region.at_name(float(x))
        drawn = plots.interval(share, bounds.get(name), floor, 1.0) if share is not None and share >= floor else ""
        why = f"share of (image, class) pairs with IoU of at least {x}"
        rows.append(_figure_row(f"mAP@{x}", why, name, share, bounds.get(name), drawn, lead == name))
    return (
        "<section><h2>Figures</h2><p class='lead'>Four different quantities are called “IoU” in the field. "
        "All four are here; say which one you quote.</p><div class='wide'><table><thead><tr><th>Figure</th>"
        f"<th>Value</th><th>95 % interval</th><th class='plotted'>{floor:g} to 1</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _figure_row(
    label: str, why: str, name: str, value: Any, bounds: Sequence[float] | None, drawn: str, lead: bool
) -> str:
    pair = f"{number(bounds[0], 3)} – {number(bounds[1], 3)}" if bounds else ""
    kind = ' class="lead-row"' if lead else ""
    return (
        f'<tr{kind}><td>{escape(label)}<span class="why">{escape(why)} (<code>{escape(name)}</code>)</span></td>'
        f'<td>{number(value)}</td><td class="pair">{pair}</td><td class="plotted">{drawn}</td></tr>'
    )


def _plots(made: Mapping[str, Any], plotted: Mapping[str, Any]) -> str:
    curve = plots.curve(
        plotted["curve"],
        x_label="IoU threshold x",
        y_label="share of pairs",
        says="The share of image and class pairs whose IoU reaches x, falling as x grows",
    )
    spread = plots.histogram(
        plotted["iou"], x_label="foreground IoU", y_label="images", says="How the images spread over foreground IoU"
    )
    area = plots.scatter(
        plotted["area"],
        plotted["iou"],
        x_label="true mask, share of the image (log)",
        y_label="foreground IoU",
        says="Foreground IoU of each image against the area of its true mask",
    )
    cards = (("mAP@x", curve), ("IoU per image", spread), ("IoU against mask area", area))
    inner = "".join(f'<div class="card"><h3>{title}</h3>{drawn}</div>' for title, drawn in cards)
    return (
        '<section><h2>How the images spread</h2><p class="lead">One point or count is one image.</p>'
        f'<div class="cards">{inner}</div></section>'
    )


def _legend(made: Mapping[str, Any]) -> str:
    shown = dict(LEGEND)
    if len(made["classes"]) < 3:
        del shown["other"]
    if not made["ignored_pixels"]:
        del shown["ignored"]
    items = (f'<li><i style="background:rgb{COLOURS[fate][0]}"></i>{escape(text)}</li>' for fate, text in shown.items())
    return f'<ul class="legend">{"".join(items)}</ul>'


def _ranked(ranked: Mapping[str, Sequence[Drawn]], made: Mapping[str, Any]) -> str:
    if not any(ranked.values()):
        return ""
    blocks = []
    for rank, samples in ranked.items():
        if samples:
            shots = "".join(_shot(sample) for sample in samples)
            blocks.append(f'<p class="rank">{_RANKS.get(rank, escape(rank))}</p><div class="shots">{shots}</div>')
    inner = "".join(blocks)
    style = _shape(sample for samples in ranked.values() for sample in samples)
    return f"<section{style}><h2>Worst, middling and best</h2>{_legend(made)}{inner}</section>"


def _shot(sample: Drawn) -> str:
    two = ""
    if sample.truth and sample.pred:
        two = (
            f'<div class="two"><span><img loading="lazy" src="{sample.truth}" alt="truth"><b>truth</b></span>'
            f'<span><img loading="lazy" src="{sample.pred}" alt="prediction"><b>prediction</b></span></div>'
        )
    note = f" · {escape(sample.note)}" if sample.note and two else ""
    return (
        f'<figure><img loading="lazy" src="{sample.errors}" width="{sample.width}" height="{sample.height}" '
        f'alt="errors of {escape(sample.id)}">{two}<figcaption><strong>{number(sample.iou, 3)}</strong> '
        f"{escape(sample.id)}{note}</figcaption></figure>"
    )


def _shape(samples: Iterable[Drawn]) -> str:
    """The middle aspect ratio, so that pictures of several sizes stand in even rows."""
    shapes = sorted(sample.width / sample.height for sample in samples)
    return f' style="--shape:{min(max(shapes[len(shapes) // 2], 0.75), 1.6):.3f}"'


def _wall(wall: Sequence[Drawn], made: Mapping[str, Any]) -> str:
    if not wall:
        return ""
    shots = "".join(_shot(sample) for sample in wall)
    what = "All images." if len(wall) == made["images"] else f"{len(wall)} images drawn by chance."
    return (
        f'<section{_shape(wall)}><h2>A look at the set</h2><p class="lead">{what} The number is the foreground IoU.</p>'
        f'<div class="wall">{shots}</div></section>'
    )


def _clips(made: Mapping[str, Any]) -> str:
    clips = made.get("clips")
    if not clips:
        return ""
    rows = sorted(clips, key=lambda clip: -(clip["flicker"] or 0))
    columns = {
        "flicker": "Flicker",
        "truth_flicker": "Truth’s own",
        "flicker_excess": "Excess",
        "dtssd": "dtSSD",
        "warp_iou": "Warp IoU",
        "boundary_jitter_px": "Jitter, px",
        "boundary_flip_rate": "Flips",
        "vc8": "VC8",
        "vc16": "VC16",
    }
    shown = [name for name in columns if any(clip.get(name) is not None for clip in rows)]
    table = _table(
        ("Clip", "Frames", *(columns[name] for name in shown)),
        (
            (clip["clip"], f"{clip['frames']:,}", *(number(clip.get(name)) for name in shown))
            for clip in rows[:MOST_ROWS]
        ),
    )
    more = _more(len(rows), "most restless first")
    left = made.get("left_out")
    said = f" Left out, one frame only: {escape(', '.join(map(str, left[:8])))}." if left else ""
    along = {None: "", "identity": " Boundary figures compare the same pixels: no motion was given."}
    moved = along.get(made.get("motion"), f" Boundary figures and warp IoU go along the motion: {made.get('motion')}.")
    lead = f"Lower is stiller, but higher in warp IoU and VC.{escape(moved)}{more}{said}"
    return f'<section><h2>Over time</h2><p class="lead">{lead}</p>{table}</section>'


def _classes(made: Mapping[str, Any]) -> str:
    if len(made["classes"]) < 2:
        return ""
    columns = ("iou_image", "iou_dataset", "dice_image", "dice_dataset")
    edges = _edges(made["classes"])
    heads = ("Class", "Images with it", "IoU per image", "IoU dataset", "Dice per image", "Dice dataset")
    table = _table(
        (*heads, *(_NAMES[name] for name in edges)),
        (
            (
                f"{row['name']} ({row['id']})",
                f"{row['images']:,}",
                *(number(row[name]) for name in columns),
                *(number(row[name] if row["id"] else None) for name in edges),
            )
            for row in made["classes"]
        ),
    )
    return f"<section><h2>Classes</h2>{table}</section>"


def _edges(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [name for name in boundary.CONVENTIONS if rows and name in rows[0]]


def _slice(key: str, rows: Sequence[Mapping[str, Any]]) -> str:
    ordered = sorted(rows, key=lambda row: (row["iou_fg_image"] is None, row["iou_fg_image"] or 0, row["value"]))
    edges = _edges(rows)
    heads = (key.capitalize(), "Images", "IoU fg, image", "Mean IoU, image", "IoU fg, dataset")
    table = _table(
        (*heads, *(_NAMES[name] for name in edges)),
        (
            (
                row["value"],
                f"{row['images']:,}",
                number(row["iou_fg_image"]),
                number(row["miou_image"]),
                number(row["iou_fg_dataset"]),
                *(number(row[name]) for name in edges),
            )
            for row in ordered[:MOST_ROWS]
        ),
    )
    more = _more(len(rows), "worst first")
    return f'<section><h2>By {escape(key)}</h2><p class="lead">{len(rows):,} in all.{more}</p>{table}</section>'


def _more(rows: int, order: str) -> str:
    if rows <= MOST_ROWS:
        return f" {order.capitalize()}."
    return f" {order.capitalize()}; {MOST_ROWS} of {rows:,} are shown, all are in report.json."


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _facts(made: Mapping[str, Any]) -> str:
    undefined, trust = made["undefined"], made["intervals"]
    facts = {
        **made["facts"],
        "Images": f"{made['images']:,} ({made['pixels']:,} pixels judged, {made['ignored_pixels']:,} ignored)",
        "Absent classes": (
            f"policy “{undefined['policy']}”: {undefined['foreground_images']:,} images without foreground on both "
            f"sides, {undefined['image_class_pairs']:,} (image, class) pairs, "
            f"{undefined['dataset_classes']:,} classes in the whole set"
        ),
        "Intervals": trust["note"]
        or f"percentile bootstrap over {trust['groups']:,} {_units(trust['unit'])}, {trust['resamples']:,} resamples, "
        f"seed {trust['seed']}",
        "Counts": f"sha256 {made['digest']}",
        "Tool": made["tool"],
    }
    rows = "".join(f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    return f"<section><h2>Where this comes from</h2><dl>{rows}</dl></section>"


def _units(unit: str) -> str:
    return "groups (subjects, clips or images)" if unit == "mixed" else f"{unit}s"
