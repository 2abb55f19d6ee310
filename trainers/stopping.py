"""Stopping where it does no harm: at a signal, between two steps; and before a time budget is used up."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType


class Stopped(Exception):
    """The user (Ctrl-C) or the system (SIGTERM) wants the run to end; raised between two steps only."""


class StopSign:
    """Set by a signal, looked at between steps."""

    def __init__(self) -> None:
        self.set = False

    def check(self) -> None:
        """Raise :class:`Stopped` where a signal came."""
        if self.set:
            raise Stopped


@contextlib.contextmanager
def stop_sign() -> Iterator[StopSign]:
    """Turn the first SIGINT or SIGTERM of the block into a :class:`StopSign`; the second acts as always."""
    sign = StopSign()
    if threading.current_thread() is not threading.main_thread():
        yield sign
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _: FrameType | None) -> None:
        sign.set = True
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, stop)
    try:
        yield sign
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Clock:
    """The time of a run, what was spent before a stop included, against its budget.

    Args:
        started: ``time.monotonic()`` when this start began.
        before: seconds of earlier starts.
        budget_s: None = no budget.
    """

    def __init__(self, started: float, before: float, budget_s: float | None) -> None:
        self._started, self._before, self.budget_s = started, before, budget_s
        self.step_s = 0.0
        self.closing_s = 0.0

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + time.monotonic() - self._started

    def stepped(self, seconds: float) -> None:
        """Learn what a step takes."""
        self.step_s = seconds if not self.step_s else 0.9 * self.step_s + 0.1 * seconds

    def closing(self, seconds: float) -> None:
        """Learn what the end of the run takes: the last validation and the files."""
        self.closing_s = 1.2 * seconds + 0.2

    @property
    def used(self) -> float:
        """The share of the training time that is used up; 0 without a budget."""
        if self.budget_s is None:
            return 0.0
        return min(1.0, self.seconds / max(self.budget_s - self.closing_s - self.step_s, 1e-6))

    @property
    def over(self) -> bool:
        """Whether another step would leave too little for the end."""
        if self.budget_s is None:
            return False
        return self.seconds + self.step_s + self.closing_s > self.budget_s
