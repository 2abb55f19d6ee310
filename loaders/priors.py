"""Simulated previous-frame masks, the second input of a video network (document P, section on the prior mask).

A network that runs on video receives its own last mask. Stills have none, so training makes one from the truth:

========  ==================================================================================================
empty     all zeros: the first frame
affine    small affine: turn up to 5 deg, scale 0.95 to 1.05, shift up to 3 % of each side
elastic   smooth random offsets with a mean length of 1.5 to 2.5 px; every second one has a small affine too
major     large affine: turn up to 45 deg, scale 0.6 to 1.5, shift up to 30 %; drawn again until IoU < 0.6
self      the network's own soft answer on a grid-distorted copy of the image, not warped back
========  ==================================================================================================

The paper's weights add up to 110 %; they are weights and are normalised. Its "small affine and/or elastic" is read
as equal thirds of affine alone, elastic alone, and both; "both" counts as ``elastic``. Lengths are pixels at the
working resolution. Where no network is at hand, ``self`` falls back to a small warp (``Prior.steps`` says so).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loaders import warps
from masksmith.errors import unknown_choice
from masksmith.images import Image

PRIOR_KINDS = ("empty", "affine", "elastic", "major", "self")

Soft = npt.NDArray[np.float32]
"""(H, W) float32 in [0, 1]."""

SMALL_TURN_DEG, SMALL_SCALE, SMALL_SHIFT = 5.0, (0.95, 1.05), 0.03
MAJOR_TURN_DEG, MAJOR_SCALE, MAJOR_SHIFT = 45.0, (0.6, 1.5), 0.30
ELASTIC_MEAN_PX = (1.5, 2.5)
GRID_LIMIT = (0.1, 0.2)
MAJOR_IOU, MAJOR_TRIES = 0.6, 20


@dataclass(frozen=True)
class Mix:
    """Weights of the kinds of prior; :attr:`shares` are the probabilities.

    ``small`` is the weight of "small affine and/or elastic" together; ``affine`` and ``elastic`` come to its parts.
    """

    name: str
    empty: float
    small: float
    major: float
    self_: float
    affine: float = 0.0
    elastic: float = 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Kind -> probability; they add up to 1."""
        affine, elastic = self.affine + self.small / 3, self.elastic + self.small * 2 / 3
        weights = (self.empty, affine, elastic, self.major, self.self_)
        total = sum(weights)
        return {kind: weight / total for kind, weight in zip(PRIOR_KINDS, weights, strict=True)}


MIXES = {
    mix.name: mix
    for mix in (
        Mix("paper", empty=40, small=35, major=5, self_=30),
        Mix("empty30", empty=30, small=35, major=5, self_=30),
        # without a network: the weight of "self" goes to the small warps
        Mix("data", empty=40, small=65, major=5, self_=0),
        # one kind alone beside the paper's share of empty ones, to tell what each is good for
        Mix("empty+affine", empty=40, small=0, major=0, self_=0, affine=60),
        Mix("empty+elastic", empty=40, small=0, major=0, self_=0, elastic=60),
        Mix("empty+major", empty=40, small=0, major=60, self_=0),
        Mix("empty+self", empty=40, small=0, major=0, self_=60),
    )
}


def find_mix(name: str) -> Mix:
    """The mix of that name.

    Raises:
        UsageProblem: there is none; the choices are listed.
    """
    if name not in MIXES:
        raise unknown_choice("prior mix", name, MIXES)
    return MIXES[name]


@dataclass(frozen=True)
class Prior:
    """One simulated previous mask.

    Attributes:
        mask: (H, W) float32 in [0, 1].
        kind: one of :data:`PRIOR_KINDS`, as asked for.
        displacement_px: mean distance over the image that pixels were moved; 0 for ``empty``.
        iou_with_truth: IoU of prior and truth, both cut at 0.5; 1 where both are empty.
        steps: what was done, e.g. ``("elastic", "affine")``; for a ``self`` that fell back, the small warp.
    """

    mask: Soft
    kind: str
    displacement_px: float
    iou_with_truth: float
    steps: tuple[str, ...]


def draw_kind(rng: np.random.Generator, mix: Mix) -> str:
    """A kind of prior, drawn by the weights of ``mix``."""
    edges = np.cumsum(list(mix.shares.values()))
    return PRIOR_KINDS[min(int(np.searchsorted(edges, rng.random(), side="right")), len(PRIOR_KINDS) - 1)]


def make_prior(mask: npt.NDArray[Any], kind: str, rng: np.random.Generator) -> Prior:
    """A previous mask of this kind, made from the truth.

    Args:
        mask: (H, W) foreground, uint8 or bool (anything above 0 is foreground) or float32 in [0, 1].
        kind: one of :data:`PRIOR_KINDS`. ``self`` gives its fallback, a small warp: the real one needs a network,
            see :func:`loaders.batches.fill_self_priors`.

    Raises:
        UsageProblem: an unknown kind.
        ValueError: the mask is not (H, W).
    """
    if mask.ndim != 2:
        raise ValueError(f"a mask is (H, W), not {mask.shape}")
    truth = mask.astype(np.float32) if mask.dtype.kind == "f" else (mask > 0).astype(np.float32)
    if kind == "empty":
        blank = np.zeros_like(truth)
        return Prior(blank, kind, 0.0, overlap(blank, truth), ())
    if kind == "major":
        return _major(truth, rng)
    if kind in ("affine", "elastic", "self"):
        return _small(truth, kind, rng)
    raise unknown_choice("kind of prior", kind, PRIOR_KINDS)


