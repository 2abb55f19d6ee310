"""Hugging Face ``datasets``: a folder that ``datasets.load_from_disk`` opens, an Arrow file a shard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loaders.formats.form import Found, Item, Origin, Place, Whole
from loaders.formats.rows import from_json, to_json
from loaders.formats.trees import split_word
from masksmith import files
from masksmith.errors import BadInput

COLUMNS = ("id", "subject", "clip", "frame", "source", "width", "height", "licence")
PIECE_ITEMS = 256


def write(place: Place, items: Iterator[Item]) -> dict[str, Any]:
    """Write a shard as an Arrow stream file; images and masks are kept as their encoded bytes."""
    from datasets.arrow_writer import ArrowWriter

    name = f"data-{place.number:05d}-of-{place.total:05d}.arrow"
    path = place.out / split_word(place.split) / name
    count = 0
    with files.atomic(path, durable=False) as part:
        writer = ArrowWriter(features=_features(), path=str(part), writer_batch_size=32, with_metadata=True)
        for item in items:
            row = to_json(item.record)
            writer.write(
                {
                    **{key: row[key] for key in COLUMNS},
                    "image": _picture(item.name + item.image_suffix, item.image),
                    "mask": _picture(item.name + item.mask_suffix, item.mask),
                    "instances": _picture(f"{item.name}.png", item.instances),
                    "position": item.position,
                    "record": json.dumps(row, ensure_ascii=False, sort_keys=True),
                }
            )
            count += 1
        writer.finalize()
        writer.close()
    return {"records": count, "file": name, "bytes": path.stat().st_size}


def finish(whole: Whole) -> None:
    """The notes that make folders of Arrow files a ``DatasetDict``."""
    from datasets import DatasetInfo

    info = DatasetInfo(
        description=whole.info.description,
        citation=whole.info.citation,
        license=" AND ".join(whole.info.licence),
        features=_features(),
    )
    for split in whole.splits:
        folder = whole.out / split_word(split)
        names = [each["file"] for place, each in zip(whole.places, whole.receipts, strict=True) if place.split == split]
        info.write_to_directory(str(folder), pretty_print=True)
        state: dict[str, Any] = {
            "_data_files": [{"filename": name} for name in names],
            "_fingerprint": files.digest([whole.info.as_json(), split, names])[:16],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": split_word(split),
        }
        files.write_json(folder / "state.json", state)
    files.write_json(whole.out / "dataset_dict.json", {"splits": [split_word(split) for split in whole.splits]})


def pieces(origin: Origin) -> list[dict[str, Any]]:
    """Ranges of rows of each split.

    Raises:
        BadInput: no such folder, or one that this command did not write.
    """
    made = []
    for split, data in _opened(origin.root).items():
        lacking = sorted({"image", "mask", "position", "record"} - set(data.column_names))
        if lacking:
            raise BadInput(
                origin.root,
                "the columns that `masksmith convert --to hf` writes",
                f"no {', '.join(lacking)}",
                "save its images and masks as files, then: masksmith prepare folders",
            )
        made += [
            {"split": split, "start": start, "items": min(PIECE_ITEMS, len(data) - start)}
            for start in range(0, len(data), PIECE_ITEMS)
        ]
    return made


def read(origin: Origin, piece: Mapping[str, Any]) -> Iterator[Found]:
    """The records of a range of rows."""
    from datasets import Image

    data = _opened(origin.root)[piece["split"]]
    for name in ("image", "mask", "instances"):
        if name in data.column_names:
            data = data.cast_column(name, Image(decode=False))
    for index in range(piece["start"], piece["start"] + piece["items"]):
        row = data[index]
        where = f"{origin.root}, {piece['split']} row {index}"
        try:
            record = from_json(json.loads(row["record"]), where)
        except ValueError as fault:
            raise BadInput(where, "a record as JSON", str(fault), "export the dataset again") from None
        image = row["image"]
        instances = row.get("instances")
        yield Found(
            int(row["position"]),
            record,
            image["bytes"],
            Path(image["path"] or record.image).suffix.lower(),
            row["mask"]["bytes"] if row["mask"] else None,
            instances["bytes"] if instances else None,
        )


def _features() -> Any:
    from datasets import Features, Image, List, Value

    text, number = Value("string"), Value("int32")
    return Features(
        {
            "id": text,
            "subject": text,
            "clip": text,
            "frame": number,
            "source": text,
            "width": number,
            "height": number,
            "licence": List(text),
            "image": Image(),
            "mask": Image(),
            "instances": Image(),
            "position": Value("int64"),
            "record": text,
        }
    )


def _picture(name: str, data: bytes | None) -> dict[str, Any] | None:
    return None if data is None else {"bytes": data, "path": name}


def _opened(root: Path) -> Any:
    from datasets import Dataset, load_from_disk

    try:
        loaded = load_from_disk(str(root))
    except (FileNotFoundError, ValueError, KeyError, OSError) as fault:
        told = str(fault).splitlines()[0]
        raise BadInput(root, "a folder for datasets.load_from_disk", told, "check the path") from None
    return {"all": loaded} if isinstance(loaded, Dataset) else loaded
