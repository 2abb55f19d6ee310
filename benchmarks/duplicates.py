"""How fast near duplicates are found: ``python benchmarks/duplicates.py [--json] [--count N] [--photos N]``.

- ``near_duplicates_100k_s`` < 20: all pairs of 100,000 fingerprints within the radius that ``masksmith audit
  --near-duplicates`` uses, as they are and in the three flips, on one core; among them 1000 planted copies, all of
  which must be found (``planted_found`` = 1);
- ``near_duplicates_peak_mb``: resident memory at the end;
- ``fingerprints_per_s``: pictures of 800 x 600 (JPEG) read and fingerprinted, on one core.

The fingerprints are random, as those of unrelated photos nearly are; crowds of like photos fill buckets more unevenly.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from manifests.fingerprints import FLIPS, fingerprint, near_pairs
from masksmith import console, files, images, seeds

PLANTED = 1000
BITS = 10
LIMIT_S = 20.0


def search(count: int) -> dict[str, Any]:
    """Seconds to find all pairs of ``count`` fingerprints, and whether the planted copies are among them."""
    rng = seeds.rng(0, "duplicates")
    prints = rng.integers(0, 2**64, (count, 4), dtype=np.uint64)
    flips = list(FLIPS.values())
    planted = min(PLANTED, count // 2)
    for number in range(planted):
        copy = prints[number] ^ flips[number % len(flips)]
        for bit in rng.choice(64, number % (BITS + 1), replace=False).tolist():
            copy[0] ^= np.uint64(1) << np.uint64(bit)
        prints[count - 1 - number] = copy
    start = time.perf_counter()
    first, second, _, _ = near_pairs(prints)
    seconds = time.perf_counter() - start
    found = set(zip(first.tolist(), second.tolist(), strict=True))
    share = sum((number, count - 1 - number) in found for number in range(planted)) / max(planted, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    name = "near_duplicates_100k_s" if count == 100_000 else f"near_duplicates_{count}_s"
    return {name: seconds, "planted_found": share, "near_duplicates_peak_mb": peak, "pairs": len(first)}


def reading(count: int) -> dict[str, Any]:
    """Pictures a second, read and fingerprinted."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number in range(count):
            small = seeds.rng(1, "photo", number).integers(0, 255, (30, 40, 3), dtype=np.uint8)
            picture = np.asarray(cv2.resize(small, (800, 600), interpolation=cv2.INTER_CUBIC), np.uint8)
            paths.append(Path(folder) / f"{number}.jpg")
            files.write_bytes(paths[-1], images.encode_jpeg(picture), durable=False)
        start = time.perf_counter()
        for path in paths:
            fingerprint(images.read_image(path))
        return {"fingerprints_per_s": count / (time.perf_counter() - start)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--count", type=int, default=100_000, help="fingerprints to compare")
    parser.add_argument("--photos", type=int, default=100, help="pictures to fingerprint")
    given = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    told = {**search(given.count), **reading(given.photos)}
    if given.json:
        console.emit_json(told)
        return
    for name, value in told.items():
        limit = f"< {LIMIT_S:g}" if name == "near_duplicates_100k_s" else ""
        console.say(f"{name:28} {round(value, 3)}  {limit}")


if __name__ == "__main__":
    main()
