"""One file from the network: begun, broken off, gone on with, and checked before it gets its name."""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from loaders.line import Line
from loaders.running import Running
from masksmith import files

CHUNK = 1 << 18
SCHEMES = ("http", "https")
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 10
ASK_AGAIN = (408, 425, 429, 500, 502, 503, 504)
PROGRESS = 1 << 20  # bytes that make an attempt count as a new beginning
_VALIDATORS = (("etag", "etag"), ("last-modified", "last_modified"))
_CUT = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)


@dataclass(frozen=True)
class Wanted:
    """A file to be had.

    Attributes:
        path: where it goes.
        urls: where it may be, the best first.
        size: exact number of bytes, where known.
        sha256, md5: hex, where known.
        largest: no file may be larger, where the size is not known.
        refuse: parts of the address that a placeholder is sent from.
    """

    path: Path
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    largest: int | None = None
    refuse: tuple[str, ...] = ()

    @property
    def part(self) -> Path:
        """Where it lies until it is whole."""
        return self.path.with_name(f".{self.path.name}.part")

    @property
    def begun(self) -> Path:
        """What is known of the part: its URL and the server's validators."""
        return self.path.with_name(f".{self.path.name}.part.json")


@dataclass(frozen=True)
class Fetched:
    """A file that came: its URL, size in bytes and digest (hex)."""

    url: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Failure:
    """A URL that gave nothing.

    Attributes:
        url: as it was asked for.
        reason: in words.
        status: of the last HTTP answer; None where there was none.
        kind: ``network``, ``gone`` (the server says no) or ``wrong`` (what came is not what was wanted).
    """

    url: str
    reason: str
    status: int | None
    kind: str


