"""Options that many commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from masksmith.errors import UsageProblem

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document to standard output.")(command)


def dry_run_option(command: F) -> F:
    return click.option("--dry-run", is_flag=True, help="Say what would be done and write nothing.")(command)


def seed_option(command: F) -> F:
    return click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all chance.")(
        command
    )


def engine_options(command: F, *, default: str = "process") -> F:
    """``--engine``, ``--ray-address`` and ``--workers``, for :func:`masksmith.engine.get` (engine, workers)."""
    command = click.option(
        "--workers", type=click.IntRange(min=1), default=None, help="Worker processes; default: one a core."
    )(command)
    command = click.option(
        "--ray-address",
        metavar="ADDRESS",
        is_eager=True,
        expose_value=False,
        callback=_ray_address,
        help="For --engine ray: host:port, or auto [default: RAY_ADDRESS, else started here].",
    )(command)
    return click.option(
        "--engine",
        type=click.Choice(["serial", "process", "ray"]),
        default=default,
        show_default=True,
        callback=_engine,
        help="How shards run; the output is the same.",
    )(command)


def _ray_address(context: click.Context, _: click.Parameter, value: str | None) -> None:
    context.meta["ray address"] = value


def _engine(context: click.Context, _: click.Parameter, value: str) -> str:
    """The engine's name, with the address of ``--ray-address`` as :func:`masksmith.engine.get` takes it."""
    address = context.meta.get("ray address")
    if address and value != "ray":
        raise click.UsageError("--ray-address goes with --engine ray")
    return f"{value}@{address}" if address else value


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


def settings(changes: Sequence[str]) -> dict[str, str]:
    """Key -> text of ``--set KEY=VALUE``, the last one counting.

    Raises:
        UsageProblem: no ``=`` in one of them.
    """
    found: dict[str, str] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise UsageProblem(f"--set takes key=value, not {change!r}")
        found[key.strip()] = value
    return found


def with_own(found: dict[str, str], own: Mapping[str, object], said: str = "--{key}") -> dict[str, str]:
    """Settings of ``--set`` together with those that options of their own gave; None = that option was not given.

    Args:
        said: how the option is called in the message, with ``{key}`` for the setting's name.

    Raises:
        UsageProblem: a setting was given in both ways.
    """
    given = {key: value if isinstance(value, str) else repr(value) for key, value in own.items() if value is not None}
    for key in given:
        if key in found:
            raise UsageProblem(f"give {key} once: {said.format(key=key)} or --set {key}=..., not both")
    return {**found, **given}


def typed_seed(seed: int) -> str | None:
    """The seed as text where ``--seed`` was typed; None where it is the default, and a preset's own may count."""
    given = click.get_current_context().get_parameter_source("seed")
    return str(seed) if given == click.core.ParameterSource.COMMANDLINE else None
