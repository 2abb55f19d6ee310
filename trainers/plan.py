"""What a run will do, decided before it does anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from loaders.augment import notes_of
from loaders.priors import MIXES
from manifests import IGNORE, Manifest
from manifests.audit import audit
from masksmith import files
from masksmith.errors import BadInput, CheckFailed, UsageProblem, unknown_choice
from trainers.checkpoint import locate
from trainers.distil import check_teacher
from trainers.losses import find_loss
from trainers.models import MODELS, build, count_parameters
from trainers.presets import NONE, Settings
from trainers.pretrained import IMAGENET, RANDOM, start_from
from trainers.shown import missing_classes
from trainers.temporal import check_clips

# these change how a run is computed, not what it is
_FREE = ("threads", "workers", "device", "channels_last")


@dataclass(frozen=True)
class Plan:
    """A run before it starts.

    Attributes:
        settings: as they will be used.
        manifest: the data.
        foreground: class names that count as foreground.
        merged: what the batches are asked to make 1, or None to keep class ids.
        classes: of the network.
        counts: records a split.
        steps_per_epoch, steps: of an epoch and of the whole run.
        parameters: of the network.
        digest: SHA-256 of ``records.parquet``.
        notes: what the user should know.
        teacher: SHA-256 of the teacher's weights; None = no teacher.
    """

    settings: Settings
    manifest: Manifest
    foreground: tuple[str, ...]
    merged: tuple[str, ...] | None
    classes: int
    counts: dict[str, int]
    steps_per_epoch: int
    steps: int
    parameters: int
    digest: str
    notes: tuple[str, ...]
    teacher: str | None = None

    def job(self) -> dict[str, Any]:
        """What makes it this run and no other, as JSON has it."""
        options = {key: value for key, value in self.settings.as_json().items() if key not in _FREE}
        taught = {"teacher": self.teacher} if self.teacher else {}
        return {"options": options, "records": self.digest, **taught}

    def as_json(self) -> dict[str, Any]:
        """The plan to print."""
        return {
            "model": self.settings.model,
            "parameters": self.parameters,
            "classes": self.classes,
            "foreground": list(self.foreground),
            "data": str(self.manifest.folder),
            "records": self.counts,
            "steps_per_epoch": self.steps_per_epoch,
            "steps": self.steps,
            "settings": self.settings.as_json(),
            "notes": list(self.notes),
        }


def same_job(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two :meth:`Plan.job` are of one run; a setting that an older one does not know stood at its default."""
    known = Settings().as_json()
    return {**first, "options": known | first["options"]} == {**second, "options": known | second["options"]}


def make_plan(data: str | os.PathLike[str], settings: Settings, *, allow_leaks: bool = False) -> Plan:
    """Look at the data and the settings and decide what training will do.

    Raises:
        UsageProblem: an unknown model, loss, augmentation, prior mix or class, or fewer records than a batch.
        BadInput: no manifest there, no training or validation records, a teacher of other classes, or a temporal loss
            without clips.
        CheckFailed: splits share what they must not, and ``allow_leaks`` is not set.
    """
    if settings.model not in MODELS:
        raise unknown_choice("model", settings.model, MODELS)
    find_loss(settings.loss)
    told = notes_of(settings.augment)
    if settings.priors != NONE and settings.priors not in MIXES:
        raise unknown_choice("prior mix", settings.priors, (*MIXES, NONE))
    manifest = Manifest.open(data)
    counts = _counts(manifest)
    for split, use in (("train", "to learn from"), ("val", "to choose the best weights by")):
        if not counts.get(split):
            there = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "no split at all"
            raise BadInput(
                manifest.folder, f"records in split {split!r}, {use}", there, "divide the data: masksmith split"
            )
    if settings.temporal:
        check_clips(manifest)
    notes: list[str] = list(told)
    _refuse_leaks(manifest, allow_leaks, notes)
    foreground, merged, classes = _classes(manifest, settings)
    lost = missing_classes(manifest, foreground)
    if lost:
        notes.append(f"no training mask shows {', '.join(lost)}; the network cannot learn it")
    network = build(settings.model, classes, dropout=settings.dropout)
    if "prior" not in network.inputs and settings.priors != NONE:
        notes.append(f"{settings.model} has no prior input; previous masks ({settings.priors}) are left out")
        settings = replace(settings, priors=NONE)
    elif "prior" in network.inputs and settings.priors == NONE and classes == 2:
        notes.append(f"{settings.model} takes a previous mask, and learns with an empty one only: --set priors=paper")
    if settings.start not in (RANDOM, IMAGENET) and Path(settings.start).exists():
        start_from(network, settings.start)  # a pruned one has fewer parameters
    teacher = None
    if settings.teacher:
        notes += check_teacher(settings.teacher, network, foreground)
        teacher = files.sha256(locate(settings.teacher))
    once = counts["train"] // settings.batch
    if not once:
        raise UsageProblem(
            f"{manifest.folder}: {counts['train']} training records do not fill one batch of {settings.batch}; "
            "take a smaller one: --set batch=8"
        )
    steps_per_epoch = settings.steps_per_epoch or once
    return Plan(
        settings=settings,
        manifest=manifest,
        foreground=foreground,
        merged=merged,
        classes=classes,
        counts=counts,
        steps_per_epoch=steps_per_epoch,
        steps=settings.epochs * steps_per_epoch,
        parameters=count_parameters(network),
        digest=manifest.digest,
        notes=tuple(notes),
        teacher=teacher,
    )


def _counts(manifest: Manifest) -> dict[str, int]:
    rows = pc.value_counts(manifest.table(columns=["split"])["split"]).to_pylist()
    return {row["values"]: int(row["counts"]) for row in rows if row["values"] is not None}


def _refuse_leaks(manifest: Manifest, allowed: bool, notes: list[str]) -> None:
    found = audit(manifest)
    if found.clean:
        return
    if not allowed:
        raise CheckFailed(
            f"{manifest.folder}: {found.verdict()}; divide it again (masksmith split), "
            "or train all the same with --allow-leaks"
        )
    notes.append(f"{found.verdict()}; the validation figures say less than they seem to")


def _classes(manifest: Manifest, settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...] | None, int]:
    """Foreground names, what to merge into 1, and the network's number of classes."""
    known = {name: number for name, number in manifest.info.classes.items() if number != IGNORE}
    if settings.foreground:
        for name in settings.foreground:
            if name not in known:
                raise unknown_choice("class", name, known)
            if known[name] == 0:
                raise UsageProblem(f"class {name!r} is the background (id 0) and cannot be foreground")
        return settings.foreground, settings.foreground, 2
    front = tuple(sorted((name for name, number in known.items() if number), key=lambda name: known[name]))
    if not front:
        raise BadInput(
            manifest.folder, "a class besides the background", "none", "add it to the classes of the manifest"
        )
    if len(front) == 1:
        return front, front, 2
    return front, None, max(known.values()) + 1
