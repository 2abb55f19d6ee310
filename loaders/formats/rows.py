"""A record as a JSON object and back, for formats that have no columns of their own for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import PurePosixPath
from typing import Any

from manifests import Info, Record
from masksmith.errors import BadInput
from masksmith.images import IMAGE_SUFFIXES

ABOUT = "masksmith.json"
"""What the dataset is as a whole: classes, licence, citation, sources, proof; beside every exported form."""
INSTANCES = "instances"
"""Key of ``Record.extra``: path of a map of instances, 0 where there is none."""
INSTANCES_SHA256 = "sha256_instances"

_NAMES = tuple(each.name for each in fields(Record))
_PLAIN = re.compile(r"[^A-Za-z0-9_-]+")
_STEM_LETTERS = 60


def to_json(record: Record) -> dict[str, Any]:
    """Every column of a record as a JSON value; None and empty ones included."""
    row = {name: getattr(record, name) for name in _NAMES}
    row["groups"] = {key: list(record.groups[key]) for key in sorted(record.groups)}
    row["licence"] = list(record.licence)
    row["extra"] = dict(record.extra)
    return row


def from_json(value: Any, where: object) -> Record:
    """The record that :func:`to_json` made a JSON object of.

    Raises:
        BadInput: naming ``where``; keys are missing or of another type.
    """
    try:
        row = {name: value[name] for name in _NAMES}
        row["groups"] = {str(key): tuple(map(str, values)) for key, values in dict(row["groups"]).items()}
        row["licence"] = tuple(map(str, row["licence"]))
        row["width"], row["height"] = int(row["width"]), int(row["height"])
        row["extra"] = dict(row["extra"])
        if not isinstance(row["id"], str) or not isinstance(row["image"], str):
            raise TypeError("id and image are text")
        return Record(**row)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise BadInput(where, "a record with all its columns", f"{fault!r}", "export the dataset again") from None


def about(info: Info, kind: str, records: int) -> dict[str, Any]:
    """What stands in :data:`ABOUT`."""
    return {"format": kind, "records": records, "dataset": info.as_json()}


def info_from(value: Any, where: object) -> Info:
    """The dataset's description out of :data:`ABOUT`.

    Raises:
        BadInput: it is not one.
    """
    try:
        return Info.from_json(value["dataset"])
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise BadInput(where, "the description of a dataset", f"{fault!r}", "export the dataset again") from None


def stem(position: int, id: str) -> str:
    """A file name without suffix that is unique, sorts in the records' order, and shows the id as far as it can.

    It holds no dot: WebDataset takes what follows the first one for the kind of file.
    """
    plain = _PLAIN.sub("_", id).strip("_")[:_STEM_LETTERS]
    return f"{position:08d}-{plain}" if plain else f"{position:08d}"


def own_path(path: str) -> bool:
    """Whether a record's path may be written to below a dataset's folder: a plain relative path to a picture."""
    parts = PurePosixPath(path).parts
    return (
        bool(parts)
        and "://" not in path
        and "\\" not in path
        and "\0" not in path
        and not PurePosixPath(path).is_absolute()
        and all(part != ".." and not part.startswith(".") for part in parts)
        and PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES
    )


def instances_path(extra: Mapping[str, Any]) -> str | None:
    """Path of the map of instances that a record names, if it names one."""
    value = extra.get(INSTANCES)
    return value if isinstance(value, str) else None
