"""What the threads of a fetch share: patience, the wish to stop, and hosts that want to be left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

from masksmith import __version__


@dataclass(frozen=True)
class Patience:
    """How long to try.

    Attributes:
        tries: attempts without progress, for each URL.
        backoff_s: wait after the first failed attempt; doubled after each further one.
        longest_s: no wait is longer; a server that asks for more is left for a later run.
        timeout_s: without a byte for so long, the connection counts as cut.
    """

    tries: int = 5
    backoff_s: float = 1.0
    longest_s: float = 120.0
    timeout_s: float = 60.0


@dataclass
class Line:
    """What the threads of a run share: patience, the wish to stop, and hosts that want to be left alone for a while."""

    patience: Patience = field(default_factory=Patience)
    stop: threading.Event = field(default_factory=threading.Event)
    advance: Callable[[int], None] = lambda _: None
    _free_at: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _local: threading.local = field(default_factory=threading.local)

    def session(self) -> requests.Session:
        """The thread's own session; proxies come from the environment."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.headers.update(
                {"User-Agent": f"masksmith/{__version__}", "Accept-Encoding": "identity"}
            )
        session: requests.Session = self._local.session
        return session

    def hold(self, url: str, seconds: float) -> None:
        """Let nobody ask this URL's host before ``seconds`` have passed."""
        with self._lock:
            host = urlsplit(url).netloc
            self._free_at[host] = max(self._free_at.get(host, 0.0), time.monotonic() + seconds)

    def wait(self, url: str) -> None:
        """Wait until this URL's host may be asked."""
        while True:
            with self._lock:
                left = self._free_at.get(urlsplit(url).netloc, 0.0) - time.monotonic()
            if left <= 0:
                return
            self.pause(left)

    def pause(self, seconds: float) -> None:
        """Sleep, or end with KeyboardInterrupt as soon as the run is to stop."""
        if self.stop.wait(seconds):
            raise KeyboardInterrupt
