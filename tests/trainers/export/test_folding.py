"""Networks rewritten for inference give what they gave before."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from trainers.export.blocking import block_prior
from trainers.export.folding import Shuffled, fold, with_relu
from trainers.models import build
from trainers.networks.layers import Network


def lived_in(name: str, side: int = 64) -> Network:
    """A network whose normalisations are not the identity."""
    network = build(name).eval()
    network.size = (side, side)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * torch.randn(module.num_features, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.num_features, generator=generator))
    return network


def given(network: Network, side: int = 64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    shapes = [(1, 3 if name == "image" else 1, side, side) for name in network.inputs]
    return [torch.rand(shape, generator=generator) for shape in shapes]


def outputs(network: Network, side: int = 64) -> Tensor:
    with torch.no_grad():
        return network(*given(network, side))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stride", [4, 8])
def test_a_strided_upsampling_equals_a_convolution_and_a_pixel_shuffle(channels: int, stride: int) -> None:
    generator = torch.Generator().manual_seed(0)
    upsample = nn.ConvTranspose2d(channels, channels, 2 * stride, stride, stride // 2, groups=channels)
    with torch.no_grad():
        upsample.weight.copy_(torch.randn(upsample.weight.shape, generator=generator))
        values = torch.randn(2, channels, 7, 5, generator=generator)
        wanted, found = upsample(values), Shuffled(upsample)(values)
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) < 1e-5


@pytest.mark.parametrize("name", ["portrait_lcnet", "portrait_mnv3", "fastlinknet", "enet", "sinet"])
def test_a_folded_network_gives_the_same_logits(name: str) -> None:
    network = lived_in(name)
    wanted, found = outputs(network), outputs(fold(network).network)
    assert float((found - wanted).abs().max()) < 2e-5 * max(1.0, float(wanted.abs().max()))


def test_sizes_the_network_was_not_folded_at_give_the_same_too() -> None:
    network = lived_in("portrait_lcnet")
    folded = fold(network)
    assert float((outputs(folded.network, 90) - outputs(network, 90)).abs().max()) < 1e-5


def test_no_normalisation_is_left_in_document_ps_network() -> None:
    folded = fold(lived_in("portrait_lcnet"))
    assert not [module for module in folded.network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert folded.done == {"norms": 34, "norms_left": 0, "deviation": True, "head": True}


def test_folding_leaves_the_network_as_it_was() -> None:
    network = lived_in("portrait_lcnet")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    fold(network)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert set(before) == set(network.state_dict())


def test_a_normalisation_whose_convolution_is_read_elsewhere_is_kept() -> None:
    class Twice(Network):
        size = (16, 16)

        def __init__(self) -> None:
            super().__init__(2, 1)
            self.conv, self.norm = nn.Conv2d(3, 1, 3, padding=1), nn.BatchNorm2d(1)

        def forward(self, image: Tensor) -> Tensor:
            values = self.conv(image)
            return self.norm(values) + values

    network = Twice().eval()
    network.norm.running_mean.fill_(0.7)
    network.norm.running_var.fill_(3.0)
    folded = fold(network)
    assert folded.done["norms_left"] == 1
    assert torch.allclose(outputs(folded.network, 16), outputs(network, 16), atol=1e-6)


def test_the_relu_variant_has_no_h_swish_and_is_another_function() -> None:
    network = lived_in("portrait_lcnet")
    variant = with_relu(network)
    assert not [module for module in variant.modules() if isinstance(module, nn.Hardswish)]
    assert float((outputs(variant) - outputs(network)).abs().max()) > 1e-3


@pytest.mark.parametrize("size", [(64, 64), (36, 80)])
def test_the_branch_of_the_prior_gives_the_same_on_blocks_of_columns(size: tuple[int, int]) -> None:
    network = fold(lived_in("portrait_lcnet")).network
    before = fold(lived_in("portrait_lcnet")).network
    assert block_prior(network, size)
    prior = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        wanted, found = before.prior_branch(prior), network.prior_branch(prior)
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) < 1e-6
    assert float(wanted.abs().max()) > 0.01


def test_widths_that_are_no_whole_blocks_and_networks_without_a_prior_are_left_alone() -> None:
    network = fold(lived_in("portrait_lcnet")).network
    branch = network.prior_branch
    assert not block_prior(network, (64, 72))
    assert network.prior_branch is branch
    assert not block_prior(fold(lived_in("enet")).network, (64, 64))
