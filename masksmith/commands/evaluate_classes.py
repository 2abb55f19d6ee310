"""A model of several classes for ``masksmith evaluate``: its class ids are written as masks and judged as such."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from masksmith import console
from masksmith.commands import evaluate_masks
from masksmith.commands.evaluate_output import would
from masksmith.commands.evaluate_sources import Judged
from masksmith.errors import UsageProblem


def several(run: Path) -> bool:
    """Whether a run's description says that its network tells more than one foreground class apart."""
    from evaluation import deployed

    if deployed.is_exported(run):
        return False  # the file says itself what it is
    note = (run if run.is_dir() else run.parent) / "run.json"
    try:
        described = json.loads(note.read_text(encoding="utf-8"))
        return int(described.get("outputs", 1)) > 2
    except (OSError, ValueError, AttributeError, TypeError):
        return False  # whoever reads it next says what is wrong with it


def model(given: dict[str, Any]) -> Judged | None:
    """A model of several classes on a dataset, class by class; None after a dry run.

    Raises:
        UsageProblem: an option that is for soft foreground masks.
    """
    from evaluation import dataset
    from manifests.manifest import Manifest
    from masksmith import files, images
    from trainers.predict import Predictor

    for name, option in (
        ("soft", "--soft"),
        ("motion", "--motion"),
        ("sweep", "--sweep"),
        ("calibration", "--calibration"),
    ):
        if given.get(name):
            raise UsageProblem(f"{option} is for one foreground; {given['run']} tells several classes apart")
    manifest = Manifest.open(given["data"])
    records, split, _ = dataset.pick(manifest, given["split"])
    if given["dry_run"]:
        would(len(records), "records", given)
        return None
    predictor = Predictor(given["run"], device=given["device"])
    kept = tempfile.TemporaryDirectory(prefix="masksmith-")
    masks = given["out"] / "masks" if given["save_masks"] else Path(kept.name) / "masks"
    places = dataset.mask_paths(records, masks)
    with console.progress("predicting", len(records), unit="images ") as advance:
        for record in records:
            found = predictor.classes(images.read_image(manifest.path(record.image)))
            files.write_bytes(places[record.id], images.encode_png(found), durable=False)
            advance(1)
    judged = evaluate_masks.masks({**given, "run": None, "pred": masks, "ids": True})
    if judged is None:
        return None
    judged.title = f"{given['run'].resolve().stem} on {manifest.info.name}, split {split}"
    judged.facts = {"Model": str(given["run"]), **{k: v for k, v in judged.facts.items() if k != "Predictions"}}
    done = judged.done

    def finish() -> None:
        done()
        kept.cleanup()

    judged.done = finish
    return judged
