"""The reader of two folders: where they are, which files belong together, what the names say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from manifests import Manifest, Record
from masksmith import cli, images

SUBJECTS = r"(?P<subject>[^_/]+)_(?P<floor>[^_/]+)$"


def make(*arguments: str | Path) -> None:
    cli.main(["prepare", "folders", *map(str, arguments), "--engine", "serial"])


def records(folder: Path) -> list[Record]:
    return list(Manifest.open(folder).records())


def test_missing_counterparts_are_counted_and_the_first_are_named(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = put([f"{k:02d}" for k in range(12)])
    for k in range(7):
        (root / "masks" / f"{k:02d}.png").unlink()
    (root / "images" / "11.jpg").unlink()
    line = refused(3, "folders", "--from", root, "--to", tmp_path / "to")
    assert "7 with no mask (00, 01, 02, 03, 04 and 2 more)" in line
    assert "1 with no image (11)" in line
    assert "--skip-bad" in line
    assert not (tmp_path / "to" / "records.parquet").exists()


def test_what_has_no_counterpart_can_be_left_out(put: Callable[..., Path], tmp_path: Path) -> None:
    root = put([f"{k:02d}" for k in range(5)])
    (root / "masks" / "01.png").unlink()
    (root / "images" / "03.jpg").unlink()
    make("--from", root, "--to", tmp_path / "to", "--skip-bad")
    assert [record.id for record in records(tmp_path / "to")] == ["00", "02", "04"]
    told = (tmp_path / "to" / "missing.csv").read_text()
    assert "no mask" in told and "no image" in told


def test_two_images_of_one_name_are_refused(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    put(["a"], suffix=".jpg")
    root = put(["a"], suffix=".png")
    line = refused(3, "folders", "--from", root, "--to", tmp_path / "to")
    assert "a.jpg and a.png" in line


def test_folders_are_found_by_usual_names_or_given(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = put(["a"])
    (root / "images").rename(root / "JPEGImages")
    (root / "masks").rename(root / "odd")
    assert "--masks" in refused(3, "folders", "--from", root, "--to", tmp_path / "to")
    make("--from", root, "--to", tmp_path / "to", "--masks", "odd")
    assert records(tmp_path / "to")[0].mask == "../from/odd/a.png"
    (root / "img").mkdir()
    assert "JPEGImages" in (line := refused(3, "folders", "--from", root, "--to", tmp_path / "2")) and "img" in line
    assert "no such folder" in refused(3, "folders", "--from", root, "--to", tmp_path / "2", "--images", "gone")
    same = ("--images", "odd", "--masks", "odd")
    assert "two folders" in refused(3, "folders", "--from", root, "--to", tmp_path / "2", *same)
    assert "no such folder" in refused(3, "folders", "--from", tmp_path / "gone", "--to", tmp_path / "2")


def test_a_folder_without_images_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    for name in ("images", "masks"):
        (tmp_path / "from" / name).mkdir(parents=True)
    assert "found none" in refused(3, "folders", "--from", tmp_path / "from", "--to", tmp_path / "to")


def test_subjects_and_groups_come_from_the_names(put: Callable[..., Path], tmp_path: Path) -> None:
    root = put(["anna_wood", "ben_tile", "more/anna_tile"])
    make("--from", root, "--to", tmp_path / "to", "--subject-regex", SUBJECTS)
    found = records(tmp_path / "to")
    assert [(r.subject, r.groups) for r in found] == [
        ("anna", {"floor": ("wood",)}),
        ("ben", {"floor": ("tile",)}),
        ("anna", {"floor": ("tile",)}),
    ]


def test_clip_frame_and_split_in_the_names_fill_their_fields(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = put(["train/s1-walk-0007", "val/s2-run-0010"])
    pattern = r"(?P<split>\w+)/(?P<subject>\w+)-(?P<clip>\w+)-(?P<frame>\w+)"
    make("--from", root, "--to", tmp_path / "to", "--subject-regex", pattern)
    found = [(r.split, r.subject, r.clip, r.frame, r.groups) for r in records(tmp_path / "to")]
    assert found == [("train", "s1", "walk", 7, {}), ("val", "s2", "run", 10, {})]
    put(["train/s1-walk-last"])
    assert "'last'" in refused(3, "folders", "--from", root, "--to", tmp_path / "2", "--subject-regex", pattern)
    (root / "images" / "val").rename(root / "images" / "valid")
    (root / "masks" / "val").rename(root / "masks" / "valid")
    short = r"(?P<split>\w+)/(?P<subject>\w+)-"
    assert "'valid'" in refused(3, "folders", "--from", root, "--to", tmp_path / "2", "--subject-regex", short)


@pytest.mark.parametrize(
    ("pattern", "code", "said"),
    [
        (r"(?P<subject>[", 2, "no regular expression"),
        (r"([^_]+)_", 2, "no group named subject"),
        (r"(?P<subject>\d+)_", 3, "2 of 3 that do not: anna_wood, ben"),
    ],
)
def test_a_pattern_that_gives_no_subjects_is_refused(
    pattern: str, code: int, said: str, put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = put(["anna_wood", "ben", "17_wood"])
    assert said in refused(code, "folders", "--from", root, "--to", tmp_path / "to", "--subject-regex", pattern)
    assert not (tmp_path / "to").exists()


def test_real_photos_of_feet_become_a_manifest(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "feet" / "real"
    if not source.is_dir():
        pytest.skip("no real photos of feet in the real data")
    make("--from", source, "--to", tmp_path / "to", "--class-name", "foot")
    dataset = Manifest.open(tmp_path / "to")
    assert len(dataset) == 30
    for record in dataset.records():
        image, mask = images.read_image(dataset.path(record.image)), images.read_mask(dataset.path(record.mask or ""))
        assert image.shape[:2] == mask.shape == (record.height, record.width)
        assert set(np.unique(mask)) == {0, 1}
        stored = images.read_mask(source / "masks" / f"{record.id}.png")
        assert np.array_equal(mask == 1, stored == 255)
