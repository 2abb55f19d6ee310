"""Figures for a paper from any set of runs (Demborg's five), as PNG and SVG whose bytes depend on the data alone."""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masksmith import files
from masksmith.errors import EnvironmentFault

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Okabe and Ito's, which stay apart for colour-blind eyes."""
_DASHES = ("-", "--", "-.", ":")
_MARKS = ("o", "s", "D", "^", "v", "P", "X", "*")
_DPI = 200
_STYLE = {
    "svg.hashsalt": "masksmith",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.edgecolor": "#555555",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


def map_over_x(curves: Mapping[str, Sequence[tuple[float, float]]], out: Path) -> list[Path]:
    """mAP@x over x, a line a run.

    Args:
        curves: run -> (x, share) of :func:`evaluation.region.curve`.
        out: path without suffix.

    Returns:
        The PNG and the SVG; so do the other figures.
    """
    with _Drawing(4.8, 3.4) as drawing:
        axes = drawing.axes()
        for k, (name, points) in enumerate(curves.items()):
            xs, shares = zip(*points, strict=True) if points else ((), ())
            axes.plot(xs, shares, color=_colour(k), linestyle=_dash(k), label=_short(name))
        axes.set(xlabel="IoU threshold x", ylabel="mAP@x: share of (image, class) pairs", xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(loc="lower left")
        return drawing.save(out)


def iou_over_time(points: Sequence[Mapping[str, Any]], out: Path, *, label: str = "mean IoU") -> list[Path]:
    """IoU against inference time on a log axis, a point a model and runtime.

    Args:
        points: ``name``, ``ms`` (median of one image), ``iou``, ``interval`` (or None).
        label: which IoU.
    """
    with _Drawing(4.8, 3.4) as drawing:
        axes = drawing.axes()
        for k, point in enumerate(points):
            bounds = point.get("interval")
            spread = None
            if bounds:
                spread = [[max(point["iou"] - bounds[0], 0.0)], [max(bounds[1] - point["iou"], 0.0)]]
            axes.errorbar(
                [point["ms"]],
                [point["iou"]],
                yerr=spread,
                fmt=_MARKS[k % len(_MARKS)],
                color=_colour(k),
                markersize=7,
                elinewidth=1,
                capsize=2.5,
                label=_short(point["name"]),
            )
        axes.set_xscale("log")
        times = [point["ms"] for point in points]
        axes.set_xlim(min(times) / 1.6, max(times) * 1.6)
        axes.xaxis.set_major_formatter(drawing.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(drawing.ticker.FuncFormatter(_minor(min(times) / 1.6, max(times) * 1.6)))
        axes.tick_params(axis="x", which="minor", pad=5)
        axes.set(xlabel="inference time of one image, ms (log)", ylabel=label)
        axes.legend(loc="best")
        return drawing.save(out)


def losses(runs: Mapping[str, Sequence[Mapping[str, float]]], out: Path) -> list[Path]:
    """Loss over epochs, training beside validation, a line a run.

    Args:
        runs: run -> rows with ``epoch``, ``loss`` and ``val_loss``.
    """
    with _Drawing(7.2, 3.2) as drawing:
        left, right = drawing.axes(1, 2, sharey=True)
        for axes, column, title in ((left, "loss", "training"), (right, "val_loss", "validation")):
            for k, (name, rows) in enumerate(runs.items()):
                known = [(row["epoch"], row[column]) for row in rows if np.isfinite(row.get(column, np.nan))]
                epochs, values = zip(*known, strict=True) if known else ((), ())
                mark = "o" if len(known) < 3 else None
                axes.plot(epochs, values, color=_colour(k), linestyle=_dash(k), marker=mark, label=_short(name))
            axes.set(xlabel="epoch", title=title)
            axes.xaxis.set_major_locator(drawing.ticker.MaxNLocator(integer=True))
        left.set_ylabel("loss")
        left.set_ylim(bottom=0)
        right.legend(loc="upper right")
        return drawing.save(out)


def search(trials: Mapping[str, Sequence[float]], out: Path, *, label: str = "validation score") -> list[Path]:
    """The histogram of validation scores over a search, a panel a loss on one scale.

    Args:
        trials: loss -> the score of each trial; those without one are left out.
    """
    values = {name: np.asarray([v for v in scores if np.isfinite(v)]) for name, scores in trials.items()}
    everything = np.concatenate(list(values.values()))
    low, high = (float(everything.min()), float(everything.max())) if everything.size else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    edges = np.linspace(low, high if high > low else low + 1, 21)
    with _Drawing(4.8, 0.9 + 1.25 * len(values)) as drawing:
        panels = np.atleast_1d(drawing.axes(len(values), 1, sharex=True, sharey=True))
        for k, (axes, (name, scores)) in enumerate(zip(panels, values.items(), strict=True)):
            axes.hist(scores, bins=edges, color=_colour(k), edgecolor="white", linewidth=0.5)
            best = f", best {scores.max():.3f}" if scores.size else ""
            axes.set_title(f"{_short(name)}: {scores.size} trials{best}", loc="left", fontsize=9)
            axes.yaxis.set_major_locator(drawing.ticker.MaxNLocator(integer=True, nbins=4))
        panels[-1].set_xlabel(label)
        panels[len(panels) // 2].set_ylabel("trials")
        return drawing.save(out)


def grid(
    rows: Sequence[tuple[str, Sequence[npt.NDArray[np.uint8] | None]]], columns: Sequence[str], out: Path
) -> list[Path]:
    """A grid of pictures: an image a row, what was made of it beside it.

    Args:
        rows: (name of the image, a picture (H, W, 3) uint8 RGB for each column, or None).
        columns: what the columns show.
    """
    shape = max((picture.shape for _, row in rows for picture in row if picture is not None), default=(1, 1, 3))
    wide = 1.35
    tall = min(max(wide * shape[0] / shape[1], 0.7), 2.2)
    with _Drawing(wide * len(columns) + 0.2, tall * len(rows) + 0.3) as drawing:
        panels = np.asarray(drawing.axes(len(rows), len(columns), squeeze=False))
        drawing.close_up()
        for line, (name, pictures) in zip(panels, rows, strict=True):
            for axes, picture in zip(line, pictures, strict=True):
                axes.set_axis_off()
                if picture is not None:
                    axes.imshow(picture, interpolation="antialiased")
            place = {"transform": line[0].transAxes, "va": "top", "clip_on": False}
            line[0].text(0, -0.03, _short(name, 30), fontsize=5, color="#666666", **place)
        for axes, title in zip(panels[0], columns, strict=True):
            axes.set_title(_short(title, 18), fontsize=8)
        return drawing.save(out)


class _Drawing:
    """One figure, drawn off screen in a style of its own."""

    def __init__(self, width: float, height: float) -> None:
        try:
            self._all = importlib.import_module("matplotlib")
            self.ticker: Any = importlib.import_module("matplotlib.ticker")
            self._made = importlib.import_module("matplotlib.figure").Figure
            self._canvas = importlib.import_module("matplotlib.backends.backend_agg").FigureCanvasAgg
        except ImportError:
            raise EnvironmentFault("figures need the library matplotlib: pip install matplotlib") from None
        self._size = (width, height)

    def __enter__(self) -> _Drawing:
        self._style = self._all.rc_context({**self._all.rcParamsDefault, **_STYLE})
        self._style.__enter__()
        self._figure = self._made(figsize=self._size, layout="constrained")
        self._canvas(self._figure)
        return self

    def __exit__(self, *_: object) -> None:
        self._style.__exit__(None, None, None)

    def axes(self, rows: int = 1, columns: int = 1, **options: Any) -> Any:
        return self._figure.subplots(rows, columns, **options)

    def close_up(self) -> None:
        """Little room between panels."""
        self._figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)

    def save(self, out: Path) -> list[Path]:
        made = []
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": "masksmith"})):
            buffer = io.BytesIO()
            self._figure.savefig(buffer, format=kind, dpi=_DPI, metadata=metadata)
            path = out.with_name(f"{out.name}.{kind}")
            files.write_bytes(path, buffer.getvalue())
            made.append(path)
        return made


def _colour(k: int) -> str:
    return COLOURS[k % len(COLOURS)]


def _dash(k: int) -> str:
    return _DASHES[(k // len(COLOURS)) % len(_DASHES)]


def _minor(low: float, high: float) -> Any:
    """Labels between decades where there are too few decades to read a value off."""
    few = high / low < 30

    def told(value: float, _: object) -> str:
        lead = f"{value:e}"[0]
        return f"{value:g}" if few and lead in "25" else ""

    return told


def _short(name: str, most: int = 40) -> str:
    """A name as plain text: a dollar would start a formula, a leading underscore would hide it from the legend."""
    flat = " ".join(str(name).split())
    flat = flat if len(flat) <= most else f"{flat[: most - 1]}…"
    return ("\u200b" + flat if flat.startswith("_") else flat).replace("$", r"\$")
