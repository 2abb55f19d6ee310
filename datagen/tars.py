"""Scenes in tar shards, as WebDataset reads them.

A scene is ``000017.jpg``, ``000017.mask.png``, further files by the name of their folder (``000017.alpha.png``), and
``000017.json`` with its record and its place in the dataset: what ``masksmith convert --from webdataset`` reads too.
The manifest beside the shards names the members by fsspec's chained URLs, ``tar://000017.jpg::train-000000.tar``,
the shard relative to the manifest.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

from manifests import Info, Record
from masksmith import files

SCENES = 1000
"""Scenes a shard, where nobody says otherwise."""
ABOUT, LIST = "masksmith.json", "shards.json"


def file_name(split: str, number: int) -> str:
    """The file of a split's shard."""
    return f"{split}-{number:06d}.tar"


class TarWriter:
    """Writes scenes to a tar; owner, mode and time are fixed, so that its bytes depend on the scenes alone.

    Args:
        path: where it is written.
        name: what it will be called.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 (closed by __exit__)

    def __enter__(self) -> TarWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._tar.close()

    def add(self, position: int, record: Record, contents: Mapping[str, bytes]) -> Record:
        """Add a scene's files (path to bytes); returns its record, with the members' URLs as paths."""
        where = {path: f"{record.id}{_kind(path)}" for path in contents}
        for path, data in contents.items():
            self._put(where[path], data)
        self._put(f"{record.id}.json", files.canonical({"position": position, "record": asdict(record)}))
        urls = {path: f"tar://{member}::{self._name}" for path, member in where.items()}
        extra = {
            key: urls.get(value, value) if isinstance(value, str) else value for key, value in record.extra.items()
        }
        mask = None if record.mask is None else urls[record.mask]
        return replace(record, image=urls[record.image], mask=mask, extra=extra)

    def _put(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = len(data), 0o644, 0
        self._tar.addfile(member, io.BytesIO(data))


def beside(info: Info, shards: Sequence[tuple[str, int]]) -> dict[str, bytes]:
    """The files that belong to a set of shards: what the dataset is, and the list of (file, scenes)."""
    about: dict[str, Any] = {
        "format": "webdataset",
        "records": sum(count for _, count in shards),
        "dataset": info.as_json(),
    }
    listed = [{"file": name, "records": count} for name, count in shards]
    return {ABOUT: files.as_json(about), LIST: files.as_json(listed)}


def _kind(path: str) -> str:
    """``images/000/000017.jpg`` is ``.jpg``, ``masks/000/000017.png`` is ``.mask.png``."""
    pure = PurePosixPath(path)
    folder = pure.parts[0]
    return pure.suffix if folder == "images" else f".{'mask' if folder == 'masks' else folder}{pure.suffix}"
