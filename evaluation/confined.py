"""Work that is measured in a process of its own, held to a share of a core, and let go however this one ends."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from evaluation.quota import Limit, limited
from masksmith.errors import EnvironmentFault, MasksmithError


def confined(
    work: Callable[..., Any],
    args: tuple[Any, ...],
    quota: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Any, Limit | None]:
    """What ``work`` finds in a process of its own.

    Args:
        work: a module's function, called with ``ready`` and ``args``. It calls ``ready()`` when what comes next is
            measured; from then on it is held to the quota.
        quota: percent of a core; None = all of it.
        say: told what holds it.

    Returns:
        What ``work`` returned, and what held it.

    Raises:
        MasksmithError: what ``work`` raised; EnvironmentFault where its process ended by itself.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_child, args=(there, work, args), daemon=True)
    limit: Limit | None = None
    with ending_orderly():
        child.start()
        there.close()
        try:
            told = here.recv()
            if told == _READY:
                if quota is not None:
                    limit = limited(int(child.pid or 0), quota)
                    say(f"held to {quota:g} % of a core by {limit.how}")
                here.send(_READY)
                told = here.recv()
        except EOFError:
            raise EnvironmentFault("the process that was measured ended by itself: out of memory?") from None
        except BaseException:
            child.kill()
            raise
        finally:
            if limit is not None:
                limit.stop()
            here.close()
            child.join(5)
            if child.is_alive():
                child.kill()
    if isinstance(told, Exception):
        raise told
    return told, limit


_READY = "ready"


@contextlib.contextmanager
def ending_orderly() -> Iterator[None]:
    """While this lasts, being told to end (SIGTERM, SIGHUP) runs what stands in ``finally`` first."""
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():  # only there can signals be caught
        signals = []
    before = {number: signal.signal(number, _leave) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _child(pipe: Any, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if sys.platform == "linux":  # a process that was stopped would otherwise stay when this one is killed outright
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)

    def ready() -> None:
        pipe.send(_READY)
        pipe.recv()

    try:
        pipe.send(work(ready, *args))
    except MasksmithError as fault:
        pipe.send(fault)
    except (ValueError, RuntimeError, MemoryError) as fault:
        pipe.send(EnvironmentFault(f"what was to be measured could not be run: {fault}"))
