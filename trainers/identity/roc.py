"""Same or different: what a threshold on distances gets right."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def accuracy(distances: npt.NDArray[Any], same: npt.NDArray[np.bool_], threshold: float) -> float:
    """Share of N pairs that ``distance < threshold`` calls rightly."""
    return float(((distances < threshold) == same).mean())


def best_threshold(distances: npt.NDArray[Any], same: npt.NDArray[np.bool_]) -> float:
    """The threshold with the best accuracy: the middle between the distances around it.

    Among equals it is the one in the middle, and the midpoint between the two distances keeps it off either.

    Raises:
        ValueError: no pair.
    """
    if not len(distances):
        raise ValueError("no pairs to choose a threshold by")
    order = np.argsort(distances, kind="stable")
    ordered, truth = distances[order].astype(np.float64), same[order]
    # with the threshold after k pairs, the first k are called the same
    right = np.concatenate([[0], np.cumsum(truth)]) + np.concatenate([np.cumsum(~truth[::-1])[::-1], [0]])
    edges = np.concatenate([[ordered[0] - 1e-6], (ordered[1:] + ordered[:-1]) / 2, [ordered[-1] + 1e-6]])
    apart = np.concatenate([[True], np.diff(ordered) > 0, [True]])
    right = np.where(apart, right, -1)
    good = np.flatnonzero(right == right.max())
    return float(edges[good[len(good) // 2]])


def roc(distances: npt.NDArray[Any], same: npt.NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Thresholds, false accept rates and validation rates (true accept rates), all rising, ties as one step.

    Raises:
        ValueError: there is no pair of one person, or none of two.
    """
    if not same.any() or same.all():
        raise ValueError("rates need pairs of one person and pairs of two")
    order = np.argsort(distances, kind="stable")
    ordered, truth = distances[order].astype(np.float64), same[order]
    last = np.concatenate([np.diff(ordered) > 0, [True]])
    accepted = np.cumsum(truth)[last] / same.sum()
    false = np.cumsum(~truth)[last] / (~same).sum()
    return (
        np.concatenate([[0.0], ordered[last]]),
        np.concatenate([[0.0], false]),
        np.concatenate([[0.0], accepted]),
    )


def auc(distances: npt.NDArray[Any], same: npt.NDArray[np.bool_]) -> float:
    """Area under the ROC curve: the chance that a pair of one person is nearer than a pair of two, ties a half."""
    _, false, accepted = roc(distances, same)
    return float(np.trapezoid(accepted, false))


def threshold_at(distances: npt.NDArray[Any], same: npt.NDArray[np.bool_], far: float) -> float:
    """The threshold at a false accept rate, by linear interpolation of the ROC's (rate, threshold) points."""
    thresholds, false, _ = roc(distances, same)
    rates, first = np.unique(false, return_index=True)
    # of the thresholds with one rate the largest accepts most
    last = np.concatenate([first[1:] - 1, [len(false) - 1]])
    return float(np.interp(far, rates, thresholds[last]))


def rates(distances: npt.NDArray[Any], same: npt.NDArray[np.bool_], threshold: float) -> tuple[float, float]:
    """(VAL, FAR): the shares of pairs of one person, and of two, with a distance of at most ``threshold``."""
    near = distances <= threshold
    return float(near[same].mean()), float(near[~same].mean())
