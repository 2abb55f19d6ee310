"""``masksmith convert`` as it is typed: every form out and back, and other tools' own readers on what it wrote."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loaders.formats.table import FORMATS
from manifests import Info, Manifest, ManifestWriter, Record
from manifests.record import from_table
from masksmith import cli, files, images
from tests.loaders.typed import written

CLASSES = {"background": 0, "foot": 1, "sock": 7}


def run(*arguments: str | Path) -> None:
    cli.main(["convert", *map(str, arguments), "--engine", "serial"])


def rich_manifest(folder: Path, scene: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Manifest:
    """Seven records that use every column: three splits and none, ignored pixels, instances, no mask, odd ids."""
    info = Info(
        name="rich",
        version="2",
        classes=CLASSES,
        licence=("CC0-1.0", "CC-BY-4.0"),
        citation="Someone 2024",
        sources=({"name": "scan", "sha256": "0" * 64, "licence": "CC0-1.0"},),
        seed=0,
        command="generate --seed 0",
        description="für Füße",
    )
    with ManifestWriter(folder, info) as writer:
        for k in range(7):
            image, mask = scene(k)
            mask[mask == 1] = (1, 7)[k % 2]
            mask[:4, :9] = 255
            instances = np.zeros(mask.shape, np.uint16)
            instances[mask == 7] = 3
            instances[:30][mask[:30] == 7] = 400
            jpeg = k % 3 == 0
            names = f"photos/{k}.{'jpg' if jpeg else 'png'}", f"truth/{k}_m.png", f"each/{k}.png"
            files.write_bytes(folder / names[0], images.encode_jpeg(image) if jpeg else images.encode_png(image))
            files.write_bytes(folder / names[1], images.encode_png(mask, level=9))
            files.write_bytes(folder / names[2], images.encode_png(instances))
            writer.add(
                Record(
                    id=f"clip.a/{k} ü",
                    image=names[0],
                    mask=None if k == 5 else names[1],
                    width=80,
                    height=60,
                    subject=f"s{k}" if k else None,
                    groups={"floor": ("oak", "ash"), "photo": (str(k),)} if k else {},
                    split=("train", "val", "train", None, "test", "train", "train")[k],
                    clip="a" if k < 3 else None,
                    frame=k if k < 3 else None,
                    source="test",
                    licence=("CC0-1.0", "CC-BY-4.0")[: k % 3],
                    sha256_image=files.sha256(folder / names[0]),
                    sha256_mask=None if k == 5 else files.sha256(folder / names[1]),
                    recipe='{"seed": 1}' if k == 1 else None,
                    extra={"flow": [1, 2.5], **(_instances(folder, names[2]) if k in (1, 3) else {})} if k else {},
                )
            )
    return Manifest.open(folder)


def _instances(folder: Path, name: str) -> dict[str, str]:
    return {"instances": name, "sha256_instances": files.sha256(folder / name)}


@pytest.fixture
def rich(tmp_path: Path, scene: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Manifest:
    return rich_manifest(tmp_path / "rich", scene)


def records(folder: Path) -> list[Record]:
    return list(from_table(Manifest.open(folder).table()))


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_column_and_every_pixel_goes_out_and_comes_back(form: str, rich: Manifest, tmp_path: Path) -> None:
    run(rich.folder, "--to", form, "--out", tmp_path / "out", "--shard", "2")
    run(tmp_path / "out", "--from", form, "--out", tmp_path / "back")
    back = Manifest.open(tmp_path / "back")
    assert back.info == rich.info
    for before, after in zip(records(rich.folder), records(back.folder), strict=True):
        digest = before.sha256_mask
        if form == "coco" and after.mask:  # pixels travel, not the file
            digest = files.sha256(back.folder / after.mask)
        extra = dict(before.extra)
        if form == "coco" and "instances" in extra and after.mask:
            extra["sha256_instances"] = files.sha256(back.folder / extra["instances"])
        assert replace(before, sha256_mask=digest, extra=extra) == after
        assert (rich.folder / before.image).read_bytes() == (back.folder / after.image).read_bytes()
        if before.mask:
            one, other = images.read_mask(rich.folder / before.mask), images.read_mask(back.folder / str(after.mask))
            assert np.array_equal(one, other) and (one == 255).any()
        if "instances" in before.extra and before.mask:
            maps = [images_of(folder / before.extra["instances"]) for folder in (rich.folder, back.folder)]
            assert np.array_equal(*maps)


def images_of(path: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path)).astype(int)


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_the_same_dataset_gives_the_same_bytes_and_a_stopped_run_goes_on(
    form: str, rich: Manifest, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        run(rich.folder, "--to", form, "--out", tmp_path / name, "--shard", "2")
    assert written(tmp_path / "a") == written(tmp_path / "b")
    before = written(tmp_path / "a")
    # as a killed run leaves it: a shard without its receipt, and nothing that holds for the whole
    (tmp_path / "a" / ".receipts" / "export" / "000001.json").unlink()
    (tmp_path / "a" / "masksmith.json").unlink()
    run(rich.folder, "--to", form, "--out", tmp_path / "a", "--shard", "2")
    assert written(tmp_path / "a") == before


def test_worker_processes_write_the_same_bytes(rich: Manifest, tmp_path: Path) -> None:
    run(rich.folder, "--to", "webdataset", "--out", tmp_path / "a", "--shard", "2")
    arguments = [str(rich.folder), "--to", "webdataset", "--out", str(tmp_path / "b"), "--shard", "2"]
    cli.main(["convert", *arguments, "--workers", "2"])
    assert written(tmp_path / "a") == written(tmp_path / "b")


def test_coco_masks_are_those_that_pycocotools_decodes(rich: Manifest, tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    run(rich.folder, "--to", "coco", "--out", tmp_path / "out")
    by_id = {record.id: record for record in records(rich.folder)}
    seen = 0
    for path in sorted((tmp_path / "out" / "annotations").glob("*.json")):
        coco = COCO(str(path))
        assert {each["name"] for each in coco.loadCats(coco.getCatIds())} == {"foot", "sock", "ignore"}
        for image in coco.loadImgs(coco.getImgIds()):
            record = by_id[image["record"]["id"]]
            assert (tmp_path / "out" / "images" / image["file_name"]).is_file()
            marks = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
            if record.mask is None:
                assert not marks
                continue
            mask = images.read_mask(rich.folder / record.mask)
            for number in (1, 7, 255):
                regions = [coco.annToMask(mark) for mark in marks if mark["category_id"] == number]
                union = np.any(regions, axis=0) if regions else np.zeros(mask.shape, bool)
                assert np.array_equal(union, mask == number)
                assert sum(int(region.sum()) for region in regions) == int((mask == number).sum())
                seen += len(regions)
            assert all(mark["area"] == coco.annToMask(mark).sum() for mark in marks)
    assert seen >= 14  # the two feet of a record with instances count twice


def test_an_annotation_is_an_instance_where_the_record_keeps_them(rich: Manifest, tmp_path: Path) -> None:
    run(rich.folder, "--to", "coco", "--out", tmp_path / "out")
    document = json.loads((tmp_path / "out" / "annotations" / "instances_val.json").read_text())
    (image,) = document["images"]
    instances = images_of(rich.folder / image["record"]["extra"]["instances"])
    kept = [mark["instance"] for mark in document["annotations"] if mark["category_id"] == 7]
    assert kept == [int(v) for v in np.unique(instances) if v]
    assert [mark["iscrowd"] for mark in document["annotations"] if mark["category_id"] == 255] == [1]


def test_coco_from_elsewhere_becomes_a_manifest(tmp_path: Path) -> None:
    root = tmp_path / "coco"
    for name, size in (("b.jpg", (40, 50)), ("a.jpg", (30, 20))):
        files.write_bytes(root / "val2017" / name, images.encode_jpeg(np.full((*size, 3), 90, np.uint8)))
    crowd = {"size": [40, 50], "counts": [0, 80, 1920]}  # the first two columns
    document = {
        "annotations": [  # not in the images' order, and before them
            {"id": 3, "image_id": 8, "category_id": 2, "iscrowd": 0, "segmentation": [[2, 3, 12, 3, 12, 9, 2, 9]]},
            {"id": 1, "image_id": 9, "category_id": 1, "iscrowd": 0, "segmentation": [[10, 5, 30, 5, 30, 25, 10, 25]]},
            {"id": 2, "image_id": 9, "category_id": 1, "iscrowd": 1, "segmentation": crowd},
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}],
        "images": [
            {"id": 9, "file_name": "b.jpg", "width": 50, "height": 40},
            {"id": 8, "file_name": "a.jpg", "width": 20, "height": 30},
        ],
    }
    files.write_json(root / "annotations" / "instances_val2017.json", document)
    run(root, "--from", "coco", "--out", tmp_path / "out")
    manifest = Manifest.open(tmp_path / "out")
    assert dict(manifest.info.classes) == {"background": 0, "person": 1, "dog": 2}
    first, second = manifest.records()
    assert (first.id, second.id, first.split) == ("9", "8", "val")
    mask = images.read_mask(manifest.folder / str(first.mask))
    assert mask.shape == (40, 50)
    assert (mask[:, :2] == 255).all() and (mask[6:24, 11:29] == 1).all() and (mask[30:, 2:] == 0).all()
    assert set(np.unique(images.read_mask(manifest.folder / str(second.mask)))) == {0, 2}
    assert files.sha256(manifest.folder / first.image) == first.sha256_image


def test_webdataset_shards_open_with_the_webdataset_package(rich: Manifest, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    run(rich.folder, "--to", "webdataset", "--out", tmp_path / "out", "--shard", "3")
    names = sorted(str(path) for path in (tmp_path / "out").glob("train-*.tar"))
    assert len(names) == 2
    by_id = {record.id: record for record in records(rich.folder)}
    count = 0
    for sample in webdataset.WebDataset(names, shardshuffle=False):
        record = by_id[json.loads(sample["json"])["record"]["id"]]
        kind = Path(record.image).suffix[1:]
        assert sample[kind] == (rich.folder / record.image).read_bytes()
        if record.mask:
            assert sample["mask.png"] == (rich.folder / record.mask).read_bytes()
        count += 1
    assert count == 4
    decoded = next(iter(webdataset.WebDataset(names, shardshuffle=False).decode("l8")))
    assert set(np.unique(decoded["mask.png"])) <= {0, 1, 7, 255}
    with tarfile.open(names[0]) as tar:
        assert {(member.mtime, member.uid, member.uname) for member in tar} == {(0, 0, "")}


def test_shards_from_elsewhere_need_their_classes(
    tmp_path: Path, scene: Callable[..., tuple[np.ndarray, np.ndarray]], capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    root = tmp_path / "shards"
    root.mkdir()
    with tarfile.open(root / "train-0.tar", "w") as tar:
        for k in range(3):
            image, mask = scene(k)
            for name, data in ((f"{k}.jpg", images.encode_jpeg(image)), (f"{k}.seg.png", images.encode_png(mask))):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    with pytest.raises(SystemExit) as ended:
        run(root, "--from", "webdataset", "--out", tmp_path / "out")
    assert ended.value.code == 2 and "--classes" in capsys.readouterr().err
    run(root, "--from", "webdataset", "--out", tmp_path / "out", "--classes", "background=0,foot=1")
    made = records(tmp_path / "out")
    assert [(record.id, record.width, record.height, record.split) for record in made] == [
        (str(k), 80, 60, "train") for k in range(3)
    ]
    assert np.array_equal(images.read_mask(tmp_path / "out" / str(made[2].mask)), scene(2)[1])


def test_hugging_face_opens_both_of_its_forms_offline(
    rich: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    run(rich.folder, "--to", "hf", "--out", tmp_path / "hf", "--shard", "2")
    loaded = datasets.load_from_disk(str(tmp_path / "hf"))
    assert {name: len(part) for name, part in loaded.items()} == {"train": 4, "validation": 1, "test": 1, "unsplit": 1}
    run(rich.folder, "--to", "imagefolder", "--out", tmp_path / "folder")
    opened = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "folder"), cache_dir=str(tmp_path / "cache"))
    assert len(opened["train"]) == 4 and len(opened["validation"]) == 1
    by_id = {record.id: record for record in records(rich.folder)}
    for part in (loaded["train"], opened["train"]):
        for row in part:
            record = by_id[row["id"]]
            assert row["image"].size == (80, 60)
            if record.mask is None:
                assert row["mask"] is None
            else:
                assert np.array_equal(np.asarray(row["mask"]), images.read_mask(rich.folder / record.mask))
            assert (row["subject"] or None) == record.subject and tuple(row["licence"]) == record.licence


def test_croissant_is_valid_and_its_records_read(rich: Manifest, tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    run(rich.folder, "--to", "croissant", "--out", tmp_path / "out")
    opened = mlcroissant.Dataset(jsonld=str(tmp_path / "out" / "croissant.json"))
    assert not opened.metadata.issues.errors, opened.metadata.issues.report()
    ids = [row["lines/id"].decode() for row in opened.records("lines")]
    assert sorted(ids) == sorted(record.id for record in records(rich.folder))
    masks = {row["masks/file"].decode(): np.asarray(row["masks/content"]) for row in opened.records("masks")}
    assert len(masks) == 6
    first = masks["00000000-clip_a_0.png"][..., 0]  # mlcroissant shows every picture as RGB
    assert np.array_equal(first, images.read_mask(rich.folder / "truth/0_m.png"))


def test_fiftyone_finds_an_image_and_a_mask_of_one_name(rich: Manifest, tmp_path: Path) -> None:
    run(rich.folder, "--to", "fiftyone", "--out", tmp_path / "out")
    stems = [{path.stem for path in (tmp_path / "out" / name).iterdir()} for name in ("data", "labels")]
    assert len(stems[0]) == 7 and len(stems[1]) == 6 and stems[1] < stems[0]
    assert json.loads((tmp_path / "out" / "masksmith.json").read_text())["dataset"]["classes"] == CLASSES


def test_some_splits_go_out_alone_and_a_dry_run_writes_nothing(
    rich: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(rich.folder, "--to", "folders", "--out", tmp_path / "out", "--split", "val,test", "--dry-run", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["splits"] == {"val": 1, "test": 1} and told["dry_run"] and not (tmp_path / "out").exists()
    run(rich.folder, "--to", "folders", "--out", tmp_path / "out", "--split", "val,test")
    run(tmp_path / "out", "--from", "folders", "--out", tmp_path / "back")
    assert [record.split for record in records(tmp_path / "back")] == ["val", "test"]


def harm(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("arguments", "code", "sign"),
    [
        (["--to", "cooc", "--out", "x"], 2, "Did you mean 'coco'"),
        (["--out", "x"], 2, "one of --to FORMAT and --from"),
        (["--to", "coco", "--from", "coco", "--out", "x"], 2, "one of --to FORMAT and --from"),
        (["--to", "coco", "--out", "x", "--split", "training"], 3, "train, val, test, unsplit"),
        (["--from", "coco", "--out", "x"], 3, "annotations/*.json"),
        (["--from", "folders", "--out", "x"], 3, "prepare folders"),
    ],
)
def test_what_cannot_be_ends_with_its_code(
    arguments: list[str],
    code: int,
    sign: str,
    rich: Manifest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (rich.folder / "dataset.json").with_name("masksmith.json").write_text(json.dumps({"dataset": rich.info.as_json()}))
    with pytest.raises(SystemExit) as ended:
        run(rich.folder, *arguments)
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert ended.value.code == code and sign in told, told


def test_a_file_that_is_not_the_one_its_record_names_is_refused(
    rich: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rich.folder / "photos/3.jpg").write_bytes(images.encode_jpeg(np.zeros((60, 80, 3), np.uint8)))
    with pytest.raises(SystemExit) as ended:
        run(rich.folder, "--to", "coco", "--out", tmp_path / "out")
    assert ended.value.code == 3 and "photos/3.jpg" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["../../evil.png", "/tmp/evil.png", "a/.hidden/evil.png", "records.parquet"])
def test_an_export_cannot_write_outside_its_folder(path: str, rich: Manifest, tmp_path: Path) -> None:
    run(rich.folder, "--to", "folders", "--out", tmp_path / "out")
    harm(tmp_path / "out" / "records.jsonl", "photos/1.png", path)
    run(tmp_path / "out", "--from", "folders", "--out", tmp_path / "in" / "back")
    made = records(tmp_path / "in" / "back")
    assert made[1].image == "images/00000001-clip_a_1.png"
    assert not (tmp_path / "evil.png").exists() and not Path("/tmp/evil.png").exists()


def test_an_export_cannot_read_outside_its_folder(
    rich: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(rich.folder, "--to", "folders", "--out", tmp_path / "out")
    harm(tmp_path / "out" / "records.jsonl", '"images/00000001', '"../rich/photos/00000001')
    with pytest.raises(SystemExit) as ended:
        run(tmp_path / "out", "--from", "folders", "--out", tmp_path / "back")
    assert ended.value.code == 3 and "inside the folder" in capsys.readouterr().err


def test_real_frames_of_a_street_go_to_coco_and_back(real_data: Path, tmp_path: Path) -> None:
    """CamVid: 11 classes and 255 for what is not labelled."""
    listed = sorted((real_data / "camvid").rglob("*annot/*.png"))[:4]
    if not listed:
        pytest.skip("no CamVid masks there")
    folder = tmp_path / "camvid"
    names = {str(k): k for k in range(11)}
    with ManifestWriter(folder, Info(name="camvid", classes=names)) as writer:
        for k, path in enumerate(listed):
            mask = images.read_mask(path)
            mask[mask == 11] = 255
            files.write_bytes(folder / f"masks/{k}.png", images.encode_png(mask))
            files.write_bytes(folder / f"images/{k}.png", images.encode_png(np.zeros((*mask.shape, 3), np.uint8)))
            height, width = mask.shape
            writer.add(Record(id=str(k), image=f"images/{k}.png", mask=f"masks/{k}.png", width=width, height=height))
    run(folder, "--to", "coco", "--out", tmp_path / "out")
    run(tmp_path / "out", "--from", "coco", "--out", tmp_path / "back")
    for k in range(len(listed)):
        one, other = (images.read_mask(root / f"masks/{k}.png") for root in (folder, tmp_path / "back"))
        assert np.array_equal(one, other) and len(np.unique(one)) > 5


def test_the_description_of_every_manifest_is_croissant_too(rich: Manifest) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    opened = mlcroissant.Dataset(jsonld=str(rich.folder / "dataset.json"))
    assert not opened.metadata.issues.errors
    rows = list(opened.records("records"))
    assert [row["records/id"].decode() for row in rows] == [record.id for record in records(rich.folder)]
    assert [value.decode() for value in rows[2]["records/licence"]] == ["CC0-1.0", "CC-BY-4.0"]


def test_files_that_no_format_has_a_place_for_are_named(
    rich: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ManifestWriter(tmp_path / "more", rich.info) as writer:
        for record in rich.records():
            where = replace(record, image=f"../rich/{record.image}", mask=record.mask and f"../rich/{record.mask}")
            writer.add(replace(where, extra={"alpha": "a.png", "sha256_alpha": "0" * 64}))
    run(tmp_path / "more", "--to", "folders", "--out", tmp_path / "out")
    assert "only their names travel: alpha" in capsys.readouterr().err
