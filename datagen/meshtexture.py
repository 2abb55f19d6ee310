"""The pictures on a mesh, bounded before anything decodes them whole: a large JPEG is decoded at a part of its size."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
from pathlib import Path
from typing import Any

from trimesh.resolvers import FilePathResolver

from masksmith.errors import BadInput
from masksmith.images import IMAGE_SUFFIXES

MAX_TEXTURE_PX = 8192
"""Of a side; a larger picture is made smaller as it is read."""
MAX_TEXTURE_PIXELS = {"JPEG": 450_000_000, "other": 120_000_000}
"""A JPEG can be decoded at an eighth of its size, other formats only whole."""


_OPTIONS = re.compile(r"^(?:-[a-zA-Z]+(?:\s+(?:on|off|[-+.\d]+))*\s+)+")  # map_Kd -s 1 1 1 skin.jpg


def beside(mesh: Path, name: str) -> Path | None:
    """The file that a mesh names, beside it or in a folder below; None where there is none.

    Scanner software writes the path that the file had on its own disk (``C:\\scans\\skin.jpg``): then its name counts.
    """
    plain = _OPTIONS.sub("", name.strip()).replace("\\", "/")
    for candidate in (plain, plain.rsplit("/", 1)[-1]):
        inside = bool(candidate) and not candidate.startswith("/") and ".." not in candidate.split("/")
        if inside and (mesh.parent / candidate).is_file():
            return mesh.parent / candidate
    return None


class Pictures(FilePathResolver):
    """Finds the files that a mesh names, beside it and nowhere else, and hands out no picture beyond the bound."""

    def __init__(self, path: Path, notes: list[str]) -> None:
        super().__init__(str(path.parent))
        self._mesh, self._notes = path, notes
        self.fault: BadInput | None = None

    def get(self, name: str) -> bytes:
        """The bytes of a file; a large picture smaller, with a note.

        Raises:
            FileNotFoundError: it is not there.
        """
        place = beside(self._mesh, name)
        if place is None:
            raise FileNotFoundError(name)
        data = place.read_bytes()
        if place.suffix.lower() not in IMAGE_SUFFIXES:
            return data
        try:
            return bounded(self._mesh, data, self._notes)
        except BadInput as fault:  # trimesh goes on without the picture: it is raised once more afterwards
            self.fault = fault
            raise


def bounded(mesh: Path, data: bytes, notes: list[str]) -> bytes:
    """A picture's bytes as they are, or those of a smaller one (PNG) where it is beyond :data:`MAX_TEXTURE_PX`.

    Args:
        mesh: the file it belongs to, for messages.
        notes: a sentence is added where it was made smaller.

    Raises:
        BadInput: more pixels than :data:`MAX_TEXTURE_PIXELS`, or a large picture that cannot be decoded.
    """
    from PIL import Image, UnidentifiedImageError

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # our own limit names the file
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            if max(width, height) <= MAX_TEXTURE_PX:
                return data
            most = MAX_TEXTURE_PIXELS["JPEG" if picture.format == "JPEG" else "other"]
            if width * height > most:
                what = f"a {picture.format} texture of at most {most:,} pixels"
                raise BadInput(mesh, what, f"{width} x {height}", "make the picture smaller")
            scale = MAX_TEXTURE_PX / max(width, height)
            goal = (max(1, round(width * scale)), max(1, round(height * scale)))
            picture.draft("RGB", goal)  # an eighth, a quarter or a half, never below the goal; others ignore it
            small = io.BytesIO()
            picture.convert("RGB").resize(goal, reducing_gap=2.0).save(small, "PNG", compress_level=1)
    except UnidentifiedImageError:
        raise BadInput(mesh, "a readable texture", "a file that is no picture", "export it again") from None
    except (OSError, ValueError, SyntaxError) as fault:
        raise BadInput(mesh, "a readable texture", f"a damaged picture ({fault})", "export it again") from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    notes.append(f"the texture of {width} x {height} px was reduced to {goal[0]} x {goal[1]}")
    return small.getvalue()


def bounded_glb(mesh: Path, data: bytes, notes: list[str]) -> bytes:
    """A GLB's bytes with its large pictures made smaller; as they are where none is large.

    Raises:
        BadInput: as :func:`bounded`.
        KeyError, IndexError, TypeError, ValueError: a damaged description.
    """
    size = struct.unpack("<I", data[12:16])[0]
    tree: dict[str, Any] = json.loads(data[20 : 20 + size])
    start = 20 + size + 8  # the binary chunk's own header has 8 bytes
    changed = False
    for item in tree.get("images", []):
        if "bufferView" not in item:
            continue
        view = tree["bufferViews"][item["bufferView"]]
        first = start + int(view.get("byteOffset", 0))
        whole = data[first : first + int(view["byteLength"])]
        small = bounded(mesh, whole, notes)
        if small is not whole:
            del item["bufferView"]
            item["mimeType"] = "image/png"
            item["uri"] = "data:image/png;base64," + base64.b64encode(small).decode()
            changed = True
    if not changed:
        return data
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + size :]
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A) + text + rest
