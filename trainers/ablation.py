"""The table that document P never printed: what each kind of simulated previous mask is good for.

Document P's network is trained without the second input, with it but never a previous mask, with one kind of previous
mask beside empty ones, and with the paper's mix; each for the same steps or minutes, from the same seed. Every one is
judged on stills, where the prior is empty, and on clips, where it is the network's own last answer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluation import dataset, region, temporal
from loaders.priors import find_mix
from manifests import Manifest
from masksmith import __version__, console, files
from masksmith.errors import UsageProblem, unknown_choice
from trainers.checkpoint import LAST, locate
from trainers.loop import train
from trainers.models import count_parameters, outline
from trainers.plan import Plan, make_plan
from trainers.predict import Predictor
from trainers.presets import NONE, Settings
from trainers.runs import Result

WITH, WITHOUT = "portrait_lcnet", "portrait_lcnet_noprior"
STILLS = ("iou_fg_image", "miou_image", "iou_fg_dataset", "miou_dataset")
CLIPS = tuple(temporal.CONVENTIONS)
TABLE = "ablation.json"
_FIGURES = "figures.json"


@dataclass(frozen=True)
class Variant:
    """A row of the table.

    Attributes:
        mix: of previous masks in training, in :data:`loaders.priors.MIXES`, or ``none``.
        says: what it is.
    """

    name: str
    model: str
    mix: str
    says: str

    @property
    def carries(self) -> bool:
        """Whether its last answer is its next prior on clips: what it was taught to take."""
        return self.mix != NONE


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("none", WITHOUT, NONE, "no second input"),
        Variant("empty", WITH, NONE, "second input, always empty"),
        Variant("affine", WITH, "empty+affine", "small affine beside empty"),
        Variant("elastic", WITH, "empty+elastic", "elastic beside empty"),
        Variant("major", WITH, "empty+major", "large affine beside empty"),
        Variant("self", WITH, "empty+self", "own answer on a distorted picture, beside empty"),
        Variant("paper", WITH, "paper", "the paper's mix"),
    )
}


@dataclass(frozen=True)
class Ablation:
    """What will be trained and judged, decided before it is done.

    Attributes:
        plan: of the network with a second input; each variant's follows from it.
        variants: the rows, in order.
        split: of the stills; None = test, else val.
        clips: a manifest with clips, or None: then no time figures.
        clips_split: None = as for the stills; ``all`` for all records.
        flow: how the motion of clips is estimated, for ``warp_iou``; None = not.
    """

    plan: Plan
    variants: tuple[Variant, ...]
    split: str | None
    clips: Manifest | None
    clips_split: str | None = "all"
    flow: str | None = None

    def variant_plan(self, variant: Variant) -> Plan:
        """The plan of one row: model and previous masks differ, all else is the same."""
        settings = replace(self.plan.settings, model=variant.model, priors=variant.mix)
        parameters = count_parameters(outline(variant.model, self.plan.classes))
        return replace(self.plan, settings=settings, parameters=parameters)


def plan_ablation(
    data: str | os.PathLike[str],
    settings: Settings,
    *,
    rows: Sequence[str] = (),
    split: str | None = None,
    clips: str | os.PathLike[str] | None = None,
    clips_split: str | None = "all",
    flow: str | None = None,
    allow_leaks: bool = False,
) -> Ablation:
    """Look at everything before anything is trained.

    Args:
        settings: of all rows; its model and priors are left out of account.
        rows: names in :data:`VARIANTS`; empty = all of them.

    Raises:
        UsageProblem: an unknown row, several foreground classes, a split that is not there, or as
            :func:`trainers.make_plan`.
        BadInput, CheckFailed: as :func:`trainers.make_plan`; records without masks; clips without the foreground
            that is learned.
    """
    for name in rows:
        if name not in VARIANTS:
            raise unknown_choice("row", name, VARIANTS)
    chosen = tuple(VARIANTS[name] for name in dict.fromkeys(rows)) or tuple(VARIANTS.values())
    plan = make_plan(data, replace(settings, model=WITH, priors="paper"), allow_leaks=allow_leaks)
    if plan.classes > 2:
        raise UsageProblem(f"previous masks are of one foreground; name it: --set foreground={plan.foreground[0]}")
    dataset.pick(plan.manifest, split)
    moving = Manifest.open(clips) if clips is not None else None
    if moving is not None:
        records, _, _ = dataset.pick(moving, clips_split)
        if not any(record.clip for record in records):
            raise UsageProblem(f"{clips} has no clips; make some (masksmith clips) or prepare some (davis-2016)")
        dataset.foreground(moving.info.classes, plan.foreground)  # refused now, not after the first row's training
    return Ablation(plan, chosen, split, moving, clips_split, flow)


def ablate(
    asked: Ablation,
    out: str | os.PathLike[str],
    *,
    cache: str | os.PathLike[str] | None = None,
    on_row: Callable[[Mapping[str, Any]], None] | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Train and judge every row, or go on where it was stopped: finished rows are read, not made again.

    Args:
        asked: from :func:`plan_ablation`.
        out: the folder: ``ablation.json``, and a run folder a row with its ``figures.json``.
        cache, on_epoch: as in :func:`trainers.train`.
        on_row: called with every row.

    Returns:
        A mapping a row: ``row``, ``says``, ``wanted`` (shares of prior kinds), ``steps``, ``seconds``,
        ``val_miou_image``, ``stills`` and ``clips`` (figures by name; None without clips).

    Raises:
        BadInput, CheckFailed, EnvironmentFault, KeyboardInterrupt: as :func:`trainers.train` and
            :func:`evaluation.dataset.judge`.
    """
    folder = files.writable(out)
    rows: list[dict[str, Any]] = []
    with files.sole_writer(folder):
        for variant in asked.variants:
            place = folder / variant.name
            result = train(asked.variant_plan(variant), place, on_epoch=on_epoch, cache=cache)
            rows.append(_row(variant, result, _figures(asked, variant, place)))
            files.write_json(folder / TABLE, document(asked, rows))
            if on_row is not None:
                on_row(rows[-1])
            (place / LAST).unlink(missing_ok=True)
    return rows


