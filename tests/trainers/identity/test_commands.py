from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from manifests import Info, Manifest, ManifestWriter, Record
from manifests.verify import verify
from masksmith import files, images
from masksmith.cli import COMMANDS
from tests.trainers.identity.people import face, run, tree
from trainers.identity.cli import identity


@pytest.fixture
def nameless(tmp_path: Path) -> Path:
    """A manifest of 12 photos of three people, one of whom is named."""
    folder = tmp_path / "photos"
    (folder / "images").mkdir(parents=True)
    with ManifestWriter(folder, Info(name="photos")) as writer:
        for number in range(12):
            place = f"images/{number:02d}.png"
            (folder / place).write_bytes(images.encode_png(face(40 + number // 4, number)))
            known = "Ann" if number < 4 else None
            digest = files.sha256(folder / place)
            writer.add(Record(f"{number:02d}", place, None, 48, 48, subject=known, sha256_image=digest))
    return folder


def test_the_help_line_is_that_of_the_front_door_and_every_command_has_an_example() -> None:
    assert identity.get_short_help_str(limit=200) == COMMANDS["identity"][1]
    assert set(identity.commands) == {"train", "verify", "cluster", "embed", "tracks"}
    assert all("Example:" in str(command.help) for command in identity.commands.values())


def test_clusters_of_known_people_are_judged_by_pairs(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tree(tmp_path / "data", range(50, 54), 3)
    assert run("cluster", "--weights", trained, "--data", data, "--threshold", "0.0001", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["photos"], told["clusters"], told["people"], told["pairs"]) == (12, 12, 4, 66)
    assert (told["precision"], told["recall"]) == (1, 0)
    assert run("cluster", "--weights", trained, "--data", data, "--threshold", "3", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["clusters"], told["recall"]) == (1, 1)
    assert told["precision"] == pytest.approx(12 / 66)
    assert set(told["cluster"].values()) == {"person-0001"}


def test_clusters_become_subjects_that_say_they_are_estimated(
    trained: Path, nameless: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "named"
    command = ["cluster", "--weights", trained, "--data", nameless, "--out", out]
    assert run(*command, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == 8
    assert not out.exists()
    assert run(*command, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    records = list(Manifest.open(out).records())
    assert [record.subject for record in records[:4]] == ["Ann"] * 4
    assert not any(record.extra for record in records[:4])
    for record in records[4:]:
        mates = {other.subject for other in records[4:] if told["cluster"][other.id] == told["cluster"][record.id]}
        assert mates == {record.subject}
        assert record.extra == {"subject_estimated": True, "subject_error": told["expected_pair_error"]}
    assert 0 <= told["expected_pair_error"] <= 1
    assert verify(Manifest.open(out)).total == 0
    assert Manifest.open(out).info.sources[-1]["threshold"] == told["threshold"]
    assert all(record.subject is None for record in list(Manifest.open(nameless).records())[4:])
    assert run(*command) == 2
    assert "a dataset is there already" in capsys.readouterr().err


def test_subjects_are_written_in_place_on_request(trained: Path, nameless: Path) -> None:
    assert run("cluster", "--weights", trained, "--data", nameless, "--in-place") == 0
    assert all(record.subject for record in Manifest.open(nameless).records())
    assert verify(Manifest.open(nameless)).total == 0
    assert run("cluster", "--weights", trained, "--data", nameless, "--in-place") == 3


def test_embeddings_are_written_with_ids_and_people(trained: Path, nameless: Path, tmp_path: Path) -> None:
    assert run("embed", "--weights", trained, "--data", nameless, "--out", tmp_path / "points.npz") == 0
    found = np.load(tmp_path / "points.npz")
    assert found["points"].shape == (12, 128)
    assert found["ids"].tolist() == [f"{k:02d}" for k in range(12)]
    assert found["people"].tolist() == ["Ann"] * 4 + [""] * 8


def test_what_cannot_be_read_is_listed_and_left_out(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tree(tmp_path / "data", range(2), 2)
    (data / "p00" / "00.png").write_bytes(b"no picture")
    assert run("cluster", "--weights", trained, "--data", data, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["photos"] == 3
    assert "00.png" in told["unreadable"][0]


@pytest.mark.parametrize(
    ("extra", "code", "message"),
    [
        (["--data", "nowhere"], 3, "no such folder"),
        (["--data", ".", "--out", "x", "--in-place"], 2, "not both"),
        (["--data", ".", "--weights", "none.safetensors"], 3, "no such file"),
    ],
)
def test_what_cannot_be_done_ends_with_its_exit_code(
    extra: list[str],
    code: int,
    message: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("cluster", "--weights", trained, *extra) == code
    assert message in capsys.readouterr().err
