"""Leaks by every kind of evidence: one entry a leaked record, the one outside the training data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests import Manifest, Record
from manifests.audit import audit_table
from manifests.leaks import Links
from manifests.origins import drive_of, photo_of
from manifests.record import to_table

Run = Callable[..., tuple[int, str, str]]
Make = Callable[..., Manifest]


def made(name: str, split: str | None, **changes: Any) -> Record:
    return replace(Record(name, f"{name}.png", None, 4, 4, split=split), **changes)


def found(records: list[Record], **more: Any) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    audit = audit_table(to_table(records), None, **more)
    return {
        records[leak.row].id: [(r.kind, tuple(records[row].id for row in r.partners)) for r in leak.reasons]
        for leak in audit.leaks
    }


def test_of_validation_and_test_the_test_record_leaks_and_of_three_splits_two_do() -> None:
    records = [made("v", "val", subject="a"), made("t", "test", subject="a")]
    assert found(records) == {"t": [("subject", ("v",))]}
    records.append(made("r", "train", subject="a"))
    assert found(records) == {"v": [("subject", ("r",))], "t": [("subject", ("r", "v"))]}


def test_a_record_that_leaks_in_three_ways_has_one_entry_with_the_plainest_first() -> None:
    records = [
        made("r", "train", subject="a", image="x.png", sha256_image="1" * 64),
        made("t", "test", subject="a", image="./x.png", sha256_image="1" * 64),
    ]
    assert found(records) == {"t": [("path", ("r",)), ("bytes", ("r",)), ("subject", ("r",))]}


def test_links_make_leaks_of_neighbours_and_not_of_theirs() -> None:
    records = [made("a", "train"), made("b", "train"), made("c", "test"), made("d", "test"), made("e", "test")]
    first, second = np.array([0, 2], np.int64), np.array([2, 3], np.int64)
    links = Links("near", np.arange(5, dtype=np.int64), first, second, np.array([3.0, 4.0]), "bits")
    assert found(records, links=[links]) == {"c": [("near", ("a",))]}
    audit = audit_table(to_table(records), None, links=[links])
    assert [(g.kind, g.value, g.where.tolist()) for g in audit.groups] == [("near", "a", [0, 2, 3])]
    assert audit.leaks[0].reasons[0].distance == 3.0


def test_records_of_one_fingerprint_are_linked_without_a_pair() -> None:
    records = [made("a", "train"), made("b", "test"), made("c", "test")]
    none = np.zeros(0, np.int64)
    links = Links("near", np.array([0, 0, 1], np.int64), none, none, none.astype(float), "bits")
    assert found(records, links=[links]) == {"b": [("near", ("a",))]}


@pytest.mark.parametrize(
    ("text", "photo"),
    [
        ("http://farm6.static.flickr.com/5474/10041446846_49d351873d_b.jpg", "flickr:10041446846"),
        ("https://live.staticflickr.com/65535/51234567890_0a1b2c3d4e_k.jpg", "flickr:51234567890"),
        ("https://www.flickr.com/photos/someone/7288307750/in/album", "flickr:7288307750"),
        ("img/7288307750_75926ea2c8_b.jpg", "flickr:7288307750"),
        ("ds2/img/pexels-photo-804572.png", "pexels:804572"),
        ("https://images.pexels.com/photos/45174/girl-45174.jpeg?w=10", "pexels:45174"),
        ("Supervisely/ds6/img/girl-camera-old-retro-45174.jpg", "pexels:45174"),
        ("Supervisely/ds6/img/man-person-woman-face.jpg", "pexels:man-person-woman-face"),
        ("images/000123_0000000001.png", None),
        ("walk-of-life-12345.png", None),
        ("images/123.jpg", None),
    ],
)
def test_photos_are_known_by_the_names_their_sites_give_them(text: str, photo: str | None) -> None:
    assert photo_of(text) == photo


def test_drives_are_known_by_the_prefixes_of_camvid_alone() -> None:
    assert drive_of("/SegNet/CamVid/test/0001TP_008550.png") == "0001TP"
    assert drive_of("Seq05VD_f00000.png") == "Seq05VD"
    assert drive_of("S000_0012.png") is None


def test_photos_in_paths_and_urls_leak_where_no_group_says_so(tmp_path: Path, save: Make, run: Run) -> None:
    url = "http://farm6.static.flickr.com/5474/10041446846_49d351873d_b.jpg"
    records = [
        made("a", "train", extra={"url": url}),
        made("b", "test", image="img/10041446846_49d351873d_o.jpg"),
        made("c", "train", image="ds1/pexels-photo-77.png"),
        made("d", "val", image="ds4/pexels-photo-77.jpg"),
        made("e", "test", groups={"photo": ("own",)}, image="ds5/pexels-photo-77.jpg"),
    ]
    code, out, _ = run("audit", save(tmp_path / "d", records).folder, "--json")
    told = json.loads(out)
    assert code == 1
    assert [(e["id"], e["kind"], e["value"], e["partners"]) for e in told["leaks"]] == [
        ("b", "photo", "flickr:10041446846", ["a"]),
        ("d", "photo", "pexels:77", ["c"]),
    ]
    assert told["leaked"] == {"photo": 2}


def test_a_list_of_urls_gives_records_their_photos(tmp_path: Path, save: Make, run: Run) -> None:
    (tmp_path / "urls.txt").write_text("a.jpg http://x.org/1\nb.jpg http://x.org/1\nc.jpg None\n")
    folder = save(tmp_path / "d", [made("a", "train"), made("b", "test"), made("c", "test")]).folder
    assert run("audit", folder)[0] == 0
    code, out, _ = run("audit", folder, "--urls", tmp_path / "urls.txt", "--json")
    assert code == 1
    assert [(e["id"], e["kind"], e["value"]) for e in json.loads(out)["leaks"]] == [("b", "photo", "http://x.org/1")]


def test_a_key_can_be_read_from_paths(tmp_path: Path, save: Make, run: Run) -> None:
    records = [
        made(f"{who}_{n}", split) for n, (who, split) in enumerate([("x", "train"), ("x", "test"), ("y", "val")])
    ]
    folder = save(tmp_path / "d", records).folder
    code, out, _ = run("audit", folder, "--derive", r"walk=^([a-z]+)_\d+", "--json")
    assert code == 1
    assert [(e["id"], e["kind"], e["value"]) for e in json.loads(out)["leaks"]] == [("x_1", "walk", "x")]
    assert run("audit", folder, "--derive", "walk")[0] == 2
    assert run("audit", folder, "--derive", "walk=(")[0] == 2


@pytest.mark.data
def test_the_four_photos_of_eg1800_in_two_splits_are_seen_from_the_list_of_urls(real_data: Path, run: Run) -> None:
    urls = real_data / "eg1800" / "alldata_urls.txt"
    code, out, _ = run("audit", "--urls", urls, "--json")
    assert code == 1
    pairs = {tuple(each["ids"]) for each in json.loads(out)["photos"]}
    four = {("00203", "01175"), ("00784", "00786"), ("00971", "00990"), ("01016", "01023")}
    assert four < pairs and len(pairs) == 9
    lists = [real_data / "eg1800" / "portraitnet_lists" / f"eg1800_{name}.txt" for name in ("train", "test")]
    code, out, _ = run("audit", "--urls", urls, "--lists", *lists, "--json")
    told = json.loads(out)
    assert code == 1
    assert {tuple(sorted((e["id"][:5], e["partners"][0][:5]))) for e in told["leaks"]} == four
    assert {e["kind"] for e in told["leaks"]} == {"photo"} and len(told["leaks"]) == 4


@pytest.mark.data
@pytest.mark.parametrize(("other", "drive", "leaked"), [("test", "0001TP", 62), ("val", "0016E5", 101)])
def test_the_official_camvid_lists_share_a_drive(
    other: str, drive: str, leaked: int, real_data: Path, run: Run
) -> None:
    lists = [real_data / "camvid" / f"{name}.txt" for name in ("train", other)]
    code, out, err = run("audit", "--lists", *lists, "--json")
    told = json.loads(out)
    assert code == 1
    assert {(e["kind"], e["value"]) for e in told["leaks"]} == {("drive", drive)}
    assert len(told["leaks"]) == leaked and f"drive {drive}" in err


@pytest.mark.data
def test_photos_under_another_path_are_told_besides_the_paths(real_data: Path, run: Run) -> None:
    folder = real_data / "supervisely_lists"
    lists = folder / "supervisely_face_train_easy.txt", folder / "supervisely_face_test_easy.txt"
    code, out, _ = run("audit", "--lists", *lists, "--json")
    told = json.loads(out)
    assert code == 1 and told["shared"] == 0 and told["leaks"] == [] and len(told["further"]) == 15
    told = json.loads(run("audit", "--lists", *lists, "--by", "photo", "--json")[1])
    assert len(told["leaks"]) == 15 and told["further"] == []
