"""Two runs on the same images: how far apart their figures are, and how far that can be trusted.

Both runs are resampled together, subject by subject, so what is hard for both cancels out. Every figure is recomputed
from the resampled sums, each in its own convention. Sources: cluster bootstrap as in :mod:`evaluation.intervals`;
permutation by exchanging the runs' labels within a subject, Good, Permutation, Parametric and Bootstrap Tests of
Hypotheses (2005), chapter 3, with the count of Phipson and Smyth (2010) that never gives 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation import boundary, intervals, region, temporal
from evaluation.counts import Counts
from masksmith import seeds
from masksmith.errors import BadInput

Floats = npt.NDArray[np.float64]
EXACT = 12
"""Up to so many subjects every exchange of labels is tried; with more they are drawn by chance."""
_NAMED = 3


@dataclass(frozen=True)
class Aligned:
    """Two tables of the same images in the same order.

    Attributes:
        only_first, only_second: ids that were left out, as one table has them alone.
        truth_differs: images whose truth has other pixel counts in the two tables (another size, or another file).
    """

    first: Counts
    second: Counts
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    truth_differs: int


def align(
    first: Counts, second: Counts, *, common: bool = False, names: tuple[str, str] = ("the first", "the second")
) -> Aligned:
    """Bring two tables into the order of the first.

    Args:
        common: go on with the images both have; otherwise both must have the same.
        names: what an error calls them.

    Raises:
        BadInput: other classes; images that only one has, unless ``common``; none in common.
    """
    if first.class_ids != second.class_ids:
        raise BadInput(
            names[1],
            f"the classes of {names[0]} ({_listed(first.class_ids)})",
            _listed(second.class_ids),
            "judge alike",
        )
    left, right = first.column("id"), second.column("id")
    places = {name: k for k, name in enumerate(right)}
    kept = [k for k, name in enumerate(left) if name in places]
    there = set(left)
    only_first = tuple(name for name in left if name not in places)
    only_second = tuple(name for name in right if name not in there)
    if (only_first or only_second) and not common:
        told = [
            f"{len(lacking):,} missing in {name}: {_few(lacking)}"
            for name, lacking in ((names[1], only_first), (names[0], only_second))
            if lacking
        ]
        raise BadInput(
            f"{names[0]} and {names[1]}",
            "the same images in both",
            "; ".join(told),
            "judge them on the same images, or compare those in common with --common",
        )
    if not kept:
        raise BadInput(f"{names[0]} and {names[1]}", "images in common", "none", "judge them on the same images")
    one, two = first.take(kept), second.take([places[left[k]] for k in kept])
    if one.measured != two.measured:
        one, two = _bare(one), _bare(two)
    pixels = [np.stack([c.values.sum(-1), c.values[..., 0] + c.values[..., 2]], -1) for c in (one, two)]
    differs = int((pixels[0] != pixels[1]).any(axis=(1, 2)).sum())
    return Aligned(one, two, only_first, only_second, differs)


def compare(
    pair: Aligned,
    *,
    empty: str = "one",
    at: Sequence[float] = region.AT,
    seed: int = 0,
    resamples: int = intervals.RESAMPLES,
    level: float = intervals.LEVEL,
) -> dict[str, Any]:
    """The differences of every figure, second minus first, as a JSON value.

    Returns:
        ``images``, ``unit``, ``groups``, ``note`` (why there is no interval, or None), ``only_first``, ``only_second``,
        ``truth_differs``, and ``figures``: name -> ``first``, ``second``, ``difference``, ``interval`` (or None),
        ``p_higher`` (share of resamples in which the second is higher; ties count half), ``better`` (``higher`` or
        ``lower`` is better in this figure) and ``p_value`` (two-sided, of a permutation of the labels).

    Args:
        empty, at: as in :func:`evaluation.region.reduce`.
        seed: the same seed gives the same numbers.
    """
    one, two = pair.first, pair.second
    labels, unit = intervals.clusters(one)
    if unit == "image":
        labels, unit = intervals.clusters(two)
    groups = int(labels.max()) + 1
    classes = len(one.class_ids)
    grouped = []
    for counts in (one, two):
        sums = region.image_sums(counts, empty, at)
        rows = np.zeros((groups, sums.shape[1]))
        np.add.at(rows, labels, sums)
        grouped.append(rows)
    names = [*region.names(one), *(region.at_name(x) for x in at)]
    values = [region.figures(rows.sum(0, keepdims=True), classes, empty, at) for rows in grouped]
    found = {name: _entry(name, float(values[0][name][0]), float(values[1][name][0])) for name in names}
    note = None
    if groups < 2:
        note = f"no interval: it takes at least 2 {unit}s, there is {groups}"
    else:
        drawn = [
            intervals.resampled(rows, classes, empty=empty, at=at, seed=seed, resamples=resamples) for rows in grouped
        ]
        swapped = _permuted(grouped, classes, empty, at, seed, resamples)
        for name in names:
            found[name] |= _trust(drawn[1][name] - drawn[0][name], level)
            found[name]["p_value"] = _p_value(swapped[name], found[name]["difference"], exact=groups <= EXACT)
    found |= _clips(one, two, seed, resamples, level)
    return {
        "images": len(one),
        "unit": unit,
        "groups": groups,
        "level": level,
        "resamples": resamples,
        "seed": seed,
        "note": note,
        "only_first": list(pair.only_first),
        "only_second": list(pair.only_second),
        "truth_differs": pair.truth_differs,
        "figures": {name: _json(entry) for name, entry in found.items()},
    }


def _entry(name: str, first: float, second: float) -> dict[str, Any]:
    higher = name in region.CONVENTIONS or name in boundary.HIGHER or name in temporal.HIGHER or name[:4] == "map_"
    return {
        "first": first,
        "second": second,
        "difference": second - first,
        "interval": None,
        "p_higher": None,
        "p_value": None,
        "better": "higher" if higher else "lower",
    }


def _trust(differences: Floats, level: float) -> dict[str, Any]:
    known = differences[~np.isnan(differences)]
    if not known.size:
        return {}
    share = float((known > 0).mean() + 0.5 * (known == 0).mean())
    return {"interval": list(intervals.bounds(known, level)), "p_higher": share}


def _permuted(
    grouped: Sequence[Floats], classes: int, empty: str, at: Sequence[float], seed: int, resamples: int
) -> dict[str, Floats]:
    """Differences of every figure after exchanging the runs' labels within subjects."""
    groups = len(grouped[0])
    total, apart = grouped[0].sum(0), grouped[1] - grouped[0]
    moved = _exchanges(groups, seed, resamples) @ apart
    one = region.figures(total + moved, classes, empty, at)
    two = region.figures(total + apart.sum(0) - moved, classes, empty, at)
    return {name: two[name] - one[name] for name in two}


