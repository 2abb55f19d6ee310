"""How long a face takes: ``python -m benchmarks.results.faces RUN... --json``.

Embeds one crop at a time with each network by turns, on one thread of PyTorch, its mirror image included: what
``identity`` itself does for a face. Times are of the process's own clock, so that other work matters little.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from masksmith import seeds


def measure(runs: Sequence[Path], rounds: int) -> list[dict[str, Any]]:
    """A row a run: ``model``, ``width``, ``params``, ``median_ms`` of a face."""
    import torch

    from trainers.identity.embed import FaceEmbedder
    from trainers.models import count_parameters

    torch.set_num_threads(1)
    networks = [FaceEmbedder(run) for run in runs]
    crops = [seeds.rng(0, "face").integers(0, 256, (1, *each.size, 3), np.uint8) for each in networks]
    spent: list[list[float]] = [[] for _ in runs]
    for turn in range(rounds + 3):
        for place, (network, crop) in enumerate(zip(networks, crops, strict=True)):
            start = time.process_time()
            network.of_crops(crop)
            if turn >= 3:  # the first turns load what is loaded once
                spent[place].append(1000 * (time.process_time() - start))
    return [
        {
            "model": run.name,
            "params": count_parameters(network.network),
            "input": "x".join(map(str, network.size)),
            "median_ms": statistics.median(taken),
        }
        for run, network, taken in zip(runs, networks, spent, strict=True)
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Print the rows; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("runs", nargs="+", type=Path, help="run folders of face networks")
    parser.add_argument("--rounds", type=int, default=50, help="faces of each [50]")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(words)
    rows = measure(given.runs, given.rounds)
    if given.json:
        print(json.dumps({"threads": 1, "clock": "cpu", "rows": rows}, indent=2))
    else:
        for row in rows:
            print(f"{row['model']:20} {row['params']:>12,} {row['median_ms']:8.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
