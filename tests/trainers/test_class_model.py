"""A network of several classes, judged class by class."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from manifests import Info, Manifest, ManifestWriter, Record
from masksmith import images, seeds
from tests.evaluation.typed import run
from trainers import loop, make_plan
from trainers.predict import Predictor
from trainers.presets import Settings

CLASSES = {"background": 0, "left": 1, "right": 2}


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    """Pictures whose left is red and whose right is green, in bars of chance widths."""
    folder = tmp_path / "halves"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    with ManifestWriter(folder, Info(name="halves", classes=CLASSES)) as writer:
        for number in range(14):
            rng = seeds.rng(5, "bars", number)
            image = rng.integers(0, 60, (40, 48, 3)).astype(np.uint8)
            mask = np.zeros((40, 48), np.uint8)
            left, right = int(rng.integers(8, 20)), int(rng.integers(28, 40))
            mask[:, :left], mask[:, right:] = 1, 2
            image[mask == 1] += np.array([180, 0, 0], np.uint8)
            image[mask == 2] += np.array([0, 180, 0], np.uint8)
            place, truth = f"images/{number}.png", f"masks/{number}.png"
            (folder / place).write_bytes(images.encode_png(image))
            (folder / truth).write_bytes(images.encode_png(mask))
            split = "train" if number < 8 else "val" if number < 10 else "test"
            writer.add(Record(str(number), place, truth, 48, 40, subject=f"s{number}", split=split))
    return folder


def test_a_model_of_three_classes_is_judged_as_its_own_masks_are(
    halves: Path, small: Callable[..., Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = tmp_path / "run"
    loop.train(make_plan(halves, small(model="enet", steps_per_epoch=20, lr=0.01, loss="ce")), trained)
    capsys.readouterr()
    assert run("evaluate", "--model", trained, "--data", halves, "--out", tmp_path / "a", "--save-masks", "--json") == 0
    judged = json.loads(capsys.readouterr().out)
    assert {"left", "right"} <= {entry["name"] for entry in judged["classes"]}
    masks = tmp_path / "a" / "masks"
    record = next(iter(Manifest.open(halves).records(split="test")))
    found = Predictor(trained).classes(images.read_image(halves / record.image))
    assert np.array_equal(images.read_mask(masks / f"{record.id}.png"), found)
    assert found.shape == (40, 48)
    assert run("evaluate", masks, "--data", halves, "--split", "test", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["miou_dataset"] == judged["miou_dataset"]
    assert judged["miou_dataset"] > 0.5  # it has learned where red and green are


def test_a_threshold_sweep_of_several_classes_is_refused(
    halves: Path, small: Callable[..., Settings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.train(make_plan(halves, small(model="enet", epochs=1, steps_per_epoch=1, loss="ce")), tmp_path / "run")
    assert run("evaluate", "--model", tmp_path / "run", "--data", halves, "--sweep") == 2
    assert "--sweep is for one foreground" in capsys.readouterr().err
