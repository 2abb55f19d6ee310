"""Mesh files as they come: OBJ with MTL, GLB, glTF, PLY and STL into plain arrays, with nothing changed yet."""

from __future__ import annotations

import io
import json
import logging
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from datagen.meshheader import count_faces, gltf_faces, refuse_giants
from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault

SUFFIXES = (".obj", ".glb", ".gltf", ".ply", ".stl")


@dataclass(frozen=True)
class RawMesh:
    """What a file holds.

    Attributes:
        vertices: (V, 3) float64 in the file's units and axes; a vertex may stand there several times.
        faces: (F, 3) int64.
        uv: (F, 3, 2) float32, v = 0 at the texture's lowest row, or None.
        texture: (h, w, 3) uint8 RGB, or None.
        colours: (V, 3) uint8, or None.
        sha256: of the file, or over the digests of all files it is made of.
        notes: what was done to it on reading.
    """

    vertices: npt.NDArray[np.float64]
    faces: npt.NDArray[np.int64]
    uv: npt.NDArray[np.float32] | None
    texture: npt.NDArray[np.uint8] | None
    colours: npt.NDArray[np.uint8] | None
    sha256: str
    notes: tuple[str, ...] = ()


def read_mesh(path: Path) -> RawMesh:
    """Read a mesh file and the picture it names. Nothing is fetched from anywhere.

    Raises:
        BadInput: no such file, an unknown format, empty, cut off, a missing picture, too many triangles.
        EnvironmentFault: no permission to read it.
    """
    refuse_giants(path)
    data = read_bytes(path, "a mesh file")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadInput(path, f"a mesh ({', '.join(SUFFIXES)})", f"a {suffix or 'nameless'} file", "convert it first")
    linked: list[Path] = []
    if suffix == ".obj":
        linked = _check_obj(path, data)
    elif suffix == ".ply":
        linked = _check_ply(path, data)
    elif suffix in (".glb", ".gltf"):
        linked = _check_gltf(path, data)
    elif suffix == ".stl":
        _check_stl(path, data)
    notes: list[str] = []
    mesh = _load(path, data, suffix, notes)
    vertices = np.array(mesh.vertices, dtype=np.float64)
    faces = np.array(mesh.faces, dtype=np.int64)
    _count(path, len(faces))
    uv, texture, colours = _look(path, mesh, len(vertices))
    digests = [files.digest(data), *(files.sha256(extra) for extra in linked)]
    return RawMesh(
        vertices,
        faces,
        None if uv is None else uv[faces],
        texture,
        colours,
        digests[0] if len(digests) == 1 else files.digest(digests),
        tuple(notes),
    )


def read_bytes(path: Path, expected: str) -> bytes:
    """The whole file.

    Raises:
        BadInput: no such file, a folder, or empty.
        EnvironmentFault: no permission to read it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BadInput(path, expected, "no such file", "check the path") from None
    except IsADirectoryError:
        raise BadInput(path, expected, "a folder", "name a file in it") from None
    except PermissionError:
        raise EnvironmentFault(f"{path}: cannot read, no permission; change the file's rights") from None
    if not data:
        raise BadInput(path, expected, "an empty file (0 bytes)", "copy or export it again")
    return data


def _count(path: Path, number: int) -> None:
    count_faces(path, number)
    if number == 0:
        raise BadInput(path, "a mesh", "no triangles", "export the surface, not its points")


def _check_obj(path: Path, data: bytes) -> list[Path]:
    """Faces counted, the end looked at, the material files and pictures found: what trimesh passes over in silence."""
    _count(path, data.count(b"\nf ") + data.count(b"\nf\t") + data.startswith(b"f "))
    last = data.rsplit(b"\n", 1)[-1].split()
    cut = bool(last) and last[0] == b"f" and (len(last) < 4 or last[-1].endswith(b"/"))
    cut = cut or (bool(last) and last[0] == b"v" and len(last) < 4)
    if cut:
        raise cut_off(path, data)
    linked: list[Path] = []
    for line in re.findall(rb"^\s*mtllib\s+(.+?)\s*$", data, re.MULTILINE):
        material = _part(path, _text(line), "material file")
        linked.append(material)
        text = _text(read_bytes(material, f"the material file that {path.name} names"))
        for picture in re.findall(r"^\s*map_Kd\s+(.+?)\s*$", text, re.MULTILINE | re.IGNORECASE):
            linked.append(_part(path, picture, "texture", f" (named in {material.name})"))
    return linked


def _part(path: Path, name: str, what: str, who: str = "") -> Path:
    """The file that a mesh names."""
    from datagen.meshtexture import beside

    place = beside(path, name)
    if place is None:
        there = f"no such file in {path.parent.name or 'its folder'}"
        raise BadInput(path, f"its {what} {name}{who}", there, "copy it next to the mesh, or take the reference out")
    return place


def _text(data: bytes) -> str:
    """Words as the mesh's software wrote them: UTF-8, or else the Windows code page."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _check_ply(path: Path, data: bytes) -> list[Path]:
    head = data[:65536].split(b"end_header", 1)[0]
    if not data.startswith(b"ply") or b"end_header" not in data[:65536]:
        raise BadInput(path, "a PLY file", "no PLY header", "export it again")
    number = re.search(rb"element face (\d+)", head)
    if number is None:
        raise BadInput(path, "a mesh", "a point cloud without triangles", "export the surface, not its points")
    _count(path, int(number.group(1)))
    linked = []
    for name in re.findall(rb"comment TextureFile (.+?)\s*$", head, re.MULTILINE):
        linked.append(_part(path, _text(name), "texture"))
    return linked


