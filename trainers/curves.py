"""The curves of a run as one picture, drawn anew after every epoch."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from masksmith import files

CURVES = "curves.png"


def draw_curves(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``curves.png``: losses, validation's mIoU and the learning rate over the steps.

    Args:
        folder: of the run.
        rows: the log's, one an epoch; none draws empty axes.

    Raises:
        EnvironmentFault: the disk is full.
    """
    steps = [row["step"] for row in rows]
    figure = Figure(figsize=(10, 3), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    losses, scores, rates = figure.subplots(1, 3)
    losses.plot(steps, [row["loss"] for row in rows], marker=".", label="training")
    losses.plot(steps, [row["val_loss"] for row in rows], marker=".", label="validation")
    losses.set_ylabel("loss")
    losses.legend()
    scores.plot(steps, [row["val_miou_image"] for row in rows], marker=".")
    best = [row for row in rows if row["best"]]
    if best:
        scores.plot(best[-1]["step"], best[-1]["val_miou_image"], "o", label=f"best {best[-1]['val_miou_image']:.4f}")
        scores.legend()
    scores.set_ylabel("validation miou_image")
    rates.plot(steps, [row["lr"] for row in rows], marker=".")
    rates.set_yscale("log")
    rates.set_ylabel("learning rate")
    for axes in (losses, scores, rates):
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    figure.suptitle(folder.name, fontsize=10)
    picture = io.BytesIO()
    canvas.print_png(picture, metadata={"Software": None})  # type: ignore[arg-type]
    files.write_bytes(folder / CURVES, picture.getvalue(), durable=False)


def drawing_s(folder: Path, rows: Sequence[Mapping[str, Any]]) -> float:
    """Seconds that :func:`draw_curves` takes, which it does."""
    start = time.monotonic()
    draw_curves(folder, rows)
    return time.monotonic() - start
