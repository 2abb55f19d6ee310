"""Batches for training: decoded, resized, augmented, with previous masks, the same for any number of workers.

Every sample has a generator of its own, ``seeds.rng(seed, "sample", epoch, index)``, so a batch depends on the
seed, the epoch and its place in it, and on nothing else. Workers are spawned once and live as long as the
:class:`Batches`; pictures travel from them as 8-bit values and become float32 in the main process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from loaders.cache import decoded
from loaders.priors import PRIOR_KINDS
from loaders.samples import Sample, Samples
from manifests import Manifest
from masksmith import engine, seeds
from masksmith.errors import MasksmithError, UsageProblem

_SELF = PRIOR_KINDS.index("self")


@dataclass(frozen=True)
class Batch:
    """B samples at (H, W).

    Attributes:
        image: (B, 3, H, W) float32 RGB in [0, 1].
        mask: (B, H, W) uint8 class ids, 255 = ignore; 0 and 1 where foreground classes were named.
        prior: (B, 1, H, W) float32 in [0, 1], or None. For the kind ``self`` a small warp stands in until
            :func:`fill_self_priors` puts the network's answer there.
        prior_kind: (B,) int64, index into ``PRIOR_KINDS``, or None.
        warped: (B, 3, H, W) float32, the grid-distorted pictures of the samples of kind ``self`` and zeros for the
            others, or None.
        ids: the records' ids.
        self_filled: whether the ``self`` priors are a network's answers.
    """

    image: Tensor
    mask: Tensor
    prior: Tensor | None
    prior_kind: Tensor | None
    warped: Tensor | None
    ids: list[str]
    self_filled: bool = False


class Batches:
    """The batches of one split of a manifest.

    Use it in a ``with`` block, or call :meth:`close`, to end the workers; they also end with the process.

    Args:
        manifest: the data; every record of the split needs a mask.
        split: ``"train"``, ``"val"``, ``"test"``, or None for all records.
        size: (H, W) in pixels; pictures are resized to it without keeping their aspect.
        batch_size: samples a batch.
        augment: a name in ``AUGMENTS`` such as ``"none"`` or ``"pirshutuk2023"``, or the path of a pipeline of
            Albumentations (:mod:`loaders.pipeline`).
        priors: the mix of previous masks, ``"paper"``, ``"empty30"`` or ``"data"``; None for none.
        seed: of order, augmentation and priors.
        workers: processes that prepare batches; 0 prepares them here. The script that asks for some needs the
            usual ``if __name__ == "__main__":``.
        shuffle: a new order each epoch.
        foreground: names of the classes that become 1, all others 0; None keeps class ids.
        drop_last: leave out the last batch of an epoch where it is not full.
        cache: a folder for decoded pictures; the split is decoded once, into one file there, and read from it.
        share: (rank, ranks): of each batch only that part in its order, for one of several processes.

    Raises:
        UsageProblem: an unknown split's, class's, augmentation's or mix's name, or fewer records than a full batch.
        BadInput: the split is empty, or a record has no mask, or the masks are coded 0/255. While reading: a file
            that is damaged, a mask of another size than its picture, an id the class table does not have.
    """

    def __init__(
        self,
        manifest: Manifest,
        split: str | None,
        *,
        size: tuple[int, int],
        batch_size: int = 32,
        augment: str = "none",
        priors: str | None = None,
        seed: int = 0,
        workers: int = 0,
        shuffle: bool = True,
        foreground: Sequence[str] | None = None,
        drop_last: bool = True,
        cache: str | os.PathLike[str] | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        if min(size) < 8 or batch_size < 1 or workers < 0:
            raise UsageProblem(f"size {size}, batch size {batch_size}, workers {workers}: too small")
        samples = Samples(manifest, split, size=size, augment=augment, mix=priors, seed=seed, foreground=foreground)
        self.seed, self.batch_size, self.shuffle, self.drop_last = seed, batch_size, shuffle, drop_last
        self.workers, self.share = workers, share
        self.records = len(samples)
        self._source = _Source(samples)
        if len(self) == 0:
            raise UsageProblem(
                f"{manifest.folder}: {self.records} records in split {split!r} do not fill one batch of {batch_size}; "
                "take a smaller batch size, or keep the last batch (drop_last=False)"
            )
        if cache is not None:
            runner = engine.get("process" if workers else "serial", workers or None)
            samples.cache = decoded(samples, Path(cache), runner)
        self._plan = _Plan(self)
        self._loader: DataLoader[Any] | None = None
        self._turn = 0

    def __len__(self) -> int:
        """Steps an epoch."""
        full, rest = divmod(self.records, self.batch_size)
        return full + bool(rest and not self.drop_last)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of one epoch; a new call ends an iteration that is still going on."""
        return self._run(number * len(self), (number + 1) * len(self))

    def stream(self, start_step: int = 0) -> Iterator[Batch]:
        """Batches without end, epoch after epoch, from a global step on: resumed training sees what it would have."""
        return self._run(start_step, None)

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """The records' positions in the split, in the order of this epoch."""
        if not self.shuffle:
            return np.arange(self.records, dtype=np.int64)
        return seeds.rng(self.seed, "order", epoch).permutation(self.records).astype(np.int64)

    def close(self) -> None:
        """End the workers."""
        self._loader = None

    def __enter__(self) -> Batches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, start: int, stop: int | None) -> Iterator[Batch]:
        self._turn += 1
        turn = self._turn
        self._plan.start, self._plan.stop = start, stop
        if self._loader is None:
            self._loader = DataLoader(
                cast(Any, self._source),
                batch_sampler=self._plan,
                num_workers=self.workers,
                collate_fn=_same,
                multiprocessing_context="spawn" if self.workers else None,
                persistent_workers=self.workers > 0,
                worker_init_fn=_start_worker if self.workers else None,
                generator=torch.Generator(),  # else it would draw from the global one
            )
        for packed in self._loader:
            if isinstance(packed, MasksmithError):
                raise packed
            yield _unpack(packed)
            if turn != self._turn:  # another iteration has taken the workers over
                return


