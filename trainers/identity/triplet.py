"""The triplet loss over all triplets of a mini-batch that a mining rule picks (document N; FaceNet, equation 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.identity.distances import check_distance
from trainers.identity.mining import find_rule

MARGIN = 0.2
_TINY = 1e-8
"""Under the root: two equal points have a distance of 1e-4 and a gradient."""


@dataclass(frozen=True)
class Mined:
    """A batch's loss and what it was taken over.

    Attributes:
        loss: scalar, the mean over the triplets taken; 0 with a gradient of 0 where there is none.
        taken: number of triplets.
        share: of all (anchor, positive, negative) triplets.
    """

    loss: Tensor
    taken: int
    share: float


def distance_matrix(points: Tensor, distance: str = "euclidean") -> Tensor:
    """(B, B) distances between points of length 1, (B, D).

    Raises:
        UsageProblem: an unknown distance.
    """
    check_distance(distance)
    squared = (2 - 2 * points @ points.T).clamp(min=0)
    return squared if distance == "squared" else (squared + _TINY).sqrt()


def triplet_loss(
    points: Tensor,
    people: Tensor,
    *,
    margin: float = MARGIN,
    distance: str = "euclidean",
    mining: str = "semihard",
) -> Mined:
    """Mean of ``max(0, d_ap - d_an + margin)`` over the triplets that ``mining`` picks.

    Args:
        points: (B, D) embeddings of length 1.
        people: (B,) whose photo each is.
        distance: ``euclidean`` or ``squared``.
        mining: a key of :data:`trainers.identity.mining.RULES`.

    Raises:
        UsageProblem: an unknown distance or mining rule.
    """
    rule = find_rule(mining)
    apart = distance_matrix(points, distance)
    same = people[:, None] == people[None, :]
    itself = torch.eye(len(people), dtype=torch.bool, device=people.device)
    anchor, positive = (same & ~itself).nonzero(as_tuple=True)
    d_ap, d_an, other = apart[anchor, positive][:, None], apart[anchor], ~same[anchor]
    with torch.no_grad():
        picked = other & rule(d_ap, d_an, margin)
    taken, possible = int(picked.sum()), int(other.sum())
    costs = F.relu(d_ap - d_an + margin) * picked
    return Mined(costs.sum() / max(taken, 1), taken, taken / max(possible, 1))
