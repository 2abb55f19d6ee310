from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from masksmith import images
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem
from tests.trainers.identity.conftest import QUICK, TINY
from tests.trainers.identity.people import face, run, tree
from trainers.checkpoint import read_weights
from trainers.identity import roc
from trainers.identity.drawing import Drawing, Faces
from trainers.identity.embed import WEIGHTS, FaceEmbedder, audit_embedder, embed_crops, embedder
from trainers.identity.settings import IdentitySettings, checked, load_settings
from trainers.identity.start import Centred, begin_linear
from trainers.models import build_embedding
from trainers.networks.facenet import FaceNet
from trainers.presets import preset_names


def strangers() -> tuple[list[images.Image], np.ndarray]:
    """Photos of people that no training here sees, and for each pair whether it is of one person."""
    who = np.repeat(np.arange(100, 110), 5)
    made = [face(int(person), photo) for photo, person in enumerate(who)]
    return made, (who[:, None] == who)[np.triu_indices(len(who), 1)]


def tensors(run_folder: Path) -> dict[str, torch.Tensor]:
    return dict(read_weights(run_folder).tensors)


def test_training_separates_strangers_better_than_random_weights(trained: Path) -> None:
    made, same = strangers()
    network = FaceEmbedder(trained)
    learned = roc.auc(pdist(network(made)), same)
    crops = np.stack([images.resize_image(image, 32, 32) for image in made])
    random = build_embedding("facenet_mobile", width=0.25).eval()
    before = roc.auc(pdist(embed_crops(random, crops, torch.device("cpu"))), same)
    assert learned > before + 0.05
    assert learned > 0.8


def test_the_run_says_what_it_learned_from_and_its_threshold(trained: Path) -> None:
    result = json.loads((trained / "run.json").read_text())["result"]
    network = FaceEmbedder(trained)
    assert (result["people"], result["photos"], result["steps"]) == (12, 72, 60)
    assert network.threshold == pytest.approx(result["threshold"], rel=1e-4)
    assert network.error == pytest.approx(result["train"]["error"], rel=1e-4)
    assert (network.size, network.crop, network.width) == ((32, 32), "none", 0.25)


def test_the_same_seed_gives_the_same_weights_and_a_stopped_run_goes_on_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainers.identity import train

    data = tree(tmp_path / "data", range(5), 4, 32)
    command = ["train", "--data", data, *TINY, "--set=steps=6", "--set=people=4", "--set=warmup=2", "--seed", "3"]
    assert run(*command, "--out", tmp_path / "whole") == 0
    monkeypatch.setattr(train, "SAVE_EVERY_S", 0.0)
    drawn = Drawing.batch

    def cut_off(self: Drawing, step: int) -> object:
        if step == 4:
            raise KeyboardInterrupt
        return drawn(self, step)

    monkeypatch.setattr(Drawing, "batch", cut_off)
    assert run(*command, "--out", tmp_path / "cut") == 130
    assert not (tmp_path / "cut" / "best.safetensors").exists()
    monkeypatch.setattr(Drawing, "batch", drawn)
    assert run(*command, "--out", tmp_path / "cut") == 0
    whole, cut = tensors(tmp_path / "whole"), tensors(tmp_path / "cut")
    assert all(torch.equal(whole[key], cut[key]) for key in whole)
    other = [each if each != "3" else "4" for each in command]
    assert run(*other, "--out", tmp_path / "other") == 0
    assert not torch.equal(whole["embed.weight"], tensors(tmp_path / "other")["embed.weight"])
    assert run(*other, "--out", tmp_path / "whole") == 3


def test_the_printed_rule_and_the_papers_optimiser_train(tmp_path: Path) -> None:
    data = tree(tmp_path / "data", range(4), 3, 32)
    extra = ["--set=steps=2", "--set=mining=printed", "--set=distance=squared", "--set=personas=2"]
    assert run("train", "--data", data, "--out", tmp_path / "run", *TINY, *extra) == 0
    network = FaceEmbedder(tmp_path / "run")
    assert network.same_below == pytest.approx(network.threshold**0.5)


