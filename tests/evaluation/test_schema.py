"""The schema of report.json: real reports keep to it, and every key of theirs stands in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation import report, schema, slices, temporal
from evaluation.counts import CountsBuilder, count_image
from tests.evaluation.test_slices import mask
from tests.evaluation.typed import run, save

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")


def check(document: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema.report())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def full() -> dict[str, Any]:
    builder = CountsBuilder((0, 1), {"boundary": {"surface_dice_px": 2.0}})
    for k in range(12):
        truth = mask(5 * k, 3, 5)
        edges = np.full((2, 4), 0.5 if k else np.nan)
        builder.add(f"i{k}", count_image(truth, truth), subject=f"s{k}", edges=edges, clip="c", brightness=k / 12)
    time = temporal.summarise([temporal.ClipFigures("c", 3, 2, 0, 0, 0.1, 0.05, 0.05, 2.0)])
    return report.document(builder.build(), time=time, by=["area", "brightness"], facts={"a": 1}, notes=["n"])


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.report())


def test_a_document_with_everything_keeps_to_it_and_has_no_key_it_does_not_describe() -> None:
    made = json.loads(json.dumps(full()))
    assert check(made) == []
    assert set(made) <= set(schema.report()["properties"])
    assert set(made["slices"]) == {"area", "brightness", "subject", "clip"}
    assert set(slices.FIGURES) <= set(made["slices"]["area"][0])


def test_reports_as_they_are_written_keep_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(6):
        save(tmp_path / "p" / f"{k}.png", mask(5 * k, 3) * 200)
        save(tmp_path / "t" / f"{k}.png", mask(5 * k + 1, 3) * 255)
    words = ("evaluate", tmp_path / "p", tmp_path / "t", "--soft", "--out", tmp_path / "out", "--json")
    assert run(*words, "--boundary", "--sweep", "--calibration", "--slice", "position") == 0
    printed = json.loads(capsys.readouterr().out)
    stored = json.loads((tmp_path / "out" / "report.json").read_text())
    assert check(printed) == [] and check(stored) == []
    assert printed["sweep"]["best"]["threshold"] <= 200 / 255
    assert set(stored) <= set(schema.report()["properties"])
    assert run("evaluate", "--schema") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(schema.report()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("iou_fg_image",), 1.5),
        (("iou_fg_image",), "0.9"),
        (("images",), 0),
        (("digest",), "abc"),
        (("undefined", "policy"), "guess"),
        (("intervals", "values", "miou_image"), [0.5]),
        (("slices", "area", 0, "images"), None),
        (("map_at_x", "x"), 0.5),
    ],
)
def test_what_is_wrong_is_found(path: tuple[Any, ...], value: Any) -> None:
    made = json.loads(json.dumps(full()))
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert check(made)


def test_what_is_missing_is_found() -> None:
    made = full()
    del made["headline"]
    assert check(made)
