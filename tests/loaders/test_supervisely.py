"""Supervisely Person in both exports: polygons with holes, bitmaps with origins, photos that come twice."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loaders.readers.objects import shape_of
from loaders.readers.supervisely import photo_key
from manifests import Manifest
from masksmith import files, images
from tests.loaders import layouts
from tests.loaders.layouts import HEIGHT, WIDTH, annotation, bitmap, polygon
from tests.loaders.typed import prepared

RING = np.zeros((12, 16), np.uint8)
RING[2:10, 2:14] = 1
RING[5:7, 6:9] = 0
OUTER = [[10, 5], [40, 5], [40, 35], [10, 35]]
HOLE = [[20, 15], [30, 15], [30, 25], [20, 25]]


def mask_of(dataset: Manifest, position: int = 0) -> np.ndarray:
    return images.read_mask(dataset.path(list(dataset.records())[position].mask or ""))


@pytest.mark.parametrize("new", [False, True])
def test_both_exports_give_the_same_masks(new: bool, tmp_path: Path) -> None:
    noted = {
        "ds1/pexels-photo-100.png": annotation(polygon(OUTER, HOLE)),
        "ds10/a-man-200.jpg": annotation(bitmap(RING, (3, 4))),
        "ds2/a-man-200.png": annotation(),
    }
    dataset = prepared("supervisely", layouts.supervisely(tmp_path / "from", noted, new), tmp_path / "to")
    assert [r.id for r in dataset.records()] == ["ds1/pexels-photo-100", "ds10/a-man-200", "ds2/a-man-200"]
    hollow = np.zeros((HEIGHT, WIDTH), np.uint8)
    hollow[5:36, 10:41] = 1
    hollow[15:26, 20:31] = 0
    assert np.array_equal(mask_of(dataset, 0), hollow)
    placed = np.zeros((HEIGHT, WIDTH), np.uint8)
    placed[4:16, 3:19] = RING
    assert np.array_equal(mask_of(dataset, 1), placed)
    assert not mask_of(dataset, 2).any()
    assert dataset.info.classes == {"background": 0, "person": 1}
    assert [r.groups["photo"] for r in dataset.records()] == [("pexels-100",), ("pexels-200",), ("pexels-200",)]


@pytest.mark.parametrize("form", ["alpha", "grey", "palette", "clear"])
def test_a_bitmap_is_its_alpha_channel_or_its_only_one(form: str, tmp_path: Path) -> None:
    noted = {"ds1/a-100.png": annotation(bitmap(RING, (3, 4), form))}
    dataset = prepared("supervisely", layouts.supervisely(tmp_path / "from", noted), tmp_path / "to")
    placed = np.zeros((HEIGHT, WIDTH), np.uint8)
    placed[4:16, 3:19] = RING
    assert np.array_equal(mask_of(dataset), placed)


def test_the_mask_is_the_union_and_overlapping_objects_keep_their_whole_shapes(tmp_path: Path) -> None:
    square = [[30, 20], [50, 20], [50, 40], [30, 40]]
    apart = [[0, 40], [4, 40], [4, 44], [0, 44]]
    parts = [polygon(OUTER), polygon(square, title="neutral"), polygon(apart)]
    root = layouts.supervisely(tmp_path / "from", {"ds1/a-100.png": annotation(*parts)})
    dataset = prepared("supervisely", root, tmp_path / "to")
    record = next(dataset.records())
    instances = images.read_mask(dataset.path(record.extra["instances"]))
    assert record.extra["sha256_instances"] == files.sha256(dataset.path(record.extra["instances"]))
    objects = record.extra["objects"]
    assert [(o["class"], "rle" in o) for o in objects] == [
        ("person_poly", True),
        ("neutral", False),
        ("person_poly", False),
    ]
    shapes = [shape_of(entry, instances) for entry in objects]
    assert np.array_equal(np.logical_or.reduce(shapes), mask_of(dataset) == 1)
    assert [int(shape.sum()) for shape in shapes] == [o["area"] for o in objects] == [31 * 31, 21 * 21, 25]
    assert objects[1]["box"] == [30, 20, 21, 21] and (shapes[0] & shapes[1]).any()


def test_two_pictures_of_one_name_need_the_new_export(tmp_path: Path, refused: Callable[..., str]) -> None:
    noted = {"ds1/a-100.png": annotation(polygon(OUTER)), "ds1/a-100.jpg": annotation()}
    dataset = prepared("supervisely", layouts.supervisely(tmp_path / "new", noted, new=True), tmp_path / "to")
    assert [r.id for r in dataset.records()] == ["ds1/a-100.jpg", "ds1/a-100.png"]
    assert not mask_of(dataset, 0).any() and mask_of(dataset, 1).any()
    root = layouts.supervisely(tmp_path / "old", noted)
    assert "2 with no annotation" in refused(3, "supervisely", "--from", root, "--to", tmp_path / "2")


def broken(**changes: Any) -> dict[str, Any]:
    note = annotation(bitmap(RING, (3, 4)))
    note["objects"][0].update(changes)
    return note


CLIPPED = base64.b64encode(zlib.compress(b"\x89PNG\r\n\x1a\n1234")).decode()
BAD: dict[str, tuple[Any, str]] = {
    "outside": (annotation(bitmap(RING, (60, 4))), "16 x 12 at 60, 4"),
    "before": (annotation(bitmap(RING, (-1, 4))), "a bitmap inside its image"),
    "class": (broken(classTitle="dog"), "object 0: expected a class of meta.json"),
    "neither": (broken(bitmap=None), "neither"),
    "no points": (broken(bitmap=None, points={"exterior": [[1]], "interior": []}), "a broken one"),
    "base64": (broken(bitmap={"origin": [0, 0], "data": "%%%"}), "base64 of zlib of PNG"),
    "zlib": (broken(bitmap={"origin": [0, 0], "data": "AAAA"}), "base64 of zlib of PNG"),
    "png": (broken(bitmap={"origin": [0, 0], "data": CLIPPED}), "a PNG in the bitmap"),
    "origin": (broken(bitmap={"data": CLIPPED}), "a broken one"),
    "size": (annotation(height=20), f"{WIDTH} x {HEIGHT}"),
    "no size": ({"objects": []}, "size and objects"),
    "list": ([], "found list"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_broken_annotation_is_named_and_can_be_left_out(
    how: str, tmp_path: Path, refused: Callable[..., str]
) -> None:
    note, said = BAD[how]
    root = layouts.supervisely(tmp_path / "from", {"ds1/a-100.png": note, "ds1/b-200.png": annotation()})
    line = refused(3, "supervisely", "--from", root, "--to", tmp_path / "to")
    assert said in line and "ann/a-100.json" in line
    assert not (tmp_path / "to" / "records.parquet").exists()
    assert [r.id for r in prepared("supervisely", root, tmp_path / "to", "--skip-bad").records()] == ["ds1/b-200"]


def test_broken_json_and_missing_annotations_are_named(tmp_path: Path, refused: Callable[..., str]) -> None:
    root = layouts.supervisely(tmp_path / "from", {"ds1/a-100.png": annotation(), "ds1/b-200.png": annotation()})
    note = root / "ds1" / "ann" / "a-100.json"
    note.write_text(note.read_text()[:-4])
    assert "JSON of Supervisely" in refused(3, "supervisely", "--from", root, "--to", tmp_path / "to")
    note.unlink()
    assert "1 with no annotation (ds1/a-100)" in refused(3, "supervisely", "--from", root, "--to", tmp_path / "to")


def test_another_project_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    root = layouts.supervisely(tmp_path / "from", {"ds1/a-100.png": annotation()})
    files.write_json(root / "meta.json", {"classes": [{"title": "dog"}]})
    assert "also dog" in refused(3, "supervisely", "--from", root, "--to", tmp_path / "to")
    (root / "meta.json").write_text("[]")
    assert "meta.json" in refused(3, "supervisely", "--from", root, "--to", tmp_path / "to")
    (root / "meta.json").unlink()
    line = refused(3, "supervisely", "--from", root, "--to", tmp_path / "to")
    assert "expected meta.json" in line and "ds1/" in line


def test_a_bomb_in_a_bitmap_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    data = base64.b64encode(zlib.compress(bytes(100 << 20), 9)).decode()
    note = broken(bitmap={"origin": [0, 0], "data": data})
    root = layouts.supervisely(tmp_path / "from", {"ds1/a-100.png": note})
    assert "a larger one" in refused(3, "supervisely", "--from", root, "--to", tmp_path / "to")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("pexels-photo-207894", "pexels-207894"),
        ("pexels-photo-207894_HBy28ZdchI", "pexels-207894"),
        ("girl-camera-old-retro-45174", "pexels-45174"),
        ("man-person-hat-fur", "man-person-hat-fur"),
        ("woman-girl-beauty-mask_gcyLa3JQXT", "woman-girl-beauty-mask"),
        ("IMG_3496bfree", "IMG_3496bfree"),
    ],
)
def test_a_photo_is_known_by_its_number(name: str, key: str) -> None:
    assert photo_key(name) == key


def test_the_real_lists_name_photos_that_stand_in_several_folders(real_data: Path) -> None:
    source = real_data / "supervisely_lists"
    if not source.is_dir():
        pytest.skip("no lists of Supervisely in the real data")
    paths = {
        line for name in ("test", "train_new") for line in (source / f"supervisely_{name}.txt").read_text().split()
    }
    keys: dict[str, set[str]] = {}
    for path in paths:
        keys.setdefault(photo_key(Path(path).stem), set()).add(path)
    several = [key for key, each in keys.items() if len({Path(p).parts[1] for p in each}) > 1]
    assert len(paths) > 4000 and len(several) == 86
    numbered = sum(key.startswith("pexels-") for key in keys)
    assert numbered > 0.95 * len(keys)
