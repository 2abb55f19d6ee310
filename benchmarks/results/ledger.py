"""Measured rows: what a command printed, and where, when and on what it was run. One JSON file a step.

A record's keys: ``id``, ``table``, ``command``, ``seed``, ``figures`` (the command's own JSON, without lists that
nobody reads again), ``seconds`` (None = made before, its time not known), ``data`` (folder of a manifest -> SHA-256 of
its records), ``cpu``, ``threads``, ``revision`` (of the repository), ``date`` and ``key`` (of the command and all that
it depends on).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from masksmith import files
from masksmith.errors import BadInput

from .step import Step

FOLDER = Path(__file__).resolve().parent / "records"
_HEAVY = frozenset({"blocks", "per_frame", "resamples", "schema", "classes", "properties", "gallery", "cluster"})
_COUNTED = frozenset({"leaks"})
"""Lists of which a record keeps the number alone."""
_FLAT = re.compile(r"\[[-+.\deE,\s]*\]")
_SEED = re.compile(r"--seed (\d+)")


@dataclass(frozen=True)
class Record:
    """One measured row; the fields are described above."""

    id: str
    table: str
    command: str
    seed: int | None
    figures: dict[str, Any]
    seconds: float | None
    data: dict[str, str] = field(default_factory=dict)
    cpu: str = ""
    threads: int = 1
    revision: str = ""
    date: str = ""
    key: str = ""

    @property
    def minutes(self) -> float | None:
        return None if self.seconds is None else self.seconds / 60


def seed_of(line: str) -> int | None:
    """The seed that a command names; None where it has none."""
    found = _SEED.search(line)
    return None if found is None else int(found[1])


def kept(figures: Any, scrub: Mapping[str, str]) -> Any:
    """Figures as they are committed: without heavy lists, and with places of this machine under their names.

    Args:
        scrub: text of a place -> what stands for it.
    """
    if isinstance(figures, Mapping):
        return {
            key: len(value) if key in _COUNTED and isinstance(value, list) else kept(value, scrub)
            for key, value in figures.items()
            if key not in _HEAVY
        }
    if isinstance(figures, list | tuple):
        return [kept(value, scrub) for value in figures]
    if isinstance(figures, str):
        for text, name in sorted(scrub.items(), key=lambda pair: -len(pair[0])):
            figures = figures.replace(text, name)
    return figures


def save(record: Record, folder: Path) -> Path:
    """Write a record; the same record gives the same bytes. Lists of numbers take a line each."""
    place = folder / f"{record.id.replace('/', '-')}.json"
    text = files.as_json(asdict(record)).decode()
    files.write_bytes(place, _FLAT.sub(lambda found: " ".join(found[0].split()), text).encode())
    return place


def read(place: Path) -> Record:
    """One record.

    Raises:
        BadInput: not a record.
    """
    try:
        return Record(**json.loads(place.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as fault:
        raise BadInput(
            place, "the record of a step", str(fault).splitlines()[0], "delete it and run its step"
        ) from None


class Records:
    """Records by id; a step without one has not been run.

    Args:
        found: the records.
    """

    def __init__(self, found: Iterable[Record]) -> None:
        self._found = {record.id: record for record in found}

    @staticmethod
    def load(folder: Path = FOLDER) -> Records:
        """All records of a folder.

        Raises:
            BadInput: one of them is not a record.
        """
        return Records(read(place) for place in sorted(folder.glob("*.json")))

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def get(self, name: str) -> Record | None:
        """The record of a step, or None."""
        return self._found.get(name)

    def figure(self, name: str, *path: str | int) -> Any:
        """A figure of a step by the keys down to it; None where step, key or value is missing."""
        record = self.get(name)
        value: Any = None if record is None else record.figures
        for key in path:
            if not isinstance(value, Mapping | list):
                return None
            inside: Any = value
            try:
                value = inside[key]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def row(self, step: str, /, **wanted: Any) -> dict[str, Any]:
        """The first of a step's ``rows`` whose values are ``wanted``; empty where there is none."""
        rows = self.figure(step, "rows") or ()
        return next((row for row in rows if all(row.get(key) == value for key, value in wanted.items())), {})

    def of(self, steps: Sequence[Step]) -> list[tuple[Step, Record | None]]:
        """Each step with its record."""
        return [(step, self.get(step.id)) for step in steps]

    @property
    def digest(self) -> str:
        """Of all records, in the order of their ids: what a figure drawn from them is marked with."""
        return files.digest([asdict(self._found[name]) for name in sorted(self._found)])
