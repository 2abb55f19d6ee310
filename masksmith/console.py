"""What the user sees: progress and notes on standard error, results on standard output."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

QUIET_EVERY_S = 10.0


def note(text: str) -> None:
    """One line for the user, on standard error."""
    print(text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """One line the user should not miss, on standard error."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """One line of result, on standard output."""
    print(text, flush=True)


def counted(number: int, noun: str) -> str:
    """``1 record``, ``2,000 records``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def plain(value: Any) -> Any:
    """``value`` with numpy scalars and arrays as Python ones and NaN or infinity as None, ready for JSON."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def emit_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False), flush=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table to standard output; the first column is text, the others stand to the right."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table()
    for position, column in enumerate(columns):
        shown.add_column(escape(column), justify="left" if position == 0 else "right", overflow="fold")
    for row in rows:
        shown.add_row(*(escape(f"{cell:.4f}" if isinstance(cell, float) else str(cell)) for cell in row))
    console = Console(file=sys.stdout)
    if not sys.stdout.isatty():
        console = Console(file=sys.stdout, width=140)
    if title:
        console.print(escape(title), style="italic", highlight=False, soft_wrap=True)
    console.print(shown)


@contextlib.contextmanager
def progress(label: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Show how far long work is, its rate and the time left; yields ``advance(n)``.

    On a terminal a bar; elsewhere a line every ten seconds, so that logs stay short.
    """
    if sys.stderr.isatty():
        with _bar(label, total, done) as advance_bar:
            yield advance_bar
        return
    start = last = time.monotonic()
    count = done

    def advance(items: int) -> None:
        nonlocal count, last
        count += items
        now = time.monotonic()
        if now - last >= QUIET_EVERY_S:
            last = now
            rate = (count - done) / (now - start)
            left = (total - count) / rate if rate else math.inf
            note(f"{label}: {count}/{total} {unit}({rate:.1f}/s, {left:.0f} s left)")

    yield advance
    if time.monotonic() - start >= QUIET_EVERY_S:
        note(f"{label}: {count}/{total} {unit}in {time.monotonic() - start:.0f} s")


@contextlib.contextmanager
def _bar(label: str, total: int, done: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    start = time.monotonic()
    with Progress(*columns, console=Console(file=sys.stderr), transient=False) as bar:
        task = bar.add_task(label, total=total, completed=done, rate="")

        def advance(items: int) -> None:
            passed = max(time.monotonic() - start, 1e-9)
            count = bar.tasks[0].completed + items
            bar.update(task, advance=items, rate=f"{(count - done) / passed:.1f}/s")

        yield advance