def _check_gltf(path: Path, data: bytes) -> list[Path]:
    """The files that a GLB or glTF is made of besides itself."""
    kind = path.suffix.lower()
    text = data
    if kind == ".glb":
        if len(data) < 20 or data[:4] != b"glTF":
            raise BadInput(path, "a GLB file", "no GLB header", "export it again as binary glTF (GLB)")
        if struct.unpack("<I", data[8:12])[0] > len(data):
            raise cut_off(path, data)
        text = data[20 : 20 + struct.unpack("<I", data[12:16])[0]]
    try:
        tree: dict[str, Any] = json.loads(text)
        total = gltf_faces(tree)
        items = [*tree.get("images", []), *tree.get("buffers", [])]
        parts = [str(item.get("uri", "")) for item in items]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as fault:
        what = f"a {kind[1:].upper()} file"
        raise BadInput(path, what, f"a damaged description ({fault})", "export it again") from None
    if total:
        _count(path, total)
    linked = []
    for part in parts:
        if not part or part.startswith("data:"):
            continue
        linked.append(_part(path, unquote(part), "part"))
    return linked


def _check_stl(path: Path, data: bytes) -> None:
    """Binary: 84 bytes and 50 for each triangle. In words: begins with ``solid``, ends with ``endsolid``."""
    if len(data) >= 84 and len(data) == 84 + 50 * struct.unpack("<I", data[80:84])[0]:
        return
    if data[:5].lower() == b"solid" and b"facet" in data[:2000]:
        if b"endsolid" not in data[-200:].lower():
            raise cut_off(path, data)
        return
    printable = sum(byte in b"\t\n\r" or 32 <= byte < 127 for byte in data[:512])
    if printable >= 0.97 * min(len(data), 512):
        raise BadInput(path, "an STL file", "a text file that is no STL", "export the mesh again as STL, OBJ or PLY")
    if len(data) < 84:
        raise BadInput(path, "an STL file", f"{len(data)} bytes that are no STL", "export it again")
    promised = struct.unpack("<I", data[80:84])[0]
    raise BadInput(
        path,
        f"{84 + 50 * promised:,} bytes for the {promised:,} triangles of its header",
        f"{len(data):,} (cut off, or no STL)",
        "copy or export it again",
    )


def _load(path: Path, data: bytes, suffix: str, notes: list[str]) -> Any:
    """A trimesh.Trimesh with nothing merged or dropped."""
    import trimesh

    from datagen.meshtexture import Pictures, bounded_glb

    resolver = Pictures(path, notes)
    logging.getLogger("trimesh").setLevel(logging.CRITICAL)
    try:
        data = bounded_glb(path, data, notes) if suffix == ".glb" else data
        loaded = trimesh.load_scene(
            io.BytesIO(data), file_type=suffix[1:], resolver=resolver, process=False, allow_remote=False
        )
        if resolver.fault is not None:
            raise resolver.fault
        return loaded.to_mesh()
    except BadInput:
        raise
    except MemoryError:
        raise EnvironmentFault(f"{path}: not enough memory to read it; simplify the mesh") from None
    except Exception as fault:  # a parser meets every kind of damage with another exception
        reason = (str(fault).splitlines() or [type(fault).__name__])[0][:120]
        raise BadInput(path, "a whole mesh file", f"one that cannot be read ({reason})", "export it again") from None


def _look(path: Path, mesh: Any, count: int) -> tuple[Any, Any, Any]:
    """(uv (V, 2), texture, colours (V, 3)): a texture wins over vertex colours."""
    visual = mesh.visual
    if visual.kind == "texture" and visual.uv is not None and len(visual.uv) == count:
        material = visual.material
        picture = getattr(material, "image", None) or getattr(material, "baseColorTexture", None)
        if picture is not None:
            return np.asarray(visual.uv, np.float32), _texture(path, picture, material), None
        extra = getattr(visual, "vertex_attributes", {}).get("color")
        if extra is not None and len(extra) == count:
            return None, None, np.asarray(extra)[:, :3].astype(np.uint8)
    if visual.kind == "vertex":
        return None, None, np.array(visual.vertex_colors[:, :3], dtype=np.uint8)
    if visual.kind == "face":
        return None, None, np.array(visual.to_color().vertex_colors[:, :3], dtype=np.uint8)
    return None, None, None


def _texture(path: Path, picture: Any, material: Any) -> npt.NDArray[np.uint8]:
    try:
        texture = np.array(picture.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError) as fault:
        raise BadInput(path, "a readable texture", f"a damaged picture ({fault})", "export it again") from None
    factor = getattr(material, "baseColorFactor", None)
    if factor is not None and np.any(np.asarray(factor)[:3] != 255):
        texture = np.round(texture * (np.asarray(factor)[:3] / 255.0)).astype(np.uint8)
    return texture


def cut_off(path: Path, data: bytes) -> BadInput:
    """The error for a file that ends too early."""
    return BadInput(path, "a whole mesh file", f"one cut off after {len(data):,} bytes", "copy or export it again")
