"""The folder of a run: what ``run.json`` says, and whether it is the run that is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loaders import MIXES
from masksmith.errors import BadInput
from trainers import machine
from trainers.models import count_parameters
from trainers.networks.layers import Network
from trainers.plan import Plan
from trainers.presets import NONE
from trainers.ranks import Ranks

RUN = "run.json"


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        run: its folder.
        best_miou_image, best_step: of the weights in ``best.safetensors``, on the held-out records.
        steps, epochs: taken and validated.
        seconds: of all starts.
        images_per_s: while training, loading included, validation left out.
        ended: ``all steps done``, ``time budget used`` or ``no better for N epochs``.
    """

    run: str
    best_miou_image: float
    best_step: int
    steps: int
    epochs: int
    seconds: float
    images_per_s: float
    ended: str


def describe(plan: Plan, network: Network, ranks: Ranks) -> dict[str, Any]:
    """What ``run.json`` says of a run from its start on."""
    settings = plan.settings
    mixed = settings.priors != NONE
    return {
        "format": "masksmith-run-1",
        "job": plan.job(),
        "preset": settings.preset,
        "options": settings.as_json(),
        "model": settings.model,
        "parameters": count_parameters(network),
        "inputs": list(network.inputs),
        "outputs": network.outputs,
        "classes": dict(plan.manifest.info.classes),
        "foreground": list(plan.foreground),
        "seed": settings.seed,
        "data": {
            "folder": str(plan.manifest.folder),
            "name": plan.manifest.info.name,
            "records_sha256": plan.digest,
            "records": plan.counts,
        },
        "notes": list(plan.notes),
        "git": machine.git_state(),
        "environment": {**machine.describe(ranks.device), "ranks": ranks.world},
        "priors": {"mix": settings.priors, "wanted": MIXES[settings.priors].shares} if mixed else None,
    }


def same_run(
    folder: Path,
    job: Mapping[str, Any],
    inputs: str,
    *,
    what: str = "a run",
    holds: str = "data",
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """The description of the run in a folder, if it is this one; None where there is none.

    Args:
        job: its ``options``, under ``inputs`` the digest of what it learns from, and under other keys those of more.
        what, holds: what to call the run and its inputs in an error.
        defaults: what an option was before there was one: a run of an older version can go on.

    Raises:
        BadInput: it is another run.
    """
    note = folder / RUN
    if not note.exists():
        return None

    def told(of: Mapping[str, Any]) -> dict[str, Any]:
        others = {f"the {key}": value for key, value in of.items() if key not in ("options", inputs)}
        return {**(defaults or {}), **of["options"], f"the {holds}": of[inputs], **others}

    try:
        found: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        before = told(found["job"])
    except (ValueError, KeyError, TypeError):
        raise BadInput(note, f"the description of {what}", "something else", "give another --out") from None
    now = told(job)
    changed = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    if changed:
        raise BadInput(
            folder,
            f"an empty folder or an unfinished run of the same settings and {holds}",
            f"a run that differs in {', '.join(changed)}",
            "give another --out, or delete that folder",
        )
    return found
