from __future__ import annotations

import pytest
import torch

from masksmith.errors import UsageProblem
from trainers import build, count_flops, count_parameters, foreground
from trainers.models import MODELS, outline
from trainers.networks.layers import rounded
from trainers.networks.lcnet import LCNetTrunk

PARAMETERS = {
    "portrait_lcnet": 137_277,
    "portrait_lcnet_noprior": 136_482,
    "portrait_mnv3": 207_157,
    "portrait_mnv2": 98_349,
    "portrait_effb0": 323_873,
    "portrait_efflite0": 269_197,
    "enet": 349_212,
    "linknet": 11_533_506,
    "mobileseg": 4_544_514,
    "fastlinknet": 1_805_954,
    "linknet_efflite0": 750_594,
    "teacher": 21_393_858,
    "unet_resnext50": 31_993_122,
    "unet_resnet152": 67_157_026,
    "unet_effb0": 5_834_846,
    "peopleseg_fpn": 2_248_002,
    "peopleseg_deeplab": 4_764_936,
    "sinet": 86_910,
    "portraitnet": 2_079_672,
    "facenet_mobile": 3_338_176,
    "facenet_lite0": 829_920,
}
BIG = ("teacher", "unet_resnext50", "unet_resnet152", "unet_effb0")
NETWORKS = [pytest.param(name, marks=[pytest.mark.slow] if name in BIG else []) for name in MODELS]


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_network_has_the_parameters_of_its_paper(name: str) -> None:
    assert count_parameters(outline(name)) == PARAMETERS[name]


def test_an_outline_has_the_networks_tensors_and_its_cost() -> None:
    real, drawn = build("portrait_mnv2", 3), outline("portrait_mnv2", 3)
    assert {key: value.shape for key, value in real.state_dict().items()} == {
        key: value.shape for key, value in drawn.state_dict().items()
    }
    assert count_flops(real, (64, 64)) == count_flops(drawn, (64, 64))
    with pytest.raises(UsageProblem, match="Did you mean 'facenet_mobile'.*portrait_mnv3"):
        outline("facenet_mobil")


def test_no_two_networks_have_the_same_names_for_their_weights() -> None:
    assert len({frozenset(outline(name).state_dict()) for name in MODELS}) == len(MODELS)


def test_the_portrait_networks_agree_with_the_printed_cost() -> None:
    for name in ("portrait_lcnet", "portrait_lcnet_noprior"):
        network = build(name)
        assert count_flops(network) == pytest.approx(91e6, rel=0.03)
        assert count_parameters(network) == pytest.approx(138_000, rel=0.02)


def test_the_trunk_of_lcnet_has_the_tables_parameters_and_names() -> None:
    trunk = LCNetTrunk(0.5)
    assert count_parameters(trunk) == 119_760
    shapes = {key: tuple(value.shape) for key, value in trunk.state_dict().items()}
    assert shapes["conv_stem.weight"] == (8, 3, 3, 3)
    assert shapes["blocks.3.1.conv_dw.weight"] == (128, 1, 5, 5)
    assert shapes["blocks.4.3.conv_pw.weight"] == (128, 128, 1, 1)
    assert [rounded(16 * width) for width in (0.25, 0.35, 0.5, 0.75, 1.0)] == [8, 8, 8, 16, 16]


def test_operations_are_two_a_multiply_add() -> None:
    network = build("fastlinknet")
    stem = 2 * 64 * 3 * 7 * 7 * 32 * 32  # 64 maps of 32 x 32, as 128 x 128 is halved twice
    with_stem = count_flops(network, (128, 128))
    network.stem[0] = torch.nn.Identity()  # type: ignore[index]
    network.stem[1] = torch.nn.Identity()  # type: ignore[index]
    network.stem[2] = torch.nn.Upsample(size=(32, 32))  # type: ignore[index]
    network.stem.insert(0, _Widen())  # type: ignore[operator]
    assert with_stem - count_flops(network, (128, 128)) == stem


class _Widen(torch.nn.Module):
    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values.mean(dim=1, keepdim=True).expand(-1, 64, -1, -1)


def test_counting_operations_leaves_the_network_as_it_was() -> None:
    network = build("portrait_lcnet").train()
    count_flops(network)
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_come_at_the_inputs_size_even_an_odd_one(name: str) -> None:
    size = (45, 67)
    for classes in (2, 4):
        network = build(name, classes).eval()
        given = [torch.rand(1, 3 if which == "image" else 1, *size) for which in network.inputs]
        with torch.inference_mode():
            logits = network(*given)
        assert logits.shape == (1, network.outputs, *size)
        assert network.outputs == (1 if name.startswith("portrait_") and classes == 2 else classes)
        soft = network.foreground(logits)
        assert soft.shape == (1, *size)
        assert 0 <= float(soft.min()) <= float(soft.max()) <= 1


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_learns(name: str) -> None:
    network = build(name).train()
    given = [torch.rand(2, 3 if which == "image" else 1, 64, 64) for which in network.inputs]
    (network(*given) * torch.randn(2, network.outputs, 64, 64)).sum().backward()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not silent


@pytest.mark.parametrize("name", NETWORKS)
def test_a_fresh_network_is_not_sure_of_anything(name: str) -> None:
    network = build(name).train()
    generator = torch.Generator().manual_seed(1)
    given = [torch.rand(2, 3 if which == "image" else 1, 64, 64, generator=generator) for which in network.inputs]
    with torch.inference_mode():
        logits = network(*given)
    margin = logits if network.outputs == 1 else logits[:, 1] - logits[:, 0]
    assert float(margin.std()) < 5


def test_weights_depend_on_the_seed_and_leave_torchs_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = build("portrait_lcnet", seed=1), build("portrait_lcnet", seed=1), build("portrait_lcnet")
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.score.weight, again.score.weight)
    assert not torch.equal(first.score.weight, other.score.weight)


def test_no_prior_means_an_empty_one() -> None:
    network = build("portrait_lcnet").eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network(image), network(image, torch.zeros(1, 1, 64, 64)))
        assert not torch.equal(network(image), network(image, torch.ones(1, 1, 64, 64)))


def test_the_portrait_head_starts_as_bilinear_upsampling() -> None:
    upsample = build("portrait_lcnet").upsample
    with torch.inference_mode():
        big = upsample(torch.full((1, 1, 6, 6), 2.5))
    assert big.shape == (1, 1, 48, 48)
    assert torch.allclose(big[..., 8:-8, 8:-8], torch.tensor(2.5))


def test_normalisation_is_inside() -> None:
    network = build("linknet")
    grey = network.normalise(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
    assert torch.allclose(grey, torch.zeros(1, 3, 1, 1), atol=1e-6)


def test_foreground_of_several_classes_is_all_but_the_background() -> None:
    logits = torch.randn(2, 4, 3, 3)
    assert torch.allclose(foreground(logits), logits.softmax(1)[:, 1:].sum(1), atol=1e-6)
    assert torch.allclose(foreground(logits[:, :2]), logits[:, :2].softmax(1)[:, 1], atol=1e-6)


def test_an_unknown_network_is_refused_with_the_closest_name() -> None:
    with pytest.raises(UsageProblem, match=r"'fastlinknett'.*Did you mean 'fastlinknet'.*enet"):
        build("fastlinknett")
    with pytest.raises(UsageProblem, match="at least 2 classes"):
        build("enet", 1)
    with pytest.raises(UsageProblem, match="dropout"):
        build("enet", dropout=1.0)
