"""Plots as inline SVG in the page's own colours; where a dot can be named, the page's script does it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from masksmith.html import text as escape

WIDTH, HEIGHT = 336, 216
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 12, 34
MOST_POINTS = 2000
CELL = 3.0  # how near dots must be to be drawn as one where there are more
COLOURS = 6


def curve(points: Sequence[tuple[float, float]], *, x_label: str, y_label: str, says: str) -> str:
    """A curve over x and y in [0, 1], filled below.

    Args:
        points: (x, y), x ascending.
        says: the text for those who cannot see it.
    """
    if not points:
        return _frame("", says, x_label, y_label)
    spots = [f"{_x(x):.1f} {_y(y):.1f}" for x, y in points]
    line = "M" + "L".join(spots)
    area = f"{line}L{_x(points[-1][0]):.1f} {_y(0):.1f}L{_x(points[0][0]):.1f} {_y(0):.1f}Z"
    body = f'<path class="fill" d="{area}"/><path class="line" d="{line}"/>'
    return _frame(body, says, x_label, y_label, _unit_ticks(), _unit_ticks())


def histogram(
    values: Sequence[float] | npt.NDArray[np.float64], *, bins: int = 25, x_label: str, y_label: str, says: str
) -> str:
    """A histogram of values in [0, 1]; NaN left out."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    heights = np.histogram(known, bins=bins, range=(0, 1))[0]
    top = _nice(int(heights.max(initial=1)))
    bars = [
        f'<rect class="bar" x="{_x(k / bins) + 0.5:.1f}" y="{_y(height / top):.1f}" '
        f'width="{(WIDTH - LEFT - RIGHT) / bins - 1:.1f}" height="{_y(0) - _y(height / top):.1f}"/>'
        for k, height in enumerate(heights)
        if height
    ]
    middle = ""
    if known.size:
        where = _x(float(np.median(known)))
        side, shift = ("end", -4) if where > WIDTH / 2 else ("start", 4)
        middle = (
            f'<path class="mark" d="M{where:.1f} {TOP}V{_y(0):.1f}"/>'
            f'<text class="tick" x="{where + shift:.1f}" y="{TOP + 9}" text-anchor="{side}">'
            f"median {np.median(known):.3f}</text>"
        )
    ticks = [(value / top, f"{value:g}") for value in (0, top / 2, top)]
    return _frame("".join(bars) + middle, says, x_label, y_label, _unit_ticks(), ticks)


def scatter(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    ids: Sequence[str],
    *,
    x_label: str,
    y_label: str,
    says: str,
) -> str:
    """Points of x > 0 on a log axis (as shares, ticks in per cent) and y in [0, 1]; others are left out.

    A pointer or the arrow keys name a dot. More than :data:`MOST_POINTS` are gathered in cells of :data:`CELL` units,
    a dot each, named after the one lowest in y; the words below the plot say so.

    Args:
        ids: the name of each point.
        says: the text for those who cannot see it.
    """
    keep = np.flatnonzero((x > 0) & ~np.isnan(y))
    if not keep.size:
        return _frame("", says, x_label, y_label)
    xs, ys = np.log10(x[keep]), y[keep]
    low, high = float(xs.min()), float(xs.max())
    if high - low < 0.3:
        low, high = low - 0.15, high + 0.15
    low, high = low - 0.03 * (high - low), high + 0.03 * (high - low)
    across, up = _x((xs - low) / (high - low)), _y(ys)
    shown, number = _gathered(across, up, ys)
    dots, marks = [], []
    for k, stands in zip(shown, number, strict=True):
        spot = int(keep[k])
        more = f" (lowest of {stands:,} here)" if stands > 1 else ""
        words = f"{ids[spot]}: {y[spot]:.3f} at {100 * x[spot]:.3g} %{more}"
        dots.append([round(float(across[k]), 1), round(float(up[k]), 1), words])
        size = 4 if stands == 1 else min(4 + math.log2(stands) / 2, 9)
        marks.append((round(size), f"M{across[k]:.1f} {up[k]:.1f}h0"))
    paths = "".join(
        f'<path class="dots" stroke-width="{size}" opacity="{0.55 if size < 5 else 0.75}" '
        f'd="{"".join(mark for wide, mark in marks if wide == size)}"/>'
        for size in sorted({wide for wide, _ in marks})
    )
    steps = [share for k in range(-6, 1) for share in (10.0**k, 2 * 10.0**k, 5 * 10.0**k)]
    inside = [(share, (math.log10(share) - low) / (high - low)) for share in steps]
    inside = [(share, place) for share, place in inside if 0 <= place <= 1]
    if len(inside) > 5:
        inside = [(share, place) for share, place in inside if f"{share:e}".startswith("1")]
    ticks = [(place, f"{100 * share:.10g} %") for share, place in inside]
    told = f"Each dot is one of {keep.size:,} images."
    if len(dots) < keep.size:
        told = f"{keep.size:,} images in {len(dots):,} dots: images closer than {CELL:g} units share one."
    return named(
        paths, dots, told + " Point at one, or use the arrow keys.", says, x_label, y_label, ticks, _unit_ticks()
    )


