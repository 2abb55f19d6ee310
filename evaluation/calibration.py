"""Calibration: does a soft mask that says 0.8 lie on foreground four times out of five?

Every image adds a histogram over the predicted probability of foreground; the figures are reductions of summed
histograms. They are kept in the table of counts, so that the figures can be had again from it, for a slice or a
resample too: the column ``calibration`` is a list of 4 x 15 numbers, the same in all rows of an image. Bin k holds the
pixels with k/15 <= p < (k+1)/15 (p = 1 is in the last one), and the four rows of 15 are, in this order,

- ``pixels``: how many of them are judged (the truth is not "ignore");
- ``foreground``: how many of those are foreground in the truth;
- ``confidence``: the sum of p over them;
- ``squared_error``: the sum of (p - truth)^2 over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from evaluation.counts import IGNORE, Counts
from masksmith.errors import BadInput

Floats = npt.NDArray[np.float64]

BINS = 15
COLUMN = "calibration"
COLUMNS = ("pixels", "foreground", "confidence", "squared_error")
CONVENTIONS: Mapping[str, str] = {
    "ece": "expected calibration error: |foreground share - mean probability| of 15 equal bins, weighted by pixels, "
    "over all pixels of all images",
    "brier": "mean squared difference of probability and truth, over all pixels of all images",
}
"""Both are better when they are lower, and 0 at best."""


def histogram(soft: npt.NDArray[Any], truth: npt.NDArray[Any], *, ignore: int | None = IGNORE) -> Floats:
    """What one image adds to the sums of :func:`figures`.

    Args:
        soft: (H, W), the probability of foreground: floating in [0, 1], or uint8 grey levels, 255 for 1.
        truth: (H, W) uint8 or bool: 0 background, ``ignore`` not judged, anything else foreground.

    Returns:
        (4, 15) float64: for each bin the sums of :data:`COLUMNS`.

    Raises:
        ValueError: unequal sizes, another type, or a probability outside [0, 1].
    """
    values, goal = np.asarray(soft), np.asarray(truth)
    if values.ndim != 2 or values.shape != goal.shape:
        raise ValueError(f"the prediction is {values.shape}, the truth is {goal.shape}; both must be (H, W)")
    if goal.dtype not in (np.uint8, np.bool_):
        raise ValueError(f"the truth must be uint8 or bool, not {goal.dtype}")
    front = np.asarray(goal != 0)
    judged = None
    if ignore is not None and goal.dtype == np.uint8 and (lost := goal == ignore).any():
        judged = ~lost
    if values.dtype == np.uint8:
        return _of_levels(values, front, judged)
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"a soft mask must be floating or uint8 grey levels, not {values.dtype}")
    return _of_shares(values, front, judged)


def figures(sums: Floats) -> dict[str, Floats]:
    """``ece`` and ``brier``, (R,), of R summed histograms (R, 4, 15); NaN where no pixel was judged.

    ECE as in Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), equation 3, with the probability of
    foreground for the confidence: sum over bins of |foreground - confidence| / pixels of all bins. The Brier score
    (Brier 1950) of a binary event: sum of squared errors / pixels.
    """
    pixels = sums[:, 0].sum(-1)
    under = np.where(pixels > 0, pixels, np.nan)
    return {
        "ece": np.abs(sums[:, 1] - sums[:, 2]).sum(-1) / under,
        "brier": sums[:, 3].sum(-1) / under,
    }


@dataclass(frozen=True)
class Calibration:
    """The histograms of many images.

    Args:
        ids: their names, each once.
        sums: (N, 4, 15) float64, as :func:`histogram` made them.
    """

    ids: tuple[str, ...]
    sums: Floats

    def __post_init__(self) -> None:
        if self.sums.shape != (len(self.ids), len(COLUMNS), BINS):
            raise ValueError(f"histograms of shape {self.sums.shape} for {len(self.ids)} images")
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("ids name images, and each is there once")

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def in_counts(cls, counts: Counts) -> Calibration | None:
        """The histograms that a table of counts holds; None where it holds none.

        Raises:
            BadInput: the column holds something else, or nothing for some images.
        """
        if COLUMN not in counts.table.column_names:
            return None
        rows = counts.column(COLUMN)
        want = f"{len(COLUMNS)} x {BINS} numbers for each image in the column {COLUMN!r}"
        try:
            sums = np.asarray(rows, np.float64).reshape(len(rows), len(COLUMNS), BINS)
        except (ValueError, TypeError):
            raise BadInput("the counts", want, "something else for some of them", "evaluate the masks again") from None
        return cls(tuple(counts.column("id")), sums)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, Floats]]) -> Calibration:
        """From (id, histogram) of each image."""
        ids, sums = [], []
        for name, added in pairs:
            ids.append(str(name))
            sums.append(added)
        return cls(tuple(ids), np.stack(sums) if sums else np.zeros((0, len(COLUMNS), BINS)))

    def merge(self, *others: Calibration) -> Calibration:
        """This table and others as one.

        Raises:
            ValueError: an id is in two of them.
        """
        everyone = (self, *others)
        return Calibration(
            tuple(name for one in everyone for name in one.ids), np.concatenate([o.sums for o in everyone])
        )

    def take(self, images: Sequence[int] | npt.NDArray[Any]) -> Calibration:
        """Some images, by position."""
        chosen = np.asarray(images, np.int64)
        return Calibration(tuple(self.ids[k] for k in chosen), self.sums[chosen])

    def figures(self) -> dict[str, float]:
        """``ece`` and ``brier`` over all pixels of all images; NaN where nothing was judged."""
        return {name: float(value[0]) for name, value in figures(self.sums.sum(0)[None]).items()}

    def reliability(self) -> list[dict[str, float]]:
        """One row per bin: ``low``, ``high``, ``pixels``, ``confidence`` (mean p), ``foreground`` (share).

        The last two are NaN in a bin without pixels.
        """
        pixels, front, said, _ = self.sums.sum(0)
        under = np.where(pixels > 0, pixels, np.nan)
        return [
            {
                "low": k / BINS,
                "high": (k + 1) / BINS,
                "pixels": float(pixels[k]),
                "confidence": float(said[k] / under[k]),
                "foreground": float(front[k] / under[k]),
            }
            for k in range(BINS)
        ]


def kept(added: Floats) -> dict[str, list[float]]:
    """A histogram as a further column of :meth:`evaluation.counts.CountsBuilder.add`."""
    return {COLUMN: added.ravel().tolist()}


def noted(counts: Counts, found: Calibration) -> Counts:
    """The counts with the histograms of their images beside them.

    Raises:
        ValueError: they are of other images.
    """
    if list(found.ids) != counts.column("id"):
        raise ValueError("the histograms are of other images than the counts")
    size = len(COLUMNS) * BINS
    values = pa.array(found.sums.ravel())
    each = pa.ListArray.from_arrays(pa.array(np.arange(len(found) + 1, dtype=np.int32) * size), values)
    column = each.take(pa.array(np.repeat(np.arange(len(found)), len(counts.class_ids))))
    table = counts.table.drop_columns([COLUMN]) if COLUMN in counts.table.column_names else counts.table
    return Counts(table.append_column(COLUMN, column), counts.class_ids, counts.info)


def _of_levels(
    levels: npt.NDArray[np.uint8], front: npt.NDArray[np.bool_], judged: npt.NDArray[np.bool_] | None
) -> Floats:
    """From the 512 numbers of pixels with each level on either side: exact, and one pass over the image."""
    codes = levels.astype(np.uint16)
    codes |= front.astype(np.uint16) << 8
    seen = np.bincount((codes if judged is None else codes[judged]).ravel(), minlength=512).reshape(2, 256)
    shares = np.arange(256) / 255
    bins = _bin(shares)
    parts = (seen.sum(0), seen[1], seen.sum(0) * shares, seen[0] * shares**2 + seen[1] * (1 - shares) ** 2)
    return np.stack([np.bincount(bins, part, BINS) for part in parts])


def _of_shares(values: npt.NDArray[Any], front: npt.NDArray[np.bool_], judged: npt.NDArray[np.bool_] | None) -> Floats:
    shares = values.ravel() if judged is None else values[judged]
    goal = front.ravel() if judged is None else front[judged]
    shares = shares.astype(np.float64)
    if shares.size and not (shares.min() >= 0 and shares.max() <= 1):  # NaN fails too
        raise ValueError("a soft mask must be in [0, 1]")
    bins = _bin(shares)
    wrong = np.square(shares - goal)
    return np.stack(
        [
            np.bincount(bins, minlength=BINS).astype(np.float64),
            np.bincount(bins, goal, BINS),
            np.bincount(bins, shares, BINS),
            np.bincount(bins, wrong, BINS),
        ]
    )


def _bin(shares: Floats) -> npt.NDArray[np.int64]:
    return np.minimum((shares * BINS).astype(np.int64), BINS - 1)
