"""Options that many commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document to standard output.")(command)


def dry_run_option(command: F) -> F:
    return click.option("--dry-run", is_flag=True, help="Say what would be done and write nothing.")(command)


def seed_option(command: F) -> F:
    return click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all chance.")(
        command
    )


def engine_options(command: F) -> F:
    command = click.option(
        "--workers", type=click.IntRange(min=1), default=None, help="Worker processes; default: one a core."
    )(command)
    return click.option(
        "--engine",
        type=click.Choice(["serial", "process"]),
        default="process",
        show_default=True,
        help="How shards run; the output is the same.",
    )(command)


def names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Callback for a comma-separated list of names."""
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def shares(_: click.Context, __: click.Parameter, value: str | None) -> dict[str, float] | None:
    """Callback for splits and their shares, ``train=0.7,val=0.15,test=0.15``; None stays None."""
    from math import isfinite

    if value is None:
        return None
    try:
        pairs = [part.split("=") for part in value.split(",")]
        given = {name.strip(): float(number) for name, number in pairs}
    except ValueError:
        raise click.BadParameter("write it as train=0.7,val=0.15,test=0.15") from None
    if len(given) < len(pairs) or not all(given):
        raise click.BadParameter("every split needs a name of its own")
    if not all(isfinite(share) and share > 0 for share in given.values()):
        raise click.BadParameter("shares must be above 0")
    return given
