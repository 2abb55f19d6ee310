"""A contact sheet of simulated previous masks, and what they measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loaders import priors
from loaders.priors import PRIOR_KINDS, Mix, Prior, PriorHistogram
from masksmith import seeds
from masksmith.images import Image, Mask

Predict = Callable[[Image, "npt.NDArray[np.float32] | None"], "npt.NDArray[np.float32]"]
"""(H, W, 3) uint8 RGB and a previous mask or None -> (H, W) float32 soft foreground."""

DRAWS = 10_000
_CELL_PX = 160
_GAP_PX = 4
_HEAD_PX = 26
_TRUTH_COLOUR = (255, 120, 0)


@dataclass(frozen=True)
class Row:
    """One sample of the sheet: picture, truth (0 and 1) and a prior of every kind."""

    id: str
    image: Image
    truth: Mask
    made: tuple[Prior, ...]


def make_row(id: str, image: Image, truth: Mask, rng: np.random.Generator, predict: Predict | None = None) -> Row:
    """A prior of every kind for one sample.

    Args:
        image: (H, W, 3) uint8 RGB.
        truth: (H, W) uint8, foreground above 0.
        predict: the network whose answer on the distorted picture is the ``self`` prior; without one ``self``
            falls back to a small warp.
    """
    made = [priors.make_prior(truth, kind, rng) for kind in PRIOR_KINDS]
    if predict is not None:
        distorted = priors.grid_distort(image, rng)
        soft = np.clip(predict(distorted, None), 0.0, 1.0).astype(np.float32)
        moved = float("nan")  # a network's answer has no displacement of its own
        made[-1] = Prior(soft, "self", moved, priors.overlap(soft, truth > 0), ("predicted",))
    return Row(id, image, truth, tuple(made))


def figures(rows: Sequence[Row], mix: Mix, seed: int) -> list[dict[str, Any]]:
    """One row a kind: share wanted and realised over 10,000 draws; mean displacement and IoU over ``rows``.

    Keys: kind, wanted, share, count, displacement_px, displacement_range_px, iou, iou_range.
    """
    histogram = PriorHistogram()
    rng = seeds.rng(seed, "mix")
    histogram.add([priors.draw_kind(rng, mix) for _ in range(DRAWS)])
    result = []
    for place, counted in enumerate(histogram.rows(mix)):
        moved = np.array([row.made[place].displacement_px for row in rows])
        iou = np.array([row.made[place].iou_with_truth for row in rows])
        result.append(
            {
                **counted,
                "displacement_px": float(moved.mean()),
                "displacement_range_px": [float(moved.min()), float(moved.max())],
                "iou": float(iou.mean()),
                "iou_range": [float(iou.min()), float(iou.max())],
            }
        )
    return result


def sheet(rows: Sequence[Row]) -> Image:
    """The contact sheet, uint8 RGB: picture, truth, and one prior of each kind, the truth's outline over it."""
    height, width = rows[0].truth.shape
    zoom = _CELL_PX / max(height, width)
    cell = (round(height * zoom), round(width * zoom))
    titles = ["image", "truth", *PRIOR_KINDS]
    if rows[0].made[-1].steps != ("predicted",):
        titles[-1] = "self (warp)"
    lines = [_heading(titles, cell[1])]
    for row in rows:
        outline = _outline(row.truth, cell)
        cells = [_fit(row.image, cell), _fit(_grey(row.truth > 0), cell)]
        for prior in row.made:
            picture = _fit(_grey(prior.mask), cell)
            cv2.drawContours(picture, outline, -1, _TRUTH_COLOUR, 1, cv2.LINE_AA)
            cells.append(picture)
        lines.append(_beside(cells))
    return np.vstack(lines)


def _heading(titles: Sequence[str], width: int) -> Image:
    line = np.full((_HEAD_PX, (width + _GAP_PX) * len(titles) + _GAP_PX, 3), 32, np.uint8)
    for place, title in enumerate(titles):
        start = (_GAP_PX + place * (width + _GAP_PX) + 2, _HEAD_PX - 8)
        cv2.putText(line, title, start, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1, cv2.LINE_AA)
    return line


def _beside(cells: Sequence[Image]) -> Image:
    gap = np.full((cells[0].shape[0], _GAP_PX, 3), 32, np.uint8)
    parts = [gap]
    for cell in cells:
        parts += [cell, gap]
    line = np.hstack(parts)
    return np.vstack([line, np.full((_GAP_PX, line.shape[1], 3), 32, np.uint8)])


def _grey(soft: npt.NDArray[Any]) -> Image:
    return np.repeat((soft.astype(np.float32) * 255).round().astype(np.uint8)[..., None], 3, axis=2)


def _fit(picture: Image, cell: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(picture, (cell[1], cell[0]), interpolation=cv2.INTER_AREA), np.uint8)


def _outline(truth: Mask, cell: tuple[int, int]) -> Any:
    solid = cv2.resize((truth > 0).astype(np.uint8) * 255, (cell[1], cell[0]), interpolation=cv2.INTER_AREA)
    found, _ = cv2.findContours((solid >= 128).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return found
