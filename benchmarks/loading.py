"""How fast data comes in: ``python benchmarks/loading.py [--json] [--only SECTION,...] [--data D]``.

Sections and figures, and the limits they are held to:

- ``batches``: batches of 32 at 224 x 224 with document P's augmentation and previous masks, two worker processes.
  ``batches_over_albumentations`` >= 2.0: images a second over those of a plain loop of PIL, Albumentations and torch's
  DataLoader with two workers, on the same files, with outputs of the same kind. ``over_decode``: images a second over
  those of two workers that only decode the files with OpenCV and do nothing else; above 1 is possible, since a JPEG
  is decoded at a fraction of its size where the target is small. ``cached_over_decode``: the same from the cache.
- ``split``: ``split_1m_s``, ``split_1m_mb``: a million records divided by subject and floor, seconds and peak memory.
- ``duplicates``: ``near_duplicates_100k_s``, from ``duplicates.py``.
- ``prepare``: ``prepare_over_decode``, from ``preparing.py``.
- ``fetch``: ``fetch_over_curl`` >= 0.8, ``resume_extra`` <= 1.02, from ``fetching.py``.

The compared loops take turns in one run; a figure is the median over the rounds. Pictures are made on the spot: 800 x
600 JPEGs of about 150 KB with PNG masks; ``--data`` takes a manifest instead.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from loaders import Batches
from manifests import Info, Manifest, ManifestWriter, Record
from masksmith import console, files, images, seeds

HERE = Path(__file__).resolve().parent
SIZE = (224, 224)
BATCH, WORKERS = 32, 2
KINDS, WEIGHTS = ("empty", "affine", "elastic", "major", "self"), (40, 35 / 3, 70 / 3, 5, 30)
LIMITS: dict[str, tuple[str, float]] = {
    "batches_over_albumentations": (">=", 2.0),
    "fetch_over_curl": (">=", 0.8),
    "resume_extra": ("<=", 1.02),
}
Paths = list[tuple[str, str]]


def make_photos(folder: Path, count: int, height: int = 600, width: int = 800) -> Manifest:
    """Photos with the grain and the bytes of real ones, and a figure that the mask shows."""
    info = Info(name="photos", classes={"background": 0, "person": 1}, licence=("CC0-1.0",))
    with ManifestWriter(folder, info) as writer:
        for k in range(count):
            rng = seeds.rng(0, "photo", k)
            picture = np.full((height, width, 3), rng.uniform(60, 180, 3), np.float32)
            for cell, strength in ((160, 60), (40, 30), (10, 16), (3, 10), (1, 5)):
                noise = rng.standard_normal((height // cell + 2, width // cell + 2, 3), np.float32) * strength
                picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
            mask = np.zeros((height, width), np.uint8)
            centre = (int(rng.uniform(0.3, 0.7) * width), int(rng.uniform(0.5, 0.7) * height))
            cv2.ellipse(mask, centre, (width // 5, height // 3), rng.uniform(-20, 20), 0, 360, 1, -1)
            picture[mask == 1] = picture[mask == 1] * 0.6 + rng.uniform(20, 110, 3)
            names = f"images/{k:04d}.jpg", f"masks/{k:04d}.png"
            shown = np.clip(picture, 0, 255).astype(np.uint8)
            files.write_bytes(folder / names[0], images.encode_jpeg(shown, 90), durable=False)
            files.write_bytes(folder / names[1], images.encode_png(mask), durable=False)
            writer.add(Record(id=f"{k:04d}", image=names[0], mask=names[1], width=width, height=height, split="train"))
    return Manifest.open(folder)


class Straight(Dataset[Any]):
    """What one writes without us: PIL, Albumentations, torch."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def _ready(self) -> None:
        import albumentations as A

        self.augment = A.Compose(
            [
                A.HorizontalFlip(p=0.5),
                A.Affine(rotate=(-15, 15), scale=(0.75, 1.33), translate_percent=(-0.1, 0.1), p=0.8),
                A.RandomBrightnessContrast(0.2, 0.2, p=0.8),
                A.RandomGamma((75, 133), p=0.8),
                A.MotionBlur((3, 9), p=0.2),
            ]
        )
        linear = cv2.INTER_LINEAR
        small = A.Affine(
            rotate=(-5, 5), scale=(0.95, 1.05), translate_percent=(-0.03, 0.03), mask_interpolation=linear, p=1
        )
        elastic = A.ElasticTransform(alpha=200, sigma=8, mask_interpolation=linear, p=1)
        major = A.Affine(
            rotate=(-45, 45), scale=(0.6, 1.5), translate_percent=(-0.3, 0.3), mask_interpolation=linear, p=1
        )
        self.priors = {
            "affine": A.Compose([small]),
            "elastic": A.Compose([elastic, A.Compose([small], p=0.5)]),
            "major": A.Compose([major]),
            "self": A.Compose([small]),
        }
        self.grid = A.Compose([A.GridDistortion(distort_limit=0.2, p=1)])

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        from PIL import Image

        if not hasattr(self, "augment"):
            self._ready()
        image_path, mask_path = self.paths[index]
        with Image.open(image_path) as opened:
            image = np.asarray(opened.convert("RGB").resize(SIZE[::-1], Image.Resampling.BILINEAR))
        with Image.open(mask_path) as opened:
            mask = np.array(opened.resize(SIZE[::-1], Image.Resampling.NEAREST))
        made = self.augment(image=image, mask=mask)
        image, mask = made["image"], made["mask"]
        kind = KINDS[int(np.random.choice(5, p=np.array(WEIGHTS) / sum(WEIGHTS)))]  # noqa: NPY002 - as it is done
        soft = mask.astype(np.float32)
        warped = np.zeros_like(image)
        if kind == "self":
            warped = self.grid(image=image)["image"]
        if kind == "empty":
            soft = np.zeros_like(soft)
        else:
            soft = self.priors[kind](image=image[..., :1], mask=soft)["mask"]
        return (
            torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255,
            torch.from_numpy(mask),
            torch.from_numpy(soft)[None],
            torch.tensor(KINDS.index(kind)),
            torch.from_numpy(np.ascontiguousarray(warped.transpose(2, 0, 1))).float() / 255,
        )


