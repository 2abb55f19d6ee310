"""What a format is to the driver: functions that write and read a shard of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy.typing as npt

from manifests import Info, Record

NO_SPLIT = "unsplit"
"""What records without a split stand under where a format wants a word."""


@dataclass(frozen=True)
class Item:
    """A record with its files, on its way out.

    Attributes:
        position: in the manifest, from 0.
        image, mask, instances: the files' bytes as they lie on disk; None where there is none.
        name: file name for it, without suffix.
    """

    position: int
    record: Record
    name: str
    image: bytes
    mask: bytes | None
    instances: bytes | None = None

    @property
    def image_suffix(self) -> str:
        return _suffix(self.record.image)

    @property
    def mask_suffix(self) -> str:
        return _suffix(self.record.mask or "")


def _suffix(path: str) -> str:
    """Of a record's path; of a chained URL (``tar://MEMBER::SHARD``) that of the member."""
    return PurePosixPath(path.partition("::")[0]).suffix.lower()


@dataclass(frozen=True)
class Place:
    """Where a shard is written to.

    Attributes:
        out: the folder of the export.
        index: the shard's number over all splits, from 0; ``number`` within its split, of ``total``.
        split: its records' split, or :data:`NO_SPLIT`.
        info: what the dataset is.
    """

    out: Path
    index: int
    split: str
    number: int
    total: int
    info: Info

    @property
    def lines(self) -> Path:
        """A file for what is put together when all shards are done."""
        return parts_folder(self.out) / f"{self.index:06d}.part"


@dataclass(frozen=True)
class Whole:
    """All shards are written: what :attr:`Format.finish` is given.

    Attributes:
        places: in order; ``receipts`` what each shard returned.
        records: their number.
    """

    out: Path
    info: Info
    places: Sequence[Place]
    receipts: Sequence[Mapping[str, Any]]
    records: int

    @property
    def splits(self) -> list[str]:
        """The splits there are, in order."""
        return list(dict.fromkeys(place.split for place in self.places))


@dataclass(frozen=True)
class Found:
    """A record on its way in.

    Attributes:
        position: its place in the manifest.
        record: its columns; paths are those it had, digests those it should have.
        image: the file's bytes; ``suffix`` for a file whose path cannot be kept.
        mask: the file's bytes, or (H, W) uint8 class ids, or None.
        instances: the file's bytes, or (H, W) uint16, or None.
        foreign: no export of ours: sizes and digests are still to be found out.
    """

    position: int
    record: Record
    image: bytes
    suffix: str
    mask: bytes | npt.NDArray[Any] | None
    instances: bytes | npt.NDArray[Any] | None = None
    foreign: bool = False


@dataclass(frozen=True)
class Origin:
    """What is read from.

    Attributes:
        root: the folder (or file) of the export.
        scratch: a folder for what a format has to sort first.
        classes: name to id, where the data does not say it itself.
    """

    root: Path
    scratch: Path
    classes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: on the command line.
        says: what it is, in a line.
        write: writes a shard; returns a small JSON value.
        finish: writes what holds for the whole.
        pieces: what there is to read, a JSON value each, with the number of records under ``items``.
        read: the records of a piece, in order.
        about: the dataset's description.
    """

    name: str
    says: str
    write: Callable[[Place, Iterator[Item]], dict[str, Any]]
    finish: Callable[[Whole], None]
    about: Callable[[Origin], Info]
    pieces: Callable[[Origin], list[dict[str, Any]]]
    read: Callable[[Origin, Mapping[str, Any]], Iterator[Found]]


def parts_folder(out: Path) -> Path:
    """Where shards leave what :attr:`Format.finish` puts together."""
    return out / ".receipts" / "parts"
