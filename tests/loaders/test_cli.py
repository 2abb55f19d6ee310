import json
from pathlib import Path

import pytest

from manifests import Manifest
from masksmith import images
from masksmith.cli import COMMANDS, main


def test_priors_reports_every_kind_and_writes_the_sheet(
    small: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.png"
    main(["priors", str(small.folder), "--preview", str(sheet), "--count", "5", "--size", "96", "--json"])
    told = json.loads(capsys.readouterr().out)
    kinds = {row["kind"]: row for row in told["kinds"]}
    assert list(kinds) == ["empty", "affine", "elastic", "major", "self"]
    assert told["samples"] == 5
    assert kinds["empty"]["wanted"] == pytest.approx(40 / 110)
    assert kinds["empty"]["share"] == pytest.approx(40 / 110, abs=0.02)
    assert kinds["empty"]["displacement_px"] == 0 and kinds["empty"]["iou"] == 0
    assert kinds["major"]["iou_range"][1] < 0.6 < kinds["affine"]["iou"]
    assert kinds["elastic"]["displacement_range_px"][0] >= 1.5
    assert told["preview"] == str(sheet)
    drawn = images.read_image(sheet)
    assert drawn.shape[0] > 5 * 160 and drawn.shape[1] > 7 * 160


def test_priors_prints_a_table_and_says_that_self_is_a_warp(
    small: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["priors", str(small.folder), "--count", "3", "--mix", "empty30", "--split", "all"])
    output = capsys.readouterr()
    assert "0.300" in output.out and "major" in output.out
    assert "small warp stands in" in output.err


def test_the_same_seed_draws_the_same_sheet(small: Manifest, tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        main(["priors", str(small.folder), "--preview", str(tmp_path / f"{name}.png"), "--count", "2", "--seed", seed])
        made.append((tmp_path / f"{name}.png").read_bytes())
    assert made[0] == made[1] != made[2]


def test_a_dry_run_writes_nothing(small: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["priors", str(small.folder), "--preview", str(tmp_path / "sheet.png"), "--count", "2", "--dry-run"])
    assert not (tmp_path / "sheet.png").exists()
    assert "would write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--mix", "papr"], 2, "Did you mean 'paper'"),
        (["--preview", "sheet.jpg"], 2, "ends in .png"),
        (["--split", "test"], 3, "train, val"),
        (["--foreground", "toe"], 2, "background, foot"),
    ],
)
def test_faults_end_with_their_code_and_one_line(
    small: Manifest, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["priors", str(small.folder), *arguments])
    assert ended.value.code == code
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and message in told[0]


def test_the_command_has_the_help_that_the_front_door_shows_and_an_example() -> None:
    from loaders.cli import priors

    lines = (priors.help or "").splitlines()
    assert lines[0] == COMMANDS["priors"][1]
    assert "Example:" in (priors.help or "")
