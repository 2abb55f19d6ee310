"""What is known of an image besides its counts: measured properties, and what its record says, kept beside the counts.

They travel as columns of the counts' table, so that figures can be sliced by them later without any image.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from evaluation.counts import IGNORE
from manifests.record import Record

SIDE = 512
"""Photos are shrunk to this longest side before sharpness is measured: otherwise it would measure resolution."""


def of_truth(truth: npt.NDArray[Any], ignore: int | None = IGNORE) -> dict[str, float | None]:
    """``centre_x`` and ``centre_y``: the centre of mass of the true foreground as shares of width and height.

    Args:
        truth: (H, W) uint8 class ids.

    Returns:
        Numbers in (0, 1), from the left and from the top; None where there is no foreground.
    """
    front = cv2.compare(truth, 0, cv2.CMP_NE)
    if ignore is not None:
        front = cv2.min(front, cv2.compare(truth, ignore, cv2.CMP_NE))
    columns, rows = (  # sums of lines: a hundred times faster than moments
        cv2.reduce(front, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel().astype(np.float64) for axis in (0, 1)
    )
    total = columns.sum()
    if not total:
        return {"centre_x": None, "centre_y": None}
    return {"centre_x": _middle(columns, total), "centre_y": _middle(rows, total)}


def of_photo(photo: npt.NDArray[np.uint8]) -> dict[str, float]:
    """``brightness``, the mean grey level as a share, and ``sharpness``, the variance of the Laplacian.

    The variance of the Laplacian is a common measure of focus (Pech-Pacheco et al. 2000): low means blurred. It is
    taken of grey levels 0 to 255 at a longest side of at most :data:`SIDE` pixels.

    Args:
        photo: (H, W, 3) uint8 RGB.
    """
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    brightness = cv2.mean(grey)[0] / 255
    scale = SIDE / max(grey.shape)
    if scale < 1:
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    spread = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F))[1].item()
    return {"brightness": brightness, "sharpness": spread * spread}


def of_record(record: Record) -> dict[str, Any]:
    """The columns a record brings: ``split``, ``source``, ``licence``, ``width``, ``height``, ``group.KEY``, and the
    plain values in ``extra`` and ``recipe`` as JSON text."""
    return {
        "split": record.split,
        "source": record.source or None,
        "licence": "; ".join(record.licence) or None,
        "width": record.width,
        "height": record.height,
        **{f"group.{key}": list(values) for key, values in record.groups.items()},
        "extra": _text(record.extra),
        "recipe": _text(_parsed(record.recipe)),
    }


def _middle(weights: npt.NDArray[np.float64], total: float) -> float:
    return float((weights @ (np.arange(len(weights)) + 0.5)) / total / len(weights))


def _text(values: Any) -> str | None:
    kept = _plain(values) if isinstance(values, Mapping) else None
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if kept else None


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Only what a slice can be named after: scalars, lists of words, and mappings of such."""
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            if inner := _plain(value):
                kept[str(key)] = inner
        elif isinstance(value, list | tuple):
            if value and all(isinstance(one, str) for one in value):
                kept[str(key)] = list(value)
        elif isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
            kept[str(key)] = value
    return kept


def _parsed(recipe: str | None) -> Any:
    try:
        return json.loads(recipe) if recipe else None
    except ValueError:
        return None