def named(
    body: str,
    dots: Sequence[Sequence[Any]],
    idle: str,
    says: str,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
) -> str:
    """A plot whose dots, (x, y, words) in its own units, tell their words when they are pointed at."""
    ring = '<circle class="ring" r="5.5" cx="0" cy="0"/>'
    data = escape(json.dumps(dots, ensure_ascii=False, separators=(",", ":")))
    plot = _frame(body + ring, says, x_label, y_label, x_ticks, y_ticks)
    plot = plot.replace('<svg class="plot"', f'<svg class="plot named" tabindex="0" data-dots="{data}"', 1)
    return f'{plot}<p class="says" aria-live="polite">{escape(idle)}</p>'


def lines(
    series: Mapping[str, Sequence[tuple[float, float | None]]],
    *,
    x_label: str,
    y_label: str,
    says: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    diagonal: bool = False,
    marks: bool = False,
) -> str:
    """Curves in colours of their own, with a key to them; points without a y are left out.

    Args:
        series: name -> (x, y), x ascending; at most six colours, then they come again.
        x_range, y_range: of the axes; by default what there is, rounded outwards.
        diagonal: draw y = x, where both axes have the same range.
        marks: draw the points too; pointing at one tells its values.
    """
    known = {name: [(x, float(y)) for x, y in points if y is not None] for name, points in series.items()}
    known = {name: [(x, y) for x, y in points if not math.isnan(y)] for name, points in known.items()}
    xs = [x for points in known.values() for x, _ in points]
    ys = [y for points in known.values() for _, y in points]
    if not xs:
        return _frame("", says, x_label, y_label)
    left, right, x_ticks = _axis(*(x_range or (min(xs), max(xs))), fixed=x_range is not None)
    bottom, top, y_ticks = _axis(*(y_range or (min(ys), max(ys))), fixed=y_range is not None)
    body, dots = [], []
    if diagonal:
        body.append(f'<path class="mark" d="M{_x(0):.1f} {_y(0):.1f}L{_x(1):.1f} {_y(1):.1f}"/>')
    for k, (name, points) in enumerate(known.items()):
        spots = [(_x((x - left) / (right - left)), _y((y - bottom) / (top - bottom))) for x, y in points]
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in spots)
        body.append(f'<path class="s s{k % COLOURS}" d="M{path}{"h0" if len(spots) == 1 else ""}"/>')
        for (a, b), (x, y) in zip(spots, points, strict=True):
            if marks:
                body.append(f'<circle class="spot s{k % COLOURS}" cx="{a:.1f}" cy="{b:.1f}" r="3.5"/>')
            dots.append([round(a, 1), round(b, 1), f"{name}: {y:.4g} at {x:.4g}"])
    keys = "".join(f'<li class="s{k % COLOURS}"><i></i>{escape(name)}</li>' for k, name in enumerate(known))
    key = f'<ul class="keys">{keys}</ul>' if len(known) > 1 else ""
    plot = named("".join(body), dots, "Point at the curve to read it.", says, x_label, y_label, x_ticks, y_ticks)
    return key + plot


