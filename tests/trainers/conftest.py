"""A small dataset: discs of a colour of their own on a noisy ground."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from manifests import Info, ManifestWriter, Record
from masksmith import images, seeds
from trainers.presets import Settings, checked

MakeDiscs = Callable[..., Path]


@pytest.fixture(autouse=True)
def one_thread() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def disc(number: int, side: int) -> tuple[images.Image, images.Mask]:
    rng = seeds.rng(7, "disc", number)
    image = rng.integers(0, 90, (side, side, 3)).astype(np.uint8)
    mask = np.zeros((side, side), np.uint8)
    centre = tuple(int(v) for v in rng.integers(side // 4, 3 * side // 4, 2))
    radius = int(rng.integers(side // 6, side // 3))
    cv2.circle(mask, centre, radius, 1, -1)
    image[mask == 1] = (230, 160, 40)
    return image, mask


@pytest.fixture
def discs(tmp_path: Path) -> MakeDiscs:
    """Writes a manifest: ``discs(train=12, val=4, side=32, shared=(), classes=...)``; returns its folder."""

    def make(
        train: int = 12,
        val: int = 4,
        side: int = 32,
        shared: Sequence[int] = (),
        classes: dict[str, int] | None = None,
        name: str = "discs",
    ) -> Path:
        folder = tmp_path / name
        (folder / "images").mkdir(parents=True)
        (folder / "masks").mkdir()
        with ManifestWriter(folder, Info(name=name, classes=classes or {"background": 0, "disc": 1})) as writer:
            for number in range(train + val):
                image, mask = disc(number, side)
                place, truth = f"images/{number:03d}.png", f"masks/{number:03d}.png"
                (folder / place).write_bytes(images.encode_png(image))
                (folder / truth).write_bytes(images.encode_png(mask))
                subject = "everybody" if number in shared else f"subject {number}"
                split = "train" if number < train else "val"
                writer.add(Record(f"{number:03d}", place, truth, side, side, subject=subject, split=split))
        return folder

    return make


@pytest.fixture
def small() -> Callable[..., Settings]:
    """Settings of a run that takes a second: ``small(epochs=2, ...)``."""

    def make(**changes: object) -> Settings:
        values: dict[str, object] = {
            "preset": "test",
            "model": "portrait_lcnet_noprior",
            "size": (32, 32),
            "batch": 4,
            "epochs": 2,
            "steps_per_epoch": 3,
            "lr": 0.002,
            "threads": 1,
            "seed": 3,
        }
        return checked(values | changes)

    return make
