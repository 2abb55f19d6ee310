"""The threshold of soft predictions: the counts at every threshold from one look at each image.

A pixel is foreground at all thresholds up to its level. A histogram of levels over the thresholds, summed from the top,
therefore gives the true and false positives at each of them; no image is thresholded twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation import region
from evaluation.coding import Coding
from evaluation.counts import IGNORE, Counts, CountsBuilder
from evaluation.inputs import Pair, Reader
from masksmith.errors import UsageProblem, unknown_choice

THRESHOLDS = tuple(k / 100 for k in range(1, 100))
FIGURES = ("iou_fg_image", "miou_image", "iou_fg_dataset", "miou_dataset")
LEAK = "a threshold chosen on the images that judge it is a leak: choose it on val, then judge test with --threshold"


class Sweep:
    """Collects the counts of images at many thresholds.

    Args:
        thresholds: ascending, in [0, 1]; a level of at least a threshold is foreground there.

    Raises:
        UsageProblem: thresholds out of order or range, or none.
    """

    def __init__(self, thresholds: Sequence[float] = THRESHOLDS) -> None:
        self.thresholds = tuple(float(t) for t in thresholds)
        if (
            not self.thresholds
            or list(self.thresholds) != sorted({*self.thresholds})
            or not (self.thresholds[0] >= 0 and self.thresholds[-1] <= 1)
        ):
            raise UsageProblem("thresholds must ascend from 0 to 1, each once")
        self._edges = np.asarray(self.thresholds, np.float32)  # as numpy compares a float32 level with a number
        self._names: list[str] = []
        self._found: list[npt.NDArray[np.int64]] = []

    def __len__(self) -> int:
        return len(self._names)

    def add(self, id: str, level: npt.NDArray[np.floating[Any]], truth: npt.NDArray[np.uint8]) -> None:
        """Count one image at all thresholds.

        Args:
            level: (H, W) float32 in [0, 1].
            truth: (H, W) uint8: 0 background, 255 not judged, anything else foreground.

        Raises:
            ValueError: unequal sizes.
        """
        if level.shape != truth.shape:
            raise ValueError(f"the prediction is {level.shape}, the truth is {truth.shape} (height, width)")
        reached = np.searchsorted(self._edges, level.astype(np.float32, copy=False).ravel(), side="right")
        goal = truth.ravel()
        size = len(self.thresholds) + 1
        where = np.where(goal == IGNORE, 2, goal != 0)
        histogram = np.bincount(where * size + reached, minlength=3 * size)[: 2 * size].reshape(2, size)
        from_top = histogram[:, ::-1].cumsum(1)[:, ::-1]  # [side, k]: pixels that reach at least k thresholds
        false, true = from_top[:, 1:]
        total_false, total_true = from_top[:, 0]
        self._names.append(id)
        self._found.append(np.stack([true, false, total_true - true, total_false - false], -1))

    def counts(self, position: int) -> Counts:
        """The counts of all images at the threshold of that position, as an evaluation there would give them."""
        builder = CountsBuilder()
        for name, found in zip(self._names, self._found, strict=True):
            front = found[position]
            builder.add(name, np.stack([front[[3, 2, 1, 0]], front]))
        return builder.build()

    def document(self, *, headline: str = FIGURES[0], empty: str = "one") -> dict[str, Any]:
        """The curves as a JSON value: ``thresholds``, each of :data:`FIGURES` (a list), ``best`` (``figure``,
        ``threshold``, ``value``) and ``note``: that a threshold chosen here is a leak on these images.

        Raises:
            UsageProblem: no such figure, or an unknown policy.
        """
        if headline not in FIGURES:
            raise unknown_choice("figure of a sweep", headline, FIGURES)
        curves = self._curves(empty)
        best = int(np.nanargmax(curves[headline])) if np.isfinite(curves[headline]).any() else None
        return {
            "thresholds": list(self.thresholds),
            **{name: [None if np.isnan(v) else float(v) for v in values] for name, values in curves.items()},
            "best": None
            if best is None
            else {"figure": headline, "threshold": self.thresholds[best], "value": float(curves[headline][best])},
            "note": LEAK,
        }

    def _curves(self, empty: str) -> dict[str, npt.NDArray[np.float64]]:
        fill = region.fill_value(empty)
        sums = np.zeros((2, len(self.thresholds)))
        numbers = np.zeros((2, len(self.thresholds)))
        total = np.zeros((len(self.thresholds), 4), np.int64)
        for found in self._found:
            total += found
            front, back = _iou(found, fill), _iou(found[:, ::-1], fill)
            for row, values in enumerate((front[None], np.stack([front, back]))):
                sums[row] += np.nan_to_num(values).sum(0)
                numbers[row] += (~np.isnan(values)).sum(0)
        with np.errstate(invalid="ignore"):
            means = np.where(numbers == 0, np.nan, sums / np.maximum(numbers, 1))
            both = np.stack([_iou(total, fill), _iou(total[:, ::-1], fill)])
            there = ~np.isnan(both)
            dataset = np.where(there.any(0), np.nan_to_num(both).sum(0) / np.maximum(there.sum(0), 1), np.nan)
        return dict(zip(FIGURES, (means[0], means[1], both[0], dataset), strict=True))


def over_pairs(
    pairs: Sequence[Pair],
    reader: Reader,
    coding: Coding,
    thresholds: Sequence[float] = THRESHOLDS,
    *,
    advance: Callable[[int], None] = lambda items: None,
) -> Sweep:
    """The sweep of two folders of which the predictions are soft; reads every pair once.

    Raises:
        BadInput: a file cannot be read, or sizes differ.
    """
    found = Sweep(thresholds)
    for pair in pairs:
        level, truth = reader.frame(pair, coding)
        found.add(pair.name, level, truth)
        advance(1)
    return found


def _iou(counts: npt.NDArray[np.int64], fill: float) -> npt.NDArray[np.float64]:
    """IoU of (K, 4) TP, FP, FN, TN; read backwards they are the background's."""
    union = counts[:, :3].sum(-1)
    return np.where(union == 0, fill, counts[:, 0] / np.maximum(union, 1))
