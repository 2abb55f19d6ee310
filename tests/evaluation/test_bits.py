"""Masks of one bit a pixel do what OpenCV's morphology does, for any size."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import bits
from masksmith import seeds


def mask(height: int, width: int, seed: int) -> np.ndarray:  # type: ignore[type-arg]
    rng = seeds.rng(seed, "bits")
    coarse = rng.random((max(1, height // 7), max(1, width // 7))).astype(np.float32)
    return (cv2.resize(coarse, (width, height)) > rng.uniform(0.2, 0.8)).astype(np.uint8) * np.uint8(255)


def unpacked(found: bits.Bits, width: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.unpackbits(found.astype("<u8").view(np.uint8), axis=1, bitorder="little")[:, :width]


sizes = st.tuples(st.integers(1, 90), st.integers(1, 200), st.integers(0, 10**6))


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(0, 20))
def test_a_disk_reaches_what_is_near(size: tuple[int, int, int], radius: int) -> None:
    given_mask = mask(*size)
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    shape = (rows**2 + columns**2 <= radius**2).astype(np.uint8)
    found = unpacked(bits.disk(bits.packed(given_mask), radius), size[1])
    assert np.array_equal(found, cv2.dilate(given_mask, shape) > 0)


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(1, 70))
def test_shrinking_is_erosion_with_nothing_beyond_the_edge(size: tuple[int, int, int], by: int) -> None:
    given_mask = mask(*size)
    square = np.ones((2 * by + 1, 2 * by + 1), np.uint8)
    expected = cv2.erode(given_mask, square, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    packed = bits.shrunk(bits.packed(given_mask), by)
    assert np.array_equal(unpacked(packed, size[1]), expected)
    assert bits.count(packed) == int(expected.sum())  # nothing is set beyond the width


@settings(max_examples=60, deadline=None)
@given(sizes)
def test_blocks_are_the_dilation_and_erosion_by_two_by_two(size: tuple[int, int, int]) -> None:
    given_mask, block = mask(*size), np.ones((2, 2), np.uint8)
    packed = bits.packed(given_mask)
    some = unpacked(bits.blocks(packed, size[1], np.bitwise_or), size[1])
    every = unpacked(bits.blocks(packed, size[1], np.bitwise_and), size[1])
    assert np.array_equal(some, cv2.dilate(given_mask, block, anchor=(0, 0)) > 0)
    assert np.array_equal(every, cv2.erode(given_mask, block, anchor=(0, 0)) > 0)
