"""The page of several evaluations: a column a run, paired differences, speed, and masks to wipe between."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation import boundary, gallery, listing, plots, region, script, sheet, temporal
from evaluation.page import card
from evaluation.pictures import LEGEND, Drawn
from masksmith import html
from masksmith.console import counted
from masksmith.html import number, text

_HIGHER = frozenset({*region.CONVENTIONS, *boundary.HIGHER, *temporal.HIGHER, "coco_ap"})
_MOST_SLICES = 25
_BROAD = ("losses", "predictions")
_SAYS = {
    "map_over_x": "mAP@x over x",
    "iou_over_time": "Mean IoU against inference time",
    "losses": "Loss over epochs",
    "search": "Validation scores over the search",
    "predictions": "Predictions, from the worst image to the best; orange is made up, blue is missed",
}
_KEPT = ("photo", "truth")  # columns of pictures that are no run


def render(
    made: Mapping[str, Any],
    *,
    curves: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    points: Sequence[Mapping[str, Any]] = (),
    pictures: tuple[Sequence[tuple[str, Sequence[npt.NDArray[np.uint8] | None]]], Sequence[str]] = ((), ()),
    figures: Mapping[str, bytes] | None = None,
) -> str:
    """The page as text.

    Args:
        made: the document of :func:`evaluation.comparison.document`.
        curves: run -> its mAP@x curve, from :func:`evaluation.region.curve`.
        points: ``name``, ``ms``, ``iou`` and ``interval`` of each time of inference
            (:func:`evaluation.exhibits.latencies`).
        pictures: rows (name, pictures) and the columns' names (:func:`evaluation.exhibits.predictions`).
        figures: name -> PNG, drawn to be quoted (:mod:`evaluation.figures`).
    """
    names = [str(run["name"]) for run in made["runs"]]
    title = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    parts = [
        _head(made, title),
        _figures(made),
        *(_difference(one, made["headline"]) for one in made["differences"]),
        _plots(curves or {}, points),
        _stages(*pictures),
        *(_slices(key, told, names, made["headline"]) for key, told in made["slices"].items()),
        _quoted(figures or {}),
        _facts(made),
    ]
    return html.page(title, "\n".join(part for part in parts if part), css=sheet.CSS, script=script.SCRIPT)


def best_is_higher(name: str) -> bool | None:
    """Whether a figure is better when it is higher; None where the best is in between (``flicker_excess``)."""
    if name == "flicker_excess":
        return None
    return name in _HIGHER or name.startswith("map_at_")


def _head(made: Mapping[str, Any], title: str) -> str:
    runs, name = made["runs"], made["headline"]
    notes = "".join(f'<p class="notice">{text(note)}.</p>' for note in made["notes"])
    heroes = []
    for k, run in enumerate(runs):
        found = run["figures"].get(name) or {"value": None, "interval": None}
        pair = found["interval"]
        sure = f"{number(pair[0], 3)} – {number(pair[1], 3)}" if pair else "no interval"
        heroes.append(
            f'<div class="rival s{k % plots.COLOURS}"><strong>{text(run["name"])}</strong>'
            f'<span class="score">{number(found["value"], 3)}</span><span>{sure}</span></div>'
        )
    convention = listing.CONVENTIONS.get(name, name)
    return (
        f'<header class="top"><p class="kicker">{counted(len(runs), "evaluation")} side by side</p>'
        f'<h1>{text(title)}</h1><p class="lead">{text(convention[:1].upper() + convention[1:])} '
        f"(<code>{text(name)}</code>), with {100 * made['level']:g} % intervals.</p>"
        f'<div class="rivals">{"".join(heroes)}</div>{notes}</header>'
    )


def _figures(made: Mapping[str, Any]) -> str:
    runs = made["runs"]
    known = dict.fromkeys(name for run in runs for name in run["figures"])
    heads = "".join(f'<th scope="col"><button type="button">{text(run["name"])}</button></th>' for run in runs)
    rows = []
    for name in known:
        found = [run["figures"].get(name) or {"value": None, "interval": None} for run in runs]
        values = [one["value"] for one in found]
        top = _best(name, values)
        cells = "".join(
            f'<td data-v="{"" if one["value"] is None else one["value"]}"{_mark(one["value"], top)}>'
            f"{number(one['value'])}{_bounds(one['interval'])}</td>"
            for one in found
        )
        label = listing.NAMES.get(name, name.replace("map_at_", "mAP@"))
        lead = ' class="lead-row"' if name == made["headline"] else ""
        rows.append(
            f'<tr{lead}><td data-v="{text(label)}">{text(label)}<span class="why"><code>{text(name)}</code></span></td>'
            f"{cells}</tr>"
        )
    marked = "The best of a row is marked. " if len(runs) > 1 else ""
    return (
        f'<section><h2>Figures</h2><p class="lead">{marked}In the second line of a cell: {100 * made["level"]:g} % '
        f"interval. {text(_policies(made))}</p><div class='wide'><table class='sorts'><thead><tr><th scope='col'>"
        f'<button type="button">Figure</button></th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        "</section>"
    )


def _policies(made: Mapping[str, Any]) -> str:
    cases = [f"{run['undefined'].get('image_class_pairs', 0):,} in {run['name']}" for run in made["runs"]]
    return f"Absent from both truth and prediction (--empty {made['empty']}): {', '.join(cases)}."


def _difference(one: Mapping[str, Any], headline: str) -> str:
    """One run's differences from the first, with a dot and interval on an axis around zero."""
    figures = {name: told for name, told in one["figures"].items() if told["difference"] is not None}
    shares = [name for name in figures if name in region.CONVENTIONS or name in boundary.HIGHER]
    ends = [abs(end) for name in shares for end in (figures[name]["interval"] or [figures[name]["difference"]])]
    reach = max([*ends, 1e-6])
    rows = []
    for name, told in figures.items():
        drawn = plots.difference(told["difference"], told["interval"], reach) if name in shares else ""
        lead = ' class="lead-row"' if name == headline else ""
        label = listing.NAMES.get(name, name.replace("map_at_", "mAP@"))
        chance = told.get("p_higher")
        if chance is not None and told.get("better") == "lower":
            chance = 1 - chance
        rows.append(
            f'<tr{lead}><td data-v="{text(label)}">{text(label)}</td><td data-v="{told["difference"]}">'
            f"{_signed(told['difference'])}{_span(told['interval'])}</td><td>{number(chance, 3)}</td>"
            f'<td class="loose">{number(told.get("p_value"), 4)}</td><td class="plotted">{drawn}</td></tr>'
        )
    why = f" {one['note']}." if one.get("note") else ""
    unit = counted(one["groups"], one["unit"])
    said = f"On the same {one['images']:,} images, resampling {unit} together.{why}"
    heads = "".join(
        f'<th scope="col"{kind}>{inner}</th>'
        for kind, inner in (
            ("", '<button type="button">Figure</button>'),
            ("", '<button type="button">Difference</button>'),
            ("", '<button type="button">P(better)</button>'),
            (' class="loose"', '<button type="button">p</button>'),
            (' class="plotted"', f"−{reach:.2g} to {reach:.2g}"),
        )
    )
    return (
        f"<section><h2>{text(one['run'])} minus {text(one['against'])}</h2>"
        f'<p class="lead">{text(said)} '
        "Under each difference: its interval. P(better) is the share of resamples in which it is the better one; p is "
        "that of a permutation of the labels."
        f"</p><div class='wide'><table class='sorts'><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody>"
        "</table></div></section>"
    )


