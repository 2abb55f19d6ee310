"""Small manifests, written for each test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests import Info, Manifest, ManifestWriter, Record
from masksmith import files, images
from masksmith.cli import main

CLASSES = {"background": 0, "foot": 1}


def _save(folder: Path, records: Sequence[Record], **info: Any) -> Manifest:
    with ManifestWriter(folder, Info(**{"name": folder.name, "classes": CLASSES, **info})) as writer:
        for record in records:
            writer.add(record)
    return Manifest.open(folder)


@pytest.fixture
def save() -> Callable[..., Manifest]:
    """``save(folder, records, **info)`` writes a manifest of records as they are, without files."""
    return _save


@pytest.fixture
def feet(tmp_path: Path) -> Callable[..., Manifest]:
    """``feet(name="feet", subjects=10, each=3)``: PNG files of feet; five floors, a subject on one each."""

    def write(name: str = "feet", subjects: int = 10, each: int = 3, **info: Any) -> Manifest:
        folder = tmp_path / name
        records = []
        for number in range(subjects * each):
            rng = np.random.default_rng([number, *name.encode()])
            picture, marks = f"images/{number}.png", f"masks/{number}.png"
            files.write_bytes(folder / picture, images.encode_png(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)))
            mask = rng.integers(0, 2, (6, 8), dtype=np.uint8)
            mask[0, :2] = (0, 1)
            files.write_bytes(folder / marks, images.encode_png(mask))
            records.append(
                Record(
                    f"r{number:03d}",
                    picture,
                    marks,
                    8,
                    6,
                    subject=f"S{number // each:03d}",
                    groups={"floor": (f"F{number // each % 5}",)},
                    source="made",
                    licence=("CC0-1.0",),
                    sha256_image=files.sha256(folder / picture),
                    sha256_mask=files.sha256(folder / marks),
                )
            )
        return _save(folder, records, **{"licence": ("CC0-1.0",), **info})

    return write


@pytest.fixture
def edit() -> Callable[..., Manifest]:
    """``edit(manifest, number, **changes)`` changes one record behind the back of the description."""

    def change(manifest: Manifest, number: int, **changes: Any) -> Manifest:
        records = list(manifest.records())
        records[number] = replace(records[number], **changes)
        with ManifestWriter(manifest.folder, manifest.info) as writer:
            for record in records:
                writer.add(record)
        return Manifest.open(manifest.folder)

    return change


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``run("audit", folder)`` gives exit code, standard output and standard error."""

    def call(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = 0
        try:
            main([str(arg) for arg in args])
        except SystemExit as end:
            code = int(end.code or 0)
        caught = capsys.readouterr()
        return code, caught.out, caught.err

    return call
