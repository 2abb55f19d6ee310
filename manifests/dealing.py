"""Dealing: whole groups given out to splits so that each comes as near to its share as the groups allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from masksmith import seeds
from masksmith.errors import UsageProblem

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

EXACT_CASES = 200_000  # up to 11 groups over three splits are tried in all ways
_ROUNDS = 200


def assign(sizes: Ints, shares: Mapping[str, float], seed: int) -> Ints:
    """(C,) the split (position in ``shares``) of each group, given the (C,) sizes of the groups in records.

    Few groups are tried in all ways. Of many, the large ones go first, each to the split that lacks most, and then
    groups move or change places as long as that brings a split nearer to its share. No split stays empty where there
    are groups enough. Groups must come in an order of their own (not that of the records), which a seeded permutation
    then breaks.
    """
    target = normal(shares)
    want = target * sizes.sum()
    count, ways = len(sizes), len(target)
    order = seeds.rng(seed, "split").permutation(count)
    if ways**count <= EXACT_CASES:
        return _best(sizes, want, order)
    order = order[np.argsort(-sizes[order], kind="stable")]
    out = np.zeros(count, np.int64)
    lack = want.copy()
    large = order[sizes[order] > 1]
    for group in large.tolist():
        chosen = int(np.argmax(lack))
        out[group] = chosen
        lack[chosen] -= sizes[group]
    single = order[len(large) :]
    parts = whole(len(single), np.maximum(lack, 0) if lack.max() > 0 else target)
    out[single] = np.repeat(np.arange(ways), parts)
    fill_empty(out, sizes, order, ways)
    _improve(out, sizes, want, order)
    return out


def assign_values(names: Sequence[str], shares: Mapping[str, float], seed: int, purpose: str) -> dict[str, str]:
    """Deal names (subjects, floors) out to splits; every split gets one where there are enough.

    Args:
        purpose: what the names are; two lists of different purpose are dealt out independently.
    """
    target = normal(shares)
    ordered = sorted(set(names))
    parts = whole(len(ordered), target)
    while len(ordered) >= len(parts) and parts.min() == 0:
        parts[int(np.argmax(parts))] -= 1
        parts[int(np.argmin(parts))] += 1
    splits = np.repeat(np.array(list(shares)), parts)
    order = seeds.rng(seed, "values", purpose).permutation(len(ordered))
    return {ordered[int(place)]: str(split) for place, split in zip(order, splits, strict=True)}


def normal(shares: Mapping[str, float]) -> Floats:
    """Shares as numbers that add up to 1, in their order.

    Raises:
        UsageProblem: none at all, or one that is not above 0.
    """
    target = np.array(list(shares.values()), np.float64)
    if not len(target) or not np.isfinite(target).all() or (target <= 0).any():
        raise UsageProblem(f"shares must be above 0: {dict(shares)}")
    return target / target.sum()


def whole(count: int, weights: npt.NDArray[Any]) -> Ints:
    """``count`` divided in whole numbers as nearly in proportion to ``weights`` as can be."""
    exact = count * np.asarray(weights, np.float64) / np.sum(weights)
    parts = np.floor(exact).astype(np.int64)
    parts[np.argsort(parts - exact, kind="stable")[: count - int(parts.sum())]] += 1
    return parts


def _best(sizes: Ints, want: Floats, order: Ints) -> Ints:
    """All ways tried: the fewest empty splits, then the least sum of absolute deviations."""
    ways, count = len(want), len(sizes)
    cases = np.arange(ways**count)[:, None] // ways ** np.arange(count) % ways
    got = np.stack([(cases == k) @ sizes[order] for k in range(ways)], axis=1)
    cost = np.abs(got - want).sum(axis=1) + (got == 0).sum(axis=1) * 2.0 * sizes.sum()
    out = np.empty(count, np.int64)
    out[order] = cases[int(np.argmin(np.round(cost, 6)))]
    return out


def fill_empty(out: Ints, sizes: Ints, order: Ints, ways: int) -> None:
    """Give an empty split the smallest group of the split that has most records and more than one group."""
    while True:
        groups = np.bincount(out, minlength=ways)
        if groups.min() > 0 or groups.max() < 2:
            return
        records = np.where(groups > 1, np.bincount(out, weights=sizes, minlength=ways), -1)
        smallest = order[::-1][out[order[::-1]] == int(np.argmax(records))][0]
        out[smallest] = int(np.argmin(groups))


def _improve(out: Ints, sizes: Ints, want: Floats, order: Ints) -> None:
    """Move a group, or change two, from a split with too many records to one with too few, while it helps."""
    got = np.bincount(out, weights=sizes, minlength=len(want))
    for _ in range(_ROUNDS):
        over = got - want
        pairs = [(rich, poor) for rich in np.argsort(-over) for poor in np.argsort(over) if over[rich] > 0 > over[poor]]
        for rich, poor in pairs:
            wish = min(over[rich], -over[poor])
            mine, theirs = order[out[order] == rich], order[out[order] == poor]
            moved = _exchange(sizes[mine], sizes[theirs], wish)
            if moved is None:
                continue
            give, take = moved
            amount = sizes[mine[give]] - (sizes[theirs[take]] if take >= 0 else 0)
            gain = abs(over[rich]) + abs(over[poor]) - abs(over[rich] - amount) - abs(over[poor] + amount)
            if gain > 1e-9:
                out[mine[give]] = poor
                if take >= 0:
                    out[theirs[take]] = rich
                got[rich] -= amount
                got[poor] += amount
                break
        else:
            return


def _exchange(mine: Ints, theirs: Ints, wish: float) -> tuple[int, int] | None:
    """Which of ``mine`` to give, and which of ``theirs`` to take back (-1: none), to pass on ``wish`` records most
    nearly."""
    have, first = np.unique(mine, return_index=True)
    back, place = np.unique(theirs, return_index=True)
    # giving the only group away would leave the split empty
    back, place = (np.append(back, 0), np.append(place, -1)) if len(mine) > 1 else (back, place)
    if not len(back):
        return None
    at = np.searchsorted(have, back + wish)
    low, high = np.maximum(at - 1, 0), np.minimum(at, len(have) - 1)
    near = np.where(np.abs(have[low] - back - wish) <= np.abs(have[high] - back - wish), low, high)
    best = int(np.argmin(np.abs(have[near] - back - wish)))
    return int(first[near[best]]), int(place[best])
