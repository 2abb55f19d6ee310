"""Frames laid over backgrounds, and masks enlarged where they have no edge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masksmith import overlay, upsampling
from masksmith.overlay import Composite

ROOT = Path(__file__).resolve().parents[2]


def pair(seed, height=9, width=7):
    chance = np.random.default_rng(seed)
    front, behind = chance.integers(0, 256, (2, height, width, 3), np.uint8)
    return front, behind, chance.random((height, width), dtype=np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_a_composite_is_the_mixture_within_a_level_and_a_half(seed):
    front, behind, alpha = pair(seed)
    exact = alpha[..., None] * front + (1 - alpha[..., None]) * behind
    assert np.abs(Composite(alpha, behind)(front) - exact).max() <= 1.5


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_all_or_nothing_and_two_sides_alike_are_exact(seed):
    front, behind, alpha = pair(seed)
    assert np.array_equal(Composite(alpha, front)(front), front)
    hard = (alpha >= 0.5).astype(np.float32)
    assert np.array_equal(Composite(hard, behind)(front), np.where(hard[..., None] > 0, front, behind))


def test_a_composite_is_used_for_many_frames_and_leaves_them_as_they_are():
    front, behind, alpha = pair(1)
    laid, kept = Composite(alpha, behind), front.copy()
    first = laid(front)
    laid(255 - front)
    assert np.array_equal(laid(front), first)
    assert np.array_equal(front, kept)


def test_a_tint_and_another_background_are_the_same_mixture():
    front, behind, alpha = pair(2)
    teal = np.full_like(front, overlay.TEAL)
    assert np.array_equal(overlay.tint(front, alpha), Composite(alpha * np.float32(0.5), front)(teal))
    assert np.array_equal(overlay.compose(front, alpha, lambda *_: behind), Composite(alpha, behind)(front))


@pytest.mark.parametrize("level", [0, 1e-40, 0.3, 1])
def test_a_mask_without_an_edge_stays_as_it_is_however_rough_the_picture(level):
    rough = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
    soft = np.full((64, 64), level, np.float32)
    made = upsampling.sharpen(soft, upsampling.shrink(rough, 64, 64), rough)
    assert made.shape == (120, 200)
    assert np.abs(made - level).max() < 1e-6


def test_far_from_an_edge_the_mask_is_the_networks_and_at_the_edge_the_pictures():
    picture = np.random.default_rng(0).integers(0, 60, (240, 400, 3)).astype(np.uint8)
    picture[:, 203:] += 180
    soft = np.zeros((64, 64), np.float32)
    soft[:, 32:] = 1
    made = upsampling.sharpen(soft, upsampling.shrink(picture, 64, 64), picture)
    assert made[:, :150].max() < 1e-6
    assert made[:, 260:].min() > 1 - 1e-6
    assert (made[:, 190:203] < 0.5).mean() > 0.95
    assert (made[:, 203:216] > 0.5).mean() > 0.95


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library of Linux")
def test_memory_of_a_frame_is_not_mapped_anew_for_the_next_one():
    code = (
        "import resource, sys, numpy as np\n"
        "from masksmith import processor\n"
        "if sys.argv[1] == 'kept': processor.keep_freed_memory()\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "np.ones(2**20, np.uint8)\n"
        "before = faults()\n"
        "for _ in range(20): held = [np.ones(2**20, np.uint8) for _ in range(8)]; del held\n"
        "print(faults() - before)\n"
    )

    def faults(how):
        done = subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, cwd=ROOT, check=True)
        return int(done.stdout)

    assert faults("kept") < faults("plain") / 4
