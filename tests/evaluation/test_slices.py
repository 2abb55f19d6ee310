"""Slices: by what is known and what is measured, with intervals only where there are subjects enough."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pytest

from evaluation import properties, region, slices
from evaluation.counts import Counts, CountsBuilder, count_image
from manifests.record import Record
from masksmith.errors import UsageProblem


def mask(x: int, y: int, side: int = 10, size: int = 90) -> np.ndarray[Any, Any]:
    found = np.zeros((size, size), np.uint8)
    found[y : y + side, x : x + side] = 1
    return found


def table(rows: Any) -> Counts:
    """Rows of (truth, columns); the prediction misses the first row of the truth's box."""
    builder = CountsBuilder()
    for k, (truth, columns) in enumerate(rows):
        pred = truth.copy()
        pred[np.flatnonzero(truth.any(1))[:1]] = 0
        builder.add(str(k), count_image(pred, truth), **{**properties.of_truth(truth), **columns})
    return builder.build()


def test_a_slice_is_the_figure_of_its_images() -> None:
    counts = table([(mask(5 * k, 3, 5 + k), {"split": "ab"[k % 2], "subject": f"s{k}"}) for k in range(12)])
    found = slices.by(counts, "split")
    assert [row["value"] for row in found] == ["a", "b"]
    for row, start in zip(found, (0, 1), strict=True):
        own = region.reduce(counts.take(range(start, 12, 2))).values
        for name in slices.FIGURES:
            assert row[name] == pytest.approx(own[name])
            low, high = row["intervals"][name]
            assert low <= row[name] <= high
        assert (row["images"], row["groups"], row["unit"], row["note"]) == (6, 6, "subject", None)


def test_few_subjects_have_no_interval_and_it_says_so() -> None:
    counts = table([(mask(5, 3), {"split": "a", "subject": f"s{k % 2}"}) for k in range(40)])
    (row,) = slices.by(counts, "split", least=3)
    assert row["intervals"] == {} and row["note"] == "no interval: 2 subjects, fewer than 3"
    assert slices.by(counts, "split", least=2)[0]["intervals"]


def test_an_image_on_two_floors_is_in_two_slices_and_one_on_none_is_named() -> None:
    counts = table([(mask(5, 3), {"group.floor": floors}) for floors in (["oak", "tile"], ["oak"], None, ["tile"] * 2)])
    found = slices.by(counts, "floor")
    assert [(row["value"], row["images"]) for row in found] == [("oak", 2), ("tile", 2), (slices.NONE, 1)]
    for row, members in zip(found, ([0, 1], [0, 3], [2]), strict=True):
        expected = region.reduce(counts.take(members)).values
        assert {name: row[name] for name in slices.FIGURES} == {
            name: pytest.approx(expected[name]) for name in slices.FIGURES
        }


def test_fields_of_extra_and_recipe_are_keys() -> None:
    record = Record(
        "a",
        "a.jpg",
        "a.png",
        9,
        9,
        extra={"view": "side", "sides": ["left", "right"], "near": True, "odd": [1, {"x": 2}]},
        recipe=json.dumps({"lens": {"motion_px": 1.5}, "rug": None}),
        groups={"floor": ("oak",)},
    )
    rows = []
    for k in range(40):
        columns = properties.of_record(record)
        columns["recipe"] = json.dumps({"lens": {"motion_px": k / 10}})
        rows.append((mask(5, 3), columns))
    counts = table(rows)
    assert [row["value"] for row in slices.by(counts, "extra.view")] == ["side"]
    assert [row["value"] for row in slices.by(counts, "extra.sides")] == ["left", "right"]
    assert [row["value"] for row in slices.by(counts, "extra.near")] == ["true"]
    quarters = slices.by(counts, "recipe.lens.motion_px")
    assert [row["images"] for row in quarters] == [10, 10, 10, 10]
    assert quarters[0]["value"] == "0 to 0.975"
    known = slices.keys(counts)
    assert {"floor", "extra.view", "extra.sides", "recipe.lens.motion_px", "area", "position", "width"} <= set(known)
    assert "extra.odd" not in known


