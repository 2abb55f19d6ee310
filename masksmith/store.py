"""Where finished files go: a folder, or an object store behind an fsspec URL.

An object store has no rename. An object is whole when it appears, and what says that a shard is done (its receipt) is
written after the shard's objects.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from masksmith import files
from masksmith.errors import EnvironmentFault, MasksmithError, UsageProblem
from masksmith.receipts import FOLDER, Receipts

UPLOADS = ".uploads"
"""Folder of the work folder where files lie that are on their way to a store."""
_EXTRAS = {"s3": "masksmith[s3]", "s3a": "masksmith[s3]", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
_LOST = ("memory", "data", "tar", "zip", "http", "https", "reference", "filecache", "simplecache", "blockcache")
_CLIENTS = ("botocore", "aiobotocore", "aiohttp", "google", "gcsfs", "azure", "adlfs", "requests", "urllib3")


@dataclass(frozen=True)
class Disk:
    """A folder."""

    root: str

    def check(self) -> None:
        """Find out before long work whether it can be written to.

        Raises:
            EnvironmentFault: it cannot.
        """
        files.writable(self.root)

    def put(self, contents: Mapping[str, bytes]) -> None:
        """Write files, each whole or not at all; the flush is left to the receipt."""
        for path, data in contents.items():
            files.write_bytes(Path(self.root) / path, data, durable=False)

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None where it is not there."""
        try:
            return (Path(self.root) / path).read_bytes()
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def file(self, path: str) -> Iterator[Path]:
        """A local path to write a large file to, which appears at ``path`` when the block ends well."""
        with files.atomic(Path(self.root) / path, durable=False) as part:
            yield part

    def receipts(self, stage: str, job: dict[str, Any]) -> Receipts:
        """The receipts of a stage of work, see :class:`masksmith.receipts.Receipts`."""
        return Receipts(self.root, stage, job)


@dataclass(frozen=True)
class Bucket:
    """A place in an object store.

    Args:
        url: an fsspec URL, ``s3://bucket/prefix``; address and keys come from the environment, as its client reads
            them (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...).
        work: a local folder, for files on their way.
    """

    url: str
    work: str

    def check(self) -> None:
        """As :meth:`Disk.check`: an object is written and removed."""
        probe = f"{self.url}/.masksmith.probe"
        with _faults(self.url):
            client = _client(self.url)
            client.pipe_file(probe, b"")
            client.rm_file(probe)
        shutil.rmtree(Path(self.work) / UPLOADS, ignore_errors=True)

    def put(self, contents: Mapping[str, bytes]) -> None:
        """Write objects, many at a time."""
        with _faults(self.url):
            _client(self.url).pipe({f"{self.url}/{path}": data for path, data in contents.items()})

    def read(self, path: str) -> bytes | None:
        """An object's bytes, or None where it is not there."""
        with _faults(self.url):
            try:
                data: bytes = _client(self.url).cat_file(f"{self.url}/{path}")
            except FileNotFoundError:
                return None
        return data

    @contextlib.contextmanager
    def file(self, path: str) -> Iterator[Path]:
        """As :meth:`Disk.file`; the object is sent when the block ends well."""
        waiting = Path(self.work) / UPLOADS
        with files.disk_faults(waiting):
            waiting.mkdir(parents=True, exist_ok=True)
            # a name of its own: a task that Ray gave up for lost may still be at the same file
            with tempfile.TemporaryDirectory(dir=waiting) as folder:
                part = Path(folder) / "part"
                yield part
                with _faults(self.url):
                    _client(self.url).put_file(str(part), f"{self.url}/{path}")

    def receipts(self, stage: str, job: dict[str, Any]) -> Receipts:
        """The receipts of a stage of work, kept in the store."""
        return _Stored(self, stage, job)


Store = Disk | Bucket


class _Stored(Receipts):
    """Receipts in an object store; those that are there are read together when the work starts."""

    def __init__(self, bucket: Bucket, stage: str, job: dict[str, Any]) -> None:
        self._bucket, self._below = bucket, f"{FOLDER}/{stage}"
        self._known = _read_json(bucket.url, self._below)
        super().__init__(bucket.url, stage, job)

    def _read(self, name: str) -> bytes | None:
        return self._known.get(name)

    def _write(self, name: str, value: dict[str, Any]) -> None:
        self._known[name] = files.canonical(value)
        self._bucket.put({f"{self._below}/{name}": files.as_json(value)})

    def _flush(self) -> None:
        """What the store has taken is safe there."""


def at(place: str, work: str) -> Store:
    """The folder or object store that ``place`` names.

    Args:
        place: a path or an fsspec URL.
        work: a local folder, for an object store's files on their way.

    Raises:
        UsageProblem: a protocol that is unknown or keeps nothing.
        EnvironmentFault: the library behind the protocol is not installed; names what to install.
    """
    protocol, is_url, rest = place.partition("://")
    if not is_url:
        return Disk(place)
    if protocol in ("file", "local"):
        return Disk(rest)
    if protocol in _LOST:
        raise UsageProblem(f"{place}: {protocol}:// is no place for a dataset; use a folder, or s3://bucket/prefix")
    if not rest.strip("/"):
        raise UsageProblem(f"{place}: name a bucket and a prefix, as in {protocol}://bucket/feet")
    _client(place)
    return Bucket(place.rstrip("/"), work)


def is_url(place: str) -> bool:
    """Whether a place is an fsspec URL of something else than a local file."""
    return "://" in place and not place.startswith(("file://", "local://"))


@lru_cache(maxsize=4)
def _client(url: str) -> Any:
    import fsspec  # type: ignore[import-untyped]

    protocol = url.partition("://")[0]
    try:
        kind = fsspec.get_filesystem_class(protocol)
    except ValueError:
        raise UsageProblem(f"{url}: unknown protocol {protocol!r}; use a folder, or s3://bucket/prefix") from None
    except ImportError:
        what = _EXTRAS.get(protocol, f"the fsspec library for {protocol}")
        raise EnvironmentFault(f"{url} needs a library that is not installed: pip install '{what}'") from None
    with _faults(url):
        # listings would be remembered, and hide what another process has written since
        return kind(use_listings_cache=False)


def _read_json(url: str, below: str) -> dict[str, bytes]:
    """Name -> bytes of the JSON objects right below a prefix."""
    with _faults(url):
        client = _client(url)
        try:
            found = [path for path in client.find(f"{url}/{below}") if path.endswith(".json")]
        except FileNotFoundError:
            return {}
        got = client.cat(found) if found else {}
    return {path.rsplit("/", 1)[1]: data for path, data in got.items()}


@contextlib.contextmanager
def _faults(url: str) -> Iterator[None]:
    """Turn what a store's client says into an :class:`EnvironmentFault`."""
    try:
        yield
    except MasksmithError:
        raise
    except Exception as fault:
        ours = isinstance(fault, OSError) or type(fault).__module__.partition(".")[0] in _CLIENTS
        if not ours:
            raise
        why = " ".join(str(fault).split())[:200] or type(fault).__name__
        raise EnvironmentFault(
            f"{url}: the object store does not take it ({why}); check the bucket, its address (AWS_ENDPOINT_URL) and "
            "the keys, and run the same command again to go on"
        ) from fault
