"""Calibration: does a soft mask that says 0.8 lie on foreground four times out of five?

Every image adds a histogram over the predicted probability of foreground; the figures are reductions of summed
histograms, so they can be had again, for a slice or a resample, from the table alone. Beside ``counts.parquet`` the
table is ``calibration.parquet``: one row per image and bin, the rows of an image together, with the columns

- ``id``: the image, as in ``counts.parquet``;
- ``bin``: k = 0 .. 14, the pixels with k/15 <= p < (k+1)/15; p = 1 is in the last one;
- ``pixels``: how many of them are judged (the truth is not "ignore");
- ``foreground``: how many of those are foreground in the truth;
- ``confidence``: the sum of p over them;
- ``squared_error``: the sum of (p - truth)^2 over them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from masksmith import files
from masksmith.errors import BadInput

Floats = npt.NDArray[np.float64]

BINS = 15
IGNORE = 255
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

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write the table atomically; its columns are those of this module's first words."""
        columns: dict[str, pa.Array] = {
            "id": pa.array(self.ids, pa.string()).take(pa.array(np.repeat(np.arange(len(self)), BINS))),
            "bin": pa.array(np.tile(np.arange(BINS, dtype=np.int32), len(self))),
        }
        for position, name in enumerate(COLUMNS):
            kind = pa.int64() if position < 2 else pa.float64()
            columns[name] = pa.array(self.sums[:, position].ravel()).cast(kind)
        table = pa.table(columns).replace_schema_metadata({b"masksmith": json.dumps({"bins": BINS}).encode()})
        with files.atomic(path) as part:
            pq.write_table(table, part, compression="zstd")

    @classmethod
    def from_parquet(cls, path: str | os.PathLike[str]) -> Calibration:
        """Read what :meth:`to_parquet` wrote.

        Raises:
            BadInput: no such file, or not such a table.
        """
        want, fix = "a calibration.parquet that masksmith evaluate wrote", "check the path"
        try:
            table = pq.read_table(os.fspath(path))
        except FileNotFoundError:
            raise BadInput(path, want, "no such file", fix) from None
        except (pa.ArrowException, OSError) as fault:
            raise BadInput(path, want, f"something else ({str(fault).splitlines()[0]})", fix) from None
        missing = [name for name in ("id", "bin", *COLUMNS) if name not in table.column_names]
        if missing:
            raise BadInput(path, want, f"a table without the columns {', '.join(missing)}", fix)
        number = table.num_rows // BINS
        names = table["id"].to_numpy(zero_copy_only=False)
        laid = np.tile(np.arange(BINS), number)
        if not np.array_equal(laid, table["bin"].to_numpy()) or not np.array_equal(
            names, np.repeat(names[::BINS], BINS)
        ):
            raise BadInput(path, want, f"rows that are not {BINS} per image", "evaluate the masks again")
        try:
            sums = np.stack(
                [np.asarray(table[name].to_numpy(), np.float64).reshape(number, BINS) for name in COLUMNS], 1
            )
            return cls(tuple(map(str, names[::BINS])), sums)
        except (ValueError, TypeError) as fault:
            raise BadInput(path, want, str(fault), "evaluate the masks again") from None


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
