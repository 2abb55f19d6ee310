"""Scenes from a scanner's photos: cut out, placed and shadowed as their cameras saw them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from datagen import bank, cutouts, photo_cutouts, rig_photos
from datagen import generate as making
from datagen import plan as planning
from datagen.bank import Rig
from datagen.scenes import Style
from manifests import Manifest, check_proof
from masksmith import engine, files, images
from masksmith.errors import UsageProblem

SUBJECTS, CAMERAS = ("Ada", "Böll 7", "Cem", "Dora"), (1, 2, 3, 4)
SKIN = (190, 130, 100)


def photo(number: int, camera: int) -> np.ndarray:
    """(180, 140, 4): a foot with a leg that the top of the picture cuts, on transparent ground."""
    foot = np.zeros((180, 140), np.uint8)
    cv2.ellipse(foot, (70, 140), (44 + number, 20 + camera), 0, 0, 360, 255, -1, cv2.LINE_AA)
    cv2.rectangle(foot, (50, 0), (88, 140), 255, -1)
    return np.dstack([np.full((180, 140, 3), SKIN, np.uint8), foot])


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rig's folder as ``masksmith scans photos`` writes it."""
    here = tmp_path_factory.mktemp("rig")
    (here / "as they came").mkdir()
    for number, subject in enumerate(SUBJECTS):
        for camera in CAMERAS:
            path = here / "as they came" / f"{subject}_left_cam{camera}.png"
            cv2.imwrite(str(path), photo(number, camera)[..., [2, 1, 0, 3]])
    rows = rig_photos.prepare_photos(here / "as they came", here / "feet", engine.get("serial"))
    assert all(row["verdict"] == "ok" for row in rows)
    return here / "feet"


def plan(feet: Path, floors: Path, out: Path, **more: object) -> planning.Plan:
    values: dict[str, object] = {"count": 24, "seed": 2, "rig": Rig(canvas=112, scanner=True), "style": Style(size=64)}
    return planning.plan(scans=str(feet), floor_spec=str(floors), out=out, **{**values, **more})  # type: ignore[arg-type]


def test_each_photo_becomes_a_cutout_of_its_camera_with_its_colour_and_a_dark_place_below(
    rig: Path, tmp_path: Path
) -> None:
    found = bank.sources(str(rig), 0)
    assert [source.subject for source in found] == sorted(SUBJECTS)
    assert [[photo.camera for photo in source.photos] for source in found] == [list(CAMERAS)] * 4
    cutouts.write(tmp_path / "one.arrow", photo_cutouts.views(found[0].photos, 128, {"subject": "Ada"}))
    seen = [cutouts.read(tmp_path / "one.arrow", k) for k in range(4)]
    assert len({each.camera.azimuth_deg for each in seen}) == 4
    for each in seen:
        cover = each.colour[..., 3]
        assert cover[0].max() == 255, "the leg is cut by the canvas, as it was by the photo"
        assert not cover[-1].any() and not cover[:, 0].any() and not cover[:, -1].any()
        assert np.abs(each.colour[cover > 0][:, :3].astype(int) - SKIN).max() <= 2, "no background in the soft edge"
        dark = each.floor.min(axis=-1)
        lowest = np.flatnonzero((cover >= 128).any(axis=1))[-1] // 2
        assert dark[lowest].min() < 180 and dark[:8].min() == 255


@pytest.mark.parametrize("effects", [True, False])
def test_a_dataset_of_photographed_feet_keeps_people_apart_and_is_made_again_by_bytes(
    effects: bool, rig: Path, floor_folder: Path, tmp_path: Path
) -> None:
    work = plan(rig, floor_folder, tmp_path / "d", style=Style(size=64, effects=effects))
    made = making.generate(work, engine.get("serial"))
    dataset = Manifest.open(made)
    records = list(dataset.records())
    assert check_proof(dataset.table(), dataset.info.split_proof or {}) == []
    assert {record.subject for record in records} == set(SUBJECTS)
    for record in records:
        mask = images.read_mask(made / (record.mask or ""))
        image = images.read_image(made / record.image).astype(int)
        assert 0.03 < (mask == 1).mean() < 0.8
        if not effects:
            inside = cv2.erode(mask, np.ones((5, 5), np.uint8)) == 1
            assert np.abs(image[inside].mean(axis=0) - SKIN).max() < 12
    one = records[5]
    again = making.again(json.loads(one.recipe or ""), made, [str(floor_folder)], tmp_path / "again")
    assert again["sha256_image"] == one.sha256_image == files.sha256(tmp_path / "again" / f"{one.id}.jpg")


def test_what_photos_cannot_give_is_refused_by_name(rig: Path, floor_folder: Path, tmp_path: Path) -> None:
    work = plan(rig, floor_folder, tmp_path / "d", rig=Rig(canvas=112, layers=True))
    with pytest.raises(UsageProblem, match="no depth"):
        making.generate(work, engine.get("serial"))
    with pytest.raises(UsageProblem, match="give scans"):
        bank.load(bank.sources(str(rig), 0)[0], 0)
