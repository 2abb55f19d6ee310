"""What the benchmarks share: seconds of a piece of work, and figures told beside the limits they are held to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

Limits = Mapping[str, tuple[str, float]]
"""Figure -> ``<=`` or ``>=``, and the limit."""


def seconds(work: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    """Of one call; CPU time of the process, unless another clock is given."""
    start = clock()
    work()
    return clock() - start


def held(found: Mapping[str, float], limits: Limits) -> dict[str, bool]:
    """Whether each figure that has a limit keeps it."""
    verdicts = {}
    for name, value in found.items():
        if name in limits:
            way, limit = limits[name]
            verdicts[name] = value <= limit if way == "<=" else value >= limit
    return verdicts


def tell(found: Mapping[str, float], limits: Limits, *, as_json: bool, **more: Any) -> None:
    """Print the figures: one JSON document with ``limits`` and ``held``, or a line a figure.

    Args:
        more: what else the document says.
    """
    kept = held(found, limits)
    if as_json:
        print(json.dumps({**found, **more, "limits": limits, "held": kept}, indent=2))
        return
    for name, value in found.items():
        limit = f"{limits[name][0]} {limits[name][1]:g}  {'held' if kept[name] else 'MISSED'}" if name in kept else ""
        print(f"{name:26} {value:12.4f}  {limit}")
