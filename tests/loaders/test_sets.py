"""Sets whose layout needs few words: Penn-Fudan, DAVIS, P3M, those of PaddleSeg, and faces."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loaders.readers import READERS, find_reader
from loaders.readers.objects import shape_of
from manifests.registry import entry_names
from masksmith import files, images
from tests.loaders import layouts
from tests.loaders.layouts import WIDTH
from tests.loaders.typed import prepared


def test_people_of_penn_fudan_are_one_class_and_stay_apart(tmp_path: Path) -> None:
    root = layouts.penn_fudan(tmp_path / "from")
    dataset = prepared("penn-fudan", root, tmp_path / "to")
    first, second = dataset.records()
    stored = images.read_mask(root / "PennFudanPed" / "PedMasks" / f"{first.id}_mask.png")
    assert np.array_equal(images.read_mask(dataset.path(first.mask or "")), stored > 0)
    instances = images.read_mask(dataset.path(first.extra["instances"]))
    shapes = [shape_of(entry, instances) for entry in first.extra["objects"]]
    assert [np.array_equal(shape, stored == number) for number, shape in enumerate(shapes, 1)] == [True, True]
    assert first.extra["objects"][0]["box"] == [5, 5, 15, 35]
    assert len(second.extra["objects"]) == 1 and dataset.info.classes == {"background": 0, "person": 1}


def test_a_photo_of_penn_fudan_without_its_mask_is_named(tmp_path: Path, refused: Callable[..., str]) -> None:
    root = layouts.penn_fudan(tmp_path / "from")
    (root / "PennFudanPed" / "PedMasks" / "PennPed00001_mask.png").unlink()
    line = refused(3, "penn-fudan", "--from", root, "--to", tmp_path / "to")
    assert "1 with no annotation (PennPed00001)" in line
    assert "PNGImages, PedMasks" in refused(3, "penn-fudan", "--from", tmp_path / "to", "--to", tmp_path / "to")


def davis(root: Path) -> Path:
    for number in range(3):
        for clip in ("bear", "car-turn"):
            layouts.photo(root / "JPEGImages" / "480p" / clip / f"{number:05d}.jpg", number)
            layouts.marks(root / "Annotations" / "480p" / clip / f"{number:05d}.png", layouts.block(255, 5, 20, 5, 20))
    line = "/JPEGImages/480p/car-turn/00000.jpg /Annotations/480p/car-turn/00000.png\n"
    files.write_bytes(root / "ImageSets" / "480p" / "val.txt", line.encode())
    return root


def test_sequences_of_davis_are_clips_with_frames_and_lists_make_their_split(tmp_path: Path) -> None:
    dataset = prepared("davis2016", davis(tmp_path / "from"), tmp_path / "to")
    assert [(r.clip, r.frame, r.split) for r in dataset.records()] == [
        *(("bear", number, None) for number in range(3)),
        *(("car-turn", number, "val") for number in range(3)),
    ]
    mask = images.read_mask(dataset.path(next(dataset.records()).mask or ""))
    assert set(np.unique(mask)) == {0, 1} and mask.sum() == 225


def test_what_moves_in_sequences_of_davis_can_have_a_name(tmp_path: Path) -> None:
    dataset = prepared("davis2016", davis(tmp_path / "from"), tmp_path / "to", "--class-name", "person")
    assert dataset.info.classes == {"background": 0, "person": 1}


def test_a_frame_of_davis_without_its_mask_or_with_several_objects_is_named(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = davis(tmp_path / "from")
    layouts.marks(root / "Annotations" / "480p" / "bear" / "00001.png", layouts.block(2, 5, 20, 5, 20))
    assert "also 2" in refused(3, "davis-2016", "--from", root, "--to", tmp_path / "to")
    (root / "Annotations" / "480p" / "bear" / "00001.png").unlink()
    assert "no annotation (bear/00001)" in refused(3, "davis-2016", "--from", root, "--to", tmp_path / "to")


def test_the_real_sequence_of_davis_comes_whole(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "video" / "DAVIS2016"
    if not source.is_dir():
        pytest.skip("no DAVIS in the real data")
    dataset = prepared("davis-2016", source, tmp_path / "to")
    found = list(dataset.records())
    assert [r.frame for r in found] == list(range(90)) and {r.clip for r in found} == {"dance-twirl"}
    for record in found[::30]:
        stored = images.read_mask(source / "Annotations" / "480p" / f"{record.id}.png")
        assert np.array_equal(images.read_mask(dataset.path(record.mask or "")), stored == 255)


def test_alpha_of_p3m_is_cut_at_a_half_and_kept(tmp_path: Path) -> None:
    root = layouts.p3m(tmp_path / "from")
    dataset = prepared("p3m", root, tmp_path / "to")
    found = list(dataset.records())
    assert [(r.id, r.split, r.extra["faces"]) for r in found] == [
        ("train/p_0001", "train", "blurred"),
        ("validation/P3M-500-NP/p_0001", "val", "shown"),
        ("validation/P3M-500-P/p_0001", "val", "blurred"),
    ]
    alpha = images.read_mask(dataset.path(found[0].extra["alpha"]))
    assert alpha[0, 0] == 0 and alpha[0, WIDTH - 1] == 255 and found[0].extra["alpha"].startswith("../from/train/mask")
    assert np.array_equal(images.read_mask(dataset.path(found[0].mask or "")), alpha / 255 >= 0.5)
    assert found[0].extra["sha256_alpha"] == files.sha256(root / "train" / "mask" / "p_0001.png")


def test_alpha_and_objects_are_found_from_wherever_a_manifest_is_written(tmp_path: Path) -> None:
    from manifests import Manifest
    from masksmith import cli

    prepared("p3m", layouts.p3m(tmp_path / "a"), tmp_path / "to")
    prepared("penn-fudan", layouts.penn_fudan(tmp_path / "b"), tmp_path / "to2")
    for name, key in (("to", "alpha"), ("to2", "instances")):
        out = tmp_path / "deep" / "er" / name
        cli.main(["split", str(tmp_path / name), "--by", "source", "--out", str(out)])
        for record in Manifest.open(out).records():
            assert images.read_mask(out / record.extra[key]).shape == (record.height, record.width)


def test_alpha_is_copied_with_the_rest(tmp_path: Path) -> None:
    dataset = prepared("p3m", layouts.p3m(tmp_path / "from"), tmp_path / "to", "--copy")
    record = next(dataset.records())
    assert record.extra["alpha"] == "alpha/train/p_0001.png"
    assert files.sha256(tmp_path / "to" / record.extra["alpha"]) == record.extra["sha256_alpha"]


@pytest.mark.parametrize("white", [1, 255])
def test_lists_of_paddle_make_the_split_and_photos_are_grouped(white: int, tmp_path: Path) -> None:
    dataset = prepared("mini_supervisely", layouts.paddle(tmp_path / "from", white=white), tmp_path / "to")
    found = {r.split: r for r in dataset.records()}
    assert set(found) == {"train", "val", "test"}
    assert found["train"].groups == {"photo": ("pexels-4100",)}
    for record in found.values():
        assert images.read_mask(dataset.path(record.mask or "")).sum() == 625
    # the other set has a folder a split
    dataset = prepared("pp-humanseg14k", layouts.paddle(tmp_path / "2", mini=False, white=white), tmp_path / "to2")
    assert sorted((r.id, r.split) for r in dataset.records()) == [
        (f"{split}/0001", split) for split in ("test", "train", "val")
    ]


def test_an_image_in_two_lists_and_a_mask_of_two_codings_are_refused(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = layouts.paddle(tmp_path / "from")
    mask = next((root / "Annotations").iterdir())
    layouts.marks(mask, layouts.block(255, 5, 9, 5, 9, layouts.block(1, 20, 30, 20, 30)))
    assert "0, 1 and 255 in one" in refused(3, "mini-supervisely", "--from", root, "--to", tmp_path / "to")
    (root / "val.txt").write_text((root / "train.txt").read_text())
    assert "an image in one split" in refused(3, "mini-supervisely", "--from", root, "--to", tmp_path / "to")


@pytest.mark.parametrize(
    ("name", "pictures", "subjects"),
    [
        ("lfw", ["lfw/Ann_Lee/Ann_Lee_0001.jpg", "lfw/Bo_Ek/Bo_Ek_0002.jpg"], ["Ann_Lee", "Bo_Ek"]),
        ("vggface2", ["train/n000002/0032_01.jpg", "test/n000009/0001_02.jpg"], ["n000009", "n000002"]),
        ("casia-webface", ["CASIA/0000045/001.jpg", "CASIA/0000046/013.jpg"], ["0000045", "0000046"]),
        ("att-orl", ["s1/1.pgm", "s10/10.pgm"], ["s10", "s1"]),
    ],
)
def test_the_folder_of_a_face_is_its_subject(
    name: str, pictures: list[str], subjects: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jpegs = [p for p in pictures if p.endswith("jpg")]
    root = layouts.faces(tmp_path / "from", jpegs)
    for path in set(pictures) - set(jpegs):
        files.write_bytes(root / path, b"P5\n4 3\n255\n" + bytes(12))
    layouts.faces(root, ["contact-sheet.jpg"])
    dataset = prepared(name, root, tmp_path / "to", "--json")
    found = list(dataset.records())
    assert sorted(r.subject or "" for r in found) == sorted(subjects)
    assert all(r.mask is None and r.sha256_mask is None for r in found)
    told = json.loads(capsys.readouterr().out)
    assert sum(told["missing"].values()) == 1 and told["groups"]["subject"] == 2
    if name == "vggface2":
        assert {(r.split, r.groups["photo"]) for r in found} == {
            ("train", ("n000002/0032",)),
            ("test", ("n000009/0001",)),
        }


def test_a_folder_without_people_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    root = layouts.faces(tmp_path / "from", ["people/anna/0001_01.jpg"])
    line = refused(3, "vggface2", "--from", root, "--to", tmp_path / "to")
    assert "n000002/0032_01.jpg" in line and "found people" in line


def test_real_faces_come_with_their_people(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "faces"
    if not source.is_dir():
        pytest.skip("no faces in the real data")
    found = list(prepared("orl", source / "att_orl", tmp_path / "orl").records())
    assert len(found) == 380 and len({r.subject for r in found}) == 38
    assert {(r.width, r.height) for r in found} == {(92, 112)}
    found = list(prepared("vggface2", source / "vggface2_samples", tmp_path / "vgg").records())
    assert len(found) == 64 and {r.subject for r in found} == {"n000106", "n007241", "n008937"}
    photos = {r.groups["photo"] for r in found}
    assert len(photos) < len(found)  # loose and tight crops of one photo share it


def test_sets_of_the_registry_are_found_under_its_names_and_usual_ones(refused: Callable[..., str]) -> None:
    published = set(READERS) - {"folders", "att-orl"}
    assert published < set(entry_names())
    for name in published:
        assert find_reader(name.upper().replace("-", "_")).name == name
    assert find_reader("DAVIS2016").name == "davis-2016" and find_reader("supervisely").name == "supervisely-person"


def test_masks_of_another_size_are_brought_to_it_on_request_and_that_is_said(
    put: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Callable[..., str]
) -> None:
    root = put(["a", "b", "c"], white=255)
    whole = images.read_mask(root / "masks" / "b.png")
    layouts.marks(root / "masks" / "b.png", np.ascontiguousarray(whole[::2, ::2]))
    assert "40 x 30" in refused(3, "folders", "--from", root, "--to", tmp_path / "to")
    dataset = prepared("folders", root, tmp_path / "to", "--resize-masks")
    assert "1 masks have another size than their image" in capsys.readouterr().err
    record = list(dataset.records())[1]
    assert record.extra == {"mask_resized_from": [40, 30]}
    mask = images.read_mask(dataset.path(record.mask or ""))
    assert np.array_equal(mask, np.kron(whole[::2, ::2] // 255, np.ones((2, 2), np.uint8)))
    layouts.marks(root / "masks" / "c.png", np.zeros((80, 60), np.uint8))
    line = refused(3, "folders", "--from", root, "--to", tmp_path / "2", "--resize-masks")
    assert "c.png" in line and "a mask of the shape" in line


def test_real_masks_of_another_size_are_brought_to_their_images(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "portraits" / "vikram"
    if not source.is_dir():
        pytest.skip("no portraits in the real data")
    part = tmp_path / "part"
    for kind in ("images", "masks"):
        (part / kind).mkdir(parents=True)
        for path in sorted((source / kind).iterdir())[::10]:
            (part / kind / path.name).symlink_to(path)
    dataset = prepared("folders", part, tmp_path / "to", "--class-name", "person", "--resize-masks")
    found = list(dataset.records())
    assert len(found) == 22 and sum("mask_resized_from" in r.extra for r in found) > 5
    for record in found:
        mask = images.read_mask(dataset.path(record.mask or ""))
        assert mask.shape == (record.height, record.width) and set(np.unique(mask)) <= {0, 1}