def document(asked: Ablation, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The table as one JSON value, with what the rows have in common."""
    settings = {key: value for key, value in asked.plan.settings.as_json().items() if key not in ("model", "priors")}
    told = {
        "data": {"folder": str(asked.plan.manifest.folder), "records_sha256": asked.plan.digest, "split": asked.split},
        "clips": {"folder": str(asked.clips.folder), "records_sha256": asked.clips.digest} if asked.clips else None,
        "settings": settings,
        "conventions": {name: region.CONVENTIONS[name] for name in STILLS} | dict(temporal.CONVENTIONS),
        "rows": list(rows),
        "tool": f"masksmith {__version__}",
    }
    found: dict[str, Any] = console.plain(told)
    return found


def _row(variant: Variant, result: Result, figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "row": variant.name,
        "says": variant.says,
        "model": variant.model,
        "wanted": find_mix(variant.mix).shares if variant.carries else None,
        "steps": result.steps,
        "seconds": result.seconds,
        "val_miou_image": result.best_miou_image,
        **figures,
    }


def _figures(asked: Ablation, variant: Variant, place: Path) -> dict[str, Any]:
    """Figures of a trained row; kept beside it, and made again only where weights, data or options changed."""
    of = {
        "weights": files.sha256(locate(place)),
        "data": [asked.plan.digest, asked.split],
        "clips": [asked.clips.digest, asked.clips_split, asked.flow] if asked.clips else None,
        "tool": __version__,
    }
    note = place / _FIGURES
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        if kept["of"] == of:
            return dict(kept["figures"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not judged yet, or a file that something else wrote over
    figures: dict[str, Any] = console.plain(dict(_judged(asked, variant, place)))
    files.write_json(note, {"of": of, "figures": figures})
    return figures


def _judged(asked: Ablation, variant: Variant, place: Path) -> Iterator[tuple[str, Any]]:
    predictor = Predictor(place, device=asked.plan.settings.device)
    stills, _ = _judge(asked.plan.manifest, asked.split, dataset.Model(predictor.batch), place, None)
    yield "stills", {name: stills[name] for name in STILLS}
    if asked.clips is None:
        yield "clips", None
        return
    model = dataset.Model(predictor.batch, predictor if variant.carries else None)
    found, time = _judge(asked.clips, asked.clips_split, model, place, asked.flow)
    yield "clips", {name: found[name] for name in STILLS} | {name: time.get(name) for name in CLIPS}


def _judge(
    manifest: Manifest, split: str | None, model: dataset.Model, run: Path, flow: str | None
) -> tuple[Mapping[str, float], Mapping[str, Any]]:
    records, _, _ = dataset.pick(manifest, split)
    classes = manifest.info.classes
    truth = dataset.TruthReader(classes, dataset.foreground(classes, dataset.trained_on(run)))
    counts, clips = dataset.judge(dataset.Job(manifest, model, truth, None, flow=flow), records)
    return region.reduce(counts).values, temporal.summarise(clips)
