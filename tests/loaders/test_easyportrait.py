"""EasyPortrait in both versions: its classes, its people, its splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from masksmith import files, images
from tests.loaders import layouts
from tests.loaders.typed import prepared

VERSIONS = (("easyportrait", 2), ("easyportrait-v1", 1))


@pytest.mark.parametrize("separator", ["\t", ",", ";", "|"])
@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_splits_people_and_brightness_are_kept(name: str, version: int, separator: str, tmp_path: Path) -> None:
    root = layouts.easyportrait(tmp_path / "from", version, separator)
    dataset = prepared(name, root, tmp_path / "to")
    found = list(dataset.records())
    assert len(found) == 9
    for record in found:
        split, _, stem = record.id.partition("/")
        number = int(stem[len(split) : len(split) + 8])
        assert record.split == split and record.subject == f"{split}-{'aab'[number]}"
        assert record.extra == {"brightness": 100.5 + number}
        assert record.mask == f"../from/annotations/{record.id}.png"
    assert dataset.info.classes["background"] == 0 and dataset.info.classes["teeth"] == 8
    assert len(dataset.info.classes) == 9 and "CC BY-SA" in dataset.info.licence[0]


def test_a_portrait_is_all_classes_but_the_background_and_padding_stays_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = layouts.easyportrait(tmp_path / "from")
    dataset = prepared("easyportrait", root, tmp_path / "to", "--target", "portrait")
    assert dataset.info.classes == {"background": 0, "portrait": 1}
    for record in dataset.records():
        stored = images.read_mask(root / "annotations" / f"{record.id}.png")
        wanted = np.where(stored == 255, 255, stored > 0)
        assert np.array_equal(images.read_mask(dataset.path(record.mask or "")), wanted)
        assert 8 in stored and set(np.unique(wanted)) == {0, 1, 255}
    prepared("easyportrait", root, tmp_path / "all")
    assert "--classes portrait" in capsys.readouterr().err


def test_some_of_the_splits_are_enough_and_annotations_without_images_are_listed(tmp_path: Path) -> None:
    root = layouts.easyportrait(tmp_path / "from")
    (root / "images" / "train").rename(tmp_path / "elsewhere")
    (root / "images" / "val" / "val00000001-1111-2222.jpg").unlink()
    dataset = prepared("easyportrait", root, tmp_path / "to")
    assert {r.split for r in dataset.records()} == {"val", "test"} and len(dataset) == 5
    assert "val/val00000001-1111-2222,," in (tmp_path / "to" / "missing.csv").read_text()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no mask", "1 with no annotation (train/train00000000-1111-2222)"),
        ("no row", "1 with no row in meta.tsv (train/train00000000-1111-2222)"),
        ("value", "also 9"),
        ("no meta", "unpack meta.zip"),
        ("other version", "this one is of easyportrait-v1"),
        ("no splits", "folders train, val, test"),
        ("no annotations", "images, annotations"),
    ],
)
def test_what_is_wrong_is_named(how: str, said: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    root = layouts.easyportrait(tmp_path / "from")
    meta = root / "meta" / "meta.tsv"
    mask = root / "annotations" / "train" / "train00000000-1111-2222.png"
    if how == "no mask":
        mask.unlink()
    elif how == "no row":
        meta.write_text("".join(line for line in meta.open() if "train00000000" not in line))
    elif how == "value":
        layouts.marks(mask, layouts.block(9, 0, 3, 0, 3))
    elif how == "no meta":
        meta.unlink()
    elif how == "other version":
        layouts.easyportrait(root, 1)
        meta.unlink()
    elif how == "no splits":
        (root / "images").rename(root / "pictures")
        (root / "images").mkdir()
    else:
        (root / "annotations").rename(root / "masks")
    line = refused(3, "easyportrait", "--from", root, "--to", tmp_path / "to")
    assert said in line
    assert not (tmp_path / "to" / "records.parquet").exists()


def test_what_is_missing_can_be_left_out(tmp_path: Path) -> None:
    root = layouts.easyportrait(tmp_path / "from")
    (root / "annotations" / "train" / "train00000000-1111-2222.png").unlink()
    dataset = prepared("easyportrait", root, tmp_path / "to", "--skip-bad")
    assert len(dataset) == 8
    assert "no annotation" in (tmp_path / "to" / "missing.csv").read_text()
    assert "--skip-bad" in (dataset.info.command or "")


def test_another_target_is_a_usage_error(tmp_path: Path, refused: Callable[..., str]) -> None:
    root = layouts.easyportrait(tmp_path / "from")
    line = refused(2, "easyportrait", "--from", root, "--to", tmp_path / "to", "--classes", "portrat")
    assert "Did you mean 'portrait'" in line


def test_an_archive_is_no_folder_and_the_way_to_unpack_it_is_told(tmp_path: Path, refused: Callable[..., str]) -> None:
    files.write_bytes(tmp_path / "images.zip", b"PK")
    line = refused(3, "easyportrait", "--from", tmp_path / "images.zip", "--to", tmp_path / "to")
    assert "found a file" in line and "masksmith fetch easyportrait --from images.zip" in line
