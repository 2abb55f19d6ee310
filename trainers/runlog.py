"""What a run leaves to read: ``log.csv`` by epoch, TensorBoard by step."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from masksmith import files

COLUMNS = (
    "epoch",
    "step",
    "lr",
    "cooldown",
    "loss",
    "val_loss",
    "val_miou_image",
    "best",
    "seconds",
    "images_per_s",
    "waiting_s",
)
LOG = "log.csv"
EVERY = 10
"""Steps between two points of TensorBoard's curves."""


class RunLog:
    """Writes the log of a run; a run that goes on leaves no point twice.

    Args:
        folder: of the run.
        step: where the run starts or goes on.

    Raises:
        EnvironmentFault: the disk is full; later calls too.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        with files.disk_faults(folder):
            self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step or None)

    def step(self, number: int, loss: float, lr: float) -> None:
        """A training step's loss and learning rate."""
        if number % EVERY:
            return
        with files.disk_faults(self.folder):
            self._writer.add_scalar("train/loss", loss, number)
            self._writer.add_scalar("train/lr", lr, number)

    def epoch(self, rows: Sequence[Mapping[str, Any]], priors: Mapping[str, float] | None = None) -> None:
        """All epochs so far, the last of them new; ``priors`` are the realised shares of prior kinds."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({key: _short(row[key]) for key in COLUMNS} for row in rows)
        files.write_bytes(self.folder / LOG, text.getvalue().encode())
        last = rows[-1]
        with files.disk_faults(self.folder):
            for name in ("val_loss", "val_miou_image"):
                self._writer.add_scalar(name.replace("_", "/", 1), last[name], last["step"])
            self._writer.add_scalar("speed/images_per_s", last["images_per_s"], last["step"])
            for kind, share in (priors or {}).items():
                self._writer.add_scalar(f"priors/{kind}", share, last["step"])
            self._writer.flush()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._writer.close()
        except OSError:
            if kind is None:  # else the first fault is the one to tell
                raise


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
