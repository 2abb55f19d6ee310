"""Holding a process to a share of a core: by the kernel where it lets us, otherwise by stopping it time and again.

Document C measures at "10 % CPU" with cpulimit, which stops and continues a process. A control group does the same
in the kernel, in periods of 100 ms.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from typing import Protocol

from masksmith.errors import EnvironmentFault, UsageProblem

PERIOD_US = 100_000
ROOT = Path("/sys/fs/cgroup")


class Limit(Protocol):
    """What holds a process back; ``how`` says by which means."""

    how: str

    def stop(self) -> None:
        """Let it go again."""


def limited(pid: int, percent: float, *, root: Path = ROOT, kernel: bool = True) -> Limit:
    """Hold a process to ``percent`` of one core from now on.

    Args:
        pid: a child of this process.
        percent: above 0, at most 100.
        root: where control groups are mounted.
        kernel: try a control group first.

    Raises:
        UsageProblem: a share out of range.
        EnvironmentFault: there is no such process.
    """
    if not 0 < percent <= 100:
        raise UsageProblem(f"a quota is a percentage above 0 and at most 100, not {percent:g}")
    if not Path(f"/proc/{pid}").exists():
        raise EnvironmentFault(f"no process {pid} to hold back")
    if kernel:
        for make in (_second_version, _first_version):
            with contextlib.suppress(OSError):
                return make(root, pid, percent)
    return DutyCycle(pid, percent)


class ControlGroup:
    """A group of our own with a quota of processor time; the process leaves it on :meth:`stop`."""

    def __init__(self, how: str, folder: Path, pid: int) -> None:
        self.how, self._folder, self._pid = how, folder, pid

    def stop(self) -> None:
        parent = self._folder.parent / "cgroup.procs"
        for _ in range(50):
            with contextlib.suppress(OSError):  # it may have ended
                parent.write_text(str(self._pid))
            with contextlib.suppress(OSError):
                self._folder.rmdir()
                return
            time.sleep(0.02)


def _second_version(root: Path, pid: int, percent: float) -> ControlGroup:
    controllers = (root / "cgroup.controllers").read_text().split()
    if "cpu" not in controllers:
        raise OSError("no cpu controller")
    _sweep(root)
    folder = root / f"masksmith-{os.getpid()}-{pid}"
    folder.mkdir()
    return _filled(folder, pid, {"cpu.max": f"{_quota(percent)} {PERIOD_US}"}, "a control group (cpu.max)")


def _first_version(root: Path, pid: int, percent: float) -> ControlGroup:
    above = root / "cpu"
    if not (above / "cpu.cfs_quota_us").exists() and not (above / "cgroup.procs").exists():
        raise OSError("no cpu controller")
    _sweep(above)
    folder = above / f"masksmith-{os.getpid()}-{pid}"
    folder.mkdir()
    wanted = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(_quota(percent))}
    return _filled(folder, pid, wanted, "a control group (cpu.cfs_quota_us)")


def _filled(folder: Path, pid: int, wanted: dict[str, str], how: str) -> ControlGroup:
    try:
        for name, text in wanted.items():
            place = folder / name
            if not place.exists():
                raise OSError(f"no {name}")
            place.write_text(text)
        (folder / "cgroup.procs").write_text(str(pid))
    except OSError:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise
    return ControlGroup(how, folder, pid)


def _sweep(above: Path) -> None:
    """Take away groups whose makers were killed before they could."""
    for folder in above.glob("masksmith-*-*"):
        maker = folder.name.split("-")[1]
        if not Path(f"/proc/{maker}").exists():
            with contextlib.suppress(OSError):  # not empty yet
                folder.rmdir()


def _quota(percent: float) -> int:
    return max(1000, round(PERIOD_US * percent / 100))


class DutyCycle:
    """Stops a process whenever it has used more than its share, and lets it go on when it has not, as cpulimit does.

    Its processor time is read from ``/proc`` every few milliseconds.
    """

    STEP_S = 0.005

    def __init__(self, pid: int, percent: float) -> None:
        self.how = "stopping and continuing it (a duty cycle)"
        self._pid, self._share = pid, percent / 100
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="duty cycle", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(1)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGCONT)

    def _hold(self) -> None:
        start, used, stopped = time.monotonic(), self._used(), False
        while not self._ended.wait(self.STEP_S):
            spent = self._used() - used
            allowed = (time.monotonic() - start) * self._share
            wanted = spent > allowed
            if wanted != stopped:
                try:
                    os.kill(self._pid, signal.SIGSTOP if wanted else signal.SIGCONT)
                except ProcessLookupError:
                    return
                stopped = wanted

    def _used(self) -> float:
        """Seconds of processor time, over all threads; the kernel's own count in nanoseconds where it is kept."""
        total = 0
        with contextlib.suppress(OSError, ValueError):
            for task in Path(f"/proc/{self._pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        if total:
            return total / 1e9
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return 0.0
