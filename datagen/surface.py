"""The surface that is rendered: a foot's mesh made smooth, coloured per vertex, with its leg carried on upwards.

A scan ends with an open cut a hand above the ankle. Seen from above that cut would show, and no photo of a
foot has one, so the leg is continued until it leaves the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from datagen.foot import Foot

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

OTHER, SKIN, SOCK, SHOE = range(4)  # what a vertex is
NO_FOOT = 0  # the piece of what belongs to no foot

DENSE_FACES = 24_000  # colours live on vertices: about one vertex a millimetre and a half on an adult foot
LEG_TOP_M = 0.62  # how far up the leg is continued
_RING_STEP_M = 0.012


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


@dataclass(frozen=True)
class Trousers:
    """A trouser leg.

    Attributes:
        hem_m: height of its lower edge above the floor.
        width_m: distance from the skin.
        colour: (r, g, b) in [0, 1], sRGB.
        turn_up_m: height of a turn-up of a lighter shade; 0 = none.
    """

    hem_m: float
    width_m: float
    colour: tuple[float, float, float]
    turn_up_m: float = 0.0


def from_foot(
    foot: Foot,
    rng: np.random.Generator,
    lean: tuple[float, float] = (0.0, 0.0),
    trousers: Trousers | None = None,
) -> Surface:
    """Subdivide, colour, set on the floor, bend and lengthen a foot.

    Args:
        rng: decides the shape and the tint of the leg that is made up.
        lean: how far the leg leans to +x and +z a metre of height.
        trousers: drawn over the leg, or None.
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
    vertices, faces, colours, top = _lengthen(vertices, faces, colours, rng)
    skin = np.ones(len(vertices))
    if trousers is not None:
        vertices, faces, colours, skin, top = _clothed(vertices, faces, colours, top, trousers, rng)
    vertices = _bent(vertices, lean)
    return Surface(
        vertices.astype(np.float32),
        faces,
        vertex_normals(vertices, faces).astype(np.float32),
        np.clip(colours, 0, 1).astype(np.float32),
        height,
        top,
        np.where(skin > 0.5, SKIN, OTHER).astype(np.uint8),
        np.ones(len(vertices), np.uint8),
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


def vertex_normals(vertices: npt.NDArray[np.float64], faces: Ints) -> npt.NDArray[np.float64]:
    """(V, 3) unit normals, each the area-weighted mean of the faces around."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.stack(
        [np.bincount(faces.ravel(), np.repeat(across[:, k], 3), minlength=len(vertices)) for k in range(3)], axis=1
    )
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.where(length > 1e-20, summed / np.maximum(length, 1e-20), np.array([0.0, 1.0, 0.0]))


def subdivide(
    vertices: npt.NDArray[np.float64],
    faces: Ints,
    uv: npt.NDArray[np.float64] | None,
    colours: npt.NDArray[np.float64] | None,
) -> tuple[npt.NDArray[np.float64], Ints, npt.NDArray[np.float64] | None, npt.NDArray[np.float64] | None]:
    """One step of Loop subdivision (Loop 1987; boundary rules of Hoppe et al. 1994), every face into four.

    Positions follow Loop's weights; texture coordinates (F, 3, 2), which may jump at seams, and colours are
    interpolated linearly.
    """
    count = len(vertices)
    ends = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    keys, first, inverse, uses = np.unique(
        ends[:, 0] * count + ends[:, 1], return_index=True, return_inverse=True, return_counts=True
    )
    edges = ends[first]
    border = uses == 1
    opposite = faces[:, [2, 0, 1]].reshape(-1)  # the corner that faces each of the three edges
    facing = (
        np.stack([np.bincount(inverse, vertices[opposite, k], minlength=len(keys)) for k in range(3)], axis=1)
        / np.maximum(uses, 1)[:, None]
    )
    middle = vertices[edges].mean(axis=1)
    odd = np.where(border[:, None], middle, 0.75 * middle + 0.25 * facing)

    ones = np.ones(len(edges))
    around = sparse.coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(count, count))
    around = (around + around.T).tocsr()
    valence = np.asarray(around.sum(axis=1)).ravel()
    safe = np.maximum(valence, 1)
    beta = (0.625 - (0.375 + 0.25 * np.cos(2 * np.pi / safe)) ** 2) / safe
    even = (1 - beta * valence)[:, None] * vertices + beta[:, None] * (around @ vertices)
    rim = np.unique(edges[border])
    if len(rim):
        b = edges[border]
        along = sparse.coo_matrix((np.ones(len(b)), (b[:, 0], b[:, 1])), shape=(count, count))
        along = (along + along.T).tocsr()
        plain = np.asarray(along.sum(axis=1)).ravel() == 2
        even[rim] = vertices[rim]
        smooth = rim[plain[rim]]
        even[smooth] = 0.75 * vertices[smooth] + 0.125 * (along @ vertices)[smooth]

    mid = inverse.reshape(-1, 3) + count  # new vertex on the edges 01, 12, 20
    a, b, c = faces.T
    ab, bc, ca = mid.T
    children = np.stack(
        [np.stack([a, ab, ca], 1), np.stack([ab, b, bc], 1), np.stack([ca, bc, c], 1), np.stack([ab, bc, ca], 1)], 1
    ).reshape(-1, 3)
    if uv is not None:
        ua, ub, uc = uv[:, 0], uv[:, 1], uv[:, 2]
        uab, ubc, uca = (ua + ub) / 2, (ub + uc) / 2, (uc + ua) / 2
        uv = np.stack(
            [
                np.stack([ua, uab, uca], 1),
                np.stack([uab, ub, ubc], 1),
                np.stack([uca, ubc, uc], 1),
                np.stack([uab, ubc, uca], 1),
            ],
            1,
        ).reshape(-1, 3, 2)
    if colours is not None:
        colours = np.concatenate([colours, colours[edges].mean(axis=1)])
    return np.concatenate([even, odd]), children, uv, colours


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


def _clothed(
    vertices: npt.NDArray[np.float64],
    faces: Ints,
    colours: npt.NDArray[np.float64],
    top: Ints,
    trousers: Trousers,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float64], Ints, npt.NDArray[np.float64], npt.NDArray[np.float64], Ints]:
    """A second wall around the leg above the hem, with folds; the skin under it stays, out of sight."""
    skin = np.ones(len(vertices))
    covered = (vertices[faces][..., 1] > trousers.hem_m).all(axis=1)
    if not covered.any():
        return vertices, faces, colours, skin, top
    used, index = np.unique(faces[covered], return_inverse=True)
    shell = vertices[used].copy()
    normals = vertex_normals(vertices, faces)[used] * np.array([1.0, 0.0, 1.0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 0.2)
    height = shell[:, 1] - trousers.hem_m
    angle = np.arctan2(shell[:, 0] - shell[:, 0].mean(), shell[:, 2] - shell[:, 2].mean())
    folds = np.zeros(len(shell))
    for _ in range(5):
        waves, pitch = rng.integers(1, 6), rng.normal(0, 45)
        folds += rng.uniform(0.2, 1.0) * np.sin(waves * angle + pitch * height + rng.uniform(0, 2 * np.pi))
    shell += normals * (trousers.width_m * (1 + 0.25 * folds / 2))[:, None]
    low = height < 0.012  # the lowest ring follows the mesh: bring it to one line, a little wavy
    shell[low, 1] = trousers.hem_m + 0.002 * np.sin(3 * angle[low] + rng.uniform(0, 6))
    shade = 1 + 0.05 * folds[:, None] + rng.normal(0, 0.03, (len(shell), 1))
    paint = np.array(trousers.colour) * shade
    if trousers.turn_up_m:
        cuff = height < trousers.turn_up_m
        shell[cuff] += normals[cuff] * 0.004
        paint[cuff] = np.minimum(paint[cuff] * 1.25 + 0.05, 1)
    seams = np.abs(height - 0.018) < 0.003
    paint[seams] *= 0.8
    base = len(vertices)
    place = np.full(len(vertices), -1)
    place[used] = base + np.arange(len(used))
    above = place[top]
    return (
        np.concatenate([vertices, shell]),
        np.concatenate([faces, base + index.reshape(-1, 3)]),
        np.concatenate([colours, paint]),
        np.concatenate([skin, np.zeros(len(shell))]),
        np.concatenate([top, above[above >= 0]]),
    )


def _bent(vertices: npt.NDArray[np.float64], lean: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Lean the leg over the ankle: a shear that sets in softly 6 cm above the floor and leaves the foot alone."""
    rise = np.maximum(vertices[:, 1] - 0.06, 0)
    travel = rise * rise / (rise + 0.06)
    bent = vertices.copy()
    bent[:, 0] += lean[0] * travel
    bent[:, 2] += lean[1] * travel
    return bent


def _cut_loop(faces: Ints, vertices: npt.NDArray[np.float64]) -> Ints | None:
    """The longest closed boundary (the cut leg), in the order of its faces; None where the mesh is closed."""
    directed = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    count = int(faces.max()) + 1
    forward = directed[:, 0] * count + directed[:, 1]
    backward = directed[:, 1] * count + directed[:, 0]
    open_edges = directed[~np.isin(forward, backward)]
    following = dict(open_edges.tolist())
    best: list[int] = []
    while following:
        start, _ = next(iter(following.items()))
        loop = [start]
        step = following.pop(start)
        while step != start and step in following:
            loop.append(step)
            step = following.pop(step)
        if step == start and len(loop) > len(best) and vertices[loop, 1].mean() > 0.05:
            best = loop
    return np.array(best, np.int64) if len(best) >= 8 else None


def _lengthen(
    vertices: npt.NDArray[np.float64], faces: Ints, colours: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], Ints, npt.NDArray[np.float64], Ints]:
    """Continue the leg from its cut up to ``LEG_TOP_M``, widening into a calf, and close it there.

    Returns vertices, faces, colours and the indices of the new end; a mesh without a cut comes back as it was.
    """
    calf = rng.uniform(1.12, 1.4)
    tint = rng.normal(0, 0.012, 3)
    toward_foot = rng.uniform(0.2, 1.0)
    loop = _cut_loop(faces, vertices)
    if loop is None:
        return vertices, faces, colours, np.zeros(0, np.int64)
    rim = vertices[loop]
    centre = rim.mean(axis=0)
    below = vertices[(vertices[:, 1] > centre[1] - 0.05) & (vertices[:, 1] < centre[1] - 0.025)]
    axis = centre - below.mean(axis=0) if len(below) > 10 else np.array([0.0, 1.0, 0.0])
    axis = axis / max(axis[1], 1e-6)
    axis[[0, 2]] = np.clip(axis[[0, 2]], -0.35, 0.35)
    rings = max(int(np.ceil((LEG_TOP_M - centre[1]) / _RING_STEP_M)), 1)
    rise = np.arange(1, rings + 1) * _RING_STEP_M
    share = np.clip(rise / 0.2, 0, 1)
    wide = 1 + (calf - 1) * (share * share * (3 - 2 * share) - 0.5 * np.clip((rise - 0.2) / 0.2, 0, 1))
    level = np.exp(-rise / 0.03)  # the uneven rim is levelled out over a few centimetres
    straight = rise[:, None] * np.array([0.0, 1.0, 0.0])
    drift = (1 - np.exp(-rise / 0.08))[:, None] * 0.08 * axis * np.array([1.0, 0.0, 1.0])
    spread = rim - centre
    flat = spread * np.array([1.0, 0.0, 1.0])
    tall = spread * np.array([0.0, 1.0, 0.0])
    new = centre + (straight + drift)[:, None] + flat[None] * wide[:, None, None] + tall[None] * level[:, None, None]

    rim_colour = colours[loop]
    shin = colours[vertices[:, 1] > 0.05].mean(axis=0)
    goal = rim_colour.mean(axis=0) * (1 - toward_foot) + shin * toward_foot + tint
    keep = np.exp(-rise / 0.06)[:, None, None]
    speckle = rng.normal(0, 0.012, (rings, len(loop), 1))
    painted = rim_colour[None] * keep + goal * (1 - keep) + speckle

    n, base = len(loop), len(vertices)
    index = np.concatenate([loop[None], base + np.arange(rings * n).reshape(rings, n)])
    lower, upper = index[:-1], index[1:]
    beside_lower, beside_upper = np.roll(lower, -1, 1), np.roll(upper, -1, 1)
    tip = base + rings * n
    # the rim runs with its faces, so the walls on top of it run against it
    added = np.concatenate(
        [
            np.stack([beside_lower, lower, upper], -1).reshape(-1, 3),
            np.stack([beside_lower, upper, beside_upper], -1).reshape(-1, 3),
            np.stack([np.roll(index[-1], -1), index[-1], np.full(n, tip)], -1),
        ]
    )
    return (
        np.concatenate([vertices, new.reshape(-1, 3), new[-1].mean(axis=0)[None]]),
        np.concatenate([faces, added]),
        np.concatenate([colours, painted.reshape(-1, 3), goal[None]]),
        np.concatenate([index[-1], [tip]]),
    )
