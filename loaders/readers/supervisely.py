"""The reader ``supervisely-person``: polygons and bitmaps in JSON, a file an image, in either export of Supervisely.

The mask is the union of an image's objects; which pixel is whose stays beside it, see :mod:`loaders.readers.objects`.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from loaders.readers import objects
from loaders.readers.layout import folders_in, locate, walk
from loaders.readers.reader import Item, Published, Seen
from loaders.readers.relabel import PERSON
from masksmith import images
from masksmith.errors import BadInput

CLASSES = ("person_bmp", "person_poly", "neutral")
LARGEST_PNG = 64 << 20
_COPY = re.compile(r"_[A-Za-z0-9]{10}$")
_PEXELS = re.compile(r"(?:^pexels-photo-|-)(\d{3,})$")


class Supervisely(Published):
    """Supervisely Person below ``root``: ``meta.json`` and ``dsN/{img,ann}``.

    Args:
        root: holds the export.

    Raises:
        BadInput: no such layout, or a ``meta.json`` that cannot be read.
    """

    name = "supervisely-person"
    rewrites = True
    separates = True
    classes = PERSON

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        _, self.base = locate(self.root, self.name, {"export": ("meta.json",)})
        meta = _json(self.base / "meta.json")
        listed = meta.get("classes")
        if not isinstance(listed, list) or not all(isinstance(each, dict) and "title" in each for each in listed):
            raise BadInput(self.base / "meta.json", "classes, each with a title", "none", "restore it")
        self.titles = sorted(str(each["title"]) for each in listed)
        unknown = [title for title in self.titles if title not in CLASSES]
        if unknown:
            raise BadInput(
                self.base / "meta.json",
                f"the classes {', '.join(CLASSES)}",
                f"also {', '.join(unknown)}",
                "check --from: it is another project",
            )

    def items(self) -> Iterator[Item]:
        """The images in order; see :meth:`Reader.items`."""
        folders = [each for each in folders_in(self.base) if (each / "img").is_dir()]
        if not folders:
            raise BadInput(self.base, "folders dsN with img/ and ann/", "none", "check --from")
        for folder in sorted(folders, key=lambda each: each.name + "/"):
            yield from self._folder(folder)

    def _folder(self, folder: Path) -> Iterator[Item]:
        notes = {path.name: str(path) for path in (folder / "ann").glob("*.json")}
        rows: dict[str, list[str]] = {}
        for stem, path in walk(folder / "img"):
            rows.setdefault(stem, []).append(path)
        used: set[str] = set()
        found = []
        for stem, paths in rows.items():
            for path in sorted(paths):
                new, old = f"{Path(path).name}.json", f"{stem}.json"
                # two pictures of one name: the old export cannot say which it means, the new one can
                note = new if new in notes else old if old in notes and len(paths) == 1 else None
                name = stem if len(paths) == 1 else Path(path).name
                used.update([note] if note else [])
                lacks = "" if note else "no annotation"
                found.append(self._item(folder.name, name, stem, path, notes[note] if note else None, lacks))
        for note in notes.keys() - used:
            name = note.removesuffix(".json")
            found.append(Item(f"{folder.name}/{name}.json", "", notes[note], lacks="no image"))
        yield from sorted(found, key=lambda item: item.id)

    def _item(self, folder: str, name: str, stem: str, path: str, note: str | None, lacks: str) -> Item:
        groups = {"photo": (photo_key(stem),)}
        return Item(f"{folder}/{name}", path, note, groups=groups, extra={"folder": folder}, lacks=lacks)

    def look(self, item: Item) -> Seen:
        """Open an image and draw its objects."""
        image = images.read_image(item.image)
        height, width = image.shape[:2]
        size, drawn = self._objects(item.mask or "")
        if size != (height, width):
            raise BadInput(
                item.mask, f"the size of its upright image, {width} x {height}", f"{size[1]} x {size[0]}", "restore it"
            )
        parts = objects.separate(drawn, size)
        return Seen(image, parts["mask"], instances=parts["instances"], extra={"objects": parts["objects"]})

    def read_mask(self, path: str) -> images.Mask:
        """(H, W) 0/1: the union of the objects of an annotation."""
        size, drawn = self._objects(path)
        return np.asarray(objects.separate(drawn, size)["mask"], np.uint8)

    def _objects(self, path: str) -> tuple[tuple[int, int], list[tuple[dict[str, Any], images.Mask]]]:
        """(height, width), and the objects with what is known of each."""
        note = _json(Path(path))
        try:
            height, width = int(note["size"]["height"]), int(note["size"]["width"])
            listed = list(note["objects"])
        except (KeyError, TypeError, ValueError) as fault:
            raise BadInput(path, "size and objects", f"neither or broken ({fault!r})", "restore it") from None
        if not 0 < height * width <= images.MAX_PIXELS:
            raise BadInput(path, f"a size of at most {images.MAX_PIXELS:,} pixels", f"{width} x {height}", "restore it")
        return (height, width), [self._object(path, each, number, height, width) for number, each in enumerate(listed)]

    def _object(
        self, path: str, entry: Any, number: int, height: int, width: int
    ) -> tuple[dict[str, Any], images.Mask]:
        where = f"{path}: object {number}"
        title = entry.get("classTitle") if isinstance(entry, dict) else None
        if title not in self.titles:
            raise BadInput(where, f"a class of meta.json ({', '.join(self.titles)})", repr(title), "restore it")
        bitmap, points = entry.get("bitmap"), entry.get("points")
        try:
            if bitmap:
                mask = _bitmap(where, bitmap, height, width)
            elif isinstance(points, Mapping) and points.get("exterior"):
                mask = _polygon(points, height, width)
            else:
                raise BadInput(where, "a bitmap, or a polygon with points.exterior", "neither", "restore it")
        except (KeyError, TypeError, ValueError, cv2.error) as fault:
            raise BadInput(where, "a bitmap or a polygon", f"a broken one ({fault!r})", "restore it") from None
        return {"class": title}, mask


def photo_key(stem: str) -> str:
    """The Pexels photo that a file name of Supervisely Person is made of; the whole name where it holds no number.

    One photo stands in several folders, also as a copy whose name ends in ten random characters.
    """
    plain = _COPY.sub("", stem)
    found = _PEXELS.search(plain)
    return f"pexels-{found[1]}" if found else plain


def _polygon(points: Mapping[str, Any], height: int, width: int) -> images.Mask:
    mask = np.zeros((height, width), np.uint8)
    holes = points.get("interior") or []
    cv2.fillPoly(mask, [_ring(points["exterior"])], 1)
    for hole in holes:
        cv2.fillPoly(mask, [_ring(hole)], 0)
    return mask


def _ring(points: Any) -> Any:
    ring = np.asarray(points, np.float64)
    if ring.ndim != 2 or ring.shape[1] != 2 or not np.isfinite(ring).all():
        raise ValueError(f"points of shape {ring.shape}")
    return np.round(np.clip(ring, -1e6, 1e6)).astype(np.int32)


def _bitmap(where: str, bitmap: Mapping[str, Any], height: int, width: int) -> images.Mask:
    left, top = (int(value) for value in bitmap["origin"])
    try:
        packed = base64.b64decode(bitmap["data"], validate=True)
        unpack = zlib.decompressobj()
        data = unpack.decompress(packed, LARGEST_PNG)
        if unpack.unconsumed_tail:
            raise BadInput(where, f"a bitmap of at most {LARGEST_PNG:,} bytes", "a larger one", "leave it out")
    except (binascii.Error, zlib.error) as fault:
        raise BadInput(where, "a bitmap: base64 of zlib of PNG", f"a broken one ({fault})", "restore it") from None
    part = _marked(where, data)
    rows, columns = part.shape
    if left < 0 or top < 0 or top + rows > height or left + columns > width:
        raise BadInput(
            where,
            f"a bitmap inside its image, {width} x {height}",
            f"{columns} x {rows} at {left}, {top}",
            "restore it, or leave it out with --skip-bad",
        )
    mask = np.zeros((height, width), np.uint8)
    mask[top : top + rows, left : left + columns] = part
    return mask


def _marked(where: str, data: bytes) -> images.Mask:
    """(h, w) 0/1 of a bitmap's PNG: its alpha channel where it has one, else its values or palette entries."""
    from PIL import Image as pillow

    try:
        with pillow.open(io.BytesIO(data)) as opened:
            if opened.format != "PNG" or opened.width * opened.height > images.MAX_PIXELS:
                raise BadInput(where, "a PNG", f"{opened.format}, {opened.width} x {opened.height}", "restore it")
            if opened.mode == "P" and "transparency" in opened.info:
                values = np.asarray(opened.convert("RGBA"))[..., 3]
            elif opened.mode in ("RGBA", "LA"):
                values = np.asarray(opened)[..., -1]
            elif opened.mode in ("P", "L", "1", "I;16", "I"):
                values = np.asarray(opened)
            else:
                raise BadInput(where, "a bitmap with alpha, or of one channel", f"mode {opened.mode}", "restore it")
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as fault:
        raise BadInput(where, "a PNG in the bitmap", f"a broken one ({fault})", "restore it") from None
    return (values > 0).astype(np.uint8)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as fault:
        raise BadInput(path, "JSON of Supervisely", f"a broken file ({fault})", "restore it") from None
    if not isinstance(value, dict):
        raise BadInput(path, "JSON of Supervisely", type(value).__name__, "restore it")
    return value
