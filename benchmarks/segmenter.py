"""What a segmenter costs on top of its runtime: ``python benchmarks/segmenter.py MODEL.onnx [--json] [--runs N]``.

Both are measured in one run, taking turns, each on one thread, in time of that thread, so that other work on the
machine matters little. The limits the figures are held to:

- ``overhead`` <= 0.15: of a stream of frames of the network's own size, over the runtime's call with ready inputs;
- ``import_s`` < 0.5: ``from masksmith import Segmenter`` in a fresh interpreter.

Without a limit: ``run_ms``, ``step_ms`` (frames of the network's size), ``video_ms`` (854 x 480) and of it
``shrink_ms`` and ``sharpen_ms``, ``skipped_ms`` (a frame that keeps the mask before it).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from masksmith import seeds, upsampling
from masksmith.runtimes import open_model
from masksmith.segmenter import Segmenter
from masksmith.skipping import FrameSkipper

LIMITS = {"overhead": 0.15, "import_s": 0.5}
_IMPORT = "import time; t = time.process_time(); from masksmith import Segmenter; print(time.process_time() - t)"


def _ms(work: Callable[[], Any]) -> float:
    start = time.thread_time()
    work()
    return 1000 * (time.thread_time() - start)


def figures(path: Path, runtime: str, runs: int) -> dict[str, float]:
    cv2.setNumThreads(1)
    model = open_model(path, runtime)
    carrying = Segmenter(path, runtime=runtime)
    video = Segmenter(path, runtime=runtime)
    still = FrameSkipper(100, warm_up=1)
    skipping = Segmenter(path, runtime=runtime, skip=still)
    rng = seeds.rng(0, "frames")
    coarse = [rng.integers(0, 255, (12, 16, 3), np.uint8) for _ in range(8)]
    own = [cv2.resize(frame, (model.size[1], model.size[0]), interpolation=cv2.INTER_CUBIC) for frame in coarse]
    large = [cv2.resize(frame, (854, 480), interpolation=cv2.INTER_CUBIC) for frame in coarse]
    prior = model.prepare_prior(None) if model.prior else None
    inputs = [model.feed(model.prepare(frame), prior) for frame in own]
    soft = model.run(model.prepare(own[0]), prior)
    skipping.step(large[0])
    spent: dict[str, list[float]] = {}
    ways: dict[str, Callable[[int], Any]] = {
        "run_ms": lambda k: model.raw(inputs[k]),
        "step_ms": lambda k: carrying.step(own[k]),
        "video_ms": lambda k: video.step(large[k]),
        "shrink_ms": lambda k: upsampling.shrink(large[k], *model.size),
        "sharpen_ms": lambda k: upsampling.sharpen(soft, own[k], large[k]),
        "skipped_ms": lambda k: skipping.step(large[0]),
    }
    names = list(ways)
    for turn in range(runs + 5):
        for name in (*names[turn % len(names) :], *names[: turn % len(names)]):
            passed = _ms(partial(ways[name], turn % len(own)))
            if turn >= 5:
                spent.setdefault(name, []).append(passed)
    found = {name: statistics.median(values) for name, values in spent.items()}
    found["overhead"] = found["step_ms"] / found["run_ms"] - 1
    found["import_s"] = min(_imported() for _ in range(3))
    return found


def _imported() -> float:
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True, cwd=root)
    return float(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = figures(given.model, given.runtime, given.runs)
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            print(f"{name:12} {value:8.4f}" + (f"   limit {LIMITS[name]}" if name in LIMITS else ""))
    return int(any(found[name] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