def _plots(curves: Mapping[str, Sequence[tuple[float, float]]], points: Sequence[Mapping[str, Any]]) -> str:
    cards = []
    if curves:
        drawn = plots.lines(
            curves,
            x_label="IoU threshold x",
            y_label="share of pairs",
            x_range=(0, 1),
            y_range=(0, 1),
            says="The share of image and class pairs whose IoU reaches x, for each run",
        )
        cards.append(card("mAP@x", drawn))
    if points:
        cards.append(card("Mean IoU against inference time", plots.speeds(points), "Up and to the left is better."))
    return f'<section><h2>Side by side</h2><div class="cards">{"".join(cards)}</div></section>' if cards else ""


def _stages(rows: Sequence[tuple[str, Sequence[npt.NDArray[np.uint8] | None]]], columns: Sequence[str]) -> str:
    """Pictures of all runs over one another."""
    drawn = []
    for name, found in rows:
        layers, size = {}, (1, 1)
        for position, (column, picture) in enumerate(zip(columns, found, strict=True)):
            if picture is not None:
                layers[_layer(column, position, columns)] = html.data_uri(picture, picture.shape[1])
                size = picture.shape[:2]
        drawn.append(Drawn(name, math.nan, "", None, size[1], size[0], layers))
    labels = [_layer(column, k, columns) for k, column in enumerate(columns)]
    sides = [label for label in labels if label not in _KEPT] + [label for label in labels if label in _KEPT]
    if len(sides) < 2:
        return ""
    lead = "From the worst image to the best by the mean of the runs."
    return gallery.stages("Masks over one another", lead, {"": drawn}, sides, list(LEGEND)[:3])


