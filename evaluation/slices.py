"""Slices: the figures of a part of the images, by anything that is known of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from evaluation import boundary, intervals, region
from evaluation.counts import Counts
from masksmith.console import counted
from masksmith.errors import UsageProblem, unknown_choice

LEAST = 5
"""A slice of fewer subjects (or clips, or images) than this gets no interval."""
COMPUTED: Mapping[str, str] = {
    "area": "share of the image that is foreground in the truth",
    "position": "centre of mass of the true foreground, in a grid of 3 x 3",
    "brightness": "mean grey level of the photo, as a share",
    "sharpness": "variance of the photo's Laplacian, in quarters of the set",
}
FIGURES = ("iou_fg_image", "miou_image", "iou_fg_dataset", "miou_dataset", "pixel_accuracy")
NONE = "(none)"
"""The slice of images that have no value."""
MOST = 200
"""Values of a key that get intervals unasked."""
TOO_MANY = 2000
"""Values of a key that is left out of a report unasked."""
MANY = 12  # so many different numbers are cut into quarters
_ALSO = {"blur": "sharpness"}
_AREAS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5)
_SHADES = (0.25, 0.5, 0.75)
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
_DOTTED = ("extra", "recipe")


def document(
    counts: Counts,
    asked: Sequence[str] = (),
    *,
    headline: str = FIGURES[0],
    empty: str = "one",
    seed: int = 0,
    least: int = LEAST,
) -> dict[str, list[dict[str, Any]]]:
    """The slices a report shows: key -> rows of :func:`by`.

    Unasked there are subject, clip and group keys, with intervals where a key has at most :data:`MOST` values, and
    not at all beyond :data:`TOO_MANY`, which would be no table to read.

    Raises:
        UsageProblem: an unknown key among ``asked``.
    """
    figures = FIGURES if headline in FIGURES or headline not in region.CONVENTIONS else (*FIGURES, headline)
    options: dict[str, Any] = {"figures": figures, "empty": empty, "seed": seed, "least": least}
    found = {key: by(counts, key, **options) for key in asked}
    unasked = (key for key in standing(counts) if key not in found and len(_members(counts, key)) <= TOO_MANY)
    return found | {key: by(counts, key, **options, most=MOST) for key in unasked}


def by(
    counts: Counts,
    key: str,
    *,
    figures: Sequence[str] = FIGURES,
    empty: str = "one",
    seed: int = 0,
    least: int = LEAST,
    most: int | None = None,
    resamples: int = intervals.RESAMPLES,
) -> list[dict[str, Any]]:
    """The figures of each value of a key; an image with several values is in several slices.

    Args:
        key: a column (``subject``, ``split``, ...), a group key (``floor``), one of :data:`COMPUTED`, or a field of the
            record's extra or recipe (``extra.view``, ``recipe.lens.motion_px``). Numbers of more than 12 different
            values are cut into quarters.
        figures: which figures, boundary figures added where they were measured.
        least: slices of fewer subjects (or what else is resampled) have no interval.
        most: a key of more values has no intervals.

    Returns:
        In the order of the values: ``value``, ``images``, ``groups`` (subjects, or what ``unit`` says), the figures
        (NaN where undefined), ``intervals`` (figure -> [low, high]) and ``note``, why there is none, or None.

    Raises:
        UsageProblem: an unknown key or figure; the property was not measured.
    """
    wanted = [*figures, *(name for name in boundary.CONVENTIONS if counts.measured and name not in figures)]
    for name in wanted:
        if name not in region.names(counts):
            raise unknown_choice("figure", name, region.names(counts))
    members = _members(counts, key)
    labels, unit = intervals.clusters(counts)
    sums = region.image_sums(counts, empty, ())
    classes = len(counts.class_ids)
    rows: list[dict[str, Any]] = []
    if not members:
        return rows
    totals = np.stack([sums[images].sum(0) for images in members.values()])
    found = region.figures(totals, classes, empty, ())  # of all values in one go: there may be 100,000
    for position, (value, images) in enumerate(members.items()):
        own, places = np.unique(labels[images], return_inverse=True)
        grouped = np.zeros((len(own), sums.shape[1]))
        np.add.at(grouped, places, sums[images])
        row: dict[str, Any] = {"value": value, "images": len(images), "groups": len(own), "unit": unit}
        row |= {name: float(found[name][position]) for name in wanted}
        row["intervals"], row["note"] = {}, None
        if len(own) < max(least, 2):
            row["note"] = f"no interval: {counted(len(own), unit)}, fewer than {max(least, 2)}"
        elif most is not None and len(members) > most:
            row["note"] = f"no interval: {len(members):,} values; ask for this slice by name"
        else:
            drawn = intervals.resampled(grouped, classes, empty=empty, at=(), seed=seed, resamples=resamples)
            bounds = {name: intervals.bounds(drawn[name]) for name in wanted}
            row["intervals"] = {name: list(pair) for name, pair in bounds.items() if not np.isnan(pair[0])}
        rows.append(row)
    return rows


def standing(counts: Counts) -> list[str]:
    """The keys a report shows unasked: subject, clip, the group keys."""
    columns = region.groups_of(counts)
    kept = [name for name in columns if name != "group.subject" or "subject" not in columns]
    return list(dict.fromkeys(name.removeprefix("group.") for name in kept))


def keys(counts: Counts) -> list[str]:
    """Every key these counts can be sliced by."""
    taken = {"id", "class", "tp", "fp", "fn", "tn", "frame", "ignored", "centre_x", "centre_y", *boundary.CONVENTIONS}
    found = [
        name.removeprefix("group.")
        for name in counts.table.column_names
        if name not in taken and name not in _DOTTED and name not in COMPUTED and _named(counts, name)
    ]
    found += [f"{field}.{path}" for field in _DOTTED for path in _paths(counts, field)]
    return list(dict.fromkeys([*found, *(name for name in COMPUTED if _measured(counts, name))]))


def _named(counts: Counts, column: str) -> bool:
    """Whether a column has values to call slices after: words, numbers or lists of words, and at least one."""
    kind = counts.table[column].type
    return not (pa.types.is_list(kind) and not pa.types.is_string(kind.value_type)) and any(
        _known(counts.column(column))
    )


def _members(counts: Counts, key: str) -> dict[str, npt.NDArray[np.int64]]:
    """Value -> positions of its images, in the order in which values are told."""
    values, order = _values(counts, key)
    places: dict[str, list[int]] = {}
    for image, several in enumerate(values):
        for one in dict.fromkeys(several or [NONE]):
            places.setdefault(one, []).append(image)
    told = [name for name in order if name in places] if order else sorted(set(places) - {NONE}, key=_natural)
    return {name: np.asarray(places[name], np.int64) for name in [*told, *([NONE] if NONE in places else [])]}


def _values(counts: Counts, key: str) -> tuple[list[list[str]], list[str]]:
    """(the values of each image, their order; empty for the alphabet's)."""
    key = _ALSO.get(key, key)
    if key in COMPUTED:
        return _computed(counts, key)
    field, dot, path = key.partition(".")
    if dot and field in _DOTTED:
        raw = [_inside(text, path) for text in _parsed(counts, field)]
    elif key == "subject":
        pairs = zip(counts.column("subject"), counts.column("group.subject"), strict=True)
        raw = [list(dict.fromkeys([*([one] if one else []), *(more or ())])) for one, more in pairs]
    else:
        there = [name for name in (key, f"group.{key}") if name in counts.table.column_names and _named(counts, name)]
        raw = counts.column(there[0]) if there else [None] * len(counts)
    if not any(_known(raw)):
        raise unknown_choice("slice", key, keys(counts))
    numbers = [one for one in raw if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(set(numbers)) > MANY:
        return _quarters(raw)
    return [[_word(one) for one in (value if isinstance(value, list) else [value]) if _is(one)] for value in raw], []


def _computed(counts: Counts, key: str) -> tuple[list[list[str]], list[str]]:
    if not _measured(counts, key):
        needed = "photos (--images, or a dataset)" if key in ("brightness", "sharpness") else "an evaluation made anew"
        raise UsageProblem(f"these counts cannot be sliced by {key}: it takes {needed}")
    if key == "area":
        front = region.foreground(counts)
        pixels = front.sum(-1)
        return _binned((front[:, 0] + front[:, 2]) / np.maximum(pixels, 1), _AREAS)
    if key == "position":
        pairs = list(zip(counts.column("centre_x"), counts.column("centre_y"), strict=True))
        cells = [[] if x is None else [f"{_ROWS[int(y * 3)]} {_COLUMNS[int(x * 3)]}"] for x, y in pairs]
        return cells, [f"{row} {column}" for row in _ROWS for column in _COLUMNS]
    if key == "brightness":
        raw = counts.column("brightness")
        found, order = _binned(np.asarray([0.0 if one is None else one for one in raw]), _SHADES)
        return [[] if one is None else told for one, told in zip(raw, found, strict=True)], order
    return _quarters(counts.column("sharpness"))


def _measured(counts: Counts, key: str) -> bool:
    if key == "area":
        return True
    return any(_known(counts.column({"position": "centre_x"}.get(key, key))))


def _binned(shares: npt.NDArray[np.float64], edges: Sequence[float]) -> tuple[list[list[str]], list[str]]:
    """Shares in per cent, cut at ``edges``; an edge of 0 is a bin of its own."""
    marks = [edge for edge in edges if edge > 0]
    between = [f"{100 * a:g} to {100 * b:g} %" for a, b in pairwise(marks)]
    names = [f"under {100 * marks[0]:g} %", *between, f"{100 * marks[-1]:g} % and more"]
    chosen = np.searchsorted(marks, shares, side="right")
    if 0.0 not in edges:
        return [[names[k]] for k in chosen], names
    return [[names[k] if share else "none"] for share, k in zip(shares, chosen, strict=True)], ["none", *names]


def _quarters(raw: Sequence[Any]) -> tuple[list[list[str]], list[str]]:
    known = [isinstance(one, int | float) and not isinstance(one, bool) for one in raw]
    numbers = np.asarray([one for one, is_known in zip(raw, known, strict=True) if is_known], np.float64)
    edges = np.unique(np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1]))
    names = [f"{a:.4g} to {b:.4g}" for a, b in pairwise(edges)] or [f"{edges[0]:.4g}"]
    chosen = iter(np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(names) - 1))
    return [[names[int(next(chosen))]] if is_known else [] for is_known in known], names


def _parsed(counts: Counts, field: str) -> list[Any]:
    return [json.loads(text) if text else None for text in counts.column(field)]


def _inside(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if isinstance(value, dict) else value


def _paths(counts: Counts, field: str) -> list[str]:
    found: dict[str, None] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{path}.{key}" if path else key)
        elif path:
            found[path] = None

    for value in _parsed(counts, field)[:200]:
        walk(value, "")
    return sorted(found)


def _known(values: Sequence[Any]) -> list[bool]:
    return [any(map(_is, value)) if isinstance(value, list) else _is(value) for value in values]


def _is(value: Any) -> bool:
    return value is not None and value != ""


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _natural(word: str) -> tuple[int, float, str]:
    try:
        return (0, float(word), word)
    except ValueError:
        return (1, 0.0, word)
