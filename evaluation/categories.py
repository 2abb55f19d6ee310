"""Region figures of COCO files: the counts of each category's union of instances.

A pixel may belong to several categories, so each is counted on its own; the background is what no category covers.
"""

from __future__ import annotations

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
) -> Counts:
    """Count every image.

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
    for shot in instances.shots:
        pred = np.zeros((shot.height, shot.width), np.uint8)
        truth = np.zeros_like(pred)
        rows, edges = [], []
        for _, mask, goal in instances.unions(shot, threshold):
            rows.append(count_image(mask, goal)[1])
            if tolerance is not None:
                edges.append(boundary.measure(mask, goal, tolerance=tolerance)[1])
            pred |= mask
            truth |= goal
        back = count_image(pred, truth)
        if tolerance is not None:
            edges.insert(0, boundary.measure(pred, truth, tolerance=tolerance)[0])
        repeated[shot.name] = repeated.get(shot.name, 0) + 1
        name = shot.name if repeated[shot.name] == 1 else f"{shot.name} ({shot.id})"
        builder.add(
            name,
            np.stack([back[0], *rows]),
            edges=np.stack(edges) if edges else None,
            ignored=int(np.count_nonzero(truth == IGNORE)),
        )
        advance(1)
    return builder.build()


def drawn(instances: Instances, shot: Shot, threshold: float) -> tuple[Mask, Mask]:
    """(prediction, truth) of all categories together, (H, W) uint8, for drawing: 1 and above, 255 = ignore."""
    pred = np.zeros((shot.height, shot.width), np.uint8)
    truth = np.zeros_like(pred)
    for position, (_, mask, goal) in enumerate(instances.unions(shot, threshold)):
        number = position % (IGNORE - 1) + 1
        pred[mask > 0] = number
        truth[goal == 1] = number
        truth[goal == IGNORE] = IGNORE
    return pred, truth
