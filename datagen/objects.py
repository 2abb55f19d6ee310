"""Things on floors, as light meshes: balls, boxes, bottles, cables, cushions, heaps of cloth, hands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from datagen import cloth as cloths
from datagen.cloth import Cloth
from datagen.shape import OTHER, Floats, Shape, shape, together
from datagen.sleeve import wall

_SKINS = ((0.95, 0.83, 0.75), (0.88, 0.7, 0.58), (0.76, 0.56, 0.42), (0.55, 0.37, 0.26), (0.36, 0.24, 0.17))


def ellipsoid(half_m: tuple[float, float, float], stuff: Cloth, rng: np.random.Generator, lumps: float = 0.0) -> Shape:
    """A ball, an egg, a potato: half axes in metres, and how lumpy; it lies on the floor."""
    rows, columns = 22, 34
    down = np.linspace(0, np.pi, rows)[:, None]
    turn = 2 * np.pi * np.arange(columns)[None] / columns
    radius = np.ones((rows, columns))
    for _ in range(4):
        a, b = rng.integers(1, 4, 2)
        wave = np.sin(down * a + rng.uniform(0, 6)) * np.sin(turn * b + rng.uniform(0, 6)) * np.sin(down)
        radius += lumps * rng.normal() * wave
    points = np.stack(
        [
            radius * np.sin(down) * np.sin(turn) * half_m[0],
            radius * np.cos(down) * half_m[1] * np.ones_like(turn),
            radius * np.sin(down) * np.cos(turn) * half_m[2],
        ],
        axis=-1,
    ).reshape(-1, 3)
    places = np.stack(np.broadcast_arrays(turn * half_m[0], down * half_m[1]), axis=-1).reshape(-1, 2)
    return _grounded(shape(points, wall(rows, columns, True)[:, ::-1], stuff.paint(places, rng), OTHER))


def box(sides_m: tuple[float, float, float], stuff: Cloth, rng: np.random.Generator, round_m: float = 0.004) -> Shape:
    """A box, a book, a stool, a block, with rounded edges, standing on the floor."""
    count = 11
    faces, points, places = [], [], []
    line = np.linspace(-1, 1, count)
    line = np.sign(line) * np.abs(line) ** 0.8
    half = np.array(sides_m) / 2
    u, v = np.meshgrid(line, line)
    start = 0
    for axis in range(3):
        for way in (-1, 1):
            flat = np.empty((count, count, 3))
            flat[..., axis] = way
            flat[..., (axis + 1) % 3] = u if way < 0 else -u
            flat[..., (axis + 2) % 3] = v
            inner = flat * np.maximum(half - round_m, 1e-4)
            over = flat * half - inner
            near = (np.abs(flat) > 0.999).sum(axis=2)[..., None]
            points.append((inner + over / np.sqrt(near)).reshape(-1, 3))
            places.append(np.stack([u * half[(axis + 1) % 3], v * half[(axis + 2) % 3]], -1).reshape(-1, 2))
            faces.append(wall(count, count, False)[:, ::-1] + start)
            start += count * count
    paint = stuff.paint(np.concatenate(places), rng)
    return _grounded(shape(np.concatenate(points), np.concatenate(faces), paint, OTHER))


def turned_on_a_lathe(profile_m: Floats, stuff: Cloth, rng: np.random.Generator) -> Shape:
    """A bottle, a cup, a vase, a chair's leg: (R, 2) radii and heights from the foot up."""
    columns = 30
    turn = 2 * np.pi * np.arange(columns) / columns
    points = np.stack(
        [
            profile_m[:, :1] * np.sin(turn),
            np.repeat(profile_m[:, 1:], columns, 1),
            profile_m[:, :1] * np.cos(turn),
        ],
        axis=-1,
    ).reshape(-1, 3)
    places = np.stack(np.broadcast_arrays(turn[None] * 0.05, profile_m[:, 1:]), -1).reshape(-1, 2)
    return shape(points, wall(len(profile_m), columns, True), stuff.paint(places, rng), OTHER)