def interval(value: float | None, bounds: Sequence[float] | None, low: float, high: float) -> str:
    """A small dot with its interval on an axis from ``low`` to ``high``, for a table cell."""
    if value is None or math.isnan(value):
        return ""
    span = (high - low) or 1.0

    def place(number: float) -> float:
        return 4 + 152 * min(max((number - low) / span, 0.0), 1.0)

    bar = ""
    if bounds:
        bar = f'<path class="range" d="M{place(bounds[0]):.1f} 8H{place(bounds[1]):.1f}"/>'
    return (
        '<svg class="dot" viewBox="0 0 160 16" aria-hidden="true"><path class="base" d="M4 8H156"/>'
        f'{bar}<circle cx="{place(value):.1f}" cy="8" r="3.5"/></svg>'
    )


def difference(value: float, bounds: Sequence[float] | None, reach: float) -> str:
    """A dot with its interval on an axis from -reach to reach with zero marked, for a table cell."""

    def place(number: float) -> float:
        return 80 + 76 * min(max(number / reach, -1.0), 1.0)

    bar = f'<path class="range" d="M{place(bounds[0]):.1f} 8H{place(bounds[1]):.1f}"/>' if bounds else ""
    return (
        '<svg class="dot" viewBox="0 0 160 16" aria-hidden="true"><path class="base" d="M4 8H156"/>'
        f'<path class="mark" d="M80 0V16"/>{bar}<circle cx="{place(value):.1f}" cy="8" r="3.5"/></svg>'
    )


def speeds(points: Sequence[Mapping[str, Any]]) -> str:
    """Mean IoU against inference time on a log axis, a colour a run (figure 5.5 of Demborg).

    Args:
        points: ``name``, ``run``, ``ms``, ``iou`` and ``interval`` (or None) of each.
    """
    known = [point for point in points if point["iou"] is not None and not math.isnan(point["iou"])]
    says, x_label, y_label = "Mean IoU of each run against its time an image", "time an image, ms (log)", "mean IoU"
    if not known:
        return _frame("", says, x_label, y_label)
    times = [math.log10(point["ms"]) for point in known]
    middle, half = (min(times) + max(times)) / 2, max((max(times) - min(times)) * 0.62, 0.2)
    ends = [end for point in known for end in (point["interval"] or (point["iou"], point["iou"]))]
    bottom, top, y_ticks = _axis(min(ends), max(ends), fixed=False)
    runs = list(dict.fromkeys(str(point["run"]) for point in known))
    body, dots = [], []
    for point, time in zip(known, times, strict=True):
        colour = runs.index(str(point["run"])) % COLOURS
        x, y = _x((time - middle + half) / (2 * half)), _y((point["iou"] - bottom) / (top - bottom))
        if point["interval"]:
            low, high = (_y((end - bottom) / (top - bottom)) for end in point["interval"])
            body.append(f'<path class="s s{colour} thin" d="M{x:.1f} {low:.1f}V{high:.1f}"/>')
        body.append(f'<circle class="spot s{colour}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
        dots.append([round(x, 1), round(y, 1), f"{point['name']}: {point['iou']:.4f} at {point['ms']:.4g} ms"])
    steps = [times * 10.0**k for k in range(-3, 6) for times in (1, 2, 5)]
    ticks = [(value, (math.log10(value) - middle + half) / (2 * half)) for value in steps]
    keys = "".join(f'<li class="s{k % COLOURS}"><i></i>{escape(run)}</li>' for k, run in enumerate(runs))
    x_ticks = [(place, f"{value:g}") for value, place in ticks if 0 <= place <= 1]
    idle = "Point at a run to read it."
    return f'<ul class="keys">{keys}</ul>' + named("".join(body), dots, idle, says, x_label, y_label, x_ticks, y_ticks)


def bar(value: float, bounds: Sequence[float] | None) -> str:
    """A bar from 0 to 1 with a whisker, for a table cell."""
    whisker = ""
    if bounds:
        whisker = f'<path class="whisker" d="M{4 + 152 * bounds[0]:.1f} 8H{4 + 152 * bounds[1]:.1f}"/>'
    return (
        '<svg class="dot" viewBox="0 0 160 16" aria-hidden="true"><path class="base" d="M4 14H156"/>'
        f'<rect class="bar" x="4" y="3" width="{152 * min(max(value, 0), 1):.1f}" height="10" rx="1.5"/>{whisker}</svg>'
    )


def _frame(
    body: str,
    says: str,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]] = (),
    y_ticks: Sequence[tuple[float, str]] = (),
) -> str:
    """Axes around ``body``; ticks are (place from 0 to 1, label)."""
    lines, labels = [], []
    for place, label in y_ticks:
        lines.append(f"M{LEFT} {_y(place):.1f}H{WIDTH - RIGHT}")
        labels.append(
            f'<text class="tick" x="{LEFT - 6}" y="{_y(place) + 3.5:.1f}" text-anchor="end">{escape(label)}</text>'
        )
    for place, label in x_ticks:
        anchor = "end" if place > 0.97 else "middle"
        labels.append(
            f'<text class="tick" x="{_x(place):.1f}" y="{_y(0) + 14:.1f}" text-anchor="{anchor}">{escape(label)}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(says)}">'
        f'<path class="grid" d="{"".join(lines)}"/>{body}<path class="axis" d="M{LEFT} {_y(0):.1f}H{WIDTH - RIGHT}"/>'
        f'{"".join(labels)}<text class="label" x="{middle:.0f}" y="{HEIGHT - 4}" text-anchor="middle">{escape(x_label)}'
        f'</text><text class="label" transform="translate(9 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text></svg>'
    )


