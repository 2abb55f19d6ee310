"""Files that are too large, cut off, or not what their names say; textures of any size; glTF with its parts."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from datagen import meshheader, meshwrite
from datagen.meshfile import read_mesh
from datagen.meshtexture import MAX_TEXTURE_PX
from datagen.scans import read_scan
from datagen.surface import subdivide
from masksmith.errors import BadInput
from tests.datagen.shapes import left_foot, shades, write_obj, write_ply

PROMISED = 20_000_000


def ply_header(faces: int) -> bytes:
    return (
        b"ply\nformat binary_little_endian 1.0\nelement vertex 3\n"
        b"property float x\nproperty float y\nproperty float z\n"
        b"element face %d\nproperty list uchar int vertex_indices\nend_header\n" % faces
    )


def glb_header(faces: int) -> bytes:
    tree = {
        "asset": {"version": "2.0"},
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [{"count": 3}, {"count": 3 * faces}],
    }
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sII", b"glTF", 2, 20 + len(text)) + struct.pack("<II", len(text), 0x4E4F534A) + text


def test_twenty_million_triangles_are_refused_from_the_header_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = {
        "a.ply": ply_header(PROMISED),
        "a.stl": b"scan".ljust(80, b"\0") + struct.pack("<I", PROMISED),
        "a.glb": glb_header(PROMISED),
    }

    def untouched(path: Path, *_: object) -> bytes:
        raise AssertionError(f"{path} was read whole")

    for name, head in heads.items():
        with (tmp_path / name).open("wb") as handle:
            handle.write(head)
            handle.truncate(1_000_000_000)  # as long as the real thing, but no block of it is on the disk
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", untouched)
            with pytest.raises(BadInput, match=r"at most 5,000,000 triangles, found 20,000,000") as told:
                read_mesh(tmp_path / name)
        assert name in str(told.value)


@pytest.mark.parametrize("name, size", [("a.obj", 600_000_000), ("a.ply", 1_600_000_000)])
def test_a_file_that_would_fill_the_memory_is_refused_by_its_length(tmp_path: Path, name: str, size: int) -> None:
    with (tmp_path / name).open("wb") as handle:
        handle.write(ply_header(1000) if name.endswith("ply") else b"v 0 0 0\n")
        handle.truncate(size)
    with pytest.raises(BadInput, match=rf"MB, found {size // 1_000_000:,} MB"):
        meshheader.refuse_giants(tmp_path / name)


@pytest.mark.slow
def test_a_large_mesh_is_thinned_within_bounded_memory(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    colours = shades(vertices).astype(np.float64)
    while len(faces) < 300_000:
        vertices, faces, _, colours = subdivide(vertices, faces, None, colours)  # type: ignore[assignment]
    (tmp_path / "in").mkdir()
    write_ply(tmp_path / "in" / "big_left.ply", vertices * 1000, faces, np.round(colours).astype(np.uint8))
    code = (
        "import sys, resource; from datagen import scan_prepare as p; from masksmith import engine\n"
        "rows = p.prepare(sys.argv[1], sys.argv[2], p.Wishes(pictures=False), engine.get('serial'))\n"
        "print(rows[0]['faces_before'], rows[0]['faces'], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "in"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    before, after, peak_mb = map(int, done.stdout.split()[-3:])
    assert before > 300_000 and 39_000 < after <= 40_000
    assert peak_mb < 4000 * before / meshheader.MAX_FACES + 700  # what the largest mesh that is read may take: 4 GB


def test_a_20000_px_jpeg_texture_is_decoded_small_and_a_giant_is_refused(tmp_path: Path) -> None:
    path = write_obj(tmp_path, picture=False)
    mtl = tmp_path / "skin.mtl"
    mtl.write_text(mtl.read_text().replace("skin.png", "skin.jpg"))
    wide = np.zeros((300, 20_000, 3), np.uint8)
    wide[:, :10_000, 0], wide[:, 10_000:, 2] = 200, 200
    Image.fromarray(wide).save(tmp_path / "skin.jpg", quality=90)
    foot = read_scan(path)
    assert foot.texture is not None and foot.texture.shape == (123, MAX_TEXTURE_PX, 3)
    assert abs(int(foot.texture[60, 2000, 0]) - 200) < 12 and abs(int(foot.texture[60, 6000, 2]) - 200) < 12
    assert any("20000 x 300 px was reduced to 8192 x 123" in note for note in foot.notes)
    data = bytearray((tmp_path / "skin.jpg").read_bytes())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    (tmp_path / "skin.jpg").write_bytes(bytes(data))
    with pytest.raises(BadInput, match=r"JPEG texture of at most 450,000,000 pixels, found 60000 x 60000"):
        read_scan(path)


def test_an_stl_that_is_text_or_cut_off_is_refused_and_one_in_words_is_read(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    mesh = trimesh.Trimesh(vertices * 1000, faces, process=False)
    binary, words = mesh.export(file_type="stl"), mesh.export(file_type="stl_ascii")
    words = words.encode() if isinstance(words, str) else words
    for name, data, message in (
        ("letter.stl", b"Dear lab, the scan is attached. Kind regards\n" * 4, "a text file that is no STL"),
        ("solid.stl", b"solid ground is what this letter is about, not a mesh\n" * 4, "a text file that is no STL"),
        ("cut.stl", binary[: len(binary) // 2], rf"bytes for the {len(faces):,} triangles of its header"),
        ("cut words.stl", words[: len(words) // 2], "cut off"),
        ("empty.stl", b"", "0 bytes"),
        ("few.stl", b"\x00\x01\x02", "3 bytes that are no STL"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInput, match=message) as told:
            read_scan(tmp_path / name, skin=0.5)
        assert name in str(told.value)
    (tmp_path / "words.stl").write_bytes(words)
    assert len(read_mesh(tmp_path / "words.stl").faces) == len(faces)


@pytest.mark.parametrize(
    "named", [r"C:\Users\Zoë\scans\skin.png", "-s 1 1 1 -clamp on skin.png", "/home/lab/skin.png", "../skin.png"]
)
def test_a_texture_named_by_its_place_on_another_disk_is_found_beside_the_mesh(tmp_path: Path, named: str) -> None:
    path = write_obj(tmp_path)
    for code in ("utf-8", "cp1252"):
        (tmp_path / "skin.mtl").write_bytes(f"newmtl skin\nKd 1 1 1\nmap_Kd {named}\n".encode(code))
        foot = read_scan(path)
        assert foot.texture is not None and foot.texture.shape == (40, 80, 3)


def test_nothing_outside_the_meshs_folder_is_read(tmp_path: Path) -> None:
    inner = tmp_path / "scans"
    inner.mkdir()
    path = write_obj(inner)
    (inner / "skin.png").rename(tmp_path / "skin.png")
    (inner / "skin.mtl").write_text("newmtl skin\nKd 1 1 1\nmap_Kd ../skin.png\n")
    with pytest.raises(BadInput, match=r"its texture \.\./skin\.png \(named in skin\.mtl\), found no such file"):
        read_scan(path)


def test_gltf_is_read_with_its_parts_and_a_missing_part_is_named(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    mesh = trimesh.Trimesh(vertices, faces, vertex_colors=shades(vertices), process=False)
    for name, data in trimesh.Scene(mesh).export(file_type="gltf").items():
        (tmp_path / name.replace("model", "scan_left")).write_bytes(data)
    foot = read_scan(tmp_path / "scan_left.gltf")
    assert len(foot.faces) == len(faces) and foot.colours is not None and foot.subject == "scan"
    part = min(tmp_path.glob("*.bin"))
    part.unlink()
    with pytest.raises(BadInput, match=rf"its part {part.name}.*no such file"):
        read_scan(tmp_path / "scan_left.gltf")
    (tmp_path / "bad.gltf").write_text("{")
    with pytest.raises(BadInput, match=r"a GLTF file, found a damaged description"):
        read_scan(tmp_path / "bad.gltf")


def test_a_written_foot_comes_back_as_it_was(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    plain = read_scan(write_ply(tmp_path / "a_left.ply", vertices * 1000, faces))
    textured = read_scan(write_obj(tmp_path))
    for foot in (plain, textured):
        path = tmp_path / f"again_left{meshwrite.suffix(foot)}"
        path.write_bytes(meshwrite.encode(foot))
        again = read_scan(path, units="m", up="y")
        assert np.allclose(np.sort(again.vertices, axis=0), np.sort(foot.vertices, axis=0), atol=1e-6)
        if foot.uv is not None and again.uv is not None:
            assert again.texture is not None and foot.texture is not None
            assert again.texture.shape == foot.texture.shape
            one, two = (np.sort(f.uv.reshape(-1, 2), axis=0) for f in (again, foot))
            assert np.allclose(one, two, atol=1e-6)
        else:
            assert np.array_equal(again.colours, foot.colours)
