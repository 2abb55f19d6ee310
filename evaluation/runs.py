"""Run lengths: the segmentations of COCO files, checked before pycocotools sees them.

pycocotools decodes a run length of any size into any picture, and one that is cut off without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from masksmith.errors import BadInput

_WANT = "a segmentation of polygons or run lengths"


def encoded(segmentation: Any, height: int, width: int, where: str) -> dict[str, Any]:
    """A segmentation as compressed run lengths of (height, width), as pycocotools takes it.

    Args:
        segmentation: a list of polygons, or ``{"size": [height, width], "counts": ...}``, compressed or not.
        where: what an error names.

    Raises:
        BadInput: another form or size, run lengths that do not fill the picture, or polygons that are none.
    """
    from pycocotools import mask

    if isinstance(segmentation, dict):
        size, counts = segmentation.get("size"), segmentation.get("counts")
        if not isinstance(size, list | tuple) or len(size) != 2 or not isinstance(counts, str | bytes | list):
            raise BadInput(where, _WANT, "run lengths without size and counts", "write both")
        if list(size) != [height, width]:
            found = f"run lengths of {size[1]} x {size[0]}"
            raise BadInput(where, f"the image's size, {width} x {height}", found, "predict at the image's size")
        lengths = counts if isinstance(counts, list) else unpacked(counts, where)
        if any(isinstance(run, bool) or not isinstance(run, int) or run < 0 for run in lengths):
            raise BadInput(where, _WANT, "run lengths below 0 or no whole numbers", "write them again")
        if sum(lengths) != height * width:
            found = f"run lengths of {sum(lengths):,} pixels in all"
            raise BadInput(where, f"{height * width:,} pixels ({width} x {height})", found, "write them again")
        if isinstance(counts, list):
            return dict(mask.frPyObjects({"size": [height, width], "counts": counts}, height, width))
        return {"size": [height, width], "counts": counts.encode() if isinstance(counts, str) else counts}
    if not isinstance(segmentation, list):
        raise BadInput(where, _WANT, f"{type(segmentation).__name__}", "write instance masks, not boxes")
    if not segmentation or not all(_polygon(one) for one in segmentation):
        found = "polygons of fewer than 3 points, or of something else than finite numbers"
        raise BadInput(where, _WANT, found if segmentation else "an empty list", "leave it out, or mend it")
    return dict(mask.merge(mask.frPyObjects([[float(v) for v in one] for one in segmentation], height, width)))


def unpacked(counts: str | bytes, where: str) -> list[int]:
    """The run lengths of a compressed string: five bits a character, each the change to the run before the last.

    Raises:
        BadInput: another character, or the end in the middle of a number.
    """
    data = counts.encode("utf-8") if isinstance(counts, str) else counts
    runs: list[int] = []
    value = shift = 0
    for byte in data:
        part = byte - 48
        if not 0 <= part < 64:
            raise BadInput(where, _WANT, f"the byte {byte} in run lengths", "write them again")
        value |= (part & 31) << shift
        shift += 5
        if part & 32:
            continue
        if part & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise BadInput(where, _WANT, "run lengths that are cut off", "write them again")
    return runs


def _polygon(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) >= 6
        and len(value) % 2 == 0
        and all(isinstance(v, int | float) and not isinstance(v, bool) and -1e7 < v < 1e7 for v in value)
    )
