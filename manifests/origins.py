"""Origins: which photo or drive a picture comes from, read from its path or URL where no group says so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.lists import stem
from manifests.manifest import Manifest
from manifests.places import with_column
from manifests.record import SCHEMA, members
from masksmith.errors import UsageProblem

_PHOTOS = (
    ("flickr", r"flickr\.com/photos/[^/]+/(\d{5,12})"),
    ("flickr", r"static\.?flickr\.com/(?:[^/]+/)*(\d{5,12})_[0-9a-f]+"),
    # a name alone must look it: ten hexadecimal digits, a letter among them
    ("flickr", r"(?:^|[/_])(\d{6,12})_(?=\d*[a-f])[0-9a-f]{10}(?:_[a-z0-9]{1,3})?\.(?:jpe?g|png|gif|webp)(?:$|\?)"),
    ("pexels", r"pexels\.com/photos?/(?:[a-z0-9-]*-)?(\d+)"),
    ("pexels", r"pexels-photo-(\d+)"),
    ("pexels", r"(?:^|/)pexels-[a-z0-9-]*?(\d{4,})\.[a-z]+$"),
    ("unsplash", r"unsplash\.com/photos?/(?:[a-z0-9-]*-)?([a-z0-9_-]{11})(?:$|[/?])"),
    ("unsplash", r"(?:^|/)(photo-\d{13}-[0-9a-f]{12})"),
)
_PHOTO = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _PHOTOS)
_HINT = r"(?i)flickr|pexels|unsplash|supervisely|[0-9]{6}_[0-9a-f]{8}|photo-[0-9]{13}"
_DRIVE = re.compile(r"(?:^|/)(0001TP|0006R0|0016E5|Seq05VD)_f?\d+")
_DRIVES = r"(0001TP|0006R0|0016E5|Seq05VD)_f?[0-9]"

Ints = npt.NDArray[np.int64]
Members = tuple[Ints, pa.Array]
"""Rows and the values they have, as :func:`manifests.record.members` gives them."""


def photo_of(text: str) -> str | None:
    """The source photo that a path or URL names, such as ``flickr:10041446846`` or ``pexels:374871``.

    Knows the static names of Flickr (id, secret, size), Pexels and Unsplash. In Supervisely Person, whose pictures are
    Pexels photos, the number at the end of any other name is the photo's id, and a name without one stands for itself.
    """
    for site, pattern in _PHOTO:
        found = pattern.search(text)
        if found:
            return f"{site}:{found[1].lower()}"
    if "supervisely" in text.lower():
        name = stem(text).lower()
        number = re.fullmatch(r"(?:[a-z0-9]+-)+(\d{4,})", name)
        return f"pexels:{number[1] if number else name}"
    return None


def drive_of(text: str) -> str | None:
    """The drive that a frame of CamVid belongs to, by the prefix of its file name: ``0001TP`` and three more."""
    found = _DRIVE.search(text)
    return found[1] if found else None


ORIGINS: dict[str, tuple[Callable[[str], str | None], str]] = {
    "photo": (photo_of, _HINT),
    "drive": (drive_of, _DRIVES),
}
"""Keys that are read from paths and URLs without being asked for: the reader, and what (RE2) a text must have."""


@dataclass(frozen=True)
class Pattern:
    """``KEY=REGEX``: a group key read from image paths; the value is the first group of the match, or all of it."""

    key: str
    regex: re.Pattern[str]

    @staticmethod
    def parse(text: str) -> Pattern:
        """Raises UsageProblem where the text is none."""
        key, sign, pattern = text.partition("=")
        if not sign or not key.strip() or not pattern:
            raise UsageProblem(f"--derive {text!r}: write it as drive=([^/_]+)_[0-9]+")
        try:
            return Pattern(key.strip(), re.compile(pattern))
        except re.error as fault:
            raise UsageProblem(f"--derive {text!r}: no regular expression ({fault})") from None

    def __call__(self, path: str) -> str | None:
        found = self.regex.search(path)
        return found[1 if self.regex.groups else 0] if found else None


def derived(
    manifest: Manifest, patterns: Iterable[Pattern] = (), urls: Mapping[str, str] | None = None
) -> dict[str, Members]:
    """Group values that no record states but that paths and URLs tell, key by key.

    A record that has values of a key keeps these. Read row group by row group: memory is that of the values found.

    Args:
        patterns: further keys.
        urls: stem of an image (or id) to the URL it came from.
    """
    patterns = tuple(patterns)
    rows: dict[str, list[int]] = {}
    values: dict[str, list[str]] = {}
    start = 0

    def add(key: str, row: int, value: str | None) -> None:
        if value:
            rows.setdefault(key, []).append(row)
            values.setdefault(key, []).append(value)

    for table in manifest.tables(["id", "image", "groups", "extra"]):
        images = table.column("image")
        texts = {row: [images[row].as_py()] for row in _hits(images, f"{_HINT}|{_DRIVES}")}
        extra = table.column("extra")
        for row in _hits(extra, r'"[a-z_]*ur[li]"'):
            told = json.loads(extra[row].as_py())
            texts.setdefault(row, []).extend(
                v for k, v in told.items() if k.endswith(("url", "uri")) and isinstance(v, str)
            )
        if urls:
            for row, (name, image) in enumerate(zip(table.column("id").to_pylist(), images.to_pylist(), strict=True)):
                url = urls.get(stem(name)) or urls.get(stem(image))
                if url:
                    texts.setdefault(row, []).insert(0, url)
        for key, (read, _) in ORIGINS.items():
            known = set(members(table.select(["groups"]), key)[0].tolist()) if texts else set()
            for row in sorted(texts.keys() - known):
                add(key, start + row, next((v for text in texts[row] if (v := read(text))), None))
        if urls:  # a URL of no known site still names one photo
            found = set(rows.get("photo", ()))
            for row in sorted(texts):
                if start + row not in found and "://" in texts[row][0]:
                    add("photo", start + row, texts[row][0])
        for pattern in patterns:
            for row, path in enumerate(images.to_pylist()):
                add(pattern.key, start + row, pattern(path))
        start += table.num_rows
    return {key: (np.array(rows[key], np.int64), pa.array(values[key], pa.string())) for key in rows}


def with_groups(table: pa.Table, more: Mapping[str, Members]) -> pa.Table:
    """A table whose ``groups`` have these values besides their own."""
    added: dict[int, list[tuple[str, str]]] = {}
    for key, (rows, values) in more.items():
        for row, value in zip(rows.tolist(), values.to_pylist(), strict=True):
            added.setdefault(row, []).append((key, value))
    if not added:
        return table
    column = table.column("groups").to_pylist()
    for row, pairs in added.items():
        column[row] = sorted({*(column[row] or ()), *pairs})
    return with_column(table, "groups", pa.array(column, SCHEMA.field("groups").type))


def _hits(column: pa.ChunkedArray, pattern: str) -> list[int]:
    fits = pc.match_substring_regex(column, pattern).fill_null(False)
    return np.flatnonzero(np.asarray(fits)).tolist()
