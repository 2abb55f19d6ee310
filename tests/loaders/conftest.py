"""Small datasets, written for each test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from manifests import Info, Manifest, ManifestWriter, Record
from masksmith import cli, files, images

CLASSES = {"background": 0, "foot": 1}
Pair = tuple[np.ndarray, np.ndarray]


def draw_scene(index: int, height: int = 60, width: int = 80) -> Pair:
    """A picture whose bright disc is what the mask marks; every index has its own place and colour."""
    rng = np.random.default_rng(index)
    mask = np.zeros((height, width), np.uint8)
    centre = (int(rng.integers(20, width - 20)), int(rng.integers(20, height - 20)))
    cv2.circle(mask, centre, int(rng.integers(10, 18)), 1, -1)
    image = rng.integers(0, 90, (height, width, 3), dtype=np.uint8)
    image[mask == 1] = rng.integers(150, 255, 3, dtype=np.uint8)
    return image, mask


@pytest.fixture
def scene() -> Callable[..., Pair]:
    """``scene(index, height=60, width=80)`` draws a picture and its mask."""
    return draw_scene


@pytest.fixture
def write_manifest(tmp_path: Path) -> Callable[..., Manifest]:
    """Writes pairs of (image, mask or None) into a manifest; the first ``train`` of them are the train split."""

    def write(
        pairs: list[Pair],
        *,
        classes: dict[str, int] | None = None,
        train: int | None = None,
        name: str = "small",
        suffix: str = ".png",
    ) -> Manifest:
        folder = tmp_path / name
        with ManifestWriter(folder, Info(name=name, classes=classes or CLASSES, licence=("CC0-1.0",))) as writer:
            for number, (image, mask) in enumerate(pairs):
                picture, marks = f"images/{number:03d}{suffix}", f"masks/{number:03d}.png"
                encoded = images.encode_png(image) if suffix == ".png" else images.encode_jpeg(image, 95)
                files.write_bytes(folder / picture, encoded)
                if mask is not None:
                    files.write_bytes(folder / marks, images.encode_png(mask))
                writer.add(
                    Record(
                        id=f"r{number:03d}",
                        image=picture,
                        mask=None if mask is None else marks,
                        width=image.shape[1],
                        height=image.shape[0],
                        subject=f"s{number}",
                        split="train" if train is None or number < train else "val",
                        source="test",
                        licence=("CC0-1.0",),
                        sha256_image=files.sha256(folder / picture),
                        sha256_mask=None if mask is None else files.sha256(folder / marks),
                    )
                )
        return Manifest.open(folder)

    return write


@pytest.fixture
def small(write_manifest: Callable[..., Manifest]) -> Manifest:
    """Ten records, nine of them in train."""
    return write_manifest([draw_scene(k) for k in range(10)], train=9)


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Writes images and masks below a folder, mask values multiplied by ``white``; call again to add more."""

    def write(names: Sequence[str], white: int = 1, suffix: str = ".jpg", folder: str = "from") -> Path:
        root = tmp_path / folder
        for index, name in enumerate(names):
            image, mask = draw_scene(index)
            encoded = images.encode_png(image) if suffix == ".png" else images.encode_jpeg(image)
            files.write_bytes(root / "images" / f"{name}{suffix}", encoded, durable=False)
            files.write_bytes(root / "masks" / f"{name}.png", images.encode_png(mask * white), durable=False)
        return root

    return write


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command, which must end with that code, and gives its one line."""

    def run(code: int, *arguments: str | Path) -> str:
        with pytest.raises(SystemExit) as end:
            cli.main(["prepare", "--engine", "serial", *map(str, arguments)])
        told = capsys.readouterr().err.strip().splitlines()[-1]
        assert end.value.code == code, told
        return told

    return run
