"""What the commands that make data ask for alike: feet, floors, splits, and where it goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from masksmith import options
from masksmith.errors import UsageProblem

F = TypeVar("F", bound=Callable[..., Any])


def sources(command: F) -> F:
    """``--scans``, ``--floors``, ``--skin`` and ``--shares``, as :func:`datagen.plan.plan` takes them."""
    for option in (
        click.option(
            "--shares", callback=options.shares, help="Splits and their shares [default: train=0.7,val=0.15,test=0.15]."
        ),
        click.option(
            "--skin", type=click.FloatRange(0, 1), help="Melanin to paint scans without colour with (0 light, 1 dark)."
        ),
        click.option(
            "--floors",
            "floor_specs",
            required=True,
            multiple=True,
            help="Folder of floor photos, or procedural:N for N made floors; repeatable.",
        ),
        click.option(
            "--scans",
            "scan_specs",
            required=True,
            multiple=True,
            help="Folder of foot scans or prepared rig photos, or parametric:N for N made feet; repeatable.",
        ),
    ):
        command = option(command)
    return command


def preset(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Callback of an eager ``--preset``: its values stand where nothing is typed."""
    from datagen.preset import load_preset, shares_of

    if value is not None:
        known = [str(each.name) for each in context.command.params if each.name not in _OF_A_RUN]
        values, counts = load_preset(value, known)
        if counts:
            values |= {"shares": shares_of(counts), "count": sum(counts.values())}
        context.default_map = {**(context.default_map or {}), **values}
    return value


_OF_A_RUN = (
    *("scan_specs", "floor_specs", "out", "workplace", "preset", "count", "shares", "seed"),
    *("engine", "ray_address", "workers", "dry_run", "as_json", "help"),
)
"""Parameters that no preset may hold: what goes in, where it goes, and how it is run."""


def place(out: str, work: Path | None) -> tuple[Path, str]:
    """The local folder and the URL (empty for none) that ``--out`` and ``--work`` name.

    Raises:
        UsageProblem: a URL without a local folder to work in, or such a folder beside a local output.
    """
    from masksmith import store

    if not store.is_url(out):
        if work is not None:
            raise UsageProblem("--work goes with an --out in an object store; a folder keeps its cutouts itself")
        return Path(out.removeprefix("file://").removeprefix("local://")), ""
    if work is None:
        raise UsageProblem(f"--out {out} needs --work FOLDER, a local folder that keeps the cutouts between runs")
    return work, out.rstrip("/")


def folder(context: click.Context, _: click.Parameter, value: str) -> Path:
    """Callback for an ``--out`` that can only be a folder."""
    from masksmith import store

    if store.is_url(value):
        raise UsageProblem(f"`{context.info_name}` writes to a folder, not to {value}")
    return Path(value)
