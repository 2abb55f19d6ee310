"""Mesh files as they come: OBJ with MTL, GLB, PLY and STL into plain arrays, with nothing changed yet."""

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

from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault

SUFFIXES = (".obj", ".glb", ".ply", ".stl")
MAX_FACES = 5_000_000
MAX_TEXTURE_PX = 8192


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
    """

    vertices: npt.NDArray[np.float64]
    faces: npt.NDArray[np.int64]
    uv: npt.NDArray[np.float32] | None
    texture: npt.NDArray[np.uint8] | None
    colours: npt.NDArray[np.uint8] | None
    sha256: str


def read_mesh(path: Path) -> RawMesh:
    """Read a mesh file and the picture it names. Nothing is fetched from anywhere.

    Raises:
        BadInput: no such file, an unknown format, empty, cut off, a missing picture, too many triangles.
        EnvironmentFault: no permission to read it.
    """
    data = _bytes(path, "a mesh file")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadInput(path, f"a mesh ({', '.join(SUFFIXES)})", f"a {suffix or 'nameless'} file", "convert it first")
    linked: list[Path] = []
    if suffix == ".obj":
        linked = _check_obj(path, data)
    elif suffix == ".ply":
        linked = _check_ply(path, data)
    elif suffix == ".glb":
        _check_glb(path, data)
    mesh = _load(path, data, suffix)
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
    )


def _bytes(path: Path, expected: str) -> bytes:
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
    if number > MAX_FACES:
        raise BadInput(path, f"at most {MAX_FACES:,} triangles", f"{number:,}", "simplify the mesh")
    if number == 0:
        raise BadInput(path, "a mesh", "no triangles", "export the surface, not its points")


def _check_obj(path: Path, data: bytes) -> list[Path]:
    """Faces counted, the end looked at, the material files and pictures found: what trimesh passes over in silence."""
    _count(path, data.count(b"\nf ") + data.count(b"\nf\t") + data.startswith(b"f "))
    last = data.rsplit(b"\n", 1)[-1].split()
    cut = bool(last) and last[0] == b"f" and (len(last) < 4 or last[-1].endswith(b"/"))
    cut = cut or (bool(last) and last[0] == b"v" and len(last) < 4)
    if cut:
        raise _cut_off(path, data)
    linked: list[Path] = []
    for line in re.findall(rb"^\s*mtllib\s+(.+?)\s*$", data, re.MULTILINE):
        material = path.parent / line.decode("utf-8", "replace")
        text = _bytes(material, f"the material file that {path.name} names").decode("utf-8", "replace")
        linked.append(material)
        for picture in re.findall(r"^\s*map_Kd\s+(?:-\S+\s+\S+\s+)*(.+?)\s*$", text, re.MULTILINE):
            place = path.parent / picture.replace("\\", "/")
            if not place.is_file():
                raise BadInput(
                    path,
                    f"its texture {picture} (named in {material.name})",
                    "no such file",
                    "copy it next to the mesh",
                )
            linked.append(place)
    return linked


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
        place = path.parent / name.decode("utf-8", "replace")
        if not place.is_file():
            raise BadInput(path, f"its texture {place.name}", "no such file", "copy it next to the mesh")
        linked.append(place)
    return linked


def _check_glb(path: Path, data: bytes) -> None:
    if len(data) < 20 or data[:4] != b"glTF":
        raise BadInput(path, "a GLB file", "no GLB header", "export it again as binary glTF (GLB)")
    if struct.unpack("<I", data[8:12])[0] > len(data):
        raise _cut_off(path, data)
    size = struct.unpack("<I", data[12:16])[0]
    try:
        tree: dict[str, Any] = json.loads(data[20 : 20 + size])
        accessors = tree.get("accessors", [])
        total = sum(
            int(accessors[part["indices"]]["count"]) // 3
            for shape in tree.get("meshes", [])
            for part in shape.get("primitives", [])
            if "indices" in part
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as fault:
        raise BadInput(path, "a GLB file", f"a damaged description ({fault})", "export it again") from None
    if total:
        _count(path, total)
    for item in [*tree.get("images", []), *tree.get("buffers", [])]:
        uri = str(item.get("uri", ""))
        if uri and not uri.startswith("data:") and not (path.parent / unquote(uri)).is_file():
            raise BadInput(path, f"its part {uri}", "no such file", "export it with everything embedded")


def _load(path: Path, data: bytes, suffix: str) -> Any:
    """A trimesh.Trimesh with nothing merged or dropped."""
    import trimesh

    resolver = trimesh.resolvers.FilePathResolver(str(path.parent))
    logging.getLogger("trimesh").setLevel(logging.CRITICAL)
    try:
        loaded = trimesh.load_scene(
            io.BytesIO(data), file_type=suffix[1:], resolver=resolver, process=False, allow_remote=False
        )
        return loaded.to_mesh()
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
    width, height = picture.size
    if max(width, height) > MAX_TEXTURE_PX:
        raise BadInput(
            path, f"a texture of at most {MAX_TEXTURE_PX} px a side", f"{width} x {height}", "make the picture smaller"
        )
    try:
        texture = np.array(picture.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError) as fault:
        raise BadInput(path, "a readable texture", f"a damaged picture ({fault})", "export it again") from None
    factor = getattr(material, "baseColorFactor", None)
    if factor is not None and np.any(np.asarray(factor)[:3] != 255):
        texture = np.round(texture * (np.asarray(factor)[:3] / 255.0)).astype(np.uint8)
    return texture


def _cut_off(path: Path, data: bytes) -> BadInput:
    return BadInput(path, "a whole mesh file", f"one cut off after {len(data):,} bytes", "copy or export it again")
