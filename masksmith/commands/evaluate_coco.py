"""COCO files for ``masksmith evaluate``: results (a list with scores) against instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from masksmith import console
from masksmith.commands.evaluate_output import would
from masksmith.commands.evaluate_part import Given, Part
from masksmith.commands.evaluate_sources import Judged
from masksmith.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evaluation.pictures import Sample


def coco(given: dict[str, Any]) -> Judged | None:
    """PRED and TRUTH are COCO files; None after a dry run."""
    from evaluation import region
    from evaluation.categories import count, drawn
    from evaluation.coco import Instances

    for name in ("size", "soft", "classes", "class_table", "clips", "common", "allow_unreadable", "photos"):
        if given[name]:
            option = {"size": "at", "photos": "images"}.get(name, name.replace("_", "-"))
            raise UsageProblem(f"--{option} does not go with COCO files, which say it themselves")
    instances = Instances(given["truth"], given["pred"])
    if given["dry_run"]:
        would(len(instances.shots), "images", given)
        return None
    threshold = given["threshold"]
    with console.progress("judging", len(instances.shots), unit="images ") as advance:
        counts, accuracy = count(instances, threshold, tolerance=given["tolerance"], advance=advance)
    says = f"masks are unions of a category's instances; results count from a score of {threshold:g} on"
    notes = [*instances.notes, f"Figures other than coco_ap: {says}."]
    for text in notes:
        console.note(text)
    iou = region.image_iou(counts, given["empty"])[0]

    def sample(position: int) -> Sample:
        from evaluation.pictures import Sample

        shot = instances.shots[position]
        return Sample(shot.name, float(iou[position]), None, *drawn(instances, shot, threshold))

    facts = {"Predictions": str(given["pred"]), "Truth": str(given["truth"]), "Values": says, "Threshold": threshold}
    title = f"{given['pred'].stem} against {given['truth'].stem}"
    return Judged(
        counts,
        title,
        facts,
        notes,
        sample=sample,
        figures={"pixel_accuracy": accuracy, **instances.average_precision()},
    )


def _conventions() -> Mapping[str, str]:
    from evaluation.coco import CONVENTIONS

    return CONVENTIONS


def _nothing(judged: Judged, given: Given) -> dict[str, Any]:
    return {}


_AREAS = ("", "50", "75", "_small", "_medium", "_large")
PART = Part(figures=_nothing, conventions=_conventions, higher=frozenset(f"coco_ap{area}" for area in _AREAS))