def _gathered(
    across: npt.NDArray[np.float64], up: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions to draw, from left to right, and how many points each stands for."""
    if across.size <= MOST_POINTS:
        order = np.lexsort((up, across))
        return order, np.ones(order.size, np.int64)
    cell = np.floor(across / CELL).astype(np.int64) * 4096 + np.floor(up / CELL).astype(np.int64)
    order = np.lexsort((y, cell))  # the lowest of a cell first
    _, first, number = np.unique(cell[order], return_index=True, return_counts=True)
    return order[first], number


def _axis(low: float, high: float, *, fixed: bool) -> tuple[float, float, list[tuple[float, str]]]:
    """(low, high, ticks) of an axis, rounded outwards to a step of 1, 2 or 5 unless it is fixed."""
    if high - low < 1e-9:
        low, high = low - 0.5 * (abs(low) or 1) * 0.1, high + 0.5 * (abs(high) or 1) * 0.1
    rough = (high - low) / 4
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(times * scale for times in (1, 2, 2.5, 5, 10) if times * scale >= rough * 0.999)
    if not fixed:
        low, high = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
    first = math.ceil(low / step - 1e-9)
    values = [step * k for k in range(first, math.floor(high / step + 1e-9) + 1)]
    return low, high, [((value - low) / (high - low), f"{value:.6g}") for value in values]


@overload
def _x(place: float) -> float: ...
@overload
def _x(place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]: ...
def _x(place: Any) -> Any:
    return LEFT + place * (WIDTH - LEFT - RIGHT)


@overload
def _y(place: float) -> float: ...
@overload
def _y(place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]: ...
def _y(place: Any) -> Any:
    return TOP + (1 - place) * (HEIGHT - TOP - BOTTOM)


def _unit_ticks() -> list[tuple[float, str]]:
    return [(value, f"{value:g}") for value in (0, 0.25, 0.5, 0.75, 1)]


def _nice(value: int) -> int:
    """The next of 2, 4, 10, 20, 40, 100, ... so that half of it is whole."""
    step = 1
    while True:
        for times in (2, 4, 6, 10):
            if value <= times * step:
                return times * step
        step *= 10