def cable(path_m: Floats, radius_m: float, stuff: Cloth, rng: np.random.Generator) -> Shape:
    """A cable, a rope, a finger: a round rod along points (N, 3), its ends closed."""
    columns = 8 if radius_m < 0.005 else 16
    ahead = np.gradient(path_m, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    side = np.cross(ahead, [0.0, 1.0, 0.001])
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = np.cross(side, ahead)
    ends = np.minimum(np.arange(len(path_m)), np.arange(len(path_m))[::-1])
    thick = radius_m * np.sqrt(np.clip(1 - (1 - np.minimum(ends / 3, 1)) ** 2, 0, 1))
    turn = 2 * np.pi * np.arange(columns)[None, :, None] / columns
    ring = np.cos(turn) * side[:, None] + np.sin(turn) * up[:, None]
    points = path_m[:, None] + ring * thick[:, None, None]
    places = np.stack(np.broadcast_arrays(turn[..., 0] * radius_m, np.arange(len(path_m))[:, None] * 0.005), -1)
    return shape(
        points.reshape(-1, 3), wall(len(path_m), columns, True)[:, ::-1], stuff.paint(places.reshape(-1, 2), rng), OTHER
    )


def heap(sides_m: tuple[float, float], high_m: float, stuff: Cloth, rng: np.random.Generator, cells: int = 56) -> Shape:
    """A towel, a shirt, a blanket dropped on the floor: a wrinkled cloth, its rim on the floor."""
    line = np.linspace(-1, 1, cells)
    u, v = np.meshgrid(line, line)
    relief = wrinkles(cells, rng)
    rim = np.clip((1.05 - np.hypot(u, v) + 0.25 * relief) / 0.4, 0, 1)
    height = high_m * np.clip(0.5 + 0.27 * relief, 0.08, 1.2) * rim * rim * (3 - 2 * rim)
    slide = gaussian_filter(rng.normal(0, 1, (2, cells, cells)), (0, 5, 5)) * 0.35  # the outline is not straight
    points = np.stack([(u + slide[0]) * sides_m[0] / 2, height, (v + slide[1]) * sides_m[1] / 2], -1).reshape(-1, 3)
    places = np.stack([u * sides_m[0] * 0.8, v * sides_m[1] * 0.8], -1).reshape(-1, 2)
    paint = stuff.paint(places, rng) * (1 + 0.05 * relief.reshape(-1, 1))
    faces = wall(cells, cells, False)[:, ::-1]
    raised = (height.ravel()[faces] > 0.0008).any(axis=1)
    return shape(points, faces[raised], paint, OTHER)


def wrinkles(cells: int, rng: np.random.Generator) -> Floats:
    """(cells, cells) relief of mean 0 and deviation 1: folds that run more in one direction than in the other."""
    relief = np.zeros((cells, cells))
    for broad, long, weight in ((0.09, 2.6, 1.0), (0.045, 3.2, 0.55), (0.022, 2.0, 0.2)):
        noise = gaussian_filter(rng.normal(0, 1, (cells, cells)), (broad * cells, broad * cells * long), mode="wrap")
        noise = noise if rng.random() < 0.5 else noise.T
        ridged = 1 - np.abs(noise / max(noise.std(), 1e-9))
        relief += weight * (ridged - ridged.mean())
    relief = gaussian_filter(relief, 0.012 * cells)
    return relief / relief.std()


def hand(rng: np.random.Generator) -> Shape:
    """A hand or a glove laid on the floor: a palm and five fingers, in a skin's or in any colour."""
    skin = np.array(_SKINS[int(rng.integers(len(_SKINS)))]) * rng.uniform(0.9, 1.05)
    colour = (float(skin[0]), float(skin[1]), float(skin[2])) if rng.random() < 0.6 else cloths.any_colour(rng, 0.3)
    stuff = Cloth(colour)
    scale = rng.uniform(0.85, 1.15)
    parts = [ellipsoid((0.043 * scale, 0.016, 0.05 * scale), stuff, rng, 0.02)]
    for x, length, splay in ((-0.03, 0.062, -0.16), (-0.011, 0.072, -0.04), (0.009, 0.068, 0.06), (0.028, 0.052, 0.18)):
        reach = np.linspace(0, length * scale, 14)
        bend = rng.uniform(0, 5) * reach**2
        along = 0.03 * scale + reach
        path = np.stack([x * scale + splay * reach, 0.012 + 0.004 * np.sin(reach / 0.02) - bend * 0.2, along], -1)
        path[:, 1] = np.maximum(path[:, 1], 0.009)
        parts.append(cable(path, 0.0095 * scale, stuff, rng))
    reach = np.linspace(0, 0.06 * scale, 12)
    thumb = np.stack([0.03 * scale + 0.75 * reach, np.full(12, 0.012), -0.015 + 0.6 * reach], -1)
    parts.append(cable(thumb, 0.011 * scale, stuff, rng))
    arm = np.linspace(0, rng.uniform(0.02, 0.35), 20)
    parts.append(cable(np.stack([0.1 * arm, 0.02 + 0.2 * arm, -0.03 - arm], -1), 0.026 * scale, stuff, rng))
    return together(parts)


def _grounded(made: Shape) -> Shape:
    vertices = made.vertices.copy()
    vertices[:, 1] -= vertices[:, 1].min()
    return made.moved(vertices)


def _ball(rng: np.random.Generator) -> Shape:
    radius = float(rng.uniform(0.02, 0.12))
    return ellipsoid((radius, radius, radius), cloths.draw(rng, 0.3, 0.3), rng)


def _loaf(rng: np.random.Generator) -> Shape:
    """A potato, a bread, a stone: like a heel or a toe in size and colour."""
    skin = np.array(_SKINS[int(rng.integers(len(_SKINS)))]) * rng.uniform(0.8, 1.1)
    stuff = Cloth((float(skin[0]), float(skin[1]), float(skin[2])), pattern="heather", second=(0.4, 0.3, 0.2))
    a, b, c = rng.uniform(0.02, 0.07), rng.uniform(0.015, 0.045), rng.uniform(0.03, 0.14)
    return ellipsoid((float(a), float(b), float(c)), stuff, rng, 0.06)


def _block(rng: np.random.Generator) -> Shape:
    kind = rng.choice(["book", "box", "phone"])
    if kind == "phone":
        sides = (0.075, 0.009, 0.155)
    elif kind == "book":
        sides = (float(rng.uniform(0.1, 0.22)), float(rng.uniform(0.01, 0.05)), float(rng.uniform(0.15, 0.3)))
    else:
        a, b, c = rng.uniform(0.06, 0.35, 3)
        sides = (float(a), float(b), float(c))
    return box(sides, cloths.draw(rng, 0.3, 0.3), rng)


def _bottle(rng: np.random.Generator) -> Shape:
    wide, high = rng.uniform(0.025, 0.05), rng.uniform(0.1, 0.3)
    neck = rng.uniform(0.25, 1.0)
    t = np.linspace(0, 1, 24)
    radius = wide * (1 - (1 - neck) * np.clip((t - 0.6) / 0.2, 0, 1))
    profile = np.concatenate([[[0, 0]], np.stack([radius, t * high], -1), [[radius[-1] * 0.7, high], [0, high]]])
    return turned_on_a_lathe(profile, cloths.draw(rng, 0.25, 0.2), rng)


def _pole(rng: np.random.Generator) -> Shape:
    """The leg of a chair or table: it leaves the picture upwards."""
    radius, taper = rng.uniform(0.01, 0.04), rng.uniform(0.6, 1.4)
    t = np.linspace(0, 1, 40)
    profile = np.concatenate([[[0, 0]], np.stack([radius * (taper + (1 - taper) * t), t * 0.75], -1)])
    return turned_on_a_lathe(profile, cloths.draw(rng, 0.4, 0.1), rng)


def _wire(rng: np.random.Generator) -> Shape:
    count = 70
    turn = np.cumsum(gaussian_filter(rng.normal(0, 1, count), 6) * 0.55) + rng.uniform(0, 6)
    steps = 0.014 * np.stack([np.sin(turn), np.zeros(count), np.cos(turn)], -1)
    path = np.cumsum(steps, axis=0)
    radius = float(rng.uniform(0.0018, 0.005))
    path -= path.mean(axis=0)
    path[:, 1] = radius
    return cable(path, radius, Cloth(cloths.any_colour(rng, 0.15)), rng)


def _cushion(rng: np.random.Generator) -> Shape:
    half = (float(rng.uniform(0.1, 0.22)), float(rng.uniform(0.035, 0.08)), float(rng.uniform(0.1, 0.22)))
    made = ellipsoid((1.0, 1.0, 1.0), cloths.draw(rng, 0.5, 0.5), rng, 0.0)
    at = made.vertices - [0, 1, 0]
    flat = np.maximum(np.abs(at[:, 0]), np.abs(at[:, 2]))
    square = np.hypot(at[:, 0], at[:, 2]) / np.maximum(flat, 1e-6)  # circles become squares with pointed corners
    spread = at * np.column_stack([square, np.ones(len(at)), square]) * half
    points = spread + gaussian_filter(rng.normal(0, 0.004, spread.shape), (3, 0))
    stuff = cloths.draw(rng, 0.5, 0.5)
    return _grounded(shape(points, made.faces, stuff.paint(points[:, [0, 2]], rng), OTHER))


def _towel(rng: np.random.Generator) -> Shape:
    a, b = rng.uniform(0.15, 0.55, 2)
    return heap((float(a), float(b)), float(rng.uniform(0.02, 0.11)), cloths.draw(rng, 0.6, 0.4), rng)


MAKERS: tuple[tuple[Callable[[np.random.Generator], Shape], float], ...] = (
    (_ball, 0.1),
    (_loaf, 0.16),
    (_block, 0.14),
    (_bottle, 0.08),
    (_pole, 0.1),
    (_wire, 0.08),
    (_cushion, 0.1),
    (_towel, 0.16),
    (hand, 0.08),
)


def draw(rng: np.random.Generator) -> Shape:
    """One thing, around the origin of the floor, turned at random."""
    share = np.array([weight for _, weight in MAKERS])
    made = MAKERS[int(rng.choice(len(MAKERS), p=share / share.sum()))][0](rng)
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    at = made.vertices.copy()
    at[:, 0], at[:, 2] = (
        c * made.vertices[:, 0] + s * made.vertices[:, 2],
        -s * made.vertices[:, 0] + c * made.vertices[:, 2],
    )
    return made.moved(at)
