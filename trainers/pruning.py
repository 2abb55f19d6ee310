"""Structural pruning: a trained network loses the channels whose normalisation scales are smallest.

Source: network slimming (L1 on the scales of batch normalisation, a global threshold), extended to inverted residuals
by CE-PeopleSeg (Jiang et al.): a block is scored by the normalisation after its depthwise convolution alone, and the
projection's is not pruned. The threshold could empty a block; here each keeps at least eight channels.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from masksmith.errors import BadInput, UsageProblem
from trainers.channels import spaces
from trainers.models import count_flops, count_parameters
from trainers.networks.layers import Network

LEAST = 8
"""Channels that a block keeps, or all of them where it has fewer."""


@dataclass(frozen=True)
class Cut:
    """What is taken from a network, decided before it is done.

    Attributes:
        kept: block name -> indices of the channels that stay, ascending.
        before: block name -> number of channels it had.
        ratio: the share of all scored channels that was asked for.
        threshold: the largest scale (absolute) below which channels go, NaN where nothing goes.
    """

    kept: Mapping[str, tuple[int, ...]]
    before: Mapping[str, int]
    ratio: float
    threshold: float

    @property
    def realised(self) -> float:
        """The share of the scored channels that goes; less than ``ratio`` where blocks are held at their least."""
        return 1 - sum(map(len, self.kept.values())) / sum(self.before.values())

    def rows(self) -> list[dict[str, Any]]:
        """One row a block: ``block, channels, kept``."""
        return [{"block": name, "channels": had, "kept": len(self.kept[name])} for name, had in self.before.items()]


@dataclass(frozen=True)
class Saving:
    """Size and cost before and after; operations are two a multiply-add, at the network's own input size."""

    parameters_before: int
    parameters_after: int
    flops_before: int
    flops_after: int

    @property
    def parameters_ratio(self) -> float:
        """After by before."""
        return self.parameters_after / self.parameters_before

    @property
    def flops_ratio(self) -> float:
        """After by before."""
        return self.flops_after / self.flops_before

    def as_json(self) -> dict[str, Any]:
        """Counts and ratios."""
        return {
            "params": {"before": self.parameters_before, "after": self.parameters_after},
            "flops": {"before": self.flops_before, "after": self.flops_after},
            "params_ratio": self.parameters_ratio,
            "flops_ratio": self.flops_ratio,
        }


def plan_cut(network: Network, ratio: float, *, least: int = LEAST) -> Cut:
    """Decide which channels go: the smallest ``ratio`` of all scored scales, over the whole network at once.

    Equal scales go evenly from all blocks. A block that would fall below ``least`` keeps its largest so many.

    Args:
        network: not changed.
        ratio: in [0, 1), a share of the scored channels.
        least: channels a block keeps.

    Raises:
        UsageProblem: the ratio is out of range, or the network has nothing to prune.
        BadInput: a scale is not finite.
    """
    if not 0 <= ratio < 1:
        raise UsageProblem(f"the ratio must be at least 0 and below 1, not {ratio}")
    found = spaces(network)
    if not found:
        raise UsageProblem(
            f"{network.name or 'this network'} has no channels that can be pruned: it needs inverted residuals "
            "(MobileNetV2, V3, EfficientNet) or separable blocks (PP-LCNet, MobileNetV1)"
        )
    scales = [space.scored.weight.detach().abs().cpu().double().numpy() for space in found]
    for space, values in zip(found, scales, strict=True):
        if not np.isfinite(values).all():
            where = f"{space.name} of {network.name}"
            raise BadInput(where, "finite scales", "NaN or infinity", "take an earlier checkpoint")
    ranks = [np.argsort(np.argsort(values, kind="stable"), kind="stable") / len(values) for values in scales]
    everything = np.concatenate(scales)
    order = np.lexsort((np.concatenate(ranks), everything))
    gone = np.zeros(len(everything), np.bool_)
    first = order[: round(ratio * len(everything))]
    gone[first] = True
    kept: dict[str, tuple[int, ...]] = {}
    start = 0
    for space, values in zip(found, scales, strict=True):
        stays = np.flatnonzero(~gone[start : start + len(values)])
        if len(stays) < min(least, len(values)):
            stays = np.sort(np.argsort(-values, kind="stable")[:least])
        kept[space.name] = tuple(int(number) for number in stays)
        start += len(values)
    threshold = float(everything[first].max()) if len(first) else float("nan")
    return Cut(kept, {space.name: space.width for space in found}, ratio, threshold)


def apply_cut(network: Network, cut: Cut) -> Network:
    """A smaller copy of the network, without the channels that go; ``channels`` says how wide its blocks are."""
    smaller = copy.deepcopy(network)
    for space in spaces(smaller):
        space.keep(torch.tensor(cut.kept[space.name]))
    smaller.channels = {name: len(kept) for name, kept in cut.kept.items()}
    return smaller


def apply_mask(network: Network, cut: Cut) -> Network:
    """A copy of the same shape with the channels that go silenced: it says what the smaller one says."""
    masked = copy.deepcopy(network)
    for space in spaces(masked):
        gone = torch.ones(space.width, dtype=torch.bool)
        gone[list(cut.kept[space.name])] = False
        space.mask(gone)
    return masked


def saving(before: Network, after: Network) -> Saving:
    """Size and cost of two networks, at the first one's input size."""
    return Saving(
        count_parameters(before),
        count_parameters(after),
        count_flops(before, before.size),
        count_flops(after, before.size),
    )
