"""A foot as a file that any viewer opens: GLB with its texture inside, or PLY with colours at its vertices.

Both are in metres, y up, and depend on the foot alone, byte for byte.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen.foot import Foot
from masksmith import images

_TEXTURE_QUALITY = 95
_JSON, _BINARY = 0x4E4F534A, 0x004E4942
_FLOAT, _UINT = 5126, 5125
_VERTEX_DATA, _INDEX_DATA = 34962, 34963


def suffix(foot: Foot) -> str:
    """``.glb`` where it has a texture, else ``.ply``."""
    return ".glb" if foot.texture is not None else ".ply"


def encode(foot: Foot) -> bytes:
    """The bytes of the file that :func:`suffix` names."""
    return _glb(foot) if foot.texture is not None else _ply(foot)


def _ply(foot: Foot) -> bytes:
    count = len(foot.vertices)
    fields: list[tuple[Any, ...]] = [("place", "<f4", 3)]
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    head += [f"property float {axis}" for axis in "xyz"]
    if foot.colours is not None:
        fields.append(("colour", "u1", 3))
        head += [f"property uchar {name}" for name in ("red", "green", "blue")]
    head += [f"element face {len(foot.faces)}", "property list uchar int vertex_indices", "end_header", ""]
    vertices = np.zeros(count, dtype=fields)
    vertices["place"] = foot.vertices
    if foot.colours is not None:
        vertices["colour"] = foot.colours
    faces = np.zeros(len(foot.faces), dtype=[("number", "u1"), ("corners", "<i4", 3)])
    faces["number"], faces["corners"] = 3, foot.faces
    return "\n".join(head).encode("ascii") + vertices.tobytes() + faces.tobytes()


def _glb(foot: Foot) -> bytes:
    """glTF 2.0, binary; a vertex of the file is a vertex of the foot with one pair of texture coordinates."""
    if foot.texture is None or foot.uv is None:
        raise ValueError("a GLB is written for a foot with a texture")
    # v = 0 is the texture's highest row in glTF
    corners = foot.uv.reshape(-1, 2).astype(np.float32)
    corners[:, 1] = 1 - corners[:, 1]
    key = np.empty(len(corners), dtype=[("vertex", "<i4"), ("u", "<f4"), ("v", "<f4")])
    key["vertex"], key["u"], key["v"] = foot.faces.ravel(), corners[:, 0], corners[:, 1]
    split, index = np.unique(key, return_inverse=True)
    places = foot.vertices[split["vertex"]].astype("<f4")
    parts = [
        index.astype("<u4").tobytes(),
        places.tobytes(),
        np.stack([split["u"], split["v"]], axis=1).astype("<f4").tobytes(),
        images.encode_jpeg(foot.texture, _TEXTURE_QUALITY),
    ]
    views, binary = [], b""
    for data, target in zip(parts, (_INDEX_DATA, _VERTEX_DATA, _VERTEX_DATA, None), strict=True):
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)}
        views.append({**view, "target": target} if target else view)
        binary += data + b"\0" * (-len(data) % 4)
    tree = {
        "asset": {"version": "2.0", "generator": "masksmith"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 1, "TEXCOORD_0": 2}, "indices": 0, "material": 0}]}],
        "materials": [
            {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0, "roughnessFactor": 1}}
        ],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 3, "mimeType": "image/jpeg"}],
        "buffers": [{"byteLength": len(binary)}],
        "bufferViews": views,
        "accessors": [
            {"bufferView": 0, "componentType": _UINT, "count": len(index), "type": "SCALAR"},
            {"bufferView": 1, "componentType": _FLOAT, "count": len(split), "type": "VEC3", **_bounds(places)},
            {"bufferView": 2, "componentType": _FLOAT, "count": len(split), "type": "VEC2"},
        ],
    }
    text = json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), _JSON) + text + struct.pack("<II", len(binary), _BINARY) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _bounds(places: npt.NDArray[Any]) -> dict[str, list[float]]:
    return {"min": places.min(axis=0).tolist(), "max": places.max(axis=0).tolist()}
