"""Splits that keep groups apart: connected components over several keys, dealt out to meet target shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from manifests.balancing import assign_even, features
from manifests.crossed import Units, deal
from manifests.dealing import Floats, Ints, assign, assign_values, normal
from manifests.record import distinct, group_keys, members
from manifests.strata import Balance, Stratum, balance
from masksmith.errors import UsageProblem

__all__ = ["DEFAULT_SHARES", "Plan", "assign", "assign_values", "components", "split_table"]

DEFAULT_SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
TOLERANCE = 0.10  # components that miss a share by more than this are crossed keys: values are dealt out instead


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
        strata: how the columns came out that splits should have alike.
        leaks: keys that a published split shares, with the number of values in two splits.
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
    strata: Mapping[str, Balance] = field(default_factory=dict)
    leaks: Mapping[str, int] = field(default_factory=dict)

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


def split_table(
    table: pa.Table,
    keys: Sequence[str],
    shares: Mapping[str, float],
    seed: int,
    columns: Sequence[Stratum] = (),
    whole: bool = False,
) -> tuple[pa.Table, Plan]:
    """Give every record a split so that no value of any key is in two of them.

    Where the components miss a share by more than ten points or leave a split empty (feet paired with floors at random
    are all one component), the values of each key are dealt out by themselves, and records whose values disagree get
    no split: see :func:`manifests.crossed.deal`. Keys whose common components do meet the shares stay together.

    Args:
        columns: what splits should have alike, see :func:`manifests.balancing.assign_even`; crossed keys leave no room
            for it.
        whole: deal components out whatever shares they meet, so that every record has a split.

    Returns:
        The table with a new ``split`` column, and how it came out.

    Raises:
        UsageProblem: no key, a key that no record has, or shares that are not positive.
    """
    edges = {key: _edges(table, key) for key in _checked(table, keys)}
    rows = table.num_rows
    names = list(shares)
    target = normal(shares)
    labels, count = _components(table, edges)
    sizes = np.bincount(labels, minlength=count).astype(np.int64)
    of = np.zeros(0, np.int64)
    if rows and columns:
        of = assign_even(features(labels, count, columns), len(columns), shares, seed)[labels]
    elif rows:
        of = assign(sizes, shares, seed)[labels]
    method = "components"
    several = len(edges) > 1 or any(len(each.rows) > len(distinct(each.rows)) for each in edges.values())
    if rows and several and not whole and not _meets(of, target):
        crossed = deal(_units(table, edges, shares, seed), labels, shares, seed)
        if _worth(crossed, target) < _worth(of, target):
            of, method = crossed, "values" if (crossed < 0).any() else "components"
    counts = np.bincount(of[of >= 0], minlength=len(names))
    kept = int(counts.sum())
    column = pa.array(np.array([*names, None], dtype=object)[of], pa.string())
    plan = Plan(
        keys=tuple(edges),
        seed=seed,
        target=dict(zip(names, target.tolist(), strict=True)),
        realised=dict(zip(names, (counts / max(kept, 1)).tolist(), strict=True)),
        counts=dict(zip(names, counts.tolist(), strict=True)),
        method=method,
        components=count,
        largest=int(sizes.max(initial=0)),
        dropped=rows - kept,
        unknown={key: rows - len(distinct(each.rows)) for key, each in edges.items()},
        strata={each.name: balance(each, of, names) for each in columns},
    )
    return table.set_column(table.schema.get_field_index("split"), "split", column), plan


def _worth(of: Ints, target: Floats) -> tuple[int, float]:
    """Lower is better: the number of empty splits, then the largest deviation from a share."""
    counts = np.bincount(of[of >= 0], minlength=len(target))
    return int((counts == 0).sum()), float(np.abs(counts / max(counts.sum(), 1) - target).max())


def _meets(of: Ints, target: Floats) -> bool:
    empty, off = _worth(of, target)
    return empty == 0 and off <= TOLERANCE


def _units(table: pa.Table, edges: Mapping[str, _Edges], shares: Mapping[str, float], seed: int) -> list[Units]:
    """What can be dealt out by itself: components over as many keys as still meet the shares, else a key's values."""
    target = normal(shares)
    blocks: list[tuple[str, ...]] = []
    joined: dict[tuple[str, ...], Units] = {}
    for key in edges:
        for place, block in enumerate([*blocks, ()]):
            together = (*block, key)
            if len(together) == len(edges) > 1:
                continue  # all keys at once: that they do not meet the shares is why we are here
            labels, count = _components(table, {name: edges[name] for name in together})
            known = distinct(np.concatenate([edges[name].rows for name in together]))
            if _meets(assign(np.bincount(labels, minlength=count), shares, seed)[labels], target):
                blocks[place : place + 1] = [together]
                joined[together] = Units(known, labels[known], count)
                break
        else:
            blocks.append((key,))
            joined[key,] = Units(edges[key].rows, edges[key].values, len(edges[key].names))
    return [joined[block] for block in blocks]


def _checked(table: pa.Table, keys: Sequence[str]) -> Sequence[str]:
    if not keys:
        raise UsageProblem("--by needs at least one key, such as subject,floor")
    known = {"subject", "clip", "source", *group_keys(table)}
    for key in keys:
        if key not in known:
            raise UsageProblem(f"no record has the key {key!r}; keys here: {', '.join(sorted(known))}")
    return keys


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
