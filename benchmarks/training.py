"""How much the training loop costs over the bare step: ``python benchmarks/training.py [--json] [--data D]``.

Document P's network, batch 32 at 224 x 224, its loss and optimiser. The bare step is forward, loss, backward and
optimiser on one batch in memory. Figures, and the limits they are held to:

- ``loop_over_step`` <= 1.25: the loop's time a step over the bare step's: pictures decoded from their files, document
  P's augmentation, previous masks of every kind but ``self``.
- ``cached_over_step`` <= 1.10: the same from the decoded cache.
- ``self_over_step`` <= 1.5: from the files, with the network's own answers at their share of the mix ``paper``.
- ``*_cpu``: the same of the process's CPU time. With as many threads of torch as cores, loading and arithmetic share
  the cores, and nothing hides the loading: wall time is then CPU time.
- ``bf16_over_float32``: a bare step under bfloat16 over one without; above 1 it does not pay on this machine.
- ``images_per_s``: of the bare step and of each loop.

All take turns in every round of one run; a figure is the median over the rounds. A loop's steps are measured after as
many as its thread has made ready while the others ran. It takes about two minutes on two free cores; on busy ones no
round begins once ``--seconds`` are used up, and ``rounds`` says how many there were. ``--profile`` adds the
milliseconds a batch of decoding and augmentation, previous masks, loss, and self-prediction.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from loading import make_photos

from loaders import Batch, Batches, fill_self_priors
from manifests import Manifest
from masksmith import console
from trainers import Settings, build, load_preset
from trainers.ahead import DEPTH, Ahead
from trainers.objective import Objective
from trainers.presets import changed
from trainers.ranks import Ranks, joined
from trainers.step import Stepper

LIMITS = {"loop_over_step": 1.25, "cached_over_step": 1.10, "self_over_step": 1.5}
LOOPS = {"loop": ("data", False), "cached": ("data", True), "self": ("paper", False)}
"""Name -> mix of previous masks, and whether from the cache."""
Spent = tuple[float, float]
"""Seconds of wall and CPU time a step."""


def stepper_of(settings: Settings, ranks: Ranks) -> Stepper:
    network = build(settings.model, seed=1).to(device=ranks.device, memory_format=torch.channels_last).train()
    return Stepper(settings, network, Objective(settings, network), ranks)


def bare(stepper: Stepper, batch: Batch, mixed: bool) -> None:
    """A training step and nothing else."""
    precision = torch.autocast(stepper.ranks.device.type, torch.bfloat16) if mixed else contextlib.nullcontext()
    with precision:
        logits = stepper.network(batch.image, batch.prior)
    loss = stepper.objective.loss(logits.float(), batch.mask)
    stepper.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    stepper.optimiser.step()


def spent(work: Callable[[], object], times: int) -> Spent:
    wall, cpu = time.monotonic(), time.process_time()
    for _ in range(times):
        work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.monotonic() - wall) / times, (time.process_time() - cpu) / times


def looped(stepper: Stepper, stream: Iterator[Batch], number: list[int]) -> Callable[[], None]:
    """One turn of the loop."""

    def turn() -> None:
        stepper.take(stepper.placed(next(stream)), number[0], 1e-3)
        number[0] += 1

    return turn


def measure(manifest: Manifest, scratch: Path, given: argparse.Namespace) -> dict[str, Any]:
    size = f"{given.size}x{given.size}"
    settings = changed(load_preset("pirshutuk2023"), {"size": size, "batch": str(given.batch), "device": given.device})
    end = time.monotonic() + given.seconds
    found: dict[str, list[Spent]] = {name: [] for name in ("step", "bf16", *LOOPS)}
    with contextlib.ExitStack() as stack:
        ranks = stack.enter_context(joined(settings.device))
        alone = stepper_of(settings, ranks)
        turns = {}
        for name, (mix, cached) in LOOPS.items():
            stepper = stepper_of(settings, ranks)
            batches = Batches(
                manifest,
                "train",
                size=settings.size,
                batch_size=settings.batch,
                augment=settings.augment,
                priors=mix,
                workers=given.workers,
                foreground=given.foreground,
                cache=scratch / "decoded" if cached else None,
            )
            stack.enter_context(batches)
            stream = stack.enter_context(Ahead(batches.stream(), stepper.laid_out))
            turns[name] = looped(stepper, stream, [0])
        kept = alone.placed(fill_self_priors(next(stream), alone._predict))
        for _ in range(given.rounds):
            found["step"].append(spent(lambda: bare(alone, kept, False), given.steps))
            found["bf16"].append(spent(lambda: bare(alone, kept, True), max(1, given.steps // 3)))
            for name, turn in turns.items():
                spent(turn, DEPTH + 1)
                found[name].append(spent(turn, given.steps))
            if time.monotonic() > end:
                break
        told = figures(found, settings.batch) | {"rounds": len(found["step"])}
        if given.profile:
            told["profile_ms"] = profile(alone, kept, manifest, given)
    return told | {"threads": torch.get_num_threads(), "workers": given.workers, "device": str(ranks.device)}


def figures(found: dict[str, list[Spent]], batch: int) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name in LOOPS:
        for which, end in ((0, ""), (1, "_cpu")):
            ratios = [mine[which] / step[which] for mine, step in zip(found[name], found["step"], strict=True)]
            told[f"{name}_over_step{end}"] = statistics.median(ratios)
    told["bf16_over_float32"] = statistics.median(
        mine[0] / step[0] for mine, step in zip(found["bf16"], found["step"], strict=True)
    )
    told["images_per_s"] = {name: batch / statistics.median(each[0] for each in found[name]) for name in found}
    return told


def profile(stepper: Stepper, batch: Batch, manifest: Manifest, given: argparse.Namespace) -> dict[str, float]:
    """CPU milliseconds a batch of the parts."""
    common: dict[str, Any] = {"size": batch.mask.shape[1:], "batch_size": len(batch.ids)}
    common |= {"foreground": given.foreground}
    sources = {
        "decoding": {},
        "decoding, augmentation": {"augment": "pirshutuk2023"},
        "decoding, augmentation, priors": {"augment": "pirshutuk2023", "priors": "data"},
    }
    told = {}
    for name, more in sources.items():
        stream = Batches(manifest, "train", **common, **more).stream()
        next(stream)
        told[name] = spent(lambda stream=stream: next(stream), 4)[1]
    stepper.network.train()
    logits = stepper.network(batch.image, batch.prior)
    images, empty = batch.image[: len(batch.ids) * 30 // 110], batch.image[: len(batch.ids) * 30 // 110, :1]
    told["loss forward"] = spent(lambda: stepper.objective.loss(logits, batch.mask), 5)[1]
    told["network forward"] = spent(lambda: stepper.network(batch.image, batch.prior), 5)[1]
    told["self-prediction"] = spent(lambda: stepper._predict(images, torch.zeros_like(empty)), 5)[1]
    told["whole bare step"] = spent(lambda: bare(stepper, batch, False), 5)[1]
    return {name: 1000 * seconds for name, seconds in told.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--data", type=Path, help="a manifest, instead of 800 x 600 JPEGs made here")
    parser.add_argument("--foreground", action="append", help="a class of --data that is foreground; may be repeated")
    parser.add_argument("--photos", type=int, default=96, help="pictures made")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=4, help="steps of each kind a round")
    parser.add_argument("--seconds", type=float, default=100.0, help="no round begins after so many")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 = as they are")
    parser.add_argument("--workers", type=int, default=0, help="processes that load; 0 = a thread")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda", "auto"))
    parser.add_argument("--profile", action="store_true", help="what the parts take")
    given = parser.parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as place:
        manifest = Manifest.open(given.data) if given.data else make_photos(Path(place) / "photos", given.photos)
        told = measure(manifest, Path(place), given)
    if given.json:
        console.emit_json(told)
        return
    for name, value in told.items():
        limit = f"<= {LIMITS[name]}" if name in LIMITS else ""
        console.say(f"{name:24} {round(value, 3) if isinstance(value, float) else value}  {limit}")


if __name__ == "__main__":
    main()
