"""A trained run made smaller: pruned, measured before and after, and trained on where there is data and time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loaders import Batches
from masksmith import console, files
from masksmith.errors import BadInput, UsageProblem
from trainers.checkpoint import BEST, load, locate, read_weights, save_weights
from trainers.heldout import HeldOut, Score
from trainers.loop import train
from trainers.losses import find_loss
from trainers.networks.layers import Network
from trainers.plan import Plan, make_plan
from trainers.presets import Settings, changed, checked, load_preset
from trainers.pruning import LEAST, Cut, Saving, apply_cut, plan_cut, saving
from trainers.runs import RUN, Result

NOTE = "pruning.json"
CUT = "pruned.safetensors"
"""The weights right after pruning, in a folder where training goes on from them."""
_OF_THE_SHAPE = ("format", "model", "classes", "size", "channels", "pretrained", "step", "val_miou_image")


@dataclass(frozen=True)
class Pruned:
    """What came of a run.

    Attributes:
        run: the new folder.
        cut, saving: what was taken, and what that saves.
        before, after: the validation's scores of the given and of the pruned network; None without data.
        tuned: how training on ended; None where there was none.
    """

    run: str
    cut: Cut
    saving: Saving
    before: Score | None
    after: Score | None
    tuned: Result | None

    def as_json(self) -> dict[str, Any]:
        """Figures to print and to write."""
        scores: dict[str, float | None] = {
            "before": self.before.miou_image if self.before else None,
            "pruned": self.after.miou_image if self.after else None,
            "tuned": self.tuned.best_miou_image if self.tuned else None,
        }
        last = scores["tuned"] if scores["tuned"] is not None else scores["pruned"]
        first = scores["before"]
        return {
            "run": self.run,
            "ratio": self.cut.ratio,
            "realised": self.cut.realised,
            "threshold": self.cut.threshold,
            **self.saving.as_json(),
            "miou_image": scores,
            "miou_image_lost": None if first is None or last is None else first - last,
            "blocks": self.cut.rows(),
            "tuning": asdict(self.tuned) if self.tuned else None,
        }


def settings_of(run: str | os.PathLike[str], preset: str | None, overrides: Mapping[str, str]) -> Settings:
    """The settings a pruned network is trained on by: those of its run, or of a preset, with changes.

    The pull on the scales has done its work and is left out, unless it is asked for again.

    Raises:
        UsageProblem: no preset, and no description of the run to take them from; or a setting is wrong.
        BadInput: the run's description cannot be read, or the weights are damaged.
    """
    name = load(run).name
    if preset is not None:
        return load_preset(preset, {"model": name, **overrides})
    note = _note_of(Path(run))
    if not note.is_file():
        raise UsageProblem(f"{run} has no {RUN} that says how it was trained: give --preset")
    try:
        options = json.loads(note.read_text(encoding="utf-8"))["options"]
        settings = checked({**options, "start": "random", "sparsity": 0.0, "minutes": None, "teacher": ""})
    except (ValueError, KeyError, TypeError):
        raise BadInput(note, "the description of a run", "something else", "give --preset") from None
    return changed(settings, overrides)


def prune(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str],
    ratio: float,
    *,
    data: str | os.PathLike[str] | None = None,
    settings: Settings | None = None,
    tune: bool = False,
    least: int = LEAST,
    allow_leaks: bool = False,
    on_step: Callable[[int, float], None] | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> Pruned:
    """Prune a run's best weights into a new run; given again after a stop, it goes on.

    Args:
        run: a run folder or a file of weights.
        out: the new folder: ``best.safetensors``, ``pruning.json``, ``run.json``; and with ``tune`` what training
            leaves, beside ``pruned.safetensors``.
        ratio, least: as in :func:`trainers.pruning.plan_cut`.
        data: a manifest to judge on before and after, and to train on.
        settings: of the judgement and the training, from :func:`settings_of`; needed with ``data``.
        tune: train on from the pruned weights.
        on_step, on_epoch: as in :func:`trainers.train`.

    Raises:
        UsageProblem: nothing to prune, a ratio out of range, ``data`` without settings, or ``tune`` without data.
        BadInput, CheckFailed, EnvironmentFault, KeyboardInterrupt: as :func:`trainers.train`.
    """
    if tune and data is None:
        raise UsageProblem("training on needs data")
    if data is not None and settings is None:
        raise UsageProblem("judging on data needs settings")
    source = locate(run)
    folder = Path(out)
    if folder.resolve() == source.parent.resolve():
        raise UsageProblem(f"{folder} is the run that is pruned: give another folder")
    network = load(source)
    cut = plan_cut(network, ratio, least=least)
    smaller = apply_cut(network, cut)
    weights = folder / (CUT if tune else BEST)
    plan: Plan | None = None
    if data is not None and settings is not None:
        settings = changed(settings, {"start": str(weights), "model": network.name})
        plan = make_plan(data, settings, allow_leaks=allow_leaks)
        if plan.classes != network.classes:
            found = f"data of {plan.classes} classes"
            raise BadInput(data, f"data for a network of {network.classes} classes", found, "name the --set foreground")
    files.writable(folder)
    _refuse_another(folder, source, cut, least)
    if not ((folder / NOTE).exists() and weights.exists()):
        _write(weights, source, smaller, cut)
    before, after = (judge(network, plan), judge(smaller, plan)) if plan else (None, None)
    saved = saving(network, smaller)
    told = {"from": str(run), "from_sha256": files.sha256(source), "least": least}
    files.write_json(
        folder / NOTE, console.plain({**told, **Pruned(str(folder), cut, saved, before, after, None).as_json()})
    )
    tuned = train(plan, folder, on_step=on_step, on_epoch=on_epoch) if plan and tune else None
    made = Pruned(str(folder), cut, saved, before, after, tuned)
    if tuned is None:
        files.write_json(folder / RUN, _description(source, smaller, made))
    files.write_json(folder / NOTE, console.plain({**told, **made.as_json()}))
    return made


def judge(network: Network, plan: Plan) -> Score:
    """A network on the validation records of a plan, as its training would score it."""
    settings = plan.settings
    common: dict[str, Any] = {"size": settings.size, "batch_size": settings.batch, "foreground": plan.merged}
    batches = Batches(plan.manifest, "val", seed=settings.seed, drop_last=False, **common)
    return HeldOut(batches, settings.val_records).score(network, find_loss(settings.loss))


def _refuse_another(folder: Path, source: Path, cut: Cut, least: int) -> None:
    """A folder holds one pruning: of these weights, at this ratio."""
    note = folder / NOTE
    if not note.exists():
        if (folder / RUN).exists():
            raise BadInput(folder, "an empty folder", "another run", "give another --out")
        return
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        before = (told["from_sha256"], told["ratio"], told["least"])
    except (ValueError, KeyError, TypeError):
        raise BadInput(note, "the note of a pruning", "something else", "give another --out") from None
    if before != (files.sha256(source), cut.ratio, least):
        found = f"another pruning (ratio {before[1]}, of {told.get('from')})"
        raise BadInput(folder, "an empty folder, or this pruning", found, "give another --out, or delete that folder")


def _write(place: Path, source: Path, smaller: Network, cut: Cut) -> None:
    notes = {key: value for key, value in read_weights(source).notes.items() if key not in _OF_THE_SHAPE}
    save_weights(place, smaller, {**notes, "pruned": f"{cut.ratio:g} of {files.sha256(source)}"})


def _note_of(run: Path) -> Path:
    return (run if run.is_dir() else run.parent) / RUN


def _description(source: Path, smaller: Network, made: Pruned) -> dict[str, Any]:
    """``run.json`` of a pruned network that was not trained on: what the given run's says, where it still holds."""
    note = _note_of(source)
    try:
        told: dict[str, Any] = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
    except ValueError:
        told = {}
    named = ("preset", "options", "classes", "foreground", "seed", "data")
    kept: dict[str, Any] = {key: told[key] for key in named if key in told}
    return {
        "format": "masksmith-pruned-1",
        "pruned_from": str(source),
        **kept,
        "model": smaller.name,
        "parameters": made.saving.parameters_after,
        "inputs": list(smaller.inputs),
        "outputs": smaller.outputs,
    }
