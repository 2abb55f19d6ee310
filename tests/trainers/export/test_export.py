"""Files for runtimes: what they take and give, how they are checked, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from masksmith.errors import BadInput, CheckFailed, UsageProblem
from masksmith.runtimes import open_model
from tests.trainers.conftest import MakeDiscs
from trainers.export import checking, job
from trainers.export.deployed import FORMATS, Deployed, Form
from trainers.export.writing import onnx_graph, write_onnx
from trainers.models import build
from trainers.networks.layers import Network, foreground

SIDE = 64


@pytest.fixture(scope="module")
def network() -> Network:
    made = build("portrait_lcnet", seed=3).eval()
    made.size = (SIDE, SIDE)
    with torch.no_grad():  # so that the mask is neither full nor empty
        made.upsample.bias.fill_(0.05)
    return made


def picture(height: int = SIDE, width: int = SIDE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def prior(height: int = SIDE, width: int = SIDE) -> np.ndarray:
    return np.random.default_rng(1).random((height, width), dtype=np.float32)


def wanted(network: Network, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    planes = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255)[None]
    with torch.no_grad():
        return foreground(network(planes, torch.from_numpy(mask)[None, None]))[0].numpy()


@pytest.mark.parametrize("to", ["onnx", "openvino", "torch"])
@pytest.mark.parametrize("pre", [False, True])
def test_a_file_gives_what_the_network_gives(network: Network, tmp_path: Path, to: str, pre: bool) -> None:
    place = tmp_path / f"model{FORMATS[to]}"
    job.export(network, Form(to=to, pre=pre), place, latency=0)
    model = open_model(place)
    found = model.run(model.prepare(picture()), model.prepare_prior(prior()))
    assert model.image.dtype == ("uint8" if pre else "float32")
    assert float(np.abs(found - wanted(network, picture(), prior())).max()) < 1e-5


def test_a_file_with_relu_is_compared_with_the_network_with_relu(network: Network, tmp_path: Path) -> None:
    made = job.export(network, Form(relu=True), tmp_path / "relu.onnx", latency=0)
    plain = job.export(network, Form(), tmp_path / "plain.onnx", latency=0)
    model, other = open_model(made.path), open_model(plain.path)
    answers = [one.run(one.prepare(picture()), one.prepare_prior(prior())) for one in (model, other)]
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_a_mask_inside_is_the_probability_from_one_half_on(network: Network, tmp_path: Path) -> None:
    job.export(network, Form(post=True), tmp_path / "model.onnx", latency=0)
    model = open_model(tmp_path / "model.onnx")
    raw = model.raw(model.feed(model.prepare(picture()), model.prepare_prior(prior())))
    assert raw.dtype == np.uint8
    assert raw.shape == (1, SIDE, SIDE)
    assert np.array_equal(raw[0], wanted(network, picture(), prior()) >= 0.5)
    assert 0 < raw.mean() < 1


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_a_dynamic_file_takes_other_sizes_and_batches(network: Network, tmp_path: Path, to: str) -> None:
    place = tmp_path / f"model{FORMATS[to]}"
    job.export(network, Form(to=to, dynamic=True), place, latency=0)
    model = open_model(place)
    image, mask = picture(96, 160), prior(96, 160)
    found = model.run(model.prepare(image), model.prepare_prior(mask))
    assert float(np.abs(found - wanted(network, image, mask)).max()) < 1e-5
    two = [np.concatenate([values, values]) for values in model.feed(model.prepare(image), model.prepare_prior(mask))]
    assert model.raw(two).shape[0] == 2


def test_the_prior_changes_the_answer_and_no_prior_is_an_empty_one(network: Network, tmp_path: Path) -> None:
    job.export(network, Form(), tmp_path / "model.onnx", latency=0)
    model = open_model(tmp_path / "model.onnx")
    image = model.prepare(picture())
    empty = model.run(image)
    assert np.array_equal(empty, model.run(image, model.prepare_prior(np.zeros((SIDE, SIDE), np.float32))))
    assert float(np.abs(empty - model.run(image, model.prepare_prior(prior()))).max()) > 1e-5


def test_the_same_network_gives_the_same_bytes(network: Network, tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        job.export(network, Form(), tmp_path / name, latency=0)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_the_card_names_data_licence_check_and_latency(network: Network, discs: MakeDiscs, tmp_path: Path) -> None:
    data = discs(train=4, val=2, side=48)
    made = job.export(network, Form(), tmp_path / "model.onnx", data=data, samples=4, latency=2)
    card = json.loads((tmp_path / "model.onnx.json").read_text())
    assert card["check"]["real"]
    assert card["check"]["iou_change"] == pytest.approx(0, abs=1e-3)
    assert card["meta"]["inputs"] == ["image", "prior"]
    assert card["latency"]["median_ms"] > 0
    assert card["bytes"] == (tmp_path / "model.onnx").stat().st_size
    text = (tmp_path / "model.onnx.md").read_text()
    assert "Licence of the data" in text
    assert made.check.max_error < 1e-5


def test_8_bits_are_calibrated_on_data_and_their_change_is_stated(
    network: Network, discs: MakeDiscs, tmp_path: Path
) -> None:
    data = discs(train=6, val=2, side=48)
    made = job.export(network, Form(int8=True), tmp_path / "model.onnx", data=data, samples=4, latency=0)
    job.export(network, Form(), tmp_path / "float.onnx", latency=0)
    assert (tmp_path / "model.onnx").stat().st_size < (tmp_path / "float.onnx").stat().st_size
    assert made.check.iou_change is not None
    assert made.check.max_error < 0.5


def test_8_bits_without_data_are_refused(network: Network, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="--data"):
        job.export(network, Form(int8=True), tmp_path / "model.onnx")


def test_a_file_that_is_another_function_is_refused(network: Network, tmp_path: Path) -> None:
    other = build("portrait_lcnet", seed=4).eval()
    other.size = network.size
    with torch.no_grad():
        other.upsample.bias.fill_(1.0)
    made = Deployed(other, Form())
    write_onnx(onnx_graph(made, made.describe()), tmp_path / "model.onnx")
    check = checking.compare(
        network, open_model(tmp_path / "model.onnx"), checking.made_up(network.size, 2), real=False
    )
    with pytest.raises(CheckFailed, match="differs"):
        checking.refuse(check, tmp_path / "model.onnx", int8=False, post=False)


@pytest.mark.parametrize("name", ["enet", "sinet"])
def test_random_weights_keep_activations_as_small_as_trained_ones(name: str, tmp_path: Path) -> None:
    network = job.network_of(None, name, random=True)
    with torch.no_grad():
        drawn = torch.stack([torch.from_numpy(sample.image) for sample in checking.made_up(network.size, 2)])
        largest = float(network(drawn.permute(0, 3, 1, 2) / 255).abs().max())
    assert 0.01 < largest < 30
    again = job.network_of(None, name, random=True).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in network.state_dict().items())
    made = job.export(network, Form(), tmp_path / "model.onnx", latency=0)
    assert made.check.max_error < checking.ERROR


def test_an_operator_that_onnx_lacks_is_named_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Odd(Network):
        name, size = "odd", (32, 32)

        def __init__(self) -> None:
            super().__init__(2, 1)
            self.score = torch.nn.Conv2d(3, 1, 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(self.score(image))

    with pytest.raises(BadInput, match="special_bessel_j0"):
        job.export(Odd().eval(), Form(), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
    assert capfd.readouterr().out == ""


def test_shuffled_channels_become_operators_that_onnx_has(tmp_path: Path) -> None:
    small = build("sinet", seed=0).eval()
    small.size = (SIDE, SIDE)
    made = job.export(small, Form(), tmp_path / "model.onnx", latency=0)
    assert made.check.max_error < 1e-5


@pytest.mark.parametrize(
    "wrong",
    [{"to": "onx"}, {"pre": True, "layout": "nchw"}, {"to": "torch", "int8": True}, {"to": "tflite", "dynamic": True}],
)
def test_forms_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageProblem):
        Form(**wrong)  # type: ignore[arg-type]


def test_a_suffix_of_another_format_is_refused(network: Network, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"\.xml"):
        job.export(network, Form(to="openvino"), tmp_path / "model.onnx")
