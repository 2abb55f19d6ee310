"""What a finished shard leaves behind, so that a run can go on where it was stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from masksmith import files
from masksmith.errors import BadInput

FOLDER = ".receipts"
JOB = "job.json"


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
        self.out = out if isinstance(out, str) and "://" in out else Path(out)
        self.folder = Path(out) / FOLDER / stage
        self.job = json.loads(files.canonical(job))
        note = self._read(JOB)
        if note is None:
            self._write(JOB, self.job)
            return
        try:
            before = json.loads(note)
        except ValueError:
            before = {JOB: "unreadable"}
        if before != self.job:
            changed = sorted(key for key in {*before, *self.job} if before.get(key) != self.job.get(key))
            raise BadInput(
                self.out,
                "an empty folder or the unfinished output of this same command",
                f"output of a run with other {', '.join(changed)}",
                "give another folder, or delete that one",
            )

    def path(self, index: int) -> Path:
        return self.folder / _name(index)

    def load(self, index: int) -> dict[str, Any] | None:
        """The receipt of shard ``index``, or None where it is not finished."""
        found = self._read(_name(index))
        try:
            loaded: dict[str, Any] | None = None if found is None else json.loads(found)
        except ValueError:
            return None
        return loaded

    def save(self, index: int, result: dict[str, Any]) -> None:
        """Flush the output's file system, then write the receipt: its presence means the shard is whole."""
        self._flush()
        self._write(_name(index), result)

    # where receipts are kept: overridden for places that are no folder

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def _write(self, name: str, value: dict[str, Any]) -> None:
        files.write_json(self.folder / name, value)

    def _flush(self) -> None:
        files.sync(self.out)


def _name(index: int) -> str:
    return f"{index:06d}.json"
