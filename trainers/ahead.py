"""The next batches are made ready while the network works on this one."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
DEPTH = 2


class Ahead(Generic[T]):
    """An iterator that another thread runs, a few items ahead.

    Decoding and arithmetic release the interpreter's lock, so one thread is enough to hide them. An error of the
    iterator is raised here, in its place. Use it in a ``with`` block: leaving it ends the thread.

    Args:
        source: runs in the thread.
        prepare: done to every item, in the thread too.
    """

    def __init__(self, source: Iterator[T], prepare: Callable[[T], T]) -> None:
        self._source, self._prepare = source, prepare
        self._ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(DEPTH)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="batches", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item, fault = self._ready.get()
        if fault is not None:
            raise fault
        return item  # type: ignore[return-value]

    def __enter__(self) -> Ahead[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
        self._thread.join(timeout=10)

    def _fill(self) -> None:
        # processes started here inherit this: Ctrl-C goes to the whole group, and they are ended in order instead
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for item in self._source:
                if not self._put(self._prepare(item), None):
                    return
            self._put(None, StopIteration())
        except BaseException as fault:
            self._put(None, fault)

    def _put(self, item: T | None, fault: BaseException | None) -> bool:
        while not self._over.is_set():
            try:
                self._ready.put((item, fault), timeout=0.2)
                return True
            except queue.Full:
                continue
        return False
