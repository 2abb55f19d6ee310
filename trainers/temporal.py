"""Pairs of consecutive frames, whose answers training holds together where nothing changed.

After Liu et al. 2020, "Efficient semantic video segmentation with per-frame inference": a network that sees one frame
at a time learns from pairs to answer alike. There optical flow says which pixels belong together; here the truths of
both frames do, see :func:`trainers.losses.consistency`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import torch

from loaders import Batch
from loaders.augment import find_augment
from loaders.samples import Samples
from manifests import Manifest
from masksmith import seeds
from masksmith.errors import BadInput, UsageProblem
from trainers.presets import Settings


class FramePairs:
    """Pairs of frames that follow one another in a clip, both augmented by the same chance.

    A step takes a quarter as many pairs as its batch has pictures, at least one, drawn by the seed and the step alone.

    Args:
        manifest: the data; the split is ``train``.
        settings: of the run.
        foreground: names of the classes that become 1, or None to keep class ids.
        share: (rank, ranks): only that part of a step's pairs.

    Raises:
        UsageProblem: the pairs of a step do not divide among the ranks.
        BadInput: no two frames follow one another; while reading, a damaged file.
    """

    def __init__(
        self,
        manifest: Manifest,
        settings: Settings,
        foreground: tuple[str, ...] | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.pairs = consecutive(manifest)
        if not len(self.pairs):
            raise _no_clips(manifest)
        self.count, self.seed, self.share = max(1, settings.batch // 4), settings.seed, share
        if self.count % share[1]:
            raise UsageProblem(
                f"the {self.count} pairs of frames of a batch of {settings.batch} do not divide among {share[1]} "
                f"processes; take a batch that is a multiple of {4 * share[1]}: --set batch="
            )
        self._augment = find_augment(settings.augment)
        self._samples = Samples(manifest, "train", size=settings.size, foreground=foreground)

    def stream(self, step: int = 0) -> Iterator[Batch]:
        """The pairs of a step and of all that follow."""
        while True:
            yield self.take(step)
            step += 1

    def take(self, step: int) -> Batch:
        """The pairs of a step: n frames, then the n that follow them, without previous masks.

        Raises:
            BadInput: a damaged file, a mask of another size than its picture.
        """
        rng = seeds.rng(self.seed, "pairs", step)
        drawn = rng.choice(len(self.pairs), self.count, replace=self.count > len(self.pairs))
        rank, ranks = self.share
        places = range(self.count * rank // ranks, self.count * (rank + 1) // ranks)
        chosen = [(place, int(index)) for k in (0, 1) for place in places for index in self.pairs[drawn[place], [k]]]
        made = [self._one(step, place, index) for place, index in chosen]
        images = torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image, _ in made])
        masks = torch.stack([torch.from_numpy(mask) for _, mask in made])
        ids = [self._samples.id(index) for _, index in chosen]
        return Batch(images.to(torch.float32).div_(255), masks, None, None, None, ids)

    def _one(self, step: int, place: int, index: int) -> tuple[Any, Any]:
        """A frame and its mask; the generator is the pair's, so that both frames are changed alike."""
        image, mask = self._samples.pair(index)
        chance = seeds.rng(self.seed, "pair", step, place)
        image, mask = self._augment(image, mask, chance, outside=self._samples.table.outside)
        return np.ascontiguousarray(image), np.ascontiguousarray(mask)


def consecutive(manifest: Manifest, split: str = "train") -> npt.NDArray[np.int64]:
    """Positions (n, 2) in a split of the frames k and k + 1 of one clip, in the order of the first."""
    table = manifest.table(columns=["split", "clip", "frame"])
    table = table.filter(pc.equal(table["split"], split))
    seen = list(zip(table["clip"].to_pylist(), table["frame"].to_pylist(), strict=True))
    places = {
        (clip, frame): place for place, (clip, frame) in enumerate(seen) if clip is not None and frame is not None
    }
    found = [(place, places[clip, frame + 1]) for (clip, frame), place in places.items() if (clip, frame + 1) in places]
    return np.array(sorted(found), np.int64).reshape(-1, 2)


def check_clips(manifest: Manifest) -> None:
    """Refuse data without pairs to learn from, before anything is done.

    Raises:
        BadInput: no two training frames follow one another.
    """
    if not len(consecutive(manifest)):
        raise _no_clips(manifest)


def _no_clips(manifest: Manifest) -> BadInput:
    return BadInput(
        manifest.folder,
        "clips in split 'train' for the temporal loss: records with clip and frame, two of them one frame apart",
        "no two frames that follow one another",
        "take data with clips, or leave the loss out: --set temporal=0",
    )
