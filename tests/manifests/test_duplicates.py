"""Near duplicates: one photo in other bytes is found across splits, different photos are not; fixing ends the leak."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from manifests import Info, Manifest, ManifestWriter, Record, check_proof
from manifests.audit import audit
from manifests.duplicates import by_embedding, by_face, similar_pairs
from manifests.fingerprints import FLIPS, fingerprint
from manifests.measures import FOLDER, measure
from masksmith import files, images

Run = Callable[..., tuple[int, str, str]]
Picture = npt.NDArray[np.uint8]


def scene(number: int, height: int = 96, width: int = 128) -> Picture:
    """Blobs of colour of many sizes: a spectrum like that of a photo."""
    chance = np.random.default_rng(number)
    picture = np.zeros((height, width, 3), np.float32)
    for cells in (3, 6, 12, 24):
        small = chance.normal(0, 60 / cells**0.5, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture + 128, 0, 255).astype(np.uint8)


def town(number: int) -> Picture:
    """Boxes with sharp corners, for points to be found."""
    chance = np.random.default_rng(number)
    picture = np.full((480, 640, 3), 128, np.uint8)
    for top, left, tall, wide, *colour in chance.integers(
        [0, 0, 8, 8, 0, 0, 0], [470, 630, 60, 60, 256, 256, 256], (250, 7)
    ):
        picture[top : top + tall, left : left + wide] = colour
    return picture


COPIES: dict[str, Callable[[Picture], Picture]] = {
    "smaller": lambda p: cv2.resize(p, (64, 48), interpolation=cv2.INTER_AREA),
    "mirrored": lambda p: np.ascontiguousarray(p[:, ::-1]),
    "upside down": lambda p: np.ascontiguousarray(p[::-1]),
    "turned": lambda p: np.ascontiguousarray(p[::-1, ::-1]),
    "darker": lambda p: (p * 0.7).astype(np.uint8),
    "jpeg": lambda p: images_from_jpeg(p),
}


def images_from_jpeg(picture: Picture) -> Picture:
    return np.asarray(cv2.imdecode(np.frombuffer(images.encode_jpeg(picture, 30), np.uint8), 1)[..., ::-1])


def write(folder: Path, pictures: dict[str, tuple[Picture, str | None]], **info: Any) -> Manifest:
    records = []
    for name, (picture, split) in pictures.items():
        files.write_bytes(folder / f"{name}.png", images.encode_png(picture))
        height, width = picture.shape[:2]
        digest = files.sha256(folder / f"{name}.png")
        records.append(
            Record(name, f"{name}.png", None, width, height, subject=f"s-{name}", split=split, sha256_image=digest)
        )
    with ManifestWriter(folder, Info(name="d", **info)) as writer:
        for record in records:
            writer.add(record)
    return Manifest.open(folder)


@pytest.fixture
def copied(tmp_path: Path) -> Manifest:
    """Twenty photos for training, and for testing twelve others and a copy of one in every way."""
    pictures: dict[str, tuple[Picture, str | None]] = {f"p{k:02d}": (scene(k), "train") for k in range(20)}
    pictures.update({f"q{k:02d}": (scene(100 + k), "test") for k in range(12)})
    pictures.update({f"copy {way}": (make(scene(k)), "test") for k, (way, make) in enumerate(COPIES.items())})
    return write(tmp_path / "d", pictures)


def test_copies_of_every_kind_are_found_and_nothing_else(copied: Manifest, run: Run) -> None:
    assert run("audit", copied.folder)[0] == 0
    code, out, _ = run("audit", copied.folder, "--near-duplicates", "--no-crops", "--json")
    told = json.loads(out)
    assert code == 1
    assert {e["id"]: e["partners"] for e in told["leaks"]} == {f"copy {w}": [f"p{k:02d}"] for k, w in enumerate(COPIES)}
    assert {e["kind"] for e in told["leaks"]} == {"near"} and all(0 <= e["distance"] <= 64 for e in told["leaks"])


def test_flips_change_a_fixed_set_of_bits() -> None:
    picture = scene(5)
    whole = fingerprint(picture)
    assert whole is not None
    for name, turned in (("mirrored", picture[:, ::-1]), ("upside down", picture[::-1])):
        other = fingerprint(np.ascontiguousarray(turned))
        assert other is not None
        assert int(np.bitwise_count(whole ^ other ^ FLIPS[name]).sum()) <= 4  # a coefficient of nought has no sign


def test_a_picture_of_one_colour_is_like_no_other(tmp_path: Path, run: Run) -> None:
    grey = np.full((40, 40, 3), 90, np.uint8)
    made = write(tmp_path / "d", {"a": (grey, "train"), "b": (grey + 40, "test")})
    code, _, err = run("audit", made.folder, "--near-duplicates", "--no-crops")
    assert code == 0 and "2 pictures of one colour" in err


def test_fingerprints_are_read_once_and_again_where_a_picture_changed(copied: Manifest) -> None:
    before = measure(copied, "fingerprint").values
    kept = copied.folder / FOLDER
    assert [path.name for path in kept.iterdir()] == ["fingerprint-1.parquet"]
    for record in list(copied.records())[1:]:
        copied.path(record.image).unlink()
    again = measure(copied, "fingerprint")
    assert again.values == before and again.unread == 0
    next(kept.iterdir()).write_bytes(b"cut off")
    lost = measure(copied, "fingerprint")
    assert lost.unread == len(before) - 1 and lost.values[0] == before[0] and lost.faults


def test_files_that_cannot_be_read_are_told(copied: Manifest, run: Run) -> None:
    copied.path("p00.png").write_bytes(b"no picture")
    _, _, err = run("audit", copied.folder, "--near-duplicates", "--no-crops")
    assert "1 pictures could not be compared, such as" in err and "p00.png" in err


def test_fixing_says_what_moves_and_then_ends_the_leak(copied: Manifest, run: Run) -> None:
    folder = copied.folder
    run("split", folder, "--by", "subject", "--seed", 3)
    args = ("audit", folder, "--near-duplicates", "--no-crops")
    before = (folder / "records.parquet").read_bytes()
    leaks = json.loads(run(*args, "--json")[1])["leaks"]
    assert leaks
    code, out, err = run(*args, "--fix", "--dry-run")
    assert code == 1 and "to" in out and "would write" in err
    assert (folder / "records.parquet").read_bytes() == before
    code, out, _ = run(*args, "--fix", "--json")
    told = json.loads(out)["fix"]
    assert code == 0 and told["seed"] == 3 and told["keys"] == ["subject", "near"]
    assert sum(each["records"] for each in told["moves"]) == len(told["moved"]) > 0
    assert run(*args)[0] == 0
    opened = Manifest.open(folder)
    assert check_proof(opened.table(), opened.info.split_proof or {}) == []
    near = {r.id: r.values_of("near") for r in opened.records() if r.values_of("near")}
    assert near["p01"] == near["copy mirrored"] == ("copy mirrored",) and len(near) == 2 * len(COPIES)
    # the groups stay, so that an audit that looks at no picture sees a later mistake
    records = list(opened.records())
    with ManifestWriter(folder, opened.info) as writer:
        for record in records:
            other = "val" if record.split == "train" else "train"
            writer.add(Record(**{**vars(record), "split": other if record.id == "p01" else record.split}))
    assert "near" in {each.kind for each in audit(Manifest.open(folder)).groups}


def test_fixing_a_split_without_a_proof_keeps_subjects_apart_too(copied: Manifest, run: Run) -> None:
    paired = [Record(**{**vars(r), "subject": f"s-{r.id[0]}{int(r.id[1:]) // 4}"}) for r in copied.records("train")]
    paired += list(copied.records("test"))
    with ManifestWriter(copied.folder, copied.info) as writer:
        for record in paired:
            writer.add(record)
    code, out, _ = run("audit", copied.folder, "--near-duplicates", "--no-crops", "--fix", "--json")
    assert code == 0 and json.loads(out)["fix"]["keys"] == ["subject", "near"]
    homes: dict[str | None, set[str | None]] = {}
    for record in Manifest.open(copied.folder).records():
        homes.setdefault(record.subject, set()).add(record.split)
    assert max(len(splits) for splits in homes.values()) == 1
    assert {split for splits in homes.values() for split in splits} == {"train", "test"}


def test_the_page_shows_the_pairs_escaped_and_bounded(tmp_path: Path, run: Run) -> None:
    name = "<img src=x>&"
    made = write(tmp_path / "d", {"a": (scene(1), "train"), name: (scene(1)[:, ::-1].copy(), "test")})
    page = tmp_path / "leaks.html"
    assert run("audit", made.folder, "--near-duplicates", "--no-crops", "--html", page)[0] == 1
    text = page.read_text()
    assert "<img src=x>" not in text and "&lt;img src=x&gt;&amp;" in text
    assert text.count("data:image/") == 2 and "http" not in text.replace("http-equiv", "")
    assert len(text) < 200_000


def middle_colours(pictures: Sequence[Picture]) -> npt.NDArray[np.float32]:
    """Mean colours of a picture's middle: nearly the same for crops."""
    return np.stack([p[p.shape[0] // 4 : -p.shape[0] // 4].mean((0, 1)) - 128 for p in pictures]).astype(np.float32)


def test_of_what_an_embedder_finds_alike_only_views_of_one_photo_are_linked(tmp_path: Path) -> None:
    big = [town(k) for k in range(3)]
    pictures: dict[str, tuple[Picture, str | None]] = {f"p{k}": (each, "train") for k, each in enumerate(big)}
    pictures["crop"] = np.ascontiguousarray(big[1][60:440, 90:600]), "test"
    pictures["mirrored crop"] = np.ascontiguousarray(big[2][30:400, 500:20:-1]), "test"
    found = by_embedding(write(tmp_path / "d", pictures), np.arange(5), middle_colours, similar=-1.0)
    assert set(zip(found.links.first.tolist(), found.links.second.tolist(), strict=True)) == {(1, 3), (2, 4)}


def test_faces_passed_in_link_records_whatever_else_is_in_them(tmp_path: Path) -> None:
    pictures = {name: (scene(k), "train") for k, name in enumerate("abc")}
    seen = iter([[[1.0, 0.0], [0.0, 1.0]], [], [[0.1, 1.0]]])
    found = by_face(
        write(tmp_path / "d", pictures), np.arange(3), lambda _: np.array(next(seen), np.float32), similar=0.9
    )
    assert (found.links.kind, found.links.first.tolist(), found.links.second.tolist()) == ("face", [0], [2])


def test_similar_pairs_are_those_of_the_whole_table() -> None:
    chance = np.random.default_rng(0)
    vectors = chance.normal(size=(60, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second, cosine = similar_pairs(vectors, 0.8, 59)
    whole = np.argwhere(np.triu(vectors @ vectors.T >= 0.8, 1))
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [tuple(each) for each in whole.tolist()]
    assert (cosine >= 0.8).all()
