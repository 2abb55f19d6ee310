"""A scene of two boxes on a plain floor, whose every pixel is known beforehand."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from datagen import cutouts, lights, scenes, surface
from datagen.cameras import Camera
from datagen.cutouts import Cutout
from datagen.floors import Floor
from datagen.ground import Ground, prepared
from datagen.lights import Caster, Lamp
from datagen.shape import SHOE, SKIN
from datagen.surface import Surface, vertex_normals

CANVAS = 192
CAMERA = Camera(30, 50, 0.9, 4, 32, (0.01, 0.03, -0.02), CANVAS)
LAMP = Lamp(200, 45, 2)


def box(x_m: float, part: int, half: float = 0.03, height: float = 0.06) -> Surface:
    """A grey box on the floor whose middle is at (x, 0)."""
    import trimesh

    mesh = trimesh.creation.box((2 * half, height, 2 * half))
    vertices, faces = trimesh.remesh.subdivide_to_size(mesh.vertices, mesh.faces, half / 3)
    vertices = (np.asarray(vertices) + [x_m, height / 2, 0])[np.asarray(faces).ravel()]  # sides meet at sharp edges
    faces = np.arange(len(vertices)).reshape(-1, 3)
    count = len(vertices)
    return Surface(
        vertices.astype(np.float32),
        faces,
        vertex_normals(vertices, faces).astype(np.float32),
        np.full((count, 3), 0.5, np.float32),
        height,
        np.zeros(0, np.int64),
        np.full(count, part, np.uint8),
        np.ones(count, np.uint8),
    )


@cache
def boxes() -> tuple[Surface, Caster]:
    """Two boxes of skin, feet 1 and 2, and one of a shoe, foot 3."""
    body = surface.joined(surface.joined(box(-0.06, SKIN), box(0.03, SKIN)), box(0.13, SHOE))
    return body, Caster(body)


@cache
def cutout(layers: bool = True) -> Cutout:
    body, caster = boxes()
    about = {"lamp": LAMP.as_json(), "sides": ["left", "right"]}
    return cutouts.render(body, caster, lights.light(body, caster, LAMP), CAMERA, LAMP, about, layers)


def ground(value: int = 200) -> Ground:
    return prepared(Floor("plain", np.full((64, 64, 3), value, np.uint8), 1.0, "CC0-1.0", "made", "", True))


def recipe(size: int = 128, **lens: Any) -> dict[str, Any]:
    """A scene of the whole canvas, nothing drawn by chance; ``lens`` changes the lens."""
    choice = scenes.Choice([("a", 1, "S")], ["plain"])
    made = scenes.draw(0, 0, 0, choice, CANVAS, scenes.Style(size=size, effects=False))
    made["window"] = {"centre_px": [(CANVAS - 1) / 2] * 2, "side_px": float(CANVAS), "roll_deg": 0.0}
    made["effects"] = True
    made["lens"] |= lens
    return made
