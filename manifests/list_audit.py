"""The audit of lists: what a published pair of lists shares, and which names stand for one photo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.audit import some
from manifests.leaks import KINDS, NAMED
from manifests.lists import read_list, read_urls, stem
from manifests.origins import ORIGINS, Pattern, photo_of
from masksmith.errors import UsageProblem, unknown_choice

COUNTED = ("path", "drive")
"""What counts where nothing is asked for. Photos under two paths are told besides: see :attr:`ListAudit.further`."""


@dataclass(frozen=True)
class ListLeak:
    """A path of the second list that shares a value with paths of the first."""

    kind: str
    value: str
    path: str
    partners: tuple[str, ...]


@dataclass(frozen=True)
class ListAudit:
    """What two lists share.

    Attributes:
        lists: their paths; ``train`` and ``test`` are the numbers of distinct entries in each.
        leaks: one for each leaked path of the second list, by the plainest reason.
        further: photos of the first list that stand in the second under another path, where photos were not asked for.
    """

    lists: tuple[str, str]
    train: int
    test: int
    leaks: tuple[ListLeak, ...]
    further: tuple[ListLeak, ...]

    @property
    def shared(self) -> tuple[str, ...]:
        """Paths that stand in both."""
        return tuple(leak.path for leak in self.leaks if leak.kind == "path")

    @property
    def clean(self) -> bool:
        return not self.leaks and not self.further

    def verdict(self) -> str:
        names = [Path(each).name for each in self.lists]
        if names[0] == names[1]:
            names = list(self.lists)
        parts = []
        for kind in dict.fromkeys(leak.kind for leak in self.leaks):
            mine = [leak for leak in self.leaks if leak.kind == kind]
            share = f"{len(mine)} of {self.test} paths of the second"
            values = sorted({leak.value for leak in mine})
            parts.append(f"{kind} {some(values)} in {' and '.join(names)} ({share})")
        if self.further:
            parts.append(f"{len(self.further)} more of the second show a photo of the first under another path")
        return f"leaks: {'; '.join(parts)}" if parts else ""

    def as_json(self) -> dict[str, Any]:
        """One JSON value; ``leaks`` has an entry a leaked path of the second list."""
        values: dict[tuple[str, str], int] = defaultdict(int)
        for leak in self.leaks:
            values[leak.kind, leak.value] += 1 + (len(leak.partners) if not values[leak.kind, leak.value] else 0)
        return {
            "ok": self.clean,
            "counts": {self.lists[0]: self.train, self.lists[1]: self.test},
            "leaks": [self._entry(leak) for leak in self.leaks],
            "further": [self._entry(leak) for leak in self.further],
            "groups": [
                {"kind": kind, "value": value, "splits": list(self.lists), "records": number}
                for (kind, value), number in values.items()
            ],
            "shared": len(self.shared),
            "proof": [],
        }

    def _entry(self, leak: ListLeak) -> dict[str, Any]:
        partners = list(leak.partners[:NAMED])
        return {
            "kind": leak.kind,
            "id": leak.path,
            "split": self.lists[1],
            "image": leak.path,
            "key": leak.kind,
            "value": leak.value,
            "partners": partners,
            "partner_splits": [self.lists[0]] * len(partners),
            "partner_count": len(leak.partners),
        }


def audit_lists(
    train: Path, test: Path, by: Sequence[str] = (), urls: Path | None = None, patterns: Sequence[Pattern] = ()
) -> ListAudit:
    """What stands in both of two lists (a path a line, further columns after white space are left out).

    Args:
        by: ``path``, ``drive``, ``photo`` or keys of ``patterns``; by default paths, drives and, with ``urls``, photos.
        urls: a list of ``NAME URL`` lines that tells the photos.

    Raises:
        BadInput: a list that is not there, not text, or empty.
        UsageProblem: another key.
    """
    readers: dict[str, Callable[[str], str | None]] = {"path": lambda path: path}
    readers.update({key: read for key, (read, _) in ORIGINS.items()})
    readers.update({pattern.key: pattern for pattern in patterns})
    if urls is not None:
        known = read_urls(urls)
        readers["photo"] = lambda path: _photo(known.get(stem(path))) or photo_of(path)
    for key in by:
        if key not in readers:
            raise unknown_choice("key", key, readers)
    counted = tuple(by) or (*COUNTED, *(["photo"] if urls else []), *(each.key for each in patterns))
    first, second = list(dict.fromkeys(read_list(train))), list(dict.fromkeys(read_list(test)))
    found: dict[str, ListLeak] = {}
    for kind in sorted(counted, key=lambda key: KINDS.index(key) if key in KINDS else len(KINDS)):
        for leak in _shared(kind, readers[kind], first, second):
            found.setdefault(leak.path, leak)
    further: list[ListLeak] = []
    if not by and "photo" not in counted:
        further = [leak for leak in _shared("photo", photo_of, first, second) if leak.path not in found]
    leaks = tuple(found[path] for path in second if path in found)
    return ListAudit((str(train), str(test)), len(first), len(second), leaks, tuple(further))


def doubles(urls: Path) -> dict[str, tuple[str, ...]]:
    """Photos that a list of ``NAME URL`` lines has under more than one name: the photo, and the names in order.

    Raises:
        BadInput: not such a list.
    """
    names: dict[str, list[str]] = defaultdict(list)
    for name, url in read_urls(urls).items():
        names[_photo(url) or url].append(name)
    return {photo: tuple(each) for photo, each in names.items() if len(each) > 1}


def asked(dataset: Path | None, lists: tuple[Path, Path] | None, urls: Path | None) -> None:
    """Raises UsageProblem unless one thing is asked for."""
    if dataset is not None and lists is not None:
        raise UsageProblem("give either a dataset or --lists TRAIN.txt TEST.txt")
    if dataset is None and lists is None and urls is None:
        raise UsageProblem("give a dataset, --lists TRAIN.txt TEST.txt or --urls URLS.txt")


def _photo(url: str | None) -> str | None:
    """What photo a URL leads to; one of no known site stands for itself."""
    return None if url is None else photo_of(url) or url


def _shared(
    kind: str, read: Callable[[str], str | None], first: Sequence[str], second: Sequence[str]
) -> list[ListLeak]:
    there: Mapping[str, list[str]] = defaultdict(list)
    for path in first:
        value = read(path)
        if value:
            there[value].append(path)
    leaks = []
    for path in second:
        value = read(path)
        if value and value in there:
            leaks.append(ListLeak(kind, value, path, tuple(there[value])))
    return leaks
