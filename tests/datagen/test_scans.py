"""Reading scans: formats, units, axes, repairs, refusals."""

from __future__ import annotations

import csv
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from scipy.spatial.transform import Rotation

from datagen.placing import place
from datagen.scans import list_scans, read_scan, scans_report
from masksmith.errors import BadInput, UsageProblem
from tests.datagen.shapes import left_foot, shades, write_obj, write_ply


@pytest.mark.parametrize("units, scale", [("mm", 1000), ("cm", 100), ("m", 1), ("inch", 1 / 0.0254)])
@pytest.mark.parametrize("up", ["y", "z", "-x"])
def test_units_and_up_axis_are_found_from_the_shape(tmp_path: Path, units: str, scale: float, up: str) -> None:
    vertices, faces = left_foot()
    turn = {"y": np.eye(3), "z": [[1, 0, 0], [0, 0, -1], [0, 1, 0]], "-x": [[0, -1, 0], [1, 0, 0], [0, 0, 1]]}[up]
    path = write_ply(tmp_path / "a.ply", vertices @ np.array(turn).T * scale, faces)
    foot = read_scan(path)
    assert any(note.startswith(f"units {units} ") for note in foot.notes)
    assert any(note.startswith(f"up axis {up} ") for note in foot.notes)
    assert foot.side == "left"
    low = foot.vertices[foot.vertices[:, 1] < 0.08]
    assert np.allclose(low[:, [0, 2]].min(axis=0), -low[:, [0, 2]].max(axis=0), atol=1e-5)
    assert abs(foot.vertices[:, 1].min()) < 1e-6
    assert abs(foot.length_m - np.ptp(vertices[vertices[:, 1] < 0.08, 2])) < 1e-4


