"""Judging masks from Python, array by array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation import boundary, intervals, region
from evaluation.counts import IGNORE, Counts, CountsBuilder, count_image


class Evaluator:
    """Counts pairs of masks as they come and reduces them when asked.

    Args:
        class_ids: the classes; background (0) included.
        ignore: the truth's value for pixels that are not judged; None where there is none.
        empty: what a class absent from both sides gets: ``one``, ``skip`` or ``zero``.
        tolerance: measure boundaries too, ``surface_dice`` within so many pixels; None leaves them out.

    Example:
        >>> judge = Evaluator()
        >>> truth = np.zeros((4, 4), np.uint8)
        >>> truth[1:3, 1:3] = 1
        >>> judge.update(truth, truth, subject="anna")
        >>> round(judge.compute()["iou_fg_image"], 3)
        1.0
    """

    def __init__(
        self,
        class_ids: Sequence[int] = (0, 1),
        *,
        ignore: int | None = IGNORE,
        empty: str = "one",
        tolerance: float | None = None,
    ) -> None:
        self.class_ids, self.ignore, self.empty, self.tolerance = tuple(class_ids), ignore, empty, tolerance
        region.fill_value(empty)
        self.reset()

    def __len__(self) -> int:
        return len(self._builder) + (len(self._merged) if self._merged else 0)

    def reset(self) -> None:
        """Forget everything counted so far."""
        self._builder = self._fresh()
        self._merged: Counts | None = None

    def update(
        self,
        pred: npt.NDArray[Any],
        truth: npt.NDArray[Any],
        *,
        id: str | None = None,
        subject: str | None = None,
        **columns: Any,
    ) -> None:
        """Count one image.

        Args:
            pred: (H, W) uint8 or bool, class ids. A soft prediction is yours to threshold.
            truth: (H, W) uint8 or bool, class ids or ``ignore``.
            id: the image's name; its number by default.
            subject: who or what is in it: intervals resample subjects.
            columns: anything else to keep with the counts, such as ``clip`` and ``frame``.

        Raises:
            ValueError: unequal sizes, another shape or type, or values that are no class, such as 255 in a 0/1 mask.
        """
        counted = count_image(pred, truth, self.class_ids, self.ignore)
        ignored = int(np.asarray(truth).size - counted[0].sum())
        name = str(len(self)) if id is None else id
        edges = None
        if self.tolerance is not None:
            first, second = np.asarray(pred, np.uint8), np.asarray(truth, np.uint8)
            edges = boundary.measure(first, second, self.class_ids, self.ignore, tolerance=self.tolerance)
        self._builder.add(name, counted, subject=subject, ignored=ignored, edges=edges, **columns)

    def merge(self, other: Evaluator) -> None:
        """Add what another evaluator counted, for example in another process.

        Raises:
            ValueError: other classes, or an image's id is in both.
        """
        self._merged = self.counts().merge(other.counts())
        self._builder = self._fresh()

    def _fresh(self) -> CountsBuilder:
        return CountsBuilder(self.class_ids, boundary.note(self.tolerance))

    def counts(self) -> Counts:
        """Everything counted so far, as a table."""
        built = self._builder.build()
        return self._merged.merge(built) if self._merged else built

    def compute(self, at: Sequence[float] = region.AT) -> dict[str, float]:
        """All figures by name, ``map_at_0.5`` and so on among them; NaN where one is undefined.

        Raises:
            ValueError: nothing was counted, or all of the truth's foreground was "ignore" (0/255 masks).
        """
        counts = self.counts()
        check_foreground(counts)
        found = region.reduce(counts, empty=self.empty, at=at)
        return found.values | {region.at_name(x): value for x, value in found.map_at_x.items()}

    def intervals(self, *, seed: int = 0, level: float = intervals.LEVEL) -> intervals.Intervals:
        """Bootstrap intervals of the same figures, over subjects where there are any."""
        return intervals.bootstrap(self.counts(), empty=self.empty, seed=seed, level=level)


def check_foreground(counts: Counts) -> None:
    """Refuse a truth that is nothing but background and "ignore": that is what a 0/255 mask looks like when
    255 is taken for "ignore", and every figure would be about background alone.

    Raises:
        ValueError: so it is.
    """
    truth = region.foreground(counts)
    if not len(counts) or (truth[:, 0] + truth[:, 2]).any():
        return
    ignored = sum(value or 0 for value in counts.column("ignored"))
    if ignored:
        raise ValueError(
            f"the truth holds only background and {ignored:,} pixels of 'ignore' (255): 0/255 masks are not class ids; "
            "write 1 for foreground, or pass truth > 0"
        )
