"""The registry of public datasets: where each is, under which terms, and what lies in it. A TOML file each."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from masksmith.errors import BadInput, unknown_choice

FOLDER = "registry"
SCHEMES = ("http", "https")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGESTS = {"sha256": 64, "md5": 32}


@dataclass(frozen=True)
class Address:
    """A URL, and where and when it was read; none stands here that was not.

    Attributes:
        url: http or https.
        read_in: repository and path, or page, that names it.
        read_on: the day it was read there.
    """

    url: str
    read_in: str
    read_on: datetime.date


@dataclass(frozen=True)
class File:
    """A file of a dataset that can be fetched.

    Attributes:
        name: of the file on disk.
        urls: where it is; the first that answers is taken.
        size: in bytes, exact, where it is published.
        about: in bytes, as its makers round it; for the question whether the disk has room.
        sha256, md5: lower-case hex, where published.
        extract: whether it is an archive to be unpacked.
        into: the folder it is unpacked to; by default the file's name without its ending.
        optional: only fetched when it is asked for by name.
    """

    name: str
    urls: tuple[Address, ...]
    size: int | None = None
    about: int | None = None
    sha256: str | None = None
    md5: str | None = None
    extract: bool = False
    into: str = ""
    optional: bool = False

    @property
    def folder(self) -> str:
        """Where its contents go, relative to the dataset's folder."""
        return self.into or re.sub(r"\.(tar(\.\w+)?|tgz|zip)$", "", self.name)


@dataclass(frozen=True)
class UrlList:
    """A text file that names the pictures of a dataset one by one: a file name and a URL a line.

    Attributes:
        name: of the list, as its makers call it.
        into: folder that the pictures go to.
        placeholders: parts of the addresses that hosts send instead of pictures that are gone.
    """

    name: str
    into: str
    placeholders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A public dataset.

    Attributes:
        name: what it is called here.
        title, citation: as its makers ask for.
        licence: its name; ``terms`` says in one line what it allows.
        access: how to come by what cannot simply be fetched, and who must ask; empty where all of it can be.
        subject: what tells people apart (a column, a folder), or ``none``.
        layout: what lies where; a folder or pattern to what it holds.
        splits: the official ones, name to number of images; ``split_note`` says what is wrong with them.
        pages: for a browser: home page, form, agreement.
    """

    name: str
    title: str
    citation: str
    licence: str
    terms: str
    subject: str
    layout: Mapping[str, str]
    access: str = ""
    splits: Mapping[str, int] | None = None
    split_note: str = ""
    files: tuple[File, ...] = ()
    pages: tuple[Address, ...] = ()
    url_list: UrlList | None = None

    def file(self, name: str) -> File:
        """The file of that name.

        Raises:
            UsageProblem: there is none; lists the names.
        """
        for each in self.files:
            if each.name == name:
                return each
        raise unknown_choice(f"file of {self.name}", name, [each.name for each in self.files])


def entry_names() -> list[str]:
    """The datasets in the registry, sorted."""
    folder = resources.files("manifests") / FOLDER
    return sorted(each.name.removesuffix(".toml") for each in folder.iterdir() if each.name.endswith(".toml"))


def find_entry(name: str) -> Entry:
    """The dataset of that name.

    Raises:
        UsageProblem: there is none; lists the names and the nearest.
        BadInput: its file is not as it should be.
    """
    if name not in entry_names():
        raise unknown_choice("dataset", name, entry_names())
    place = resources.files("manifests") / FOLDER / f"{name}.toml"
    entry = parse_entry(place.read_text(encoding="utf-8"), f"{FOLDER}/{name}.toml")
    if entry.name != name:
        raise BadInput(f"{FOLDER}/{name}.toml: name", repr(name), repr(entry.name), "name the file after the dataset")
    return entry


def read_entry(path: Path) -> Entry:
    """An entry from a file of one's own; raises as :func:`parse_entry`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(path, "a TOML file in UTF-8", str(fault), "correct the path or the file") from None
    return parse_entry(text, str(path))


def parse_entry(text: str, where: str) -> Entry:
    """An entry from TOML: every key must be known and of its type.

    Args:
        where: what error messages call the text.

    Raises:
        BadInput: an unknown, missing or mistyped key, or a value that cannot be.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise BadInput(where, "TOML", str(fault), "correct it there") from None
    entry: Entry = _build(Entry, values, where)
    _check(entry, where)
    return entry


def _build(kind: type[Any], values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise BadInput(where, "a table", type(values).__name__, "write it as [table] or [[table]]")
    known = {field.name: field for field in fields(kind)}
    for key in values:
        if key not in known:
            hint = unknown_choice("key", key, known)
            raise BadInput(f"{where}: {key}", f"a key of {kind.__name__}", str(hint), "correct or remove it")
    hints = get_type_hints(kind)
    built = {}
    for key, field in known.items():
        if key in values:
            built[key] = _value(hints[key], values[key], f"{where}: {key}")
        elif field.default is MISSING:
            raise BadInput(f"{where}: {key}", "a value", "none", "add it")
    return kind(**built)


def _value(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the annotation says, else BadInput."""
    text = str(hint)
    for kind in (Address, File, UrlList):
        if kind.__name__ in text:
            if text.startswith("tuple"):
                _of(value, list, where)
                return tuple(_build(kind, each, f"{where}[{position}]") for position, each in enumerate(value))
            return _build(kind, value, where)
    if text.startswith("tuple"):
        return tuple(_of(each, str, where) for each in _of(value, list, where))
    if "Mapping" in text:
        inner = int if "int]" in text else str
        return {key: _of(each, inner, f"{where}.{key}") for key, each in _of(value, dict, where).items()}
    for plain in (bool, int, datetime.date, str):
        if plain.__name__ in text:
            return _of(value, plain, where)
    raise TypeError(f"{where}: no reader for {text}")


def _of(value: Any, kind: type[Any], where: str) -> Any:
    # bool is an int and datetime a date to isinstance
    if type(value) is not kind:
        raise BadInput(where, kind.__name__, f"{type(value).__name__} {value!r}", "correct the type")
    return value


def _check(entry: Entry, where: str) -> None:
    if not entry.files and not entry.access:
        raise BadInput(where, "files, or access that says how to come by them", "neither", "add one of them")
    names = [each.name for each in entry.files]
    if len(set(names)) < len(names):
        raise BadInput(f"{where}: files", "a name of its own for each", ", ".join(names), "rename one")
    for file in entry.files:
        spot = f"{where}: {file.name}"
        if not file.urls:
            raise BadInput(spot, "a URL that was read somewhere", "none", "say under access how to ask for it")
        for name in (file.name, *file.folder.split("/")):
            if not _NAME.fullmatch(name):
                raise BadInput(spot, "a plain name", repr(name), "use letters, digits, dots and dashes")
        for kind, length in _DIGESTS.items():
            value = getattr(file, kind)
            if value is not None and not re.fullmatch(rf"[0-9a-f]{{{length}}}", value):
                raise BadInput(f"{spot}: {kind}", f"{length} lower-case hex digits", repr(value), "correct it")
        for number in (file.size, file.about):
            if number is not None and number <= 0:
                raise BadInput(spot, "a size above 0", str(number), "correct it")
    for address in (*entry.pages, *(address for file in entry.files for address in file.urls)):
        split = urlsplit(address.url)
        if split.scheme not in SCHEMES or not split.netloc:
            raise BadInput(where, "an http or https URL", address.url, "correct it")
        if not address.read_in:
            raise BadInput(f"{where}: {address.url}", "read_in", "nothing", "say where the URL was read")
