"""Cutouts: a foot (or a pair) rendered once, layer by layer, ready to be placed many times.

A cutout holds colour and light apart, for the foot and for the floor under it, together with the camera that saw
them, so that a floor can be laid into the same perspective and every shadow falls where it must.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen import layers as more
from datagen import lights, sight
from datagen.cameras import Camera
from datagen.lights import Caster, Lamp, Light
from datagen.surface import Surface
from masksmith import files
from masksmith.errors import BadInput

Bytes = npt.NDArray[np.uint8]

FOOT_HEIGHT_M = 0.08  # below it is foot, above it ankle and leg
FLOOR_COARSER = 2  # floor light is stored at a fraction of the canvas, still finer than the map it comes from
_AROUND_PX = 6  # colour is kept so far beyond the outline, for resampling
# what is stored of a cutout: name -> channels, all uint8
LAYERS: dict[str, int] = {"colour": 4, "shade": 4, "floor": 2}


@dataclass(frozen=True)
class Cutout:
    """A rendered foot on an endless floor, seen by one camera.

    Attributes:
        corner: (x, y) in canvas pixels of the first pixel of ``colour`` and ``shade``; beyond them is nothing.
        colour: (h, w, 4) uint8: sRGB colour without light, filled a little beyond its edge, and coverage (255 = full).
        shade: (h, w, 4) uint8: sky light, lamp light (both 128 = 1), gloss (255 = 1), and the share of the pixel that
            skin covers (255 = all of it).
        floor: (S / 2, S / 2, 2) uint8: sky light and lamp visibility on the floor of the whole canvas, S pixels wide,
            255 = untouched.
        camera: that saw it; its floor homography lays the floor.
        about: subject, side(s), lamp, camera and the inputs' digests: all that makes it again.
        layers: depth, normals, part and piece in the pixels of ``colour``, see :mod:`datagen.layers`; None where they
            were not asked for.
    """

    corner: tuple[int, int]
    colour: Bytes
    shade: Bytes
    floor: Bytes
    camera: Camera
    about: Mapping[str, Any]
    layers: Mapping[str, npt.NDArray[Any]] | None = None

    def to_canvas(self) -> npt.NDArray[np.float64]:
        """(3, 3): pixels of ``colour`` and ``shade`` to canvas pixels."""
        return np.array([[1.0, 0, self.corner[0]], [0, 1, self.corner[1]], [0, 0, 1]])

    def floor_to_canvas(self) -> npt.NDArray[np.float64]:
        """(3, 3): pixels of ``floor`` to canvas pixels."""
        return _coarser()


def render(
    surface: Surface,
    caster: Caster,
    light: Light,
    camera: Camera,
    lamp: Lamp,
    about: Mapping[str, Any],
    layers: bool = False,
) -> Cutout:
    """See ``surface`` through ``camera``: a ray a pixel, and 4 x 4 where the distance jumps, at outlines and folds.

    ``layers`` asks for those of :mod:`datagen.layers`. ``about`` gains ``foot_share``, the share of the canvas that the
    foot below the ankle fills.
    """
    size = camera.size
    x0, y0, x1, y1 = _box(surface, camera)
    rows, columns = max(y1 - y0, 1), max(x1 - x0, 1)
    colour = np.zeros((rows, columns, 4), np.uint8)
    shade = np.zeros((rows, columns, 4), np.uint8)
    foot_share = 0.0
    if x1 > x0 and y1 > y0:
        values = _vertex_values(surface, light, camera, lamp)
        picture, primitive = sight.seen(surface, caster, values, camera, (x0, y0, x1, y1))
        hit = primitive[primitive != sight.MISS]
        low = surface.vertices[surface.faces[hit, 0], 1] < FOOT_HEIGHT_M
        foot_share = float(np.count_nonzero(low)) / size**2
        # the values go up to 255, and bytes are cut off, not rounded
        cover = picture[..., 7]
        whole = sight.spread(np.ascontiguousarray(picture[..., :6]), cover)
        colour[..., :3] = np.clip(whole[..., :3] + 0.5, 0, 255)
        colour[..., 3] = cover * 255 + 0.5
        shade[..., :3] = np.clip(whole[..., 3:] + 0.5, 0, 255)
        shade[..., 3] = picture[..., 6] * 255 + 0.5
        top, left, bottom, right = _filled(colour[..., 3])
        colour, shade = colour[top:bottom, left:right], shade[top:bottom, left:right]
        x0, y0 = x0 + left, y0 + top
    to_floor = np.linalg.inv(_coarser()) @ camera.floor_homography() @ np.linalg.inv(lights.floor_to_texel())
    maps = np.stack([light.floor_sky, light.floor_lamp], axis=-1)
    coarse = (size // FLOOR_COARSER, size // FLOOR_COARSER)
    floor = cv2.warpPerspective(maps, to_floor, coarse, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    about = {**about, "foot_share": round(foot_share, 5)}
    kept = more.seen(surface, caster, camera, (x0, y0), colour.shape[:2]) if layers else None
    return Cutout((x0, y0), colour, shade, np.rint(floor * 255).astype(np.uint8), camera, about, kept)


def _coarser() -> npt.NDArray[np.float64]:
    """(3, 3): pixels of a floor layer to canvas pixels, centre on centre."""
    shift = (FLOOR_COARSER - 1) / 2
    return np.array([[FLOOR_COARSER, 0, shift], [0, FLOOR_COARSER, shift], [0, 0, 1.0]])


def _filled(cover: Bytes) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of what is covered and a margin around it; one pixel where nothing is."""
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    if not len(rows):
        return 0, 0, 1, 1
    height, width = cover.shape
    return (
        max(int(rows[0]) - _AROUND_PX, 0),
        max(int(columns[0]) - _AROUND_PX, 0),
        min(int(rows[-1]) + _AROUND_PX + 1, height),
        min(int(columns[-1]) + _AROUND_PX + 1, width),
    )


