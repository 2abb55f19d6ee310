"""Where scenes go: tar shards, and an object store that is killed midway."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datagen import generate as making
from datagen import plan as planning
from datagen.bank import Rig
from datagen.scenes import Style
from manifests import Manifest
from masksmith import cli, engine, files, store
from masksmith.errors import EnvironmentFault, UsageProblem
from tests.datagen.test_generate import digests, exit_of

needs_s3 = pytest.mark.skipif(
    importlib.util.find_spec("moto") is None or importlib.util.find_spec("s3fs") is None,
    reason="moto[server] or s3fs is not installed",
)
COUNT = 110  # three shards of 50


def plan(scans: Path, floors: Path, out: Path, **more: Any) -> planning.Plan:
    values: dict[str, Any] = {"count": COUNT, "seed": 4, "rig": Rig(views=2, canvas=112), "style": Style(size=64)}
    return planning.plan(scans=str(scans), floor_spec=str(floors), out=out, **{**values, **more})


def command(scans: Path, floors: Path, out: str, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "masksmith", "generate", "--scans", str(scans), "--floors", str(floors)),
        *("--out", out, "--count", str(COUNT), "--size", "64", "--views", "2", "--seed", "4", *more),
    ]


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory, scan_folder: Path, floor_folder: Path) -> Path:
    """The scenes as files in a folder."""
    return making.generate(
        plan(scan_folder, floor_folder, tmp_path_factory.mktemp("loose") / "feet"), engine.get("serial")
    )


def with_cutouts(loose: Path, folder: Path) -> Path:
    """A folder in which the same feet are rendered already, as a run that was stopped then leaves it."""
    for part in (".cutouts", ".receipts/cutouts"):
        shutil.copytree(loose / part, folder / part)
    return folder


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory, loose: Path, scan_folder: Path, floor_folder: Path) -> Path:
    """The same scenes in tar shards."""
    out = with_cutouts(loose, tmp_path_factory.mktemp("packed") / "feet")
    return making.generate(plan(scan_folder, floor_folder, out, tar_scenes=30), engine.get("serial"))


def test_tar_shards_hold_what_files_would_and_other_readers_take_them(loose: Path, packed: Path) -> None:
    alone = {record.id: record for record in Manifest.open(loose).records()}
    listed = json.loads((packed / "shards.json").read_text())
    assert {each["file"] for each in listed} == {path.name for path in packed.glob("*.tar")}
    assert sum(each["records"] for each in listed) == COUNT and max(each["records"] for each in listed) == 30
    import webdataset

    seen = {}
    for each in listed:
        for sample in webdataset.WebDataset(str(packed / each["file"]), shardshuffle=False):
            record = alone[sample["__key__"]]
            assert each["file"].startswith(f"{record.split}-")
            assert files.digest(sample["jpg"]) == record.sha256_image
            assert files.digest(sample["mask.png"]) == record.sha256_mask
            seen[record.id] = json.loads(sample["json"])["record"]
    assert seen.keys() == alone.keys()
    for record in Manifest.open(packed).records():
        assert record.image.startswith(f"tar://{record.id}.jpg::{record.split}-")
        assert (record.subject, record.recipe) == (alone[record.id].subject, alone[record.id].recipe)
        assert seen[record.id]["image"] == alone[record.id].image


def test_tar_shards_come_back_as_the_files_they_would_have_been(
    loose: Path, packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["convert", str(packed), "--from", "webdataset", "--out", str(tmp_path / "back"), "--engine", "serial"])
    alone = {record.id: record for record in Manifest.open(loose).records()}
    back = Manifest.open(tmp_path / "back")
    for record in back.records():
        first = alone.pop(record.id)
        assert files.sha256(back.path(record.image)) == first.sha256_image
        assert files.sha256(back.path(record.mask or "")) == first.sha256_mask
        assert (record.subject, record.groups, record.split) == (first.subject, first.groups, first.split)
    assert not alone
    cli.main(["convert", str(packed), "--to", "folders", "--out", str(tmp_path / "plain"), "--engine", "serial"])
    assert len(list((tmp_path / "plain").rglob("*.jpg"))) == COUNT
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", "--preset", "demborg2018", "--data", str(packed), "--out", str(tmp_path / "run")])
    assert ended.value.code == 3
    assert f"masksmith convert {packed} --from webdataset --out FOLDER" in capsys.readouterr().err


@pytest.mark.slow
def test_tar_shards_are_the_same_bytes_from_two_processes(
    packed: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    work = plan(scan_folder, floor_folder, tmp_path / "feet", tar_scenes=30)
    assert digests(making.generate(work, engine.get("process", 2))) == digests(packed)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a real S3 server on loopback, with a bucket ``data``."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    given = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem().mkdir("data")
        yield {**os.environ, **given}
    server.stop()


def objects(prefix: str) -> dict[str, str]:
    """Every object below a prefix with its SHA-256."""
    import s3fs

    client = s3fs.S3FileSystem(use_listings_cache=False)
    try:
        found = client.find(prefix)
        got = client.cat(found) if found else {}
    except FileNotFoundError:  # nothing yet, or gone between the two
        got = {}
    return {path.removeprefix(f"{prefix}/"): files.digest(data) for path, data in got.items()}


@needs_s3
@pytest.mark.s3
@pytest.mark.parametrize(
    "shards",
    [(), pytest.param(("--shards", "webdataset", "--shard-scenes", "30"), marks=pytest.mark.slow)],
    ids=["files", "tars"],
)
def test_a_run_into_s3_that_is_killed_goes_on_and_ends_with_the_same_bytes(
    shards: tuple[str, ...],
    s3: dict[str, str],
    loose: Path,
    packed: Path,
    tmp_path: Path,
    scan_folder: Path,
    floor_folder: Path,
) -> None:
    kind = "tars" if shards else "files"
    url = f"s3://data/{kind}/feet"
    work = with_cutouts(loose, tmp_path / "work")
    line = command(scan_folder, floor_folder, url, "--work", str(work), "--engine", "serial", *shards)
    target = store.at(url, str(work))
    running = subprocess.Popen(line, env=s3, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    receipt = ".receipts/scenes/000000.json"
    while running.poll() is None and time.monotonic() < deadline and target.read(receipt) is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    partly = objects(f"data/{kind}/feet")
    assert receipt in partly and "records.parquet" not in partly and "dataset.json" not in partly
    done = subprocess.run(line, env=s3, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = objects(f"data/{kind}/feet")
    assert {name: after[name] for name in partly} == partly
    expected = digests(packed if shards else loose)
    described = ("dataset.json", "masksmith.json")  # they name the command
    ours = {name: value for name, value in expected.items() if not name.startswith((".cutouts", ".receipts/cutouts"))}
    assert after.keys() == ours.keys()
    assert {name for name in ours if after[name] != ours[name]} <= set(described)
    assert "records.parquet" in after and len(after) > (4 if shards else 2 * COUNT)


@needs_s3
@pytest.mark.s3
def test_a_store_with_another_run_and_a_bucket_that_is_not_there_are_refused(
    s3: dict[str, str], tmp_path: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.at("s3://data/other", str(tmp_path)).receipts("scenes", {"seed": 9})
    line = command(scan_folder, floor_folder, "s3://data/other", "--work", str(tmp_path / "w"), "--engine", "serial")
    code, said = exit_of(line[3:], capsys)
    assert code == 3 and "s3://data/other" in said and "other" in said and "seed" in said
    line = command(scan_folder, floor_folder, "s3://lost/feet", "--work", str(tmp_path / "v"), "--engine", "serial")
    code, said = exit_of(line[3:], capsys)
    assert code == 4 and "s3://lost/feet" in said and "bucket" in said
    assert not (tmp_path / "v" / ".cutouts").exists()


def test_a_protocol_that_keeps_nothing_or_lacks_its_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("memory://feet", "nonsense://b/feet", "s3://"):
        with pytest.raises(UsageProblem, match=place.split(":")[0]):
            store.at(place, str(tmp_path))
    import fsspec

    monkeypatch.setattr(fsspec, "get_filesystem_class", lambda _: (_ for _ in ()).throw(ImportError("s3fs")))
    with pytest.raises(EnvironmentFault, match=r"pip install 'masksmith\[s3\]'"):
        store.at("s3://bucket/feet", str(tmp_path))


def test_an_object_store_needs_a_local_folder_and_a_folder_does_not(
    tmp_path: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = exit_of(command(scan_folder, floor_folder, "s3://data/feet")[3:], capsys)
    assert code == 2 and "--work" in said
    more = command(scan_folder, floor_folder, str(tmp_path / "d"), "--work", str(tmp_path / "w"))
    code, said = exit_of(more[3:], capsys)
    assert code == 2 and "--work" in said
    assert not list(tmp_path.iterdir())
