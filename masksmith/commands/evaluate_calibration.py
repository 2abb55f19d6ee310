"""``masksmith evaluate --calibration``: whether soft predictions mean what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from masksmith import console
from masksmith.commands.evaluate_part import Given, Part
from masksmith.errors import BadInput, UsageProblem

if TYPE_CHECKING:
    from masksmith.commands.evaluate_sources import Judged


def _check(given: Given) -> None:
    if given["calibration"] and given["pred"] and not given["soft"]:
        raise UsageProblem("--calibration needs soft predictions: grey levels (--soft), or a model")


def _conventions() -> Mapping[str, str]:
    from evaluation import calibration

    return calibration.CONVENTIONS


def _figures(judged: Judged, given: Given) -> dict[str, Any]:
    """``ece``, ``brier`` and the ``reliability`` of each bin; the histograms go into the counts."""
    from evaluation import calibration

    if not given["calibration"]:
        return {}
    if given["from_counts"]:
        found = calibration.Calibration.in_counts(judged.counts)
        if found is None:
            fix = "evaluate the masks again with --calibration"
            raise BadInput(_named(given["from_counts"]), "counts with histograms of soft masks", "none", fix)
    else:
        found = _counted(judged)
        judged.counts = calibration.noted(judged.counts, found)
    return {**found.figures(), "reliability": found.reliability()}


def _named(paths: Any) -> str:
    return ", ".join(map(str, paths)) if isinstance(paths, tuple) else str(paths)


def _counted(judged: Judged) -> Any:
    from evaluation import calibration

    if judged.each is None:
        raise UsageProblem("--calibration needs soft predictions, and there are none here")
    told = []
    with console.progress("calibration", len(judged.counts), unit="images ") as advance:
        for name, soft, truth in judged.each():
            told.append((name, calibration.histogram(soft, truth)))
            advance(1)
    return calibration.Calibration.of(told)


PART = Part(
    figures=_figures,
    options=(click.option("--calibration", is_flag=True, help="ECE and Brier score of soft predictions too."),),
    check=_check,
    conventions=_conventions,
)
