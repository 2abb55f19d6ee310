"""How fast masks are judged: ``python benchmarks/evaluation.py [--json] [--pairs N] [--scale]``.

Decoding the files is the floor: no evaluation of files is faster than reading them, so times are given as multiples of
only decoding both files of a pair with OpenCV, and every ratio is measured in one run, the things compared taking turns
on the same pairs, each on one thread; ratios are of processor time, so that other work on the machine matters little.
The limits the figures are held to:

- ``counts_ms`` <= 0.15: counting a binary pair of 512 x 512 that is in memory; ``counts_over_torchmetrics`` >= 40: how
  many times longer torchmetrics takes for the IoU of that pair, given as tensors;
- ``region_over_decode`` <= 1.25: all region figures of folders, from files to the table of counts;
- ``boundary_over_decode`` <= 3: these with boundary IoU and F;
- ``surface_over_decode`` <= 12: these with Hausdorff distance and surface Dice too, as ``evaluate --boundary`` does it,
  which reads every pair twice;
- ``files_over_torchmetrics`` >= 6: how many times longer torchmetrics takes for the IoU from the same files, which
  OpenCV decodes for it, with masks as int64, as losses need them (``files_over_torchmetrics_uint8``, without a limit:
  the same with bytes, where torchmetrics checks values faster);
- ``clip_s`` < 10: every time figure but ``warp_iou`` of a clip of 300 frames of 854 x 480, from files;
  ``flow_share`` > 0.5: with optical flow, the flow itself is most of the time;
- with ``--scale``, the command on 10,000 and 100,000 pairs: ``ratio_10x`` (time of the second over ten times that of
  the first) <= 1.15, ``peak_mb`` < 500 resident, ``report_mb`` < 10.

Decoding cannot be skipped, so where it takes d ms a pair, nothing judges more than 1000/d pairs a second and a core.
What remains above it is the check of each file's header and end, and the counting.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import limits
import numpy as np
import numpy.typing as npt
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from evaluation import boundary, inputs, motion
from evaluation.counts import count_image
from evaluation.temporal import ClipJudge
from masksmith import cli, seeds

Mask = npt.NDArray[np.uint8]
LIMITS: limits.Limits = {
    "counts_ms": ("<=", 0.15),
    "counts_over_torchmetrics": (">=", 40),
    "region_over_decode": ("<=", 1.25),
    "boundary_over_decode": ("<=", 3),
    "surface_over_decode": ("<=", 12),
    "files_over_torchmetrics": (">=", 6),
    "clip_s": ("<=", 10),
    "flow_share": (">=", 0.5),
    "ratio_10x": ("<=", 1.15),
    "peak_mb": ("<=", 500),
    "report_mb": ("<=", 10),
}
BURST = 20  # calls in memory that are timed as one, as the clock is coarse
CHUNK = 200  # pairs a turn: long enough that what a call costs once is as small as in a whole set
# a process of its own between: a child starts with the peak of the process that made it, and torch is in this one
_WATCHED = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(json.dumps([code, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""
_WAYS = ("decode", "region", "boundary", "surface", "torchmetrics", "torchmetrics_uint8")


def person(index: int, height: int = 512, width: int = 512) -> tuple[Mask, Mask]:
    """A prediction and a truth of 0 and 255: a head and shoulders with a ragged outline, and its mistaken copy."""
    rng = seeds.rng(0, "person", index)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    middle, top = width * rng.uniform(0.35, 0.65), height * rng.uniform(0.15, 0.35)
    size = height * rng.uniform(0.1, 0.18)
    head = np.hypot(x - middle, (y - top) / 1.25) / size
    drop = np.maximum(y - top - 1.2 * size, 0) / size
    body = np.abs(x - middle) / (size * (0.7 + np.sqrt(drop) * rng.uniform(0.9, 1.4))) + 3 * (y < top + 1.2 * size)
    inside = 1 - np.minimum(head, body)
    small = rng.standard_normal((2, height // 8, width // 8)).astype(np.float32)
    rough = [cv2.resize(cv2.GaussianBlur(field, (0, 0), 1.5), (width, height)) for field in small]
    truth = inside + 0.25 * rough[0] > 0
    pred = inside + 0.25 * rough[0] + 0.12 * rough[1] > rng.normal(0, 0.02)
    return pred.astype(np.uint8) * 255, truth.astype(np.uint8) * 255


def in_memory(rounds: int = 60) -> dict[str, float]:
    """``counts_ms`` and ``counts_over_torchmetrics``."""
    import torch
    from torchmetrics.functional.classification import binary_jaccard_index

    torch.set_num_threads(1)
    pairs = [tuple(np.minimum(mask, 1) for mask in person(k)) for k in range(6)]
    tensors = [tuple(torch.from_numpy(mask) for mask in pair) for pair in pairs]
    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(rounds):
        pred, truth = pairs[turn % len(pairs)]
        ours.append(limits.seconds(lambda p=pred, t=truth: [count_image(p, t) for _ in range(BURST)]) / BURST)  # type: ignore[misc]
        theirs.append(limits.seconds(partial(binary_jaccard_index, *tensors[turn % len(tensors)])))
    here = statistics.median(ours)
    return {"counts_ms": here * 1000, "counts_over_torchmetrics": statistics.median(theirs) / here}


def write_pairs(folder: Path, number: int) -> list[inputs.Pair]:
    """``number`` pairs of PNG files in ``folder/pred`` and ``folder/truth``."""
    for side in ("pred", "truth"):
        (folder / side).mkdir(parents=True)
    for index in range(number):
        for side, mask in zip(("pred", "truth"), person(index), strict=True):
            Image.fromarray(mask).save(folder / side / f"{index:06d}.png")
    return inputs.pair_folders(folder / "pred", folder / "truth")


def from_files(pairs: Sequence[inputs.Pair]) -> dict[str, float]:
    """The figures over decoding, all ways in turn on chunks of the same files."""
    import torch
    from torchmetrics.classification import BinaryJaccardIndex

    torch.set_num_threads(1)
    metric = BinaryJaccardIndex()

    def decode(some: Sequence[inputs.Pair]) -> None:
        for pair in some:
            cv2.imread(str(pair.pred), cv2.IMREAD_UNCHANGED)
            cv2.imread(str(pair.truth), cv2.IMREAD_UNCHANGED)

    def outlined(some: Sequence[inputs.Pair]) -> None:
        inputs.count_pairs(some, _Outlines())

    def theirs(some: Sequence[inputs.Pair], dtype: torch.dtype) -> None:
        for pair in some:
            sides = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (pair.pred, pair.truth)]
            metric.update(*(torch.from_numpy(np.asarray(side) // 255).to(dtype) for side in sides))
        metric.compute()

    ways: dict[str, Callable[[Sequence[inputs.Pair]], Any]] = {
        "decode": decode,
        "region": lambda some: inputs.count_pairs(some, inputs.Reader()),
        "boundary": outlined,
        "surface": lambda some: inputs.count_pairs(some, inputs.Reader(), tolerance=2.0),
        "torchmetrics": lambda some: theirs(some, torch.int64),
        "torchmetrics_uint8": lambda some: theirs(some, torch.uint8),
    }
    for way in _WAYS:
        ways[way](pairs[:4])  # imports and first touches are not what is measured
    spent = dict.fromkeys(_WAYS, 0.0)
    for turn, start in enumerate(range(0, len(pairs), CHUNK)):
        some = pairs[start : start + CHUNK]
        decode(some)  # from now on the files are in the page cache, for every way alike
        for way in (*_WAYS[turn % len(_WAYS) :], *_WAYS[: turn % len(_WAYS)]):
            spent[way] += limits.seconds(partial(ways[way], some))
    return {
        "decode_ms": 1000 * spent["decode"] / len(pairs),
        "region_over_decode": spent["region"] / spent["decode"],
        "boundary_over_decode": spent["boundary"] / spent["decode"],
        "surface_over_decode": spent["surface"] / spent["decode"],
        "files_over_torchmetrics": spent["torchmetrics"] / spent["region"],
        "files_over_torchmetrics_uint8": spent["torchmetrics_uint8"] / spent["region"],
    }


class _Outlines(inputs.Reader):
    """Measures boundary IoU and F of each pair as it is read."""

    def raw(self, pair: inputs.Pair) -> tuple[Mask, Mask, tuple[int, ...]]:
        pred, truth, levels = super().raw(pair)
        boundary.outlines(pred, truth)
        return pred, truth, levels


def clip(folder: Path, frames: int) -> dict[str, float]:
    """``clip_s`` and ``flow_share`` of a clip of 854 x 480."""
    pred, truth = person(1, 480, 854)
    rng = seeds.rng(0, "clip")
    ground = cv2.GaussianBlur(rng.integers(0, 255, (480, 854, 3), np.uint8), (0, 0), 2)
    for side in ("pred", "truth"):
        (folder / side).mkdir(parents=True)
    few: list[tuple[Mask, Mask, npt.NDArray[np.uint8]]] = []
    for index in range(frames):
        by = int(60 * np.sin(index / 20))
        goal, mask = (np.roll(side, by, axis=1) for side in (truth, pred))
        mask = cv2.dilate(mask, np.ones((3, 3), np.uint8)) if index % 3 == 0 else mask
        cv2.imwrite(str(folder / "pred" / f"{index:05d}.png"), mask)
        cv2.imwrite(str(folder / "truth" / f"{index:05d}.png"), goal)
        if len(few) < 20:
            picture = np.where(goal[..., None] > 0, np.roll(ground, by, axis=1) // 2 + 100, ground)
            few.append((mask, np.minimum(goal, 1), picture.astype(np.uint8)))
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(io.StringIO()):
        asked = ("jitter", folder / "pred", folder / "truth", "--json")
        taken = limits.seconds(lambda: _command(*asked), time.perf_counter)
    judge, estimator = ClipJudge(), motion.Estimator()
    flow = whole = 0.0
    greys = [motion.grey(picture, 480, 854) for _, _, picture in few]
    for index, (mask, goal, picture) in enumerate(few):
        spent = limits.seconds(partial(judge.update, mask, goal, picture=picture))
        if index:  # the first frame has no flow
            whole += spent
            flow += limits.seconds(partial(estimator.between, greys[index - 1], greys[index]))
    return {"clip_s": taken, "clip_frames": frames, "flow_share": flow / whole}


def scale(folder: Path, pairs: Sequence[inputs.Pair], sizes: tuple[int, int]) -> dict[str, float]:
    """The command on many pairs: names are many, contents repeat."""
    found: dict[str, float] = {}
    taken = []
    for number in sizes:
        place = folder / str(number)
        for side in ("pred", "truth"):
            for block in range(0, number, 1000):
                (place / side / f"{block:06d}").mkdir(parents=True)
            for index in range(number):
                source = pairs[index % len(pairs)]
                target = place / side / f"{index // 1000 * 1000:06d}" / f"{index:06d}.png"
                os.link(getattr(source, side), target)
        words = ["evaluate", place / "pred", place / "truth", "--out", place / "out", "--json"]
        told = subprocess.run(
            [sys.executable, "-c", _WATCHED, sys.executable, "-m", "masksmith", *map(str, words)],
            stdout=subprocess.PIPE,
            check=True,
            cwd=Path(__file__).resolve().parent.parent,
        )
        code, seconds, kilobytes = json.loads(told.stdout)
        if code:
            raise SystemExit(f"masksmith evaluate ended with {code} on {number} pairs")
        taken.append(seconds)
        found[f"scale_{number}_s"] = taken[-1]
        found["peak_mb"] = kilobytes / 1024  # of the largest process, workers included
        found["report_mb"] = (place / "out" / "report.html").stat().st_size / 1e6
    found["ratio_10x"] = taken[1] / taken[0] / (sizes[1] / sizes[0])
    return found


def _command(*words: object) -> None:
    try:
        cli.main([str(word) for word in words])
    except SystemExit as done:
        if done.code:
            raise SystemExit(f"masksmith {words[0]} ended with {done.code}") from None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--pairs", type=int, default=2000, help="pairs of PNG files [2000]")
    parser.add_argument("--frames", type=int, default=300, help="frames of the clip [300]")
    parser.add_argument("--scale", action="store_true", help="the command on many pairs too (minutes)")
    parser.add_argument("--scale-pairs", type=int, nargs=2, default=(10_000, 100_000), metavar="N", help="how many")
    parser.add_argument("--folder", type=Path, help="where files are made [the system's temporary folder]")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        place = Path(made)
        found = in_memory()
        pairs = write_pairs(place / "pairs", given.pairs)
        found |= from_files(pairs)
        found |= clip(place / "clip", given.frames)
        if given.scale:
            found |= scale(place / "scale", pairs, tuple(given.scale_pairs))
    limits.tell(found, LIMITS, as_json=given.json, pairs=given.pairs)


if __name__ == "__main__":
    main()
