"""Samples on the page: stages whose slider wipes between two layers, and a wall of small pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evaluation.pictures import COLOURS, LEGEND, Drawn
from masksmith.html import number, text

RANKS = {"worst": "Worst", "median": "In the middle", "best": "Best"}
START = 70  # where the slider stands at first: mostly errors, with a strip of the photo that invites a pull


def legend(shown: Sequence[str]) -> str:
    """What the colours of the errors mean."""
    items = (f'<li><i style="background:rgb{COLOURS[fate][0]}"></i>{text(LEGEND[fate])}</li>' for fate in shown)
    return f'<ul class="legend">{"".join(items)}</ul>'


def ranked(samples: Mapping[str, Sequence[Drawn]], fates: Sequence[str]) -> str:
    """The worst, middling and best samples, each a stage; empty where there are none.

    Args:
        samples: by rank.
        fates: the colours that occur, for the legend.
    """
    named = {RANKS.get(rank, rank): drawn for rank, drawn in samples.items()}
    names = ["errors", "photo", "truth", "prediction"]
    if not any(sample.base for drawn in samples.values() for sample in drawn):
        names.remove("photo")
    return stages("Worst, middling and best", "The number is the foreground IoU.", named, names, fates)


def stages(
    title: str, lead: str, samples: Mapping[str, Sequence[Drawn]], names: Sequence[str], fates: Sequence[str]
) -> str:
    """Samples as stages under headings, with buttons for what stands on each side; empty where there are none.

    Args:
        title, lead: plain text; the lead goes on after how stages are used.
        samples: by heading; an empty heading is left out.
        names: the layers to choose from, the two that stand against each other at first in front; a name that no
            sample has as a layer, such as ``photo``, shows the bare base.
        fates: the colours that occur, for the legend.
    """
    everyone = [sample for drawn in samples.values() for sample in drawn]
    if not everyone:
        return ""
    blocks = []
    for heading, drawn in samples.items():
        if drawn:
            shots = "".join(shot(sample, names) for sample in drawn)
            head = f'<h3 class="rank">{text(heading)}</h3>' if heading else ""
            blocks.append(f'{head}<div class="shots">{shots}</div>')
    return (
        f'<section{shape(everyone)}><h2>{text(title)}</h2><p class="lead">Pull a picture sideways, or use '
        f"the arrow keys on it, to wipe between its two sides; click it to see it larger. {text(lead)}</p>"
        f"{_switch(names)}{legend(fates)}{''.join(blocks)}</section>{_dialog()}"
    )


def wall(samples: Sequence[Drawn], images: int) -> str:
    """Small pictures of samples drawn by chance; empty where there are none."""
    if not samples:
        return ""
    shots = "".join(
        f'<figure><img loading="lazy" src="{sample.base}" width="{sample.width}" height="{sample.height}" '
        f'alt="errors of {text(sample.id)}"><figcaption><strong>{number(sample.iou, 3)}</strong> {text(sample.id)}'
        "</figcaption></figure>"
        for sample in samples
    )
    what = "All images." if len(samples) == images else f"{len(samples)} images drawn by chance."
    return (
        f'<section{shape(samples)}><h2>A look at the set</h2><p class="lead">{what} The number is the foreground IoU.'
        f'</p><div class="wall">{shots}</div></section>'
    )


def shot(sample: Drawn, names: Sequence[str]) -> str:
    """One sample as a figure with a stage."""
    layers = "".join(
        f'<img class="layer{_on(name, names)}" data-layer="{text(name)}" src="{uri}" alt="" draggable="false">'
        for name, uri in sample.layers.items()
    )
    base = f'<img class="base" src="{sample.base}" alt="" draggable="false">' if sample.base else ""
    score = "" if math.isnan(sample.iou) else f"<strong>{number(sample.iou, 3)}</strong> "
    note = f" · {text(sample.note)}" if sample.note else ""
    left, right = text(names[0]), text(names[1])
    return (
        f'<figure><div class="stage" tabindex="0" role="slider" aria-label="{text(sample.id)}: wipe between {left} and '
        f'{right}" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{START}" data-left="{left}" '
        f'data-right="{right}" style="--q:{START / 100:g};--own:{sample.width / sample.height:.4f}">'
        f'<div class="canvas">{base}{layers}</div><span class="hand" aria-hidden="true"></span>'
        f'<b class="side left" aria-hidden="true">{left}</b><b class="side right" aria-hidden="true">{right}</b></div>'
        f"<figcaption>{score}{text(sample.id)}{note}</figcaption></figure>"
    )


def shape(samples: Iterable[Drawn]) -> str:
    """The middle aspect ratio, so that pictures of several sizes stand in even rows."""
    shapes = sorted(sample.width / sample.height for sample in samples)
    return f' style="--shape:{min(max(shapes[len(shapes) // 2], 0.75), 1.78):.3f}"'


def _on(name: str, names: Sequence[str]) -> str:
    return {names[0]: " on-left", names[1]: " on-right"}.get(name, "")


def _switch(names: Sequence[str]) -> str:
    """Two rows of buttons that choose what stands on the left and on the right of every stage."""
    rows = []
    for side, chosen in (("left", names[0]), ("right", names[1])):
        buttons = "".join(
            f'<button type="button" data-side="{side}" data-show="{text(name)}" '
            f'aria-pressed="{str(name == chosen).lower()}">{text(name)}</button>'
            for name in names
        )
        rows.append(f'<div role="group" aria-label="{side} side"><span>{side}</span>{buttons}</div>')
    return f'<div class="switch">{"".join(rows)}</div>'


def _dialog() -> str:
    return (
        '<dialog class="large" aria-label="the picture, larger"><form method="dialog">'
        '<button class="close" aria-label="close">×</button></form><div class="inside"></div></dialog>'
    )


def fates_of(made: Mapping[str, Any]) -> list[str]:
    """Which colours of the errors can occur in a document's samples."""
    shown = dict.fromkeys(LEGEND)
    if len(made["classes"]) < 3:
        del shown["other"]
    if not made["ignored_pixels"]:
        del shown["ignored"]
    return list(shown)
