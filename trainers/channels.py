"""Channels inside blocks that can be taken out of a network, and taking them out.

A depthwise convolution passes every channel on alone. Whatever made channel c for it, the filter itself, its
normalisation and what the next convolution reads of c can go together, and the rest of the network does not notice:
its outputs are those of the network with c masked. Where somebody else reads c too (a residual connection, a decoder)
it has to stay.

* Inverted residuals (MobileNetV2, V3, EfficientNet): the expansion's output, its normalisation, the filter, its
  normalisation, channel attention's input and gate, the projection's input. The block's own input and output stay, as
  the residual connection needs them (CE-PeopleSeg, Jiang et al.).
* Separable blocks without a residual (PP-LCNet, MobileNetV1, the first of MobileNetV2): the channel is made by the
  pointwise convolution of the block before, or the stem; its output goes, where no decoder reads that map too.
* The 1x1 convolution to 1280 at the end of CE-PeopleSeg's trunk is an ordinary one: its outputs go by the scales of its
  own normalisation. The paper does not say so, but its 1.25 M parameters at 30 % cannot be met without: the inner
  channels of the deepest blocks alone leave 1.39 M.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from masksmith.errors import BadInput
from trainers.networks.layers import Pictured
from trainers.networks.lcnet import DepthSepConv, LCNetTrunk
from trainers.networks.mobile import Attention, Inverted, MobileTrunk, Separable
from trainers.networks.peopleseg import PeopleFPN
from trainers.networks.portrait import Portrait

_TAPPED = 2
"""The stage of PP-LCNet whose output the decoder reads too."""


@dataclass(frozen=True)
class Space:
    """The inner channels of one block.

    Attributes:
        name: the block's, as in ``named_modules``.
        depthwise: the depthwise convolution, None in the trunk's last 1x1.
        scored: the normalisation after it; its scales say what a channel counts for, and 0 in its scale and shift
            masks a channel.
        norms: the other normalisations of these channels.
        makers: convolutions whose outputs they are.
        takers: convolutions that read them.
    """

    name: str
    depthwise: nn.Conv2d | None
    scored: nn.BatchNorm2d
    norms: tuple[nn.BatchNorm2d, ...]
    makers: tuple[nn.Conv2d, ...]
    takers: tuple[nn.Conv2d, ...]

    @property
    def width(self) -> int:
        """Number of channels."""
        return self.scored.num_features

    def mask(self, gone: Tensor) -> None:
        """Silence the channels where ``gone`` (C,) bool is set; the shapes stay."""
        with torch.no_grad():
            self.scored.weight[gone] = 0
            self.scored.bias[gone] = 0

    def keep(self, kept: Tensor) -> None:
        """Take out all channels but ``kept``, (K,) indices in ascending order."""
        count = len(kept)
        for maker in self.makers:
            _cut(maker, kept, 0)
            maker.out_channels = count
        for taker in self.takers:
            _cut(taker, kept, 1)
            taker.in_channels = count
        for norm in (*self.norms, self.scored):
            _cut_norm(norm, kept)
        if self.depthwise is not None:
            _cut(self.depthwise, kept, 0)
            self.depthwise.in_channels = self.depthwise.out_channels = self.depthwise.groups = count


def spaces(network: nn.Module) -> list[Space]:
    """The channel spaces of a network, always in the same order; empty where it has no such block."""
    found: list[Space] = []
    for name, module in network.named_modules():
        if isinstance(module, LCNetTrunk):
            found += _chained(module, name)
        elif isinstance(module, MobileTrunk):
            found += _mobile(module, name)
        elif isinstance(module, Portrait) and "prior" in module.inputs:
            found += _branch(module.prior_branch, f"{name}.prior_branch".lstrip("."))
        elif isinstance(module, PeopleFPN):
            found.append(_head(module, f"{name}.encoder.conv_head".lstrip(".")))
    return found


def widths(network: nn.Module) -> dict[str, int]:
    """Block name -> number of inner channels, of every space."""
    return {space.name: space.width for space in spaces(network)}


def narrow(network: Pictured, wanted: Mapping[str, int], *, where: str = "the channels of a pruned network") -> None:
    """Give the blocks of a network so many inner channels (any ones), to load the weights of a pruned one.

    Args:
        network: changed in place; its ``channels`` say what was done.
        wanted: block name -> number of channels; blocks that are not named stay.
        where: the file it comes from, for the error.

    Raises:
        BadInput: a block that the network does not have, or a number of channels it cannot have.
    """
    there = {space.name: space for space in spaces(network)}
    for name, count in wanted.items():
        if name not in there:
            found = f"channels for {name}"
            raise BadInput(where, f"blocks of {network.name}", found, "take weights of the same network")
        if not 1 <= count <= there[name].width:
            found = f"{count} of {there[name].width} channels in {name}"
            raise BadInput(where, "at least one channel of those it has", found, "prune the network again")
        if count < there[name].width:
            there[name].keep(torch.arange(count))
    network.channels = dict(wanted)


def _chained(trunk: LCNetTrunk, name: str) -> Iterator[Space]:
    before: tuple[nn.Conv2d, nn.BatchNorm2d] | None = (trunk.conv_stem, trunk.bn1)
    for number, stage in enumerate(trunk.blocks):
        for place, block in enumerate(cast("Iterable[DepthSepConv]", stage)):
            if before is not None:
                yield _after(f"{name}.blocks.{number}.{place}", before, block)
            before = (block.conv_pw, block.bn2)
        if number == _TAPPED:
            before = None


def _branch(steps: nn.Sequential, name: str) -> Iterator[Space]:
    before: DepthSepConv | None = None
    for place, block in enumerate(cast("Iterable[DepthSepConv]", steps)):
        if before is not None:
            yield _after(f"{name}.{place}", (before.conv_pw, before.bn2), block)
        before = block


def _mobile(trunk: MobileTrunk, name: str) -> Iterator[Space]:
    before: tuple[nn.Conv2d, nn.BatchNorm2d] | None = (trunk.conv_stem, trunk.bn1)
    for number, (stage, step) in enumerate(zip(trunk.blocks, trunk.steps, strict=True)):
        if step:  # the map before a stage that halves it is handed to the decoder
            before = None
        for place, block in enumerate(cast("Iterable[nn.Module]", stage)):
            called = f"{name}.blocks.{number}.{place}"
            if isinstance(block, Separable):
                if before is not None and not block.skips:
                    yield _after(called, before, block)
                before = (block.conv_pw, block.bn2)
                continue
            before = None
            if isinstance(block, Inverted):
                makers, takers = _attending(block.se)
                yield Space(
                    called,
                    depthwise=block.conv_dw,
                    scored=block.bn2,
                    norms=(block.bn1,),
                    makers=(block.conv_pw, *makers),
                    takers=(block.conv_pwl, *takers),
                )


def _head(network: PeopleFPN, name: str) -> Space:
    """The trunk's last 1x1, which one lateral convolution reads."""
    made = cast(nn.Conv2d, network.encoder.conv_head)
    lateral = cast(nn.Conv2d, network.laterals[-1])
    return Space(name, None, cast(nn.BatchNorm2d, network.encoder.bn2), (), (made,), (lateral,))


