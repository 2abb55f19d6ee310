"""Distances between embeddings, and what counts as the same person."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from masksmith.errors import unknown_choice

Floats = npt.NDArray[np.float64]

DISTANCES = ("euclidean", "squared")
SAME_BELOW = 1.1
"""Document N: the same person below a Euclidean distance of 1.1; FaceNet (Schroff et al. 2015) means squared L2."""


def check_distance(name: str) -> None:
    """Raises UsageProblem where ``name`` is neither ``euclidean`` nor ``squared``."""
    if name not in DISTANCES:
        raise unknown_choice("distance", name, DISTANCES)


def between(first: npt.NDArray[Any], second: npt.NDArray[Any], distance: str = "euclidean") -> Floats:
    """(N,) distances of row k of ``first`` from row k of ``second``, each (N, D).

    Raises:
        UsageProblem: an unknown distance.
    """
    check_distance(distance)
    squared = np.square(first.astype(np.float64) - second.astype(np.float64)).sum(axis=-1)
    return squared if distance == "squared" else np.sqrt(squared)


def pairwise(points: npt.NDArray[Any], distance: str = "euclidean") -> Floats:
    """(N, N) distances of the rows of (N, D) from one another, zero on the diagonal.

    Raises:
        UsageProblem: an unknown distance.
    """
    check_distance(distance)
    from scipy.spatial.distance import pdist, squareform

    kind = "sqeuclidean" if distance == "squared" else "euclidean"
    return np.asarray(squareform(pdist(points.astype(np.float64), kind)), np.float64)


def as_euclidean(threshold: float, distance: str) -> float:
    """The Euclidean distance that a threshold in ``distance`` stands for.

    Raises:
        UsageProblem: an unknown distance, or a threshold that is not above 0.
    """
    check_distance(distance)
    from masksmith.errors import UsageProblem

    if not threshold > 0:
        raise UsageProblem(f"a threshold is above 0, not {threshold:g}")
    return float(np.sqrt(threshold)) if distance == "squared" else float(threshold)
