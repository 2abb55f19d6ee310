"""How shards run: one after the other, in processes, or on a Ray cluster. The result never depends on which."""

from __future__ import annotations

import concurrent.futures as futures
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masksmith import cluster, console
from masksmith.errors import EnvironmentFault, UsageProblem, unknown_choice
from masksmith.receipts import Receipts

Work = Callable[["Shard"], dict[str, Any]]


@dataclass(frozen=True)
class Shard:
    """A piece of work. ``payload`` must pickle; ``items`` is what the progress bar counts."""

    index: int
    items: int
    payload: Any


def cut(payloads: Sequence[Any], size: int) -> list[Shard]:
    """Cut a list of work items into shards of ``size`` consecutive items (lists as payload)."""
    return [
        Shard(start // size, len(payloads[start : start + size]), list(payloads[start : start + size]))
        for start in range(0, len(payloads), size)
    ]


@dataclass(frozen=True)
class Serial:
    """Runs the shards in this process, in order."""

    name: str = "serial"

    def map(
        self, work: Work, shards: Sequence[Shard], *, receipts: Receipts | None = None, label: str = "working"
    ) -> list[dict[str, Any]]:
        """Run ``work`` on every shard that has no receipt yet and return all results in shard order.

        ``work`` writes its files itself and returns a small JSON value, which becomes the receipt.
        """
        results = _known(shards, receipts)
        with console.progress(label, sum(s.items for s in shards), done=_done(shards, results)) as advance:
            for position, shard in enumerate(shards):
                if results[position] is None:
                    results[position] = _finish(work(shard), shard, receipts)
                    advance(shard.items)
        return [result for result in results if result is not None]


@dataclass(frozen=True)
class Process:
    """Runs the shards in spawned worker processes, a bounded window of them at a time."""

    workers: int
    name: str = "process"

    def map(
        self, work: Work, shards: Sequence[Shard], *, receipts: Receipts | None = None, label: str = "working"
    ) -> list[dict[str, Any]]:
        """As :meth:`Serial.map`; ``work`` must be importable by the workers."""
        results = _known(shards, receipts)
        todo = [position for position, result in enumerate(results) if result is None]
        if not todo:
            return [result for result in results if result is not None]
        context = multiprocessing.get_context("spawn")
        pool = futures.ProcessPoolExecutor(
            min(self.workers, len(todo)), mp_context=context, initializer=_start_worker, initargs=(os.getpid(),)
        )
        with console.progress(label, sum(s.items for s in shards), done=_done(shards, results)) as advance:
            try:
                waiting: dict[futures.Future[dict[str, Any]], int] = {}
                queue = iter(todo)
                while True:
                    while len(waiting) < 2 * self.workers and (position := next(queue, None)) is not None:
                        waiting[pool.submit(work, shards[position])] = position
                    if not waiting:
                        break
                    finished, _ = futures.wait(waiting, return_when=futures.FIRST_COMPLETED)
                    for future in finished:
                        position = waiting.pop(future)
                        results[position] = _finish(future.result(), shards[position], receipts)
                        advance(shards[position].items)
            except BrokenProcessPool as broken:
                raise EnvironmentFault(
                    "a worker process died (out of memory, or killed); "
                    "run the same command again to go on, with fewer --workers"
                ) from broken
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return [result for result in results if result is not None]


@dataclass(frozen=True)
class Ray:
    """Runs the shards as tasks of a Ray cluster, a bounded window of them at a time.

    A task that is lost with its worker or its node is run again elsewhere. What ``work`` reads and writes must be on
    a file system that all nodes share, and masksmith must be installed on each.

    Args:
        workers: how many tasks run at once; by default one a core of the cluster.
        address: see :func:`masksmith.cluster.connect`; None starts a cluster on this machine where RAY_ADDRESS names
            none.
    """

    workers: int | None = None
    address: str | None = None
    name: str = "ray"

    def map(
        self, work: Work, shards: Sequence[Shard], *, receipts: Receipts | None = None, label: str = "working"
    ) -> list[dict[str, Any]]:
        """As :meth:`Process.map`.

        Raises:
            EnvironmentFault: no ``ray``, no cluster at the address, or a task that was lost again and again.
        """
        results = _known(shards, receipts)
        todo = [position for position, result in enumerate(results) if result is None]
        if not todo:
            return [result for result in results if result is not None]
        ray = cluster.connect(self.address, self.workers)
        window = self.workers or 2 * max(int(ray.cluster_resources().get("CPU", 1)), 1)
        task = ray.remote(num_cpus=1, max_retries=LOSSES)(_on_ray)
        what, places = ray.put(pickle.dumps(work)), ray.put([str(Path.cwd()), *(place for place in sys.path if place)])
        waiting: dict[Any, int] = {}
        with console.progress(label, sum(s.items for s in shards), done=_done(shards, results)) as advance:
            try:
                queue = iter(todo)
                while True:
                    while len(waiting) < window and (position := next(queue, None)) is not None:
                        waiting[task.remote(what, places, shards[position])] = position
                    if not waiting:
                        break
                    for reference in ray.wait(list(waiting), num_returns=1)[0]:
                        position = waiting.pop(reference)
                        results[position] = _finish(ray.get(reference), shards[position], receipts)
                        advance(shards[position].items)
            except ray.exceptions.RayTaskError as failed:
                raise failed.cause from None
            except ray.exceptions.RayError as lost:
                raise EnvironmentFault(
                    f"the Ray cluster lost a task {LOSSES + 1} times ({type(lost).__name__}: out of memory, or its "
                    "nodes went away); run the same command again to go on"
                ) from lost
            finally:
                for reference in waiting:
                    ray.cancel(reference, force=True)
        return [result for result in results if result is not None]


Engine = Serial | Process | Ray
ENGINES = ("serial", "process", "ray")
LOSSES = 4
"""So often a task may be lost with its worker or node and is run again."""


def get(name: str = "serial", workers: int | None = None, address: str | None = None) -> Engine:
    """The engine of that name; ``workers`` defaults to the number of cores this process (or the cluster) may use.

    Args:
        name: one of :data:`ENGINES`; ``ray@ADDRESS`` is ``ray`` with an address.
        address: of a Ray cluster.

    Raises:
        UsageProblem: an unknown name, or less than one worker.
    """
    if workers is not None and workers < 1:
        raise UsageProblem(f"--workers must be at least 1, not {workers}")
    name, at, place = name.partition("@")
    if name == "serial":
        return Serial()
    if name == "process":
        return Process(workers or len(os.sched_getaffinity(0)))
    if name == "ray":
        return Ray(workers, place if at else address)
    raise unknown_choice("engine", name, ENGINES)


def _on_ray(what: bytes, places: list[str], shard: Shard) -> dict[str, Any]:
    """A task: stands where the caller stands, finds what it can import, and does the work on one thread."""
    here, *imports = places
    if Path(here).is_dir():  # payloads may hold relative paths
        os.chdir(here)
    sys.path.extend(place for place in imports if place not in sys.path)
    import cv2

    cv2.setNumThreads(1)
    return pickle.loads(what)(shard)


def _known(shards: Sequence[Shard], receipts: Receipts | None) -> list[dict[str, Any] | None]:
    return [receipts.load(shard.index) if receipts else None for shard in shards]


def _done(shards: Sequence[Shard], results: Sequence[dict[str, Any] | None]) -> int:
    return sum(shard.items for shard, result in zip(shards, results, strict=True) if result is not None)


def _finish(result: dict[str, Any], shard: Shard, receipts: Receipts | None) -> dict[str, Any]:
    if receipts:
        receipts.save(shard.index, result)
    return result


def _start_worker(parent: int) -> None:
    """One thread a worker; and no worker outlives a killed parent."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)
    import cv2

    cv2.setNumThreads(1)
