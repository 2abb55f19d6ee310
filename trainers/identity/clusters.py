"""Who is who: average-link clusters of embeddings, judged by pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from masksmith.errors import BadInput
from trainers.identity.distances import as_euclidean

MAX_POINTS = 20_000
"""Average link holds every pair's distance: 1.6 GB for so many points."""


@dataclass(frozen=True)
class PairScore:
    """How pairs of photos were judged.

    Attributes:
        precision: of the pairs put together, the share that belong together; 1 where none is put together.
        recall: of the pairs that belong together, the share put together; 1 where none belong together.
        f1: their harmonic mean.
        error: share of all pairs that are wrong either way.
        pairs: number of all pairs.
    """

    precision: float
    recall: float
    f1: float
    error: float
    pairs: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Tree:
    """Average-link clustering of points on the unit sphere, cut wherever one likes.

    Args:
        points: (N, D).
        distance: what thresholds are in, ``euclidean`` or ``squared``; the tree's links are Euclidean means.

    Raises:
        BadInput: more points than fit in memory.
    """

    def __init__(self, points: npt.NDArray[Any], distance: str = "euclidean") -> None:
        if len(points) > MAX_POINTS:
            raise BadInput(
                "clustering", f"at most {MAX_POINTS:,} faces", f"{len(points):,}", "cluster one split or clip at a time"
            )
        self.count, self.distance = len(points), distance
        self.links = linkage(pdist(points.astype(np.float64)), "average") if len(points) > 1 else None

    def cut(self, threshold: float) -> npt.NDArray[np.int64]:
        """(N,) cluster numbers from 0 in order of appearance: clusters merged below ``threshold``."""
        height = as_euclidean(threshold, self.distance)
        if self.links is None:
            return np.zeros(self.count, np.int64)
        return in_order(fcluster(self.links, height, "distance"))

    def best_cut(self, truth: npt.NDArray[np.int64]) -> tuple[float, PairScore]:
        """The threshold with the best F1 of pairs over known people: the middle of its range, and its score."""
        if self.links is None:
            return as_euclidean(1.1, "euclidean"), pair_score(self.cut(1.1), truth)
        heights = np.unique(self.links[:, 2])
        edges = np.concatenate([[heights[0] / 2], (heights[1:] + heights[:-1]) / 2, [heights[-1] * 1.05]])
        if len(edges) > 400:
            edges = edges[np.linspace(0, len(edges) - 1, 400).round().astype(int)]
        scores = [pair_score(in_order(fcluster(self.links, edge, "distance")), truth) for edge in edges]
        best = max(score.f1 for score in scores)
        good = [k for k, score in enumerate(scores) if score.f1 >= best - 1e-12]
        middle = good[len(good) // 2]
        height = float(edges[middle])
        return (height**2 if self.distance == "squared" else height), scores[middle]


def in_order(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Labels renumbered from 0 in the order in which they appear."""
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[codes], np.int64)


def pair_score(found: npt.NDArray[Any], truth: npt.NDArray[Any]) -> PairScore:
    """Precision, recall and F1 over all pairs of N photos: put together against belonging together.

    Counted over the table of (cluster, person), so that memory does not grow with the square of N.

    Args:
        found, truth: (N,) labels.

    Raises:
        ValueError: they differ in length.
    """
    if len(found) != len(truth):
        raise ValueError(f"{len(found)} labels found, {len(truth)} known")
    _, a = np.unique(found, return_inverse=True)
    _, b = np.unique(truth, return_inverse=True)
    cells = np.unique(a.astype(np.int64) * (int(b.max(initial=0)) + 1) + b, return_counts=True)[1]
    hit, together = _pairs(cells), _pairs(np.bincount(a) if len(a) else np.zeros(0, np.int64))
    belonging, all_pairs = _pairs(np.bincount(b) if len(b) else np.zeros(0, np.int64)), len(a) * (len(a) - 1) // 2
    return score_of(hit, together, belonging, all_pairs)


def score_of(hit: int, together: int, belonging: int, all_pairs: int) -> PairScore:
    """The score from counts of pairs: right ones put together, put together, belonging together, all."""
    precision = hit / together if together else 1.0
    recall = hit / belonging if belonging else 1.0
    both = precision + recall
    wrong = (together - hit) + (belonging - hit)
    return PairScore(
        precision, recall, 2 * precision * recall / both if both else 0.0, wrong / max(all_pairs, 1), all_pairs
    )


def names_of(labels: Sequence[int] | npt.NDArray[np.int64], prefix: str = "person") -> list[str]:
    """``person-0001`` and so on, one a label."""
    return [f"{prefix}-{int(label) + 1:04d}" for label in labels]


def named(labels: npt.NDArray[np.int64], known: Sequence[str | None]) -> list[str]:
    """A name a face: that of the one person known in its cluster, else the cluster's own, which nobody else has."""
    found = names_of(labels)
    taken = {name for name in known if name is not None}
    for label in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == label).tolist()
        people = {name for row in rows if (name := known[row]) is not None}
        name = found[rows[0]]
        while name in taken and len(people) != 1:
            name += "x"
        for row in rows:
            found[row] = next(iter(people)) if len(people) == 1 else name
    return found


def _pairs(counts: npt.NDArray[Any]) -> int:
    wide = counts.astype(np.int64)
    return int((wide * (wide - 1) // 2).sum())
