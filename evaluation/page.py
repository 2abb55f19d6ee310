"""The report as one HTML page that needs nothing else: no request, every text escaped, one script held by its digest.

Beside the keys of :func:`evaluation.report.document` it shows these of report.json, each where it is there:

- ``sweep``: ``thresholds``, and a list of values for each figure (:meth:`evaluation.sweep.Sweep.document`);
- ``reliability``: the rows of :meth:`evaluation.calibration.Calibration.reliability`, with ``ece`` and ``brier``;
- ``skip_curve``: the rows of :meth:`evaluation.skipping.SkipCurve.rows`;
- ``coco_ap``, ``sad``, ``mse``, ``gradient_error``, ``connectivity_error``: figures for the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation import gallery, listing, plots, reel, script, sheet, temporal
from evaluation.pictures import Drawn
from evaluation.reel import Reel
from masksmith import html
from masksmith.console import counted
from masksmith.html import number, text

_SWEPT = ("iou_fg_image", "miou_image", "iou_fg_dataset", "miou_dataset")


def render(
    made: Mapping[str, Any],
    plotted: Mapping[str, Any],
    ranked: Mapping[str, Sequence[Drawn]],
    wall: Sequence[Drawn],
    reels: Sequence[Reel] = (),
) -> str:
    """The page as text.

    Args:
        made: the document of :func:`evaluation.report.document`.
        plotted: ``curve``, ``iou``, ``area``, ``ids``, from :func:`evaluation.report.plotted`.
        ranked: samples to show large, by rank.
        wall: samples to show small.
        reels: clips to play.
    """
    parts = [
        _head(made),
        listing.figures(made),
        _plots(made, plotted),
        gallery.ranked(ranked, gallery.fates_of(made)),
        _time(made, reels),
        *(
            listing.slice_of(key, rows, made["headline"]["name"])
            for key, rows in made["slices"].items()
            if len(rows) > 1
        ),
        listing.classes(made),
        gallery.wall(wall, made["images"]),
        _facts(made),
    ]
    return html.page(made["title"], "\n".join(part for part in parts if part), css=sheet.CSS, script=script.SCRIPT)


def card(title: str, drawn: str, note: str = "") -> str:
    """A plot with its title, and a note under it."""
    aside = f'<p class="aside">{text(note)}</p>' if note else ""
    return f'<div class="card"><h3>{text(title)}</h3>{drawn}{aside}</div>'


def _head(made: Mapping[str, Any]) -> str:
    head, trust = made["headline"], made["intervals"]
    if head["interval"]:
        low, high = head["interval"]
        timely = head["name"] in temporal.CONVENTIONS
        unit = "clips" if timely else _units(trust["unit"])
        groups = len(made.get("clips", ())) if timely else trust["groups"]
        sure = (
            f"{100 * trust['level']:g} % interval {number(low, 3)} to {number(high, 3)}, "
            f"resampling {groups:,} {unit} {trust['resamples']:,} times"
        )
    else:
        sure = trust["note"] or "no interval: the figure is undefined too often"
    undefined = made["undefined"]
    told = list(made["notes"])
    if cases := undefined["image_class_pairs"]:
        did = {"one": "count as IoU 1", "zero": "count as IoU 0", "skip": "are left out"}[undefined["policy"]]
        told.append(
            f"{counted(cases, 'time')} a class was absent from both an image's truth and its "
            f"prediction; these cases {did}."
        )
    if undefined.get("hausdorff95_images"):
        told.append(
            f"The Hausdorff distance is undefined in {undefined['hausdorff95_images']:,} images with foreground on one "
            "side only; they are left out of its mean."
        )
    notices = "".join(f'<p class="notice">{text(one)}</p>' for one in told)
    kicker = f"{counted(made['images'], 'image')} judged"
    return (
        f'<header class="top"><p class="kicker">{text(kicker)}</p><h1>{text(made["title"])}</h1>'
        f'<div class="hero"><div class="figure">{number(head["value"], 3)}</div>'
        f"<div><p>{text(head['convention'])} (<code>{text(head['name'])}</code>)</p><p>{text(sure)}</p></div></div>"
        f"{notices}</header>"
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
        plotted["ids"],
        x_label="true mask, share of the image (log)",
        y_label="foreground IoU",
        says="Foreground IoU of each image against the area of its true mask",
    )
    reached = " · ".join(f"{100 * share:.1f} % reach {x}" for x, share in made["map_at_x"].items() if share is not None)
    cards = [
        card("mAP@x", curve, reached),
        card("IoU per image", spread),
        card("IoU against mask area", area),
        _sweep(made),
        _calibration(made),
        _skipping(made),
    ]
    cards = [one for one in cards if one]
    kind = "cards even" if len(cards) == 4 else "cards"
    return (
        '<section><h2>How the images spread</h2><p class="lead">mAP@x counts (image, class) pairs; in the other two '
        f'one count or point is an image.</p><div class="{kind}">{"".join(cards)}</div></section>'
    )


def _sweep(made: Mapping[str, Any]) -> str:
    sweep = made.get("sweep")
    if not isinstance(sweep, Mapping) or not sweep.get("thresholds"):
        return ""
    series = {
        listing.NAMES[name]: list(zip(sweep["thresholds"], sweep[name], strict=True))
        for name in _SWEPT
        if name in sweep
    }
    drawn = plots.lines(
        series,
        x_label="threshold",
        y_label="IoU",
        x_range=(0, 1),
        says="Figures of IoU against the threshold from which a soft prediction is foreground",
    )
    best = sweep.get("best")
    top = f"Highest at {best['threshold']:g}: {best['figure']} {number(best['value'])}. " if best else ""
    note = str(sweep.get("note") or "")
    return card("IoU against the threshold", drawn, top + note[:1].upper() + note[1:])


def _calibration(made: Mapping[str, Any]) -> str:
    rows = made.get("reliability")
    if not rows:
        return ""
    points = [(row["confidence"], row["foreground"]) for row in rows if row["confidence"] is not None]
    drawn = plots.lines(
        {"reliability": points},
        x_label="mean probability of a bin",
        y_label="share that is foreground",
        x_range=(0, 1),
        y_range=(0, 1),
        diagonal=True,
        marks=True,
        says="The share of foreground among pixels against the probability they were given; the diagonal is perfect",
    )
    told = [f"{listing.NAMES[name]} {number(made[name])}" for name in ("ece", "brier") if made.get(name) is not None]
    return card("Calibration", drawn, " · ".join([*told, "on the dashed line the probabilities are true"]))


def _skipping(made: Mapping[str, Any]) -> str:
    rows = made.get("skip_curve")
    if not rows:
        return ""
    series = {
        listing.NAMES[name]: sorted((row["realised_skip_rate"], row[name]) for row in rows if row.get(name) is not None)
        for name in ("iou_fg_image", "miou_image", "iou_fg_dataset")
    }
    drawn = plots.lines(
        {name: points for name, points in series.items() if points},
        x_label="share of frames that kept the mask before",
        y_label="IoU",
        x_range=(0, 1),
        marks=True,
        says="Figures of IoU against the share of frames that were skipped",
    )
    return card(
        "Quality against frame skipping", drawn, f"{rows[0]['frames']:,} frames; at 0 every frame is predicted."
    )


def _time(made: Mapping[str, Any], reels: Sequence[Reel]) -> str:
    if not made.get("clips"):
        return ""
    shown = gallery.legend(gallery.fates_of(made)) + reel.render(reels) if reels else ""
    return f"<section><h2>Over time</h2>{listing.clips(made)}{shown}</section>"


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
    return f"<section><h2>Where this comes from</h2>{html.facts(facts)}</section>"


def _units(unit: str) -> str:
    return "groups (subjects, clips or images)" if unit == "mixed" else f"{unit}s"
