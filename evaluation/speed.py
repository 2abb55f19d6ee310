"""How fast exported networks are: one pinned thread, warm-up, many runs, all models by turns.

Models are timed in short blocks one after another, round after round, so that a processor that slows down or gets
other work slows all of them alike; the first call of a block is not counted, since it finds the caches full of the
model before. The work is done in a process of its own, which is pinned, and may be held to a share of a core.
Source of the protocol: document P (one thread, 1000 runs) and document C (a share of a core).
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.confined import confined
from evaluation.quota import Limit
from masksmith import processor
from masksmith.errors import UsageProblem
from masksmith.runtimes import open_model
from masksmith.seeds import rng

BLOCK = 5
"""Counted runs of one model before the next one has its turn."""
CLOCKS = ("wall", "cpu")


@dataclass(frozen=True)
class Candidate:
    """A model to be timed.

    Attributes:
        name: in the table.
        path, runtime: as :func:`masksmith.runtimes.open_model` takes them.
        size: (height, width) in pixels for a model of any size; None = its own.
        form: how the file was made, in words; empty = it was given.
    """

    name: str
    path: str
    runtime: str = "auto"
    size: tuple[int, int] | None = None
    form: str = ""


@dataclass(frozen=True)
class Timing:
    """Times of one candidate.

    Attributes:
        wall_ms, cpu_ms: (runs,) as the clock on the wall and as the process's own time.
        inputs: shapes, in words.
        runtime: what ran it.
        foreign: the file says nothing of having been exported here.
        meta: what it says of itself.
    """

    name: str
    runtime: str
    inputs: str
    wall_ms: npt.NDArray[np.float64]
    cpu_ms: npt.NDArray[np.float64]
    foreign: bool
    meta: Mapping[str, Any]

    def row(self, clock: str = "wall", quota: float | None = None) -> dict[str, Any]:
        """Figures by name. Under a quota frames a second are runs over the whole time, for most runs are not
        stopped and some are for long; without one they are the inverse of the median."""
        times = self.cpu_ms if clock == "cpu" else self.wall_ms
        median, mean = float(np.median(times)), float(times.mean())
        p95, p99 = (float(value) for value in np.percentile(times, (95, 99)))
        return {
            "model": self.name,
            "runtime": self.runtime,
            "input": self.inputs,
            "fps": 1000 / (mean if quota else median),
            "median_ms": median,
            "p95_ms": p95,
            "p99_ms": p99,
            "mean_ms": mean,
            "min_ms": float(times.min()),
            "cpu_ms": float(np.median(self.cpu_ms)),
            "runs": len(times),
        }


def take_turns(
    calls: Sequence[Callable[[], Any]], runs: int, warm_up: int = 20, block: int = BLOCK
) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Time calls by turns: (runs,) wall and (runs,) process milliseconds of each.

    Args:
        calls: what to time; all of them in this process and on its one thread.
        runs: counted calls of each.
        warm_up: calls of each before the first is counted.
        block: counted calls in one turn; one more before them is not counted.

    Raises:
        UsageProblem: fewer than one run.
    """
    if runs < 1 or warm_up < 0 or block < 1:
        raise UsageProblem(f"at least one run, not {runs}, and a warm-up of none or more, not {warm_up}")
    for call in calls:
        for _ in range(warm_up):
            call()
    wall = [np.empty(runs) for _ in calls]
    own = [np.empty(runs) for _ in calls]
    done = 0
    while done < runs:
        length = min(block, runs - done)
        for number, call in enumerate(calls):
            call()
            for place in range(done, done + length):
                start, spent = time.perf_counter(), time.process_time()
                call()
                own[number][place] = time.process_time() - spent
                wall[number][place] = time.perf_counter() - start
        done += length
    return [(1000 * first, 1000 * second) for first, second in zip(wall, own, strict=True)]


def measure(
    candidates: Sequence[Candidate],
    runs: int = 1000,
    *,
    warm_up: int = 20,
    quota: float | None = None,
    core: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[list[Timing], Limit | None]:
    """Time models in a process of its own on one pinned core.

    Args:
        candidates: as many as there are; their order is that of the turns.
        runs, warm_up: of each.
        quota: percent of a core that the process may use; None = all of it. Loading and warm-up are not held to it.
        core: the processor's number; None = the last one this process may use.
        say: told what is going on.

    Returns:
        The times, and what held the process to its quota.

    Raises:
        BadInput, UsageProblem, EnvironmentFault: as :func:`masksmith.runtimes.open_model`; EnvironmentFault too where
            the process ended by itself.
    """
    if not candidates:
        raise UsageProblem("name at least one model")
    return confined(_work, (list(candidates), runs, warm_up, core), quota, say)


def _work(
    ready: Callable[[], None], candidates: list[Candidate], runs: int, warm_up: int, core: int | None
) -> list[Timing]:
    processor.pin(core)
    opened = [_prepared(candidate) for candidate in candidates]
    calls = [call for call, _ in opened]
    for call in calls:
        for _ in range(warm_up):
            call()
    ready()
    times = take_turns(calls, runs, 0)
    return [Timing(wall_ms=wall, cpu_ms=own, **about) for (_, about), (wall, own) in zip(opened, times, strict=True)]


def _prepared(candidate: Candidate) -> tuple[Callable[[], Any], dict[str, Any]]:
    model = open_model(candidate.path, candidate.runtime)
    free = model.image.size is None
    size = candidate.size if candidate.size and free else model.size
    if candidate.size and not free and candidate.size != model.size:
        height, width = model.size
        raise UsageProblem(f"{candidate.name} takes {width}x{height} only; export it with --dynamic, or at that size")
    chance = rng(0, "speed")
    image = model.prepare(chance.integers(0, 256, (*size, 3)).astype(np.uint8))
    prior = None
    if model.prior is not None:
        prior = model.prepare_prior(chance.random(size, dtype=np.float32))
    given = model.feed(image, prior)
    raw = model.raw
    words = f"{size[1]}x{size[0]}" + (" + prior" if model.prior else "")
    about = {"name": candidate.name, "runtime": model.runtime, "inputs": words, "foreign": not model.meta}
    return lambda: raw(given), {**about, "meta": dict(model.meta)}


def peak_memory(candidate: Candidate, times: int = 5) -> float:
    """Megabytes resident at most in a process that opens one model and runs it, runtime and interpreter included.

    Raises:
        BadInput, UsageProblem, EnvironmentFault: as :func:`measure`.
    """
    found, _ = confined(_weigh, (candidate, times))
    return float(found)


def _weigh(_: Callable[[], None], candidate: Candidate, times: int) -> float:
    call, _about = _prepared(candidate)
    for _run in range(times):
        call()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
