from __future__ import annotations

import csv
import errno
import json
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from loaders import Batches
from masksmith import files, images
from masksmith.errors import BadInput, CheckFailed, EnvironmentFault, UsageProblem
from trainers import Predictor, Settings, find_loss, load, make_plan, train
from trainers.heldout import HeldOut, image_miou

Small = Callable[..., Settings]
MakeDiscs = Callable[..., Path]


def weights_of(run: Path, name: str = "last.pt") -> dict[str, torch.Tensor]:
    if name == "last.pt":
        return torch.load(run / name, weights_only=True)["network"]
    return load(run / name).state_dict()


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[key], second[key]) for key in first)


def stop_at(step: int) -> Callable[[int, float], None]:
    return lambda now, loss: signal.raise_signal(signal.SIGINT) if now == step else None


def test_a_few_images_are_learnt_by_heart(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    data = discs(train=4, val=2)
    settings = small(model="fastlinknet", epochs=2, steps_per_epoch=30, lr=0.005, loss="iou", dropout=0.02)
    result = train(make_plan(data, settings), tmp_path / "run")
    assert result.ended == "all steps done"
    assert (result.steps, result.epochs) == (60, 2)
    predict = Predictor(tmp_path / "run" / "last.pt")
    for place in sorted((data / "images").iterdir())[:4]:
        truth = images.read_mask(data / "masks" / place.name) == 1
        found = predict(images.read_image(place)) >= 0.5
        assert (truth & found).sum() / (truth | found).sum() > 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "fastlinknet", "dropout": 0.2, "augment": "demborg2018", "schedule": "plateau", "patience": 1},
        {"model": "portrait_lcnet", "priors": "paper", "loss": "bce_jaccard_boundary", "schedule": "exponential"},
        {"optimiser": "sgd", "clip_norm": 0.5, "schedule": "cosine", "cooldown": 0.5, "ema": 0.9},
    ],
)
def test_a_stopped_run_ends_with_the_same_weights(
    changes: dict[str, Any], discs: MakeDiscs, small: Small, tmp_path: Path
) -> None:
    plan = make_plan(discs(), small(**changes))
    whole = train(plan, tmp_path / "whole")
    for stop in (3, 5):  # at an epoch's end, before its validation, and within an epoch
        with pytest.raises(KeyboardInterrupt):
            train(plan, tmp_path / "parts", on_step=stop_at(stop))
        assert torch.load(tmp_path / "parts" / "last.pt", weights_only=True)["step"] == stop
    parts = train(plan, tmp_path / "parts")
    assert same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts"))
    best = "best.safetensors"
    assert same(weights_of(tmp_path / "whole", best), weights_of(tmp_path / "parts", best))
    assert (whole.best_miou_image, whole.best_step) == (parts.best_miou_image, parts.best_step)
    kept = ("epoch", "step", "lr", "loss", "val_loss", "val_miou_image")
    logs = [list(csv.DictReader((tmp_path / name / "log.csv").open())) for name in ("whole", "parts")]
    assert [[row[key] for key in kept] for row in logs[0]] == [[row[key] for key in kept] for row in logs[1]]


