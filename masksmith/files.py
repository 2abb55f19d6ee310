"""Files that are either whole or not there, and their digests."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from masksmith.errors import EnvironmentFault

_DISK = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
_RIGHTS = {
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.EROFS: "the file system is read-only",
}


@contextlib.contextmanager
def disk_faults(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn a full disk or missing permission below ``path`` into an :class:`EnvironmentFault`."""
    try:
        yield
    except OSError as fault:
        if fault.errno in _DISK:
            raise EnvironmentFault(
                f"{path}: cannot write, {_DISK[fault.errno]}; free some space and run the same command again"
            ) from fault
        if fault.errno in _RIGHTS:
            raise EnvironmentFault(
                f"{path}: cannot write, {_RIGHTS[fault.errno]}; choose another folder or change its rights"
            ) from fault
        if fault.errno == errno.ENOTDIR:
            raise EnvironmentFault(f"{path}: cannot write, a file stands where a folder is needed") from fault
        raise


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[Path]:
    """Write a file under a temporary name in its own folder and rename it when it is whole.

    The temporary name depends on the final one only, so a killed run leaves at most one such file
    and the next run overwrites it. ``durable=False`` leaves the flush to a later :func:`sync`.

    Raises:
        EnvironmentFault: the disk is full or the folder cannot be written to.
    """
    final = Path(path)
    part = final.with_name(f".{final.name}.part")
    with disk_faults(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            if durable:
                with part.open("rb") as handle:
                    os.fsync(handle.fileno())
            os.replace(part, final)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise


def write_bytes(path: str | os.PathLike[str], data: bytes, *, durable: bool = True) -> None:
    """Write ``data`` atomically; see :func:`atomic`."""
    with atomic(path, durable=durable) as part:
        part.write_bytes(data)


def write_json(path: str | os.PathLike[str], value: Any, *, durable: bool = True) -> None:
    """Write ``value`` as JSON with sorted keys, atomically: the same value gives the same bytes."""
    write_bytes(path, as_json(value), durable=durable)


def as_json(value: Any) -> bytes:
    """The bytes of ``value`` as JSON for people to read: indented, with sorted keys."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def canonical(value: Any) -> bytes:
    """The JSON bytes that a digest of ``value`` is taken over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: Any) -> str:
    """SHA-256 (hex) of a JSON value, or of bytes as they are."""
    return hashlib.sha256(value if isinstance(value, bytes) else canonical(value)).hexdigest()


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 (hex) of a file's bytes, read in a stream."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sync(folder: str | os.PathLike[str]) -> None:
    """Flush everything written to the file system of ``folder``: one call for a shard, not one a file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with disk_faults(folder):
            try:
                syncfs = ctypes.CDLL(None, use_errno=True).syncfs
            except AttributeError:  # not Linux
                os.sync()
                return
            if syncfs(descriptor) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def writable(folder: str | os.PathLike[str]) -> Path:
    """Make ``folder`` if need be and check that it can be written to, before long work starts.

    Raises:
        EnvironmentFault: it cannot.
    """
    place = Path(folder)
    with disk_faults(place):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:
            raise EnvironmentFault(f"{place}: no folder can be made there; choose another place") from None
        # under a name of its own: others may look at the same folder
        descriptor, probe = tempfile.mkstemp(".part", ".masksmith.probe.", place)
        os.close(descriptor)
        Path(probe).unlink()
    return place


@contextlib.contextmanager
def sole_writer(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Hold ``folder`` for one writing process; a second one is told, and ends.

    Raises:
        EnvironmentFault: another process holds it.
    """
    lock = Path(folder) / ".lock"
    with disk_faults(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = lock.open("w")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise EnvironmentFault(
                f"{folder}: another run is writing there; wait for it or choose another folder"
            ) from busy
        yield
