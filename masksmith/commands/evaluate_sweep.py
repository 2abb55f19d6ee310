"""``masksmith evaluate --sweep``: soft predictions at many thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from masksmith.commands.evaluate_part import Given, Part

if TYPE_CHECKING:
    from masksmith.commands.evaluate_sources import Judged


def check(given: Given) -> None:
    from evaluation import sweep
    from masksmith.errors import UsageProblem

    if given["sweep"] and not (given["soft"] or given["run"]):
        raise UsageProblem("--sweep goes with soft predictions: PRED and TRUTH with --soft, or --model and --data")
    if given["sweep"] and given["headline"] not in sweep.FIGURES:
        raise UsageProblem(f"--sweep goes with a --headline of {', '.join(sweep.FIGURES)}")


def figures(judged: Judged, given: Given) -> dict[str, Any]:
    from evaluation import sweep
    from masksmith import console

    if not given["sweep"] or judged.each is None:
        return {}
    found = sweep.Sweep()
    with console.progress("sweeping", len(judged.counts), unit="images ") as advance:
        for name, level, truth in judged.each():
            found.add(name, level, truth)
            advance(1)
    told = found.document(headline=given["headline"], empty=given["empty"])
    if told["best"]:
        best = (
            f"{told['best']['figure']} is best at threshold {told['best']['threshold']:g}: {told['best']['value']:.4f}"
        )
        console.note(best)
        console.warn(told["note"])
        judged.notes.append(f"{best}; {told['note']}.")
    return {"sweep": told}


PART = Part(
    figures=figures,
    options=(click.option("--sweep", is_flag=True, help="The four IoUs of soft predictions at 99 thresholds."),),
    check=check,
)
