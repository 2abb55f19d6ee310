"""CamVid in SegNet's form and with its 32 colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loaders.readers.camvid import COLOURS
from masksmith import images
from tests.loaders import layouts
from tests.loaders.typed import prepared


def test_unlabelled_pixels_are_ignored_and_the_eleven_classes_keep_their_ids(tmp_path: Path) -> None:
    root = layouts.camvid(tmp_path / "SegNet" / "from")
    dataset = prepared("camvid", tmp_path, tmp_path / "to")
    record = next(dataset.records())
    mask = images.read_mask(dataset.path(record.mask or ""))
    stored = images.read_mask(root / "trainannot" / "0001TP_006690.png")
    assert np.array_equal(mask, np.where(stored == 11, 255, stored)) and 255 in mask and 10 in mask
    assert dataset.info.classes["Sky"] == 0 and dataset.info.classes["Bicyclist"] == 10
    assert len(dataset.info.classes) == 11


def test_frames_carry_their_drive_their_number_and_the_official_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = prepared("camvid", layouts.camvid(tmp_path / "from"), tmp_path / "to")
    found = [(r.clip, r.frame, r.groups["drive"], r.split) for r in dataset.records()]
    assert found == [
        ("0001TP", 6690, ("0001TP",), "train"),
        ("0001TP", 8550, ("0001TP",), "test"),
        ("0016E5", 7959, ("0016E5",), "val"),
    ]
    assert "it leaks" in capsys.readouterr().err
    assert dataset.info.split_proof is None


@pytest.mark.parametrize("form", ["segnet", "colours", "original"])
def test_people_on_foot_and_on_wheels_become_one_class_on_request(form: str, tmp_path: Path) -> None:
    dataset = prepared("camvid", layouts.camvid(tmp_path / "from", form), tmp_path / "to", "--classes", "person")
    assert dataset.info.classes == {"background": 0, "person": 1} and len(dataset) == 3
    mask = images.read_mask(dataset.path(next(dataset.records()).mask or ""))
    wanted = np.zeros(mask.shape, np.uint8)
    if form == "segnet":
        wanted[:4], wanted[10:20, 10:20], wanted[10:20, 30:40] = 255, 1, 1
    else:
        wanted[:, :32], wanted[10:20, 40:44], wanted[10:20, 50:54] = 255, 1, 1
    assert np.array_equal(mask, wanted)


@pytest.mark.parametrize("form", ["colours", "original"])
def test_colours_become_places_in_the_class_table(form: str, tmp_path: Path) -> None:
    dataset = prepared("camvid", layouts.camvid(tmp_path / "from", form), tmp_path / "to")
    classes = dataset.info.classes
    assert len(classes) == 31 and "Void" not in classes
    mask = images.read_mask(dataset.path(next(dataset.records()).mask or ""))
    assert (mask[:, :32] == 255).all() and (mask[30:, 32:] == classes["Sky"]).all()
    assert (mask[10:20, 40:44] == classes["Pedestrian"]).all() and (mask[10:20, 50:54] == classes["Child"]).all()
    splits = [r.split for r in dataset.records()]
    assert splits == (["train", "test", "val"] if form == "colours" else [None, None, None])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("value", "also 12"),
        ("size", "the size of its upright image, 64 x 48, found 10 x 10"),
        ("no mask", "1 with no annotation (0016E5_07959)"),
        ("no folder", "the annotations of val"),
        ("elsewhere", "train, trainannot or 701_StillsRaw_full"),
    ],
)
def test_what_is_wrong_is_named(how: str, said: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    root = layouts.camvid(tmp_path / "from")
    mask = root / "valannot" / "0016E5_07959.png"
    if how == "value":
        layouts.marks(mask, layouts.block(12, 0, 3, 0, 3))
    elif how == "size":
        layouts.marks(mask, np.zeros((10, 10), np.uint8))
    elif how == "no mask":
        mask.unlink()
    elif how == "no folder":
        mask.parent.rename(root / "elsewhere")
    else:
        root = root / "val"
    assert said in refused(3, "camvid", "--from", root, "--to", tmp_path / "to")
    assert not (tmp_path / "to" / "records.parquet").exists()


def test_a_colour_that_no_class_has_is_named(tmp_path: Path, refused: Callable[..., str]) -> None:
    root = layouts.camvid(tmp_path / "from", "colours")
    place = root / "val_labels" / "0016E5_07959_L.png"
    coloured = images.read_image(place)
    coloured[3, 5] = (1, 2, 3)
    layouts.marks(place, coloured)
    line = refused(3, "camvid", "--from", root, "--to", tmp_path / "to")
    assert "1,2,3 among 1 pixels" in line
    (root / "class_dict.csv").write_text("name,r,g,b\nSky,128,128,128\nOdd,1, 2, x\n")
    assert "class_dict.csv" in refused(3, "camvid", "--from", root, "--to", tmp_path / "2")


def test_the_real_frames_come_whole_and_their_official_split_leaks_by_drive(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "camvid"
    if not source.is_dir():
        pytest.skip("no CamVid in the real data")
    from loaders.readers.camvid import CamVid

    items = list(CamVid(source).items())
    counts = {split: sum(item.split == split for item in items) for split in ("train", "val", "test")}
    assert counts == {"train": 367, "val": 101, "test": 233}
    drives: dict[str, set[str | None]] = {}
    for item in items:
        assert item.clip and item.frame is not None
        drives.setdefault(item.clip, set()).add(item.split)
    assert drives == {
        "0001TP": {"train", "test"},
        "0016E5": {"train", "val"},
        "0006R0": {"train"},
        "Seq05VD": {"test"},
    }
    part = tmp_path / "part"
    for split in ("train", "trainannot"):
        (part / split).mkdir(parents=True)
        for path in sorted((source / split).iterdir())[::60]:
            (part / split / path.name).symlink_to(path)
    dataset = prepared("camvid", part, tmp_path / "to")
    assert len(dataset) == 7
    for record in dataset.records():
        stored = images.read_mask(source / "trainannot" / f"{record.id}.png")
        assert np.array_equal(images.read_mask(dataset.path(record.mask or "")), np.where(stored == 11, 255, stored))


def test_the_built_in_colours_are_those_of_the_published_table(real_data: Path) -> None:
    place = real_data / "camvid" / "class_dict32.csv"
    if not place.is_file():
        pytest.skip("no class table of CamVid in the real data")
    rows = [line.split(",") for line in place.read_text().splitlines()[1:] if line.strip()]
    assert {row[0]: tuple(map(int, row[1:])) for row in rows} == COLOURS
    assert [row[0] for row in rows] == list(COLOURS)
