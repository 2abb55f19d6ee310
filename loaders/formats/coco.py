"""COCO: ``images/`` and ``annotations/instances_SPLIT.json``, masks as run lengths (pycocotools).

An annotation is an instance, where the record names a map of them, else all of one class in the image. Categories
are the classes but ``background``, under their own ids. Pixels to ignore (255) are one annotation with ``iscrowd: 1``
in the extra category ``ignore`` (255), so that nothing is lost; for COCO's own AP leave that category out. What COCO
has no place for stands under ``masksmith`` in ``info`` and under ``record`` in each image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loaders.formats.form import Item, Place, Whole, parts_folder
from loaders.formats.rows import about, to_json
from manifests import IGNORE
from masksmith import __version__, files, images
from masksmith.errors import BadInput
from masksmith.images import Mask

ANNOTATIONS = "annotations"
IGNORED = "ignore"


def write(place: Place, items: Iterator[Item]) -> dict[str, Any]:
    """Write a shard's images; what goes into the JSON waits for :func:`finish`, a line an entry."""
    folder = parts_folder(place.out)
    pictures: list[str] = []
    marks: list[str] = []
    for item in items:
        name = f"{item.name}{item.image_suffix}"
        files.write_bytes(place.out / "images" / name, item.image, durable=False)
        pictures.append(_dumped(_image(item, name)))
        for annotation in marks_of(item, place.info.classes):
            marks.append(_dumped({"image_id": item.position + 1, **annotation}))
    for kind, lines in (("images", pictures), ("marks", marks)):
        text = "".join(line + "\n" for line in lines)
        files.write_bytes(folder / f"{place.index:06d}.{kind}", text.encode(), durable=False)
    return {"records": len(pictures), "annotations": len(marks)}


def finish(whole: Whole) -> None:
    """A JSON file a split, written in a stream; annotations are numbered through all of them."""
    number = 1
    folder = parts_folder(whole.out)
    licences = [{"id": k + 1, "name": name, "url": ""} for k, name in enumerate(whole.info.licence)]
    head = {
        "info": {
            "description": whole.info.description or whole.info.name,
            "version": whole.info.version,
            "contributor": whole.info.citation,
            "masksmith": {**about(whole.info, "coco", whole.records), "version": __version__},
        },
        "licenses": licences,
        "categories": categories(dict(whole.info.classes)),
    }
    for split in whole.splits:
        path = whole.out / ANNOTATIONS / f"instances_{split}.json"
        places = [place for place in whole.places if place.split == split]
        with files.atomic(path) as part, part.open("w", encoding="utf-8") as sink:
            sink.write(_dumped(head)[:-1] + ',\n"images": [')
            lead = "\n"
            for place in places:
                for line in _lines(folder / f"{place.index:06d}.images"):
                    sink.write(lead + line)
                    lead = ",\n"
            sink.write('],\n"annotations": [')
            lead = "\n"
            for place in places:
                for line in _lines(folder / f"{place.index:06d}.marks"):
                    sink.write(f'{lead}{{"id": {number}, {line[1:]}')
                    lead = ",\n"
                    number += 1
            sink.write("]}\n")


def categories(classes: dict[str, int]) -> list[dict[str, Any]]:
    """COCO's categories of a class table, by id, the one for ignored pixels last."""
    named = sorted((number, name) for name, number in classes.items() if name != "background")
    listed = [{"id": number, "name": name, "supercategory": ""} for number, name in named]
    return [*listed, {"id": IGNORE, "name": IGNORED, "supercategory": "void"}]


def marks_of(item: Item, classes: Any) -> Iterator[dict[str, Any]]:
    """The annotations of a record, without ids.

    Raises:
        BadInput: the mask holds an id that the class table does not have, or is of another size than its instances.
    """
    if item.mask is None:
        return
    where = f"{item.record.mask} of record {item.record.id}"
    mask = decoded(item.mask, where)
    present = np.flatnonzero(np.bincount(mask.reshape(-1), minlength=256))
    strange = sorted(set(present.tolist()) - {*classes.values(), IGNORE})
    if strange:
        raise BadInput(where, "ids of the class table", f"also {strange[:8]}", "add the classes, or map the ids")
    instances = None
    if item.instances is not None:
        instances = decoded_map(item.instances, f"instances of record {item.record.id}")
        if instances.shape != mask.shape:
            raise BadInput(where, f"instances of its size {mask.shape}", str(instances.shape), "make them again")
    for number in present.tolist():
        if number == classes.get("background"):
            continue
        region = mask == number
        if instances is not None and number != IGNORE:
            for instance in np.unique(instances[region]).tolist():
                yield {"instance": instance, **_annotation(region & (instances == instance), number)}
        else:
            yield _annotation(region, number)


def decoded(data: bytes, where: str) -> Mask:
    """(H, W) uint8 class ids of an encoded mask; palette indices, not colours."""
    import io

    from PIL import Image as pillow

    try:
        with pillow.open(io.BytesIO(data)) as opened:
            values = np.asarray(opened)
    except (OSError, ValueError, SyntaxError) as fault:
        raise BadInput(where, "a readable mask", str(fault), "restore it") from None
    if values.ndim == 3:
        if any(not np.array_equal(values[..., 0], values[..., k]) for k in range(1, min(3, values.shape[2]))):
            raise BadInput(where, "one channel of class ids", "colours", "map its colours to ids first")
        values = values[..., 0]
    if values.dtype != np.bool_ and int(values.max(initial=0)) > IGNORE:
        raise BadInput(where, "ids up to 255", str(int(values.max())), "map the ids to 8 bits")
    return np.ascontiguousarray(values, dtype=np.uint8)


def decoded_map(data: bytes, where: str) -> npt.NDArray[np.uint16]:
    """(H, W) uint16 of an encoded map of instances, 0 where there is none."""
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.ndim != 2:
        raise BadInput(where, "a PNG of one channel", "something else", "write it as 8 or 16 bits of grey")
    return np.asarray(values, np.uint16)


def encoded_map(values: npt.NDArray[Any]) -> bytes:
    """A map of instances as PNG, 8 bits where they are enough."""
    small = int(values.max(initial=0)) < 256
    return images.encode_png(values.astype(np.uint8 if small else np.uint16))


def _annotation(region: npt.NDArray[np.bool_], number: int) -> dict[str, Any]:
    from pycocotools import mask as coco

    packed = coco.encode(np.asfortranarray(region, dtype=np.uint8))
    return {
        "category_id": number,
        "iscrowd": int(number == IGNORE),
        "area": float(coco.area(packed)),
        "bbox": [float(value) for value in coco.toBbox(packed)],
        "segmentation": {"size": list(map(int, packed["size"])), "counts": packed["counts"].decode("ascii")},
    }


def _image(item: Item, name: str) -> dict[str, Any]:
    record = item.record
    return {
        "id": item.position + 1,
        "file_name": name,
        "width": record.width,
        "height": record.height,
        "masked": item.mask is not None,
        "record": to_json(record),
    }


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as handle:
        for line in handle:
            yield line.rstrip("\n")
