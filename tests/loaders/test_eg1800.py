"""EG1800 in the forms it is given out in, whole or not."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from loaders.readers.eg1800 import SAME, Eg1800
from masksmith import files, images
from tests.loaders import layouts
from tests.loaders.typed import prepared


def missing(folder: Path) -> dict[str, tuple[str, str]]:
    with (folder / "missing.csv").open(newline="") as handle:
        return {row["id"]: (row["reason"], row["detail"]) for row in csv.DictReader(handle)}


def test_photos_are_cropped_by_rows_then_columns_and_brought_to_the_size_of_the_mask(tmp_path: Path) -> None:
    root = layouts.eg1800(tmp_path / "from")
    dataset = prepared("eg1800", root, tmp_path / "to")
    record = next(dataset.records())
    assert record.image == "images/00001.jpg" and (record.width, record.height) == (600, 800)
    assert record.extra["crop"] == [50, 450, 60, 360]
    photo = images.read_image(root / "images_data" / "00001.jpg")
    wanted = images.resize_image(np.ascontiguousarray(photo[50:450, 60:360]), 800, 600)
    got = images.read_image(dataset.path(record.image))
    assert np.abs(got.astype(int) - wanted).mean() < 2
    mask = images.read_mask(dataset.path(record.mask or ""))
    assert np.array_equal(mask, loadmat(root / "images_mask" / "00001_mask.mat")["mask"])
    assert record.sha256_image == files.sha256(dataset.path(record.image))
    assert record.sha256_mask == files.sha256(dataset.path(record.mask or ""))


def test_crops_stay_where_they_are(tmp_path: Path) -> None:
    root = layouts.eg1800(tmp_path / "from", "crops")
    dataset = prepared("eg1800", root, tmp_path / "to")
    assert next(dataset.records()).image == "../from/images_data_crop/00001.jpg"
    assert not (tmp_path / "to" / "images").exists()


def test_every_id_is_a_record_or_a_line_that_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = layouts.eg1800(tmp_path / "from")
    (root / "images_mask" / "00002_mask.mat").unlink()
    dead = "http://farm3.static.flickr.com/2/555_ab_b.jpg"
    ledger = {"dataset": "eg1800", "urls": {dead: {"result": "failed", "reason": "HTTP 404"}}}
    files.write_json(root / ".fetch.json", ledger)
    dataset = prepared("eg1800", root, tmp_path / "to", "--json")
    assert [r.id for r in dataset.records()] == ["00001", "00003"]
    assert missing(tmp_path / "to") == {
        "00002": ("no mask", ""),
        "00004": ("no photo: no URL is known", "None in alldata_urls.txt"),
        "00005": ("no photo: the link is dead", f"{dead}: HTTP 404"),
    }
    told = capsys.readouterr()
    assert sum(json.loads(told.out)["missing"].values()) == 3
    assert "lists of authors, which the split follows: 1 of 3 train" in told.err and "1 of 2 test" in told.err
    assert "3 items are left out" in dataset.info.description


def test_both_ids_of_one_photo_share_a_group_whatever_their_split(tmp_path: Path) -> None:
    dataset = prepared("eg1800", layouts.eg1800(tmp_path / "from"), tmp_path / "to")
    found = {r.id: (r.split, r.groups["photo"]) for r in dataset.records()}
    assert found["00001"] == ("train", ("111",)) and found["00003"] == ("test", ("111",))
    assert found["00002"] == ("train", ("222",))


def test_the_repack_has_other_values_as_background_and_known_doubles_as_groups(tmp_path: Path) -> None:
    dataset = prepared("eg1800", layouts.eg1800(tmp_path / "from", "repack"), tmp_path / "to")
    found = {r.id: r for r in dataset.records()}
    assert {k: r.split for k, r in found.items()} == {
        "00001": "train",
        "00002": "test",
        "00203": "train",
        "01175": "test",
    }
    assert found["00203"].groups == found["01175"].groups == {"photo": ("eg1800-00203",)}
    mask = images.read_mask(dataset.path(found["00001"].mask or ""))
    assert not mask[:10].any() and mask[200:, 100:500].all()
    assert missing(tmp_path / "to") == {"00009": ("no photo and no mask: no URL is known", "not listed there")}


def test_another_pair_of_lists_can_make_the_split_and_both_stay_known(tmp_path: Path) -> None:
    root = layouts.eg1800(tmp_path / "from")
    files.write_bytes(root / "portraitnet_lists" / "eg1800_train.txt", b"00003.png\n")
    files.write_bytes(root / "portraitnet_lists" / "eg1800_test.txt", b"00001.png\n")
    found = {r.id: r for r in prepared("eg1800", root, tmp_path / "to", "--lists", "portraitnet").records()}
    assert [r.split for r in found.values()] == ["test", None, "train"]
    assert found["00001"].extra["lists"] == {"authors": "train", "portraitnet": "test"}


def test_lists_that_are_asked_for_must_be_there(tmp_path: Path, refused: Callable[..., str]) -> None:
    root = layouts.eg1800(tmp_path / "from")
    arguments = ("eg1800", "--from", root, "--to", tmp_path / "to", "--lists")
    assert "eg1800_train.txt and eg1800_test.txt, found no such lists" in refused(3, *arguments, "portraitnet")
    assert "no such lists" in refused(3, *arguments, root / "images_mask")
    assert "'authors' or 'portraitnet'" in refused(3, *arguments, "gone")


def test_a_photo_that_does_not_hold_its_crop_is_named(tmp_path: Path, refused: Callable[..., str]) -> None:
    root = layouts.eg1800(tmp_path / "from")
    layouts.photo(root / "images_data" / "00002.jpg", 0, 300, 240)
    line = refused(3, "eg1800", "--from", root, "--to", tmp_path / "to")
    assert "00002.jpg" in line and "240 x 300" in line and "rows 50 to 450" in line
    assert len(prepared("eg1800", root, tmp_path / "to", "--skip-bad")) == 2
    assert missing(tmp_path / "to")["00002"][0] == "unreadable"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("values", "a mask of 0 and 1"),
        ("key", "the array 'mask', found other"),
        ("text", "a MATLAB file"),
        ("crop", "crop.txt:1"),
        ("no photos", "images_data_crop/ or images_data/"),
        ("elsewhere", "images_mask or Images, Labels"),
    ],
)
def test_a_broken_copy_is_refused_with_what_was_wanted(
    how: str, said: str, tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = layouts.eg1800(tmp_path / "from")
    place = root / "images_mask" / "00001_mask.mat"
    if how == "values":
        savemat(place, {"mask": np.full((800, 600), 3, np.uint8)})
    elif how == "key":
        savemat(place, {"other": np.zeros((800, 600), np.uint8)})
    elif how == "text":
        place.write_text("no matrix")
    elif how == "crop":
        (root / "crop.txt").write_text("00001.jpg 5 6\n")
    elif how == "no photos":
        (root / "images_data").rename(root / "pictures")
    else:
        root = root / "images_data"
    line = refused(3, "eg1800", "--from", root, "--to", tmp_path / "to")
    assert said in line
    assert not (tmp_path / "to" / "records.parquet").exists()


def test_all_ids_of_the_real_release_are_accounted_for(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "eg1800"
    if not source.is_dir():
        pytest.skip("no EG1800 in the real data")
    dataset = prepared("eg1800", source, tmp_path / "to", "--images", "sample_pairs")
    found = list(dataset.records())
    assert len(found) == 8 and {(r.width, r.height) for r in found} == {(600, 800)}
    for record in found:
        official = loadmat(source / "images_mask" / f"{record.id}_mask.mat")["mask"]
        assert np.array_equal(images.read_mask(dataset.path(record.mask or "")), official)
    left = missing(tmp_path / "to")
    masks = {path.name[:5] for path in (source / "images_mask").iterdir()}
    assert len(masks) == 1887 and masks <= {*left, *(r.id for r in found)}
    assert Counter(reason for reason, _ in left.values()) == {
        "no photo: no URL is known": 119,
        "no photo: it was not fetched, or the link is dead": 1760,
    }
    assert {r.split for r in found} == {"train", "test"}


def test_the_real_urls_show_the_four_photos_that_are_in_train_and_in_test(real_data: Path) -> None:
    source = real_data / "eg1800"
    if not source.is_dir():
        pytest.skip("no EG1800 in the real data")
    items = {item.id: item for item in Eg1800(source, images="sample_pairs").items()}
    shared = Counter(value for item in items.values() for value in item.groups.get("photo", ()))
    assert sum(number == 2 for number in shared.values()) == 9 and max(shared.values()) == 2
    for first, second in SAME:
        assert items[first].groups == items[second].groups
        assert {items[first].split, items[second].split} == {"train", "test"}
