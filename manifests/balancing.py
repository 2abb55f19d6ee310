"""Balancing: whole groups given out to splits so that sizes and every stratum come as near to the shares as can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from manifests.dealing import EXACT_CASES, Floats, Ints, fill_empty, normal
from manifests.strata import Stratum
from masksmith import seeds

_ROUNDS = 400
_MOVED = 4000  # groups that may still move after all were given out
_EXCHANGED = 500  # of which so many may change places in pairs


def features(labels: Ints, count: int, columns: Sequence[Stratum]) -> Ints:
    """(C, F) records of each group: all of them, and those in each bin of each column.

    Args:
        labels: (N,) group of each record, 0 to ``count`` - 1.
    """
    parts = [np.bincount(labels, minlength=count)[:, None]]
    for each in columns:
        size = len(each.labels)
        parts.append(np.bincount(labels * size + each.bins, minlength=count * size).reshape(count, size))
    return np.concatenate(parts, axis=1).astype(np.int64)


def assign_even(counts: Ints, columns: int, shares: Mapping[str, float], seed: int) -> Ints:
    """(C,) the split of each group, given its (C, F) :func:`features`.

    What is made small is the sum over splits and features of (got - wanted)^2 / wanted, where all records together
    weigh as much as two times all columns. Groups that are alike are shared out first, whole lots at a time; what is
    left goes one by one, large ones first, to where it is wanted most (the idea of iterative stratification, for
    groups: Sechidis, Tsoumakas, Vlahavas, ECML 2011); then groups move or change places while that helps. Few
    groups are tried in all ways. No split stays empty where there are groups enough.
    """
    target = normal(shares)
    ways, count = len(target), len(counts)
    total = counts.sum(axis=0).astype(np.float64)
    weigh = 1.0 / np.maximum(target[:, None] * total[None], 1e-9)
    weigh[:, total == 0] = 0.0
    weigh[:, 0] *= 2.0 * max(columns, 1)
    want = target[:, None] * total[None]
    order = seeds.rng(seed, "even").permutation(count)
    if ways**count <= EXACT_CASES:
        return _best(counts, want, weigh, order)
    out = np.full(count, -1, np.int64)
    rest = _alike(counts, target, order, out)
    got = np.stack([counts[out == k].sum(axis=0) for k in range(ways)]).astype(np.float64)
    rest = rest[np.argsort(-counts[rest, 0], kind="stable")]
    off = got - want
    for group in rest.tolist():
        mine = counts[group].astype(np.float64)
        chosen = int(np.argmin(((2.0 * off + mine) * mine * weigh).sum(axis=1)))
        out[group] = chosen
        off[chosen] += mine
    fill_empty(out, counts[:, 0], order, ways)
    _improve(out, counts, want, weigh, rest if len(rest) >= min(count, _EXCHANGED) else order)
    return out


def _alike(counts: Ints, target: Floats, order: Ints, out: Ints) -> Ints:
    """Share out groups of equal features in whole lots; returns those left, in a seeded order."""
    key = counts @ seeds.rng(0, "features").integers(1, 2**40, counts.shape[1])
    _, kind, size = np.unique(key, return_inverse=True, return_counts=True)
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    by_kind = np.lexsort((position, kind))
    starts = np.concatenate([[0], np.cumsum(size)])[:-1]
    within = np.empty(len(order), np.int64)
    within[by_kind] = np.arange(len(order)) - np.repeat(starts, size)
    ends = np.cumsum(np.floor(size[:, None] * target[None] + 1e-9).astype(np.int64), axis=1)
    for way in range(len(target) - 1, -1, -1):
        out[within < ends[kind, way]] = way
    return order[out[order] < 0]


def _best(counts: Ints, want: Floats, weigh: Floats, order: Ints) -> Ints:
    """All ways tried: the fewest empty splits, then the least cost."""
    ways, count = len(want), len(counts)
    cases = np.arange(ways**count)[:, None] // ways ** np.arange(count) % ways
    cost = np.zeros(len(cases))
    for way in range(ways):
        got = (cases == way).astype(np.float64) @ counts[order].astype(np.float64)
        cost += ((got - want[way]) ** 2 * weigh[way]).sum(axis=1) + (got[:, 0] == 0) * 1e12
    out = np.empty(count, np.int64)
    out[order] = cases[int(np.argmin(np.round(cost, 9)))]
    return out


def _improve(out: Ints, counts: Ints, want: Floats, weigh: Floats, order: Ints) -> None:
    """Move one group, or exchange two, as long as the cost falls."""
    # small groups mend what large ones leave
    free = order[np.argsort(counts[order, 0], kind="stable")][:_MOVED]
    mine = counts[free].astype(np.float64)
    square = (mine * mine) @ weigh.T
    pairs = min(len(free), _EXCHANGED)
    every = np.arange(len(free))
    off = np.stack([counts[out == k].sum(axis=0) for k in range(len(want))]) - want
    for _ in range(_ROUNDS):
        home = out[free]
        pull = mine @ (2.0 * off * weigh).T
        leave = -pull[every, home] + square[every, home]
        gain = leave[:, None] + pull + square
        gain[every, home] = 0.0
        alone = np.bincount(out, minlength=len(want)) < 2
        single = np.where(alone[home][:, None], 0.0, gain)
        group, way = divmod(int(np.argmin(single)), len(want))
        least = float(single[group, way])
        swap = _exchange(gain[:pairs], home[:pairs], mine[:pairs], weigh)
        if swap is not None and swap[0] < min(least, -1e-9):
            _, one, other = swap
            a, b = int(home[one]), int(home[other])
            off[a] += mine[other] - mine[one]
            off[b] += mine[one] - mine[other]
            out[free[one]], out[free[other]] = b, a
        elif least < -1e-9:
            off[home[group]] -= mine[group]
            off[way] += mine[group]
            out[free[group]] = way
        else:
            return


def _exchange(gain: Floats, home: Ints, mine: Floats, weigh: Floats) -> tuple[float, int, int] | None:
    """The best exchange of two groups of different splits: its change of cost, and the groups."""
    best: tuple[float, int, int] | None = None
    ways = len(weigh)
    for a in range(ways):
        for b in range(a + 1, ways):
            left, right = np.flatnonzero(home == a), np.flatnonzero(home == b)
            if not len(left) or not len(right):
                continue
            both = (mine[left] * (weigh[a] + weigh[b])) @ mine[right].T
            cost = gain[left, b][:, None] + gain[right, a][None] - 2.0 * both
            place = int(np.argmin(cost))
            i, j = divmod(place, len(right))
            if best is None or cost[i, j] < best[0]:
                best = float(cost[i, j]), int(left[i]), int(right[j])
    return best
