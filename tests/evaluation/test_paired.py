"""Two runs on the same images: differences, how sure they are, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import paired, region
from evaluation.counts import Counts, CountsBuilder
from masksmith.errors import BadInput


def table(hits: Any, subjects: Any = None, *, ids: Any = None, info: Any = None) -> Counts:
    """Images of 6000 pixels, 1000 of them foreground, ``hits`` of these found and as many again made up as missed."""
    builder = CountsBuilder((0, 1), info)
    for k, hit in enumerate(hits):
        row = np.array([[5000 - (1000 - hit), 1000 - hit, 1000 - hit, hit], [hit, 1000 - hit, 1000 - hit, 4000 + hit]])
        builder.add(ids[k] if ids else str(k), row, subject=subjects[k] if subjects else None)
    return builder.build()


def two(subjects: int, each: int, gain: float, seed: int = 0) -> tuple[Counts, Counts]:
    random = np.random.default_rng(seed)
    level = np.repeat(random.integers(500, 900, subjects), each)
    names = [f"s{k}" for k in np.repeat(range(subjects), each)]
    first = np.clip(level + random.integers(-20, 20, level.size), 0, 1000)
    second = np.clip(level + random.integers(-20, 20, level.size) + round(gain), 0, 1000)
    return table(first, names), table(second, names)


def test_the_difference_is_that_of_the_figures_in_every_convention() -> None:
    first, second = two(8, 3, 40)
    found = paired.compare(paired.align(first, second))["figures"]
    left, right = region.reduce(first).values, region.reduce(second).values
    for name in region.CONVENTIONS:
        assert found[name]["difference"] == pytest.approx(right[name] - left[name])
        low, high = found[name]["interval"]
        assert low <= found[name]["difference"] <= high


def test_a_gain_shared_by_all_subjects_is_surer_than_either_figure() -> None:
    from evaluation import intervals

    first, second = two(20, 2, 30)
    found = paired.compare(paired.align(first, second))["figures"]["iou_fg_image"]
    low, high = intervals.bootstrap(second).bounds["iou_fg_image"]
    assert found["interval"][1] - found["interval"][0] < 0.3 * (high - low)
    assert found["interval"][0] > 0 and found["p_higher"] == 1.0 and found["p_value"] < 0.01


def test_a_run_against_itself_is_a_draw() -> None:
    first, _ = two(6, 2, 0)
    found = paired.compare(paired.align(first, first))["figures"]["iou_fg_dataset"]
    assert (found["difference"], found["interval"], found["p_higher"], found["p_value"]) == (0, [0, 0], 0.5, 1.0)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=2, max_size=7))
def test_swapping_the_runs_turns_every_sign(hits: list[tuple[int, int]]) -> None:
    first, second = (table([pair[k] for pair in hits]) for k in (0, 1))
    forth = paired.compare(paired.align(first, second), resamples=200)["figures"]
    back = paired.compare(paired.align(second, first), resamples=200)["figures"]
    for name, entry in forth.items():
        assert entry["difference"] == pytest.approx(-back[name]["difference"], abs=1e-12)
        assert entry["p_higher"] == pytest.approx(1 - back[name]["p_higher"])
        assert entry["p_value"] == pytest.approx(back[name]["p_value"])
        assert entry["interval"] == pytest.approx([-x for x in reversed(back[name]["interval"])], abs=1e-12)


def test_few_subjects_try_every_exchange_of_labels() -> None:
    hits = [(700, 720), (600, 640), (800, 790), (500, 580), (650, 655)]
    first, second = (table([pair[k] for pair in hits]) for k in (0, 1))
    ious = np.asarray([[hit / (2000 - hit) for hit in pair] for pair in hits])
    apart = ious[:, 1] - ious[:, 0]
    every = [abs(np.mean(apart * signs)) for signs in itertools.product((1, -1), repeat=5)]
    expected = np.mean([far >= abs(apart.mean()) - 1e-12 for far in every])
    found = paired.compare(paired.align(first, second))["figures"]["iou_fg_image"]
    assert found["p_value"] == pytest.approx(expected)


def test_permuting_the_dataset_figure_recomputes_it_from_the_sums() -> None:
    hits = [(700, 720), (600, 640), (100, 90)]
    first, second = (table([pair[k] for pair in hits]) for k in (0, 1))

    def iou(found: Any) -> float:
        return sum(found) / (2000 * len(hits) - sum(found))

    every = [
        abs(
            iou([pair[not flip] for pair, flip in zip(hits, flips, strict=True)])
            - iou([pair[flip] for pair, flip in zip(hits, flips, strict=True)])
        )
        for flips in itertools.product((0, 1), repeat=3)
    ]
    true = abs(iou([b for _, b in hits]) - iou([a for a, _ in hits]))
    found = paired.compare(paired.align(first, second))["figures"]["iou_fg_dataset"]
    assert found["p_value"] == pytest.approx(np.mean([far >= true - 1e-12 for far in every]))


def test_under_no_difference_small_p_values_are_rare() -> None:
    values = []
    for seed in range(60):
        first, second = two(14, 1, 0, seed)
        figures = paired.compare(paired.align(first, second), resamples=300)["figures"]
        values.append(figures["iou_fg_image"]["p_value"])
    assert 0.2 < np.mean(np.asarray(values) < 0.5) < 0.8
    assert np.mean(np.asarray(values) < 0.05) < 0.16


def test_one_subject_has_a_difference_and_no_interval() -> None:
    found = paired.compare(paired.align(table([500, 600], ["anna"] * 2), table([600, 700], ["anna"] * 2)))
    assert found["figures"]["iou_fg_image"]["difference"] > 0
    assert found["figures"]["iou_fg_image"]["interval"] is None
    assert found["note"] == "no interval: it takes at least 2 subjects, there is 1"


def test_other_images_are_refused_with_what_is_missing_on_either_side() -> None:
    first, second = table([500] * 3, ids=["a", "b", "c"]), table([600] * 5, ids=["b", "c", "d", "e", "f"])
    with pytest.raises(BadInput) as caught:
        paired.align(first, second, names=("old", "new"))
    assert "1 missing in new: a; 3 missing in old: d, e, f" in str(caught.value)
    assert "--common" in str(caught.value)


def test_on_request_the_common_images_are_compared_whatever_their_order() -> None:
    first, second = table([500, 600, 700], ids=["a", "b", "c"]), table([800, 900, 100], ids=["c", "b", "x"])
    pair = paired.align(first, second, common=True)
    found = paired.compare(pair)
    assert (found["images"], found["only_first"], found["only_second"]) == (2, ["a"], ["x"])
    assert pair.second.column("id") == ["b", "c"]
    assert found["figures"]["iou_fg_image"]["first"] == pytest.approx((600 / 1400 + 700 / 1300) / 2)
    assert found["figures"]["iou_fg_image"]["second"] == pytest.approx((900 / 1100 + 800 / 1200) / 2)
    with pytest.raises(BadInput, match="none"):
        paired.align(first, table([1], ids=["z"]), common=True)


def test_a_truth_that_is_not_the_same_is_told() -> None:
    first, builder = table([500, 600]), CountsBuilder()
    for name in ("0", "1"):
        builder.add(name, np.array([[90, 0, 0, 10], [10, 0, 0, 90]]))
    assert paired.align(first, builder.build()).truth_differs == 2
    assert paired.align(first, first).truth_differs == 0


def test_other_classes_are_refused() -> None:
    builder = CountsBuilder((0, 1, 2))
    builder.add("0", np.array([[1, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 2]]))
    with pytest.raises(BadInput, match="0, 1, 2"):
        paired.align(table([500]), builder.build())


def test_time_figures_are_compared_clip_by_clip() -> None:
    def told(*flickers: float) -> dict[str, Any]:
        clips = [{"clip": f"c{k}", "flicker": value, "warp_iou": None} for k, value in enumerate(flickers)]
        return {"report": {"time": {"clips": clips}}}

    first, second = table([500] * 2, info=told(0.1, 0.2, 0.4)), table([500] * 2, info=told(0.05, 0.1, 0.2))
    found = paired.compare(paired.align(first, second))["figures"]
    assert found["flicker"]["difference"] == pytest.approx(-0.35 / 3)
    assert found["flicker"]["better"] == "lower" and found["flicker"]["p_higher"] == 0
    assert "warp_iou" not in found
