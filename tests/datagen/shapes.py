"""A small foot of ellipsoids, for tests that need a scan."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from skimage.measure import marching_cubes


@lru_cache(maxsize=1)
def left_foot() -> tuple[np.ndarray, np.ndarray]:
    """A left foot of ellipsoids in metres, y up, toes +z, open at the leg: (V, 3), (F, 3)."""
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
    for k, (at, tip) in enumerate(
        zip((-0.03, -0.012, 0.004, 0.018, 0.031), (0.1, 0.098, 0.09, 0.082, 0.072), strict=True)
    ):
        thick = 0.013 if k == 0 else 0.009
        parts.append(blob(at, 0.012, tip, thick, 0.011, 0.026))
    solid = np.minimum.reduce(parts)
    solid[:, 0] = 1.0  # the floor cuts the sole flat
    solid[:, -1] = np.where(solid[:, -1] > 0, solid[:, -1], -0.1)
    vertices, faces, _, _ = marching_cubes(solid[:, :-1], 0.0, spacing=(grain,) * 3)
    mesh = trimesh.Trimesh(vertices + np.array([-0.07, -grain, -0.15]), faces, process=True)
    mesh = max(mesh.split(only_watertight=False), key=lambda part: len(part.faces))
    if (
        mesh.vertices[mesh.faces].sum()
        and np.einsum("ij,ij->i", mesh.face_normals, mesh.triangles_center - mesh.centroid).mean() < 0
    ):
        mesh.invert()
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


def shades(vertices: np.ndarray) -> np.ndarray:
    part = (vertices - vertices.min(axis=0)) / np.ptp(vertices, axis=0)
    return np.round(60 + 150 * part).astype(np.uint8)


def write_ply(path: Path, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray | None = None) -> Path:
    colours = shades(vertices) if colours is None else colours
    mesh = trimesh.Trimesh(vertices, faces, vertex_colors=colours, process=False)
    path.write_bytes(mesh.export(file_type="ply"))
    return path


def write_obj(folder: Path, name: str = "P1_left.obj", picture: bool = True) -> Path:
    """An OBJ in mm with a texture whose left half is red and whose right half is blue, and a seam along x = 0."""
    vertices, faces = left_foot()
    part = (vertices - vertices.min(axis=0)) / np.ptp(vertices, axis=0)
    lines = ["mtllib skin.mtl", "usemtl skin"]
    lines += [f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in vertices * 1000]
    lines += [f"vt {u:.5f} {v:.5f}" for u, v in part[:, [0, 2]]]
    lines += [f"vt {0.5 * u:.5f} {v:.5f}" for u, v in part[:, [0, 2]]]
    for k, (a, b, c) in enumerate(faces + 1):
        shift = len(vertices) if k % 2 else 0
        lines.append(f"f {a}/{a + shift} {b}/{b + shift} {c}/{c + shift}")
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    (folder / "skin.mtl").write_text("newmtl skin\nKd 1 1 1\nmap_Kd skin.png\n")
    if picture:
        pixels = np.zeros((40, 80, 3), np.uint8)
        pixels[:, :40, 0], pixels[:, 40:, 2] = 200, 200
        Image.fromarray(pixels).save(folder / "skin.png")
    return path
