"""What ``masksmith evaluate`` refuses before the work, and the bars it holds figures to after it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from masksmith.commands.evaluate_parts import PARTS
from masksmith.errors import UsageProblem


@dataclass(frozen=True)
class Bar:
    """``--fail-under NAME=VALUE`` or ``--fail-over NAME=VALUE``."""

    name: str
    value: float
    under: bool


def checked(given: dict[str, Any]) -> list[Bar]:
    """Refuse options that make no sense together, fill in defaults that depend on others, and read the bars.

    Raises:
        UsageProblem: such options, or a bar that nothing can be held to.
    """
    from evaluation import boundary, region, surface

    usage(given)
    for part in PARTS:
        part.check(given)
    region.fill_value(given["empty"])
    bars = [bar(text, under=True) for text in given["fail_under"]]
    bars += [bar(text, under=False) for text in given["fail_over"]]
    edges = {given["headline"], *(bar.name for bar in bars)} & set(boundary.CONVENTIONS)
    if edges and not given["boundary"] and not given["from_counts"]:
        raise UsageProblem(f"{min(edges)} is measured with --boundary only")
    if given["boundary"] and given["tolerance"] is None:
        given["tolerance"] = surface.TOLERANCE
    return bars


def usage(given: dict[str, Any]) -> None:
    if given["from_counts"] and given["pred"] and given["pred"].suffix == ".parquet":  # --from-counts a b c
        more = (given["pred"], given["truth"])
        given["from_counts"] += tuple(path for path in more if path)
        given["pred"] = given["truth"] = None
    ways = [bool(given["pred"] or given["truth"]), bool(given["run"]), bool(given["from_counts"])]
    if sum(ways) != 1 or (given["data"] and ways[2]):
        if given["data"] and not any(ways):
            raise UsageProblem("--data goes with --model, or with a folder of predictions")
        raise UsageProblem("give one of: PRED and TRUTH, PRED and --data, --model and --data, or --from-counts")
    columns = bool(given["truth_column"]), bool(given["pred_column"])
    if any(columns) and not (all(columns) and ways[0] and not given["truth"] and not given["data"]):
        raise UsageProblem("--truth-column and --pred-column go together, with one folder of a dataset")
    if ways[0] and bool(given["truth"]) + bool(given["data"]) + all(columns) != 1:
        raise UsageProblem("give the truth masks after the predictions, or --data, not both")
    if ways[1] and not given["data"]:
        raise UsageProblem("--model and --data go together: a model is judged on a dataset")
    if given["save_masks"] and not (given["run"] and given["out"]):
        raise UsageProblem("--save-masks goes with --model and --out")
    for name, option, way in (
        ("classes", "--classes", 0),
        ("class_table", "--class-table", 0),
        ("foreground", "--foreground", 0),
        ("photos", "--images", 0),
        ("soft", "--soft", 0),
        ("clips", "--clips", 0),
        ("common", "--common", 0),
        ("allow_unreadable", "--allow-unreadable", 0),
    ):
        if given[name] and not ways[way]:
            raise UsageProblem(f"{option} goes with predictions (PRED)")
    if given["split"] and not (given["data"] or any(columns)):
        raise UsageProblem("--split goes with --data or --truth-column")
    if given["flow"] and ways[2]:
        raise UsageProblem("--flow goes with masks: counts do not move")
    if given["motion"] and (given["flow"] or not given["run"]):
        raise UsageProblem("--motion goes with --model and --data, instead of --flow (for masks, see masksmith jitter)")
    if given["foreground"] and not given["data"]:
        raise UsageProblem("--foreground goes with --data")
    if given["class_table"] and (given["classes"] or given["data"]):
        raise UsageProblem("--class-table names the classes: leave --classes and --data out")
    if given["clips"] and (given["data"] or any(columns)):
        raise UsageProblem("--clips goes with PRED and TRUTH: a dataset knows its clips")
    if given["size"] and ways[2]:
        raise UsageProblem("--at goes with masks: counts have no size")
    if given["tolerance"] is not None and (ways[2] or not given["boundary"]):
        raise UsageProblem("--tolerance goes with --boundary and masks")


def class_ids(names: Sequence[str]) -> list[int] | None:
    """The ids that ``--classes`` names."""
    if not names:
        return None
    if any(not name.isdigit() for name in names):
        raise UsageProblem(f"--classes takes ids such as 0,1,2, not {','.join(names)!r}")
    return [int(name) for name in names]


def bar(text: str, *, under: bool) -> Bar:
    from evaluation import boundary, region, report, temporal
    from masksmith.errors import unknown_choice

    option = "--fail-under" if under else "--fail-over"
    name, _, value = (part.strip() for part in text.partition("="))
    try:
        bar = float(value)
    except ValueError:
        raise UsageProblem(f"{option} takes NAME=VALUE such as iou_fg_image=0.9, not {text!r}") from None
    if bar != bar:
        raise UsageProblem(f"{option} {text}: nothing compares with that")
    if match := re.fullmatch(r"map_at_(0?\.\d+|0|1|1\.0*)", name):
        return Bar(region.at_name(float(match[1])), bar, under)
    known = {**report.CONVENTIONS, **_conventions()}
    if name not in known:
        raise unknown_choice("figure", name, [*known, "map_at_0.9"])
    higher = {
        *region.CONVENTIONS,
        *boundary.HIGHER,
        *temporal.HIGHER,
        *(name for part in PARTS for name in part.higher),
    }
    if under != (name in higher):
        other = "--fail-over" if under else "--fail-under"
        raise UsageProblem(f"{name} is better {'lower' if under else 'higher'}: use {other}")
    return Bar(name, bar, under)


def _conventions() -> dict[str, str]:
    return {name: text for part in PARTS for name, text in part.conventions().items()}


def missed(bar: Bar, made: Mapping[str, Any]) -> str | None:
    """Why a document misses a bar; None where it does not.

    Raises:
        UsageProblem: the document has no such figure.
    """
    from evaluation import report

    value = made[bar.name] if bar.name in made and bar.name in _conventions() else report.figure(made, bar.name)
    if value is None:
        return f"{bar.name} is undefined, the bar is {bar.value:g}"
    if bar.under and value < bar.value:
        return f"{bar.name} is {value:.4f}, under {bar.value:g}"
    if not bar.under and value > bar.value:
        return f"{bar.name} is {value:.4f}, over {bar.value:g}"
    return None
