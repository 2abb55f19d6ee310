"""What a table is made of: cells, rows and their Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .ledger import Record
from .step import Step

NONE = "–"


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        title: a heading.
        says: what stands above it.
        columns: their names; the first column is text.
        rows: cells as text, as many a row as there are columns.
        steps: ids of the steps whose records the figures come from; their commands stand below it.
        after: what stands below it.
    """

    title: str
    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    steps: tuple[str, ...]
    after: str = ""


def number(value: Any, digits: int = 2) -> str:
    """A figure with so many decimals, or a dash where there is none."""
    if value is None:
        return NONE
    if isinstance(value, str):
        return value
    return f"{value:,.{digits}f}"


def percent(value: Any, digits: int = 1) -> str:
    """A share as percent."""
    return NONE if value is None else f"{100 * value:.{digits}f}"


def between(interval: Sequence[float] | None, digits: int = 1) -> str:
    """An interval of shares, as percent."""
    return NONE if not interval else f"{percent(interval[0], digits)} to {percent(interval[1], digits)}"


def beside(ours: str, theirs: str) -> str:
    """Ours, and the document's in brackets."""
    return ours if theirs == NONE else f"{ours} ({theirs})"


def markdown(table: Table) -> list[str]:
    """The lines of a table, its heading included."""
    for row in table.rows:
        if len(row) != len(table.columns):
            raise ValueError(f"{table.title}: {len(row)} cells in a row of {len(table.columns)}: {row}")
    lines = [f"### {table.title}", "", table.says, ""]
    lines += [_line(table.columns), _line([":--"] + ["--:"] * (len(table.columns) - 1))]
    lines += [_line([cell.replace("|", "\\|") for cell in row]) for row in table.rows]
    return [*lines, "", *([table.after, ""] if table.after else [])]


def not_run(step: Step) -> str:
    """What a row says in place of figures that nobody has measured."""
    if step.takes:
        return f"not run here; it takes {step.takes}"
    if step.beyond:
        return f"not run: about {step.minutes:g} minutes beyond the time set aside (`--beyond`)"
    return f"not run yet: about {step.minutes:g} minutes"


def provenance(pairs: Sequence[tuple[Step, Record | None]]) -> list[str]:
    """Lines that say where the figures above come from: command, seed, data, time, revision; or what it would take."""
    lines = ["| step | command | seed | data | minutes | revision |", "| :-- | :-- | --: | :-- | --: | :-- |"]
    for step, record in pairs:
        command = f"`{step.command}`".replace("|", "\\|")
        if record is None:
            lines.append(f"| {step.id} | {command} | {NONE} | {NONE} | {NONE} | {not_run(step)} |")
            continue
        data = ", ".join(f"{name} `{digest[:8]}`" for name, digest in sorted(record.data.items())) or NONE
        seed = NONE if record.seed is None else str(record.seed)
        minutes = "made before" if record.minutes is None else f"{record.minutes:.1f}"
        lines.append(f"| {step.id} | {command} | {seed} | {data} | {minutes} | `{record.revision[:8]}` |")
    return [*lines, ""]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
