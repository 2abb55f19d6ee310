"""Strata: what splits should have alike, such as mask area, source and brightness, and how nearly they do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.dealing import Floats, Ints
from manifests.manifest import Manifest
from manifests.measures import MEASURES, Measured, measure
from manifests.record import group_keys, members
from masksmith import engine
from masksmith.errors import BadInput, unknown_choice

UNKNOWN = "unknown"
OTHER = "other"
_MOST = 20  # categories of their own; rarer ones count as one
_NUMBERS = ("width", "height", "frame")
_STRINGS = ("source", "subject", "clip")
# what records may say by themselves, so that no picture is read
_SAID = {"area": ("area", "foreground_share", "foot_share"), "brightness": ("brightness",)}


@dataclass(frozen=True, eq=False)
class Stratum:
    """A column cut into bins: (N,) bin of each record, and what the bins are."""

    name: str
    bins: Ints
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Balance:
    """How a column came out.

    Attributes:
        labels: its bins.
        overall: share of each bin over all records that are in a split.
        splits: the same within each split.
        distance: of each split to ``overall``: half the sum of absolute differences, 0 to 1 (total variation).
    """

    labels: tuple[str, ...]
    overall: tuple[float, ...]
    splits: Mapping[str, tuple[float, ...]]
    distance: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return {
            "bins": list(self.labels),
            "overall": list(self.overall),
            "splits": {name: list(each) for name, each in self.splits.items()},
            "distance": dict(self.distance),
        }


def strata(
    manifest: Manifest,
    names: Sequence[str],
    bins: int = 5,
    runs: engine.Engine | None = None,
    *,
    keep: bool = True,
) -> list[Stratum]:
    """Columns of a manifest, cut into bins: numbers at their quantiles, names as they are.

    ``area`` (share of foreground in the mask) and ``brightness`` (mean luma of the image) are taken from ``extra``
    where every record says them there, and read from the files otherwise. Further names: width, height, frame, source,
    subject, clip, group keys, keys of ``extra``.

    Raises:
        UsageProblem: a name that no record has.
        BadInput: files that cannot be read.
    """
    table = manifest.table(["groups", *_NUMBERS, *_STRINGS])
    keys = group_keys(table)
    return [
        _stratum(manifest, table, keys, name, bins, lambda what: measure(manifest, what, runs, keep=keep))
        for name in dict.fromkeys(names)
    ]


def _stratum(
    manifest: Manifest, table: pa.Table, keys: list[str], name: str, bins: int, read: Callable[[str], Measured]
) -> Stratum:
    if name in _NUMBERS:
        return cut(name, np.array(table.column(name).to_pylist(), np.float64), bins)
    if name in _STRINGS or name in keys:
        rows, values = members(table, name)
        texts: list[str | None] = [None] * table.num_rows
        for row, value in zip(rows[::-1].tolist(), values.to_pylist()[::-1], strict=True):
            texts[row] = value  # a record's first value counts
        return named(name, texts)
    said, known = _said(manifest, _SAID.get(name, (name,)))
    if name in _SAID and any(value is None for value in said):
        found = read(name)
        if found.unread:
            raise BadInput(
                manifest.folder,
                f"a readable {MEASURES[name].column} in every record, for --stratify {name}",
                f"{found.unread} that are none ({'; '.join(found.faults[:1]) or 'URLs'})",
                "mend them (masksmith manifest verify), or stratify by something else",
            )
        said = [None if value is None else float(value) for value in found.values]
    if all(value is None for value in said):
        raise unknown_choice("column", name, [*_SAID, *_NUMBERS, *_STRINGS, *keys, *known])
    numbers = [value for value in said if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers):
        return cut(name, np.array([np.nan if v is None else float(v) for v in said]), bins)
    return named(name, [None if value is None else str(value) for value in said])


def cut(name: str, values: Floats, bins: int) -> Stratum:
    """Numbers as bins of about equally many records; NaN is a bin of its own. Equal numbers are in one bin."""
    known = np.isfinite(values)
    inner = np.unique(np.quantile(values[known], np.linspace(0, 1, bins + 1)[1:-1])) if known.any() else np.zeros(0)
    inner = inner[inner > values[known].min()] if known.any() else inner
    of = np.searchsorted(inner, np.where(known, values, 0.0), side="right").astype(np.int64)
    edges = [f"{edge:.4g}" for edge in inner.tolist()]
    labels = [f"from {low} below {high}" for low, high in pairwise(edges)]
    labels = [f"below {edges[0]}", *labels, f"from {edges[-1]}"] if edges else ["all"]
    if not known.all():
        of[~known] = len(labels)
        labels.append(UNKNOWN)
    return Stratum(name, of, tuple(labels))


def named(name: str, values: Sequence[str | None]) -> Stratum:
    """Names as bins, in alphabetical order; beyond the twenty most frequent they share one."""
    texts, inverse, counts = np.unique(
        np.array([UNKNOWN if value is None else value for value in values], dtype=object).astype(str),
        return_inverse=True,
        return_counts=True,
    )
    if len(texts) <= _MOST:
        return Stratum(name, inverse.astype(np.int64), tuple(texts.tolist()))
    kept = np.sort(np.argsort(-counts, kind="stable")[: _MOST - 1])
    place = np.full(len(texts), len(kept), np.int64)
    place[kept] = np.arange(len(kept))
    return Stratum(name, place[inverse], (*texts[kept].tolist(), OTHER))


def balance(each: Stratum, of: Ints, names: Sequence[str]) -> Balance:
    """How a column came out in splits: ``of`` (N,) is the place of each record's split in ``names``, -1 for none."""
    size = len(each.labels)
    counts = np.stack([np.bincount(each.bins[of == k], minlength=size) for k in range(len(names))]).astype(np.float64)
    overall = counts.sum(axis=0) / max(counts.sum(), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    far = np.abs(shares - overall).sum(axis=1) / 2
    return Balance(
        each.labels,
        tuple(np.round(overall, 6).tolist()),
        {name: tuple(np.round(row, 6).tolist()) for name, row in zip(names, shares, strict=True)},
        {name: round(float(value), 6) for name, value in zip(names, far, strict=True)},
    )


def _said(manifest: Manifest, keys: Sequence[str]) -> tuple[list[Any], list[str]]:
    """What ``extra`` says under the first of these keys, record by record; and which keys there are."""
    values: list[Any] = []
    known: set[str] = set()
    for table in manifest.tables(["extra"]):
        for text in table.column(0).to_pylist():
            told = json.loads(text) if text else {}
            known.update(key for key, value in told.items() if isinstance(value, str | int | float))
            value = next((told[key] for key in keys if told.get(key) is not None), None)
            values.append(value if isinstance(value, str | int | float) else None)
    return values, sorted(known)
