"""Bringing folders of images and masks into one manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow

from loaders.listing import SHARD_ITEMS
from loaders.prepare import Task, prepare
from loaders.readers import READERS
from loaders.readers.folders import Folders
from manifests import Manifest
from masksmith import engine, files, images
from tests.loaders.typed import make, records, written

Pair = tuple[np.ndarray, np.ndarray]
Scene = Callable[..., Pair]
SUBJECTS = r"(?P<subject>[^_/]+)_(?P<floor>[^_/]+)$"


def numbered(count: int) -> list[str]:
    return [f"s{k % 7}_f{k % 3}_{k:03d}" for k in range(count)]


def test_images_and_masks_of_ids_stay_where_they_are(put: Callable[..., Path], tmp_path: Path) -> None:
    root = put(["b", "a", "more/c"])
    make("--from", root, "--to", tmp_path / "to", "--licence", "CC0-1.0, CC-BY-4.0", "--source", "ours")
    found = records(tmp_path / "to")
    assert [r.id for r in found] == ["a", "b", "more/c"]
    assert [r.image for r in found] == ["../from/images/a.jpg", "../from/images/b.jpg", "../from/images/more/c.jpg"]
    assert sorted(written(tmp_path / "to")) == ["dataset.json", "records.parquet"]
    for record in found:
        assert record.mask == f"../from/masks/{record.id}.png"
        assert (record.width, record.height) == (80, 60)
        assert record.sha256_image == files.sha256(tmp_path / "to" / record.image)
        assert record.sha256_mask == files.sha256(tmp_path / "to" / record.mask)
        assert record.licence == ("CC0-1.0", "CC-BY-4.0") and record.source == "ours"
    info = Manifest.open(tmp_path / "to").info
    assert info.classes == {"background": 0, "foreground": 1}
    assert info.licence == ("CC-BY-4.0", "CC0-1.0")
    assert info.sources[0]["name"] == "ours"


def test_paths_hold_where_the_manifest_lies_behind_a_link(put: Callable[..., Path], tmp_path: Path) -> None:
    root = put(["a"])
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    make("--from", root, "--to", tmp_path / "link" / "to")
    dataset = Manifest.open(tmp_path / "link" / "to")
    assert images.read_image(dataset.path(next(dataset.records()).image)).shape == (60, 80, 3)


def test_absolute_names_files_from_the_root(put: Callable[..., Path], tmp_path: Path) -> None:
    root = put(["a"])
    make("--from", root, "--to", tmp_path / "to", "--absolute")
    assert records(tmp_path / "to")[0].image == str(root / "images" / "a.jpg")


def test_copy_brings_the_bytes_and_needs_the_source_no_more(put: Callable[..., Path], tmp_path: Path) -> None:
    root = put(["a", "more/b"])
    before = {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.*")}
    make("--from", root, "--to", tmp_path / "to", "--copy")
    shutil.rmtree(root)
    assert [r.image for r in records(tmp_path / "to")] == ["images/a.jpg", "images/more/b.jpg"]
    assert [r.mask for r in records(tmp_path / "to")] == ["masks/a.png", "masks/more/b.png"]
    for name, data in before.items():
        assert (tmp_path / "to" / name).read_bytes() == data


def break_image(root: Path, how: str) -> str:
    path = root / "images" / "b.jpg"
    mask = root / "masks" / "b.png"
    if how == "text":
        path.write_text("not a picture\n")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-300])
    elif how == "truncated mask":
        mask.write_bytes(mask.read_bytes()[:-20])
        return mask.name
    elif how == "small mask":
        mask.write_bytes(images.encode_png(np.zeros((30, 40), np.uint8)))
        return mask.name
    elif how == "colour mask":
        mask.write_bytes(images.encode_png(np.dstack([np.eye(60, 80, dtype=np.uint8) * k for k in (1, 2, 3)])))
        return mask.name
    return path.name


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("text", "a text file"),
        ("empty", "0 bytes"),
        ("truncated", "cut off"),
        ("truncated mask", "cut off"),
        ("small mask", "40 x 30"),
        ("colour mask", "an RGB picture"),
    ],
)
def test_a_bad_file_is_named_and_the_run_goes_on_when_it_is_right(
    how: str, said: str, put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = put(["a", "b", "c"])
    name = break_image(root, how)
    line = refused(3, "folders", "--from", root, "--to", tmp_path / "to")
    assert name in line and said in line and "expected" in line
    assert not (tmp_path / "to" / "records.parquet").exists()
    assert not list((tmp_path / "to").rglob("*.part"))
    put(["a", "b", "c"])
    make("--from", root, "--to", tmp_path / "to")
    assert len(records(tmp_path / "to")) == 3


def test_a_bad_file_is_named_from_a_worker_process_too(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = put(["a", "b"])
    name = break_image(root, "truncated")
    line = refused(3, "folders", "--from", root, "--to", tmp_path / "to", "--engine", "process", "--workers", "1")
    assert name in line and "cut off" in line


def test_a_picture_on_its_side_goes_with_the_upright_mask_and_not_with_one_lying(
    tmp_path: Path, scene: Scene, put: Callable[..., Path], refused: Callable[..., str]
) -> None:
    root = put(["b"])
    image, mask = scene(0)
    tag = pillow.Exif()
    tag[0x0112] = 6  # stored lying, shown turned by 90 degrees
    pillow.fromarray(np.rot90(image)).save(root / "images" / "a.jpg", exif=tag)
    files.write_bytes(root / "masks" / "a.png", images.encode_png(mask))
    make("--from", root, "--to", tmp_path / "to")
    record = records(tmp_path / "to")[0]
    assert (record.id, record.width, record.height) == ("a", 80, 60)
    files.write_bytes(root / "masks" / "a.png", images.encode_png(np.ascontiguousarray(np.rot90(mask))))
    line = refused(3, "folders", "--from", root, "--to", tmp_path / "2")
    assert "masks/a.png" in line and "80 x 60" in line and "60 x 80, lying on its side" in line and "EXIF" in line


def test_every_engine_gives_the_same_bytes(put: Callable[..., Path], tmp_path: Path) -> None:
    root = put(numbered(2 * SHARD_ITEMS + 5), white=255, suffix=".png")
    for folder, chosen in (("1", engine.get("serial")), ("2", engine.get("process", 2))):
        reader = Folders(root, subject_regex=r"(?P<subject>[^_]+)_(?P<floor>[^_]+)_")
        done = prepare(Task(reader, tmp_path / folder / "to", copy=True), chosen)
        assert done.records == done.rewritten == 2 * SHARD_ITEMS + 5
    first, second = (written(tmp_path / folder / "to") for folder in ("1", "2"))
    assert len(first) == 2 * (2 * SHARD_ITEMS + 5) + 2
    assert first == second


def test_a_run_goes_on_and_does_only_what_has_no_receipt(put: Callable[..., Path], tmp_path: Path) -> None:
    root = put(numbered(2 * SHARD_ITEMS), white=255, suffix=".png")
    out = tmp_path / "to"
    make("--from", root, "--to", out)
    whole = written(out)
    masks = sorted((out / "masks").iterdir())
    for path in (out / "records.parquet", out / "dataset.json", out / ".receipts" / "done.json"):
        path.unlink()
    for stage in ("look", "write"):
        (out / ".receipts" / stage / "000001.json").unlink(missing_ok=True)
    stamp = masks[0].stat().st_mtime_ns
    masks[-1].unlink()
    make("--from", root, "--to", out)
    assert written(out) == whole
    assert masks[0].stat().st_mtime_ns == stamp


def test_a_file_that_changed_is_taken_anew_and_the_other_shards_are_kept(
    put: Callable[..., Path], tmp_path: Path, scene: Scene
) -> None:
    root = put(numbered(SHARD_ITEMS + 1), suffix=".png")
    out = tmp_path / "to"
    make("--from", root, "--to", out)
    kept = out / ".receipts" / "look" / "000001.json"
    stamp = kept.stat().st_mtime_ns
    first = records(out)[0]
    changed = images.encode_png(scene(99)[0])
    files.write_bytes(out / first.image, changed)
    make("--from", root, "--to", out)
    assert records(out)[0].sha256_image == files.digest(changed) != first.sha256_image
    assert kept.stat().st_mtime_ns == stamp


def test_another_licence_on_a_second_run_reaches_the_records(put: Callable[..., Path], tmp_path: Path) -> None:
    root = put(["a"])
    for licence in ("CC0-1.0", "CC-BY-4.0"):
        make("--from", root, "--to", tmp_path / "to", "--licence", licence)
        assert records(tmp_path / "to")[0].licence == (licence,)


def test_a_dataset_that_was_changed_since_or_is_another_one_is_left_alone(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str], write_manifest: Callable[..., Manifest]
) -> None:
    root = put(["a", "b"])
    make("--from", root, "--to", tmp_path / "to")
    shutil.copy(write_manifest([], name="empty").folder / "records.parquet", tmp_path / "to")
    before = written(tmp_path / "to")
    assert "changed since" in refused(3, "folders", "--from", root, "--to", tmp_path / "to")
    assert "another dataset" in refused(3, "folders", "--from", root, "--to", tmp_path / "empty")
    assert written(tmp_path / "to") == before


def test_other_options_over_a_finished_folder_are_refused(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = put(["a"])
    make("--from", root, "--to", tmp_path / "to")
    assert "other copy" in refused(3, "folders", "--from", root, "--to", tmp_path / "to", "--copy")


def test_nothing_is_written_over_the_masks_of_the_dataset_itself(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = put(["a"], white=255)
    before = written(root)
    assert "masks" in refused(3, "folders", "--from", root, "--to", root)
    assert written(root) == before
    other = put(["a"], white=1, folder="ids")
    make("--from", other, "--to", other)
    assert records(other)[0].mask == "masks/a.png"


def test_a_dry_run_says_what_it_found_and_writes_nothing(
    put: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = put(["anna_wood", "ben_tile", "anna_tile"])
    make("--from", root, "--to", tmp_path / "to", "--subject-regex", SUBJECTS, "--dry-run", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["records"], told["masks"], told["subjects"], told["dry_run"]) == (3, 3, 2, True)
    assert not (tmp_path / "to").exists()


def test_the_summary_counts_records_subjects_sizes_and_pixels(
    put: Callable[..., Path], tmp_path: Path, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    root = put(["anna_wood", "ben_tile"])
    image, mask = scene(5, 100, 50)
    files.write_bytes(root / "images" / "anna_tile.png", images.encode_png(image))
    files.write_bytes(root / "masks" / "anna_tile.png", images.encode_png(mask))
    arguments = ("--from", root, "--to", tmp_path / "to", "--class-name", "foot", "--subject-regex", SUBJECTS)
    make(*arguments, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["records"] == 3 and told["groups"] == {"subject": 2, "floor": 2}
    assert told["smallest"] == [80, 60] and told["largest"] == [50, 100]
    inside = sum(int(m.sum()) for m in (scene(0)[1], scene(1)[1], mask))
    assert told["pixel_shares"]["foot"] == pytest.approx(inside / (2 * 4800 + 5000), abs=1e-6)
    make(*arguments)
    printed = capsys.readouterr().out
    assert "3 records, 2 subjects, 2 floors, images of 80 x 60 to 50 x 100" in printed and "foot" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("folder",), "Did you mean 'folders'"),
        (("folders", "--copy", "--absolute"), "just one of --copy and --absolute"),
        (("folders", "--classes", "a=0", "--class-name", "b"), "just one of --classes and --class-name"),
        (("folders", "--class-name", "background"), "a name of its own"),
        (("folders", "--engine", "serail"), "serail"),
    ],
)
def test_a_usage_error_says_what_to_do(
    arguments: Sequence[str], said: str, put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    assert said in refused(2, arguments[0], "--from", put(["a"]), "--to", tmp_path / "to", *arguments[1:])
    assert not (tmp_path / "to").exists()


def test_an_option_that_a_reader_does_not_take_is_refused(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Plain(Folders):
        name = "plain"
        options = ("licence",)

    monkeypatch.setitem(READERS, "plain", Plain)
    line = refused(2, "plain", "--from", put(["a"]), "--to", tmp_path / "to", "--subject-regex", "x")
    assert "takes no --subject-regex" in line


class Inverted(Folders):
    """A reader whose masks are stored in a form of their own: 0 is the foreground."""

    rewrites = True

    def read_mask(self, path: str) -> images.Mask:
        return (1 - images.read_mask(path)).astype(np.uint8)


def test_a_reader_with_masks_of_its_own_form_gets_them_written_as_ids(
    put: Callable[..., Path], tmp_path: Path, scene: Scene
) -> None:
    prepare(Task(Inverted(put(["a"]), classes="foot=1,background=0"), tmp_path / "to"), engine.get("serial"))
    assert np.array_equal(images.read_mask(tmp_path / "to" / "masks" / "a.png"), 1 - scene(0)[1])
