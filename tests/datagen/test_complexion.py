"""Complexions: what they do to a skin's colour, and that chance is spent evenly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import complexion
from datagen.chance import Chance

NONE = {"gains": [1.0, 1.0, 1.0], "saturation": 1.0, "marks": {}, "turn": 0, "at": [0.0, 0.0]}


def skin(height: int = 40, width: int = 30) -> np.ndarray:  # type: ignore[type-arg]
    return np.full((height, width, 3), (180, 130, 110), np.uint8)


def test_a_foot_without_a_complexion_keeps_its_colour() -> None:
    np.testing.assert_array_equal(complexion.changed(skin(), None, 256), skin())
    np.testing.assert_allclose(complexion.changed(skin(), NONE, 256).astype(int), skin().astype(int), atol=1)


def test_no_saturation_leaves_grey_of_the_same_lightness() -> None:
    grey = complexion.changed(skin(), {**NONE, "saturation": 0.0}, 256)
    assert np.ptp(grey[0, 0].astype(int)) <= 1
    assert abs(int(grey[0, 0, 0]) - round(0.299 * 180 + 0.587 * 130 + 0.114 * 110)) <= 1


@pytest.mark.parametrize("kind", complexion.MARKS)
@pytest.mark.parametrize("turn", range(4))
def test_marks_vary_about_the_middle_and_leave_the_mean_colour(kind: str, turn: int) -> None:
    sheet = complexion.marks(kind, complexion.SIDE, turn)
    assert sheet.shape == (complexion.SIDE, complexion.SIDE, 3)
    assert 5 < sheet.astype(float).std() < 60
    whole = np.full((complexion.SIDE, complexion.SIDE, 3), 100, np.uint8)
    marked = complexion.changed(whole, {**NONE, "marks": {kind: 0.3}, "turn": turn}, 256)
    assert abs(float(marked.mean()) - 100) < 4
    assert marked.std() > 1


def test_marks_take_the_same_share_of_dark_skin_as_of_light() -> None:
    about = {**NONE, "marks": {"wrinkles": 0.5}}
    light = complexion.changed(np.full((300, 300, 3), 120, np.uint8), about, 256).astype(float) / 120
    dark = complexion.changed(np.full((300, 300, 3), 60, np.uint8), about, 256).astype(float) / 60
    np.testing.assert_allclose(light, dark, atol=0.02)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(1, 700), st.integers(1, 700))
def test_any_complexion_that_can_be_drawn_can_be_put_on(seed: int, share: float, height: int, width: int) -> None:
    first, second = (complexion.draw(Chance(seed), share) for _ in range(2))
    assert first == second
    size = max(height, width)
    out = complexion.changed(skin(height, width), first, size)
    assert out.shape == (height, width, 3)
    assert out.dtype == np.uint8


def test_a_share_changes_no_draw_that_comes_after_it() -> None:
    never, always = Chance(3), Chance(3)
    assert complexion.draw(never, 0.0) is None
    assert complexion.draw(always, 1.0) is not None
    assert never.random() == always.random()


def test_the_order_of_marks_in_a_recipe_does_not_matter() -> None:
    about = {**NONE, "marks": {"wrinkles": 0.4, "hair": 0.5, "blotches": 0.3}}
    turned = {**about, "marks": dict(reversed(about["marks"].items()))}
    np.testing.assert_array_equal(complexion.changed(skin(), about, 256), complexion.changed(skin(), turned, 256))


def test_cloth_keeps_its_colour_where_there_is_no_skin() -> None:
    bare = np.zeros((40, 30), np.uint8)
    bare[:20] = 255
    out = complexion.changed(skin(), {**NONE, "saturation": 0.0}, 256, bare)
    np.testing.assert_array_equal(out[20:], skin()[20:])
    assert np.ptp(out[0, 0].astype(int)) <= 1