def _exchanges(groups: int, seed: int, resamples: int) -> Floats:
    """(R, G) of 0 and 1: which subjects change sides; all 2^G of them where they are few."""
    if groups <= EXACT:
        return ((np.arange(1 << groups)[:, None] >> np.arange(groups)) & 1).astype(np.float64)
    return seeds.rng(seed, "permutation").integers(0, 2, (resamples, groups)).astype(np.float64)


def _p_value(permuted: Floats, difference: float, *, exact: bool) -> float | None:
    if math.isnan(difference):
        return None
    known = permuted[~np.isnan(permuted)]
    far = int((np.abs(known) >= abs(difference) - 1e-12).sum())  # sums in another order round otherwise
    return far / known.size if exact else (1 + far) / (1 + known.size)


def _clips(one: Counts, two: Counts, seed: int, resamples: int, level: float) -> dict[str, dict[str, Any]]:
    """The time figures, over the clips that both runs have; each clip is one voice."""
    sides = [{clip["clip"]: clip for clip in _told(counts).get("clips", ())} for counts in (one, two)]
    shared = [name for name in sides[0] if name in sides[1]]
    found = {}
    for figure in temporal.CONVENTIONS:
        pairs = [(sides[0][name].get(figure), sides[1][name].get(figure)) for name in shared]
        known = np.asarray([pair for pair in pairs if None not in pair], np.float64).reshape(-1, 2)
        if not len(known):
            continue
        first, second = known.mean(0)
        found[figure] = _entry(figure, float(first), float(second))
        if len(known) < 2:
            continue
        apart = known[:, 1] - known[:, 0]
        blocks = intervals.draws(len(apart), resamples, seed)
        found[figure] |= _trust(np.concatenate([weights @ apart / len(apart) for weights in blocks]), level)
        signs = 1 - 2 * _exchanges(len(apart), seed, resamples)
        exact = len(apart) <= EXACT
        found[figure]["p_value"] = _p_value(signs @ apart / len(apart), float(second - first), exact=exact)
    return found


def _told(counts: Counts) -> Mapping[str, Any]:
    return (counts.info.get("report") or {}).get("time") or {}


def _bare(counts: Counts) -> Counts:
    if not counts.measured:
        return counts
    return Counts(counts.table.drop_columns(list(boundary.CONVENTIONS)), counts.class_ids, counts.info)


def _json(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in entry.items()}


def _listed(class_ids: Sequence[int]) -> str:
    return ", ".join(map(str, class_ids))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
