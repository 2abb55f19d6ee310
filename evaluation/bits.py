"""Masks of one bit a pixel: 64 pixels a word, so that growing and shrinking them costs a few dozen word operations.

A square or disk of radius r takes about log2(r) shifts in each direction instead of (2r + 1)^2 looks a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint64]
"""(H, ceil(W / 64)); the first pixel of a row is the lowest bit, and bits beyond the width are 0."""
Join = Callable[[Bits, Bits], Bits]

_WORD = 64


def packed(mask: npt.NDArray[np.uint8]) -> Bits:
    """(H, W) uint8 to bits; anything but 0 is set."""
    width = mask.shape[1]
    beyond = -width % _WORD
    if beyond:
        mask = np.asarray(cv2.copyMakeBorder(mask, 0, 0, 0, beyond, cv2.BORDER_CONSTANT, value=0), np.uint8)
    # the copy's bytes stand in rows of whole words
    return np.packbits(mask, axis=1, bitorder="little").view(np.dtype("<u8")).astype(np.uint64, copy=False)


def count(bits: Bits) -> int:
    """How many pixels are set."""
    return int(np.bitwise_count(bits).sum(dtype=np.int64))


def shrunk(bits: Bits, by: int) -> Bits:
    """Eroded by a square of 2 x ``by`` + 1; beyond the edges nothing is set."""
    return _down(_across(bits, by, np.bitwise_and), by, np.bitwise_and)


def disk(bits: Bits, radius: int) -> Bits:
    """Dilated by a disk: set wherever a set pixel is at most ``radius`` away; bits beyond the width may be set."""
    rows: dict[int, int] = {}  # half a row's width -> the rows, up and down, that are at least as wide
    for down in range(radius + 1):
        rows[math.isqrt(radius * radius - down * down)] = down
    found = np.zeros_like(bits)
    wide, at = bits, 0
    for half in sorted(rows):
        if half > at:
            wide, at = _across(wide, half - at, np.bitwise_or), half
        found |= _down(wide, rows[half], np.bitwise_or)
    return found


def blocks(bits: Bits, width: int, join: Join) -> Bits:
    """Each pixel joined with the ones to its right, below, and below on the right; edges stand for what is beyond."""
    beside = _shifted(bits, -1)
    word, bit = divmod(width - 1, _WORD)
    beside[:, word] |= bits[:, word] & (np.uint64(1) << np.uint64(bit))
    pairs = join(bits, beside)
    return join(pairs, np.concatenate([pairs[1:], pairs[-1:]]))


def _across(bits: Bits, by: int, join: Join) -> Bits:
    """Each pixel joined with those up to ``by`` to its left and right."""
    lower, higher, covered = bits, bits, 0
    while covered < by:
        step = min(covered + 1, by - covered, _WORD - 1)
        lower, higher = join(lower, _shifted(lower, step)), join(higher, _shifted(higher, -step))
        covered += step
    return join(lower, higher)


def _shifted(bits: Bits, by: int) -> Bits:
    """Every pixel moved ``by`` to the right (to the left where negative), less than a word; zeros come in."""
    step, rest = np.uint64(abs(by)), np.uint64(_WORD - abs(by))
    if by > 0:
        moved = bits << step
        moved[:, 1:] |= bits[:, :-1] >> rest
    else:
        moved = bits >> step
        moved[:, :-1] |= bits[:, 1:] << rest
    return moved


def _down(bits: Bits, by: int, join: Join) -> Bits:
    """Each pixel joined with those up to ``by`` above and below."""
    height, covered = len(bits), 0
    if not by:
        return bits
    tall = np.zeros((height + 2 * by, bits.shape[1]), np.uint64)
    tall[by : by + height] = bits
    while covered < 2 * by:
        step = min(covered + 1, 2 * by - covered)
        tall = join(tall[: len(tall) - step], tall[step:])
        covered += step
    return tall
