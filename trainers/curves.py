"""The curves of a run as one picture.

A drawing takes up to a second of a processor, as long as many an epoch: it is made when a run ends or is stopped, and
in between at most once a minute.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from masksmith import files

CURVES = "curves.png"
EVERY_S = 60.0
"""Seconds from one drawing to the next while a run goes on."""
FIRST_S = 0.8
"""Seconds of the first drawing, the library's import included."""


class Curves:
    """Draws the curves of a run when it is time to.

    Args:
        folder: of the run.

    Attributes:
        seconds: that the last drawing took; before the first, what it takes on a laptop.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds = FIRST_S
        self._drawn_at = time.monotonic()
        self._drawn = 0

    def more(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """There are new rows: draw them, unless the last drawing is less than a minute old."""
        if time.monotonic() - self._drawn_at >= EVERY_S:
            self.draw(rows)

    def draw(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Draw the rows that were not drawn yet, if there are such."""
        if len(rows) == self._drawn:
            return
        start = time.monotonic()
        draw_curves(self.folder, rows)
        self._drawn, self._drawn_at = len(rows), time.monotonic()
        self.seconds = self._drawn_at - start


def draw_curves(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``curves.png``: losses, validation's mIoU and the learning rate over the steps.

    Args:
        folder: of the run.
        rows: the log's, one an epoch; none draws empty axes.

    Raises:
        EnvironmentFault: the disk is full.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

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
