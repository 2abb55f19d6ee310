"""What figures are drawn from, besides counts: times of inference, logs of training, trials of a search, pictures."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation import dataset, inputs, intervals, pictures, region
from evaluation.comparison import Run
from evaluation.counts import IGNORE
from manifests.manifest import Manifest
from masksmith import images
from masksmith.errors import BadInput, UsageProblem

Image = npt.NDArray[np.uint8]
LOG = "log.csv"
_SIDE = 320  # pictures of a grid are shrunk to this
_SCORES = ("value", "score", "val_miou_image", "miou_image")


def latencies(
    words: Sequence[str], runs: Sequence[Run], figure: str = "miou_image", *, empty: str = "one", seed: int = 0
) -> list[dict[str, Any]]:
    """The points of :func:`evaluation.figures.iou_over_time`.

    Args:
        words: ``NAME=MS``, or a JSON file of rows with ``model``, ``runtime`` and ``median_ms`` (or ``fps``) such as
            ``masksmith bench speed --json`` prints. A row belongs to the run of that name, or of that model's file.

    Raises:
        UsageProblem: a name that no run has, or a time that is none.
        BadInput: a file that is not such a JSON.
    """
    rows: list[tuple[str, str, float]] = []
    for word in words:
        if Path(word).is_file():
            rows += _speeds(Path(word))
        else:
            name, _, time = word.rpartition("=")
            rows.append((name, "", _milliseconds(time, word)))
    points = []
    for run in runs:
        called = {run.name, Path(str(run.told.get("facts", {}).get("Model", run.name))).stem}
        mine = [(runtime, ms) for name, runtime, ms in rows if name in called]
        if not mine:
            continue
        found = region.reduce(run.counts, empty=empty).values[figure]
        bounds = intervals.bootstrap(run.counts, empty=empty, seed=seed).bounds.get(figure)
        for runtime, ms in mine:
            name = f"{run.name} ({runtime})" if len(mine) > 1 and runtime else run.name
            points.append({"name": name, "run": run.name, "ms": ms, "iou": found, "interval": bounds})
    if not points:
        known = ", ".join(run.name for run in runs)
        raise UsageProblem(f"--latency names {', '.join(sorted({n for n, _, _ in rows}))}, but the runs are {known}")
    return points


def losses(folder: Path) -> list[dict[str, float]]:
    """The rows of a training run's log.csv: ``epoch``, ``loss``, ``val_loss``; NaN where a cell is empty.

    Raises:
        BadInput: no such file, or not a log.
    """
    path = folder / LOG if folder.is_dir() else folder
    want = f"a training run with its {LOG}"
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(path, want, type(fault).__name__, "check the path") from None
    if not rows or not {"epoch", "loss", "val_loss"} <= set(rows[0]):
        raise BadInput(path, want, "other columns" if rows else "no rows", "check the path")
    return [{key: _number(row[key]) for key in ("epoch", "loss", "val_loss")} for row in rows]


def trials(path: Path) -> dict[str, list[float]]:
    """Loss -> the scores of a search's trials, of a CSV or JSON with a ``loss`` and a ``value`` of each trial.

    Both may also stand as ``params_loss``, or inside ``params``; a JSON may hold the list under ``trials``.

    Raises:
        BadInput: no such file, or nothing like it.
    """
    want, fix = "a CSV or JSON of trials with a loss and a value each", "check the path"
    try:
        text = path.read_text(encoding="utf-8")
        rows = json.loads(text) if path.suffix == ".json" else list(csv.DictReader(io.StringIO(text)))
    except (OSError, ValueError) as fault:
        raise BadInput(path, want, type(fault).__name__, fix) from None
    rows = rows.get("trials", rows) if isinstance(rows, dict) else rows
    found: dict[str, list[float]] = {}
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict):
            continue
        inner = row.get("params") if isinstance(row.get("params"), dict) else {}
        loss = row.get("loss") or row.get("params_loss") or inner.get("loss")  # type: ignore[union-attr]
        score = next((row[name] for name in _SCORES if row.get(name) not in (None, "")), None)
        if isinstance(loss, str) and loss:
            found.setdefault(loss, []).append(_number(score))
    if not any(math.isfinite(score) for scores in found.values() for score in scores):
        raise BadInput(path, want, "no trial that has both", fix)
    return dict(sorted(found.items()))


def predictions(
    runs: Sequence[Run], data: Path | None = None, *, rows: int = 6
) -> tuple[list[tuple[str, list[Image | None]]], list[str], str | None]:
    """The rows and columns of :func:`evaluation.figures.grid`: photo (where known), truth, and each run's masks.

    Masks are read from ``masks`` beside a run's counts (``masksmith evaluate --save-masks``), or from the folder that
    was judged. The images are spread from the worst to the best by the runs' mean foreground IoU.

    Args:
        data: the manifest that models were judged on; two folders need none.
        rows: at most so many images.

    Returns:
        (rows, columns, why there is no grid or None).
    """
    places = [_masks(run) for run in runs]
    bare = [run.name for run, found in zip(runs, places, strict=True) if not found]
    if bare:
        return [], [], f"no masks of {', '.join(bare)}: evaluate with --save-masks"
    truth = _truths(runs[0], data)
    if not truth:
        return [], [], "no truth to draw: name the dataset with --data"
    scores = [dict(zip(run.counts.column("id"), region.image_iou(run.counts)[0].tolist(), strict=True)) for run in runs]
    shared = [
        n for n in scores[0] if n in truth and all(n in s and n in m for s, m in zip(scores, places, strict=True))
    ]
    if not shared:
        return [], [], "no image has its truth and the masks of all runs"
    shared.sort(key=lambda name: (float(np.mean([score[name] for score in scores])), name))
    picked = [shared[k] for k in np.unique(np.linspace(0, len(shared) - 1, min(rows, len(shared))).round().astype(int))]
    drawn = []
    with_photo = any(truth[name][0] for name in picked)
    for name in picked:
        photo_path, truth_path, front = truth[name]
        goal = _front(inputs.read(truth_path), front)
        photo = images.read_image(photo_path) if photo_path else None
        line: list[Image | None] = [_shown(photo, None, goal)] if with_photo else []
        line.append(_shown(photo, np.where(goal == IGNORE, 0, goal).astype(np.uint8), goal))
        line += [_shown(photo, _front(inputs.read(masks[name]), None), goal) for masks in places]
        drawn.append((name, line))
    return drawn, [*(["photo"] if with_photo else []), "truth", *(run.name for run in runs)], None


def _masks(run: Run) -> dict[str, Path]:
    kept = run.path.parent / "masks"
    told = run.told.get("facts", {}).get("Predictions")
    for folder in (kept, Path(str(told)) if told else kept):
        if folder.is_dir():
            return inputs.named_files(folder)
    return {}


def _truths(run: Run, data: Path | None) -> dict[str, tuple[Path | None, Path, set[int] | None]]:
    """Image -> (photo, truth, the foreground's class ids or None for all but 0)."""
    if data is not None:
        manifest = Manifest.open(data)
        told = str(run.told.get("facts", {}).get("Foreground", ""))
        named = [part.rpartition(" (")[0] for part in told.split(", ") if part]
        front = set(
            dataset.foreground(manifest.info.classes, [n for n in named if n in manifest.info.classes]).values()
        )
        return {
            record.id: (manifest.path(record.image), manifest.path(record.mask), front)
            for record in manifest.records()
            if record.mask
        }
    folder = run.told.get("facts", {}).get("Truth")
    if not folder or not Path(str(folder)).is_dir():
        return {}
    return {name: (None, path, None) for name, path in inputs.named_files(str(folder)).items()}


def _front(mask: Image, classes: set[int] | None) -> Image:
    """0 background, 1 foreground, 255 not judged; a mask of 0 and 255 alone is a binary one."""
    if classes is None:
        binary = set(np.unique(mask).tolist()) <= {0, IGNORE}
        return np.where(mask == IGNORE, 1 if binary else IGNORE, mask != 0).astype(np.uint8)
    found = np.isin(mask, list(classes)).astype(np.uint8)
    found[mask == IGNORE] = IGNORE
    return found


def _shown(photo: Image | None, pred: Image | None, goal: Image) -> Image:
    """A small picture: the photo as it is, or what a mask got right and wrong in the colours of reports."""
    scale = min(1.0, _SIDE / max(goal.shape))
    size = max(1, round(goal.shape[0] * scale)), max(1, round(goal.shape[1] * scale))
    small = None if photo is None else images.resize_image(photo, *size)
    if pred is None:
        return small if small is not None else np.zeros((*size, 3), np.uint8)
    return pictures.errors(small, images.resize_mask(pred, *size), images.resize_mask(goal, *size))


def _speeds(path: Path) -> list[tuple[str, str, float]]:
    want = "a JSON of rows with model, runtime and median_ms"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        rows = told.get("rows", [told]) if isinstance(told, dict) else told
        return [
            (
                str(row["model"]),
                str(row.get("runtime", "")),
                _milliseconds(row["median_ms"] if row.get("median_ms") else 1000 / float(row["fps"]), path.name),
            )
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
        raise BadInput(path, want, "something else", "write it with masksmith bench speed --json") from None


def _milliseconds(value: Any, word: str) -> float:
    time = _number(value)
    if not (0 < time < math.inf):
        raise UsageProblem(f"--latency takes NAME=MILLISECONDS or a JSON file, not {word!r}")
    return time


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
