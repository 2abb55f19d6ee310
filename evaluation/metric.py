"""One object for a validation loop: takes batches of arrays or tensors, gives the region figures.

Counting is :mod:`evaluation.counts`, reducing :mod:`evaluation.region`; here is only what training loops ask of a
metric. Nothing of torch is imported: a tensor is whatever has ``detach`` and ``cpu``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation import region
from evaluation.counts import IGNORE, Counts, CountsBuilder, count_image
from evaluation.evaluator import check_foreground

_HIGHEST = 254  # class ids are bytes, and 255 is kept for "ignore"


class SegmentationMetric:
    """Counts batches as they come; :meth:`compute` gives every figure of :data:`evaluation.region.CONVENTIONS`.

    Args:
        classes: the class ids, background 0 among them; a number n for 0 .. n-1; or a mapping of name to id.
        ignore: the truth's value for pixels that are not judged (any integer, such as -100); None for none.
        empty: what a class absent from both sides of an image gets: ``one``, ``skip`` or ``zero``.
        threshold: a soft prediction of at least this is foreground.
        logits: soft predictions are logits. They are never guessed to be: values outside [0, 1] are refused unless this
            is set. (For one score a class it makes no difference, the largest wins.)

    Raises:
        ValueError: class ids that are not unique, not bytes, or without a background.
        UsageProblem: an unknown policy.

    Example:
        >>> metric = SegmentationMetric()
        >>> truth = np.zeros((2, 4, 4), np.uint8)
        >>> truth[:, 1:3, 1:3] = 1
        >>> metric.update(truth * 0.9, truth)
        >>> metric.compute()["iou_fg_image"]
        1.0
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False

    def __init__(
        self,
        classes: int | Sequence[int] | Mapping[str, int] = 2,
        ignore: int | None = IGNORE,
        empty: str = "one",
        threshold: float = 0.5,
        *,
        logits: bool = False,
    ) -> None:
        named = {str(name): int(number) for name, number in classes.items()} if isinstance(classes, Mapping) else {}
        if isinstance(classes, Mapping):
            classes = list(classes.values())
        elif isinstance(classes, int):
            classes = range(classes)
        self.class_ids = tuple(sorted(int(number) for number in classes))
        CountsBuilder(self.class_ids)
        if self.class_ids[0] < 0 or self.class_ids[-1] > _HIGHEST or ignore in self.class_ids:
            raise ValueError(f"class ids must be from 0 to {_HIGHEST} and none of them {ignore}, not {self.class_ids}")
        region.fill_value(empty)
        self.ignore, self.empty, self.threshold, self.logits = ignore, empty, threshold, logits
        self._names = named
        self.reset()

    def __len__(self) -> int:
        return len(self._counts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.class_ids)} classes, {len(self)} images)"

    def reset(self) -> None:
        """Forget everything counted so far."""
        self._counts: list[npt.NDArray[np.int64]] = []
        self._ignored: list[int] = []

    def update(self, preds: Any, target: Any) -> None:
        """Count a batch, or one image.

        Args:
            preds: an array or tensor on any device. Class ids (H, W) or (B, H, W), integer or bool; or soft, floating:
                the foreground's probability (or logit) in the same shape as ``target``, or one score a class,
                (C, H, W) or (B, C, H, W), of which the largest wins. A channel axis of 1 beside the batch's may stand
                on either side.
            target: class ids or ``ignore``, integer or bool: (H, W) or (B, H, W).

        Raises:
            ValueError: shapes that don't go together, probabilities outside [0, 1], or values that are no class, such
                as 255 in a 0/1 prediction. Nothing of the batch is counted then.
        """
        counted, ignored = self._batch(preds, target)
        self._counts += counted
        self._ignored += ignored

    def compute(self, at: Sequence[float] = region.AT) -> dict[str, float]:
        """All figures by name, ``map_at_0.5`` and so on among them; NaN where one is undefined.

        Raises:
            ValueError: nothing was counted, or all of the truth's foreground was "ignore" (0/255 masks).
        """
        counts = self.counts()
        check_foreground(counts)
        return _figures(counts, self.empty, at)

    def __call__(self, preds: Any, target: Any) -> dict[str, float]:
        """Count a batch and return the figures of that batch alone."""
        counted, ignored = self._batch(preds, target)
        self._counts += counted
        self._ignored += ignored
        return _figures(self._table(counted, ignored), self.empty, region.AT)

    forward = __call__

    def counts(self) -> Counts:
        """Everything counted so far, as a table; ids are numbers in the order of counting."""
        return self._table(self._counts, self._ignored)

    def state(self) -> npt.NDArray[np.int64]:
        """(N, C x 4 + 1) int64: all that was counted, in a form that processes can send each other."""
        flat = [[*counted.ravel(), lost] for counted, lost in zip(self._counts, self._ignored, strict=True)]
        return np.asarray(flat, np.int64).reshape(len(self), len(self.class_ids) * 4 + 1)

    def merge(self, other: SegmentationMetric | npt.NDArray[Any]) -> SegmentationMetric:
        """Add what another metric counted, or its :meth:`state`; returns this one.

        Raises:
            ValueError: other classes, ignored value or threshold, or an array that is no state of such a metric.
        """
        if isinstance(other, SegmentationMetric):
            mine, theirs = self._settings(), other._settings()
            if mine != theirs:
                raise ValueError(f"a metric of {theirs} cannot join one of {mine}")
            self._counts += list(other._counts)
            self._ignored += list(other._ignored)
            return self
        rows = np.asarray(other)
        if rows.ndim != 2 or rows.shape[1] != len(self.class_ids) * 4 + 1 or rows.dtype.kind not in "iu":
            raise ValueError(f"{rows.dtype} of shape {rows.shape} is no state of a metric of {self.class_ids}")
        self._counts += list(rows[:, :-1].astype(np.int64).reshape(len(rows), len(self.class_ids), 4))
        self._ignored += [int(lost) for lost in rows[:, -1]]
        return self

    def merge_state(self, incoming: Any) -> SegmentationMetric:
        """:meth:`merge` of one metric or state, or of several of them, for example of all ranks."""
        several = incoming if isinstance(incoming, list | tuple) else [incoming]
        for one in several:
            self.merge(one)
        return self

    def _settings(self) -> tuple[Any, ...]:
        return self.class_ids, self.ignore, self.threshold, self.logits

    def _table(self, counted: Sequence[npt.NDArray[np.int64]], ignored: Sequence[int]) -> Counts:
        builder = CountsBuilder(self.class_ids, {"classes": self._names} if self._names else None)
        for number, (one, lost) in enumerate(zip(counted, ignored, strict=True)):
            builder.add(str(number), one, ignored=lost)
        return builder.build()

    def _batch(self, preds: Any, target: Any) -> tuple[list[npt.NDArray[np.int64]], list[int]]:
        truths = _array(target)
        if truths.dtype.kind not in "iub":
            raise ValueError(f"the target holds class ids: integer or bool, not {truths.dtype}")
        masks, truths = self._fitted(_array(preds), truths)
        goals = self._bytes(truths, "target")
        judged = None if self.ignore is None else IGNORE
        counted = [count_image(mask, goal, self.class_ids, judged) for mask, goal in zip(masks, goals, strict=True)]
        return counted, [goal.size - int(one[0].sum()) for goal, one in zip(goals, counted, strict=True)]

    def _fitted(self, preds: npt.NDArray[Any], truths: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Both as (B, H, W), the predictions as class ids in bytes."""
        told = f"predictions {preds.shape} and target {truths.shape}"
        if truths.ndim == 4 and truths.shape[1] == 1:
            truths = truths[:, 0]
        soft = preds.dtype.kind == "f"
        if preds.ndim == truths.ndim + 1:
            channels = preds.shape[-3]
            if channels == 1:
                preds = np.squeeze(preds, axis=-3)
            elif soft and channels == len(self.class_ids):
                if np.isnan(preds).any():
                    raise ValueError("the predictions hold NaN")
                preds, soft = np.asarray(self.class_ids, np.uint8)[preds.argmax(-3)], False
            else:
                raise ValueError(f"{told}: {channels} channels of {preds.dtype} for {len(self.class_ids)} classes")
        if preds.shape != truths.shape or truths.ndim not in (2, 3) or not truths.size:
            raise ValueError(f"{told} must be (H, W) or (B, H, W) of one size; soft ones may have an axis of classes")
        if soft:
            preds = self._thresholded(preds)
        elif preds.dtype != np.uint8:
            preds = self._bytes(preds, "prediction")
        if truths.ndim == 2:
            preds, truths = preds[None], truths[None]
        return preds, truths

    def _thresholded(self, soft: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        if len(self.class_ids) != 2:
            raise ValueError(f"soft predictions of {len(self.class_ids)} classes need an axis of classes")
        if np.isnan(soft).any():
            raise ValueError("the predictions hold NaN")
        if self.logits:
            front = soft >= _logit(self.threshold)
        else:
            if not (soft.min() >= 0 and soft.max() <= 1):
                raise ValueError("probabilities must be in [0, 1]; if these are logits, say so with logits=True")
            front = soft >= self.threshold
        return np.where(front, np.uint8(self.class_ids[1]), np.uint8(0))

    def _bytes(self, ids: npt.NDArray[Any], side: str) -> npt.NDArray[np.uint8]:
        """Class ids as bytes, the ignored value of a target as 255."""
        if ids.dtype == np.bool_:
            return ids.view(np.uint8)
        if ids.dtype == np.uint8 and (side != "target" or self.ignore in (None, IGNORE)):
            return ids
        lost = ids == self.ignore if side == "target" and self.ignore is not None else None
        kept = ids if lost is None else ids[~lost]
        if kept.size and not (kept.min() >= 0 and kept.max() <= _HIGHEST):
            odd = kept[(kept < 0) | (kept > _HIGHEST)][0]
            raise ValueError(f"the {side} holds {odd}, but the class ids are {', '.join(map(str, self.class_ids))}")
        found = ids.astype(np.uint8)
        if lost is not None:
            found[lost] = IGNORE
        return found


def _logit(share: float) -> float:
    if not 0 < share < 1:
        return math.inf if share >= 1 else -math.inf
    return math.log(share / (1 - share))


def _array(values: Any) -> npt.NDArray[Any]:
    """A numpy array of an array or a tensor, wherever it lives."""
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = values.detach()
        if values.is_floating_point() and values.element_size() < 4:  # numpy has no bfloat16
            values = values.float()
        values = values.cpu().numpy()
    return np.asarray(values)


def _figures(counts: Counts, empty: str, at: Sequence[float]) -> dict[str, float]:
    found = region.reduce(counts, empty=empty, at=at)
    return found.values | {region.at_name(x): value for x, value in found.map_at_x.items()}