class Decoding(Dataset[int]):
    """Both files decoded with OpenCV, and nothing else."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> int:
        image = cv2.imread(self.paths[index][0], cv2.IMREAD_COLOR)
        mask = cv2.imread(self.paths[index][1], cv2.IMREAD_UNCHANGED)
        return int(image.shape[0] == mask.shape[0])


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _loader(data: Dataset[Any]) -> DataLoader[Any]:
    return DataLoader(
        data,
        batch_size=BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        persistent_workers=True,
        multiprocessing_context="spawn",
        worker_init_fn=_one_thread,
    )


def _rate(epoch: Callable[[], Iterator[Any]]) -> float:
    """Images a second over one epoch of workers that are warm."""
    start = time.perf_counter()
    batches = sum(1 for _ in epoch())
    return batches * BATCH / (time.perf_counter() - start)


def batches(manifest: Manifest, scratch: Path, rounds: int) -> dict[str, Any]:
    """Section ``batches``."""
    paths = [(str(manifest.path(r.image)), str(manifest.path(str(r.mask)))) for r in manifest.records("train")]
    options: dict[str, Any] = {"size": SIZE, "batch_size": BATCH, "augment": "pirshutuk2023", "priors": "paper"}
    torch.set_num_threads(1)
    number = 0

    def ours(made: Batches) -> Callable[[], Iterator[Any]]:
        def epoch() -> Iterator[Any]:
            nonlocal number
            number += 1
            return made.epoch(number)

        return epoch

    with (
        Batches(manifest, "train", **options, workers=WORKERS) as plain,
        Batches(manifest, "train", **options, workers=WORKERS, cache=scratch / "cache") as cached,
    ):
        straight, bare = _loader(Straight(paths)), _loader(Decoding(paths))
        taking: dict[str, Callable[[], Iterator[Any]]] = {
            "ours": ours(plain),
            "albumentations": lambda: iter(straight),
            "decode": lambda: iter(bare),
            "cached": ours(cached),
        }
        rates: dict[str, list[float]] = {name: [] for name in taking}
        for turn in range(rounds + 1):
            for name, epoch in taking.items():
                rate = _rate(epoch)
                if turn:  # the first starts the workers
                    rates[name].append(rate)

    def over(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True))

    return {
        "batches_over_albumentations": over("ours", "albumentations"),
        "over_decode": over("ours", "decode"),
        "cached_over_albumentations": over("cached", "albumentations"),
        "cached_over_decode": over("cached", "decode"),
        "images_per_s": {name: statistics.median(found) for name, found in rates.items()},
    }


def split(scratch: Path, count: int = 1_000_000) -> dict[str, Any]:
    """Section ``split``: the command in a process of its own."""
    folder = scratch / "million"
    rng = seeds.rng(0, "million")
    subjects, floors = rng.integers(0, count // 20, count), rng.integers(0, count // 200, count)
    with ManifestWriter(folder, Info(name="million", classes={"background": 0, "foot": 1})) as writer:
        for k in range(count):
            # a floor belongs to a few subjects: else everything hangs together
            floor = f"f{subjects[k] // 10}-{floors[k] % 3}"
            writer.add(
                Record(
                    id=f"{k:07d}",
                    image=f"images/{k:07d}.jpg",
                    mask=f"masks/{k:07d}.png",
                    width=256,
                    height=256,
                    subject=f"s{subjects[k]}",
                    groups={"floor": (floor,)},
                )
            )
    script = (
        "import resource, sys, time; from masksmith.cli import main; start = time.perf_counter();"
        "main(sys.argv[1:]);"
        "print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    command = [sys.executable, "-c", script, "split", str(folder), "--by", "subject,floor"]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True)
    seconds, peak = map(float, done.stdout.split()[-2:])
    return {"split_1m_s": seconds, "split_1m_mb": peak}


def elsewhere(script: str, *names: str) -> dict[str, Any]:
    """Figures of another benchmark of this folder; None where it is not there or does not have them."""
    path = HERE / script
    if not path.exists():
        console.warn(f"{path} is not there: no {', '.join(names)}")
        return dict.fromkeys(names)
    done = subprocess.run([sys.executable, str(path), "--json"], capture_output=True, text=True, cwd=HERE.parent)
    if done.returncode not in (0, 1):
        console.warn(f"{path} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return dict.fromkeys(names)
    told = json.loads(done.stdout)
    return {name: _found(told, name) for name in names}


def _found(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        if name in value:
            return value[name]
        return next((found for each in value.values() if (found := _found(each, name)) is not None), None)
    return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--only", default="batches,split,duplicates,prepare,fetch", help="sections, with commas between"
    )
    parser.add_argument("--data", type=Path, help="a manifest for the section batches, instead of pictures made here")
    parser.add_argument("--photos", type=int, default=512, help="pictures made for the section batches")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the section batches")
    given = parser.parse_args(arguments)
    wanted = [name.strip() for name in given.only.split(",")]
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        if "batches" in wanted:
            manifest = Manifest.open(given.data) if given.data else make_photos(scratch / "photos", given.photos)
            told |= batches(manifest, scratch, given.rounds)
        if "split" in wanted:
            told |= split(scratch)
    if "duplicates" in wanted:
        told |= elsewhere("duplicates.py", "near_duplicates_100k_s")
    if "prepare" in wanted:
        told |= elsewhere("preparing.py", "prepare_over_decode")
    if "fetch" in wanted:
        told |= elsewhere("fetching.py", "fetch_over_curl", "resume_extra")
    if given.json:
        console.emit_json(told)
        return
    for name, value in told.items():
        limit = " ".join(map(str, LIMITS[name])) if name in LIMITS else ""
        console.say(f"{name:32} {value if not isinstance(value, float) else round(value, 3)}  {limit}")


if __name__ == "__main__":
    main()