def _after(name: str, before: tuple[nn.Conv2d, nn.BatchNorm2d], block: DepthSepConv | Separable) -> Space:
    makers, takers = _attending(block.se) if isinstance(block, Separable) else ((), ())
    return Space(
        name,
        depthwise=block.conv_dw,
        scored=block.bn1,
        norms=(before[1],),
        makers=(before[0], *makers),
        takers=(block.conv_pw, *takers),
    )


def _attending(se: nn.Module) -> tuple[tuple[nn.Conv2d, ...], tuple[nn.Conv2d, ...]]:
    """Attention reads the channels it gates: a masked one has the mean 0, and 0 times its gate is 0."""
    return ((se.conv_expand,), (se.conv_reduce,)) if isinstance(se, Attention) else ((), ())


def _cut(conv: nn.Conv2d, kept: Tensor, axis: int) -> None:
    index = kept.to(conv.weight.device)
    conv.weight = _as_before(conv.weight, conv.weight.detach().index_select(axis, index))
    if axis == 0 and conv.bias is not None:
        conv.bias = _as_before(conv.bias, conv.bias.detach().index_select(0, index))


def _cut_norm(norm: nn.BatchNorm2d, kept: Tensor) -> None:
    index = kept.to(norm.weight.device)
    norm.weight = _as_before(norm.weight, norm.weight.detach().index_select(0, index))
    norm.bias = _as_before(norm.bias, norm.bias.detach().index_select(0, index))
    for name in ("running_mean", "running_var"):
        norm.register_buffer(name, getattr(norm, name).index_select(0, index).clone())
    norm.num_features = len(kept)


def _as_before(old: Tensor, new: Tensor) -> nn.Parameter:
    return nn.Parameter(new.contiguous(), requires_grad=old.requires_grad)