def test_a_batch_is_p_people_with_k_photos_each() -> None:
    crops = np.stack([face(person, photo, 32) for person in range(6) for photo in range(3)])
    settings = checked({"people": 4, "photos": 4, "size": (32, 32), "personas": 3})
    drawing = Drawing(Faces(crops, np.repeat(np.arange(6), 3)), settings)
    images_, people = drawing.batch(5)
    assert drawing.identities == 18
    assert images_.shape == (16, 32, 32, 3)
    assert sorted(np.unique(people, return_counts=True)[1].tolist()) == [4, 4, 4, 4]
    again = drawing.batch(5)
    assert np.array_equal(images_, again[0])
    assert not np.array_equal(images_, drawing.batch(6)[0])


def test_folding_the_normalisation_keeps_every_point() -> None:
    built = build_embedding("facenet_mobile", width=0.25, seed=2)
    assert isinstance(built, FaceNet)
    begin_linear(built, 2)
    centred = Centred(built).train()
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        centred(torch.rand(8, 3, 32, 32, generator=generator))
    values = torch.rand(4, 3, 32, 32, generator=generator)
    plain = build_embedding("facenet_mobile", width=0.25)
    plain.load_state_dict(centred.fold())
    with torch.inference_mode():
        assert torch.allclose(centred.eval()(values), plain.eval()(values), atol=1e-4)


def test_points_have_length_one_and_a_mirrored_face_has_the_same(trained: Path) -> None:
    network = embedder(trained)
    picture = face(3, 1)
    points = network([picture, np.ascontiguousarray(picture[:, ::-1])])
    assert points.shape == (2, 128)
    assert points.dtype == np.float32
    assert np.allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)
    assert np.allclose(points[0], points[1], atol=1e-3)
    assert network([]).shape == (0, 128)
    with pytest.raises(ValueError, match="uint8"):
        network([picture.astype(np.float32)])


def test_the_audit_gets_the_threshold_as_a_cosine(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEIGHTS, str(trained))
    points, cosine = audit_embedder()
    assert points(face(1, 1)).shape == (1, 128)
    assert cosine == pytest.approx(1 - FaceEmbedder(trained).same_below ** 2 / 2)
    monkeypatch.delenv(WEIGHTS)
    with pytest.raises(EnvironmentFault, match="masksmith identity train"):
        embedder()


def test_other_weights_are_refused(tmp_path: Path) -> None:
    from trainers import build, save_weights

    save_weights(tmp_path / "w.safetensors", build("portrait_lcnet"))
    with pytest.raises(
        BadInput, match="expected weights of facenet_mobile or facenet_lite0, found weights of portrait_lcnet"
    ):
        FaceEmbedder(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("people", "photos", "message"),
    [(3, 1, "one photo only of each of 3 people"), (1, 4, "one person only, p00")],
)
def test_photos_that_teach_nothing_are_refused(
    people: int, photos: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tree(tmp_path / "data", range(people), photos, 32)
    assert run("train", "--data", data, "--out", tmp_path / "run", *TINY) == 3
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_preset_holds_the_papers_settings_and_is_none_of_segmentation() -> None:
    settings = load_settings("fastfacenet2021")
    assert (settings.batch, settings.margin, settings.optimiser, settings.lr) == (64, 0.2, "adagrad", 0.02)
    assert (settings.size, settings.crop, settings.mining) == ((224, 224), "mtcnn", "semihard")
    assert "fastfacenet2021" not in preset_names()


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("width", "0.3", "width must be one of"),
        ("mining", "hardest", "unknown mining"),
        ("lr", "fast", "lr must be a number"),
        ("lrate", "1", "Did you mean 'lr"),
        ("size", "16", "size must be 32 to 1024 pixels"),
    ],
)
def test_a_wrong_setting_is_named(key: str, text: str, message: str) -> None:
    with pytest.raises(UsageProblem, match=message):
        load_settings("fastfacenet2021", {key: text})


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tree(tmp_path / "data", range(3), 2, 32)
    assert run("train", "--data", data, "--out", tmp_path / "run", *TINY, *QUICK, "--dry-run", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["people"], told["photos"], told["settings"]["steps"]) == (3, 6, 60)
    assert not (tmp_path / "run").exists()
    assert IdentitySettings().batch == 64
