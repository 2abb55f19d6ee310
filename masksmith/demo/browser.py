"""The demo's page in a browser that a program drives, for measurements and tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from masksmith.errors import CheckFailed, EnvironmentFault

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def executable() -> Path:
    """The browser of this machine; none is ever downloaded.

    Raises:
        EnvironmentFault: there is none.
    """
    for name in (os.environ.get("MASKSMITH_BROWSER", ""), *NAMES):
        if name and (found := shutil.which(name)):
            return Path(found)
    raise EnvironmentFault(
        f"no Chromium on the path ({', '.join(NAMES[:3])}); install it (Debian: apt-get install chromium), or name it "
        "in MASKSMITH_BROWSER"
    )


@contextlib.contextmanager
def opened(url: str, *, more: Sequence[str] = (), width: int = 1280, height: int = 900) -> Iterator[Any]:
    """The page at ``url``, in a browser of its own (playwright's ``Page``).

    Args:
        url: of the demo's server.
        more: arguments of the browser besides ``ARGS``.
        width, height: of the window, in pixels.

    Raises:
        EnvironmentFault: no browser, or playwright is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise EnvironmentFault("playwright, which drives it, is not installed; pip install playwright") from None
    program = str(executable())
    with sync_playwright() as run:
        browser = run.chromium.launch(executable_path=program, headless=True, args=[*ARGS, *more])
        try:
            context = browser.new_context(viewport={"width": width, "height": height}, permissions=["camera"])
            page = context.new_page()
            page.goto(url)
            yield page
        finally:
            browser.close()


def settle(page: Any, *, frames: int = 3, seconds: float = 60) -> None:
    """Wait until the page has shown so many frames with their masks.

    Raises:
        CheckFailed: it says what is wrong, or nothing comes.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if page.evaluate("document.body.dataset.state") == "fault":
            break
        if page.evaluate("window.masksmith ? masksmith.figures().frames : 0") >= frames:
            return
        time.sleep(0.1)
    raise CheckFailed(f"the page shows no masks: {page.inner_text('#note')}")


def worker_cpu_ms() -> float | None:
    """Time that workers of browsers started by this process have had a processor for so far; None where it is not told.

    What others do on the machine is not in it.
    """
    if not Path("/proc/self/schedstat").exists():
        return None
    parents: dict[int, int] = {}
    threads: list[tuple[int, Path]] = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if b"--type=renderer" in (place / "cmdline").read_bytes():
                threads += [(int(place.name), thread) for thread in (place / "task").iterdir()]
    spent = 0
    for process, thread in threads:
        while process not in (0, 1, os.getpid()):
            process = parents.get(process, 0)
        with contextlib.suppress(OSError, ValueError, IndexError):
            if process == os.getpid() and (thread / "comm").read_text().startswith("DedicatedWorker"):
                spent += int((thread / "schedstat").read_text().split()[0])
    return spent / 1e6
