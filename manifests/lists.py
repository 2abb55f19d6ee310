"""Lists: text files with a path, stem or id a line, as papers publish their splits."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from masksmith.errors import BadInput

_LAST = {"test": 2, "val": 1, "train": 0}


def read_list(path: Path) -> list[str]:
    """The first column of a list of paths.

    Raises:
        BadInput: not there, not text, or empty.
    """
    return [posixpath.normpath(line.split()[0]) for line in read_lines(path, "a path")]


def read_lines(path: Path, what: str) -> list[str]:
    """The lines of a text file without the white space around them; empty ones are left out.

    Raises:
        BadInput: not there, not text, or empty.
    """
    wanted = f"a text file with {what} a line"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInput(path, wanted, "no such file", "check the path") from None
    except (IsADirectoryError, NotADirectoryError):
        raise BadInput(path, wanted, "a folder", "name a file in it") from None
    except UnicodeDecodeError:
        raise BadInput(path, wanted, "bytes that are not UTF-8 text", "save it as UTF-8") from None
    found = [line.strip() for line in text.split("\n") if line.strip()]
    if not found:
        raise BadInput(path, wanted, "an empty list", "check the path")
    return found


def read_urls(path: Path) -> dict[str, str]:
    """A list of ``NAME URL`` lines as stem to URL; names whose URL is ``None`` are left out.

    Raises:
        BadInput: as :func:`read_lines`, or a line of one column.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(read_lines(path, "a name and a URL"), 1):
        parts = line.split()
        if len(parts) < 2:
            raise BadInput(f"{path}:{number}", "a name and a URL", repr(line), "correct the line")
        if parts[1].lower() not in ("none", "null", "-"):
            found[stem(parts[0])] = parts[1]
    return found


def stem(path: str) -> str:
    """The file name of a path without its extension; an id such as ``r0.5`` keeps what follows its dot."""
    name = posixpath.basename(path)
    return re.sub(r"\.(?:jpe?g|png|bmp|webp|tiff?|p[gp]m|mat|gif)$", "", name, flags=re.IGNORECASE)


@dataclass(frozen=True)
class Listed:
    """How the records of a dataset stand in lists, one for each split.

    Attributes:
        splits: the split of each record, None where no list has it.
        missing: entries that no record fits, split by split.
        ambiguous: entries that several records fit equally well, with the number of these.
        twice: ids of records that stand in two lists; the last of train, val, test has them.
        extra: how many records stand in no list.
    """

    splits: tuple[str | None, ...]
    missing: Mapping[str, tuple[str, ...]]
    ambiguous: tuple[tuple[str, int], ...]
    twice: tuple[str, ...]

    @property
    def extra(self) -> int:
        return sum(split is None for split in self.splits)


def match(table: pa.Table, lists: Mapping[str, Sequence[str]]) -> Listed:
    """Find the records that lists name.

    An entry is an id or the path of an image, or else its stem counts. Where several records have that stem, the words
    of the folders before it decide, then the extension; where these are as much alike, nothing is guessed.

    Args:
        table: with ``id`` and ``image``.
        lists: split to entries.
    """
    ids = table.column("id").to_pylist()
    images = [posixpath.normpath(path) for path in table.column("image").to_pylist()]
    exact: dict[str, list[int]] = defaultdict(list)
    alike: dict[str, list[int]] = defaultdict(list)
    for row, (name, image) in enumerate(zip(ids, images, strict=True)):
        for key in {name, image}:
            exact[key].append(row)
        for key in {stem(image), stem(name)}:
            alike[key].append(row)
    splits: list[str | None] = [None] * len(ids)
    missing: dict[str, list[str]] = {split: [] for split in lists}
    ambiguous: list[tuple[str, int]] = []
    twice: list[str] = []
    for split in sorted(lists, key=lambda name: (_LAST.get(name, -1), name)):
        for entry in dict.fromkeys(lists[split]):
            fits = exact.get(entry) or alike.get(stem(entry), [])
            if len(fits) > 1:
                fits = _nearest(entry, fits, images)
            if len(fits) > 1:
                name = posixpath.basename(entry)
                fits = [row for row in fits if posixpath.basename(images[row]) == name] or fits
            if not fits:
                missing[split].append(entry)
            elif len(fits) > 1:
                ambiguous.append((entry, len(fits)))
            else:
                if splits[fits[0]] not in (None, split):
                    twice.append(ids[fits[0]])
                splits[fits[0]] = split
    return Listed(
        tuple(splits), {split: tuple(each) for split, each in missing.items()}, tuple(ambiguous), tuple(twice)
    )


def _nearest(entry: str, fits: list[int], images: Sequence[str]) -> list[int]:
    mine = _words(entry)
    alike = [len(mine & _words(images[row])) for row in fits]
    return [row for row, number in zip(fits, alike, strict=True) if number == max(alike)]


def _words(path: str) -> set[str]:
    return {word for word in re.split(r"[/_.\- ]+", posixpath.dirname(path).lower()) if word}
