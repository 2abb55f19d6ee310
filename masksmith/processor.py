"""The processor: its name, and one of its cores for this process alone."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

import numpy as np

from masksmith.errors import UsageProblem

_KEPT_BYTES = 31 << 20


def name() -> str:
    """The processor as the system calls it; empty where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def pin(core: int | None = None) -> int:
    """Keep this process on one core and its libraries on one thread.

    Args:
        core: its number; None = the last one this process may use.

    Returns:
        Which one; -1 where the system cannot do that.

    Raises:
        UsageProblem: this process may not use that one.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    if not hasattr(os, "sched_setaffinity"):  # not Linux
        return -1
    allowed = sorted(os.sched_getaffinity(0))
    chosen = allowed[-1] if core is None else core
    if chosen not in allowed:
        raise UsageProblem(f"processor {chosen} is not one of {', '.join(map(str, allowed))}")
    os.sched_setaffinity(0, {chosen})
    return chosen


@functools.cache
def keep_freed_memory() -> None:
    """Let what arrays of a frame's size took stay with this process when they are freed, for those of the next frame.

    The C library of Linux hands blocks above 128 KiB back to the system at once, and each new one is mapped again page
    by page, which took up to a third of a frame's time. It stops doing so for sizes up to that of the largest block
    that was ever freed (``mallopt``, M_MMAP_THRESHOLD, "dynamic"), 32 MiB at most: so one that size is asked for, not
    written to, and freed. Twice that much stays with the process at most.
    """
    np.empty(_KEPT_BYTES, np.uint8)
