"""What the values of masks are taken to mean, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders.coding import Tally, decide
from manifests import Manifest
from masksmith import files, images
from masksmith.errors import BadInput
from tests.loaders.typed import make, records, written

Pair = tuple[np.ndarray, np.ndarray]
Scene = Callable[..., Pair]


def test_masks_of_0_and_255_are_written_anew_as_ids_and_that_is_said(
    put: Callable[..., Path], tmp_path: Path, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    root = put(["a", "b"], white=255)
    before = written(root)
    make("--from", root, "--to", tmp_path / "to", "--class-name", "foot")
    told = capsys.readouterr().err
    assert "masks of 0/255: read as two classes, background=0, foot=1" in told
    assert "written anew" in told and str(tmp_path / "to" / "masks") in told
    assert written(root) == before
    for index, record in enumerate(records(tmp_path / "to")):
        assert record.mask == f"masks/{record.id}.png"
        path = tmp_path / "to" / record.mask
        assert np.array_equal(images.read_mask(path), scene(index)[1])
        assert files.sha256(path) == record.sha256_mask
    assert Manifest.open(tmp_path / "to").info.classes == {"background": 0, "foot": 1}


def test_an_empty_mask_goes_with_either_coding(put: Callable[..., Path], tmp_path: Path) -> None:
    for name, white in (("bits", 1), ("bytes", 255)):
        root = put(["a", "b"], white=white, folder=name)
        files.write_bytes(root / "masks" / "a.png", images.encode_png(np.zeros((60, 80), np.uint8)))
        make("--from", root, "--to", tmp_path / f"{name}-to")
        dataset = Manifest.open(tmp_path / f"{name}-to")
        values = [np.unique(images.read_mask(dataset.path(r.mask or ""))).tolist() for r in dataset.records()]
        assert values == [[0], [0, 1]]


def test_mixed_codings_are_refused_with_a_file_of_each(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    put(["a", "b"], white=255)
    root = put(["c"], white=1)
    line = refused(3, "folders", "--from", root, "--to", tmp_path / "to")
    assert "masks/a.png" in line and "masks/c.png" in line and "0/255 in 2" in line and "0/1 in 1" in line
    assert not (tmp_path / "to" / "records.parquet").exists()


def test_other_values_need_classes_and_the_same_folder_goes_on_with_them(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = put(["a", "b"], white=1)
    put(["c"], white=4)
    arguments = ("folders", "--from", root, "--to", tmp_path / "to")
    line = refused(3, *arguments)
    assert "masks/c.png" in line and "the values 0, 4" in line and "--classes" in line
    line = refused(3, *arguments, "--classes", "background=0,foot=1")
    assert "masks/c.png" in line and "the values 4" in line and "the ids 0, 1" in line
    make(*arguments[1:], "--classes", "background=0,foot=1,floor=4")
    assert Manifest.open(tmp_path / "to").info.classes == {"background": 0, "foot": 1, "floor": 4}
    assert not (tmp_path / "to" / "masks").exists()


def test_classes_over_masks_of_0_and_255_are_refused_instead_of_ignoring_every_foot(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = put(["a"], white=255)
    arguments = ("folders", "--from", root, "--to", tmp_path / "to", "--classes")
    assert "masks/a.png" in (line := refused(3, *arguments, "background=0,foot=1")) and "--class-name" in line
    assert "--class-name" in refused(2, *arguments, "background=0,foot=255")


def test_with_classes_255_is_left_to_ignore_and_counted(
    put: Callable[..., Path], tmp_path: Path, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    root = put(["a"])
    mask = scene(0)[1]
    mask[:6] = 255  # a tenth
    files.write_bytes(root / "masks" / "a.png", images.encode_png(mask))
    make("--from", root, "--to", tmp_path / "to", "--classes", "background=0,foot=1", "--json")
    output = capsys.readouterr()
    assert json.loads(output.out)["pixel_shares"]["ignore"] == pytest.approx(0.1)
    assert "10.00% of all pixels are 255" in output.err


@pytest.mark.parametrize("classes", ["foot", "foot=x", "a=0,a=1", "a=0,b=0", "a=0,b=300", "a=-1", "=1", ","])
def test_classes_that_make_no_sense_are_a_usage_error(
    classes: str, put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    line = refused(2, "folders", "--from", put(["a"]), "--to", tmp_path / "to", "--classes", classes)
    assert "--classes" in line
    assert not (tmp_path / "to").exists()


@given(st.lists(st.lists(st.sampled_from([0, 1, 255, 7]), min_size=1, max_size=4), min_size=1, max_size=6))
def test_masks_are_read_as_two_classes_only_where_that_can_mean_one_thing(masks: list[list[int]]) -> None:
    parts = []
    for number, values in enumerate(masks):
        tally = Tally()
        tally.add(f"{number}.png", np.array([values], np.uint8))
        parts.append(json.loads(json.dumps(tally.as_json())))
    seen = {value for values in masks for value in values}
    total = Tally.together(parts)
    assert sum(total.pixels.values()) == sum(map(len, masks))
    if 7 in seen or {1, 255} <= seen:
        with pytest.raises(BadInput):
            decide(total, None, "foot")
        return
    coding = decide(total, None, "foot")
    white = max(seen)
    assert [coding.apply(np.array([values], np.uint8)).tolist() for values in masks] == [
        [[int(value == white and white > 0) for value in values]] for values in masks
    ]
    assert sum(coding.shares(total).values()) == pytest.approx(1)
