"""Few people, many numbers: an embedding fitted in closed form over the features of an encoder trained on ImageNet.

Triplets need thousands of people. Of a few dozen one can learn which directions of a good feature space change from
photo to photo of one person, and shrink them: within-class covariance normalisation (Hatch, Kajarekar and Stolcke
2006), with the covariance drawn towards a multiple of the identity, after a projection to the largest principal
components.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from masksmith import seeds
from trainers.identity.clusters import PairScore, Tree, pair_score
from trainers.networks.facenet import DIMENSIONS

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

FOLDS = 4
REPEATS = 3
_HEIGHTS = np.linspace(0.2, 1.6, 71)


def fit(features: Floats, people: Labels, shrink: float) -> tuple[Floats, Floats]:
    """Weight (DIMENSIONS, D) and bias (DIMENSIONS,) of the layer that whitens what varies within people.

    Args:
        features: (N, D), several rows a person.
        people: (N,) numbers.
        shrink: the mean variance within people is added to every direction so many times.
    """
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    values = (features - mean) / deviation
    _, _, across = np.linalg.svd(values, full_matrices=False)
    main = across[:DIMENSIONS].T
    flat = values @ main
    for number in np.unique(people):
        rows = people == number
        flat[rows] -= flat[rows].mean(0)
    within = flat.T @ flat / len(flat)
    within += np.eye(len(within)) * (np.trace(within) / len(within) * shrink)
    sizes, turned = np.linalg.eigh(within)
    layer = main @ turned / np.sqrt(sizes)
    weight, bias = np.zeros((DIMENSIONS, features.shape[1])), np.zeros(DIMENSIONS)
    weight[: layer.shape[1]] = (layer / deviation[:, None]).T
    bias[: layer.shape[1]] = -(mean / deviation) @ layer
    return weight, bias


def embedded(features: tuple[Floats, Floats], weight: Floats, bias: Floats) -> Floats:
    """(N, DIMENSIONS) points of length 1: of photos and their mirror images, added."""
    sides = [side @ weight.T + bias for side in features]
    total = sum(side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True), np.float64)


def held_out_threshold(
    features: tuple[Floats, Floats], people: Labels, shrink: float, seed: int
) -> tuple[float, PairScore]:
    """The Euclidean threshold that clusters people best who were not fitted to, and how well it does on them.

    People are dealt into folds; each fold is clustered by the layer fitted to the others. The threshold has the best
    mean F1 over all folds; its score is over the pairs within folds.
    """
    trees = list(_held_out(features, people, shrink, seed))
    scores = [[pair_score(tree.cut(height), truth) for height in _HEIGHTS] for tree, truth in trees]
    mean = np.array([[score.f1 for score in row] for row in scores]).mean(0)
    good = np.flatnonzero(mean >= mean.max() - 0.005)  # the middle of a flat top
    best = int(good[len(good) // 2])
    chosen = [row[best] for row in scores]
    weights = np.array([score.pairs for score in chosen], np.float64)
    figures = {
        name: float(np.average([getattr(score, name) for score in chosen], weights=weights))
        for name in ("precision", "recall", "f1", "error")
    }
    return float(_HEIGHTS[best]), PairScore(**figures, pairs=int(weights.sum()))


def _held_out(
    features: tuple[Floats, Floats], people: Labels, shrink: float, seed: int
) -> Iterator[tuple[Tree, Labels]]:
    names = np.unique(people)
    folds = min(FOLDS, len(names) // 2)
    for turn in range(REPEATS):
        order = seeds.rng(seed, "people", turn).permutation(names)
        for fold in range(folds):
            out = np.isin(people, order[fold::folds])
            both = np.concatenate([side[~out] for side in features])
            weight, bias = fit(both, np.tile(people[~out], len(features)), shrink)
            held = (features[0][out], features[1][out])
            yield Tree(embedded(held, weight, bias)), people[out]