def grid_distort(image: Image, rng: np.random.Generator) -> Image:
    """The distorted picture a network answers on for a ``self`` prior: (H, W, 3) uint8 in and out.

    A 5 x 5 grid whose rows and columns are stretched by up to 10 to 20 %, the outer edges fixed.
    """
    height, width = image.shape[:2]
    places = warps.grid_field(rng, height, width, rng.uniform(*GRID_LIMIT))
    moved = cv2.remap(image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def overlap(prior: npt.NDArray[Any], truth: npt.NDArray[Any]) -> float:
    """IoU of two soft masks cut at 0.5; 1 where both are empty."""
    first, second = prior >= 0.5, truth >= 0.5
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 1.0


@dataclass
class PriorHistogram:
    """How often each kind was drawn; training logs it beside the shares that were asked for."""

    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(PRIOR_KINDS), np.int64))

    def add(self, kinds: Iterable[int] | Iterable[str]) -> None:
        """Count kinds, given as names or as indices into :data:`PRIOR_KINDS` (an array or tensor will do)."""
        indices = [PRIOR_KINDS.index(kind) if isinstance(kind, str) else int(kind) for kind in kinds]
        self.counts += np.bincount(indices, minlength=len(PRIOR_KINDS))

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def shares(self) -> dict[str, float]:
        """Kind -> realised share; all 0 before anything was counted."""
        return {kind: int(count) / max(self.total, 1) for kind, count in zip(PRIOR_KINDS, self.counts, strict=True)}

    def rows(self, mix: Mix | None = None) -> list[Mapping[str, Any]]:
        """One row a kind: kind, count, share, and with ``mix`` the share asked for as ``wanted``."""
        realised = self.shares()
        wanted = mix.shares if mix else {}
        return [
            {
                "kind": kind,
                "count": int(count),
                "share": realised[kind],
                **({"wanted": wanted[kind]} if mix else {}),
            }
            for kind, count in zip(PRIOR_KINDS, self.counts, strict=True)
        ]


def _small(truth: Soft, kind: str, rng: np.random.Generator) -> Prior:
    if kind == "self":
        elastic, turned = ((False, True), (True, False), (True, True))[rng.integers(3)]
    else:
        elastic = kind == "elastic"
        turned = not elastic or rng.random() < 0.5
    steps = ("elastic",) * elastic + ("affine",) * turned
    height, width = truth.shape
    matrix = _draw_affine(rng, height, width, SMALL_TURN_DEG, SMALL_SCALE, SMALL_SHIFT) if turned else None
    if elastic:
        offsets = warps.elastic_field(rng, height, width, rng.uniform(*ELASTIC_MEAN_PX))
        here = warps.positions(height, width)
        places = here + offsets if matrix is None else warps.affine_field(matrix, offsets, height, width)
        moved = warps.mean_length(offsets if matrix is None else places - here)
        # what touches the frame's edge goes on behind it, so a small move uncovers more of the same
        prior = cv2.remap(truth, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    else:
        matrix = np.eye(3) if matrix is None else matrix
        moved = warps.affine_displacement(matrix, height, width)
        prior = _affine(truth, matrix, cv2.BORDER_REPLICATE)
    return Prior(prior, kind, moved, overlap(prior, truth), steps)


def _major(truth: Soft, rng: np.random.Generator) -> Prior:
    """A large move, drawn again until it is far enough off; after some tries the farthest one.

    An empty truth stays empty wherever it is moved: the first draw is taken.
    """
    height, width = truth.shape
    best: Prior | None = None
    empty = not np.any(truth >= 0.5)
    for _ in range(MAJOR_TRIES):
        matrix = _draw_affine(rng, height, width, MAJOR_TURN_DEG, MAJOR_SCALE, MAJOR_SHIFT)
        moved = _affine(truth, matrix, cv2.BORDER_CONSTANT)
        iou = overlap(moved, truth)
        if best is None or iou < best.iou_with_truth:
            best = Prior(moved, "major", warps.affine_displacement(matrix, height, width), iou, ("affine",))
        if empty or iou < MAJOR_IOU:
            break
    if best is None:
        raise ValueError("MAJOR_TRIES must be at least 1")
    return best


def _draw_affine(
    rng: np.random.Generator, height: int, width: int, turn_deg: float, scale: tuple[float, float], shift: float
) -> warps.Matrix:
    angle, size, x, y = rng.uniform((-turn_deg, scale[0], -shift, -shift), (turn_deg, scale[1], shift, shift))
    return warps.centred_affine(height, width, angle_deg=angle, scale=size, shift_px=(x * width, y * height))


def _affine(truth: Soft, matrix: warps.Matrix, border: int) -> Soft:
    height, width = truth.shape
    return np.asarray(
        cv2.warpAffine(truth, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=border), np.float32
    )
