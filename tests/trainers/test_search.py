from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from masksmith.cli import COMMANDS
from masksmith.commands.tune import tune
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem
from tests.evaluation.typed import run
from trainers import Settings, build, load, save_weights
from trainers import search as searching
from trainers.plan import Plan
from trainers.runs import Result
from trainers.search import DISTILLATION, Search, Trial, drawn_settings, plan_search, search, summary

pytest.importorskip("optuna")
MakeDiscs = Callable[..., Path]
Small = Callable[..., Settings]
FAST = {"model": "portrait_lcnet_noprior", "size": (16, 16), "epochs": 2, "steps_per_epoch": 1}


@pytest.fixture
def teacher(tmp_path: Path) -> str:
    save_weights(tmp_path / "big.safetensors", build("portrait_lcnet", seed=9))
    return str(tmp_path / "big.safetensors")


@pytest.fixture
def guessed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Trials that are not trained: their score follows from the learning rate; the folders' names in order."""
    places: list[str] = []

    def answer(plan: Plan, place: Path, *, on_epoch: Callable[[dict[str, float]], None]) -> Result:
        places.append(place.name)
        score = plan.settings.lr * 50
        for epoch in range(1, plan.settings.epochs + 1):
            on_epoch({"epoch": epoch, "val_miou_image": score * epoch / plan.settings.epochs})
        return Result(str(place), score, 1, 1, 1, 0.5, 1.0, "all steps done")

    monkeypatch.setattr(searching, "train", answer)
    return places


def drawn(trials: list[Trial]) -> list[dict[str, object]]:
    return [dict(trial.drawn) for trial in trials]


def test_a_search_draws_document_fs_space_and_writes_table_and_histogram(
    discs: MakeDiscs, small: Small, teacher: str, tmp_path: Path
) -> None:
    asked = plan_search(discs(train=4), small(**FAST), trials=3, teacher=teacher, pruner="none")
    seen: list[Trial] = []
    found = search(asked, tmp_path / "search", on_trial=seen.append)
    assert [trial.number for trial in found] == list(range(3))
    assert seen == found
    assert {trial.drawn["loss"] for trial in found} == {"ce", "iou", DISTILLATION}
    for trial in found:
        assert 1e-6 <= trial.drawn["lr"] <= 1e-2
        assert 0 <= trial.drawn["dropout"] < 1
        taught = trial.drawn["loss"] == DISTILLATION
        assert ("temperature" in trial.drawn) == ("soften_lambda" in trial.drawn) == taught
        options = json.loads((Path(trial.run) / "run.json").read_text())["options"]
        assert options["teacher"] == (teacher if taught else "")
        assert options["lr"] == trial.drawn["lr"]
        assert load(trial.run).name == FAST["model"]
        assert not (Path(trial.run) / "last.pt").exists()
    table = json.loads((tmp_path / "search" / "search.json").read_text())
    assert table["best"]["score"] == max(trial.score for trial in found)
    assert table["states"] == {"done": 3, "pruned": 0, "failed": 0}
    assert (tmp_path / "search" / "search.png").read_bytes().startswith(b"\x89PNG")


def test_a_stopped_search_goes_on_to_the_same_trials(
    discs: MakeDiscs, small: Small, guessed: list[str], tmp_path: Path
) -> None:
    asked = plan_search(discs(train=4), small(**FAST), trials=3, pruner="none")
    whole = search(asked, tmp_path / "whole")

    def stop(trial: Trial) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(asked, tmp_path / "parts", on_trial=stop)
    parts = search(asked, tmp_path / "parts")
    assert drawn(parts) == drawn(whole)
    assert [trial.score for trial in parts] == [trial.score for trial in whole]
    more = search(replace(asked, trials=4), tmp_path / "parts")
    assert drawn(more)[:3] == drawn(whole)


