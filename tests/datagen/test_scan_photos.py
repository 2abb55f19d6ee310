"""Photos of a four-camera scanner: names, tables, masks, cut-outs, and the manifest they become."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datagen import rig_photos
from datagen.rig_photos import gaps, list_photos, look, prepare_photos
from manifests import Manifest
from masksmith import cli, engine, files, images
from masksmith.errors import BadInput

SERIAL = engine.get("serial")
HEIGHT, WIDTH = 60, 80


def ellipse(shift: int = 0) -> np.ndarray:
    """(H, W) bool: something like a foot in the middle."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return ((x - 40 - shift) / 22) ** 2 + ((y - 30) / 14) ** 2 < 1


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def cutout(path: Path, seed: int = 0, soft: bool = True) -> Path:
    """An RGBA file whose edge fades over a pixel or two."""
    alpha = ellipse().astype(np.float64) * 255
    if soft:
        alpha = (alpha + np.roll(alpha, 1, 0) + np.roll(alpha, 1, 1) + np.roll(alpha, -1, 1)) / 4
    return save(path, np.dstack([picture(seed), alpha.astype(np.uint8)]))


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    """Two subjects, four cameras each: cut-outs of the first, pictures with masks of the second."""
    folder = tmp_path / "rig"
    for camera in range(1, 5):
        cutout(folder / f"P 01_left_cam{camera}.png", camera)
        save(folder / f"Zoë-c{camera}.jpg", picture(10 + camera))
        save(folder / "masks" / f"Zoë-c{camera}.png", ellipse(camera).astype(np.uint8) * (255 if camera % 2 else 1))
    return folder


def test_a_rig_becomes_a_manifest_with_cameras_and_subjects(rig: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    rows = prepare_photos(rig, out, SERIAL)
    assert [row["verdict"] for row in rows] == ["ok"] * 8 and gaps(rows) == []
    opened = Manifest.open(out)
    records = {record.id: record for record in opened.records()}
    assert dict(opened.info.classes) == {"background": 0, "foot": 1}
    one, two = records["P 01_left_cam3"], records["Zoë-c2"]
    assert (one.subject, one.values_of("camera"), one.extra["side"]) == ("P 01", ("3",), "left")
    assert (two.subject, two.values_of("camera"), "side" in two.extra) == ("Zoë", ("2",), False)
    for record in records.values():
        assert (record.width, record.height) == (WIDTH, HEIGHT)
        assert files.sha256(out / record.image) == record.sha256_image
        assert set(np.unique(images.read_mask(out / str(record.mask)))) == {0, 1}
    assert np.array_equal(images.read_mask(out / str(two.mask)), ellipse(2))
    alpha = images.read_mask(out / one.extra["alpha"])
    assert 0 < ((alpha > 0) & (alpha < 255)).mean() < 0.1 and "alpha" not in two.extra
    assert (out / one.image).read_bytes() == (rig / "P 01_left_cam3.png").read_bytes()


def test_the_same_rig_gives_the_same_bytes_and_a_stopped_run_goes_on(rig: Path, tmp_path: Path) -> None:
    def digests(folder: Path) -> dict[str, str]:
        found = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in (".lock", "dataset.json"))
        return {p.relative_to(folder).as_posix(): files.sha256(p) for p in found}

    prepare_photos(rig, tmp_path / "one", SERIAL)
    prepare_photos(rig, tmp_path / "two", SERIAL)
    (tmp_path / "two" / ".receipts" / "photos" / "000000.json").unlink()
    (tmp_path / "two" / "masks" / "Zoë-c2.png").unlink()
    (tmp_path / "two" / "records.parquet").unlink()
    prepare_photos(rig, tmp_path / "two", SERIAL)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_names_tell_subject_side_and_camera() -> None:
    told = {}
    for name in ("P07_left_cam2", "P07-R-camera-03", "a b.view4", "S1_c1", "left_cam1", "P07", "cam2"):
        photo = rig_photos._from_name(Path(f"{name}.png"), None)
        told[name] = (photo.subject, photo.side, photo.camera)
    assert told == {
        "P07_left_cam2": ("P07", "left", "2"),
        "P07-R-camera-03": ("P07", "right", "3"),
        "a b.view4": ("a b", None, "4"),
        "S1_c1": ("S1", None, "1"),
        "left_cam1": ("left", None, "1"),
        "P07": ("P07", None, None),
        "cam2": ("cam2", None, None),
    }


