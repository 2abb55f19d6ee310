"""The moving average of a network's weights, which is judged and kept in its place."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from trainers.networks.layers import Network


class Average:
    """An exponential moving average of weights and running statistics (Polyak and Juditsky 1992, as EMA).

    The decay begins low, ``min(decay, (1 + n) / (10 + n))`` after n updates, so that the first weights, which are
    chance, are forgotten.

    Args:
        network: whose average it will be; copied.
        decay: in (0, 1), e.g. 0.999.

    Attributes:
        network: with the averaged weights, in evaluation mode.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.network = copy.deepcopy(network).requires_grad_(False).eval()

    def update(self, network: Network) -> None:
        """Take a step's weights in."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        own, new = self.network.state_dict(), network.state_dict()
        floating = [key for key in own if own[key].is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([own[key] for key in floating], [new[key] for key in floating], 1 - decay)
            for key in own.keys() - set(floating):
                own[key].copy_(new[key])

    def state(self) -> dict[str, Tensor | int]:
        """What :meth:`restore` needs."""
        return {**self.network.state_dict(), "updates": self.updates}

    def restore(self, state: Mapping[str, Tensor | int]) -> None:
        """Go on where :meth:`state` was taken."""
        kept = dict(state)
        self.updates = int(kept.pop("updates"))
        self.network.load_state_dict(kept)
