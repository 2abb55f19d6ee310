"""The networks by name, their sizes and their cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from masksmith.errors import UsageProblem, unknown_choice
from trainers.networks.enet import ENet
from trainers.networks.layers import Network, foreground, start
from trainers.networks.linknet import LinkNet
from trainers.networks.portrait import PortraitLCNet

__all__ = ["MODELS", "Entry", "build", "count_flops", "count_parameters", "foreground"]


@dataclass(frozen=True)
class Entry:
    """A row of the table: ``make(classes, dropout)`` builds the network ``name``; ``source`` says who designed it."""

    name: str
    make: Callable[[int, float], Network]
    source: str


MODELS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("portrait_lcnet", PortraitLCNet, "Pirshutuk 2023"),
        Entry("portrait_lcnet_noprior", partial(PortraitLCNet, prior=False), "Pirshutuk 2023"),
        Entry("enet", ENet, "Paszke et al. 2016, as in Demborg 2018"),
        Entry("linknet", LinkNet, "Chaurasia and Culurciello 2017"),
        Entry("fastlinknet", partial(LinkNet, fast=True), "Demborg 2018"),
    )
}


def build(name: str, classes: int = 2, *, dropout: float = 0.0, seed: int = 0) -> Network:
    """The network of that name with fresh weights.

    Args:
        name: a key of ``MODELS``.
        classes: 2 or more; class 0 is the background.
        dropout: share of feature maps dropped in training.
        seed: of the weights; torch's own generator is left as it was.

    Raises:
        UsageProblem: an unknown name, fewer than two classes, or a dropout outside [0, 1).
    """
    if name not in MODELS:
        raise unknown_choice("model", name, MODELS)
    if classes < 2:
        raise UsageProblem(f"a network needs at least 2 classes (the background is one), not {classes}")
    if not 0 <= dropout < 1:
        raise UsageProblem(f"dropout must be at least 0 and below 1, not {dropout}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MODELS[name].make(classes, dropout)
        start(network)
    network.name = name
    return network


def count_parameters(network: nn.Module) -> int:
    """Number of trained values; running means and other buffers are not counted."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_flops(network: Network, size: tuple[int, int] | None = None) -> int:
    """Floating point operations of one forward pass: two a multiply-add.

    Counts convolutions, transposed convolutions and linear layers by hooks on a real pass; normalisation,
    activations and interpolation are left out, as the papers do.

    Args:
        network: its mode is kept.
        size: (height, width) in pixels; None = the network's own.
    """
    height, width = size or network.size
    total = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += 2 * output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.ConvTranspose2d):
            total += 2 * inputs[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += 2 * output.numel() * module.in_features

    counted = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
    hooks = [module.register_forward_hook(add) for module in network.modules() if isinstance(module, counted)]
    training = network.training
    network.eval()
    try:
        device = next(network.parameters()).device
        given = [torch.zeros(1, 3 if name == "image" else 1, height, width, device=device) for name in network.inputs]
        with torch.inference_mode():
            network(*given)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return total