def fill_self_priors(batch: Batch, predict: Callable[[Tensor, Tensor], Tensor]) -> Batch:
    """Put the network's own answers where the prior's kind is ``self`` (document P).

    The network sees the grid-distorted picture and an empty previous mask; its soft answer, not warped back, is the
    previous mask of the undistorted picture.

    Args:
        predict: (n, 3, H, W) pictures and (n, 1, H, W) empty priors -> (n, H, W) soft foreground in [0, 1]. It must
            run the network in evaluation mode; gradients are off during the call.

    Returns:
        A batch with new priors; the one passed in is not changed. Without a ``self`` sample, ``predict`` is not
        called.

    Raises:
        ValueError: ``predict`` returned another shape.
    """
    if batch.prior is None or batch.prior_kind is None or batch.warped is None:
        return batch
    chosen = batch.prior_kind == _SELF
    if not bool(chosen.any()):
        return replace(batch, self_filled=True)
    pictures = batch.warped[chosen]
    with torch.no_grad():
        soft = predict(pictures, torch.zeros_like(pictures[:, :1]))
    if soft.shape != (pictures.shape[0], *pictures.shape[2:]):
        raise ValueError(f"predict returned {tuple(soft.shape)} for pictures of {tuple(pictures.shape)}")
    prior = batch.prior.clone()
    prior[chosen] = soft.detach().clamp(0.0, 1.0).to(prior)[:, None]
    return replace(batch, prior=prior, self_filled=True)


@dataclass(frozen=True)
class _Packed:
    """A batch on its way from a worker: 8 bits where they can be, tensors because torch shares their memory.

    ``image`` and ``warped`` are (n, 3, H, W) uint8; ``warped`` of the samples of kind "self" alone.
    """

    image: Tensor
    mask: Tensor
    prior: Tensor | None
    prior_kind: Tensor | None
    warped: Tensor | None
    ids: list[str]


class _Source:
    """What a worker runs: a list of (epoch, index) pairs becomes a packed batch."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> _Packed | MasksmithError:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[tuple[int, int]]) -> _Packed | MasksmithError:
        # an error travels as a value: torch would turn it into a RuntimeError with a traceback for a message
        try:
            return _pack([self.samples.sample(*key) for key in keys])
        except MasksmithError as fault:
            return fault


class _Plan(Sampler[list[tuple[int, int]]]):
    """Which (epoch, index) pairs make each step from ``start`` to ``stop``, or on and on."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.start: int = 0
        self.stop: int | None = 0

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step, stop = self.start, self.stop
        known, order = -1, np.empty(0, np.int64)
        while stop is None or step < stop:
            epoch, place = divmod(step, len(self.batches))
            if epoch != known:
                known, order = epoch, self.batches.order(epoch)
            size = self.batches.batch_size
            whole = order[place * size : (place + 1) * size]
            rank, ranks = self.batches.share
            part = whole[len(whole) * rank // ranks : len(whole) * (rank + 1) // ranks]
            yield [(epoch, int(index)) for index in part]
            step += 1


def _pack(samples: list[Sample]) -> _Packed:
    kinds = [PRIOR_KINDS.index(s.kind) for s in samples if s.kind is not None]
    made = [s.prior for s in samples if s.prior is not None]
    warped = [s.warped for s in samples if s.warped is not None]
    return _Packed(
        image=_planes([s.image for s in samples]),
        mask=torch.from_numpy(np.stack([s.mask for s in samples])),
        prior=torch.from_numpy(np.stack(made)) if made else None,
        prior_kind=torch.tensor(kinds) if kinds else None,
        warped=_planes(warped) if warped else None,
        ids=[s.id for s in samples],
    )


def _planes(pictures: list[npt.NDArray[np.uint8]]) -> Tensor:
    """(H, W, 3) pictures as (n, 3, H, W) uint8; OpenCV takes the channels apart much faster than a copy of strides."""
    height, width = pictures[0].shape[:2]
    planes = np.empty((len(pictures), 3, height, width), np.uint8)
    for place, picture in enumerate(pictures):
        planes[place] = cv2.split(picture)
    return torch.from_numpy(planes)


def _unpack(packed: _Packed) -> Batch:
    image = _floats(packed.image)
    warped = None
    if packed.prior_kind is not None:
        warped = torch.zeros_like(image)
        if packed.warped is not None:
            warped[packed.prior_kind == _SELF] = _floats(packed.warped)
    return Batch(
        image=image,
        mask=packed.mask,
        prior=None if packed.prior is None else packed.prior[:, None],
        prior_kind=packed.prior_kind,
        warped=warped,
        ids=packed.ids,
    )


def _floats(planes: Tensor) -> Tensor:
    """uint8 to float32 in [0, 1]."""
    return planes.to(torch.float32).div_(255)


def _same(packed: Any) -> Any:
    return packed


def _start_worker(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
