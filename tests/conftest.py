"""Fixtures that more than one package's tests use."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# tests run side by side: a thread pool in each would only get in the others' way
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data that MASKSMITH_DATA names, or the one beside the checkout."""
    folder = Path(os.environ.get("MASKSMITH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data: MASKSMITH_DATA names no folder")
    return folder


@pytest.fixture
def no_file_above(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Call with a number of bytes: no file of this process may grow beyond it."""
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
