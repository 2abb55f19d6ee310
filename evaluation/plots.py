"""Plots as inline SVG: a curve, a histogram, a scatter, an interval; drawn with the page's own colours, no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 336, 216
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 12, 34
MOST_POINTS = 2000


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


def scatter(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], *, x_label: str, y_label: str, says: str) -> str:
    """Points of x > 0 on a log axis (as shares, ticks in per cent) and y in [0, 1]; others are left out.

    More than :data:`MOST_POINTS` are thinned evenly along x.
    """
    keep = (x > 0) & ~np.isnan(y)
    order = np.argsort(x[keep], kind="stable")
    xs, ys = x[keep][order], y[keep][order]
    if xs.size > MOST_POINTS:
        chosen = np.linspace(0, xs.size - 1, MOST_POINTS).round().astype(int)
        xs, ys = xs[chosen], ys[chosen]
    if not xs.size:
        return _frame("", says, x_label, y_label)
    low, high = math.log10(float(xs[0])), math.log10(float(xs[-1]))
    if high - low < 0.3:
        low, high = low - 0.15, high + 0.15
    low, high = low - 0.03 * (high - low), high + 0.03 * (high - low)
    places = (np.log10(xs) - low) / (high - low)
    dots = "".join(f"M{_x(float(a)):.1f} {_y(float(b)):.1f}h0" for a, b in zip(places, ys, strict=True))
    steps = [share for k in range(-6, 1) for share in (10.0**k, 2 * 10.0**k, 5 * 10.0**k)]
    inside = [(share, (math.log10(share) - low) / (high - low)) for share in steps]
    inside = [(share, place) for share, place in inside if 0 <= place <= 1]
    if len(inside) > 5:
        inside = [(share, place) for share, place in inside if f"{share:e}".startswith("1")]
    ticks = [(place, f"{100 * share:.10g} %") for share, place in inside]
    return _frame(f'<path class="dots" d="{dots}"/>', says, x_label, y_label, ticks, _unit_ticks())


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


def _x(place: float) -> float:
    return LEFT + place * (WIDTH - LEFT - RIGHT)


def _y(place: float) -> float:
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
