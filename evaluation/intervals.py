"""How far figures can be trusted: bootstrap confidence intervals over subjects, not over images.

Images of one subject are alike; resampling images as if they were independent makes intervals too narrow.
Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), percentile intervals; cluster resampling as in
Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from evaluation import region
from evaluation.counts import Counts
from masksmith import seeds

RESAMPLES = 1000
LEVEL = 0.95
_CELLS = 1_000_000  # drawn at a time: 24 MB, three arrays of 8 bytes a cell


@dataclass(frozen=True)
class Intervals:
    """Percentile intervals of figures.

    Attributes:
        bounds: figure -> (low, high); empty where ``note`` says why there is none.
        unit: what was resampled: ``subject``, ``clip`` or ``image`` (or ``mixed``).
        groups: how many of them.
        note: why there is no interval, or None.
    """

    bounds: dict[str, tuple[float, float]]
    unit: str
    groups: int
    level: float = LEVEL
    resamples: int = RESAMPLES
    seed: int = 0
    note: str | None = field(default=None)


def clusters(counts: Counts) -> tuple[npt.NDArray[np.int64], str]:
    """Which images belong together: (N,) labels from 0, and what they stand for.

    Images that share a subject (column ``subject`` or ``group.subject``) are one cluster, directly or through other
    images; where an image has no subject its clip stands in, and else the image stands for itself.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    units: set[str] = set()
    nodes: dict[tuple[str, str], int] = {}
    links: list[tuple[int, int]] = []
    several = counts.column("group.subject")
    rows = zip(counts.column("subject"), several, counts.column("clip"), strict=True)
    for image, (subject, others, clip) in enumerate(rows):
        keys = [("subject", name) for name in {subject, *(others or ())} - {None}]
        keys = keys or ([("clip", clip)] if clip is not None else [("image", str(image))])
        units.add(keys[0][0])
        for key in keys:
            links.append((image, nodes.setdefault(key, len(counts) + len(nodes))))
    if not links:
        return np.zeros(0, np.int64), "image"
    left, right = np.asarray(links).T
    size = len(counts) + len(nodes)
    graph = coo_array((np.ones(len(links), np.int8), (left, right)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][: len(counts)]
    unit = next(iter(units)) if len(units) == 1 else "mixed"
    return np.unique(labels, return_inverse=True)[1].astype(np.int64), unit


def bootstrap(
    counts: Counts,
    *,
    empty: str = "one",
    at: Sequence[float] = region.AT,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Intervals:
    """Intervals of every region and boundary figure, by resampling :func:`clusters` with replacement.

    Args:
        empty, at: as in :func:`evaluation.region.reduce`.
        seed: the same seed gives the same bounds.
        resamples: how many resamples.
        level: 0.95 gives the 2.5 and 97.5 percentiles.
    """
    labels, unit = clusters(counts)
    groups = int(labels.max()) + 1 if labels.size else 0
    if groups < 2:
        note = f"no interval: it takes at least 2 {unit}s, there is {groups or 'none'}"
        return Intervals({}, unit, groups, level, resamples, seed, note)
    sums = region.image_sums(counts, empty, at)
    grouped = np.zeros((groups, sums.shape[1]))
    np.add.at(grouped, labels, sums)
    found = resampled(grouped, len(counts.class_ids), empty=empty, at=at, seed=seed, resamples=resamples)
    names = [*region.names(counts), *(region.at_name(x) for x in at)]
    pairs = {name: bounds(found[name], level) for name in names}
    known = {name: pair for name, pair in pairs.items() if not np.isnan(pair[0])}
    return Intervals(known, unit, groups, level, resamples, seed)


def resampled(
    grouped: npt.NDArray[np.float64],
    classes: int,
    *,
    empty: str = "one",
    at: Sequence[float] = region.AT,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, npt.NDArray[np.float64]]:
    """Every figure, (resamples,), of rows drawn with replacement.

    Args:
        grouped: (G, K), the summed :func:`evaluation.region.image_sums` of each cluster. Two sets of as many clusters
            get the same draws for the same seed.
        classes: how many classes there are.
    """
    drawn = np.concatenate([weights @ grouped for weights in draws(len(grouped), resamples, seed)])
    return region.figures(drawn, classes, empty, at)


def mean_interval(
    values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL
) -> tuple[float, float] | None:
    """The interval of a plain mean over independent values (clips, for example); None for fewer than two."""
    known = np.asarray([value for value in values if not np.isnan(value)], np.float64)
    if known.size < 2:
        return None
    means = np.concatenate([weights @ known / known.size for weights in draws(known.size, resamples, seed)])
    return bounds(means, level)


def draws(groups: int, resamples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """(r, groups) float64 blocks: how often each group stands in each resample; the blocks add up to ``resamples``."""
    rows = max(1, min(resamples, _CELLS // groups))
    for block, start in enumerate(range(0, resamples, rows)):
        size = min(rows, resamples - start)
        chosen = seeds.rng(seed, "bootstrap", block).integers(0, groups, (size, groups))
        chosen += np.arange(size)[:, None] * groups
        times = np.bincount(chosen.ravel(), minlength=size * groups)
        del chosen  # as large as what is made of it next
        yield times.reshape(size, groups).astype(np.float64)


def bounds(values: npt.NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """The percentile interval of resampled values, those that are undefined left out; NaN where all are."""
    edge = 50 * (1 - level)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN: the figure is undefined, and stays NaN
        low, high = np.nanpercentile(values, [edge, 100 - edge])
    return float(low), float(high)