def _box(surface: Surface, camera: Camera) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1): the pixels that the surface may cover."""
    pixels, depth = camera.project(surface.vertices)
    if depth.min() < 0.02:  # part of the leg beside or behind the camera: a box would say nothing
        return 0, 0, camera.size, camera.size
    low = np.clip(np.floor(pixels.min(axis=0)) - _AROUND_PX, 0, camera.size).astype(int)
    high = np.clip(np.ceil(pixels.max(axis=0)) + _AROUND_PX + 1, 0, camera.size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _vertex_values(surface: Surface, light: Light, camera: Camera, lamp: Lamp) -> npt.NDArray[np.float32]:
    """(V, 7): sRGB colour, sky, lamp, gloss, as a cutout stores them, and skin (0 to 1).

    Gloss is Blinn-Phong's: a broad sheen, as on skin.
    """
    _, position = camera.pose()
    view = position.astype(np.float32) - surface.vertices
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    half = view + lamp.direction.astype(np.float32)
    half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-6)
    shine = np.clip((half * surface.normals).sum(axis=1), 0, 1) ** 18
    gloss = 0.35 * surface.skin * shine * (light.lamp > 0) * np.minimum(light.lamp * 3, 1)
    stored = [surface.colours * 255, light.sky * 128, light.lamp * 128, gloss * 255]
    return np.column_stack([*stored, surface.skin]).astype(np.float32)


def _schema(layers: bool) -> pa.Schema:
    return pa.schema(
        [("about", pa.string()), *((name, pa.binary()) for name in (*LAYERS, *(more.KINDS if layers else ())))]
    )


def write(path: str | os.PathLike[str], cutouts: Iterator[Cutout], layers: bool = False) -> int:
    """Write cutouts to one Arrow file, one a record batch, atomically; returns how many.

    They are not packed: a cutout is read for every scene that shows it, and unpacking took longer than any other step
    of a simple scene. One of 448 pixels takes about a megabyte, three times of what it would packed.

    ``layers``: they have those of :mod:`datagen.layers`, which are written too.
    """
    schema = _schema(layers)
    count = 0
    with files.atomic(path, durable=False) as part, pa.ipc.new_file(os.fspath(part), schema) as sink:
        for cutout in cutouts:
            rows, columns = cutout.colour.shape[:2]
            about = {
                **cutout.about,
                "camera": cutout.camera.as_json(),
                "box": [*cutout.corner, columns, rows],
            }
            row: dict[str, list[Any]] = {"about": [json.dumps(about, sort_keys=True)]}
            for name in LAYERS:
                row[name] = [np.ascontiguousarray(getattr(cutout, name)).tobytes()]
            for name in more.KINDS if layers else ():
                row[name] = [np.ascontiguousarray((cutout.layers or {})[name]).tobytes()]
            sink.write_batch(pa.record_batch(row, schema=schema))
            count += 1
    return count


def _open(path: str | os.PathLike[str]) -> pa.ipc.RecordBatchFileReader:
    try:
        written = Path(path).stat().st_mtime_ns
    except FileNotFoundError:
        raise BadInput(
            path, "a file of cutouts", "no such file", "run the command that made the dataset again"
        ) from None
    return _reader(os.fspath(path), written)


@lru_cache(maxsize=256)
def _reader(path: str, _: int) -> pa.ipc.RecordBatchFileReader:
    try:
        return pa.ipc.open_file(pa.memory_map(path))
    except (OSError, pa.ArrowInvalid) as fault:
        raise BadInput(
            path, "a file of cutouts", f"one that cannot be read ({fault})", "delete it and run again"
        ) from None


def read(path: str | os.PathLike[str], index: int) -> Cutout:
    """The cutout at ``index`` of a file that :func:`write` made.

    Raises:
        BadInput: no such file, or damaged.
    """
    row = _open(path).get_batch(index)
    _MAPPED.seen(row.nbytes)
    about, camera, (x, y, columns, rows) = _described(row.column(0)[0].as_py())
    coarse = camera.size // FLOOR_COARSER
    stored = {
        name: _array(row, position, (coarse, coarse, channels) if name == "floor" else (rows, columns, channels), "u1")
        for position, (name, channels) in enumerate(LAYERS.items(), start=1)
    }
    layers: dict[str, npt.NDArray[Any]] | None = None
    if row.num_columns > len(LAYERS) + 1:
        layers = {
            name: _array(row, position, (rows, columns, channels), kind)
            for position, (name, (channels, kind)) in enumerate(more.KINDS.items(), start=len(LAYERS) + 1)
        }
    return Cutout(corner=(x, y), camera=camera, about=about, layers=layers, **stored)


def _array(row: pa.RecordBatch, position: int, shape: tuple[int, int, int], kind: str) -> npt.NDArray[Any]:
    """The only value of a binary column, without a copy."""
    return np.frombuffer(row.column(position).buffers()[2], kind, math.prod(shape)).reshape(shape)


@lru_cache(maxsize=1024)
def _described(text: str) -> tuple[Mapping[str, Any], Camera, tuple[int, int, int, int]]:
    """What is known of a cutout, its camera, and its box."""
    about = json.loads(text)
    camera = Camera.from_json(about.pop("camera"))
    x, y, columns, rows = about.pop("box")
    return about, camera, (x, y, columns, rows)


class _Mapped:
    """Pages of mapped files count as this process's memory: they are let go before they come to ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def seen(self, count: int) -> None:
        self.held += count
        if self.held > self.limit:
            self.held = count
            _reader.cache_clear()


_MAPPED = _Mapped(96 * 1024 * 1024)
