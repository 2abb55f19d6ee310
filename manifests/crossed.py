"""Crossed keys: splits for records whose groups all hang together, such as feet paired with floors at random.

The values of each key are dealt out by themselves, and a record whose values fall into different splits gets none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from manifests.dealing import Floats, Ints, assign, normal, whole
from masksmith import seeds

_DEALS = 6
_ROUNDS = 12
_FEW = 100_000  # above that many records, chance is even enough for fewer tries
_CLOSE = 0.02  # a deal this near to the shares may be exchanged for one that keeps more records


@dataclass(frozen=True)
class Units:
    """What is dealt out for one key, or for some keys together: ``rows`` and ``values`` are parallel arrays, a row
    once for each of its values; ``count`` is the number of values."""

    rows: Ints
    values: Ints
    count: int


def deal(units: Sequence[Units], labels: Ints, shares: Mapping[str, float], seed: int) -> Ints:
    """(N,) the split of each record, -1 where its values disagree.

    A record of split s needs all of its K keys in s. With keys dealt independently that has the chance p_s^K, so
    p_s goes as share_s^(1/K): of all ways in which the kept records follow the shares, this keeps most (Hölder's
    inequality). Then what chance left uneven is evened out, and values go where most of their records already are,
    which keeps nearly all records where only few of them cross. The best deal seen counts.

    Records without any value are dealt out by themselves.

    Args:
        labels: (N,) component of each record, numbered without regard to the order of the records.
    """
    rows = len(labels)
    target = normal(shares)
    ways = len(target)
    power = 1.0 / len(units)
    weights = [np.bincount(each.values, minlength=each.count) for each in units]
    chances = target**power
    best: Ints = np.full(rows, -1, np.int64)
    best_score = (ways + 1, 0.0, 0)
    bound = np.zeros(rows, bool)
    for each in units:
        bound[each.rows] = True
    for attempt in range(_DEALS if rows <= _FEW else 2):
        mix = dict(enumerate((chances / chances.sum()).tolist()))
        named = {str(k): share for k, share in mix.items()}
        dealt = [assign(weight, named, seeds.integer(seed, "crossed", attempt, k)) for k, weight in enumerate(weights)]
        first = _agreed(units, dealt, rows, ways)
        pull = np.ones(ways)
        for _ in range(_ROUNDS if rows <= _FEW else 4):
            of = _agreed(units, dealt, rows, ways)
            counts = np.bincount(of[of >= 0], minlength=ways)
            score = _score(counts, target)
            if score < best_score:
                best, best_score = of, score
            realised = np.maximum(counts, 0.5) / max(counts.sum(), 1)
            pull = np.clip(pull * (target / realised) ** 0.5, 0.05, 20.0)
            dealt = _settle(units, dealt, rows, pull)
        counts = np.bincount(first[first >= 0], minlength=ways)
        realised = np.maximum(counts, 0.5) / max(counts.sum(), 1)
        chances = chances * (target / realised) ** (power / 2)
    free = np.flatnonzero(~bound)
    free = free[np.argsort(labels[free])]
    if len(free):
        # their number may make good what the others lack
        have = np.bincount(best[best >= 0], minlength=ways)
        lack = np.maximum(target * (have.sum() + len(free)) - have, 0)
        parts = whole(len(free), lack if lack.sum() > 0 else target)
        best = best.copy()
        best[free[seeds.rng(seed, "free").permutation(len(free))]] = np.repeat(np.arange(ways), parts)
    return best


def _agreed(units: Sequence[Units], dealt: Sequence[Ints], rows: int, ways: int) -> Ints:
    """(N,) the split in which all values of a record are, -1 where they disagree or there are none."""
    low, high = np.full(rows, ways, np.int64), np.full(rows, -1, np.int64)
    for each, splits in zip(units, dealt, strict=True):
        given = splits[each.values]
        np.minimum.at(low, each.rows, given)
        np.maximum.at(high, each.rows, given)
    return np.where(low == high, low, -1)


def _settle(units: Sequence[Units], dealt: Sequence[Ints], rows: int, pull: Floats) -> list[Ints]:
    """One key after the other: each value to the split in which most of its records would be kept, times ``pull``."""
    now = list(dealt)
    ways = len(pull)
    for k, each in enumerate(units):
        others = [*units[:k], *units[k + 1 :]]
        if others:
            of = _agreed(others, [*now[:k], *now[k + 1 :]], rows, ways)
            given = of[each.rows]
            fits = given >= 0
            votes = np.bincount(each.values[fits] * ways + given[fits], minlength=each.count * ways)
            worth = votes.reshape(each.count, ways) * pull
            chosen = np.argmax(worth, axis=1).astype(np.int64)
            # a value that no split would keep stays where it is; so does one that gains nothing
            stay = worth[np.arange(each.count), now[k]] >= worth.max(axis=1)
            now[k] = np.where(stay, now[k], chosen)
    return now


def _score(counts: Ints, target: Floats) -> tuple[int, float, int]:
    """Lower is better: no split empty, then shares within a narrow band, then many records kept."""
    kept = int(counts.sum())
    off = float(np.abs(counts / max(kept, 1) - target).max())
    return int((counts == 0).sum()), round(max(off - _CLOSE, 0.0), 4), -kept
