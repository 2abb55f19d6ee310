"""The objects of an image: a map of their numbers beside the mask, and what is known of each in ``extra["objects"]``.

A map holds one object a pixel. Where objects overlap, the later one has the pixel, and an object that another covers
in part keeps its whole shape as a run-length code of COCO in its entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint16]


def separate(parts: Iterable[tuple[Mapping[str, Any], npt.NDArray[Any]]], shape: tuple[int, int]) -> dict[str, Any]:
    """Objects from first to last, numbered from 1.

    Args:
        parts: what is known of each (``class``), and its (H, W) mask.
        shape: (H, W).

    Returns:
        ``mask`` (H, W) uint8 0/1, their union; ``instances`` (H, W) uint16 of their numbers, 0 where there is none;
        ``objects``, for each its ``number``, ``box`` [x, y, width, height], ``area`` in pixels and what was known, and
        ``rle`` (``size`` [H, W], ``counts``) where a later object covers some of it.
    """
    numbers: Numbers = np.zeros(shape, np.uint16)
    entries: list[dict[str, Any]] = []
    whole: list[npt.NDArray[np.bool_]] = []
    for number, (known, part) in enumerate(parts, 1):
        inside = part.astype(bool)
        for covered in np.unique(numbers[inside]).tolist():
            if covered:
                entries[covered - 1]["rle"] = _code(whole[covered - 1])
        numbers[inside] = number
        whole.append(inside)
        entries.append({"number": number, **known, **_measures(inside)})
    return {"mask": (numbers > 0).astype(np.uint8), "instances": numbers, "objects": entries}


def shape_of(entry: Mapping[str, Any], instances: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """(H, W) whole mask of an object, given its entry and the map."""
    if "rle" not in entry:
        return np.asarray(instances == entry["number"])
    from pycocotools import mask as coco

    code = {"size": entry["rle"]["size"], "counts": entry["rle"]["counts"].encode("ascii")}
    return np.asarray(coco.decode(code), bool)


def _measures(inside: npt.NDArray[np.bool_]) -> dict[str, Any]:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return {"box": [0, 0, 0, 0], "area": 0}
    top, left = int(rows[0]), int(columns[0])
    box = [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1]
    return {"box": box, "area": int(np.count_nonzero(inside))}


def _code(inside: npt.NDArray[np.bool_]) -> dict[str, Any]:
    from pycocotools import mask as coco

    code = coco.encode(np.asfortranarray(inside, np.uint8))
    return {"size": [int(value) for value in code["size"]], "counts": code["counts"].decode("ascii")}
