"""One training step: a batch forward, its cost backward, and the weights moved."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from loaders import Batch, fill_self_priors
from masksmith import seeds
from masksmith.errors import CheckFailed
from trainers import machine
from trainers.average import Average
from trainers.networks.layers import Network, foreground
from trainers.objective import Objective
from trainers.presets import Settings
from trainers.ranks import Ranks


class Stepper:
    """Trains a network step by step; what a step does depends on the seed, its number and its batch alone.

    Args:
        settings: of the run.
        network: on the ranks' device.
        objective: what is made small.
        ranks: the processes that take part.

    Attributes:
        optimiser: of the settings.
        average: the moving average of the weights, or None.
        layout: of pictures in memory.
    """

    def __init__(self, settings: Settings, network: Network, objective: Objective, ranks: Ranks) -> None:
        self.settings, self.network, self.objective, self.ranks = settings, network, objective, ranks
        self.optimiser = make_optimiser(settings, network)
        self.average = Average(network, settings.ema) if settings.ema else None
        self.layout = layout(settings)
        self.mixed = mixes(settings, ranks.device)

    @property
    def judged(self) -> Network:
        """The network that is validated and kept: with the averaged weights where there are such."""
        return self.network if self.average is None else self.average.network

    def take(self, batch: Batch, number: int, lr: float, frames: Batch | None = None) -> float:
        """Take a step.

        Args:
            batch: this rank's share, on the network's device.
            number: of the step, from 0.
            lr: the learning rate.
            frames: this rank's share of the step's pairs of frames, for a temporal loss.

        Returns:
            The cost of the whole batch, before the step.

        Raises:
            CheckFailed: it is not a number; the weights stay as they were.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        batch = fill_self_priors(batch, self._predict)
        given = self._inputs(batch.image, batch.prior)
        watched = [] if frames is None else self._watched(frames)
        with self._precision(), self._own_chance(number):
            logits = self.network(*given)
            answers = self.network(*watched) if watched else None
        cost = self.objective(self.network, given, logits.float() if self.mixed else logits, batch)
        if frames is not None and answers is not None:
            cost = cost + self.objective.steadiness(answers.float() if self.mixed else answers, frames)
        value = self.ranks.add([cost.item() / self.ranks.world])[0]
        if not math.isfinite(value):
            seen = batch.ids if frames is None else [*batch.ids, *frames.ids]
            ids = ", ".join(name for part in self.ranks.gather(seen) for name in part)
            raise CheckFailed(
                f"the loss became {value} at step {number + 1} (learning rate {lr:.3g}); the batch was {ids}; look at "
                "these images and masks, or take a smaller lr or a clip_norm"
            )
        self.optimiser.zero_grad(set_to_none=True)
        cost.backward()
        self.ranks.mean_gradients(self.network)
        self.objective.after_backward(self.network)
        if self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimiser.step()
        if self.average is not None:
            self.average.update(self.network)
        return value

    def laid_out(self, batch: Batch) -> Batch:
        """A batch whose pictures lie in memory as the network wants them."""
        return replace(batch, image=batch.image.contiguous(memory_format=self.layout))

    def placed(self, batch: Batch) -> Batch:
        """A batch on the network's device."""
        device = self.ranks.device
        if device.type == "cpu":
            return batch
        names = ("image", "mask", "prior", "warped", "prior_kind")
        there = {name: getattr(batch, name) for name in names}
        return replace(batch, **{name: value.to(device) for name, value in there.items() if value is not None})

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        device = self.ranks.device.type
        return torch.autocast(device, torch.bfloat16) if self.mixed else contextlib.nullcontext()

    @contextlib.contextmanager
    def _own_chance(self, number: int) -> Iterator[None]:
        """Dropout draws from torch's generator: seed it by the step, and give it back as it was."""
        if not self.settings.dropout:
            yield
            return
        device = self.ranks.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seeds.integer(self.settings.seed, "dropout", number))
            yield

    def _predict(self, images: Tensor, priors: Tensor) -> Tensor:
        """The network's own answer for self priors, with the weights of this step."""
        self.network.eval()
        try:
            with torch.inference_mode(), self._precision():
                given = self._inputs(images.contiguous(memory_format=self.layout), priors)
                return foreground(self.network(*given).float())
        finally:
            self.network.train()

    def _watched(self, frames: Batch) -> list[Tensor]:
        """The network's inputs for pairs of frames.

        The previous mask of both is the network's own answer to the earlier one: so it runs on a video, and what
        differs between the two answers comes from the pictures alone.
        """
        if "prior" not in self.network.inputs:
            return [frames.image]
        earlier = frames.image[: len(frames.image) // 2]
        told = self._predict(earlier, torch.zeros_like(earlier[:, :1]))
        return [frames.image, torch.cat((told, told))[:, None].to(frames.image.dtype)]

    def _inputs(self, images: Tensor, priors: Tensor | None) -> list[Tensor]:
        return [images] if priors is None or "prior" not in self.network.inputs else [images, priors]


def layout(settings: Settings) -> torch.memory_format:
    """How pictures and weights lie in memory."""
    return torch.channels_last if settings.channels_last else torch.contiguous_format


def mixes(settings: Settings, device: torch.device) -> bool:
    """Whether a run takes bfloat16: on a GPU, on a CPU that has arithmetic for it, or on any if asked to."""
    if not settings.amp:
        return False
    return device.type != "cpu" or settings.amp_any_cpu or machine.has_bfloat16()


def make_optimiser(settings: Settings, network: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of the settings; one kernel for all parameters ("fused") takes a third of the time on CPUs too."""
    parameters, decay = network.parameters(), settings.weight_decay
    if settings.optimiser == "sgd":
        return torch.optim.SGD(parameters, settings.lr, momentum=settings.momentum, weight_decay=decay, fused=True)
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind(parameters, settings.lr, weight_decay=decay, fused=True)
