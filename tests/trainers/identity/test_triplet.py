from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional as F

from masksmith.errors import UsageProblem
from trainers.identity.mining import RULES
from trainers.identity.triplet import distance_matrix, triplet_loss


def points(seed: int = 0, people: int = 3, photos: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.randn(people * photos, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(made, dim=1), torch.arange(people).repeat_interleave(photos)


def by_hand(x: torch.Tensor, who: torch.Tensor, margin: float, mining: str, squared: bool) -> tuple[float, int]:
    costs = []
    for a, p, n in itertools.product(range(len(x)), repeat=3):
        if a == p or who[a] != who[p] or who[a] == who[n]:
            continue
        ap, an = ((x[a] - x[p]) ** 2).sum().item(), ((x[a] - x[n]) ** 2).sum().item()
        if not squared:
            ap, an = ap**0.5, an**0.5
        taken = {
            "semihard": ap < an < ap + margin,
            "printed": ap < an,
            "violating": an < ap + margin,
        }[mining]
        if taken:
            costs.append(max(0.0, ap - an + margin))
    return sum(costs) / max(len(costs), 1), len(costs)


@pytest.mark.parametrize("distance", ["euclidean", "squared"])
@pytest.mark.parametrize("mining", sorted(RULES))
def test_the_loss_is_the_mean_over_the_triplets_that_the_rule_takes(mining: str, distance: str) -> None:
    for seed in range(5):
        x, who = points(seed)
        mined = triplet_loss(x, who, margin=0.4, mining=mining, distance=distance)
        cost, taken = by_hand(x, who, 0.4, mining, distance == "squared")
        assert mined.taken == taken
        assert mined.loss.item() == pytest.approx(cost, abs=1e-5)


@pytest.mark.parametrize("distance", ["euclidean", "squared"])
@pytest.mark.parametrize("mining", sorted(RULES))
def test_gradients_are_those_of_finite_differences(mining: str, distance: str) -> None:
    x, who = points(3)
    raw = x.clone().requires_grad_(True)

    def cost(values: torch.Tensor) -> torch.Tensor:
        return triplet_loss(F.normalize(values, dim=1), who, margin=0.4, mining=mining, distance=distance).loss

    assert torch.autograd.gradcheck(cost, (raw,), eps=1e-7, atol=1e-5)


def test_the_printed_rule_takes_negatives_that_cost_nothing_and_semihard_does_not() -> None:
    x, who = points(1)
    semihard = triplet_loss(x, who, mining="semihard")
    printed = triplet_loss(x, who, mining="printed")
    assert printed.taken > semihard.taken
    assert printed.loss < semihard.loss
    assert 0 < semihard.share < printed.share < 1


def test_equal_points_have_a_finite_gradient() -> None:
    x = torch.ones(4, 3).requires_grad_(True)
    triplet_loss(F.normalize(x, dim=1), torch.tensor([0, 0, 1, 1]), mining="violating").loss.backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())


def test_without_a_triplet_the_loss_is_zero() -> None:
    x, _ = points(people=1)
    mined = triplet_loss(x, torch.zeros(3, dtype=torch.long))
    assert (mined.loss.item(), mined.taken, mined.share) == (0.0, 0, 0.0)


def test_squared_distances_are_the_squares() -> None:
    x, _ = points()
    assert torch.allclose(distance_matrix(x) ** 2, distance_matrix(x, "squared"), atol=1e-6)


@pytest.mark.parametrize("wrong", [{"mining": "hardest"}, {"distance": "cosine"}])
def test_unknown_names_are_refused_with_the_choices(wrong: dict[str, str]) -> None:
    x, who = points()
    with pytest.raises(UsageProblem, match="Choices"):
        triplet_loss(x, who, **wrong)  # type: ignore[arg-type]
