"""The networks by name, their sizes and their cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor, nn

from masksmith.errors import UsageProblem, unknown_choice
from trainers.networks.enet import ENet
from trainers.networks.facenet import FaceNet, LiteFaceNet
from trainers.networks.layers import Network, Pictured, foreground, start
from trainers.networks.linknet import LinkNet, MobileLinkNet
from trainers.networks.mobile import MobileTrunk
from trainers.networks.mobileseg import MobileSeg
from trainers.networks.peopleseg import PeopleDeepLab, PeopleFPN
from trainers.networks.portrait import Portrait
from trainers.networks.portraitnet import PortraitNet
from trainers.networks.sinet import SINet
from trainers.networks.unet import WIDE, UNet

__all__ = [
    "EMBEDDINGS",
    "MODELS",
    "Embedding",
    "Entry",
    "build",
    "build_embedding",
    "cost",
    "count_flops",
    "count_parameters",
    "foreground",
    "outline",
]


@dataclass(frozen=True)
class Entry:
    """A row of the table: ``make(classes, dropout)`` builds the network ``name``; ``source`` says who designed it."""

    name: str
    make: Callable[[int, float], Network]
    source: str


@dataclass(frozen=True)
class Embedding:
    """A row of the other table: ``make(width)`` builds a network that turns pictures into points."""

    name: str
    make: Callable[[float], Pictured]
    source: str


def portrait_on(timm: str, cut: int) -> Callable[[int, float], Network]:
    """Document P's network on the first ``cut`` blocks of another encoder, which end at stride 16."""
    return partial(Portrait, encoder=partial(MobileTrunk, timm, cut=cut))


MODELS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("portrait_lcnet", Portrait, "Pirshutuk 2023"),
        Entry("portrait_lcnet_noprior", partial(Portrait, prior=False), "Pirshutuk 2023"),
        Entry("portrait_mnv3", portrait_on("mobilenetv3_large_100", 10), "Pirshutuk 2023"),
        Entry("portrait_mnv2", portrait_on("mobilenetv2_035", 13), "Pirshutuk 2023"),
        Entry("portrait_effb0", portrait_on("efficientnet_b0", 8), "Pirshutuk 2023"),
        Entry("portrait_efflite0", portrait_on("efficientnet_lite0", 8), "as portrait_effb0"),
        Entry("enet", ENet, "Paszke et al. 2016, as in Demborg 2018"),
        Entry("linknet", LinkNet, "Chaurasia and Culurciello 2017"),
        Entry("mobileseg", MobileSeg, "Demborg 2018"),
        Entry("fastlinknet", partial(LinkNet, fast=True), "Demborg 2018"),
        Entry("linknet_efflite0", MobileLinkNet, "LinkNet's decoder on EfficientNet-Lite0"),
        Entry("teacher", partial(UNet, encoder="resnet18", widths=WIDE, size=(256, 256)), "for Demborg 2018's EmilSeg"),
        Entry("unet_resnext50", partial(UNet, encoder="resnext50_32x4d"), "U-Net, in a thesis on silhouettes"),
        Entry("unet_resnet152", partial(UNet, encoder="resnet152"), "U-Net, in a thesis on silhouettes"),
        Entry("unet_effb0", partial(UNet, encoder="efficientnet_b0"), "U-Net, in a thesis on silhouettes"),
        Entry("peopleseg_fpn", PeopleFPN, "CE-PeopleSeg, Jiang et al."),
        Entry("peopleseg_deeplab", PeopleDeepLab, "CE-PeopleSeg, Jiang et al."),
        Entry("sinet", SINet, "Park et al. 2019"),
        Entry("portraitnet", PortraitNet, "Zhang et al. 2019"),
    )
}

EMBEDDINGS: dict[str, Embedding] = {
    entry.name: entry
    for entry in (
        Embedding("facenet_mobile", FaceNet, "Fast-FaceNet"),
        Embedding("facenet_lite0", lambda width: LiteFaceNet(), "EfficientNet-Lite0, whitened"),
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


def build_embedding(name: str, *, width: float = 1.0, seed: int = 0) -> Pictured:
    """The embedding network of that name with fresh weights; ``width`` multiplies its channels.

    Raises:
        UsageProblem: an unknown name, or a width outside (0, 1].
    """
    if name not in EMBEDDINGS:
        raise unknown_choice("embedding", name, EMBEDDINGS)
    if not 0 < width <= 1:
        raise UsageProblem(f"the width must be above 0 and at most 1, not {width}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = EMBEDDINGS[name].make(width)
        start(network)
    network.name = name
    return network


def outline(name: str, classes: int = 2) -> Pictured:
    """A network or embedding of either table without memory for its weights: for names, shapes and counts.

    Raises:
        UsageProblem: an unknown name.
    """
    if name not in MODELS and name not in EMBEDDINGS:
        raise unknown_choice("model", name, (*MODELS, *EMBEDDINGS))
    with torch.device("meta"):
        made = MODELS[name].make(classes, 0.0) if name in MODELS else EMBEDDINGS[name].make(1.0)
    made.name = name
    return made


@cache
def cost(name: str) -> tuple[int, int]:
    """Parameters, and operations at its own size, of a network (of two classes) or an embedding.

    Raises:
        UsageProblem: an unknown name.
    """
    drawn = outline(name)
    return count_parameters(drawn), count_flops(drawn)


def count_parameters(network: nn.Module) -> int:
    """Number of trained values; running means and other buffers are not counted."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_flops(network: Pictured, size: tuple[int, int] | None = None) -> int:
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