def test_a_trial_that_was_interrupted_goes_on_with_what_it_drew(
    discs: MakeDiscs, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = plan_search(discs(train=4), small(**{**FAST, "steps_per_epoch": 2}), trials=2, pruner="none")
    whole = search(asked, tmp_path / "whole")
    real, starts = searching.train, []

    def stopped(plan, place, **given):  # type: ignore[no-untyped-def]
        starts.append(place.name)
        stop = {"on_step": lambda step, _: signal.raise_signal(signal.SIGINT) if step == 3 else None}
        return real(plan, place, **given, **(stop if len(starts) == 2 else {}))

    monkeypatch.setattr(searching, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        search(asked, tmp_path / "parts")
    assert (tmp_path / "parts" / "trials" / "0001" / "last.pt").exists()
    parts = search(asked, tmp_path / "parts")
    assert starts == ["0000", "0001", "0001"]
    assert drawn(parts) == drawn(whole)
    assert [trial.score for trial in parts] == [trial.score for trial in whole]


def test_tpe_learns_from_the_trials_before(discs: MakeDiscs, small: Small, guessed: list[str], tmp_path: Path) -> None:
    data = discs(train=4)
    means = {}
    for sampler in ("random", "tpe"):
        asked = plan_search(data, small(**FAST), trials=16, sampler=sampler, pruner="hyperband")
        found = search(asked, tmp_path / sampler)
        assert len({trial.drawn["lr"] for trial in found}) == 16
        means[sampler] = np.mean([trial.drawn["lr"] for trial in found[8:]])
    assert means["tpe"] > means["random"]  # the score is better for larger ones


def test_trials_that_lag_behind_are_given_up(
    discs: MakeDiscs, small: Small, guessed: list[str], tmp_path: Path
) -> None:
    asked = plan_search(discs(train=4), small(**{**FAST, "epochs": 4}), trials=12)
    found = search(asked, tmp_path / "search")
    given_up = [trial for trial in found if trial.state == "pruned"]
    assert given_up
    assert all(0 < trial.score < trial.drawn["lr"] * 50 for trial in given_up)
    assert summary(asked, found)["states"]["pruned"] == sum(trial.state == "pruned" for trial in found)


def test_a_trial_whose_loss_is_no_number_fails_and_the_search_goes_on(
    discs: MakeDiscs, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "LR", (1e29, 1e30))
    asked = plan_search(discs(train=4), small(**{**FAST, "optimiser": "sgd", "steps_per_epoch": 4}), trials=1)
    found = search(asked, tmp_path / "search")
    assert [trial.state for trial in found] == ["failed"]
    assert summary(asked, found)["best"] is None


def test_another_search_in_the_folder_is_refused(
    discs: MakeDiscs, small: Small, guessed: list[str], tmp_path: Path
) -> None:
    data = discs(train=4)
    search(plan_search(data, small(**FAST), trials=1), tmp_path / "search")
    with pytest.raises(BadInput, match="a search with another batch, sampler"):
        search(plan_search(data, small(**FAST, batch=2), trials=1, sampler="tpe"), tmp_path / "search")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "search.db").write_bytes(b"no database" * 100)
    with pytest.raises(BadInput, match="the database of a search"):
        search(plan_search(data, small(**FAST), trials=1), tmp_path / "odd")


def test_unknown_names_and_a_missing_library_are_told(
    discs: MakeDiscs, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = discs(train=4)
    with pytest.raises(UsageProblem, match="unknown sampler 'tpes'. Did you mean 'tpe'"):
        plan_search(data, small(), trials=1, sampler="tpes")
    with pytest.raises(UsageProblem, match="unknown pruner 'mean'"):
        plan_search(data, small(), trials=1, pruner="mean")
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(EnvironmentFault, match=r"pip install 'masksmith\[search\]'"):
        search(plan_search(data, small(**FAST), trials=1), tmp_path / "search")


def test_distillation_is_cross_entropy_with_a_teacher_beside_it(small: Small) -> None:
    told = {"lr": 0.01, "dropout": 0.1, "loss": DISTILLATION, "temperature": 3.0, "soften_lambda": 2.0}
    settings = drawn_settings(small(), told, "big")
    assert (settings.loss, settings.teacher, settings.temperature) == ("ce", "big", 3.0)
    assert drawn_settings(small(), {"lr": 0.01, "loss": "iou"}, "big").teacher == ""


def test_the_command_searches_and_says_how_to_train(
    discs: MakeDiscs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["tune", "--preset", "demborg2018", "--data", str(discs(train=4)), "--out", str(tmp_path / "search")]
    quick = ["--model", "portrait_lcnet_noprior", "--set", "size=16", "--set", "batch=4", "--set", "threads=1"]
    assert run(*command, *quick, "--trials", "2", "--steps", "2", "--dry-run") == 0
    assert "would try 2 settings of portrait_lcnet_noprior, 2 steps each" in capsys.readouterr().out
    assert not (tmp_path / "search").exists()
    assert run(*command, *quick, "--trials", "2", "--steps", "2", "--seed", "3") == 0
    shown = capsys.readouterr()
    assert "masksmith train --set lr=" in shown.out
    assert "no --teacher" in shown.err
    assert "trial   1  done" in shown.err
    assert run(*command, *quick, "--trials", "2", "--steps", "2", "--seed", "3", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["trials"]) == 2


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--set", "lr=0.1"], "lr is what is searched for"),
        (["--steps", "3", "--minutes-per-trial", "1"], "--steps or --minutes-per-trial"),
        (["--steps", "3", "--set", "epochs=2"], "give epochs once"),
    ],
)
def test_what_cannot_be_searched_ends_with_its_exit_code(
    extra: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("tune", "--preset", "demborg2018", "--data", str(tmp_path), "--out", str(tmp_path / "o"), *extra) == 2
    assert message in capsys.readouterr().err


def test_the_help_line_is_that_of_the_front_door() -> None:
    assert tune.get_short_help_str(limit=200) == COMMANDS["tune"][1]
    assert "Example:" in str(tune.help)


def test_a_summary_of_nothing_says_so(discs: MakeDiscs, small: Small) -> None:
    asked: Search = plan_search(discs(train=4), small(**FAST), trials=1)
    assert summary(asked, [])["best"] is None
