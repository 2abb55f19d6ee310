"""The digests of a file that is coming in, taken while it comes: no second reading of it at the end."""

from __future__ import annotations

import hashlib
import queue
import threading
from pathlib import Path
from types import TracebackType

WAITING = 16
_CHUNK = 1 << 20


class Running:
    """SHA-256, and MD5 where it is wanted, of bytes as they are added; a thread of its own takes them.

    hashlib lets other threads run meanwhile, so on two cores the digests cost no time. Use it in a ``with`` block.
    """

    def __init__(self, *, md5: bool) -> None:
        self._with_md5 = md5
        self._count = 0
        self._waiting: queue.Queue[bytes | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._anew()

    def goes_on_from(self, part: Path, start: int) -> None:
        """Be where ``start`` bytes of ``part`` were added, reading them where they were not."""
        if start == self._count:
            return
        self._settle()
        self._anew()
        with part.open("rb") as handle:
            while self._count < start:
                data = handle.read(min(_CHUNK, start - self._count))
                if not data:
                    return
                self.add(data)

    def add(self, data: bytes) -> None:
        """The next bytes."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._take, name="digest", daemon=True)
            self._thread.start()
        self._count += len(data)
        self._waiting.put(data)

    def digests(self) -> tuple[str, str | None]:
        """SHA-256 and MD5 (None where it was not wanted) of all that was added, in hex."""
        self._settle()
        return self._sha256.hexdigest(), self._md5.hexdigest() if self._md5 else None

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settle()

    def _anew(self) -> None:
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if self._with_md5 else None
        self._count = 0

    def _settle(self) -> None:
        """Wait until everything added is counted in."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _take(self) -> None:
        while (data := self._waiting.get()) is not None:
            self._sha256.update(data)
            if self._md5:
                self._md5.update(data)
