"""One optional part of ``masksmith evaluate``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from masksmith.commands.evaluate_sources import Judged

Given = dict[str, Any]
"""The options as they were typed, by parameter name."""


def _nothing(given: Given) -> None:
    pass


@dataclass(frozen=True)
class Part:
    """A part of an evaluation that runs only where its options ask for it.

    Attributes:
        figures: what was counted and the options -> top-level entries of report.json; empty where not asked for.
            ``Judged.each`` reads every image again; ``Judged.facts`` and ``Judged.notes`` may be added to.
        options: its click options, in the order of the help.
        check: refuses options that make no sense, before any work (UsageProblem).
        conventions: figure name -> what it is, of those that ``--fail-under`` and ``--fail-over`` may name.
        higher: those of them that are better when they are higher.
    """

    figures: Callable[[Judged, Given], dict[str, Any]]
    options: tuple[Callable[[Any], Any], ...] = ()
    check: Callable[[Given], None] = _nothing
    conventions: Callable[[], Mapping[str, str]] = dict
    higher: frozenset[str] = frozenset()
