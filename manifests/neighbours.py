"""Neighbours: all pairs of binary codes within a Hamming distance, found exactly and without comparing all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from masksmith.errors import UsageProblem

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint64]

BITS = 64
_TILE = 1 << 18  # comparisons at a time: the arrays of one stay in the cache
_FEW = 3000  # below that many codes, comparing all is quicker than sorting buckets


def pairs_within(codes: Codes, radius: int, masks: Sequence[int] = (0,)) -> tuple[Ints, Ints, Ints, Ints]:
    """All pairs i < j with ``popcount(codes[i] ^ codes[j] ^ mask) <= radius`` for one of the masks.

    Multi-index hashing (Norouzi, Punjani, Fleet: Fast search in Hamming space with multi-index hashing, CVPR 2012): a
    code is cut into chunks, and of two codes within the radius at least one chunk differs in few bits, so that only
    codes whose chunks lie in neighbouring buckets are compared. The answer is that of comparing all pairs.

    Args:
        codes: (N,) uint64.
        radius: 0 to 63 bits.
        masks: bits that turn a code into that of the same picture flipped.

    Returns:
        i, j, distance and place of the mask (the nearest one), each (P,), ordered by i and j.

    Raises:
        UsageProblem: a radius out of range.
    """
    if not 0 <= radius < BITS:
        raise UsageProblem(f"the radius must be 0 to {BITS - 1} bits, not {radius}")
    codes = np.ascontiguousarray(codes, np.uint64)
    count = len(codes)
    keys: list[Ints] = []
    worth: list[Ints] = []
    for place, mask in enumerate(masks):
        for first, second, distance in _near(codes, radius, np.uint64(mask)):
            low, high = np.minimum(first, second), np.maximum(first, second)
            keys.append(low * count + high)
            worth.append(distance * len(masks) + place)
        keys, worth = _least(keys, worth)  # what chunk after chunk finds again goes at once
    if not keys:
        empty = np.zeros(0, np.int64)
        return empty, empty, empty, empty
    key, best = keys[0], worth[0]
    return key // count, key % count, best // len(masks), best % len(masks)


def _least(keys: list[Ints], worth: list[Ints]) -> tuple[list[Ints], list[Ints]]:
    """Each key once, with the least of its values."""
    if not keys:
        return [], []
    key, value = np.concatenate(keys), np.concatenate(worth)
    order = np.lexsort((value, key))
    key, value = key[order], value[order]
    first = np.ones(len(key), bool)
    first[1:] = key[1:] != key[:-1]
    return [key[first]], [value[first]]


def _near(codes: Codes, radius: int, mask: np.uint64) -> Iterator[tuple[Ints, Ints, Ints]]:
    """(i, j, distance) of pairs, i != j; a pair may come more than once."""
    count = len(codes)
    if count < _FEW:
        for start in range(0, count, max(1, _TILE // max(count, 1))):
            rows = codes[start : start + max(1, _TILE // max(count, 1))]
            far = np.bitwise_count((rows ^ mask)[:, None] ^ codes[None])
            i, j = np.nonzero(far <= radius)
            keep = i + start < j
            yield i[keep] + start, j[keep], far[i[keep], j[keep]].astype(np.int64)
        return
    for shift, width, slack in _chunks(radius, count):
        chunk_mask = (1 << width) - 1
        chunk = ((codes >> np.uint64(shift)) & np.uint64(chunk_mask)).astype(np.int64)
        order = np.argsort(chunk, kind="stable")
        ordered = codes[order]
        starts = np.searchsorted(chunk[order], np.arange(chunk_mask + 2))
        turned = (int(mask) >> shift) & chunk_mask
        there = np.flatnonzero(np.diff(starts))
        for flip in (0, *((1 << bit for bit in range(width)) if slack else ())):
            change = turned ^ flip
            partners = there ^ change
            # a bucket and its partner are met from both sides; one is enough
            some = (partners >= there) & (starts[partners + 1] > starts[partners])
            for a, b in zip(there[some].tolist(), partners[some].tolist(), strict=True):
                yield from _compare(ordered, order, starts, a, b, radius, mask)


def _compare(
    ordered: Codes, order: Ints, starts: Ints, a: int, b: int, radius: int, mask: np.uint64
) -> Iterator[tuple[Ints, Ints, Ints]]:
    """All pairs of two buckets, tile by tile."""
    left, right = ordered[starts[a] : starts[a + 1]] ^ mask, ordered[starts[b] : starts[b + 1]]
    wide = min(len(right), _TILE)
    tall = max(1, _TILE // wide)
    for top in range(0, len(left), tall):
        for side in range(0, len(right), wide):
            far = np.bitwise_count(left[top : top + tall, None] ^ right[None, side : side + wide])
            hits = np.flatnonzero(far.ravel() <= radius)
            if not len(hits):
                continue
            i, j = np.divmod(hits, far.shape[1])
            if a == b:
                keep = i + top < j + side
                i, j, hits = i[keep], j[keep], hits[keep]
            if len(i):
                first, second = order[starts[a] + top + i], order[starts[b] + side + j]
                yield first, second, far.ravel()[hits].astype(np.int64)


def _chunks(radius: int, count: int) -> list[tuple[int, int, int]]:
    """(shift, width, slack) of chunks: if every chunk differed in more bits than its slack, the codes would differ in
    more than ``radius``. So the sum of slack + 1 must exceed the radius; a slack of one keeps chunks wide."""
    best: list[tuple[int, int, int]] = []
    cost = float("inf")
    for loose in range(radius // 2 + 2):
        tight = max(radius + 1 - 2 * loose, 0)
        number = loose + tight
        if not 1 <= number <= BITS:
            continue
        widths = [BITS // number + (k < BITS % number) for k in range(number)]
        chunks, shift = [], 0
        for place, width in enumerate(widths):
            chunks.append((shift, width, int(place < loose)))
            shift += width
        most = max(8, count.bit_length() + 1)  # more buckets than codes help nobody
        chunks = [(s, min(w, most), k) for s, w, k in chunks]
        # comparisons, and a fixed price for each pair of buckets met
        price = sum((1 + w * k) * (count * count / 2**w + 6e3 * min(2.0**w, float(count))) for _, w, k in chunks)
        if price < cost:
            best, cost = chunks, price
    return best
