"""What a run makes small: the loss of its settings, a teacher's soft answers, and a pull on the BN scales.

The loop calls one object, so that what is added to a loss is written here and nowhere in the loop:

- ``settings.loss`` on the truth, by :func:`trainers.losses.find_loss`;
- with ``settings.teacher``: ``soften_lambda * T^2 * CE(teacher, student)``, both softened by T = ``temperature``
  (Hinton et al. 2015; document F's third loss). The teacher is the target. T^2 keeps the size of the gradient;
- with ``settings.temporal``: that weight times the difference between the answers to consecutive frames, see
  :mod:`trainers.temporal`;
- with ``settings.sparsity``: ``sparsity * sign(gamma)`` added to the gradient of the BN scales (Liu et al. 2017,
  "network slimming"; document C: 1e-4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from loaders import Batch
from masksmith.errors import BadInput
from trainers.checkpoint import load
from trainers.losses import consistency, find_loss, soften
from trainers.networks.layers import Network
from trainers.presets import Settings
from trainers.ranks import Ranks


class Objective:
    """The cost of a batch, and what is done to the gradient after it went backward.

    Args:
        settings: of the run.
        network: on its device, whose weights are trained.
        ranks: the processes that share a batch; None = one.

    Attributes:
        loss: on logits and truth alone, as validation takes it.
        teacher: in evaluation mode on the network's device, or None.

    Raises:
        UsageProblem: an unknown loss.
        BadInput: the teacher's file holds no weights, or those of other classes.
    """

    def __init__(self, settings: Settings, network: Network, ranks: Ranks | None = None) -> None:
        self.settings = settings
        self.loss = find_loss(settings.loss, paper_exact=settings.paper_exact)
        self._across = ranks.mean if ranks is not None and ranks.world > 1 else None
        self._shared = find_loss(settings.loss, paper_exact=settings.paper_exact, across=self._across)
        self.teacher = _teacher(settings, network) if settings.teacher else None

    def __call__(self, network: Network, given: Sequence[Tensor], logits: Tensor, batch: Batch) -> Tensor:
        """The cost of a batch, a scalar with a gradient.

        Args:
            network: that gave the logits.
            given: its inputs: images (B, 3, H, W) and, where it takes one, the prior (B, 1, H, W).
            logits: (B, outputs, H, W) float32.
            batch: the truth is its ``mask``.
        """
        cost = self._shared(logits, batch.mask)
        if self.teacher is not None:
            settings = self.settings
            told = soften(logits, self._taught(given), batch.mask, settings.temperature, across=self._across)
            cost = cost + settings.soften_lambda * settings.temperature**2 * told
        return cost

    def steadiness(self, logits: Tensor, frames: Batch) -> Tensor:
        """What answers cost that differ between frames, a scalar with a gradient.

        Args:
            logits: (2n, outputs, H, W) float32: n frames, then the n that follow them.
            frames: the truth is its ``mask``.
        """
        return self.settings.temporal * consistency(logits, frames.mask, across=self._across)

    def after_backward(self, network: Network) -> None:
        """Change the gradient before the optimiser sees it."""
        pull = self.settings.sparsity
        if not pull:
            return
        for scale in bn_scales(network):
            if scale.grad is not None:
                scale.grad.add_(torch.sign(scale.detach()), alpha=pull)

    def _taught(self, given: Sequence[Tensor]) -> Tensor:
        """The teacher's logits (B, outputs, H, W); one that takes a prior gets the student's, or an empty one."""
        if self.teacher is None:
            raise ValueError("there is no teacher")
        image, *rest = given
        own = [image]
        if "prior" in self.teacher.inputs:
            own.append(rest[0] if rest else image.new_zeros(len(image), 1, *image.shape[-2:]))
        with torch.no_grad():
            return self.teacher(*own).float()


def bn_scales(network: nn.Module) -> Iterator[nn.Parameter]:
    """The scales gamma of every batch normalisation."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            yield module.weight


def _teacher(settings: Settings, network: Network) -> Network:
    teacher = load(settings.teacher)
    if max(2, teacher.outputs) != max(2, network.outputs):
        raise BadInput(
            settings.teacher,
            f"a teacher of {network.classes} classes",
            f"one of {teacher.classes}",
            "train one on the same classes",
        )
    device = next(network.parameters()).device
    placed: Network = teacher.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed.requires_grad_(False).eval()
