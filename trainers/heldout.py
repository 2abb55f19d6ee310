"""The validation records of a run: the same ones each time, held in memory, scored after every epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from loaders import Batches
from trainers.losses import IGNORE, Loss
from trainers.networks.layers import Network, foreground
from trainers.ranks import Ranks


@dataclass(frozen=True)
class Score:
    """A network on the held-out records: mean loss, and mIoU over images and classes."""

    loss: float
    miou_image: float
    records: int


class HeldOut:
    """At most ``limit`` records of a split, drawn once by the seed, read once, kept as 8 bits.

    Networks with a second input get an empty prior: a still picture has no previous frame.

    Args:
        batches: of the validation split, not augmented.
        limit: how many records at most.
        check: called before each batch, to be able to stop.
        ranks: each of several processes holds and scores its share of the batches.
    """

    def __init__(
        self,
        batches: Batches,
        limit: int,
        *,
        check: Callable[[], None] | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self._ranks = ranks
        self.images: list[Tensor] = []
        self.masks: list[Tensor] = []
        self.records = 0
        for number, batch in enumerate(batches.epoch(0)):
            if check is not None:
                check()
            part = min(len(batch.ids), limit - self.records)
            if ranks is None or number % ranks.world == ranks.rank:
                self.images.append((batch.image[:part] * 255).round_().to(torch.uint8))
                self.masks.append(batch.mask[:part].clone())
            self.records += part
            if self.records >= limit:
                break

    def __len__(self) -> int:
        """Batches held here."""
        return len(self.images)

    def score(
        self,
        network: Network,
        loss: Loss,
        *,
        check: Callable[[], None] | None = None,
        batches: int | None = None,
    ) -> Score:
        """Score a network in evaluation mode; it goes back to the mode it was in.

        Args:
            network: on its device.
            loss: as in training.
            check: called before each batch, to be able to stop.
            batches: only the first so many.
        """
        place = next(network.parameters()).device
        training = network.training
        network.eval()
        costs, hits, count = 0.0, 0.0, 0
        try:
            with torch.inference_mode():
                for images, masks in list(zip(self.images, self.masks, strict=True))[:batches]:
                    if check is not None:
                        check()
                    given = [images.to(place).to(torch.float32, memory_format=torch.channels_last).div_(255)]
                    target = masks.to(place)
                    if "prior" in network.inputs:
                        given.append(given[0].new_zeros(len(images), 1, *images.shape[-2:]))
                    logits = network(*given).float()
                    costs += float(loss(logits, target)) * len(images)
                    hits += float(image_miou(logits, target).sum())
                    count += len(images)
        finally:
            network.train(training)
        if self._ranks is not None:
            costs, hits, every = self._ranks.add([costs, hits, count])
            count = round(every)
        return Score(costs / count, hits / count, count)


def image_miou(logits: Tensor, target: Tensor) -> Tensor:
    """Mean IoU over the classes of each image (B,); a class absent from prediction and truth counts 1.

    Args:
        logits: (B, outputs, H, W).
        target: (B, H, W) class ids, 255 = ignore.
    """
    binary = logits.shape[1] <= 2
    found = (foreground(logits) >= 0.5).to(torch.uint8) if binary else logits.argmax(dim=1).to(torch.uint8)
    valid = target != IGNORE
    each = []
    for number in range(2 if binary else logits.shape[1]):
        guess, truth = (found == number) & valid, target == number
        both = (guess & truth).sum(dim=(1, 2)).double()
        either = (guess | truth).sum(dim=(1, 2)).double()
        each.append(torch.where(either > 0, both / either.clamp(min=1), torch.ones_like(both)))
    return torch.stack(each).mean(dim=0)
