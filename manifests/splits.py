"""Splits that keep groups apart: connected components over several keys, dealt out to meet target shares."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.record import group_keys, members
from masksmith import seeds
from masksmith.errors import UsageProblem

Ints = npt.NDArray[np.int64]

DEFAULT_SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
TOLERANCE = 0.10  # components that miss a share by more than this are crossed keys: values are dealt out instead
_EXACT_CASES = 20_000


@dataclass(frozen=True)
class Plan:
    """How a split came out.

    Attributes:
        keys: what no two splits share.
        target, realised: share of each split; ``realised`` counts the records that are in a split.
        counts: records a split.
        method: ``components`` (nothing lost) or ``values`` (records that mix two splits have none).
        components, largest: number of connected components, and records in the largest.
        dropped: records left without a split.
        unknown: records without a value, key by key.
    """

    keys: tuple[str, ...]
    seed: int
    target: Mapping[str, float]
    realised: Mapping[str, float]
    counts: Mapping[str, int]
    method: str
    components: int
    largest: int
    dropped: int
    unknown: Mapping[str, int] = field(default_factory=dict)

    @property
    def deviation(self) -> float:
        """The largest difference between a realised share and its target."""
        return max((abs(self.realised[name] - self.target[name]) for name in self.target), default=0.0)


@dataclass(frozen=True)
class _Edges:
    """Which record has which value: parallel arrays, values numbered in alphabetical order within their key."""

    rows: Ints
    values: Ints
    names: list[str]


def components(table: pa.Table, keys: Sequence[str]) -> Ints:
    """(N,) labels: two records share one when a chain of common values of ``keys`` joins them.

    Labels are numbered by the first value (alphabetically) of their component, not by the order of the records; a
    record without any value is alone.
    """
    edges = {key: _edges(table, key) for key in keys}
    return _components(table, edges)[0]


def assign(sizes: Ints, shares: Mapping[str, float], seed: int) -> Ints:
    """(C,) the split (position in ``shares``) of each component.

    Large ones first, each to the split that lacks most; few ones are tried in all ways. Components must come in an
    order of their own (not that of the records), which a seeded permutation then breaks.
    """
    target = _normal(shares)
    want = target * sizes.sum()
    count, ways = len(sizes), len(target)
    order = seeds.rng(seed, "split").permutation(count)
    if ways**count <= _EXACT_CASES:
        return _best(sizes, want, order)
    order = order[np.argsort(-sizes[order], kind="stable")]
    out = np.zeros(count, np.int64)
    lack = want.copy()
    large = order[sizes[order] > 1]
    for component in large.tolist():
        chosen = int(np.argmax(lack))
        out[component] = chosen
        lack[chosen] -= sizes[component]
    single = order[len(large) :]
    parts = _whole(len(single), np.maximum(lack, 0) if lack.max() > 0 else target)
    out[single] = np.repeat(np.arange(ways), parts)
    return out


def assign_values(names: Sequence[str], shares: Mapping[str, float], seed: int, purpose: str) -> dict[str, str]:
    """Deal names (subjects, floors) out to splits; every split gets one where there are enough.

    Args:
        purpose: what the names are; two lists of different purpose are dealt out independently.
    """
    target = _normal(shares)
    ordered = sorted(set(names))
    parts = _whole(len(ordered), target)
    while len(ordered) >= len(parts) and parts.min() == 0:
        parts[int(np.argmax(parts))] -= 1
        parts[int(np.argmin(parts))] += 1
    splits = np.repeat(np.array(list(shares)), parts)
    order = seeds.rng(seed, "values", purpose).permutation(len(ordered))
    return {ordered[int(place)]: str(split) for place, split in zip(order, splits, strict=True)}


def split_table(table: pa.Table, keys: Sequence[str], shares: Mapping[str, float], seed: int) -> tuple[pa.Table, Plan]:
    """Give every record a split so that no value of any key is in two of them.

    Where the components cannot meet the shares (feet paired with floors at random are all one component), the
    values of each key are dealt out by themselves and records whose values disagree get no split.

    Returns:
        The table with a new ``split`` column, and how it came out.

    Raises:
        UsageProblem: no key, a key that no record has, or shares that are not positive.
    """
    edges = {key: _edges(table, key) for key in _checked(table, keys)}
    rows = table.num_rows
    labels, count = _components(table, edges)
    sizes = np.bincount(labels, minlength=count).astype(np.int64)
    names = list(shares)
    target = _normal(shares)
    of = assign(sizes, shares, seed)[labels] if rows else np.zeros(0, np.int64)
    realised = np.bincount(of, minlength=len(names)) / max(rows, 1)
    method = "components"
    if rows and (np.abs(realised - target).max() > TOLERANCE or (realised == 0).any()) and len(keys) > 1:
        of, method = _by_values(edges, rows, shares, seed), "values"
    counts = np.bincount(of[of >= 0], minlength=len(names))
    kept = int(counts.sum())
    column = pa.array([names[k] if k >= 0 else None for k in of.tolist()], pa.string())
    plan = Plan(
        keys=tuple(keys),
        seed=seed,
        target=dict(zip(names, target.tolist(), strict=True)),
        realised=dict(zip(names, (counts / max(kept, 1)).tolist(), strict=True)),
        counts=dict(zip(names, counts.tolist(), strict=True)),
        method=method,
        components=count,
        largest=int(sizes.max(initial=0)),
        dropped=rows - kept,
        unknown={key: rows - len(np.unique(each.rows)) for key, each in edges.items()},
    )
    return table.set_column(table.schema.get_field_index("split"), "split", column), plan


def _checked(table: pa.Table, keys: Sequence[str]) -> Sequence[str]:
    if not keys:
        raise UsageProblem("--by needs at least one key, such as subject,floor")
    known = {"subject", "clip", "source", *group_keys(table)}
    for key in keys:
        if key not in known:
            raise UsageProblem(f"no record has the key {key!r}; keys here: {', '.join(sorted(known))}")
    return keys


def _normal(shares: Mapping[str, float]) -> npt.NDArray[np.float64]:
    target = np.array(list(shares.values()), np.float64)
    if not len(target) or not np.isfinite(target).all() or (target <= 0).any():
        raise UsageProblem(f"shares must be above 0: {dict(shares)}")
    return target / target.sum()


def _edges(table: pa.Table, key: str) -> _Edges:
    rows, values = members(table, key)
    if not len(rows):
        return _Edges(rows, np.zeros(0, np.int64), [])
    coded = values.dictionary_encode()
    names = coded.dictionary.to_pylist()
    by_name = np.argsort(np.array(names, dtype=object))
    rank = np.empty(len(names), np.int64)
    rank[by_name] = np.arange(len(names))
    return _Edges(rows, rank[coded.indices.to_numpy(zero_copy_only=False)], [names[k] for k in by_name.tolist()])


def _components(table: pa.Table, edges: Mapping[str, _Edges]) -> tuple[Ints, int]:
    from scipy import sparse

    rows = table.num_rows
    heads, tails, start = [], [], rows
    for each in edges.values():
        heads.append(each.rows)
        tails.append(each.values + start)
        start += len(each.names)
    head = np.concatenate(heads) if heads else np.zeros(0, np.int64)
    tail = np.concatenate(tails) if tails else np.zeros(0, np.int64)
    graph = sparse.coo_matrix((np.ones(len(head), np.int8), (head, tail)), shape=(start, start))
    count, labels = sparse.csgraph.connected_components(graph, directed=False)
    # number components by their first value; lone records, which have none, by their id
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, labels[rows:], np.arange(start - rows))
    lone = np.flatnonzero(first[labels[:rows]] == np.iinfo(np.int64).max)
    if len(lone):
        ids = np.array(table.column("id").take(pa.array(lone)).to_pylist(), dtype=object)
        rank = np.empty(len(lone), np.int64)
        rank[np.argsort(ids)] = np.arange(len(lone))
        first[labels[lone]] = start + rank
    number = np.empty(count, np.int64)
    number[np.argsort(first)] = np.arange(count)
    return number[labels[:rows]].astype(np.int64), int(count)


def _best(sizes: Ints, want: npt.NDArray[np.float64], order: Ints) -> Ints:
    """All ways tried: the least sum of absolute deviations, an empty split counting as the worst of all."""
    ways, count = len(want), len(sizes)
    cases = np.array(list(itertools.product(range(ways), repeat=count)), np.int64).reshape(-1, count)
    got = np.stack([(cases == k) @ sizes[order] for k in range(ways)], axis=1)
    cost = np.abs(got - want).sum(axis=1) + (got == 0).sum(axis=1) * 2.0 * sizes.sum()
    out = np.empty(count, np.int64)
    out[order] = cases[int(np.argmin(np.round(cost, 6)))]
    return out


def _by_values(edges: Mapping[str, _Edges], rows: int, shares: Mapping[str, float], seed: int) -> Ints:
    """(N,) split of each record, -1 where its values disagree; values weigh as many records as have them."""
    of = np.full(rows, -2, np.int64)  # -2: no value seen yet
    for key, each in edges.items():
        weights = np.bincount(each.values, minlength=len(each.names)).astype(np.int64)
        dealt = assign(weights, shares, seeds.integer(seed, "key", key))
        given = dealt[each.values]
        low, high = np.full(rows, len(shares)), np.full(rows, -2)
        np.minimum.at(low, each.rows, given)
        np.maximum.at(high, each.rows, given)
        seen = high >= 0
        agreed = np.where(low == high, low, -1)
        fits = seen & ((of == -2) | (of == agreed))
        of = np.where(seen, np.where(fits, agreed, -1), of)
    free = np.flatnonzero(of == -2)
    if len(free):
        parts = _whole(len(free), _normal(shares))
        of[free[seeds.rng(seed, "free").permutation(len(free))]] = np.repeat(np.arange(len(shares)), parts)
    return of


def _whole(count: int, weights: npt.NDArray[Any]) -> Ints:
    """``count`` divided in whole numbers as nearly in proportion to ``weights`` as can be."""
    exact = count * np.asarray(weights, np.float64) / np.sum(weights)
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: count - int(whole.sum())]] += 1
    return whole
