"""The figures of the page, drawn from the records; each is marked with the digest of what it was drawn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from masksmith import files

from .choices import CLIPS, FEET, network_of
from .ledger import Records

MARK = "Records"
"""The PNG's text that holds the digest."""
_RUNS = FEET
_COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#805ad5", "#b83280")


@dataclass(frozen=True)
class Figure:
    """A picture: its file's name, what it shows, and the steps it is drawn from.

    ``least`` of the steps must have a record, the first among them where that is more than one; the others are left
    out of it.
    """

    name: str
    table: str
    title: str
    says: str
    steps: tuple[str, ...]
    least: int
    draw: Callable[[Records, Any], None]

    def missing(self, records: Records) -> list[str]:
        return [name for name in self.steps if name not in records]

    def ready(self, records: Records) -> bool:
        enough = len(self.steps) - len(self.missing(records)) >= self.least
        return enough and (self.least < 2 or self.steps[0] in records)

    def digest(self, records: Records) -> str:
        """Of the records that it is drawn from."""
        found = [record for name in self.steps if (record := records.get(name))]
        return files.digest([asdict(record) for record in found])


def draw(records: Records, folder: Path) -> list[Path]:
    """Draw what the records suffice for and is not drawn yet; returns the files.

    A figure whose records have not changed is left as it is, so that another version of the drawing library does not
    change its bytes.
    """
    made = []
    for figure in FIGURES:
        if not figure.ready(records):
            continue
        place = folder / f"{figure.name}.png"
        if mark_of(place) != figure.digest(records):
            _draw(figure, records, place)
        made.append(place)
    return made


def mark_of(place: Path) -> str | None:
    """The digest that a figure is marked with; None where there is no figure."""
    from PIL import Image

    if not place.exists():
        return None
    with Image.open(place) as picture:
        return getattr(picture, "text", {}).get(MARK)


def _draw(figure: Figure, records: Records, place: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet

    sheet = Sheet(figsize=(6.4, 3.8), dpi=110, layout="constrained")
    FigureCanvasAgg(sheet)
    axes = sheet.subplots()
    axes.grid(alpha=0.25)
    figure.draw(records, axes)
    place.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic(place) as part:
        sheet.savefig(part, format="png", metadata={MARK: figure.digest(records), "Software": None})


def _map_at_x(kind: str) -> Callable[[Records, Any], None]:
    def draw_curves(records: Records, axes: Any) -> None:
        for run, colour in zip(_RUNS, _COLOURS, strict=True):
            curve = records.figure(f"eval/{run}-{kind}", "map_curve")
            if curve:
                axes.plot(*zip(*curve, strict=True), label=run, color=colour)
        axes.set(xlabel="x", ylabel="mAP at x", xlim=(0.5, 1), ylim=(0, 1.02))
        axes.legend(fontsize=8)

    return draw_curves


def _latency(records: Records, axes: Any) -> None:
    for run, colour in zip(_RUNS, _COLOURS, strict=True):
        speed = records.row("speed/feet-runs", model=f"{run}/{network_of(run)}")
        score = records.figure(f"eval/{run}-feet", "miou_image")
        if speed and score is not None:
            low, high = records.figure(f"eval/{run}-feet", "intervals", "values", "miou_image") or (score, score)
            off = [[score - low], [high - score]]
            axes.errorbar(speed["median_ms"], score, yerr=off, color=colour, marker="o", markersize=6, capsize=3)
            axes.annotate(run, (speed["median_ms"], score), (7, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="ms a picture, one thread, OpenVINO", ylabel="mIoU on made pictures held out", xscale="log")
    axes.set_xlim(axes.get_xlim()[0], axes.get_xlim()[1] * 1.6)  # room for the last name
    axes.xaxis.set_major_formatter("{x:g}")


def _search(records: Records, axes: Any) -> None:
    trials = [trial for trial in records.figure("search", "trials") or [] if trial.get("score") is not None]
    losses = sorted({trial["loss"] for trial in trials})
    scores = [[trial["score"] for trial in trials if trial["loss"] == loss] for loss in losses]
    axes.hist(scores, bins=12, stacked=True, label=losses, color=_COLOURS[: len(losses)])
    axes.set(xlabel="mIoU on validation pictures", ylabel="trials")
    axes.legend(fontsize=8)


def _learning(names: Sequence[str]) -> Callable[[Records, Any], None]:
    def draw_logs(records: Records, axes: Any) -> None:
        for name, colour in zip(names, _COLOURS, strict=False):
            log = records.figure(name, "log") or {}
            if log.get("seconds"):
                minutes = [seconds / 60 for seconds in log["seconds"]]
                axes.plot(minutes, log["val_miou_image"], label=name.removeprefix("train/"), color=colour, marker=".")
        axes.set(xlabel="minutes of one thread", ylabel="mIoU on validation pictures")
        axes.legend(fontsize=8)

    return draw_logs


def _skipping(records: Records, axes: Any) -> None:
    for name, colour in zip(CLIPS, _COLOURS, strict=False):
        points = records.figure(f"skipping/{name}", "skip_curve") or []
        skipped = [100 * point["realised_skip_rate"] for point in points]
        axes.plot(skipped, [point["iou_fg_image"] for point in points], marker="o", color=colour, label=name)
        for place, point in zip(skipped, points, strict=True):
            at = (place, point["iou_fg_image"])
            axes.annotate(f"{point['alpha']:g}", at, (0, 7), textcoords="offset points", fontsize=8, ha="center")
    axes.set(xlabel="frames that keep the last mask, %", ylabel="IoU to the truth", xlim=(-3, 100), ylim=(0, 1))
    axes.legend(fontsize=8)


_TRAINED = tuple(f"train/{run}" for run in _RUNS)
FIGURES = (
    Figure(
        "map-at-x-made",
        "F",
        "mAP at x, made pictures",
        "Share of (image, class) pairs with IoU of at least x, background included: the document's, not COCO's.",
        tuple(f"eval/{run}-feet" for run in _RUNS),
        1,
        _map_at_x("feet"),
    ),
    Figure(
        "map-at-x-real",
        "F",
        "mAP at x, real photos",
        "The same on the photos that were never trained on.",
        tuple(f"eval/{run}-real" for run in _RUNS),
        1,
        _map_at_x("real"),
    ),
    Figure(
        "iou-latency",
        "F",
        "mIoU against latency",
        "Each run at the size it was trained at; intervals of 95 % over people; milliseconds on a logarithmic scale.",
        ("speed/feet-runs", *(f"eval/{run}-feet" for run in _RUNS)),
        2,
        _latency,
    ),
    Figure(
        "search",
        "F",
        "Scores over the search, by loss",
        "FastLinkNet at 128 x 128, 25 steps a trial; trials that were given up early included.",
        ("search",),
        1,
        _search,
    ),
    Figure(
        "learning",
        "F",
        "Learning curves",
        "mIoU on validation pictures over the time that each training had.",
        _TRAINED,
        1,
        _learning(_TRAINED),
    ),
    Figure(
        "skipping",
        "C",
        "Quality against skipped frames",
        "A talking person and a dancer (DAVIS 2016), by a network that was trained for minutes on portraits; numbers "
        "are alpha.",
        tuple(f"skipping/{name}" for name in CLIPS),
        1,
        _skipping,
    ),
)
