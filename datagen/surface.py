"""The surface that is rendered: a foot's mesh made smooth, coloured per vertex, with its leg carried on upwards.

A scan ends with an open cut a hand above the ankle. Seen from above that cut would show, and no photo of a
foot has one, so the leg is continued until it leaves the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from datagen import clothing, leg
from datagen import trousers as cloth
from datagen.clothing import BARE, Outfit
from datagen.foot import Foot
from datagen.leg import LEG_TOP_M as LEG_TOP_M
from datagen.shape import NO_FOOT as NO_FOOT
from datagen.shape import OTHER as OTHER
from datagen.shape import SHOE as SHOE
from datagen.shape import SKIN as SKIN
from datagen.shape import SOCK as SOCK
from datagen.shape import Bytes, Ints, Shape
from datagen.shape import vertex_normals as vertex_normals
from datagen.subdivision import subdivide as subdivide
from datagen.trousers import Trousers as Trousers

Floats = npt.NDArray[np.float32]

DENSE_FACES = 24_000  # colours live on vertices: about one vertex a millimetre and a half on an adult foot


@dataclass(frozen=True)
class Surface:
    """A triangle mesh ready for the ray caster.

    Attributes:
        vertices: (V, 3) float32, metres, y up, floor at y = 0.
        faces: (F, 3) int64.
        normals: (V, 3) float32, unit, outward.
        colours: (V, 3) float32 in [0, 1], sRGB.
        height_m: where the scan itself ends; above it the leg is made up.
        top: (T,) int64, the vertices of the made-up leg's upper end, which no camera should see.
        part: (V,) uint8, what a vertex is: ``OTHER`` (trousers, objects), ``SKIN``, ``SOCK`` or ``SHOE``.
        piece: (V,) uint8, which foot it belongs to: 1, 2, ...; ``NO_FOOT`` for an object.
    """

    vertices: Floats
    faces: Ints
    normals: Floats
    colours: Floats
    height_m: float
    top: Ints
    part: Bytes
    piece: Bytes

    @property
    def skin(self) -> Floats:
        """(V,) float32, 1 on skin and 0 on everything else."""
        return (self.part == SKIN).astype(np.float32)


def from_foot(
    foot: Foot,
    rng: np.random.Generator,
    lean: tuple[float, float] = (0.0, 0.0),
    trousers: Trousers | None = None,
    outfit: Outfit = BARE,
    top_m: float = LEG_TOP_M,
) -> Surface:
    """Subdivide, colour, set on the floor, bend and lengthen a foot.

    Args:
        rng: decides the shape and the tint of the leg that is made up.
        lean: how far the leg leans to +x and +z a metre of height.
        trousers: drawn over the leg, or None.
        outfit: socks, shoes, and paint on nails or skin.
        top_m: how far up the leg is continued.
    """
    vertices = foot.vertices.astype(np.float64)
    faces = foot.faces.astype(np.int64)
    uv = None if foot.uv is None else foot.uv.astype(np.float64)
    colours = None if foot.colours is None else foot.colours.astype(np.float64) / 255.0
    while len(faces) < DENSE_FACES:
        vertices, faces, uv, colours = subdivide(vertices, faces, uv, colours)
    if colours is None:
        if foot.texture is None or uv is None:
            raise ValueError("a foot needs colours or a texture with coordinates")
        colours = _colours_from_texture(len(vertices), faces, uv, foot.texture)
    vertices = _stand(vertices)
    height = float(vertices[:, 1].max())
    made = leg.lengthened(vertices, faces, colours, rng, top_m)
    if trousers is not None:
        made = cloth.put_on(made, trousers, rng)
    if outfit != BARE:
        made = clothing.dressed(made, outfit, foot.side, rng)
    return finished(made.moved(_bent(made.vertices, lean)), height)


def finished(made: Shape, height_m: float = 0.0, piece: int = 1) -> Surface:
    """The shape ready to be rendered, all of it of one foot, or of none (``NO_FOOT``)."""
    return Surface(
        made.vertices.astype(np.float32),
        made.faces,
        vertex_normals(made.vertices, made.faces).astype(np.float32),
        np.clip(made.colours, 0, 1).astype(np.float32),
        height_m,
        made.top,
        made.part,
        np.full(len(made.vertices), piece, np.uint8),
    )


def mirrored(surface: Surface) -> Surface:
    """The same foot of the other side."""
    flip = np.array([-1, 1, 1], np.float32)
    return replace(
        surface, vertices=surface.vertices * flip, faces=surface.faces[:, ::-1].copy(), normals=surface.normals * flip
    )


def placed(surface: Surface, yaw_rad: float, x_m: float, z_m: float) -> Surface:
    """The surface turned about the vertical axis by ``yaw_rad`` and moved along the floor."""
    c, s = np.float32(np.cos(yaw_rad)), np.float32(np.sin(yaw_rad))
    vertices, normals = surface.vertices.copy(), surface.normals.copy()
    for out, source in ((vertices, surface.vertices), (normals, surface.normals)):
        out[:, 0] = c * source[:, 0] + s * source[:, 2]
        out[:, 2] = -s * source[:, 0] + c * source[:, 2]
    vertices[:, 0] += np.float32(x_m)
    vertices[:, 2] += np.float32(z_m)
    return replace(surface, vertices=vertices, normals=normals)


def joined(first: Surface, second: Surface) -> Surface:
    """Two surfaces as one; the feet of the second are counted on from those of the first."""
    pieces = int(first.piece.max(initial=NO_FOOT))
    return Surface(
        np.concatenate([first.vertices, second.vertices]),
        np.concatenate([first.faces, second.faces + len(first.vertices)]),
        np.concatenate([first.normals, second.normals]),
        np.concatenate([first.colours, second.colours]),
        max(first.height_m, second.height_m),
        np.concatenate([first.top, second.top + len(first.vertices)]),
        np.concatenate([first.part, second.part]),
        np.concatenate([first.piece, np.where(second.piece == NO_FOOT, NO_FOOT, second.piece + pieces)]).astype(
            np.uint8
        ),
    )


def _colours_from_texture(
    count: int, faces: Ints, uv: npt.NDArray[np.float64], texture: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    """(V, 3): the texture at each corner, averaged over the corners that meet in a vertex."""
    import cv2

    height, width = texture.shape[:2]
    x = (uv[..., 0].ravel() * width - 0.5).astype(np.float32)
    y = ((1 - uv[..., 1].ravel()) * height - 0.5).astype(np.float32)
    picked = np.empty((len(x), 3))
    for start in range(0, len(x), 30_000):  # cv2.remap takes at most 32767 a side
        part = slice(start, start + 30_000)
        picked[part] = cv2.remap(texture, x[part], y[part], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).reshape(-1, 3)
    corner = faces.ravel()
    total = np.stack([np.bincount(corner, picked[:, k], minlength=count) for k in range(3)], axis=1)
    return total / np.maximum(np.bincount(corner, minlength=count), 1)[:, None] / 255.0


def _stand(vertices: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Press the sole a little into the floor: living feet touch with an area, not with a point."""
    low = vertices[:, 1].min()
    pressed = vertices.copy()
    pressed[:, 1] = np.maximum(vertices[:, 1] - low - 0.0015, 0.0)
    return pressed


def _bent(vertices: npt.NDArray[np.float64], lean: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Lean the leg over the ankle: a shear that sets in softly 6 cm above the floor and leaves the foot alone."""
    rise = np.maximum(vertices[:, 1] - 0.06, 0)
    travel = rise * rise / (rise + 0.06)
    bent = vertices.copy()
    bent[:, 0] += lean[0] * travel
    bent[:, 2] += lean[1] * travel
    return bent