def _layer(column: str, position: int, columns: Sequence[str]) -> str:
    """What a layer is called: a run named like a column that is none is told apart."""
    first = position == list(columns).index(column)
    return column if first else f"{column} (run)"


def _slices(key: str, told: Mapping[str, Mapping[str, Mapping[str, Any]]], names: Sequence[str], headline: str) -> str:
    heads = "".join(f'<th scope="col"><button type="button">{text(name)}</button></th>' for name in names)
    rows = []
    for value, found in list(told.items())[:_MOST_SLICES]:
        values = [found[name][headline] if name in found else None for name in names]
        top = _best(headline, values)
        number_of = max((row["images"] for row in found.values()), default=0)
        cells = "".join(
            f'<td data-v="{"" if one is None else one}"{_mark(one, top)}>{number(one)}'
            f"{_bounds((found.get(name, {}).get('intervals') or {}).get(headline))}</td>"
            for name, one in zip(names, values, strict=True)
        )
        rows.append(f'<tr><td>{text(value)}</td><td class="loose">{number_of:,}</td>{cells}</tr>')
    more = f" {_MOST_SLICES} of {len(told):,} are shown, all are in report.json." if len(told) > _MOST_SLICES else ""
    return (
        f'<section><h2>By {text(key)}</h2><p class="lead">{text(listing.NAMES.get(headline, headline))}.{more}</p>'
        f'<div class="wide"><table class="sorts"><thead><tr><th scope="col"><button type="button">{text(key)}</button>'
        f'</th><th scope="col" class="loose"><button type="button">Images</button></th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _quoted(figures: Mapping[str, bytes]) -> str:
    if not figures:
        return ""
    shots = []
    for name, data in figures.items():
        says = text(_SAYS.get(name, name))
        kind = ' class="broad"' if name in _BROAD else ""
        uri = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        shots.append(f'<figure{kind}><img src="{uri}" alt="{says}"><figcaption>{says}</figcaption></figure>')
    return f'<section><h2>Figures to quote</h2><div class="drawn">{"".join(shots)}</div></section>'


def _facts(made: Mapping[str, Any]) -> str:
    facts = {run["name"]: f"{run['title']}; {run['path']}; counts {run['digest'][:16]}" for run in made["runs"]}
    facts |= {"Seed": str(made["seed"]), "Tool": made["tool"]}
    return f"<section><h2>Where this comes from</h2>{html.facts(facts)}</section>"


def _best(name: str, values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    higher = best_is_higher(name)
    if len(known) < 2 or len(set(known)) == 1:
        return None
    if higher is None:
        return min(known, key=abs)
    return max(known) if higher else min(known)


def _mark(value: float | None, top: float | None) -> str:
    return ' class="best"' if value is not None and value == top else ""


def _bounds(pair: Sequence[float] | None) -> str:
    return f'<span class="why">{number(pair[0], 3)} – {number(pair[1], 3)}</span>' if pair else ""


def _span(pair: Sequence[float] | None) -> str:
    return f'<span class="why">{_signed(pair[0])} to {_signed(pair[1])}</span>' if pair else ""


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}".replace("-", "−")
