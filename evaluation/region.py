"""Region figures: what a table of counts says about how well masks overlap.

Everything here is linear first: each image adds a row of sums, and every figure is a quotient of summed rows.
The same two steps therefore serve the whole set, a slice of it, and a thousand bootstrap resamples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation import boundary
from evaluation.counts import Counts
from masksmith.errors import unknown_choice

Floats = npt.NDArray[np.float64]

EMPTY = ("one", "skip", "zero")
AT = (0.5, 0.75, 0.9, 0.95)
CONVENTIONS: Mapping[str, str] = {
    "iou_fg_image": "IoU of the foreground, mean over images",
    "miou_image": "IoU, mean over images and classes, background included",
    "iou_fg_dataset": "IoU of the foreground over all pixels of all images",
    "miou_dataset": "IoU of each class over all pixels, mean over classes, background included",
    "dice_fg_image": "Dice of the foreground, mean over images",
    "mdice_image": "Dice, mean over images and classes, background included",
    "dice_fg_dataset": "Dice of the foreground over all pixels of all images",
    "mdice_dataset": "Dice of each class over all pixels, mean over classes, background included",
    "pixel_accuracy": "share of pixels that are right (mA), mean over images",
    "precision": "share of predicted foreground pixels that are foreground, over all images",
    "recall": "share of foreground pixels that were found, over all images",
}


@dataclass(frozen=True)
class Region:
    """The region figures of a set of images.

    Attributes:
        values: figure name -> value; NaN where it is undefined (nothing left to average). The boundary figures are
            among them where boundaries were measured.
        map_at_x: x -> share of (image, class) pairs with IoU >= x, background included (Demborg).
        classes: one mapping per class: name, id, iou_image, iou_dataset, dice_image, dice_dataset, images, and its
            boundary figures where they were measured (the background's are those of the foreground).
        undefined: how often a class was absent from both sides: ``foreground_images`` and ``image_class_pairs``,
            ``dataset_classes``; what happened then is ``empty``. ``hausdorff95_images`` are images left out of that
            mean, as the foreground (or what is judged of its boundary) is on one side only.
        images: number of images.
        empty: the policy, one of :data:`EMPTY`.
    """

    values: dict[str, float]
    map_at_x: dict[float, float]
    classes: tuple[dict[str, Any], ...]
    undefined: dict[str, int]
    images: int
    empty: str


def foreground(counts: Counts) -> npt.NDArray[np.int64]:
    """(N, 4) int64 TP, FP, FN, TN of "not background": the background's counts seen from the other side."""
    return counts.values[:, counts.class_ids.index(0)][:, [3, 2, 1, 0]]


def image_iou(counts: Counts, empty: str = "one") -> tuple[Floats, Floats]:
    """Foreground IoU (N,) and IoU of each class (N, C) of each image.

    Args:
        empty: what a class absent from both sides gets: ``one`` 1, ``zero`` 0, ``skip`` NaN.

    Raises:
        UsageProblem: an unknown policy.
    """
    fill = fill_value(empty)
    return _ratio(*_iou_parts(foreground(counts)), fill), _ratio(*_iou_parts(counts.values), fill)


def reduce(counts: Counts, *, empty: str = "one", at: Sequence[float] = AT) -> Region:
    """All region figures of a table (definitions: :data:`CONVENTIONS`).

    Foreground means every class but background. Four quantities are called "IoU" in the field; all four are here,
    and so are the four forms of Dice.

    Args:
        empty: a class absent from both the prediction and the truth gets IoU 1 (``one``), 0 (``zero``), or is left
            out of the means (``skip``); the cases are counted in ``undefined``.
        at: the thresholds x of ``map_at_x``.

    Raises:
        UsageProblem: an unknown policy.
        ValueError: an empty table.
    """
    if not len(counts):
        raise ValueError("no images were counted")
    total = image_sums(counts, empty, at).sum(0)
    found = figures(total[None], len(counts.class_ids), empty, at)
    width = len(counts.class_ids)
    parts = _split(total[None], width)
    edges = tuple(boundary.CONVENTIONS) if counts.measured else ()
    classes = tuple(
        {
            "name": counts.class_name(class_id),
            "id": class_id,
            "iou_image": float(found[f"class{k}_iou_image"][0]),
            "iou_dataset": float(found[f"class{k}_iou_dataset"][0]),
            "dice_image": float(found[f"class{k}_dice_image"][0]),
            "dice_dataset": float(found[f"class{k}_dice_dataset"][0]),
            "images": int((counts.values[:, k, 0] + counts.values[:, k, 2] > 0).sum()),
            **{name: float(found[f"class{k}_{name}"][0]) for name in edges},
        }
        for k, class_id in enumerate(counts.class_ids)
    )
    undefined = {
        "foreground_images": int((_iou_parts(foreground(counts))[1] == 0).sum()),
        "image_class_pairs": int((_iou_parts(counts.values)[1] == 0).sum()),
        "dataset_classes": int((_iou_parts(parts["class_counts"])[1] == 0).sum()),
    }
    if edges:
        there = _iou_parts(foreground(counts))[1] > 0
        far = counts.boundaries[:, counts.class_ids.index(0), boundary.DISTANCE]
        undefined["hausdorff95_images"] = int((there & np.isnan(far)).sum())
    return Region(
        values={name: float(found[name][0]) for name in names(counts)},
        map_at_x={float(x): float(found[at_name(x)][0]) for x in at},
        classes=classes,
        undefined=undefined,
        images=len(counts),
        empty=empty,
    )


def names(counts: Counts) -> list[str]:
    """The figures a table has: those of :data:`CONVENTIONS`, and the boundary's where it was measured."""
    return [*CONVENTIONS, *(boundary.CONVENTIONS if counts.measured else ())]


def at_name(x: float) -> str:
    """The name of one point of the mAP@x curve: ``map_at_0.9``."""
    return f"map_at_{x:g}"


def curve(counts: Counts, *, empty: str = "one", points: int = 101) -> list[tuple[float, float]]:
    """``map_at_x`` as a curve: (x, share) for x from 0 to 1."""
    xs = np.linspace(0, 1, points).round(6)
    pairs = image_iou(counts, empty)[1].ravel()
    pairs = np.sort(pairs[~np.isnan(pairs)])
    if not pairs.size:
        return []
    shares = 1 - np.searchsorted(pairs, xs, side="left") / pairs.size
    return [(float(x), float(share)) for x, share in zip(xs, shares, strict=True)]


def image_sums(counts: Counts, empty: str = "one", at: Sequence[float] = AT) -> Floats:
    """(N, K) float64: what each image adds to the sums that :func:`figures` divides."""
    fill = fill_value(empty)
    values, front = counts.values, foreground(counts)
    pixels = values[:, 0].sum(-1)
    judged = pixels > 0
    right = values[..., 0].sum(-1)
    columns: list[npt.NDArray[Any]] = [
        np.stack([judged, np.where(judged, right / np.maximum(pixels, 1), 0.0)], -1),
        *(_sum_and_number(_ratio(*parts, fill)) for parts in (_iou_parts(front), _dice_parts(front))),
        front,
    ]
    iou = _ratio(*_iou_parts(values), fill)
    dice = _ratio(*_dice_parts(values), fill)
    columns += [np.nan_to_num(iou), ~np.isnan(iou), np.nan_to_num(dice), ~np.isnan(dice)]
    columns.append(values.reshape(len(counts), -1))
    columns += [(iou >= x).sum(-1, keepdims=True) for x in at]
    if counts.measured:
        absent = _iou_parts(values)[1] == 0
        absent[:, counts.class_ids.index(0)] = _iou_parts(front)[1] == 0
        filled = boundary.filled(counts.boundaries, absent, fill)
        edges = np.concatenate([filled[:, counts.class_ids.index(0)], filled.reshape(len(counts), -1)], axis=-1)
        columns += [np.nan_to_num(edges), ~np.isnan(edges)]
    return np.concatenate(columns, axis=-1).astype(np.float64)


def figures(sums: Floats, classes: int, empty: str = "one", at: Sequence[float] = AT) -> dict[str, Floats]:
    """Every figure, (R,), of R rows of summed :func:`image_sums` (R, K)."""
    fill = fill_value(empty)
    part = _split(sums, classes)
    front, per_class = part["front"], part["class_counts"]
    iou_dataset = _ratio(*_iou_parts(per_class), fill)
    dice_dataset = _ratio(*_dice_parts(per_class), fill)
    found = {
        "iou_fg_image": _divide(part["iou"][:, 0], part["iou"][:, 1]),
        "miou_image": _divide(part["class_iou"].sum(-1), part["class_iou_n"].sum(-1)),
        "iou_fg_dataset": _ratio(*_iou_parts(front), fill),
        "miou_dataset": _mean(iou_dataset),
        "dice_fg_image": _divide(part["dice"][:, 0], part["dice"][:, 1]),
        "mdice_image": _divide(part["class_dice"].sum(-1), part["class_dice_n"].sum(-1)),
        "dice_fg_dataset": _ratio(*_dice_parts(front), fill),
        "mdice_dataset": _mean(dice_dataset),
        "pixel_accuracy": _divide(part["accuracy"][:, 1], part["accuracy"][:, 0]),
        "precision": _share(front[:, 0], front[:, 1], front[:, 2], fill),
        "recall": _share(front[:, 0], front[:, 2], front[:, 1], fill),
    }
    pairs = part["class_iou_n"].sum(-1)
    for position, x in enumerate(at):
        found[at_name(x)] = _divide(part["hits"][:, position], pairs)
    if (edges := part["hits"][:, len(at) :]).size:
        means = _divide(*np.split(edges, 2, axis=-1)).reshape(len(sums), 1 + classes, -1)
        for position, name in enumerate(boundary.CONVENTIONS):
            found[name] = means[:, 0, position]
            found |= {f"class{k}_{name}": means[:, 1 + k, position] for k in range(classes)}
    for k in range(classes):
        found[f"class{k}_iou_image"] = _divide(part["class_iou"][:, k], part["class_iou_n"][:, k])
        found[f"class{k}_dice_image"] = _divide(part["class_dice"][:, k], part["class_dice_n"][:, k])
        found[f"class{k}_iou_dataset"] = iou_dataset[:, k]
        found[f"class{k}_dice_dataset"] = dice_dataset[:, k]
    return found


def groups_of(counts: Counts) -> list[str]:
    """The columns a table can be sliced by: ``subject``, ``clip`` and the ``group.KEY`` columns that hold anything."""
    names = ["subject", "clip", *(name for name in counts.table.column_names if name.startswith("group."))]
    return [name for name in names if name in counts.table.column_names and any(counts.column(name))]


def _split(sums: Floats, classes: int) -> dict[str, Floats]:
    sizes = {
        "accuracy": 2,
        "iou": 2,
        "dice": 2,
        "front": 4,
        "class_iou": classes,
        "class_iou_n": classes,
        "class_dice": classes,
        "class_dice_n": classes,
        "class_counts": 4 * classes,
    }
    ends = np.cumsum(list(sizes.values()))
    pieces = dict(zip([*sizes, "hits"], np.split(sums, ends, axis=-1), strict=True))
    pieces["class_counts"] = pieces["class_counts"].reshape(len(sums), classes, 4)
    return pieces


def fill_value(empty: str) -> float:
    """The IoU of a class absent from both sides under a policy; NaN stands for "left out".

    Raises:
        UsageProblem: an unknown policy.
    """
    fills = {"one": 1.0, "skip": math.nan, "zero": 0.0}
    if empty not in fills:
        raise unknown_choice("empty policy", empty, EMPTY)
    return fills[empty]


def _iou_parts(counts: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    tp, fp, fn = counts[..., 0], counts[..., 1], counts[..., 2]
    return tp, tp + fp + fn


def _dice_parts(counts: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    tp, fp, fn = counts[..., 0], counts[..., 1], counts[..., 2]
    return 2 * tp, 2 * tp + fp + fn


def _ratio(over: npt.NDArray[Any], under: npt.NDArray[Any], fill: float) -> Floats:
    return np.where(under == 0, fill, over / np.where(under == 0, 1, under))


def _divide(over: npt.NDArray[Any], under: npt.NDArray[Any]) -> Floats:
    return _ratio(over, under, math.nan)


def _share(hit: Floats, missed: Floats, other: Floats, fill: float) -> Floats:
    """hit / (hit + missed); with nothing on either side the policy decides, with nothing on this side alone it is 0."""
    return np.where(hit + missed + other == 0, fill, _ratio(hit, hit + missed, 0.0))


def _sum_and_number(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return np.stack([np.where(known, values, 0.0), known.astype(np.float64)], axis=-1)


def _mean(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return _divide(np.where(known, values, 0.0).sum(-1), known.sum(-1))