def test_a_scan_turned_any_way_is_stood_on_its_sole_with_the_toes_forward(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    straight = read_scan(write_ply(tmp_path / "straight.ply", vertices, faces))
    for number in range(4):
        turned = vertices @ Rotation.random(rng=np.random.default_rng(number)).as_matrix().T
        foot = read_scan(write_ply(tmp_path / f"turned{number}.ply", turned, faces))
        assert foot.side == "left"
        one, two = (f.vertices - f.vertices.mean(axis=0) for f in (straight, foot))
        u, _, v = np.linalg.svd(one.T @ two)
        angle = np.degrees(Rotation.from_matrix((u @ v).T).magnitude())
        assert angle < 12


def test_a_mirrored_foot_is_a_right_foot(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    foot = read_scan(write_ply(tmp_path / "a.ply", vertices * [-1, 1, 1], faces[:, ::-1]))
    assert foot.side == "right"


def test_units_that_cannot_be_are_refused_with_the_size(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    path = write_ply(tmp_path / "giant.ply", vertices * 1e5, faces)
    with pytest.raises(BadInput, match=r"0\.10 to 0\.36 m.*m if in mm"):
        read_scan(path)
    small = write_ply(tmp_path / "mm.ply", vertices * 1000, faces)
    with pytest.raises(BadInput, match="the size fits mm"):
        read_scan(small, units="m")
    with pytest.raises(UsageProblem, match="Did you mean 'mm'"):
        read_scan(small, units="mmm")


def test_something_that_is_no_foot_is_refused(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(radius=0.1)
    with pytest.raises(BadInput, match="a foot with the sole down"):
        read_scan(write_ply(tmp_path / "ball.ply", ball.vertices, ball.faces))


def test_texture_coordinates_stay_with_corners_while_seams_close(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    foot = read_scan(write_obj(tmp_path))
    assert len(foot.vertices) == len(vertices) and len(foot.faces) == len(faces)
    assert foot.uv is not None and foot.uv.shape == (len(faces), 3, 2) and foot.colours is None
    assert foot.texture is not None and foot.texture.shape == (40, 80, 3)
    whole = foot.uv[0::2, :, 0].mean() / foot.uv[1::2, :, 0].mean()
    assert whole == pytest.approx(2, rel=0.05)
    assert foot.subject == "P1" and foot.side == "left"


def test_glb_and_obj_give_the_same_foot(tmp_path: Path) -> None:
    one = read_scan(write_obj(tmp_path))
    mesh = trimesh.load(tmp_path / "P1_left.obj", process=False)
    mesh.apply_scale(0.001)
    (tmp_path / "P1_left.glb").write_bytes(mesh.export(file_type="glb"))
    two = read_scan(tmp_path / "P1_left.glb")
    assert len(one.vertices) == len(two.vertices)
    assert np.allclose(np.sort(one.vertices, axis=0), np.sort(two.vertices, axis=0), atol=2e-5)
    assert two.texture is not None and one.texture is not None and np.array_equal(one.texture, two.texture)
    assert two.uv is not None and one.uv is not None and abs(two.uv.mean() - one.uv.mean()) < 1e-3


def test_a_mesh_without_colour_is_refused_with_two_ways_out_or_painted(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    path = tmp_path / "grey.stl"
    path.write_bytes(trimesh.Trimesh(vertices * 1000, faces, process=False).export(file_type="stl"))
    with pytest.raises(BadInput, match=r"a mesh without colour; .*vertex colours .*--skin") as told:
        read_scan(path)
    assert "\n" not in str(told.value)
    light, dark = read_scan(path, skin=0.1), read_scan(path, skin=0.9)
    assert light.colours is not None and dark.colours is not None
    assert len(light.colours) == len(light.vertices) == len(vertices)
    assert light.colours.mean() > dark.colours.mean() + 60
    again = read_scan(path, skin=0.1)
    assert np.array_equal(again.colours, light.colours)
    with pytest.raises(UsageProblem, match=r"0 .*to 1"):
        read_scan(path, skin=1.5)


def test_nan_thin_loose_and_inside_out_parts_are_mended_with_a_note(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    crumb = trimesh.creation.icosphere(radius=0.004, subdivisions=1)
    count = len(vertices)
    points = np.concatenate([vertices, crumb.vertices + np.array([0.1, 0.1, 0]), [[np.nan] * 3]])
    broken = np.concatenate([faces, crumb.faces + count, [[0, 1, len(points) - 1]], [[5, 5, 6]]])[:, ::-1]
    colours = np.concatenate([shades(vertices), np.full((len(crumb.vertices) + 1, 3), 9, np.uint8)])
    foot = read_scan(write_ply(tmp_path / "a.ply", points, broken, colours))
    text = " ".join(foot.notes)
    for word in ("NaN", "without area", "loose piece", "inside out"):
        assert word in text
    assert len(foot.faces) == len(faces) and np.isfinite(foot.vertices).all()
    normals = foot.normals()
    sole = foot.vertices[:, 1] < 1e-4
    assert normals[sole, 1].mean() < -0.8


def test_faces_turned_against_their_neighbours_are_turned_back(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    mixed = faces.copy()
    mixed[::7] = mixed[::7, ::-1]
    right = read_scan(write_ply(tmp_path / "right.ply", vertices, faces))
    mended = read_scan(write_ply(tmp_path / "mixed.ply", vertices, mixed))
    assert any("against their neighbours" in note for note in mended.notes)
    assert np.allclose(mended.normals(), right.normals(), atol=1e-5)


def test_two_feet_in_one_file_are_refused(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    both = np.concatenate([vertices, vertices * [-1, 1, 1] + [0.3, 0, 0]])
    path = write_ply(tmp_path / "pair.ply", both, np.concatenate([faces, faces[:, ::-1] + len(vertices)]))
    with pytest.raises(BadInput, match="one foot in one piece"):
        read_scan(path)


def test_damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    whole = write_ply(tmp_path / "whole.ply", vertices, faces).read_bytes()
    obj = write_obj(tmp_path).read_bytes()
    mesh = trimesh.load(tmp_path / "P1_left.obj", process=False)
    glb = mesh.export(file_type="glb")
    start = whole.index(b"end_header\n") + 11
    cases = {
        "empty.ply": (b"", "0 bytes"),
        "cut.ply": (whole[: len(whole) // 2], "cannot be read"),
        "text.ply": (b"hello", "no PLY header"),
        "points.ply": (whole[:start].replace(b"element face", b"element other"), "cut off|cannot be read"),
        "cut.glb": (glb[: len(glb) // 2], "cut off"),
        "text.glb": (b"hello world, this is not a mesh", "no GLB header"),
        "cut.obj": (obj[: int(len(obj) * 0.85)], "cut off"),
        "empty.obj": (b"# nothing\n", "no triangles"),
        "noise.stl": (bytes(range(100)), "for the [0-9,]+ triangles|at most"),
        "mesh.fbx": (b"abc", r"a mesh \(\.obj"),
        "nan.ply": (write_ply(tmp_path / "n.ply", vertices * np.nan, faces, shades(vertices)).read_bytes(), "NaN"),
        "flat.ply": (write_ply(tmp_path / "f.ply", vertices * 0, faces, shades(vertices)).read_bytes(), "without area"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInput, match=message) as told:
            read_scan(tmp_path / name)
        assert name in str(told.value) and "\n" not in str(told.value)


def test_a_missing_or_oversized_texture_is_named(tmp_path: Path) -> None:
    path = write_obj(tmp_path, picture=False)
    with pytest.raises(BadInput, match=r"skin\.png .*no such file"):
        read_scan(path)
    Image.fromarray(np.zeros((4, 20_000, 3), np.uint8)).save(tmp_path / "skin.png")
    foot = read_scan(path)
    assert foot.texture is not None and foot.texture.shape == (2, 8192, 3)
    assert any("20000 x 4 px was reduced to 8192 x 2" in note for note in foot.notes)
    (tmp_path / "skin.png").write_bytes(b"not a picture at all")
    with pytest.raises(BadInput, match="a file that is no picture"):
        read_scan(path)
    (tmp_path / "skin.mtl").unlink()
    with pytest.raises(BadInput, match=r"skin\.mtl"):
        read_scan(path)


def test_too_many_triangles_are_refused_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "huge.ply"
    path.write_bytes(
        b"ply\nformat binary_little_endian 1.0\nelement vertex 3\n"
        b"property float x\nproperty float y\nproperty float z\n"
        b"element face 6000000\nproperty list uchar int vertex_indices\nend_header\n" + struct.pack("<9f", *range(9))
    )
    with pytest.raises(BadInput, match=r"5,000,000 triangles, found 6,000,000"):
        read_scan(path)


def test_names_tell_subject_and_side_where_there_is_no_table(tmp_path: Path) -> None:
    for name in ("b_R.ply", "a-left.ply", "c.ply", "d_l.ply", ".hidden_l.ply", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    found = [(scan.path.name, scan.subject, scan.side) for scan in list_scans(tmp_path)]
    assert found == [
        ("a-left.ply", "a", "left"),
        ("b_R.ply", "b", "right"),
        ("c.ply", "c", None),
        ("d_l.ply", "d", "left"),
    ]


def test_the_table_names_scans_and_its_errors_name_the_line(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    write_ply(tmp_path / "one.ply", vertices * 100, faces)
    table = tmp_path / "scans.csv"
    table.write_text("file,subject,side,units,up,licence\none.ply,Ann,left,cm,y,CC0-1.0\n")
    scan = list_scans(tmp_path)[0]
    assert (scan.subject, scan.side, scan.units, scan.up, scan.licence) == ("Ann", "left", "cm", "y", "CC0-1.0")
    assert read_scan(scan).notes == ()
    for text, message in (
        ("name\none.ply\n", "a column `file`"),
        ("file\ntwo.ply\n", "line 2.*two.ply"),
        ("file,units\none.ply,furlong\n", "line 2.*units.*furlong"),
        ("file\none.ply\none.ply\n", "line 3.*second time"),
        ("file\n", "found none"),
    ):
        table.write_text(text)
        with pytest.raises(BadInput, match=message):
            list_scans(tmp_path)


def test_the_report_goes_on_past_bad_files(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    write_ply(tmp_path / "a_left.ply", vertices * 1000, faces)
    (tmp_path / "b_left.ply").write_bytes(b"")
    write_ply(tmp_path / "c_right.ply", vertices * [-1, 1, 1], faces[:, ::-1])
    rows = scans_report(tmp_path)
    assert [row["verdict"].split(":")[0] for row in rows] == ["ok", "refused", "ok"]
    assert rows[0]["units"] == "mm" and rows[0]["up"] == "y" and rows[0]["colour"] == "vertices"
    assert rows[0]["length_mm"] == pytest.approx(1000 * np.ptp(vertices[vertices[:, 1] < 0.08, 2]), abs=0.2)
    assert rows[1]["length_mm"] is None and "0 bytes" in rows[1]["verdict"]


@pytest.mark.data
def test_a_real_scan_of_each_format_stands_on_the_floor(real_data: Path) -> None:
    for name in ("S000_left.obj", "S003_left.glb", "S007_left.ply"):
        foot = read_scan(real_data / "feet" / "scans" / name)
        assert 0.1 < foot.length_m < 0.36 and foot.side == "left" and foot.subject == name[:4]
        assert abs(foot.vertices[:, 1].min()) < 1e-6 and foot.vertices[:, 1].max() > 0.1


@pytest.mark.data
@pytest.mark.slow
def test_the_shape_alone_tells_units_axes_and_side_of_all_real_scans(real_data: Path) -> None:
    folder = real_data / "feet" / "scans"
    with (folder / "scans.csv").open(newline="") as handle:
        truth = {row["file"]: row for row in csv.DictReader(handle)}
    wrong = []
    scans = list_scans(folder)
    for scan in scans:
        foot = read_scan(replace(scan, units=None, up=None, side=None))
        told = read_scan(scan)
        row = truth[scan.path.name]
        right = (
            any(note.startswith(f"units {row['units']} ") for note in foot.notes)
            and any(note.startswith(f"up axis {row['up']} ") for note in foot.notes)
            and foot.side == row["side"]
            and np.allclose(foot.vertices, told.vertices, atol=1e-6)
        )
        if not right:
            wrong.append((scan.path.name, foot.notes))
    assert len(scans) == 150
    assert len(wrong) <= 3, wrong


def test_a_foot_whose_top_is_one_corner_is_placed_too() -> None:
    """No triangle's middle is near the top: so few triangles are left there after thinning."""
    vertices, faces = left_foot()
    drawn = vertices.copy()
    drawn[vertices[:, 1].argmax(), 1] *= 1.5
    assert drawn[faces].mean(axis=1)[:, 1].max() < 0.85 * drawn[:, 1].max()
    one, two = (place(shape, faces, where="foot.ply", units="m", up="y") for shape in (drawn, vertices))
    assert one.side_seen == two.side_seen == "left"
    assert np.abs(one.vertices - two.vertices).mean() < 0.002
