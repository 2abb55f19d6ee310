"""Point clouds: PLY, XYZ and PCD become surfaces; strays go; what is broken is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from datagen import points
from datagen.scans import ScanFile, list_scans, stand
from masksmith.errors import BadInput
from tests.datagen.shapes import left_foot, shades

COUNT = 9000


def sampled(count: int = COUNT) -> tuple[np.ndarray, np.ndarray]:
    """(points (N, 3) in metres, colours (N, 3) uint8) spread over the foot's surface."""
    vertices, faces = left_foot()
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    found, _ = trimesh.sample.sample_surface(mesh, count, seed=3)
    near = cKDTree(vertices).query(found)[1]
    return np.asarray(found), shades(vertices)[near]


def write_xyz(path: Path, rows: np.ndarray, heading: str = "") -> Path:
    text = "\n".join(" ".join(f"{value:.6g}" for value in row) for row in rows)
    path.write_text(heading + text + "\n", encoding="utf-8")
    return path


def write_pcd(path: Path, found: np.ndarray) -> Path:
    head = (
        "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
        f"WIDTH {len(found)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(found)}\nDATA binary\n"
    )
    path.write_bytes(head.encode() + found.astype("<f4").tobytes())
    return path


def test_a_cloud_with_strays_becomes_the_foot_it_was_taken_from(tmp_path: Path) -> None:
    found, colours = sampled()
    rng = np.random.default_rng(1)
    strays = rng.uniform(-0.4, 0.4, (40, 3))
    rows = np.concatenate(
        [np.concatenate([found, strays]) * 1000, np.concatenate([colours, np.full((40, 3), 255)])], axis=1
    )
    path = write_xyz(tmp_path / "Füße 1_left.xyz", rows, "//X Y Z R G B\n")
    (scan,) = list_scans(tmp_path)
    foot, placed = stand(scan)
    assert (placed.units, placed.up, foot.side, foot.subject) == ("mm", "y", "left", "Füße 1")
    vertices, _ = left_foot()
    truth = vertices - [0, vertices[:, 1].min(), 0]
    low = truth[truth[:, 1] < 0.08]
    truth = truth - [np.mean([low[:, 0].min(), low[:, 0].max()]), 0, np.mean([low[:, 2].min(), low[:, 2].max()])]
    away, near = cKDTree(truth).query(foot.vertices)
    assert np.quantile(away, 0.99) < 0.006  # the surface that was sampled has triangles of 5 mm
    assert foot.colours is not None
    assert np.abs(foot.colours.astype(int) - shades(vertices)[near]).mean() < 8
    assert any("stray points" in note for note in foot.notes) and any("surface of" in note for note in foot.notes)
    assert path.name == foot.source


def test_the_same_cloud_gives_the_same_surface(tmp_path: Path) -> None:
    found, _ = sampled(4000)
    path = write_xyz(tmp_path / "a.xyz", found)
    one, two = points.reconstruct(path), points.reconstruct(path)
    assert np.array_equal(one.vertices, two.vertices) and np.array_equal(one.faces, two.faces)
    assert one.colours is None and one.sha256 == two.sha256


def test_ply_pcd_and_xyz_hold_the_same_points(tmp_path: Path) -> None:
    found, colours = sampled(2500)
    (tmp_path / "a.ply").write_bytes(trimesh.PointCloud(found, colors=colours).export(file_type="ply"))
    ply = points.read_cloud(tmp_path / "a.ply")
    pcd = points.read_cloud(write_pcd(tmp_path / "a.pcd", found))
    xyz = points.read_cloud(write_xyz(tmp_path / "a.xyz", np.concatenate([found, colours / 255], axis=1)))
    for cloud in (ply, pcd, xyz):
        assert np.allclose(cloud.points, found, atol=1e-5)
    assert ply.colours is not None and np.array_equal(ply.colours, colours)
    assert xyz.colours is not None and np.abs(xyz.colours.astype(int) - colours).max() <= 1
    assert pcd.colours is None


def test_normals_beside_points_are_not_taken_for_colours(tmp_path: Path) -> None:
    found, _ = sampled(2500)
    normals = np.abs(found - found.mean(axis=0))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    cloud = points.read_cloud(write_xyz(tmp_path / "n.xyz", np.concatenate([found, normals], axis=1)))
    assert cloud.colours is None


def test_a_file_is_a_cloud_by_its_format_or_its_header(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    (tmp_path / "mesh.ply").write_bytes(trimesh.Trimesh(vertices, faces, process=False).export(file_type="ply"))
    (tmp_path / "cloud.ply").write_bytes(trimesh.PointCloud(vertices).export(file_type="ply"))
    (tmp_path / "a.pcd").write_bytes(b"")
    assert [points.is_cloud(tmp_path / name) for name in ("mesh.ply", "cloud.ply", "a.pcd", "a.obj")] == [
        False,
        True,
        True,
        False,
    ]


def test_broken_clouds_are_refused_in_one_line(tmp_path: Path) -> None:
    found, _ = sampled(2500)
    ply = trimesh.PointCloud(found).export(file_type="ply")
    pcd = write_pcd(tmp_path / "whole.pcd", found).read_bytes()
    rows = "\n".join(f"{x} {y} {z}" for x, y, z in found)
    cases = {
        "empty.xyz": (b"", "0 bytes"),
        "few.xyz": (b"1 2 3\n4 5 6\n", "2,000 points, found 2 usable"),
        "words.xyz": (b"1 2 3\nfoot foot foot\n", "x y z"),
        "uneven.xyz": (rows.encode() + b"\n1 2\n", "x y z"),
        "flat.xyz": (b"1 2\n3 4\n", "2 columns"),
        "nan.xyz": (b"nan 1 2\n" * 3000, "0 usable"),
        "one place.xyz": (b"1 2 3\n" * 3000, "one place"),
        "cut.ply": (ply[: len(ply) // 2], "cut off|cannot be read"),
        "cut.pcd": (pcd[: len(pcd) // 2], "cut off"),
        "text.pcd": (b"Dear lab, here is the scan\n", "no PCD header"),
        "giant.pcd": (pcd.replace(b"POINTS 2500", b"POINTS 90000000"), r"20,000,000 points, found 90,000,000"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInput, match=message) as told:
            stand(ScanFile(tmp_path / name, "S"))
        assert name in str(told.value) and "\n" not in str(told.value)
