"""Region figures of COCO files: the counts of each category's union of instances.

A pixel may belong to several categories, so each is counted on its own; the background is what no category covers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from evaluation import boundary
from evaluation.coco import Instances, Shot
from evaluation.counts import IGNORE, Counts, CountsBuilder, count_image
from evaluation.stored import Mask


def count(
    instances: Instances,
    threshold: float,
    *,
    tolerance: float | None = None,
    advance: Callable[[int], None] = lambda items: None,
) -> tuple[Counts, float]:
    """Count every image.

    Returns:
        (the counts, pixel accuracy: the share of pixels that are right in every category, mean over images). The sum of
        the categories' true positives says nothing here, as a pixel may be in several of them.

    Args:
        threshold: the least score of a result that counts.
        tolerance: measure boundaries too, ``surface_dice`` within so many pixels.
        advance: called with 1 after each image.
    """
    # 0 is the background's: a file whose categories begin there has all of them one higher
    shift = 1 if 0 in instances.categories else 0
    names = {name: number + shift for number, name in instances.categories.items()}
    ids = (0, *(number + shift for number in instances.categories))
    builder = CountsBuilder(ids, {"classes": {"background": 0, **names}, **boundary.note(tolerance)})
    repeated: dict[str, int] = {}
    right = []
    for shot in instances.shots:
        truth = instances.uncounted(shot)
        pred = np.zeros_like(truth)
        nowhere = count_image(pred, truth)[1]
        judged = truth != IGNORE
        wrong = np.zeros(truth.shape, np.bool_)
        rows = dict.fromkeys(instances.categories, nowhere)
        edges = {}
        if tolerance is not None:
            edges = dict.fromkeys(instances.categories, boundary.measure(pred, truth, tolerance=tolerance)[1])
        for category, mask, goal in instances.unions(shot, threshold):
            rows[category] = count_image(mask, goal)[1]
            if tolerance is not None:
                edges[category] = boundary.measure(mask, goal, tolerance=tolerance)[1]
            wrong |= mask != goal
            pred |= mask
            truth |= goal
        if pixels := int(np.count_nonzero(judged)):
            right.append(1 - np.count_nonzero(wrong & judged) / pixels)
        back = count_image(pred, truth)[0]
        outline = [] if tolerance is None else [boundary.measure(pred, truth, tolerance=tolerance)[0]]
        repeated[shot.name] = repeated.get(shot.name, 0) + 1
        name = shot.name if repeated[shot.name] == 1 else f"{shot.name} ({shot.id})"
        builder.add(
            name,
            np.stack([back, *rows.values()]),
            edges=np.stack([*outline, *edges.values()]) if edges else None,
            ignored=int(np.count_nonzero(truth == IGNORE)),
        )
        advance(1)
    return builder.build(), float(np.mean(right)) if right else math.nan


def drawn(instances: Instances, shot: Shot, threshold: float) -> tuple[Mask, Mask]:
    """(prediction, truth) of all categories together, (H, W) uint8, for drawing: 1 and above, 255 = ignore."""
    truth = instances.uncounted(shot)
    pred = np.zeros_like(truth)
    number_of = {category: position % (IGNORE - 1) + 1 for position, category in enumerate(instances.categories)}
    for category, mask, goal in instances.unions(shot, threshold):
        number = number_of[category]
        pred[mask > 0] = number
        truth[goal == 1] = number
    return pred, truth