class Failed(Exception):
    """None of the URLs gave the file; ``failures`` says why, one each."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__("; ".join(f"{each.url}: {each.reason}" for each in failures))
        self.failures = tuple(failures)


class _Refused(Exception):
    """This URL will not do."""

    def __init__(self, kind: str, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.status = kind, reason, status


class _Later(Exception):
    """This attempt did not do; the next one may."""

    def __init__(self, reason: str, status: int | None = None, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.status, self.wait_s = reason, status, wait_s


def download(wanted: Wanted, line: Line) -> Fetched:
    """Fetch a file; on return it has its name and is what was wanted.

    What came before a run was cut off is gone on with where the server can prove that the file is still the same
    (a strong ETag or a Last-Modified date, sent back as If-Range); otherwise it begins anew.

    Raises:
        Failed: no URL gave it. A part that can be gone on with is kept.
        EnvironmentFault: the disk is full or not writable.
    """
    failures = []
    with files.disk_faults(wanted.path):
        wanted.path.parent.mkdir(parents=True, exist_ok=True)
        before = _begun(wanted).get("url")
        for url in sorted(wanted.urls, key=lambda each: each != before):
            try:
                return _from(url, wanted, line)
            except _Refused as no:
                failures.append(Failure(url, no.reason, no.status, no.kind))
    raise Failed(failures)


def _from(url: str, wanted: Wanted, line: Line) -> Fetched:
    with Running(md5=wanted.md5 is not None) as running:
        return _tried(url, wanted, line, running)


def _tried(url: str, wanted: Wanted, line: Line, running: Running) -> Fetched:
    tries = 0
    while True:
        line.wait(url)
        had = _size(wanted.part)
        try:
            _attempt(url, wanted, line, running)
            return _finish(url, wanted, running)
        except _Later as cut:
            if _size(wanted.part) - had >= PROGRESS:
                tries = 0
            tries += 1
            if tries >= line.patience.tries:
                raise _Refused("network", cut.reason, cut.status) from None
            wait = line.patience.backoff_s * 2 ** (tries - 1) if cut.wait_s is None else cut.wait_s
            if wait > line.patience.longest_s:
                raise _Refused("network", f"{cut.reason}, asks to wait {wait:.0f} s", cut.status) from None
            if cut.wait_s is None:
                line.pause(wait)
            else:
                line.hold(url, wait)


def _attempt(url: str, wanted: Wanted, line: Line, running: Running) -> None:
    """One request; on return the part is as long as the server said."""
    known = _begun(wanted)
    start = _size(wanted.part)
    validator = _validator(known)
    if known.get("url") != url or not start or validator is None:
        start = 0
    if start and start == known.get("size"):
        return
    headers = {"Range": f"bytes={start}-", "If-Range": validator} if start and validator else {}
    try:
        with _open(url, headers, wanted, line) as answer:
            start, total = _begin(url, answer, start, wanted)
            _receive(answer, start, total, wanted, line, running)
    except _CUT as fault:
        raise _Later(_why(fault)) from None


@contextlib.contextmanager
def _open(url: str, headers: Mapping[str, str], wanted: Wanted, line: Line) -> Iterator[requests.Response]:
    """The answer behind all redirects, each of which must lead to http or https."""
    here = url
    for _ in range(MAX_REDIRECTS + 1):
        if not _reachable(here):
            raise _Refused("wrong", f"leads to {here}, which is not an http or https URL")
        if any(each in here for each in wanted.refuse):
            raise _Refused("gone", f"leads to a placeholder, {here}")
        timeout = (min(20.0, line.patience.timeout_s), line.patience.timeout_s)
        try:
            answer = line.session().get(here, headers=headers, stream=True, allow_redirects=False, timeout=timeout)
        except (ValueError, requests.exceptions.InvalidSchema) as fault:
            raise _Refused("wrong", f"not a URL that can be asked: {fault}") from None
        if answer.status_code in REDIRECTS and "location" in answer.headers:
            answer.close()
            try:
                here = urljoin(here, answer.headers["location"])
            except ValueError:
                raise _Refused("wrong", "a redirect that is no URL", answer.status_code) from None
            continue
        with contextlib.closing(answer):
            yield answer
        return
    raise _Refused("gone", f"more than {MAX_REDIRECTS} redirects")


def _reachable(url: str) -> bool:
    try:
        split = urlsplit(url)
        return split.scheme.lower() in SCHEMES and bool(split.hostname) and split.port != 0
    except ValueError:
        return False


def _begin(url: str, answer: requests.Response, start: int, wanted: Wanted) -> tuple[int, int | None]:
    """Look at the answer's head; returns where its bytes begin and how long the file is.

    The part is cut back to where they begin.
    """
    status = answer.status_code
    if status in ASK_AGAIN:
        raise _Later(f"HTTP {status} {answer.reason}", status, _retry_after(answer))
    if status == 416:
        _forget(wanted)
        raise _Later("the server cannot go on where it was cut", status, 0.0)
    if status not in (200, 206):
        raise _Refused("gone", f"HTTP {status} {answer.reason}", status)
    length = _number(answer.headers.get("content-length"))
    total = length
    if status == 206:
        begin, total = _content_range(answer.headers.get("content-range", ""))
        known = _begun(wanted)
        same = all(answer.headers.get(name) in (None, known.get(key)) for name, key in _VALIDATORS)
        if begin != start or not same or known.get("size") not in (None, total):
            _forget(wanted)
            raise _Later("the server went on with something else than was asked for", status, 0.0)
    elif answer.headers.get("content-type", "").startswith("text/html") and not wanted.path.suffix.startswith(".htm"):
        raise _Refused("wrong", "a web page came instead of the file (a form, or a page that says it is gone)", status)
    else:
        start = 0
    if total is not None and wanted.size is not None and total != wanted.size:
        raise _Refused("wrong", f"expected {wanted.size} bytes, the server has {total}", status)
    if total is not None and wanted.largest is not None and total > wanted.largest:
        raise _Refused("wrong", f"{total} bytes, more than {wanted.largest}", status)
    note = {"url": url, "size": total, **{key: answer.headers.get(name) for name, key in _VALIDATORS}}
    if start == 0:
        wanted.part.write_bytes(b"")
        files.write_json(wanted.begun, note, durable=False)
    return start, total


def _receive(
    answer: requests.Response, start: int, total: int | None, wanted: Wanted, line: Line, running: Running
) -> None:
    bound = total if total is not None else wanted.size if wanted.size is not None else wanted.largest
    have = start
    running.goes_on_from(wanted.part, start)
    with wanted.part.open("ab", buffering=0) as sink:
        while True:
            # as it comes, or a cut would lose what had come of a full chunk
            data = answer.raw.read1(CHUNK, decode_content=False)
            if not data:
                break
            have += len(data)
            if bound is not None and have > bound:
                raise _Refused("wrong", f"more than {bound} bytes", answer.status_code)
            sink.write(data)
            running.add(data)
            line.advance(len(data))
            if line.stop.is_set():
                raise KeyboardInterrupt
    if total is not None and have < total:
        raise _Later(f"cut after {have} of {total} bytes", answer.status_code)


def _finish(url: str, wanted: Wanted, running: Running) -> Fetched:
    """Check the part and give it its name; what is wrong is removed."""
    size = _size(wanted.part)
    running.goes_on_from(wanted.part, size)
    sha256, md5 = running.digests()
    checks = (("bytes", wanted.size, size), ("sha256", wanted.sha256, sha256), ("md5", wanted.md5, md5))
    for what, expected, found in checks:
        if expected is not None and expected != found:
            _forget(wanted)
            raise _Refused("wrong", f"expected {what} {expected}, found {found}; what came was removed", 200)
    with wanted.part.open("rb") as handle:
        os.fsync(handle.fileno())
    os.replace(wanted.part, wanted.path)
    wanted.begun.unlink(missing_ok=True)
    return Fetched(url, size, sha256)


def digests(path: Path) -> tuple[str, str]:
    """SHA-256 and MD5 (hex) of a file, in one pass."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 20):
            sha256.update(chunk)
            md5.update(chunk)
    return sha256.hexdigest(), md5.hexdigest()


