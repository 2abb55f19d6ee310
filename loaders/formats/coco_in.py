"""COCO read: the JSON is sorted on disk first (SQLite), so that no file is too large.

From elsewhere, too: polygons and run lengths, compressed or not, become masks of the categories' ids; later ones lie
over earlier ones, and crowds (``iscrowd``) become pixels to ignore.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from loaders.formats.coco import ANNOTATIONS, IGNORED
from loaders.formats.form import Found, Origin
from loaders.formats.jsonstream import items
from loaders.formats.rows import from_json, info_from, instances_path, own_path, stem
from manifests import IGNORE, Info, Record
from masksmith import files
from masksmith.errors import BadInput

PIECE_ITEMS = 256
_SPLITS = ("train", "val", "test")


def about(origin: Origin) -> Info:
    """The description in the first file, or one made of its categories."""
    path = _documents(origin.root)[0]
    head: dict[str, Any] = {"categories": []}
    for key, value in items(path):
        if key == "categories":
            head["categories"].append(value)
        elif key == "info":
            head["info"] = value
    ours = (head.get("info") or {}).get("masksmith") if isinstance(head.get("info"), dict) else None
    if ours is not None:
        return info_from(ours, path)
    return Info(
        name=_folder(origin.root).resolve().name,
        classes=_classes(head["categories"], path),
        description=str((head.get("info") or {}).get("description", "")),
    )


def pieces(origin: Origin) -> list[dict[str, Any]]:
    """Ranges of images, once every file is sorted into the scratch folder."""
    made = []
    first = 0
    for number, path in enumerate(_documents(origin.root)):
        state = path.stat()
        sorted_as = origin.scratch / f"coco-{number:03d}-{files.digest([state.st_size, state.st_mtime_ns])[:16]}.db"
        if not sorted_as.exists():
            _sort(path, sorted_as)
        with sqlite3.connect(sorted_as) as db:
            (count,) = db.execute("SELECT COUNT(*) FROM images").fetchone()
        made += [
            {
                "document": str(path),
                "sorted": str(sorted_as),
                "start": start,
                "first": first + start,
                "items": min(PIECE_ITEMS, count - start),
            }
            for start in range(0, count, PIECE_ITEMS)
        ]
        first += count
    return made


def read(origin: Origin, piece: Mapping[str, Any]) -> Iterator[Found]:
    """The images of a range with the masks that their annotations make."""
    path = Path(piece["document"])
    root = _folder(origin.root)
    with sqlite3.connect(f"file:{piece['sorted']}?mode=ro", uri=True) as db:
        background = _background(db)
        rows = db.execute(
            "SELECT id, body FROM images WHERE place >= ? AND place < ? ORDER BY place",
            (piece["start"], piece["start"] + piece["items"]),
        ).fetchall()
        for number, (id, body) in enumerate(rows):
            image = json.loads(body)
            marks = [
                json.loads(text)
                for (text,) in db.execute("SELECT body FROM marks WHERE image = ? ORDER BY place", (id,))
            ]
            yield _found(root, path, image, marks, background, piece["first"] + number)


def _found(
    root: Path, path: Path, image: dict[str, Any], marks: list[dict[str, Any]], background: int, place: int
) -> Found:
    where = f"{path}: image {image.get('id')}"
    name = image.get("file_name")
    if not isinstance(name, str) or not own_path(name):
        raise BadInput(where, "a file_name inside the folder", repr(name), "correct it")
    picture = next((p for p in _places(root, path, name) if p.is_file()), None)
    if picture is None:
        raise BadInput(where, f"the image {name}", f"none in {root}", "put the images beside annotations/")
    height, width = _whole(image, "height", where), _whole(image, "width", where)
    mask, instances = drawn(marks, height, width, background, where)
    ours = "record" in image
    if ours:
        record = from_json(image["record"], where)
        masked = bool(image.get("masked", True))
    else:
        split = next((s for s in _SPLITS if s in path.stem.lower()), None)
        key = stem(place, PurePosixPath(name).stem)
        record = Record(
            id=str(image["id"]),
            image=f"images/{key}{PurePosixPath(name).suffix.lower()}",
            mask=f"masks/{key}.png",
            width=width,
            height=height,
            split=split,
            source=root.resolve().name,
        )
        masked = True
    position = int(image["id"]) - 1 if ours else place
    named = instances_path(record.extra)
    return Found(
        position,
        record,
        picture.read_bytes(),
        picture.suffix.lower(),
        mask if masked else None,
        instances if named and masked else None,  # instances of no class have no place in COCO
        foreign=not ours,
    )


def drawn(
    marks: list[dict[str, Any]], height: int, width: int, background: int, where: str
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """Class ids (H, W) and instances (H, W) of an image's annotations, in their order, what is ignored last."""
    mask = np.full((height, width), background, np.uint8)
    instances = np.zeros((height, width), np.uint16)
    ignored = np.zeros((height, width), bool)
    for mark in marks:
        region = _region(mark, height, width, where)
        if mark.get("iscrowd"):
            ignored |= region
            continue
        number = _whole(mark, "category_id", where)
        if not 0 <= number < IGNORE:
            raise BadInput(where, "category ids from 0 to 254", str(number), "number the categories anew")
        mask[region] = number
        instances[region] = int(mark.get("instance", 0))
    mask[ignored] = IGNORE
    return mask, instances


