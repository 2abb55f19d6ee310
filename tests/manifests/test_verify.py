"""Verification: every way in which a file can differ from its record is found, named and counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from manifests import Manifest
from manifests.verify import KEPT, verify
from masksmith import engine, files, images

Run = Callable[..., tuple[int, str, str]]
Make = Callable[..., Manifest]


def mask_of(values: list[int], height: int = 6, width: int = 8) -> bytes:
    mask = np.zeros((height, width), np.uint8)
    mask.flat[: len(values)] = values
    return images.encode_png(mask)


def put(manifest: Manifest, name: str, data: bytes) -> str:
    """Replace a file and return its digest."""
    files.write_bytes(manifest.folder / name, data)
    return files.sha256(manifest.folder / name)


def test_a_whole_dataset_passes(feet: Make, run: Run) -> None:
    folder = feet().folder
    code, out, err = run("manifest", "verify", folder, "--engine", "serial")
    assert (code, err) == (0, "")
    assert "30 records, 60 files, no problem" in out


def lose(m: Manifest) -> Manifest:
    (m.folder / "images/3.png").unlink()
    return m


def put_a_folder(m: Manifest) -> Manifest:
    (m.folder / "masks/3.png").unlink()
    (m.folder / "masks/3.png").mkdir()
    return m


def swap(m: Manifest) -> Manifest:
    files.write_bytes(m.folder / "images/3.png", (m.folder / "images/4.png").read_bytes())
    return m


WRONG = {
    "a lost image": (lose, "missing", "images/3.png", "no such file"),
    "a folder for a mask": (put_a_folder, "missing", "masks/3.png", "a folder"),
    "another image": (swap, "sha256", "images/3.png", "SHA-256"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_file_that_is_not_as_recorded_is_named(fault: str, feet: Make, run: Run) -> None:
    spoil, kind, name, found = WRONG[fault]
    folder = spoil(feet()).folder
    code, out, err = run("manifest", "verify", folder, "--engine", "serial", "--json")
    assert code == 3
    assert err.startswith(f"masksmith: error: {folder / name}: expected ") and found in err
    assert err.count("\n") == 1
    told = json.loads(out)
    assert told["counts"] == {kind: 1} and told["found"] == 1 and not told["ok"]
    assert (told["problems"][0]["id"], told["problems"][0]["file"]) == ("r003", str(folder / name))


@pytest.mark.parametrize(
    ("values", "size", "kind", "found"),
    [
        ([1, 7, 9], (6, 8), "class ids", "7, 9"),
        ([1], (8, 6), "mask size", "6 x 8"),
        ([255, 255], (6, 8), "0/255 mask", "255 means ignore here, so this mask has no foreground at all"),
    ],
)
def test_a_mask_that_does_not_fit_is_named(
    values: list[int], size: tuple[int, int], kind: str, found: str, feet: Make, edit: Make
) -> None:
    manifest = feet()
    manifest = edit(manifest, 3, sha256_mask=put(manifest, "masks/3.png", mask_of(values, *size)))
    told = verify(manifest)
    assert told.counts == {kind: 1}
    assert told.problems[0].id == "r003"
    assert found in told.problems[0].found


def test_masks_of_0_and_255_are_fine_where_another_mask_has_255_beside_a_class(feet: Make, edit: Make) -> None:
    manifest = feet()
    manifest = edit(manifest, 3, sha256_mask=put(manifest, "masks/3.png", mask_of([255])))
    manifest = edit(manifest, 7, sha256_mask=put(manifest, "masks/7.png", mask_of([1, 255])))
    assert verify(manifest).total == 0


def test_255_is_a_foreground_where_the_class_table_says_so(feet: Make) -> None:
    manifest = feet(classes={"background": 0, "foot": 1, "shoe": 255})
    put(manifest, "masks/3.png", mask_of([255]))
    assert set(verify(manifest).counts) == {"sha256"}


def test_an_image_of_another_size_than_its_record_is_named(feet: Make, edit: Make) -> None:
    manifest = edit(feet(), 3, width=9)
    told = verify(manifest)
    assert told.counts == {"image size": 1, "mask size": 1}
    assert (told.problems[0].expected, told.problems[0].found) == ("9 x 6", "8 x 6")


@pytest.mark.parametrize("name", ["images/3.png", "masks/3.png"])
def test_a_file_without_a_digest_is_decoded_in_whole(name: str, feet: Make, edit: Make) -> None:
    manifest = edit(feet(), 3, sha256_image="", sha256_mask=None)
    assert verify(manifest).total == 0
    place = manifest.folder / name
    place.write_bytes(place.read_bytes()[:-20])
    told = verify(manifest)
    assert told.counts == {"damaged": 1}
    assert told.problems[0].file == str(place)
    assert told.unhashed == 2


@pytest.mark.parametrize("data", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_rubbish_is_named_and_not_raised(data: bytes, feet: Make, edit: Make) -> None:
    manifest = feet()
    digest = put(manifest, "images/3.png", data)
    files.write_bytes(manifest.folder / "masks/3.png", data)
    told = verify(edit(manifest, 3, sha256_image=digest, sha256_mask=digest))
    assert told.counts == {"damaged": 2}


def test_an_id_that_occurs_twice_is_named(feet: Make, edit: Make) -> None:
    told = verify(edit(feet(), 3, id="r004"))
    assert told.counts == {"duplicate id": 1}
    assert told.problems[0].id == "r004"


def test_records_that_are_not_those_described_are_named(feet: Make) -> None:
    one, two = feet(), feet("other", subjects=2)
    (one.folder / "records.parquet").write_bytes((two.folder / "records.parquet").read_bytes())
    told = verify(Manifest.open(one.folder))
    assert told.problems[0].kind == "records.parquet"
    assert told.counts["records.parquet"] == 1


def test_all_problems_are_counted_and_the_first_hundred_kept(feet: Make, run: Run) -> None:
    manifest = feet(subjects=40, each=3)
    for path in (manifest.folder / "images").iterdir():
        path.unlink()
    (manifest.folder / "masks/0.png").unlink()
    told = verify(manifest)
    assert told.counts == {"missing": 121}
    assert len(told.problems) == KEPT
    code, _, err = run("manifest", "verify", manifest.folder, "--engine", "serial")
    assert code == 3
    assert str(manifest.folder / "images/0.png") in err and "121 problems in all: 121 missing" in err
    assert "21 more are not shown" in err


def test_engines_and_shards_find_the_same(feet: Make, edit: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = feet()
    for number, values in ((2, [255]), (11, [3]), (29, [255])):
        digest = put(manifest, f"masks/{number}.png", mask_of(values))
        manifest = edit(manifest, number, sha256_mask=digest)
    expected = verify(manifest)
    assert expected.counts == {"0/255 mask": 2, "class ids": 1}
    monkeypatch.setattr("manifests.verify.SHARD_RECORDS", 7)
    assert verify(manifest) == expected
    assert verify(manifest, engine.get("process", 2)) == expected


def test_damage_inside_the_records_is_bad_input(feet: Make, run: Run) -> None:
    place = feet().folder / "records.parquet"
    data = bytearray(place.read_bytes())
    data[4:200] = bytes(196)
    place.write_bytes(data)
    for command in (["manifest", "verify", "--engine", "serial"], ["manifest", "show"], ["audit"], ["split"]):
        code, _, err = run(*command, place.parent)
        assert code == 3, command
        assert err.splitlines()[-1].startswith(f"masksmith: error: {place}: ")


def test_files_at_urls_are_left_out_and_said_so(feet: Make, edit: Make, run: Run) -> None:
    manifest = edit(feet(), 3, image="s3://bucket/3.png")
    assert verify(manifest).unread == 1
    code, _, err = run("manifest", "verify", manifest.folder, "--engine", "serial")
    assert code == 0 and "1 files at URLs" in err


def test_a_record_without_a_mask_needs_none(feet: Make, edit: Make) -> None:
    manifest = edit(feet(), 3, mask=None, sha256_mask=None)
    (manifest.folder / "masks/3.png").unlink()
    assert verify(manifest).total == 0


def test_a_folder_without_a_manifest_is_bad_input(tmp_path: Path, run: Run) -> None:
    assert run("manifest", "verify", tmp_path / "nowhere")[0] == 3
