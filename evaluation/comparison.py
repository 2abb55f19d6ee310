"""Several evaluations side by side: their figures, and each one's difference from the first."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluation import intervals, paired, region, slices, temporal
from evaluation.counts import Counts
from masksmith import __version__, console
from masksmith.errors import BadInput, UsageProblem, unknown_choice

HEADLINE = "iou_fg_image"


@dataclass(frozen=True)
class Run:
    """One evaluation.

    Attributes:
        name: what tables call it.
        path: its counts.parquet.
        counts: of its images.
    """

    name: str
    path: Path
    counts: Counts

    @property
    def told(self) -> Mapping[str, Any]:
        """What the evaluation's report says besides its counts."""
        found: Mapping[str, Any] = self.counts.info.get("report") or {}
        return found


def open_runs(words: Sequence[str | os.PathLike[str]]) -> list[Run]:
    """The evaluations that ``words`` name: ``PATH`` or ``NAME=PATH``, a path being a folder or its counts.parquet.

    Without a name a run is called after its folder, and after the folder above too where two would be alike.

    Raises:
        BadInput: no counts there, or none of an image.
        UsageProblem: two runs of one name.
    """
    split = [_split(os.fspath(word)) for word in words]
    depths = {path: 1 for _, path in split}
    while True:
        called = [name or _called(path, depths[path]) for name, path in split]
        twice = {name for name in called if called.count(name) > 1}
        wider = [path for (name, path), one in zip(split, called, strict=True) if one in twice and not name]
        wider = [path for path in wider if depths[path] < len(_folder(path).parts)]
        if not wider:
            break
        for path in set(wider):
            depths[path] += 1
    if twice:
        raise UsageProblem(f"two runs are called {min(twice)!r}; name them: NAME=PATH")
    runs = []
    for name, (_, path) in zip(called, split, strict=True):
        place = path / "counts.parquet" if path.is_dir() else path
        counts = Counts.from_parquet(place)
        if not len(counts):
            raise BadInput(place, "counts of images", "none", "evaluate the masks again")
        runs.append(Run(name, place, counts))
    return runs


def document(
    runs: Sequence[Run],
    *,
    headline: str = HEADLINE,
    empty: str = "one",
    at: Sequence[float] = region.AT,
    seed: int = 0,
    common: bool = False,
    unpaired: bool = False,
    by: Sequence[str] = (),
    least: int = slices.LEAST,
) -> dict[str, Any]:
    """Everything as one JSON value.

    Keys: ``headline``, ``empty``, ``level``, ``seed``, ``tool``; ``runs`` (``name``, ``path``, ``title``, ``images``,
    ``digest``, ``unit``, ``groups``, ``note``, ``undefined`` and ``figures``: name -> ``value`` and ``interval``);
    ``differences`` (``run``, ``against`` and what :func:`evaluation.paired.compare` returns); ``slices`` (key -> value
    -> run -> row of :func:`evaluation.slices.by`); ``notes``.

    Args:
        common: only the images that all runs have.
        unpaired: no differences: the runs are about other images.
        by, least: slices, as in :func:`evaluation.slices.by`.

    Raises:
        BadInput: the runs have other images or classes, and neither ``common`` nor ``unpaired`` was asked for.
        UsageProblem: an unknown headline, policy or slice.
    """
    notes, differences = [], []
    if common and len(runs) > 1:
        before = {run.name: len(run.counts) for run in runs}
        runs = _shared(runs)
        left = {name: size - len(runs[0].counts) for name, size in before.items()}
        told_of = "images that not all runs have are left out of"
        notes += [f"{size:,} {told_of} {name}" for name, size in left.items() if size]
    first, *others = runs
    known = region.names(first.counts)
    if headline not in known:
        raise unknown_choice("figure", headline, known)
    for run in [] if unpaired else others:
        pair = paired.align(first.counts, run.counts, common=common, names=(first.name, run.name))
        found = paired.compare(pair, empty=empty, at=at, seed=seed)
        differences.append({"run": run.name, "against": first.name, **found})
        if pair.truth_differs:
            notes.append(
                f"{run.name} and {first.name} were judged by other truths in {pair.truth_differs:,} of "
                f"{found['images']:,} images (another size, or other files)"
            )
    options: dict[str, Any] = {"figures": (headline,), "empty": empty, "seed": seed, "least": least}
    told: dict[str, dict[str, dict[str, Any]]] = {}
    for key in by:
        rows = {run.name: slices.by(run.counts, key, **options) for run in runs}
        values = dict.fromkeys(row["value"] for several in rows.values() for row in several)
        told[key] = {value: {} for value in values}
        for name, several in rows.items():
            for row in several:
                told[key][row["value"]][name] = row
    made = {
        "headline": headline,
        "empty": empty,
        "level": intervals.LEVEL,
        "seed": seed,
        "runs": [_told(run, empty, at, seed) for run in runs],
        "differences": differences,
        "slices": told,
        "notes": notes,
        "tool": f"masksmith {__version__}",
    }
    result: dict[str, Any] = console.plain(made)
    return result


def _told(run: Run, empty: str, at: Sequence[float], seed: int) -> dict[str, Any]:
    counts = run.counts
    found = region.reduce(counts, empty=empty, at=at)
    trust = intervals.bootstrap(counts, empty=empty, at=at, seed=seed)
    values = dict(found.values) | {region.at_name(x): share for x, share in found.map_at_x.items()}
    bounds: dict[str, Any] = {name: list(pair) for name, pair in trust.bounds.items()}
    time = run.told.get("time") or {}
    values |= {name: time[name] for name in temporal.CONVENTIONS if name in time}
    bounds |= {name: list(pair) for name, pair in time.get("intervals", {}).items()}
    values |= {name: value for name, value in run.told.get("figures", {}).items() if isinstance(value, float)}
    return {
        "name": run.name,
        "path": str(run.path),
        "title": str(run.told.get("title", run.name)),
        "images": len(counts),
        "digest": counts.digest(),
        "unit": trust.unit,
        "groups": trust.groups,
        "note": trust.note,
        "undefined": found.undefined,
        "figures": {
            name: {"value": None if value is None or math.isnan(value) else value, "interval": bounds.get(name)}
            for name, value in values.items()
        },
    }


def _shared(runs: Sequence[Run]) -> list[Run]:
    """The runs with the images they all have, in the order of the first; time figures are dropped if that is fewer."""
    sets = [set(run.counts.column("id")) for run in runs]
    both = set.intersection(*sets)
    order = [name for name in runs[0].counts.column("id") if name in both]
    if not order:
        raise BadInput(", ".join(run.name for run in runs), "images in common", "none", "judge them on the same images")
    found = []
    for run, there in zip(runs, sets, strict=True):
        places = {name: k for k, name in enumerate(run.counts.column("id"))}
        counts = run.counts.take([places[name] for name in order])
        if len(there) > len(both):
            report = {**run.told, "time": None, "figures": {}}
            counts = replace(counts, info={**counts.info, "report": report})
        found.append(replace(run, counts=counts))
    return found


def _split(word: str) -> tuple[str, Path]:
    name, equals, path = word.partition("=")
    if equals and name and not Path(word).exists():
        return name, Path(path)
    return "", Path(word)


def _folder(path: Path) -> Path:
    whole = path.resolve()
    if whole.name == "counts.parquet":
        return whole.parent
    return whole.with_suffix("") if whole.suffix == ".parquet" else whole


def _called(path: Path, depth: int) -> str:
    return "/".join(part.strip("/") for part in _folder(path).parts[-depth:])
