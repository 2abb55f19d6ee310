"""What `masksmith scans` prints: a table and reasons on a terminal, one document with --json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from masksmith import cli
from tests.datagen.shapes import left_foot, write_ply


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A good scan, one of the same subject's other foot, and an empty file."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    vertices, faces = left_foot()
    write_ply(folder / "Ann_left.ply", vertices * 1000, faces)
    write_ply(folder / "Ann_right.ply", vertices * [-1000, 1000, 1000], np.ascontiguousarray(faces[:, ::-1]))
    (folder / "Bob_left.ply").write_bytes(b"")
    return folder


def run(*args: object) -> int:
    try:
        cli.main([str(arg) for arg in args])
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def test_prepare_prints_a_table_and_a_reason_for_each_refusal(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("scans", "prepare", mixed, "--out", tmp_path / "out", "--engine", "serial", "--no-pictures") == 1
    printed = capsys.readouterr()
    assert "refused: Bob_left.ply: expected a mesh file, found an empty file (0 bytes)" in printed.out
    assert f"2 scans ready for `masksmith generate --scans {tmp_path / 'out'}`" in printed.out
    assert "subject Ann has 2 scans (Ann_left.ply, Ann_right.ply): they stay together in one split" in printed.err
    assert "1 of 3 scans are refused: Bob_left.ply" in printed.err
    assert not (tmp_path / "out" / "contact.png").exists()


def test_check_reads_with_units_and_axis_that_were_given(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mixed / "Bob_left.ply").unlink()
    assert run("scans", "check", mixed, "--units", "mm", "--up", "y", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["scans"]
    assert [(row["side"], row["units"], row["up"], row["verdict"]) for row in rows] == [
        ("left", "mm", "y", "ok"),
        ("right", "mm", "y", "ok"),
    ]
    assert all("found" not in " ".join(row["notes"]) for row in rows)
    assert run("scans", "check", mixed, "--units", "m", "--json") == 1
    assert all("the size fits mm" in row["verdict"] for row in json.loads(capsys.readouterr().out)["scans"])
    assert run("scans", "check", mixed, "--up", "w") == 2


def test_photos_are_checked_without_an_output_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rig").mkdir()
    assert run("scans", "photos", tmp_path / "rig") == 3
    assert "expected photos of feet" in capsys.readouterr().err
