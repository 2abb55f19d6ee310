"""Several processes that train one network: started by torchrun, each with its share of every batch.

Rank r of w takes the r-th w-th of each global batch, so the records of an epoch are the same for any number of ranks;
gradients are averaged, and what depends on the whole batch (the statistics of batch normalisation, dropout, the number
of pixels that count) is taken over the whole batch, see :mod:`trainers.whole`. One rank and two then differ by rounding
alone. All ranks need the same data and the same run folder; only rank 0 writes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

from masksmith.errors import EnvironmentFault, UsageProblem
from trainers.predict import pick_device

WAIT = timedelta(minutes=30)
"""How long a rank waits for the others: rank 0 may be writing, or reading the validation records."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        rank, world: which of how many; 0 of 1 for a run of one process.
        device: that its network lives on.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def main(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def check_batch(self, size: int) -> None:
        """Refuse a batch that does not divide evenly, for the mean over ranks would not be the mean over images.

        Raises:
            UsageProblem: it does not.
        """
        if size % self.world:
            raise UsageProblem(f"a batch of {size} does not divide among {self.world} processes; change --set batch=")

    def wait(self) -> None:
        """Until all are here."""
        if self.world > 1:
            distributed.barrier()

    def add(self, values: Sequence[float]) -> list[float]:
        """Numbers summed over the ranks, in double precision, the same on each."""
        if self.world == 1:
            return [float(value) for value in values]
        total = torch.tensor(values, dtype=torch.float64, device=self._place)
        distributed.all_reduce(total)
        return [float(value) for value in total.tolist()]

    def gather(self, value: Any) -> list[Any]:
        """An object of every rank, by rank."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        distributed.all_gather_object(found, value)
        return found

    def mean(self, value: Tensor) -> Tensor:
        """A tensor's mean over the ranks, without a gradient."""
        if self.world == 1:
            return value
        total = value.detach().to(self._place, torch.float64, copy=True)
        distributed.all_reduce(total)
        return (total / self.world).to(value.device)

    def mean_gradients(self, network: nn.Module) -> None:
        """Every gradient becomes its mean over the ranks; all travel together."""
        if self.world == 1:
            return
        found = [value.grad for value in network.parameters() if value.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in found])
        distributed.all_reduce(flat)
        flat.div_(self.world)
        for gradient, mean in zip(found, flat.split([gradient.numel() for gradient in found]), strict=True):
            gradient.copy_(mean.view(gradient.shape))

    @property
    def _place(self) -> torch.device:
        return self.device if distributed.get_backend() == "nccl" else torch.device("cpu")


def is_main() -> bool:
    """Whether this process is rank 0, or the only one; needs nothing to be set up."""
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Meet the other processes that torchrun started; a process of its own is rank 0 of 1.

    NCCL where every rank has a GPU of its own, else gloo.

    Args:
        device: ``cpu``, ``cuda`` or ``auto``.

    Raises:
        UsageProblem, EnvironmentFault: as :func:`trainers.predict.pick_device`; the other processes do not come.
    """
    place, world = pick_device(device), int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks(0, 1, place)
        return
    local, beside = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    backend = "gloo"
    if place.type == "cuda":
        backend = "nccl" if beside <= torch.cuda.device_count() else "gloo"
        place = torch.device("cuda", local % torch.cuda.device_count())
        torch.cuda.set_device(place)
    try:
        distributed.init_process_group(backend, timeout=WAIT)
    except (RuntimeError, ValueError) as fault:
        raise EnvironmentFault(
            f"WORLD_SIZE says {world} processes, and they do not find one another ({fault}); start them with torchrun"
        ) from fault
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size(), place)
    finally:
        distributed.destroy_process_group()
