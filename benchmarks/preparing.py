"""What ``masksmith prepare`` costs over decoding and hashing the same files once.

    python benchmarks/preparing.py --json
    python benchmarks/preparing.py --from EasyPortrait --reader easyportrait

Both are timed in turns, in one process, so that what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from loaders.prepare import Task, prepare
from loaders.readers import Reader, find_reader
from masksmith import engine, files, images

HEIGHT, WIDTH = 720, 1280
FORMS = {"in_place": 1, "rewritten": 255}
"""Name of a figure to the foreground's value: masks of 0/1 stay where they are, masks of 0/255 are written anew."""


def make_photos(root: Path, count: int, white: int) -> Path:
    """Write ``count`` photos of (720, 1280) and their masks, as the reader ``folders`` takes them."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for number in range(count):
        rng = np.random.default_rng(number)
        grain = rng.normal(0, 8, (HEIGHT, WIDTH, 3))
        base = np.stack([rows / 3 + number, columns / 6, (rows + columns) / 8], axis=2)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        centre = (int(rng.integers(300, 900)), int(rng.integers(300, 500)))
        cv2.ellipse(mask, centre, (180, 260), 10.0, 0.0, 360.0, white, -1)
        image = np.clip(base + grain + (mask[..., None] > 0) * 60, 0, 255).astype(np.uint8)
        files.write_bytes(root / "images" / f"{number:05d}.jpg", images.encode_jpeg(image, 90), durable=False)
        files.write_bytes(root / "masks" / f"{number:05d}.png", images.encode_png(mask), durable=False)
    return root


def decode_and_hash(reader: Reader) -> int:
    """Decode and hash every file of a dataset once; the number of images."""
    count = 0
    for item in reader.items():
        if item.lacks:
            continue
        images.read_image(item.image)
        files.sha256(item.image)
        if item.mask is not None:
            reader.read_mask(item.mask)
            files.sha256(item.mask)
        count += 1
    return count


def prepare_over_decode(
    make_reader: Callable[[], Reader], repeats: int = 3, work: Path | None = None
) -> dict[str, Any]:
    """Time both in turns.

    Returns:
        ``images``, ``decode_ms`` and ``prepare_ms`` an image (medians), and ``prepare_over_decode``, the median of the
        ratios of neighbouring runs.
    """
    decoded, prepared = [], []
    count = decode_and_hash(make_reader())  # the files are in the page cache for both
    with tempfile.TemporaryDirectory(dir=work) as place:
        for turn in range(repeats):
            decoded.append(_timed(lambda: decode_and_hash(make_reader())))
            task = Task(make_reader(), Path(place) / str(turn))
            prepared.append(_timed(lambda task=task: prepare(task, engine.get("serial"))))  # type: ignore[misc]
    ratios = [after / before for before, after in zip(decoded, prepared, strict=True)]
    return {
        "images": count,
        "decode_ms": round(1e3 * statistics.median(decoded) / count, 3),
        "prepare_ms": round(1e3 * statistics.median(prepared) / count, 3),
        "prepare_over_decode": round(statistics.median(ratios), 3),
    }


def measure(count: int = 200, repeats: int = 5) -> dict[str, Any]:
    """:func:`prepare_over_decode` on photos made for it, masks left in place and masks written anew."""
    found: dict[str, Any] = {}
    kind = find_reader("folders")
    with tempfile.TemporaryDirectory() as place:
        for name, white in FORMS.items():
            root = make_photos(Path(place) / name, count, white)
            found[name] = prepare_over_decode(lambda root=root: kind(root), repeats)  # type: ignore[misc]
    # the figure by its name: what is asked of files that stay where they are
    return {"prepare_over_decode": found["in_place"]["prepare_over_decode"], **found}


def _timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="origin", type=Path, help="a dataset on disk instead of photos made for it")
    parser.add_argument("--reader", default="folders", help="its reader")
    parser.add_argument("--count", type=int, default=200, help="photos to make")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    if given.origin is None:
        figures = measure(given.count, given.repeats)
    else:
        kind = find_reader(given.reader)
        figures = prepare_over_decode(lambda: kind(given.origin), given.repeats)
    if given.json:
        json.dump({"preparing": figures}, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    for name, value in figures.items():
        sys.stdout.write(f"{name}: {value}\n")


if __name__ == "__main__":
    main()
