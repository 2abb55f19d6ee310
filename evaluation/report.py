"""The report of an evaluation: one JSON document, and a page that shows it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation import boundary, intervals, page, region, slices, temporal
from evaluation.counts import Counts
from evaluation.pictures import Drawn
from evaluation.reel import Reel
from masksmith import __version__, console, files
from masksmith.errors import unknown_choice

HEADLINE = "iou_fg_image"
MOST_BYTES = 10_000_000
CONVENTIONS: Mapping[str, str] = {**region.CONVENTIONS, **boundary.CONVENTIONS, **temporal.CONVENTIONS}


def document(
    counts: Counts,
    *,
    empty: str = "one",
    at: Sequence[float] = region.AT,
    seed: int = 0,
    headline: str = HEADLINE,
    time: Mapping[str, Any] | None = None,
    title: str = "Masks against the truth",
    facts: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    by: Sequence[str] = (),
    least: int = slices.LEAST,
) -> dict[str, Any]:
    """All figures of an evaluation as one JSON value.

    The figures stand at the top level under their names (``iou_fg_image``, ``miou_dataset``, ``flicker``, ...), None
    where one is undefined; ``map_at_x`` maps x as text to its share. Beside them: ``headline``, ``intervals``,
    ``undefined``, ``surface_dice_px`` (its tolerance, where boundaries were measured), ``images``, ``classes``,
    ``slices`` (key -> rows of :func:`evaluation.slices.by`), ``clips`` (with ``left_out``, ``motion`` and
    ``undefined_clips``), ``facts``, ``notes``, ``digest`` (of the counts) and ``tool``. The same counts give the same
    document.

    Args:
        counts: the counted images.
        empty, at: as in :func:`evaluation.region.reduce`.
        seed: of the bootstrap.
        headline: the figure to show first.
        time: what :func:`evaluation.temporal.summarise` returned.
        facts: where the masks came from; text by name.
        notes: what the reader must know.
        by, least: further slices, as in :func:`evaluation.slices.document`.

    Raises:
        UsageProblem: an unknown headline, policy or slice.
        ValueError: no images.
    """
    known = [*region.names(counts), *(name for name in temporal.CONVENTIONS if name in (time or {}))]
    if headline not in known:
        raise unknown_choice("figure", headline, known)
    found = region.reduce(counts, empty=empty, at=at)
    trust = intervals.bootstrap(counts, empty=empty, at=at, seed=seed)
    values: dict[str, Any] = dict(found.values)
    bounds = {name: list(pair) for name, pair in trust.bounds.items()}
    if time:
        values |= {name: time[name] for name in temporal.CONVENTIONS if name in time}
        bounds |= {name: list(pair) for name, pair in time["intervals"].items()}
    made: dict[str, Any] = {
        "headline": {
            "name": headline,
            "value": values[headline],
            "interval": bounds.get(headline),
            "convention": CONVENTIONS[headline],
        },
        **values,
        "map_at_x": {f"{x:g}": share for x, share in found.map_at_x.items()},
        "intervals": {
            "level": trust.level,
            "unit": trust.unit,
            "groups": trust.groups,
            "resamples": trust.resamples,
            "seed": seed,
            "note": trust.note,
            "values": bounds,
        },
        **counts.info.get("boundary", {}),
        "undefined": {"policy": empty, **found.undefined},
        "images": len(counts),
        "pixels": int(counts.values[:, 0].sum()),
        "ignored_pixels": sum(value or 0 for value in counts.column("ignored")),
        "classes": list(found.classes),
        "slices": slices.document(counts, by, headline=headline, empty=empty, seed=seed, least=least),
        "title": title,
        "facts": dict(facts or {}),
        "notes": list(notes),
        "digest": counts.digest(),
        "tool": f"masksmith {__version__}",
    }
    if time:
        made["clips"] = time["clips"]
        made |= {name: time[name] for name in ("left_out", "motion", "undefined_clips") if name in time}
    result: dict[str, Any] = console.plain(made)
    return result


def write(
    folder: str | os.PathLike[str],
    made: Mapping[str, Any],
    counts: Counts,
    *,
    ranked: Mapping[str, Sequence[Drawn]] | None = None,
    wall: Sequence[Drawn] = (),
    reels: Sequence[Reel] = (),
) -> dict[str, Path]:
    """Write ``report.html``, ``report.json`` and ``counts.parquet`` into a folder, each atomically.

    Args:
        made: from :func:`document`.
        ranked: ``worst``, ``median`` and ``best`` samples.
        wall: samples drawn by chance, without panels.
        reels: clips to play. A page over :data:`MOST_BYTES` goes without them, then without the samples.

    Returns:
        What was written, by kind: ``counts``, ``json``, ``html``.

    Raises:
        EnvironmentFault: the folder cannot be written to.
    """
    place = Path(folder)
    paths = {"counts": place / "counts.parquet", "json": place / "report.json", "html": place / "report.html"}
    extra = plotted(counts, str(made["undefined"]["policy"]))
    text = page.render(made, extra, ranked or {}, wall, reels).encode()
    lighter: tuple[tuple[str, tuple[Any, Any]], ...] = (
        ("the clips", (ranked or {}, wall)),
        ("the clips and pictures", ({}, ())),
    )
    for what, (kept, small) in lighter:
        if len(text) > MOST_BYTES:
            note = f"This page would be larger than {MOST_BYTES / 1e6:g} MB: it goes without {what}."
            text = page.render({**made, "notes": [*made["notes"], note]}, extra, kept, small).encode()
    counts.to_parquet(paths["counts"])
    files.write_json(paths["json"], dict(made))
    files.write_bytes(paths["html"], text)
    return paths


def plotted(counts: Counts, empty: str) -> dict[str, Any]:
    """What the plots show: the ``curve`` of mAP@x; of each image ``ids``, ``iou`` and true ``area`` (a share)."""
    iou = region.image_iou(counts, empty)[0]
    front = region.foreground(counts).astype(np.float64)
    pixels = front.sum(-1)
    area = (front[:, 0] + front[:, 2]) / np.where(pixels == 0, 1, pixels)
    return {"curve": region.curve(counts, empty=empty), "iou": iou, "area": area, "ids": counts.column("id")}


def figure(made: Mapping[str, Any], name: str) -> float | None:
    """A figure of a document by name, ``map_at_0.9`` among them; None where it is undefined.

    Raises:
        UsageProblem: no figure of that name is in the document.
    """
    known = {key: made[key] for key in CONVENTIONS if key in made}
    known |= {region.at_name(float(x)): share for x, share in made["map_at_x"].items()}
    if name not in known:
        raise unknown_choice("figure", name, known)
    value = known[name]
    return None if value is None or math.isnan(value) else float(value)