def test_area_and_position_come_from_the_truth() -> None:
    boxes = [mask(0, 0, 3), mask(40, 40, 10), mask(60, 5, 30), mask(5, 70, 20), mask(0, 0, 90), mask(0, 0, 0)]
    counts = table([(box, {}) for box in boxes])
    assert [(row["value"], row["images"]) for row in slices.by(counts, "area")] == [
        ("none", 1),
        ("under 1 %", 1),
        ("1 to 5 %", 2),
        ("10 to 25 %", 1),
        ("50 % and more", 1),
    ]
    assert [(row["value"], row["images"]) for row in slices.by(counts, "position")] == [
        ("top left", 1),
        ("top right", 1),
        ("middle centre", 2),
        ("bottom left", 1),
        (slices.NONE, 1),
    ]


def test_the_centre_is_that_of_the_mass_and_ignored_pixels_have_none() -> None:
    truth = mask(20, 40, 10)
    truth[0:9, 0:9] = 255
    found = properties.of_truth(truth)
    assert found["centre_x"] == pytest.approx(25 / 90) and found["centre_y"] == pytest.approx(45 / 90)
    assert properties.of_truth(np.full((5, 5), 255, np.uint8)) == {"centre_x": None, "centre_y": None}


def test_a_blurred_photo_is_less_sharp_and_a_dark_one_less_bright() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    sharp, blurred = properties.of_photo(photo), properties.of_photo(cv2.GaussianBlur(photo, (0, 0), 3))
    assert blurred["sharpness"] < 0.1 * sharp["sharpness"]
    assert properties.of_photo(photo // 4)["brightness"] == pytest.approx(sharp["brightness"] / 4, rel=0.05)
    assert properties.of_photo(np.full((9, 9, 3), 255, np.uint8)) == {"brightness": 1.0, "sharpness": 0.0}


def test_brightness_is_cut_at_quarters_of_the_scale_and_sharpness_at_quarters_of_the_set() -> None:
    counts = table([(mask(5, 3), {"brightness": k / 16, "sharpness": 2.0**k}) for k in range(16)])
    assert [row["images"] for row in slices.by(counts, "brightness")] == [4, 4, 4, 4]
    assert [row["images"] for row in slices.by(counts, "blur")] == [4, 4, 4, 4]


def test_what_was_not_measured_and_what_is_not_known_is_refused_with_the_choices() -> None:
    counts = table([(mask(5, 3), {"split": "a"})])
    with pytest.raises(UsageProblem, match="photos"):
        slices.by(counts, "brightness")
    with pytest.raises(UsageProblem, match="Did you mean 'split'"):
        slices.by(counts, "splt")


def test_columns_of_numbers_without_a_name_are_no_keys() -> None:
    counts = table([(mask(5, 3), {"histogram": [0.5, 0.25], "camera": "left"})])
    assert "camera" in slices.keys(counts) and "histogram" not in slices.keys(counts)
    with pytest.raises(UsageProblem):
        slices.by(counts, "histogram")


def test_slices_survive_the_file(tmp_path: Any) -> None:
    counts = table([(mask(5 * k, 3), {"brightness": k / 9, "extra": '{"view":"top"}'}) for k in range(8)])
    counts.to_parquet(tmp_path / "c.parquet")
    again = Counts.from_parquet(tmp_path / "c.parquet")
    for key in ("position", "brightness", "extra.view", "area"):
        assert slices.by(again, key) == slices.by(counts, key)


def test_a_key_of_more_values_than_one_reads_is_left_out_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = table([(mask(5, 3), {"split": "a", "subject": f"s{k}"}) for k in range(6)])
    monkeypatch.setattr(slices, "TOO_MANY", 5)
    assert "subject" not in slices.document(counts)
    assert len(slices.document(counts, ["subject"])["subject"]) == 6
    monkeypatch.setattr(slices, "TOO_MANY", 6)
    assert len(slices.document(counts)["subject"]) == 6
