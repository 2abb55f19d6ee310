"""The main job, small: the same commands as the quickstart's, on fewer feet and for seconds of training."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from masksmith.cli import COMMANDS
from masksmith.commands.quickstart import quickstart, steps

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "masksmith", *args], capture_output=True, text=True)


def test_the_main_job_runs_from_feet_to_report_and_again(tmp_path: Path) -> None:
    pytest.importorskip("anny")
    line = [
        "quickstart",
        "--out",
        str(tmp_path / "q"),
        "--feet",
        "4",
        "--floors",
        "3",
        "--count",
        "48",
        "--minutes",
        "0.1",
    ]
    first = run(*line)
    assert first.returncode == 0, first.stderr[-2000:]
    assert "Report:" in first.stdout
    report = json.loads((tmp_path / "q" / "evaluation" / "report.json").read_text())
    assert 0 <= report["miou_image"] <= 1
    page = (tmp_path / "q" / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert "miou_image" in page and "http://" not in page and "https://" not in page
    weights = (tmp_path / "q" / "run" / "best.safetensors").stat().st_mtime_ns
    again = run(*line)
    assert again.returncode == 0, again.stderr[-2000:]
    assert (tmp_path / "q" / "run" / "best.safetensors").stat().st_mtime_ns == weights  # nothing is trained twice


def test_a_dry_run_prints_the_commands_and_makes_nothing(tmp_path: Path) -> None:
    from click.testing import CliRunner

    done = CliRunner().invoke(quickstart, ["--out", str(tmp_path / "q"), "--dry-run"])
    assert done.exit_code == 0
    assert done.output.count("$ masksmith ") == 6
    assert list(tmp_path.iterdir()) == []


def test_every_step_is_a_command_of_the_front_door() -> None:
    for step in steps(Path("s"), Path("r"), Path("e"), 60, 12, 1500, 3.5, 0):
        assert step[0] in COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_readme(name: str) -> None:
    assert f"masksmith {name}" in README
