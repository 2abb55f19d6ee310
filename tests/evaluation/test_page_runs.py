"""The page of several runs: a column each, what is better, differences, speed, and pictures over one another."""

import re

import numpy as np
import pytest

from evaluation import comparison, region, versus
from evaluation.counts import CountsBuilder, count_image

EVIL = '<script>alert("x")</script>'


def run(name, shift, folder):
    """Twelve images whose predictions are off by so many pixels."""
    builder = CountsBuilder((0, 1))
    for k in range(12):
        truth = np.zeros((30, 40), np.uint8)
        truth[5:25, 8 : 20 + k] = 1
        builder.add(
            f"{EVIL}{k}", count_image(np.roll(truth, shift, 1), truth), subject=f"s{k // 2}", **{"group.floor": [EVIL]}
        )
    return comparison.Run(name, folder / "counts.parquet", builder.build())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = [run(EVIL, 1, folder), run("other", 3, folder)]
    return comparison.document(runs, by=["floor"]), runs


def rendered(made):
    document, runs = made
    points = [
        {"name": EVIL, "run": EVIL, "ms": 70.0, "iou": 0.9, "interval": [0.88, 0.92]},
        {"name": "other", "run": "other", "ms": 7.0, "iou": 0.7, "interval": None},
    ]
    picture = np.full((30, 40, 3), 90, np.uint8)
    rows = [(EVIL, [picture, picture, picture, picture])]
    return versus.render(
        document,
        curves={one.name: region.curve(one.counts) for one in runs},
        points=points,
        pictures=(rows, ["photo", "truth", EVIL, "other"]),
    )


def test_each_run_has_a_column_and_the_better_one_is_marked(made):
    text = rendered(made)
    row = re.search(r"<tr class=\"lead-row\">.*?</tr>", text)[0]
    values = [one["figures"]["iou_fg_image"]["value"] for one in made[0]["runs"]]
    cells = re.findall(r'<td data-v="([\d.]+)"( class="best")?>', row)
    assert [float(value) for value, _ in cells] == values
    assert [bool(best) for _, best in cells] == [values[0] > values[1], values[1] > values[0]]


def test_a_difference_stands_with_its_interval_and_chance(made):
    text = rendered(made)
    told = made[0]["differences"][0]["figures"]["iou_fg_image"]
    assert told["difference"] < 0
    assert f"−{abs(told['difference']):.4f}" in text
    assert "On the same 12 images, resampling 6 subjects together" in text


def test_times_and_names_are_told_and_every_name_is_escaped(made):
    text = rendered(made)
    assert text.count("<script") == 1  # the page's own
    assert "other: 0.7000 at 7 ms" in text
    assert "://" not in text and "url(" not in text


def test_runs_lie_over_one_another_and_the_photo_comes_last(made):
    text = rendered(made)
    shown = re.findall(r'data-side="left" data-show="([^"]+)"', text)
    assert shown[1:] == ["other", "photo", "truth"]
    assert text.count('class="layer') == 4


def test_the_same_runs_give_the_same_page(made):
    assert rendered(made) == rendered(made)


def test_one_run_alone_has_nothing_to_be_better_than(made):
    text = versus.render(comparison.document(made[1][:1]))
    assert 'class="best"' not in text and "minus" not in text


@pytest.mark.parametrize(("name", "higher"), [("miou_image", True), ("dtssd", False), ("flicker_excess", None)])
def test_what_is_better_is_known_for_each_figure(name, higher):
    assert versus.best_is_higher(name) is higher
