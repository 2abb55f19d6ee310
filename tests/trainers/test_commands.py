from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from masksmith.cli import COMMANDS
from masksmith.commands.train import train
from tests.evaluation.typed import run
from trainers.cli import models
from trainers.presets import preset_names

MakeDiscs = Callable[..., Path]
PRESETS = ", ".join(preset_names())
QUICK = [
    "--set",
    "size=32",
    "--set",
    "batch=4",
    "--set",
    "epochs=1",
    "--set",
    "steps_per_epoch=2",
    "--set",
    "threads=1",
]


def test_the_help_lines_are_those_of_the_front_door() -> None:
    for command in (models, train):
        assert command.get_short_help_str(limit=200) == COMMANDS[str(command.name)][1]
        assert "Example:" in str(command.help)


def test_models_lists_every_network_with_its_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["fastlinknet"]["params"] == 1_805_954
    assert rows["fastlinknet"]["size_mb"] == 7.22
    assert rows["portrait_lcnet"]["inputs"] == ["image", "prior"]
    assert rows["portrait_lcnet"]["input_size"] == [224, 224]
    assert rows["portrait_lcnet"]["mflops"] == pytest.approx(91, rel=0.03)
    assert run("models") == 0
    assert "1,805,954" in capsys.readouterr().out


def test_train_prints_one_document_and_a_line_an_epoch(
    discs: MakeDiscs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--preset", "pirshutuk2023", "--data", str(discs()), "--out", str(tmp_path / "run"), *QUICK]
    assert run(*command, "--seed", "5", "--json") == 0
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert (result["steps"], result["epochs"]) == (2, 1)
    assert 0 < result["best_miou_image"] <= 1
    assert "epoch   1  step     2" in shown.err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 5
    assert run(*command, "--seed", "5") == 0
    assert f"weights in {tmp_path / 'run'}" in capsys.readouterr().out


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    discs: MakeDiscs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    command = ["train", "--preset", "demborg2018", "--data", str(discs()), "--out", str(out), *QUICK, "--dry-run"]
    assert run(*command) == 0
    assert "would train fastlinknet (1,805,954 parameters) on 12 records" in capsys.readouterr().out
    assert run(*command, "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 2
    assert not out.exists()


@pytest.mark.parametrize(
    ("extra", "code", "message"),
    [
        (["--preset", "demborg"], 2, f"unknown preset 'demborg'. Did you mean 'demborg2018'? Choices: {PRESETS}"),
        (["--preset", "demborg2018", "--model", "unet"], 2, "unknown model 'unet'"),
        (["--preset", "demborg2018", "--set", "lrate=1"], 2, "unknown setting 'lrate'"),
        (["--preset", "demborg2018", "--set", "lr"], 2, "--set takes key=value"),
        (["--preset", "demborg2018", "--model", "enet", "--set", "model=enet"], 2, "give model once"),
        (["--preset", "demborg2018", "--minutes", "-1"], 2, "minutes must be above 0"),
        (["--preset", "demborg2018"], 3, "expected a manifest"),
    ],
)
def test_what_cannot_be_done_ends_with_its_exit_code(
    extra: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "run"), *extra) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_leaks_end_with_exit_code_one(discs: MakeDiscs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(discs(shared=(1, 13)))
    command = ["train", "--preset", "demborg2018", "--data", data, "--out", str(tmp_path / "run"), *QUICK]
    assert run(*command) == 1
    assert "leaks: subject everybody" in capsys.readouterr().err
    assert run(*command, "--allow-leaks", "--set", "model=portrait_lcnet_noprior") == 0
    assert "warning: leaks" in capsys.readouterr().err


def test_ctrl_c_saves_a_checkpoint_and_ends_with_130(discs: MakeDiscs, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["train", "--preset", "pirshutuk2023", "--data", str(discs()), "--out", str(out), *QUICK]
    command += ["--set", "steps_per_epoch=100000", "--set", "device=cpu"]
    started = subprocess.Popen(
        [sys.executable, "-m", "masksmith", *command],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        end = time.monotonic() + 120
        while not list(out.glob("tensorboard/*")) and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(1.0)
        started.send_signal(signal.SIGINT)
        assert started.wait(60) == 130
    finally:
        started.kill()
        started.communicate()
    assert torch.load(out / "last.pt", weights_only=True)["step"] >= 1
