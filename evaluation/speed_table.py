"""What speed measurements become: rows with ratios, and the picture of IoU against latency."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.effort import of_file
from evaluation.speed import Candidate, Timing
from masksmith import files
from masksmith.errors import BadInput, UsageProblem, unknown_choice

IOU_NAMES = ("iou_fg_image", "miou_image")


def rows(
    candidates: Sequence[Candidate],
    timings: Sequence[Timing],
    *,
    clock: str = "wall",
    quota: float | None = None,
    memory: Mapping[int, float] | None = None,
    ious: Mapping[str, float] | None = None,
    against: str | None = None,
) -> list[dict[str, Any]]:
    """A row a model: times, ``form``, ``params``, ``mflops``, ``size_mb``, ``peak_mb``, ``iou`` and ``ratio``.

    ``ratio`` is its frames a second over those of the first model that was not exported here, or over the first
    model's where there is no other.

    Args:
        memory: megabytes by the candidate's place.
        ious: IoU by the model's name.
        against: name of the model that ``ratio`` is to; None = as above.

    Raises:
        UsageProblem: no model has the name ``against``.
    """
    made = []
    for place, (candidate, timing) in enumerate(zip(candidates, timings, strict=True)):
        effort = of_file(Path(candidate.path), timing.meta)
        made.append(
            {
                **timing.row(clock, quota),
                "form": candidate.form or "as given",
                "params": effort.params,
                "mflops": None if effort.flops is None else effort.flops / 1e6,
                "size_mb": effort.size_bytes / 1e6,
                "peak_mb": (memory or {}).get(place),
                "iou": (ious or {}).get(candidate.name),
                "peer": timing.foreign,
            }
        )
    base = next((row for row in made if row["peer"]), made[0])
    if against is not None:
        named = [row for row in made if row["model"] == against]
        if not named:
            raise unknown_choice("model", against, dict.fromkeys(row["model"] for row in made))
        base = named[0]
    for row in made:
        row["ratio"] = row["fps"] / base["fps"]
        row["ratio_to"] = base["model"]
    return made


def disturbed(timings: Sequence[Timing]) -> float:
    """Time on the wall over the process's own: above one where others had the core too."""
    return sum(float(timing.wall_ms.sum()) for timing in timings) / sum(
        max(float(timing.cpu_ms.sum()), 1e-9) for timing in timings
    )


def read_iou(text: str) -> tuple[str, float]:
    """``NAME=0.93`` or ``NAME=report.json`` to (name, IoU).

    Raises:
        UsageProblem: another form, or a number outside [0, 1].
        BadInput: the report holds no IoU.
    """
    name, equals, given = text.partition("=")
    if not equals or not name or not given:
        raise UsageProblem(f"--iou takes MODEL=VALUE or MODEL=report.json, not {text!r}")
    try:
        value = float(given)
    except ValueError:
        return name, _reported(Path(given))
    if not 0 <= value <= 1:
        raise UsageProblem(f"an IoU is between 0 and 1, not {given}")
    return name, value


def _reported(place: Path) -> float:
    place = place / "report.json" if place.is_dir() else place
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        values = [float(found[name]) for name in IOU_NAMES if found.get(name) is not None]
    except FileNotFoundError:
        raise BadInput(place, "a report.json", "no such file", "write one: masksmith evaluate --out") from None
    except (ValueError, TypeError, AttributeError):
        values = []
    if not values:
        raise BadInput(place, f"a report with {' or '.join(IOU_NAMES)}", "none of them", "evaluate again")
    return values[0]


def drawable(place: Path, ious: int) -> None:
    """Refuse a picture that :func:`plot` could not draw, before anything is measured.

    Args:
        place: of the picture.
        ious: how many models have an IoU.

    Raises:
        UsageProblem: none has, or another suffix.
    """
    if not ious:
        raise UsageProblem("no IoU to draw: name some with --iou MODEL=VALUE or MODEL=report.json")
    if place.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise UsageProblem(f"a picture is .png, .svg or .pdf, not {place.suffix or 'nothing'}")


def plot(rows_: Sequence[Mapping[str, Any]], place: Path) -> int:
    """Draw IoU against latency, milliseconds on a logarithmic scale; returns how many models are in it.

    Args:
        rows_: as :func:`rows` makes them; those without an IoU are left out.
        place: ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        UsageProblem: no row has an IoU, or another suffix.
    """
    shown = [row for row in rows_ if row["iou"] is not None]
    drawable(place, len(shown))
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    markers = dict(zip(dict.fromkeys(row["runtime"] for row in shown), "osD^v", strict=False))
    for runtime, mark in markers.items():
        part = [row for row in shown if row["runtime"] == runtime]
        axes.scatter([row["median_ms"] for row in part], [row["iou"] for row in part], marker=mark, label=runtime, s=40)
    for row in shown:
        axes.annotate(row["model"], (row["median_ms"], row["iou"]), (4, 4), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set(xlabel="median latency on one thread (ms)", ylabel="IoU")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    with files.atomic(place) as part_file:
        figure.savefig(part_file, format=place.suffix[1:].lower(), dpi=150, metadata=_PLAIN.get(place.suffix.lower()))
    return len(shown)


_PLAIN: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Without the time of day the same figures give the same bytes."""
