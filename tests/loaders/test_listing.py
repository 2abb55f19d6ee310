"""What is left out of a dataset, and runs of it that are stopped, repeated or spread over processes."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loaders.listing import SHARD_ITEMS
from loaders.prepare import Task, prepare
from loaders.readers import find_reader
from manifests import Manifest
from masksmith import cli, engine, files, images
from tests.loaders import layouts
from tests.loaders.layouts import annotation, bitmap, polygon
from tests.loaders.typed import prepared, written

SHAPE = np.ones((9, 7), np.uint8)


def many(root: Path, count: int) -> Path:
    """A Supervisely of so many pictures, each with two objects."""
    objects = [polygon([[2, 2], [30, 2], [30, 30]]), bitmap(SHAPE, (20, 10))]
    return layouts.supervisely(root, {f"ds{k % 3}/a-{k + 1000}.png": annotation(*objects) for k in range(count)})


@pytest.mark.slow
def test_processes_and_one_process_write_the_same_bytes(tmp_path: Path) -> None:
    root = many(tmp_path / "from", SHARD_ITEMS + 6)
    for name, how in (("one", engine.get("serial")), ("two", engine.get("process", 2))):
        out = tmp_path / name / "to"
        prepare(Task(find_reader("supervisely")(root), out), how)
    assert written(tmp_path / "one" / "to") == written(tmp_path / "two" / "to")
    assert len(written(tmp_path / "one" / "to")) == 2 * (SHARD_ITEMS + 6) + 2


def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    root = many(tmp_path / "from", 2 * SHARD_ITEMS)
    whole = tmp_path / "whole" / "to"
    task = Task(find_reader("supervisely")(root), whole)
    prepare(task, engine.get("serial"))
    out = tmp_path / "again" / "to"
    shutil.copytree(whole, out)
    for name in ("records.parquet", "dataset.json", ".receipts/done.json", ".receipts/look/000001.json"):
        (out / name).unlink()
    shutil.rmtree(out / ".receipts" / "write")  # killed in the first round
    stamp = sorted((out / "masks" / "ds0").iterdir())[0].stat().st_mtime_ns
    last = sorted((out / "masks" / "ds2").iterdir())[-1]
    last.unlink()
    prepare(Task(find_reader("supervisely")(root), out), engine.get("serial"))
    assert written(out) == written(whole)
    assert sorted((out / "masks" / "ds0").iterdir())[0].stat().st_mtime_ns == stamp


def test_unreadable_files_are_counted_and_named_and_the_list_of_them_stays(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = many(tmp_path / "from", SHARD_ITEMS + 9)
    bad = ["ds0/a-1000", "ds1/a-1001", "ds2/a-1071"]
    for name in bad[:2]:
        (root / name.replace("/", "/img/")).with_suffix(".png").write_text("no picture")
    (root / bad[2].replace("/", "/ann/")).with_suffix(".json").write_text("{")
    line = refused(3, "supervisely", "--from", root, "--to", tmp_path / "to")
    assert f"3 that cannot ({', '.join(bad)})" in line and "missing.csv" in line and "--skip-bad" in line
    assert not (tmp_path / "to" / "records.parquet").exists()
    with (tmp_path / "to" / "missing.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["id"] for row in rows] == bad and {row["reason"] for row in rows} == {"unreadable"}
    assert "a text file" in rows[0]["detail"] and "JSON" in rows[2]["detail"]
    dataset = prepared("supervisely", root, tmp_path / "to", "--skip-bad")
    assert len(dataset) == SHARD_ITEMS + 6


def test_a_dataset_of_which_nothing_can_be_read_is_refused_even_then(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = many(tmp_path / "from", 2)
    for path in root.glob("ds*/img/*"):
        path.write_text("no picture")
    assert "expected" in refused(3, "supervisely", "--from", root, "--to", tmp_path / "to", "--skip-bad")
    assert not (tmp_path / "to" / "records.parquet").exists()


def test_the_list_goes_when_nothing_is_left_out_any_more(tmp_path: Path) -> None:
    root = many(tmp_path / "from", 3)
    broken = root / "ds0" / "ann" / "a-1000.json"
    whole = broken.read_bytes()
    broken.write_text("{")
    prepared("supervisely", root, tmp_path / "to", "--skip-bad")
    assert (tmp_path / "to" / "missing.csv").exists()
    broken.write_bytes(whole)
    assert len(prepared("supervisely", root, tmp_path / "to")) == 3
    assert not (tmp_path / "to" / "missing.csv").exists()


def test_a_dry_run_counts_what_is_there_and_what_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = layouts.eg1800(tmp_path / "from")
    cli.main(["prepare", "eg1800", "--from", str(root), "--to", str(tmp_path / "to"), "--dry-run", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["records"] == 3 and sum(told["missing"].values()) == 2
    assert not (tmp_path / "to").exists()


def test_another_target_into_a_finished_dataset_is_refused_before_its_masks_change(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = layouts.camvid(tmp_path / "from")
    prepared("camvid", root, tmp_path / "to")
    before = written(tmp_path / "to")
    line = refused(3, "camvid", "--from", root, "--to", tmp_path / "to", "--classes", "person")
    assert "other settings" in line
    assert written(tmp_path / "to") == before


def test_masks_are_never_written_among_those_of_the_dataset_itself(
    put: Callable[..., Path], tmp_path: Path, refused: Callable[..., str]
) -> None:
    root = put(["a"], white=255)
    before = written(root)
    for _ in range(2):  # what the first run leaves behind must not let the second one through
        assert "no folder masks yet" in refused(3, "folders", "--from", root, "--to", root)
        assert written(root) == before


def test_a_whole_dataset_can_be_split_verified_and_its_photos_stay_together(tmp_path: Path) -> None:
    root = layouts.supervisely(
        tmp_path / "from",
        {f"ds{k % 2}/pexels-photo-{100 + k // 2}.png": annotation(bitmap(SHAPE, (1, 1))) for k in range(12)},
    )
    prepared("supervisely", root, tmp_path / "to", "--copy")
    cli.main(["split", str(tmp_path / "to"), "--by", "photo", "--seed", "3"])
    cli.main(["manifest", "verify", str(tmp_path / "to")])
    cli.main(["audit", str(tmp_path / "to")])
    splits: dict[str, set[str | None]] = {}
    for record in Manifest.open(tmp_path / "to").records():
        splits.setdefault(record.groups["photo"][0], set()).add(record.split)
    assert len(splits) == 6 and all(len(found) == 1 for found in splits.values())


def test_ids_written_come_back_whatever_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for shape in ((1, 1), (1, 9), (7, 1), (33, 65)):
        mask = rng.integers(0, 256, shape).astype(np.uint8)
        files.write_bytes(tmp_path / "a.png", images.encode_mask(mask))
        assert np.array_equal(images.read_mask(tmp_path / "a.png"), mask)
