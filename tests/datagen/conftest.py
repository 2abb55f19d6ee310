"""Folders of small scans and floors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datagen.floors import procedural_floor
from masksmith import images
from tests.datagen.shapes import left_foot, write_ply


@pytest.fixture(scope="session")
def scan_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five PLY scans in mm of five subjects, each of its own width and colour."""
    folder = tmp_path_factory.mktemp("scans")
    vertices, faces = left_foot()
    for k in range(5):
        colour = np.tile(np.array([[215 - 25 * k, 165 - 25 * k, 140 - 22 * k]], np.uint8), (len(vertices), 1))
        wide = vertices * [1 + 0.03 * k, 1, 1] * 1000
        write_ply(folder / f"T{k}_left.ply", wide, faces, colour)
    return folder


@pytest.fixture(scope="session")
def floor_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small floor pictures."""
    folder = tmp_path_factory.mktemp("floors")
    for k, kind in enumerate(("wood", "tile", "stone", "carpet")):
        image = procedural_floor(kind, k, size=256).image
        (folder / f"floor {k} ü.jpg").write_bytes(images.encode_jpeg(image))
    return folder
