"""Whether an exported file does what the network does: the same pictures through both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from evaluation import dataset
from evaluation.evaluator import Evaluator
from manifests.manifest import Manifest
from masksmith import images, seeds
from masksmith.errors import CheckFailed
from masksmith.exported import Model
from trainers.networks.layers import Network, foreground

IOU_CHANGE = 1e-3
"""A float export that changes the mean IoU by this much or more is refused."""
ERROR = 1e-3
"""So is one with a probability off by more, where no truth says what that does to the IoU."""
UNTRAINED = 1e-2
"""The same of random weights, where the rounding of 32 bits alone comes near ``ERROR`` in the deepest networks."""


@dataclass(frozen=True)
class Sample:
    """A picture at the network's size with its truth; ``mask`` is (h, w) of 0, 1 and 255, or None."""

    image: images.Image
    mask: images.Mask | None


@dataclass(frozen=True)
class Check:
    """What the comparison found.

    Attributes:
        pictures: how many, and ``real`` whether they are from a dataset.
        max_error, mean_error: of the probability, over all pixels.
        changed: share of pixels on another side of 0.5.
        iou_torch, iou_export: ``iou_fg_image`` against the truth at the network's size; None without truth.
        agreement: ``iou_fg_image`` of the export's masks against PyTorch's.
    """

    pictures: int
    real: bool
    max_error: float
    mean_error: float
    changed: float
    agreement: float
    iou_torch: float | None = None
    iou_export: float | None = None

    @property
    def iou_change(self) -> float | None:
        """IoU of the export minus IoU of PyTorch."""
        if self.iou_torch is None or self.iou_export is None:
            return None
        return self.iou_export - self.iou_torch

    def as_json(self) -> dict[str, Any]:
        return {**self.__dict__, "iou_change": self.iou_change}


def from_manifest(
    data: Path, trained_on: Sequence[str] | None, size: tuple[int, int], count: int, split: str | None = None
) -> list[Sample]:
    """``count`` records of a dataset, spread over it, at ``size`` (height, width).

    Raises:
        BadInput, UsageProblem: as :func:`evaluation.dataset.pick` and :func:`evaluation.dataset.foreground`.
    """
    manifest = Manifest.open(data)
    records, _, _ = dataset.pick(manifest, split)
    front = dataset.foreground(manifest.info.classes, trained_on)
    truth = dataset.TruthReader(manifest.info.classes, front)
    places = np.unique(np.linspace(0, len(records) - 1, min(count, len(records))).round().astype(int))
    made = []
    for place in places:
        record = records[place]
        image = images.resize_image(images.read_image(manifest.path(record.image)), *size)
        mask = images.resize_mask(truth(manifest.path(record.mask or "")), *size)
        made.append(Sample(image, mask))
    return made


def made_up(size: tuple[int, int], count: int, seed: int = 0) -> list[Sample]:
    """Smooth noise, where no data is given."""
    rng = seeds.rng(seed, "export pictures")
    coarse = [rng.integers(0, 256, (7, 7, 3)).astype(np.uint8) for _ in range(count)]
    return [Sample(images.resize_image(picture, *size), None) for picture in coarse]


def compare(network: Network, model: Model, samples: Sequence[Sample], *, real: bool) -> Check:
    """Run the samples through both; every second one with the mask before it as the prior, where there is one.

    Args:
        network: as trained, not folded.
        model: the exported file, opened.

    Raises:
        ValueError: no samples.
    """
    if not samples:
        raise ValueError("no pictures to compare on")
    worst, total, pixels, changed = 0.0, 0.0, 0, 0
    ours, theirs, between = Evaluator(), Evaluator(), Evaluator()
    coded = model.meta.get("output") == "classes"
    for sample, given in zip(samples, _with_priors(network, samples), strict=True):
        wanted = _asked(network, sample.image, given)
        prior = None if model.prior is None else model.prepare_prior(given, wanted.shape)
        found = model.run(model.prepare(sample.image), prior)
        if coded:
            error = np.abs(found - (wanted >= 0.5))
        else:
            error = np.abs(found - wanted)
        worst, total, pixels = max(worst, float(error.max())), total + float(error.sum()), pixels + error.size
        first, second = wanted >= 0.5, found >= 0.5
        changed += int((first != second).sum())
        between.update(second, first.astype(np.uint8))
        if sample.mask is not None:
            ours.update(first, sample.mask)
            theirs.update(second, sample.mask)
    truth = len(ours) > 0
    return Check(
        pictures=len(samples),
        real=real,
        max_error=worst,
        mean_error=total / pixels,
        changed=changed / pixels,
        agreement=between.compute()["iou_fg_image"],
        iou_torch=ours.compute()["iou_fg_image"] if truth else None,
        iou_export=theirs.compute()["iou_fg_image"] if truth else None,
    )


def refuse(check: Check, place: Path, *, int8: bool, post: bool, limit: float = ERROR) -> None:
    """Stop where a float export is another function than the network.

    Args:
        limit: how far a probability may be off.

    Raises:
        CheckFailed: the IoU changed by ``IOU_CHANGE`` or more, or a probability by more than ``limit``.
    """
    if int8:
        return
    change = check.iou_change
    if change is not None and abs(change) >= IOU_CHANGE:
        raise CheckFailed(f"{place}: the IoU changed by {change:+.4f} on {check.pictures} pictures; do not use it")
    if not post and check.max_error > limit:
        raise CheckFailed(
            f"{place}: a probability differs by {check.max_error:.1e} from PyTorch's on {check.pictures} pictures; "
            "do not use it"
        )


def _with_priors(network: Network, samples: Sequence[Sample]) -> Iterator[npt.NDArray[np.float32] | None]:
    """No prior and the network's own mask of the picture before, by turns."""
    before: npt.NDArray[np.float32] | None = None
    for number, sample in enumerate(samples):
        if "prior" not in network.inputs or number % 2 == 0:
            yield None
        else:
            yield before
        if "prior" in network.inputs and number % 2 == 0:
            before = _asked(network, sample.image, None)


def _asked(network: Network, image: images.Image, prior: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32]:
    """(h, w) the network's own answer."""
    height, width = image.shape[:2]
    given = [torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255)[None]]
    if "prior" in network.inputs:
        mask = np.zeros((height, width), np.float32) if prior is None else prior
        given.append(torch.from_numpy(mask)[None, None])
    with torch.inference_mode():
        return foreground(network(*given))[0].numpy()
