from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault
from masksmith.receipts import Receipts


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "value.bin"
    with pytest.raises(RuntimeError), files.atomic(target) as part:
        part.write_bytes(b"half")
        assert not target.exists()
        raise RuntimeError("stopped")
    assert list(target.parent.iterdir()) == []
    files.write_bytes(target, b"whole")
    assert target.read_bytes() == b"whole"
    assert [p.name for p in target.parent.iterdir()] == ["value.bin"]


def test_an_old_file_survives_a_failed_rewrite(tmp_path: Path) -> None:
    target = tmp_path / "value.bin"
    files.write_bytes(target, b"old")
    with pytest.raises(RuntimeError), files.atomic(target) as part:
        part.write_bytes(b"new")
        raise RuntimeError("stopped")
    assert target.read_bytes() == b"old"


def test_the_same_value_gives_the_same_json_bytes(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, "ü"]})
    files.write_json(tmp_path / "b.json", {"a": [1.5, "ü"], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [1.5, "ü"], "b": 1}


def test_sha256_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc" * 100_000)
    assert files.sha256(tmp_path / "x") == files.digest(b"abc" * 100_000)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_an_environment_fault_that_names_the_place(tmp_path: Path) -> None:
    with (
        pytest.raises(EnvironmentFault, match="the disk is full") as caught,
        files.disk_faults(tmp_path),
        open("/dev/full", "wb", buffering=0) as sink,
    ):
        sink.write(b"x")
    assert str(tmp_path) in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(EnvironmentFault, match="a file stands where a folder is needed"):
        files.writable(tmp_path / "plain" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_an_environment_fault(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(EnvironmentFault, match="no permission"):
            files.writable(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    with files.sole_writer(tmp_path), pytest.raises(EnvironmentFault, match="another run"), files.sole_writer(tmp_path):
        pass
    with files.sole_writer(tmp_path):
        pass


def test_receipts_of_another_job_are_refused_and_the_difference_named(tmp_path: Path) -> None:
    Receipts(tmp_path, "work", {"seed": 1, "count": 5}).save(3, {"made": 2})
    assert Receipts(tmp_path, "work", {"count": 5, "seed": 1}).load(3) == {"made": 2}
    assert Receipts(tmp_path, "work", {"seed": 1, "count": 5}).load(4) is None
    with pytest.raises(BadInput, match="other seed"):
        Receipts(tmp_path, "work", {"seed": 2, "count": 5})


def test_a_damaged_receipt_counts_as_none(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path, "work", {})
    receipts.path(0).write_text("{")
    assert receipts.load(0) is None


def test_many_may_look_at_once_whether_a_folder_can_be_written_to(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(files.writable, [tmp_path / "one"] * 400)) == [tmp_path / "one"] * 400
    assert not list((tmp_path / "one").iterdir())
