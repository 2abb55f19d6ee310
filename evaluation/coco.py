"""COCO files: instances with scores. Real COCO AP through pycocotools, and each category's union as a mask.

``coco_ap`` has nothing to do with ``map_at_x``: it matches instances one to one, in the order of their scores.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.runs import encoded
from evaluation.stored import Mask
from masksmith.errors import BadInput

CONVENTIONS: Mapping[str, str] = {
    "coco_ap": "COCO AP of instance masks, mean over IoU 0.50 to 0.95, all areas, 100 detections (pycocotools)",
    "coco_ap50": "COCO AP at IoU 0.50",
    "coco_ap75": "COCO AP at IoU 0.75",
    "coco_ap_small": "COCO AP of truths under 32 x 32 pixels of area",
    "coco_ap_medium": "COCO AP of truths from 32 x 32 to 96 x 96 pixels of area",
    "coco_ap_large": "COCO AP of truths over 96 x 96 pixels of area",
}
MOST = 100
"""Detections of an image and category that count, the highest scores first."""


@dataclass(frozen=True)
class Instance:
    """One object in an image: ``rle`` as pycocotools takes it; truths have no score, results are never a crowd."""

    category: int
    rle: Mapping[str, Any]
    score: float = 1.0
    crowd: bool = False
    area: float | None = None


@dataclass(frozen=True)
class Shot:
    """An image: its id in the file, its name without suffix, and its size."""

    id: int
    name: str
    height: int
    width: int


class Instances:
    """A truth file and a results file, read and checked.

    Attributes:
        shots: the images, in the order of the truth file.
        categories: id -> name, ascending.
        truths, results: instances by image id.
        notes: what the reader must know.

    Raises:
        BadInput: no such files, another form, a segmentation of another size than its image, a score that is not
            finite, an unknown image or category, or an id that stands twice.
    """

    def __init__(self, truth: Path, results: Path) -> None:
        self.truth_path, self.results_path = truth, results
        self.notes: list[str] = []
        told = _loaded(truth, "COCO instances (images, annotations, categories)")
        if not isinstance(told, dict) or not all(
            isinstance(told.get(key), list) for key in ("images", "annotations", "categories")
        ):
            raise BadInput(truth, "COCO instances (images, annotations, categories)", "another form", "check the path")
        with _form(truth):
            self.shots = [
                Shot(one["id"], str(one.get("file_name", one["id"])), int(one["height"]), int(one["width"]))
                for one in told["images"]
            ]
            self.categories = dict(sorted((one["id"], str(one.get("name", one["id"]))) for one in told["categories"]))
        self._by_id = {shot.id: shot for shot in self.shots}
        if len(self._by_id) < len(self.shots) or len(self.categories) < len(told["categories"]):
            raise BadInput(truth, "ids that name one image or category each", "one that stands twice", "mend the file")
        if not self.shots or not self.categories:
            raise BadInput(truth, "images and categories", "none", "check the path")
        self.truths = self._grouped(truth, told["annotations"], scored=False)
        found = _loaded(results, "a list of COCO results")
        if isinstance(found, dict) and isinstance(found.get("annotations"), list):
            found = found["annotations"]
        if not isinstance(found, list):
            raise BadInput(results, "a list of COCO results", "another form", "write a list of mappings with a score")
        self.results = self._grouped(results, found, scored=True)
        if not found:
            self.notes.append("The results are an empty list: nothing was found, so every AP is 0.")
        crowds = sum(one.crowd for several in self.truths.values() for one in several)
        if crowds:
            self.notes.append(f"{crowds:,} crowd regions: pixels that no object of the truth covers are not judged.")
        many = sum(
            most > MOST
            for several in self.results.values()
            for most in Counter(one.category for one in several).values()
        )
        if many:
            self.notes.append(f"{many:,} (image, category) pairs have over {MOST} results; AP counts the best {MOST}.")

    def average_precision(self) -> dict[str, float | None]:
        """The figures of :data:`CONVENTIONS`; None where there is no truth to find (of that area)."""
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        images = [{"id": shot.id, "height": shot.height, "width": shot.width} for shot in self.shots]
        categories = [{"id": number, "name": name} for number, name in self.categories.items()]
        sides = []
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
            for several in (self.truths, self.results):
                side = COCO()
                side.dataset = {"images": images, "categories": categories, "annotations": list(_rows(several))}
                side.createIndex()
                sides.append(side)
            judge = COCOeval(*sides, "segm")
            judge.evaluate()
            judge.accumulate()
            judge.summarize()
        values = [float(value) for value in judge.stats[: len(CONVENTIONS)]]
        return {name: None if value < 0 else value for name, value in zip(CONVENTIONS, values, strict=True)}

    def unions(self, shot: Shot, threshold: float) -> Iterator[tuple[int, Mask, Mask]]:
        """(category id, prediction, truth) of each category that is in an image: unions of its instances, (H, W) uint8.

        The prediction is 0 and 1, of results with at least ``threshold`` as score; the truth has 255 where only a
        crowd region is.
        """
        truths, found = self.truths.get(shot.id, []), self.results.get(shot.id, [])
        objects = _union([one.rle for one in truths if not one.crowd], shot)
        crowd = _union([one.rle for one in truths if one.crowd], shot) & (1 - objects)
        there = {one.category for one in truths if not one.crowd}
        there |= {one.category for one in found if one.score >= threshold}
        for category in sorted(there):
            goal = _union([one.rle for one in truths if one.category == category and not one.crowd], shot)
            goal[crowd > 0] = 255
            picked = [one.rle for one in found if one.category == category and one.score >= threshold]
            yield category, _union(picked, shot), goal

    def uncounted(self, shot: Shot) -> Mask:
        """(H, W) uint8: 255 where only a crowd region is, 0 elsewhere; the truth of a category that is not there."""
        truths = self.truths.get(shot.id, [])
        crowd = _union([one.rle for one in truths if one.crowd], shot)
        return crowd * (1 - _union([one.rle for one in truths if not one.crowd], shot)) * np.uint8(255)

    def _grouped(self, path: Path, rows: Sequence[Any], *, scored: bool) -> dict[int, list[Instance]]:
        found: dict[int, list[Instance]] = defaultdict(list)
        for number, row in enumerate(rows):
            where = f"{path} entry {number}"
            with _form(where):
                image, category = row["image_id"], row["category_id"]
                segmentation = row.get("segmentation")
                score = float(row["score"]) if scored else 1.0
            if image not in self._by_id:
                raise BadInput(where, "an image of the truth file", f"image_id {image!r}", "leave it out")
            if category not in self.categories:
                known = ", ".join(map(str, [*self.categories][:8]))
                raise BadInput(where, f"a category of the truth file ({known})", f"category_id {category!r}", "map it")
            if not math.isfinite(score):
                raise BadInput(where, "a finite score", str(score), "mend what wrote it")
            shot = self._by_id[image]
            rle = encoded(segmentation, shot.height, shot.width, f"{where} (image {image}, {shot.name})")
            area = row.get("area") if not scored else None
            found[image].append(Instance(category, rle, score, bool(row.get("iscrowd")) and not scored, area))
        return found


def _rows(several: Mapping[int, Sequence[Instance]]) -> Iterator[dict[str, Any]]:
    """Annotations as pycocotools takes them, numbered from 1: it takes an id of 0 for "no match"."""
    from pycocotools import mask

    number = 0
    for image, instances in several.items():
        for one in instances:
            number += 1
            area = float(mask.area(one.rle)) if one.area is None else float(one.area)
            yield {
                "id": number,
                "image_id": image,
                "category_id": one.category,
                "segmentation": dict(one.rle),
                "area": area,
                "bbox": [float(side) for side in mask.toBbox(one.rle)],
                "iscrowd": int(one.crowd),
                "score": one.score,
            }


def _union(rles: Sequence[Mapping[str, Any]], shot: Shot) -> npt.NDArray[np.uint8]:
    from pycocotools import mask

    if not rles:
        return np.zeros((shot.height, shot.width), np.uint8)
    return np.ascontiguousarray(mask.decode(mask.merge([dict(rle) for rle in rles])), np.uint8)


def _loaded(path: Path, want: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(path, want, "no such file", "check the path") from None
    except (OSError, ValueError, RecursionError) as fault:
        raise BadInput(path, want, f"no JSON ({fault})", "write it again") from None


@contextlib.contextmanager
def _form(where: Any) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        found = f"no {fault}" if isinstance(fault, KeyError) else str(fault)
        raise BadInput(where, "an entry in COCO's form", found, "see COCO's format of data and results") from None
