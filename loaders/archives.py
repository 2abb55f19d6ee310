"""Archives from strangers: unpacked whole or not at all, and never outside their folder."""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault

CHUNK = 1 << 20
JUNK = ("__MACOSX",)
_OPENERS: tuple[tuple[bytes, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError)


@dataclass(frozen=True)
class Limits:
    """What an archive may grow to.

    Attributes:
        members: files and folders in it.
        ratio: bytes unpacked for each byte of the archive, beyond ``free`` bytes that are always allowed.
        free: see above.
        header: bytes of one header record (long names and the like are read into memory).
    """

    members: int = 2_000_000
    ratio: int = 100
    free: int = 64 << 20
    header: int = 16 << 20

    def size(self, packed: int) -> int:
        """Bytes that an archive of ``packed`` bytes may unpack to."""
        return self.free + self.ratio * packed


@dataclass(frozen=True)
class Extracted:
    """What an archive held: number of files, and their bytes together."""

    files: int
    bytes: int


@dataclass(frozen=True)
class _Member:
    name: str
    folder: bool
    open: Callable[[], Any]


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or tar (gzip, bzip2 or xz) archive, by its content."""
    if zipfile.is_zipfile(path):
        return True
    with path.open("rb") as handle:
        head = handle.read(262)
    return head[257:262] == b"ustar" or any(head.startswith(magic) for magic, _ in _OPENERS)


def extract(archive: Path, target: Path, limits: Limits | None = None, stopped: Callable[[], bool] = bool) -> Extracted:
    """Unpack an archive as the folder ``target``, which must not be there yet.

    It is unpacked beside ``target`` first and renamed when it is whole. Where everything in it lies in one folder,
    that folder's content becomes that of ``target``. Owners, rights and dates are not taken over.

    Args:
        stopped: is asked now and then; when it says yes, the work ends with KeyboardInterrupt.

    Raises:
        BadInput: not an archive, a broken or encrypted one; a path or link that leads out, any link or device, a name
            that occurs twice, or more members or bytes than ``limits``. Nothing is left of it then.
        EnvironmentFault: the disk is full or not writable, or ``target`` is there already.
    """
    limits = limits or Limits()
    if target.exists():
        raise EnvironmentFault(f"{target}: is there already; move it away to unpack {archive.name} anew")
    part = beside(target)
    with files.disk_faults(target):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            done = _unpack(archive, part, limits, stopped)
            files.sync(part)
            whole = _inner(part)
            os.replace(whole, target)
            files.sync(target.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return done


def beside(target: Path) -> Path:
    """Where an archive lies until all of it is unpacked; what a killed run left there is worth nothing."""
    return target.with_name(f".{target.name}.unpacking")


def _inner(part: Path) -> Path:
    inside = list(part.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else part


def _unpack(archive: Path, part: Path, limits: Limits, stopped: Callable[[], bool]) -> Extracted:
    allowed = limits.size(archive.stat().st_size)
    seen: dict[str, bool] = {}
    count = total = 0
    try:
        with _members(archive, limits, allowed) as members:
            for position, member in enumerate(members):
                if position >= limits.members:
                    raise _bad(archive, f"at most {limits.members} members", "more")
                path = _path(archive, member.name)
                if path.split("/")[0] in JUNK:
                    continue
                _claim(archive, seen, path, member.folder)
                place = part / path
                if member.folder:
                    place.mkdir(parents=True, exist_ok=True)
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, place.open("xb") as sink:
                    while chunk := source.read(CHUNK):
                        total += len(chunk)
                        if total > allowed:
                            raise _bomb(archive, allowed)
                        if stopped():
                            raise KeyboardInterrupt
                        sink.write(chunk)
                count += 1
    except _BROKEN as fault:
        raise _bad(archive, "a whole archive", f"{type(fault).__name__}: {fault}") from None
    except (RuntimeError, NotImplementedError) as fault:  # zipfile: encrypted, or packed in an unknown way
        raise _bad(archive, "an archive without a password, packed in a usual way", str(fault)) from None
    except OSError as fault:
        if fault.errno is None:  # bz2: invalid data
            raise _bad(archive, "a whole archive", str(fault)) from None
        if fault.errno == errno.ENAMETOOLONG:
            raise _bad(archive, "names that the disk can hold", "a longer one") from None
        raise
    except UnicodeError as fault:
        raise _bad(archive, "readable names", str(fault)) from None
    return Extracted(count, total)


def _bad(archive: Path, expected: str, found: str) -> BadInput:
    return BadInput(archive, expected, found, "nothing of it was kept; get it from its makers again")


def _bomb(archive: Path, allowed: int) -> BadInput:
    return _bad(archive, f"at most {allowed} bytes when unpacked", "more: it grows like no archive of pictures does")


def _path(archive: Path, name: str) -> str:
    """A member's name as a clean relative path."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    drive = bool(parts) and len(parts[0]) >= 2 and parts[0][1] == ":"
    if name.startswith("/") or drive or "\\" in name or "\0" in name or ".." in parts or not parts:
        if parts or name.strip("./"):
            raise _bad(archive, "paths inside the archive", f"{name!r}, which leads out of it")
        return "."
    return "/".join(parts)


def _claim(archive: Path, seen: dict[str, bool], path: str, folder: bool) -> None:
    """Note a path and those above it; folders may come again, files may not."""
    if path == ".":
        if not folder:
            raise _bad(archive, "a name for every file", "an empty one")
        return
    above = path
    while "/" in above:
        above = above.rsplit("/", 1)[0]
        if not seen.setdefault(above, True):
            raise _bad(archive, "every name once", f"{above!r} as a file and as a folder")
    before = seen.get(path)
    if before is not None and not (before and folder):
        raise _bad(archive, "every name once", f"{path!r} twice")
    seen[path] = folder


@contextlib.contextmanager
def _members(archive: Path, limits: Limits, allowed: int) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            if sum(info.file_size for info in opened.infolist()) > allowed:
                raise _bomb(archive, allowed)
            yield _zipped(archive, opened)
        return
    with archive.open("rb") as raw:
        head = raw.read(6)
        raw.seek(0)
        unpack = next((opener for magic, opener in _OPENERS if head.startswith(magic)), None)
        stream = unpack(raw) if unpack else raw
        # headers and padding count too, and are no more than a block and a half a member
        bounded = _Bounded(archive, stream, allowed + 2048 * min(limits.members, 1 + raw_size(raw)), limits.header)
        try:
            opened_tar = tarfile.TarFile(fileobj=bounded)  # type: ignore[arg-type]
        except tarfile.ReadError as fault:
            raise _bad(archive, "a zip or tar archive", str(fault)) from None
        with opened_tar as tar:
            yield _tarred(archive, tar, bounded)


def raw_size(raw: IO[bytes]) -> int:
    """Bytes of an open file."""
    return os.fstat(raw.fileno()).st_size


def _zipped(archive: Path, opened: zipfile.ZipFile) -> Iterator[_Member]:
    for info in opened.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _link(archive, info.filename)
        # orig_filename: the name before zipfile cuts it at a zero byte
        yield _Member(info.orig_filename, info.is_dir(), partial(opened.open, info))


def _tarred(archive: Path, tar: tarfile.TarFile, stream: _Bounded) -> Iterator[_Member]:
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # or it keeps every header in memory
        if not (member.isfile() or member.isdir()):
            raise _link(archive, member.name)
        # what a sparse file says of its holes costs no bytes in the archive: they are counted as they are written
        yield _Member(member.name, member.isdir(), partial(tar.extractfile, member))
    # tarfile takes a broken header, or none, for the end; the end is a block of zeros
    if stream.last != bytes(tarfile.BLOCKSIZE):
        raise _bad(archive, "a whole archive", "one that is broken or cut")
    while stream.read(CHUNK):  # to its end, where a compressed stream has its checksum
        pass


def _link(archive: Path, name: str) -> BadInput:
    return _bad(archive, "files and folders only", f"{name!r}, a link or device")


class _Bounded:
    """A stream that refuses to be read or sought beyond a limit, or in pieces that would fill the memory."""

    def __init__(self, archive: Path, stream: Any, allowed: int, piece: int) -> None:
        self.archive, self.stream, self.allowed, self.piece = archive, stream, allowed, piece
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self.piece:
            raise _bad(self.archive, f"headers of at most {self.piece} bytes", f"one of {size}")
        data: bytes = self.stream.read(size)
        if self.stream.tell() > self.allowed:
            raise _bomb(self.archive, self.allowed)
        self.last = data
        return data

    def seek(self, place: int, whence: int = 0) -> int:
        if whence == 0 and place > self.allowed:
            raise _bomb(self.archive, self.allowed)
        position: int = self.stream.seek(place, whence)
        return position

    def tell(self) -> int:
        position: int = self.stream.tell()
        return position
