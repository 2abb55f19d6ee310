from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from masksmith import images
from masksmith.cli import COMMANDS
from masksmith.commands.distill import distill
from masksmith.errors import BadInput
from tests.evaluation.typed import run
from trainers import Settings, build, load, make_plan, save_weights, train

MakeDiscs = Callable[..., Path]
Small = Callable[..., Settings]
QUICK = [
    f"--set={change}" for change in ("size=32", "batch=4", "epochs=1", "steps_per_epoch=2", "threads=1", "dropout=0")
]


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """A run folder with weights of a network of another size."""
    save_weights(tmp_path / "big" / "best.safetensors", build("enet", seed=9))
    (tmp_path / "big" / "run.json").write_text(json.dumps({"foreground": ["disc"]}))
    return tmp_path / "big"


def test_the_help_line_is_that_of_the_front_door() -> None:
    assert distill.get_short_help_str(limit=200) == COMMANDS["distill"][1]
    assert "Example:" in str(distill.help)


def test_a_student_of_another_network_learns_from_the_teacher(
    teacher: Path, discs: MakeDiscs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(discs())
    common = ["--preset", "demborg2018", "--data", data, "--seed", "4", *QUICK]
    assert run("train", *common, "--out", str(tmp_path / "plain")) == 0
    command = ["distill", "--teacher", str(teacher), *common, "--temperature", "3", "--lambda", "2", "--json"]
    capsys.readouterr()
    assert run(*command, "--out", str(tmp_path / "student")) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 2
    told = json.loads((tmp_path / "student" / "run.json").read_text())
    assert told["seed"] == 4
    options = told["options"]
    assert (options["teacher"], options["temperature"], options["soften_lambda"]) == (str(teacher), 3.0, 2.0)
    weights = [load(tmp_path / name / "last.pt").state_dict() for name in ("plain", "student")]
    assert any(not torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_a_student_is_drawn_to_what_its_teacher_says(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    sceptic = build("portrait_lcnet_noprior")
    with torch.no_grad():  # sees nothing anywhere
        sceptic.upsample.weight.zero_()  # type: ignore[union-attr, operator]
        sceptic.upsample.bias.fill_(-6)  # type: ignore[union-attr, operator]
    save_weights(tmp_path / "sceptic.safetensors", sceptic)
    data = discs()
    base = {"epochs": 1, "steps_per_epoch": 12, "lr": 0.005}
    told = {"teacher": str(tmp_path / "sceptic.safetensors"), "temperature": 2.0, "soften_lambda": 20.0}
    train(make_plan(data, small(**base)), tmp_path / "alone")
    train(make_plan(data, small(**base, **told)), tmp_path / "taught")
    seen = {}
    image = torch.from_numpy(images.read_image(data / "images" / "000.png")).permute(2, 0, 1)[None] / 255
    for name in ("alone", "taught"):
        network = load(tmp_path / name / "last.pt")
        with torch.inference_mode():
            seen[name] = float(network.foreground(network.train()(image.repeat(4, 1, 1, 1))).mean())
    assert seen["taught"] < seen["alone"] - 0.05


def test_a_teacher_of_other_classes_is_refused_before_training(
    discs: MakeDiscs, small: Small, teacher: Path, tmp_path: Path
) -> None:
    data = discs(classes={"background": 0, "disc": 1, "ring": 2})
    with pytest.raises(BadInput, match=r"a teacher of 3 classes, as the data have, found enet of 2 classes"):
        make_plan(data, small(teacher=str(teacher)))
    assert make_plan(data, small(teacher=str(teacher), foreground=("disc",))).classes == 2
    with pytest.raises(BadInput, match="no such file"):
        make_plan(data, small(teacher=str(tmp_path / "nowhere")))


def test_a_run_does_not_go_on_with_other_weights_of_its_teacher(
    discs: MakeDiscs, small: Small, teacher: Path, tmp_path: Path
) -> None:
    data, out = discs(), tmp_path / "run"
    settings = small(teacher=str(teacher), epochs=1, foreground=("disc",))
    first = train(make_plan(data, settings), out)
    assert train(make_plan(data, settings), out).steps == first.steps
    save_weights(teacher / "best.safetensors", build("enet", seed=10))
    with pytest.raises(BadInput, match="differs in the teacher"):
        train(make_plan(data, settings), out)


def test_what_is_odd_about_a_teacher_is_told(discs: MakeDiscs, small: Small, teacher: Path) -> None:
    data = discs()
    assert make_plan(data, small(teacher=str(teacher))).notes == ()
    (teacher / "run.json").write_text(json.dumps({"foreground": ["foot"]}))
    plan = make_plan(data, small(model="linknet", teacher=str(teacher)))
    assert "trained on foot, the data's foreground is disc" in plan.notes[0]
    assert "fewer than its student's" in plan.notes[1]


def test_a_setting_given_twice_is_refused(
    teacher: Path, discs: MakeDiscs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["distill", "--teacher", str(teacher), "--preset", "demborg2018", "--data", str(discs())]
    assert run(*command, "--out", str(tmp_path / "run"), "--set", "temperature=2") == 2
    assert "give temperature once" in capsys.readouterr().err
    assert run(*command, "--out", str(tmp_path / "run"), "--temperature", "0") == 2
    assert "temperature must be above 0" in capsys.readouterr().err