def test_a_table_names_photos_and_its_errors_name_the_line(tmp_path: Path) -> None:
    save(tmp_path / "img 1.jpg", picture(1))
    save(tmp_path / "m.png", ellipse().astype(np.uint8) * 255)
    table = tmp_path / "photos.csv"
    table.write_text("file,mask,subject,camera,side,licence\nimg 1.jpg,m.png,Ann,top,left,CC0-1.0\n", encoding="utf-8")
    (photo,) = list_photos(tmp_path)
    assert (photo.subject, photo.camera, photo.side, photo.licence) == ("Ann", "top", "left", "CC0-1.0")
    assert look(photo).mask.sum() == ellipse().sum()
    for text, message in (
        ("name\nimg 1.jpg\n", "a column `file`"),
        ("file\n", "no rows"),
        ("file\nimg 2.jpg\n", "line 2.*img 2.jpg"),
        ("file,mask\nimg 1.jpg,n.png\n", "line 2.*mask.*n.png"),
        ("file,side\nimg 1.jpg,upper\n", "line 2.*left or right.*upper"),
        ("file\nimg 1.jpg\nimg 1.jpg\n", "line 3.*second time"),
    ):
        table.write_text(text)
        with pytest.raises(BadInput, match=message):
            list_photos(tmp_path)


def test_what_is_wrong_with_a_photo_is_said_in_its_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "rig"
    cutout(folder / "A_cam1.png")
    save(folder / "A_cam2.jpg", picture(1))
    save(folder / "A_cam3.jpg", picture(2))
    save(folder / "A_cam3_mask.png", ellipse()[::2, ::2].astype(np.uint8) * 255)
    save(folder / "A_cam4.png", np.dstack([picture(3), np.zeros((HEIGHT, WIDTH), np.uint8)]))
    save(folder / "B_cam1.png", np.dstack([picture(3), np.full((HEIGHT, WIDTH), 255, np.uint8)]))
    save(folder / "B_cam2.jpg", picture(4))
    save(folder / "B_cam2_mask.png", picture(4)[..., 0])
    save(folder / "B_cam3.jpg", picture(4))
    save(folder / "B_cam3_mask.png", ellipse().astype(np.uint8) * 2)
    (folder / "B_cam4.png").write_bytes((folder / "A_cam1.png").read_bytes()[:900])
    cutout(folder / "nobody.png")
    rows = {row["file"]: row["verdict"] for row in prepare_photos(folder, None, SERIAL)}
    for name, message in {
        "A_cam1.png": "ok",
        "A_cam2.jpg": "a cut-out with transparency (RGBA), or a mask",
        "A_cam3.jpg": "80 x 60 px, found 40 x 30",
        "A_cam4.png": "no foot at all",
        "B_cam1.png": "no background at all",
        "B_cam2.jpg": "% of half tones",
        "B_cam3.jpg": "values up to 2",
        "B_cam4.png": "cut off",
        "nobody.png": "a camera in its name",
    }.items():
        assert message in rows[name] and (rows[name] == "ok" or Path(name).stem in rows[name])
    code = 0
    try:
        cli.main(["scans", "photos", str(folder), "--out", str(tmp_path / "out"), "--engine", "serial", "--json"])
    except SystemExit as done:
        code = int(done.code or 0)
    printed = capsys.readouterr()
    assert code == 1 and "8 of 9 photos are refused" in printed.err and json.loads(printed.out)["refused"] == 8
    assert [record.id for record in Manifest.open(tmp_path / "out").records()] == ["A_cam1"]


def test_a_missing_camera_and_odd_masks_are_told(tmp_path: Path) -> None:
    for camera in range(1, 5):
        cutout(tmp_path / f"A_cam{camera}.png", camera)
    for camera in (1, 2, 4):
        cutout(tmp_path / f"B_cam{camera}.png", 10 + camera)
    pieces = np.zeros((HEIGHT, WIDTH), np.uint8)
    pieces[:30, :10], pieces[:30, 40:60] = 255, 255
    save(tmp_path / "C_cam1.png", np.dstack([picture(7), pieces]))
    rows = prepare_photos(tmp_path, None, SERIAL)
    told = gaps(rows)
    assert told == ["subject B: no picture from camera 3", "subject C: no picture from camera 2, 3, 4"]
    notes = " ".join(rows[-1]["notes"])
    assert "2 pieces" in notes and "cut by the top, left" in notes


def test_a_folder_without_photos_or_with_another_run_is_refused(rig: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="photos of feet"):
        list_photos(tmp_path / "empty")
    with pytest.raises(BadInput, match="outside of the photos"):
        prepare_photos(rig, rig / "out", SERIAL)
    prepare_photos(rig, tmp_path / "out", SERIAL)
    cutout(rig / "P 02_cam1.png", 40)
    with pytest.raises(BadInput, match="a run with other photos"):
        prepare_photos(rig, tmp_path / "out", SERIAL)
