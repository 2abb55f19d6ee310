"""What a finished shard leaves behind, so that a run can go on where it was stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from masksmith import files
from masksmith.errors import BadInput

FOLDER = ".receipts"


class Receipts:
    """The receipts of one job inside an output folder.

    A receipt is a JSON file named by its shard; it is written after the shard's files are on disk.
    ``job`` is everything the output depends on (inputs by digest, options, seed, version): a folder
    that holds another job is refused instead of mixed.

    Args:
        out: the output folder.
        stage: the step of the work, e.g. ``"cutouts"``.
        job: a JSON value.

    Raises:
        BadInput: the folder holds the receipts of another job.
    """

    def __init__(self, out: str | os.PathLike[str], stage: str, job: dict[str, Any]) -> None:
        self.out = Path(out)
        self.folder = self.out / FOLDER / stage
        self.job = json.loads(files.canonical(job))
        note = self.folder / "job.json"
        if note.exists():
            try:
                before = json.loads(note.read_text())
            except ValueError:
                before = {"job.json": "unreadable"}
            if before != self.job:
                changed = sorted(key for key in {*before, *self.job} if before.get(key) != self.job.get(key))
                raise BadInput(
                    self.out,
                    "an empty folder or the unfinished output of this same command",
                    f"output of a run with other {', '.join(changed)}",
                    "give another folder, or delete that one",
                )
        else:
            files.write_json(note, self.job)

    def path(self, index: int) -> Path:
        return self.folder / f"{index:06d}.json"

    def load(self, index: int) -> dict[str, Any] | None:
        """The receipt of shard ``index``, or None where it is not finished."""
        try:
            loaded: dict[str, Any] = json.loads(self.path(index).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return loaded

    def save(self, index: int, result: dict[str, Any]) -> None:
        """Flush the output's file system, then write the receipt: its presence means the shard is whole."""
        files.sync(self.out)
        files.write_json(self.path(index), result)