def test_a_run_killed_after_a_save_goes_on_from_there(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    plan = make_plan(discs(), small(epochs=3))
    train(plan, tmp_path / "whole")

    def die(step: int, loss: float) -> None:
        if step == 5:
            raise MemoryError  # nothing is saved on the way out, as on a kill

    with pytest.raises(MemoryError):
        train(plan, tmp_path / "parts", on_step=die)
    assert torch.load(tmp_path / "parts" / "last.pt", weights_only=True)["step"] == 3
    train(plan, tmp_path / "parts")
    assert same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts"))


@pytest.mark.slow
def test_the_number_of_loading_processes_does_not_change_the_weights(
    discs: MakeDiscs, small: Small, tmp_path: Path
) -> None:
    settings = small(epochs=1, augment="pirshutuk2023")
    data = discs()
    train(make_plan(data, settings), tmp_path / "none")
    train(make_plan(data, replace(settings, workers=1)), tmp_path / "one")
    assert same(weights_of(tmp_path / "none"), weights_of(tmp_path / "one"))


def test_a_finished_run_is_reported_and_not_trained_again(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    plan = make_plan(discs(), small(epochs=1))
    first = train(plan, tmp_path / "run")
    before = files.sha256(tmp_path / "run" / "last.pt")
    again = train(plan, tmp_path / "run", on_step=lambda *_: pytest.fail("it trains"))
    assert again == first
    assert files.sha256(tmp_path / "run" / "last.pt") == before


def test_a_folder_with_another_run_is_refused(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    data = discs()
    train(make_plan(data, small(epochs=1)), tmp_path / "run")
    with pytest.raises(BadInput, match=r"a run that differs in lr, seed"):
        train(make_plan(data, small(epochs=1, lr=0.1, seed=4)), tmp_path / "run")
    with pytest.raises(BadInput, match="a run that differs in the data"):
        train(make_plan(discs(train=8, name="others"), small(epochs=1)), tmp_path / "run")


def test_the_run_folder_says_what_was_done(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    data = discs()
    plan = make_plan(data, small(model="portrait_lcnet", priors="paper", val_records=3))
    rows: list[dict[str, Any]] = []
    result = train(plan, tmp_path / "run", on_epoch=rows.append)
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (told["preset"], told["model"], told["seed"]) == ("test", "portrait_lcnet", 3)
    assert told["foreground"] == ["disc"]
    assert told["options"]["lr"] == 0.002
    assert told["data"]["records_sha256"] == files.sha256(data / "records.parquet")
    assert told["data"]["records"] == {"train": 12, "val": 4}
    assert told["data"]["held_out"] == 3
    assert told["environment"]["torch"] == torch.__version__
    assert told["environment"]["threads"] == 1
    assert sum(told["priors"]["realised"].values()) == pytest.approx(1)
    assert told["priors"]["wanted"]["empty"] == pytest.approx(40 / 110)
    assert told["result"]["best_miou_image"] == result.best_miou_image
    assert [row["step"] for row in rows] == [3, 6]
    assert max(row["val_miou_image"] for row in rows) == result.best_miou_image
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


def test_the_best_weights_are_kept_not_the_last(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    data = discs(train=4, val=4)
    plan = make_plan(data, small(epochs=12, steps_per_epoch=2, lr=0.02))
    rows: list[dict[str, Any]] = []
    result = train(plan, tmp_path / "run", on_epoch=rows.append)
    best = max(rows, key=lambda row: row["val_miou_image"])
    assert (result.best_miou_image, result.best_step) == (best["val_miou_image"], best["step"])
    assert [row["best"] for row in rows].count(1) >= 2
    held = HeldOut(Batches(plan.manifest, "val", size=(32, 32), batch_size=4, foreground=("disc",)), 4)
    found = held.score(load(tmp_path / "run"), find_loss("ce"))
    assert found.miou_image == pytest.approx(result.best_miou_image, abs=1e-6)
    last = held.score(load(tmp_path / "run" / "last.pt"), find_loss("ce"))
    assert last.miou_image == pytest.approx(rows[-1]["val_miou_image"], abs=1e-6)


def test_a_loss_that_is_no_number_names_the_batch(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    plan = make_plan(discs(train=4), small(optimiser="sgd", lr=1e30, steps_per_epoch=5))
    with pytest.raises(CheckFailed, match=r"the loss became (nan|inf).* at step \d.*batch was .*00\d, 00\d.*clip_norm"):
        train(plan, tmp_path / "run")
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_leaks_are_refused_unless_allowed(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    data = discs(shared=(0, 13))
    with pytest.raises(CheckFailed, match=r"leaks: subject everybody in train and val.*--allow-leaks"):
        make_plan(data, small())
    plan = make_plan(data, small(), allow_leaks=True)
    assert "everybody" in plan.notes[0]


def test_missing_splits_and_too_few_records_are_refused(discs: MakeDiscs, small: Small) -> None:
    with pytest.raises(BadInput, match=r"records in split 'train', to learn from, found val 4"):
        make_plan(discs(train=0, name="a"), small())
    with pytest.raises(BadInput, match=r"records in split 'val'"):
        make_plan(discs(val=0, name="b"), small())
    with pytest.raises(UsageProblem, match=r"3 training records do not fill one batch of 4"):
        make_plan(discs(train=3, name="c"), small())


def test_unknown_names_are_refused_before_anything_is_read(small: Small, tmp_path: Path) -> None:
    for key, value in (("model", "unet"), ("loss", "dicee"), ("augment", "flip"), ("priors", "papers")):
        with pytest.raises(UsageProblem, match=f"unknown .*'{value}'"):
            make_plan(tmp_path / "nowhere", small(**{key: value}))


def test_classes_are_merged_kept_or_refused(discs: MakeDiscs, small: Small) -> None:
    data = discs(classes={"background": 0, "disc": 1, "ring": 2, "ignore": 255})
    kept = make_plan(data, small())
    assert (kept.classes, kept.merged, kept.foreground) == (3, None, ("disc", "ring"))
    merged = make_plan(data, small(foreground=("ring", "disc")))
    assert (merged.classes, merged.merged) == (2, ("ring", "disc"))
    with pytest.raises(UsageProblem, match=r"unknown class 'disk'. Did you mean 'disc'"):
        make_plan(data, small(foreground=("disk",)))
    with pytest.raises(UsageProblem, match="is the background"):
        make_plan(data, small(foreground=("background",)))


def test_several_classes_train(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    data = discs(classes={"background": 0, "disc": 1, "ring": 2})
    result = train(make_plan(data, small(epochs=1, model="portrait_lcnet", loss="iou")), tmp_path / "run")
    assert 0 < result.best_miou_image <= 1
    assert load(tmp_path / "run").outputs == 3


def test_priors_are_left_out_with_a_note_where_a_network_takes_none(discs: MakeDiscs, small: Small) -> None:
    plan = make_plan(discs(), small(priors="paper"))
    assert plan.settings.priors == "none"
    assert "no prior input" in plan.notes[0]


def test_a_network_that_could_take_priors_and_gets_none_is_told(discs: MakeDiscs, small: Small) -> None:
    data = discs()
    assert "takes a previous mask" in make_plan(data, small(model="portrait_lcnet")).notes[0]
    assert make_plan(data, small(model="portrait_lcnet", priors="paper")).notes == ()


def test_a_budget_ends_the_run_in_time_with_a_low_learning_rate(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    plan = make_plan(discs(), small(epochs=1000, steps_per_epoch=20, minutes=0.1))
    start = time.monotonic()
    result = train(plan, tmp_path / "run")
    taken = time.monotonic() - start
    assert result.ended == "time budget used"
    assert 3.0 < taken < 6.6
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    assert float(rows[-1]["lr"]) < 0.1 * 0.002
    assert float(rows[0]["lr"]) == pytest.approx(0.002)
    assert int(rows[-1]["step"]) == result.steps
    assert float(rows[-1]["cooldown"]) < 0.2


def test_a_full_disk_ends_the_run_and_keeps_the_last_good_checkpoint(
    discs: MakeDiscs, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(discs(), small(epochs=3))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill(row: dict[str, Any]) -> None:
        monkeypatch.setattr(files.os, "fsync", full)

    with pytest.raises(EnvironmentFault, match="the disk is full"):
        train(plan, tmp_path / "run", on_epoch=fill)
    monkeypatch.undo()
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["step"] == 3
    train(plan, tmp_path / "run")
    train(plan, tmp_path / "whole")
    assert same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "run"))


def test_a_second_process_is_kept_out(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    plan = make_plan(discs(), small(epochs=1))
    with files.sole_writer(tmp_path / "run"), pytest.raises(EnvironmentFault, match="another run"):
        train(plan, tmp_path / "run")


def test_a_damaged_image_is_named(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    data = discs(train=4)
    (data / "images" / "002.png").write_bytes(b"not a picture")
    with pytest.raises(BadInput, match=r"002\.png"):
        train(make_plan(data, small()), tmp_path / "run")


def test_threads_and_signals_are_given_back(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    torch.set_num_threads(1)
    train(make_plan(discs(), small(epochs=1, steps_per_epoch=1, threads=2)), tmp_path / "run")
    assert torch.get_num_threads() == 1
    assert signal.getsignal(signal.SIGINT) is handler


def test_miou_of_an_image_is_the_mean_over_both_classes_and_skips_ignored_pixels() -> None:
    truth = torch.tensor([[[1, 1, 0, 255]], [[0, 0, 0, 0]]], dtype=torch.uint8)
    logits = torch.tensor([[[[1.0, -1.0, -1.0, 1.0]]], [[[-1.0, -1.0, -1.0, -1.0]]]])
    assert image_miou(logits, truth).tolist() == pytest.approx([(1 / 2 + 1 / 2) / 2, 1.0])
    wide = torch.cat((torch.zeros_like(logits), logits, torch.full_like(logits, -9)), dim=1)
    assert image_miou(wide, truth).tolist() == pytest.approx([(1 / 2 + 1 / 2 + 1) / 3, 1.0])
    assert np.isclose(float(image_miou(wide[:, :2], truth)[0]), 0.5)


def test_a_class_that_no_training_mask_shows_is_refused(discs: MakeDiscs, small: Small) -> None:
    data = discs(classes={"background": 0, "disc": 1, "ring": 2})
    with pytest.raises(BadInput, match=r"training masks that show ring, found none"):
        make_plan(data, small(foreground=("ring",)))
    plan = make_plan(data, small())
    assert any("no training mask shows ring" in note for note in plan.notes)
    assert not make_plan(discs(name="plain"), small()).notes


def test_a_state_that_holds_no_numbers_or_is_no_state_is_refused(
    discs: MakeDiscs, small: Small, tmp_path: Path
) -> None:
    plan = make_plan(discs(), small())
    with pytest.raises(KeyboardInterrupt):
        train(plan, tmp_path / "run", on_step=stop_at(2))
    place = tmp_path / "run" / "last.pt"
    state = torch.load(place, weights_only=True)
    bad = {**state, "network": {**state["network"], "score.bias": torch.tensor([float("nan")])}}
    for content, message in (
        (bad, r"finite weights, found NaN or infinity in score\.bias"),
        ({**state, "network": {}}, "the state of a run"),
        ({"step": 3}, "the state of a run"),
        ([1, 2], "the state of a run, found a list"),
    ):
        torch.save(content, place)
        with pytest.raises(BadInput, match=message):
            train(plan, tmp_path / "run")
    place.write_bytes(b"\x80\x04cos\nsystem\n.")
    with pytest.raises(BadInput, match=r"last\.pt"):
        train(plan, tmp_path / "run")
