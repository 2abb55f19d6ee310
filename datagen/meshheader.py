"""What a mesh file's first bytes say about its size, so that a giant is refused before it fills the memory."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

from masksmith.errors import BadInput

MAX_FACES = 5_000_000
MAX_POINTS = 20_000_000
MAX_BYTES = 1_500_000_000
MAX_TEXT_BYTES = 500_000_000
"""Of a format in words (OBJ, XYZ, ASCII STL), which takes several times its size to read."""
_HEAD = 65_536
_MAX_DESCRIPTION = 64_000_000
_SIMPLER = "simplify the mesh where it was made, or export it with fewer triangles"


def refuse_giants(path: Path) -> None:
    """Look at the file's size and header and read no more of it.

    Raises:
        BadInput: more than :data:`MAX_FACES` triangles, :data:`MAX_POINTS` points, or a file too long for memory.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            head = handle.read(_HEAD)
            if head[:4] == b"glTF" and len(head) >= 20:
                length = min(struct.unpack("<I", head[12:16])[0], _MAX_DESCRIPTION)
                head += handle.read(max(0, length + 20 - len(head)))
    except OSError:
        return  # the reader says what is wrong with it
    suffix = path.suffix.lower()
    faces, points = _counts(suffix, head, size)
    if faces is not None:
        count_faces(path, faces)
    if points is not None and points > MAX_POINTS and not faces:
        raise BadInput(
            path, f"at most {MAX_POINTS:,} points", f"{points:,}", "thin the points out where they were made"
        )
    in_words = suffix in (".obj", ".xyz") or (suffix == ".stl" and faces is None)
    limit = MAX_TEXT_BYTES if in_words else MAX_BYTES
    if size > limit:
        raise BadInput(path, f"a file of at most {limit // 1_000_000:,} MB", f"{size // 1_000_000:,} MB", _SIMPLER)


def count_faces(path: Path, number: int) -> None:
    """Refuse a mesh without triangles, or with more than :data:`MAX_FACES`.

    Raises:
        BadInput: either.
    """
    if number > MAX_FACES:
        raise BadInput(path, f"at most {MAX_FACES:,} triangles", f"{number:,}", _SIMPLER)


def gltf_faces(tree: dict[str, Any]) -> int:
    """The triangles that a glTF description promises.

    Raises:
        KeyError, IndexError, TypeError, ValueError, AttributeError: a damaged description.
    """
    accessors = tree.get("accessors", [])
    total = 0
    for shape in tree.get("meshes", []):
        for part in shape.get("primitives", []):
            which = part["indices"] if "indices" in part else part["attributes"]["POSITION"]
            total += int(accessors[which]["count"]) // 3
    return total


def _counts(suffix: str, head: bytes, size: int) -> tuple[int | None, int | None]:
    """(triangles, points) as the header says; None where it says nothing."""
    if suffix == ".ply":
        text = head.split(b"end_header", 1)[0]
        found = [re.search(rb"element " + what + rb" (\d+)", text) for what in (b"face", b"vertex")]
        return (int(found[0][1]) if found[0] else None, int(found[1][1]) if found[1] else None)
    if suffix == ".pcd":
        points = re.search(rb"^POINTS\s+(\d+)", head, re.MULTILINE)
        return None, int(points[1]) if points else None
    if suffix == ".stl" and len(head) >= 84:
        number = int(struct.unpack("<I", head[80:84])[0])
        return (None if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head[:84]) else number), None
    if suffix in (".glb", ".gltf"):
        try:
            if suffix == ".glb":
                length = struct.unpack("<I", head[12:16])[0]
                return gltf_faces(json.loads(head[20 : 20 + length])), None
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error):
            return None, None  # the reader says what is damaged
    return None, None