def _region(mark: dict[str, Any], height: int, width: int, where: str) -> npt.NDArray[np.bool_]:
    from pycocotools import mask as coco

    shape = mark.get("segmentation")
    try:
        if isinstance(shape, list):
            if not shape:
                return np.zeros((height, width), bool)
            packed = coco.merge(coco.frPyObjects(shape, height, width))
        elif isinstance(shape, dict) and list(shape["size"]) == [height, width]:
            packed = shape
            if isinstance(shape["counts"], list):
                packed = coco.frPyObjects(shape, height, width)
            elif isinstance(shape["counts"], str):
                packed = {"size": shape["size"], "counts": shape["counts"].encode("ascii")}
        else:
            raise ValueError(f"segmentation {str(shape)[:60]}")
        return np.asarray(coco.decode(packed), bool)
    except (ValueError, KeyError, TypeError, IndexError, UnicodeEncodeError) as fault:
        spot = f"{where}, annotation {mark.get('id')}"
        raise BadInput(spot, f"polygons or run lengths of {width} x {height}", str(fault)[:120], "correct it") from None


def _sort(path: Path, target: Path) -> None:
    """Images and annotations as they stand, with an index from one to the other."""
    seen: list[dict[str, Any]] = []
    known: dict[str, int] | None = None
    with files.atomic(target, durable=False) as part:
        part.unlink(missing_ok=True)
        with sqlite3.connect(part) as db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute("PRAGMA journal_mode = OFF")
            db.execute("CREATE TABLE images (place INTEGER PRIMARY KEY, id, body TEXT)")
            db.execute("CREATE TABLE marks (place INTEGER PRIMARY KEY, image, body TEXT)")
            db.execute("CREATE TABLE categories (body TEXT)")
            counts = {"images": 0, "annotations": 0}
            for key, value in items(path):
                if key == "categories":
                    seen.append(value)
                if key == "info" and isinstance(value, dict) and "masksmith" in value:
                    known = dict(info_from(value["masksmith"], path).classes)
                if key not in counts:
                    continue
                if not isinstance(value, dict):
                    raise BadInput(path, f"objects under {key}", repr(value)[:60], "correct it")
                place, counts[key] = counts[key], counts[key] + 1
                own = value.get("id" if key == "images" else "image_id")
                table = "images" if key == "images" else "marks"
                db.execute(f"INSERT INTO {table} VALUES (?, ?, ?)", (place, own, json.dumps(value)))
            if not counts["images"]:
                raise BadInput(path, "COCO's annotations/*.json, with images", "no images in it", "check the path")
            classes = _classes(seen, path) if known is None else known
            db.execute("INSERT INTO categories VALUES (?)", (json.dumps(classes),))
            db.execute("CREATE UNIQUE INDEX by_id ON images (id)")
            db.execute("CREATE INDEX by_image ON marks (image)")
        db.close()


def _background(db: sqlite3.Connection) -> int:
    (text,) = db.execute("SELECT body FROM categories").fetchone()
    return int(json.loads(text).get("background", 0))


def _classes(listed: list[Any], path: Path) -> dict[str, int]:
    """The class table of COCO's categories; the background takes an id that none of them has."""
    try:
        classes = {str(each["name"]): int(each["id"]) for each in listed}
    except (KeyError, TypeError, ValueError) as fault:
        raise BadInput(path, "categories with name and id", f"{fault!r}", "correct them") from None
    if classes.get(IGNORED) == IGNORE:
        del classes[IGNORED]
    if "background" not in classes:
        free = next((k for k in range(IGNORE) if k not in classes.values()), None)
        if free is not None:
            classes = {"background": free, **classes}
    return classes


def _documents(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    found = sorted((root / ANNOTATIONS).glob("*.json")) or sorted(root.glob("*.json"))
    ours = [path for path in found if path.name.startswith("instances_")]
    if not found:
        raise BadInput(root, "annotations/*.json", "none", "name the folder that holds annotations/ and images")
    return ours or found


def _folder(root: Path) -> Path:
    if root.is_file():
        return root.parent.parent if root.parent.name == ANNOTATIONS else root.parent
    return root


def _places(root: Path, path: Path, name: str) -> list[Path]:
    split = path.stem.removeprefix("instances_")
    return [root / "images" / name, root / name, root / split / name, root / "images" / split / name]


def _whole(value: dict[str, Any], key: str, where: str) -> int:
    number = value.get(key)
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadInput(where, f"a whole number under {key}", repr(number), "correct it")
    return number
