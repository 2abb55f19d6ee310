"""Formats of plain files with a line of JSON a record: folders, FiftyOne, imagefolder, Croissant.

Files keep their bytes. A line holds ``file_name``, ``mask_file_name`` and ``instances`` (relative to its own file),
some columns to look at, ``position``, and the whole record as JSON text under ``record``. Hugging Face wants every
column to be of one type in every split: what is not known is empty text there, or -1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loaders.formats.form import Found, Item, Origin, Place, Whole
from loaders.formats.rows import ABOUT, from_json, info_from, own_path, to_json
from manifests import Info
from masksmith import files
from masksmith.errors import BadInput

PIECE_ITEMS = 256
_SHOWN = ("id", "subject", "split", "clip", "frame", "source", "licence", "width", "height")
_FILES = ("file_name", "mask_file_name", "instances")


@dataclass(frozen=True)
class Tree:
    """What lies where; ``{split}`` in a name is replaced.

    Attributes:
        images, masks, instances: folders.
        lines: the file of lines; with ``{split}`` one a split.
    """

    images: str
    masks: str
    instances: str
    lines: str

    def write(self, place: Place, items: Iterator[Item]) -> dict[str, Any]:
        """Write a shard's files; its lines wait for :meth:`finish`."""
        lines = []
        word = split_word(place.split)
        base = Path(self.lines.format(split=word)).parent
        for item in items:
            kept = [
                (self.images, item.image_suffix, item.image),
                (self.masks, item.mask_suffix, item.mask),
                (self.instances, ".png", item.instances),
            ]
            names: list[str | None] = []
            for folder, suffix, data in kept:
                path = Path(folder.format(split=word)) / f"{item.name}{suffix}"
                names.append(None if data is None else path.relative_to(base).as_posix())
                if data is not None:
                    files.write_bytes(place.out / path, data, durable=False)
            lines.append(_line(item, names))
        text = "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines)
        files.write_bytes(place.lines, text.encode(), durable=False)
        return {"records": len(lines), "masks": sum(line["mask_file_name"] is not None for line in lines)}

    def finish(self, whole: Whole) -> None:
        """Put the shards' lines together, in a stream."""
        done: set[str] = set()
        masked = {place.split: 0 for place in whole.places}
        for place, receipt in zip(whole.places, whole.receipts, strict=True):
            masked[place.split] += receipt["masks"]
        bare = sorted(split for split, number in masked.items() if not number)
        if "{split}" in self.lines and bare and len(bare) < len(masked):
            raise BadInput(
                whole.out, "masks in every split, or in none (imagefolder's rule)", f"none in {', '.join(bare)}",
                "name the other splits with --split, or take another format",
            )  # fmt: skip
        for split in whole.splits:
            path = self.lines.format(split=split_word(split))
            if path in done:
                continue
            done.add(path)
            with files.atomic(whole.out / path) as part, part.open("wb") as sink:
                for place in whole.places:
                    if path == self.lines.format(split=split_word(place.split)):
                        sink.write(place.lines.read_bytes())

    def pieces(self, origin: Origin) -> list[dict[str, Any]]:
        """Byte ranges of the files of lines."""
        found = sorted(origin.root.glob(self.lines.format(split="*")))
        if not found:
            raise BadInput(
                origin.root,
                f"{self.lines.format(split='*')}, as `masksmith convert --to` writes it",
                "none",
                "for plain folders of images and masks: masksmith prepare folders",
            )
        pieces: list[dict[str, Any]] = []
        for path in found:
            name = path.relative_to(origin.root).as_posix()
            start = offset = count = 0
            with path.open("rb") as handle:
                for line in handle:
                    offset += len(line)
                    count += 1
                    if count == PIECE_ITEMS:
                        pieces.append({"file": name, "start": start, "items": count})
                        start, count = offset, 0
            if count:
                pieces.append({"file": name, "start": start, "items": count})
        return pieces

    def read(self, origin: Origin, piece: Mapping[str, Any]) -> Iterator[Found]:
        """The records of a byte range."""
        path = origin.root / piece["file"]
        with path.open("rb") as handle:
            handle.seek(piece["start"])
            for _ in range(piece["items"]):
                yield _found(path, handle.readline())


def _line(item: Item, names: list[str | None]) -> dict[str, Any]:
    row = to_json(item.record)
    unknown = {"frame": -1}
    line: dict[str, Any] = {key: unknown.get(key, "") if row[key] is None else row[key] for key in _SHOWN}
    line |= dict(zip(_FILES, names, strict=True))
    line["instances"] = line["instances"] or ""
    line["position"] = item.position
    line["record"] = json.dumps(row, ensure_ascii=False, sort_keys=True)
    return line


def _found(path: Path, line: bytes) -> Found:
    where = f"{path}, a line of {len(line)} bytes"
    try:
        value = json.loads(line)
        record = from_json(json.loads(value["record"]), where)
        names = [value.get(key) or None for key in _FILES]
        position = int(value["position"])
    except (ValueError, KeyError, TypeError) as fault:
        raise BadInput(
            where, "a line that `masksmith convert` wrote", f"{fault!r}", "export the dataset again"
        ) from None
    taken: list[bytes | None] = []
    for name in names:
        if name is not None and (not isinstance(name, str) or not own_path(name)):
            raise BadInput(where, "a path inside the folder", repr(name), "correct or remove the line")
        try:
            taken.append(None if name is None else (path.parent / name).read_bytes())
        except OSError as fault:
            raise BadInput(path.parent / str(name), "a file", str(fault.strerror), "restore it") from None
    if taken[0] is None:
        raise BadInput(where, "a file_name", "none", "export the dataset again")
    return Found(position, record, taken[0], Path(str(names[0])).suffix.lower(), taken[1], taken[2])


def about(origin: Origin) -> Info:
    """The dataset's description beside an export.

    Raises:
        BadInput: there is none.
    """
    path = origin.root / ABOUT
    try:
        return info_from(json.loads(path.read_text(encoding="utf-8")), path)
    except OSError:
        raise BadInput(
            path, "the description that `masksmith convert --to` writes", "no such file", "check the path"
        ) from None
    except ValueError as fault:
        raise BadInput(path, "JSON", str(fault), "restore it") from None


def split_word(split: str) -> str:
    """A split as Hugging Face's loaders know it: they say ``validation``."""
    return "validation" if split == "val" else split


FOLDERS = Tree("images", "masks", "instances", "records.jsonl")
FIFTYONE = Tree("data", "labels", "instances", "records.jsonl")
IMAGEFOLDER = Tree("{split}/images", "{split}/masks", "{split}/instances", "{split}/metadata.jsonl")