def resumable(wanted: Wanted) -> int:
    """Bytes of the part that may be gone on with."""
    return _size(wanted.part) if _validator(_begun(wanted)) else 0


def _begun(wanted: Wanted) -> dict[str, Any]:
    try:
        note = json.loads(wanted.begun.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _forget(wanted: Wanted) -> None:
    wanted.part.unlink(missing_ok=True)
    wanted.begun.unlink(missing_ok=True)


def _validator(note: Mapping[str, Any]) -> str | None:
    """What proves that the file is still the same: a weak ETag does not (RFC 9110, 13.1.5)."""
    etag = note.get("etag")
    if isinstance(etag, str) and etag.startswith('"'):
        return etag
    modified = note.get("last_modified")
    return modified if isinstance(modified, str) and modified else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _content_range(text: str) -> tuple[int | None, int | None]:
    unit, _, rest = text.partition(" ")
    span, _, total = rest.partition("/")
    return (_number(span.partition("-")[0]) if unit == "bytes" else None), _number(total)


def _retry_after(answer: requests.Response) -> float | None:
    """Seconds that the server asks to wait: a number, or a date."""
    text = answer.headers.get("retry-after", "").strip()
    if (number := _number(text)) is not None:
        return float(number)
    try:
        when = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, when - time.time())


def _why(fault: BaseException) -> str:
    """A network fault in a few words."""
    text = str(fault).lower()
    for sign, words in (
        ("timed out", "no answer in time"),
        ("name resolution", "the host's name is not known"),
        ("failed to resolve", "the host's name is not known"),
        ("refused", "the connection was refused"),
        ("certificate", "the server's certificate does not hold"),
        ("proxy", "the proxy does not let it through"),
        ("incomplete", "the connection was cut"),
        ("reset", "the connection was cut"),
        ("aborted", "the connection was cut"),
    ):
        if sign in text:
            return words
    return f"{type(fault).__name__}: {str(fault)[:120]}"
