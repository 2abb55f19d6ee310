"""A small foot of ellipsoids, and folders of scans and floors made of it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import trimesh

from datagen.floors import procedural_floor
from masksmith import images


@lru_cache(maxsize=1)
def foot_mesh() -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) metres, (F, 3): y up, toes +z, open at the leg."""
    from skimage.measure import marching_cubes

    grain = 0.005
    x, y, z = np.meshgrid(
        *(np.arange(a, b, grain) for a, b in ((-0.07, 0.07), (0, 0.19), (-0.15, 0.15))), indexing="ij"
    )

    def blob(cx: float, cy: float, cz: float, rx: float, ry: float, rz: float) -> np.ndarray:
        return np.sqrt(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2) - 1

    parts = [
        blob(0, 0.03, -0.08, 0.033, 0.045, 0.042),
        blob(0, 0.03, 0.0, 0.04, 0.04, 0.1),
        blob(0, 0.025, 0.06, 0.045, 0.025, 0.045),
        np.hypot(x / 0.032, (z + 0.07) / 0.035) - 1 + 10 * (y < 0.04),
    ]
    solid = np.minimum.reduce(parts)
    solid[:, 0] = 1.0  # the floor cuts the sole flat
    solid[:, -1] = np.where(solid[:, -1] > 0, solid[:, -1], -0.1)
    vertices, faces, _, _ = marching_cubes(solid[:, :-1], 0.0, spacing=(grain,) * 3)
    mesh = trimesh.Trimesh(vertices + [-0.07, -grain, -0.15], faces, process=True)
    mesh = max(mesh.split(only_watertight=False), key=lambda part: len(part.faces))
    if np.einsum("ij,ij->i", mesh.face_normals, mesh.triangles_center - mesh.centroid).mean() < 0:
        mesh.invert()
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


@pytest.fixture(scope="session")
def scan_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five PLY scans in mm of five subjects, each of its own width and colour."""
    folder = tmp_path_factory.mktemp("scans")
    vertices, faces = foot_mesh()
    for k in range(5):
        colour = np.tile(np.array([[215 - 25 * k, 165 - 25 * k, 140 - 22 * k]], np.uint8), (len(vertices), 1))
        wide = vertices * [1 + 0.03 * k, 1, 1] * 1000
        mesh = trimesh.Trimesh(wide, faces, vertex_colors=colour, process=False)
        (folder / f"T{k}_left.ply").write_bytes(mesh.export(file_type="ply"))
    return folder


@pytest.fixture(scope="session")
def floor_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small floor pictures."""
    folder = tmp_path_factory.mktemp("floors")
    for k, kind in enumerate(("wood", "tile", "stone", "carpet")):
        image = procedural_floor(kind, k, size=256).image
        (folder / f"floor {k} ü.jpg").write_bytes(images.encode_jpeg(image))
    return folder
