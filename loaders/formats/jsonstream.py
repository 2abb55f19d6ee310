"""A large JSON object read in a stream: the items of its arrays one by one, never the whole of it in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from masksmith.errors import BadInput

CHUNK = 1 << 16
LARGEST = 256 << 20
_SPACE = " \t\r\n\ufeff"


def items(path: Path) -> Iterator[tuple[str, Any]]:
    """(key, value) of a JSON object; a value that is an array gives one pair an item.

    Raises:
        BadInput: no such file, not JSON, not an object, or one value larger than 256 MB.
    """
    try:
        with path.open(encoding="utf-8") as handle:
            yield from _Reader(handle, path).members()
    except FileNotFoundError:
        raise BadInput(path, "a JSON file", "no such file", "check the path") from None
    except UnicodeDecodeError as fault:
        raise BadInput(path, "JSON in UTF-8", str(fault), "restore it") from None


class _Reader:
    def __init__(self, handle: TextIO, path: Path) -> None:
        self._handle, self._path = handle, path
        self._text, self._at, self._passed, self._ended = "", 0, 0, False
        self._decoder = json.JSONDecoder()

    def members(self) -> Iterator[tuple[str, Any]]:
        self._expect("{")
        if self._peek() == "}":
            return
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise self._wrong("a key")
            self._expect(":")
            if self._peek() == "[":
                self._expect("[")
                yield from self._array(key)
            else:
                yield key, self._value()
            if self._next("},") == "}":
                return

    def _array(self, key: str) -> Iterator[tuple[str, Any]]:
        if self._peek() == "]":
            self._expect("]")
            return
        while True:
            yield key, self._value()
            if self._next("],") == "]":
                return

    def _peek(self) -> str:
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(CHUNK):
                raise self._wrong("more of it")

    def _expect(self, sign: str) -> None:
        self._next(sign)

    def _next(self, signs: str) -> str:
        found = self._peek()
        if found not in signs:
            raise self._wrong(" or ".join(signs))
        self._at += 1
        return found

    def _value(self) -> Any:
        self._peek()
        size = CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError:
                value, end = None, -1
            # a number at the very end of what was read may go on behind it
            if end >= 0 and (end < len(self._text) or self._ended):
                self._at = end
                return value
            if len(self._text) - self._at > LARGEST or not self._more(size):
                if end >= 0:
                    self._at = end
                    return value
                raise self._wrong("a JSON value")
            size *= 2  # a large value is tried a few times only

    def _more(self, size: int) -> bool:
        chunk = self._handle.read(size)
        if not chunk:
            self._ended = True
            return False
        self._passed += self._at
        self._text, self._at = self._text[self._at :] + chunk, 0
        return True

    def _wrong(self, expected: str) -> BadInput:
        near = self._text[self._at : self._at + 40]
        found = f"{near!r} at character {self._passed + self._at:,}" if near else "the end of the file"
        return BadInput(self._path, expected, found, "restore it, or export it again")
