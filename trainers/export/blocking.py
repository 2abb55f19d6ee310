"""The branch of the previous mask on blocks of columns: the same numbers from fewer, fuller steps.

Its first maps are large and have one to four channels, which leaves most of a processor's vector registers empty.
Here the columns of a block become channels: with channels last that is a view of the same memory, no copy. A 3x3
convolution of stride 2 then is a 3x2 convolution between a block and its left neighbour, to half as many columns; a
1x1 convolution acts on each column alone. Where weights were moved apart zeros stand between them: the sums are those
of before, up to their order.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.networks.layers import Network
from trainers.networks.lcnet import DepthSepConv

BLOCK = 16
"""Columns that become channels at first; half as many after each step."""
DEPTH = 2
"""Steps that work on blocks: a third one was no quicker, its maps are small."""
TOLERANCE = 1e-5
"""Of the branch's output, relative to its largest value."""


class Blocked(nn.Module):
    """Depthwise separable convolutions of stride 2 on a map of one channel; ``forward`` as theirs in a row, batch 1.

    Args:
        branch: folded, without normalisations.
        block, depth: columns of a block, and how many of the branch's steps work on blocks.
    """

    def __init__(self, branch: Sequence[nn.Module], block: int = BLOCK, depth: int = DEPTH) -> None:
        super().__init__()
        self.block = columns = block
        steps: list[nn.Module] = []
        for step in branch[:depth]:
            if not isinstance(step, DepthSepConv):
                raise TypeError(f"a branch of DepthSepConv, not of {type(step).__name__}")
            columns //= 2
            steps += [_strided(step.conv_dw, 2 * columns), step.act, _pointwise(step.conv_pw, columns), step.act]
        self.columns = columns
        self.steps, self.rest = nn.ModuleList(steps), nn.Sequential(*branch[depth:])

    def forward(self, prior: Tensor) -> Tensor:
        height, width = prior.shape[-2:]
        values = prior.reshape(1, height, width // self.block, self.block).permute(0, 3, 1, 2)
        for step in self.steps:
            if isinstance(step, nn.Conv2d) and step.kernel_size != (1, 1):
                values = F.pad(values, (1, 0, 1, 0))
            values = step(values)
        _, channels, height, width = values.shape
        values = values.permute(0, 2, 3, 1).reshape(1, height, width * self.columns, channels // self.columns)
        found: Tensor = self.rest(values.permute(0, 3, 1, 2))
        return found


def block_prior(network: Network, size: tuple[int, int]) -> bool:
    """Put the prior's branch on blocks, in place, where the network has one of that form and the width allows it.

    Args:
        network: folded.
        size: (height, width) in pixels that it will be run at.
    """
    branch = getattr(network, "prior_branch", None)
    height, width = size
    if not isinstance(branch, nn.Sequential) or len(branch) < DEPTH or width % BLOCK or height % 2**DEPTH:
        return False
    steps = list(branch.children())
    if not all(_fits(step) for step in steps[:DEPTH]):
        return False
    made = Blocked(steps).eval()
    given = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted, found = branch(given), made(given)
    if found.shape != wanted.shape or (found - wanted).abs().max() > TOLERANCE * max(1.0, float(wanted.abs().max())):
        return False
    network.prior_branch = made
    return True


def _fits(step: nn.Module) -> bool:
    if not isinstance(step, DepthSepConv) or not isinstance(step.bn1, nn.Identity):
        return False
    wide = step.conv_dw
    usual = wide.kernel_size == (3, 3) and wide.stride == (2, 2) and wide.padding == (1, 1)
    return usual and wide.bias is not None and step.conv_pw.bias is not None and isinstance(step.bn2, nn.Identity)


def _strided(conv: nn.Conv2d, block: int) -> nn.Conv2d:
    """A depthwise 3x3 convolution of stride 2 between blocks: column 2 j + k - 1 through tap k to column j."""
    channels, half = conv.out_channels, block // 2
    weight = torch.zeros(half, channels, block, channels, 3, 2)
    every = torch.arange(channels)
    for column in range(half):
        for tap in range(3):
            seen = 2 * column + tap - 1  # -1 is the last column of the block before
            weight[column, every, seen % block, every, :, 0 if seen < 0 else 1] = conv.weight.detach()[:, 0, :, tap]
    return _conv(weight.reshape(half * channels, block * channels, 3, 2), conv, half, (2, 1))


def _pointwise(conv: nn.Conv2d, columns: int) -> nn.Conv2d:
    out, channels = conv.weight.shape[:2]
    weight = torch.zeros(columns, out, columns, channels)
    for column in range(columns):
        weight[column, :, column] = conv.weight.detach()[:, :, 0, 0]
    return _conv(weight.reshape(columns * out, columns * channels, 1, 1), conv, columns, (1, 1))


def _conv(weight: Tensor, like: nn.Conv2d, columns: int, stride: tuple[int, int]) -> nn.Conv2d:
    height, width = weight.shape[2:]
    made = nn.Conv2d(weight.shape[1], weight.shape[0], (height, width), stride)
    bias = torch.zeros(like.out_channels) if like.bias is None else like.bias.detach()
    with torch.no_grad():
        made.weight.copy_(weight)
        if made.bias is not None:
            made.bias.copy_(bias.repeat(columns))
    return made.requires_grad_(False)
