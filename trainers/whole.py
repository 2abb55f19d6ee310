"""Layers that see the whole batch though each rank holds a part of it.

``torch.nn.SyncBatchNorm`` works on GPUs alone; this one is written in differentiable tensor operations and one sum over
the ranks (Ioffe and Szegedy 2015, algorithm 1, over all parts), and runs with gloo on CPUs as well.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn

from trainers.ranks import Ranks


class _Sum(torch.autograd.Function):
    """The sum over ranks; so is its gradient, for every rank's loss depends on every rank's part."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


class WholeNorm(nn.BatchNorm2d):
    """Batch normalisation of (B, C, H, W) by the statistics of all ranks' parts; in evaluation mode as any other."""

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return super().forward(values)
        count = values.numel() / values.shape[1]
        exact = values if values.dtype == torch.double else values.float()
        var, mean = torch.var_mean(exact, dim=(0, 2, 3), unbiased=False)
        # E[x^2] - E[x]^2 of the parts' own means and variances: in double precision nothing is lost
        var, mean = var.double(), mean.double()
        sums = torch.cat((mean * count, (var + mean * mean) * count, mean.new_full((1,), count)))
        total = _Sum.apply(sums)
        every = total[-1].detach()
        first, second = total[:-1].view(2, -1) / every
        spread = (second - first * first).clamp(min=0)
        self._keep(first.detach(), spread.detach(), float(every))
        scale = torch.rsqrt(spread + self.eps) * self.weight
        shift = self.bias - first * scale
        shape = (1, -1, 1, 1)
        whole = exact * scale.to(exact.dtype).view(shape) + shift.to(exact.dtype).view(shape)
        return whole.to(values.dtype)

    def _keep(self, mean: Tensor, var: Tensor, count: float) -> None:
        """The running statistics, as torch keeps them: the variance without bias."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        share = 0.1 if self.momentum is None else self.momentum
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_((var * (count / max(count - 1, 1))).to(self.running_var), share)


class WholeDropout(nn.Dropout2d):
    """Dropout of feature maps that draws for the whole batch and takes this rank's part of it."""

    ranks: Ranks

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return values
        part, channels = values.shape[:2]
        drawn = values.new_empty(part * self.ranks.world, channels, 1, 1).bernoulli_(1 - self.p).div_(1 - self.p)
        return values * drawn[part * self.ranks.rank : part * (self.ranks.rank + 1)]


def see_whole_batches(network: nn.Module, ranks: Ranks) -> None:
    """Make a network's normalisation and dropout those of this module; names and weights stay. Alone: nothing."""
    if ranks.world == 1:
        return
    for module in network.modules():
        if type(module) is nn.BatchNorm2d and module.affine:
            module.__class__ = WholeNorm
        elif type(module) is nn.Dropout2d:
            module.__class__ = WholeDropout
            module.ranks = ranks  # type: ignore[assignment]
