"""The readers ``easyportrait`` (version 2) and ``easyportrait-v1``: portraits with parsed faces, split by person."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from loaders.readers.layout import Named, folders_in, locate, paired, walk
from loaders.readers.reader import Item, Published, first_few
from loaders.readers.relabel import ALL, Relabel
from masksmith import images
from masksmith.errors import BadInput

NAMES = {
    0: "background",
    1: "person",
    2: "skin",
    3: "left_brow",
    4: "right_brow",
    5: "left_eye",
    6: "right_eye",
    7: "lips",
    8: "teeth",
    255: None,
}
TARGETS = {"portrait": tuple(name for name in NAMES.values() if name not in (None, "background"))}
SPLITS = ("test", "train", "val")
SEPARATORS = ("\t", ";", "|", ",")


class EasyPortrait(Published):
    """EasyPortrait below ``root``: ``images``, ``annotations`` (each ``{train,val,test}``) and ``meta``.

    The masks' ids stay as they are: 1 is what is left of a person beside the parts of the face, so a portrait is 1
    to 8. With ``classes="portrait"`` the masks are written anew with 1 for all of these.

    Args:
        root: holds the dataset; parts of it (some of the splits) are taken as they are.
        classes: ``all`` or ``portrait``.

    Raises:
        BadInput: no such layout, or no meta table.
        UsageProblem: another target.
    """

    name = "easyportrait"
    options = ("classes",)
    key: ClassVar[str] = "image_name"
    wanted: ClassVar[tuple[str, ...]] = ("image_name", "user_id", "brightness", "set")

    def __init__(self, root: Path, *, classes: str | None = None) -> None:
        super().__init__(root)
        _, self.base = locate(self.root, self.name, {"splits": ("images", "annotations")})
        self.relabel = Relabel(NAMES, classes or ALL, TARGETS)
        self.classes = self.relabel.classes
        self.rewrites = self.relabel.changes
        self.settings = {"classes": classes or ALL}
        self.images = _with_splits(self.base / "images")
        self.masks = _with_splits(self.base / "annotations")
        self.meta = _meta_file(self.base, self.masks)

    def items(self) -> Iterator[Item]:
        """The portraits of all splits that are there; see :meth:`Reader.items`."""
        people = self._people()
        strange: list[str] = []
        for split in SPLITS:
            if not (self.images / split).is_dir():
                continue
            for name, image, mask in paired(
                walk(self.images / split, prefix=f"{split}/"), _walk_if_there(self.masks / split, f"{split}/")
            ):
                row = people.get(name.rpartition("/")[2])
                lacks, excused = "", False
                if image is None:
                    lacks, excused = "no image", True  # a part of the images, with the annotations of all of them
                elif mask is None:
                    lacks = "no annotation"
                elif row is None:
                    lacks = f"no row in {self.meta.name}"
                if row is not None and row.get("set", split) != split:
                    strange.append(name)
                yield Item(
                    name,
                    image or "",
                    mask,
                    subject=None if row is None else row["user_id"],
                    split=split,
                    extra={} if row is None else {key: row[key] for key in row if key not in ("user_id", "set")},
                    lacks=lacks,
                    excused=excused,
                )
        self.notes = []
        if self.relabel.changes is False:
            self.notes.append("a portrait is the classes 1 to 8 together; --classes portrait writes them as one")
        if strange:
            self.notes.append(
                f"{len(strange)} images lie in another split's folder than {self.meta.name} says "
                f"({first_few(strange)}); the folder counts"
            )

    def read_mask(self, path: str) -> images.Mask:
        """(H, W) ids, 255 where the picture was padded."""
        return self.relabel(path, images.read_mask(path))

    def _people(self) -> dict[str, dict[str, Any]]:
        """Image name to its row: ``user_id``, ``set`` and ``brightness``."""
        rows: dict[str, dict[str, Any]] = {}
        with self.meta.open(newline="", encoding="utf-8-sig") as handle:
            header = handle.readline()
            separator = max(SEPARATORS, key=header.count)
            columns = next(csv.reader([header], delimiter=separator), [])
            if self.key not in columns or "user_id" not in columns:
                raise BadInput(
                    self.meta,
                    f"the columns {self.key} and user_id",
                    first_few(columns) or "an empty file",
                    f"take the meta table of {self.name}" + self._other_version(columns),
                )
            for row in csv.DictReader(handle, columns, delimiter=separator):
                if not row[self.key] or not row["user_id"]:
                    raise BadInput(self.meta, "an image and a user_id in every row", repr(row), "restore it")
                rows[Path(row[self.key]).stem] = _kept(row, self.wanted)
        return rows

    def _other_version(self, columns: list[str]) -> str:
        other = EasyPortrait if isinstance(self, EasyPortraitV1) else EasyPortraitV1
        return f"; this one is of {other.name}" if other.key in columns else ""


class EasyPortraitV1(EasyPortrait):
    """EasyPortrait of February 2023; as :class:`EasyPortrait`, with a meta table of other columns."""

    name = "easyportrait-v1"
    key = "attachment_id"
    wanted = ("attachment_id", "user_id", "brightness", "train", "test", "valid")


def _kept(row: Mapping[str, str], wanted: tuple[str, ...]) -> dict[str, Any]:
    kept: dict[str, Any] = {"user_id": row["user_id"]}
    if row.get("brightness"):
        try:
            kept["brightness"] = float(row["brightness"])
        except ValueError:
            kept["brightness"] = row["brightness"]
    if "set" in wanted and row.get("set"):
        kept["set"] = {"valid": "val"}.get(row["set"], row["set"])
    for name, split in (("train", "train"), ("valid", "val"), ("test", "test")):
        if name in wanted and (row.get(name) or "").strip().lower() in ("1", "1.0", "true"):
            kept["set"] = split
    return kept


def _with_splits(folder: Path) -> Path:
    """The folder itself, or the one in it that an archive was unpacked to, which holds the splits."""
    for place in (folder, *(folders_in(folder) if folder.is_dir() else ())):
        if any((place / split).is_dir() for split in SPLITS):
            return place
    there = [each.name for each in folders_in(folder)]
    raise BadInput(folder, "folders train, val, test", first_few(there) or "none", "unpack the archives there")


def _meta_file(base: Path, masks: Path) -> Path:
    places = [base, base / "meta", masks, masks / "meta", base / "annotations", base / "annotations" / "meta"]
    for place in places:
        found = sorted(path for path in place.glob("meta*") if path.suffix.lower() in (".csv", ".tsv", ".txt"))
        if found:
            return found[0]
    raise BadInput(base, "the table meta.csv or meta.tsv (who is on which image)", "none", "unpack meta.zip there")


def _walk_if_there(folder: Path, prefix: str) -> Iterator[Named]:
    return walk(folder, prefix=prefix) if folder.is_dir() else islice(iter([("", "")]), 0)
