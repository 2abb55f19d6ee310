"""Made-up people: drawn faces whose shape and colours belong to a person, and whose place and light do not."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np

from masksmith import images, seeds
from masksmith.cli import main


def run(*args: object) -> int:
    """The exit code of ``masksmith identity ARGS``."""
    try:
        main(["identity", *map(str, args)])
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def face(person: int, photo: int, side: int = 48) -> images.Image:
    own, now = seeds.rng(11, "person", person), seeds.rng(11, "photo", person, photo)
    image = np.full((side, side, 3), now.integers(60, 190), np.uint8)
    skin = tuple(int(v) for v in own.integers(90, 240, 3))
    hair = tuple(int(v) for v in own.integers(0, 140, 3))
    middle = np.array([side / 2, side / 2]) + now.uniform(-2, 2, 2)
    tall, wide = side * own.uniform(0.3, 0.45), side * own.uniform(0.2, 0.4)

    def ellipse(x: float, y: float, a: float, b: float, colour: tuple[int, ...]) -> None:
        at = (int(middle[0] + x), int(middle[1] + y))
        cv2.ellipse(image, at, (max(1, int(a)), max(1, int(b))), 0, 0, 360, colour, -1)

    ellipse(0, -tall * own.uniform(0.2, 0.6), wide * 1.1, tall * 0.9, hair)
    ellipse(0, 0, wide, tall, skin)
    apart, eye = wide * own.uniform(0.35, 0.6), side * own.uniform(0.03, 0.08)
    for sign in (-1, 1):
        ellipse(sign * apart, -tall * 0.2, eye * 1.4, eye, (20, 20, 30))
    ellipse(
        0, tall * own.uniform(0.4, 0.6), wide * own.uniform(0.2, 0.6), tall * own.uniform(0.04, 0.12), (150, 40, 50)
    )
    noise = now.normal(0, 6, image.shape) + now.uniform(-15, 15)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def tree(folder: Path, people: range, photos: int, side: int = 48) -> Path:
    """``folder/p00/00.png`` and so on."""
    for person in people:
        place = folder / f"p{person:02d}"
        place.mkdir(parents=True)
        for photo in range(photos):
            (place / f"{photo:02d}.png").write_bytes(images.encode_png(face(person, photo, side)))
    return folder


def copied(source: Path, target: Path, names: list[str]) -> Path:
    """Some of the folders of ``source``, as a tree of their own."""
    for name in names:
        shutil.copytree(source / name, target / name, copy_function=shutil.copyfile)
    return target
