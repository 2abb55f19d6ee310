"""Readers of datasets, a module each. A new one is written as a subclass of Reader and named in the tuple below."""

from __future__ import annotations

from loaders.readers.folders import Folders
from loaders.readers.reader import Item, Reader
from masksmith.errors import unknown_choice

__all__ = ["READERS", "Item", "Reader", "find_reader"]

READERS: dict[str, type[Reader]] = {reader.name: reader for reader in (Folders,)}


def find_reader(name: str) -> type[Reader]:
    """The reader of that name.

    Raises:
        UsageProblem: there is none; lists the names.
    """
    if name not in READERS:
        raise unknown_choice("reader", name, READERS)
    return READERS[name]
