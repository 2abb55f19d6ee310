"""What feet wear: socks, closed shoes, sandals, slides and flip-flops, as thin walls around the foot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from datagen import cloth as cloths
from datagen import nails
from datagen import sleeve as sleeves
from datagen.cloth import Cloth, Colour
from datagen.shape import SHOE, SKIN, SOCK, Floats, Shape, kept, shape, together
from datagen.sleeve import AROUND, STEP_M, Sleeve, wall

SHOES = ("closed", "sandal", "slide", "flip-flop")
_COLUMNS = 80
_CAP = 5  # rows that close a sleeve in front of the toes
_SUNK_M = 0.003  # so deep a foot stands in the bed of a sole


@dataclass(frozen=True)
class Sock:
    """A sock.

    Attributes:
        height_m: of its upper edge above the floor; below about 9 cm it follows the bend of the ankle down.
        cloth: colours and pattern.
        tip: colour of toe, heel and cuff; None = as the rest.
        thick_m: of the cloth.
    """

    height_m: float
    cloth: Cloth
    tip: Colour | None = None
    thick_m: float = 0.002


@dataclass(frozen=True)
class Shoe:
    """A shoe.

    Attributes:
        kind: one of :data:`SHOES`.
        cloth: the upper's or the straps' colours.
        sole: the sole's colour.
        sole_m: height of the sole.
        height: how high a closed one goes: 0.5 a slipper, 0.75 a low shoe, 1 and more a boot.
        strap_m: width of straps.
    """

    kind: str
    cloth: Cloth
    sole: Colour
    sole_m: float = 0.018
    height: float = 0.75
    strap_m: float = 0.018


@dataclass(frozen=True)
class Outfit:
    """What is worn on a foot; each may be missing.

    Attributes:
        sock, shoe: around it.
        polish: the nails' colour.
    """

    sock: Sock | None = None
    shoe: Shoe | None = None
    polish: Colour | None = None


BARE = Outfit()


def draw(rng: np.random.Generator) -> Outfit:
    """Socks, shoes, or both, in the shares in which one meets them at home and outside."""
    what = rng.choice(["sock", "open", "closed", "both", "socked"], p=[0.4, 0.3, 0.12, 0.12, 0.06])
    sock = shoe = None
    if what in ("sock", "both", "socked"):
        low = rng.random() < 0.5
        tip = cloths.any_colour(rng, 0.2) if rng.random() < 0.35 else None
        height = rng.uniform(0.05, 0.11) if low else rng.uniform(0.11, 0.4)
        sock = Sock(float(height), _wool(rng), tip, float(rng.uniform(0.0012, 0.0035)))
    if what in ("open", "socked"):
        kind = SHOES[1 + int(rng.integers(3))]
        sole = cloths.any_colour(rng, 0.3)
        shoe = Shoe(kind, cloths.draw(rng, 0.4, 0.15), sole, float(rng.uniform(0.01, 0.03)))
        shoe = replace(shoe, strap_m=float(rng.uniform(0.008, 0.03)))
    if what in ("closed", "both"):
        sole = (0.92, 0.92, 0.9) if rng.random() < 0.4 else cloths.any_colour(rng, 0.2)
        height = float(rng.choice([0.5, 0.75, 1.0]) + rng.uniform(-0.05, 0.12))
        shoe = Shoe("closed", cloths.draw(rng, 0.35, 0.15), sole, float(rng.uniform(0.012, 0.03)), height)
    return Outfit(sock, shoe)


def _wool(rng: np.random.Generator) -> Cloth:
    made = cloths.draw(rng, 0.35, 0.5)
    if made.pattern == "stripes" and rng.random() < 0.8:
        made = replace(made, angle_rad=0.0)  # most socks are striped across
    return made


def dressed(foot: Shape, outfit: Outfit, side: str, rng: np.random.Generator) -> Shape:
    """The standing foot with what it wears; skin that is covered is left out, and a shoe lifts it by its sole.

    Args:
        side: ``left`` or ``right``: where the big toe is.
    """
    if outfit.polish is not None:
        foot = nails.polished(foot, side, outfit.polish)
    if outfit.sock is None and outfit.shoe is None:
        return foot
    skin = foot.vertices[foot.part == SKIN]
    body = sleeves.around(skin)
    rows = body.row(foot.vertices)
    covered = -1.0
    worn: list[Shape] = []
    top = 0.0
    if outfit.sock is not None:
        top = _edge(body, outfit.sock.height_m)
        worn.append(_sock(body, outfit.sock, top, rng))
        covered = top
    shoe = outfit.shoe
    lift = 0.0
    if shoe is not None:
        over = 0.0 if outfit.sock is None else outfit.sock.thick_m
        lift = shoe.sole_m - _SUNK_M
        if shoe.kind == "closed":
            edge = body.fan[0] + shoe.height * (body.fan[1] - body.fan[0])
            worn.append(_upper(body, shoe, edge, over, rng))
            covered = max(covered, edge)
        else:
            worn += [_strap(body, shoe, path, over, rng) for path in _straps(body, shoe, side, rng)]
    out = (foot.part == SKIN) & (rows < covered - 2)
    left = kept(foot, ~out[foot.faces].all(axis=1))
    whole = together([left, *worn])
    whole = whole.moved(whole.vertices + np.array([0.0, lift, 0.0]))
    return whole if shoe is None else together([whole, _sole(body, shoe)])


def _edge(body: Sleeve, height_m: float) -> float:
    """The row at which a sock of this height ends: on the leg, or on the bend for a low one."""
    if height_m >= body.bend[0]:
        return min(body.row_at_height(height_m), len(body.grid) - 2.0)
    first, last = body.fan
    return first + (0.45 + 0.5 * float(np.clip((height_m - 0.05) / 0.05, 0, 1))) * (last - first)


def _tube(body: Sleeve, top: float, offset: Floats, toe_m: float) -> tuple[Floats, Floats]:
    """A closed tip and a wall up to row ``top``: points (R, C, 3), and rows (R,) of the sleeve.

    Args:
        offset: (R, C) metres, with R = ``_CAP`` + what :func:`_tube_rows` gives.
    """
    rows = _tube_rows(top)
    columns = np.arange(_COLUMNS) * AROUND / _COLUMNS
    points = body.at(rows[:, None], columns[None], offset[_CAP:])
    first = body.at(np.zeros((1, 1)), columns[None], offset[_CAP : _CAP + 1])[0]
    middle = first.mean(axis=0)
    turn = np.linspace(0, np.pi / 2, _CAP + 1)[:-1]
    cap = np.stack([middle + (first - middle) * np.sin(a) + np.array([0, 0, toe_m * np.cos(a)]) for a in turn])
    points = np.concatenate([cap, points])
    points[..., 1] = np.maximum(points[..., 1], 0.0)
    return points, np.concatenate([np.zeros(_CAP), rows])


def _tube_rows(top: float) -> Floats:
    return np.linspace(0.0, top, max(int(top / 0.8), 8))


def _sock(body: Sleeve, sock: Sock, top: float, rng: np.random.Generator) -> Shape:
    rows = _tube_rows(top)
    count = _CAP + len(rows)
    where = np.concatenate([np.zeros(_CAP), rows])[:, None]
    turn = 2 * np.pi * np.arange(_COLUMNS)[None] / _COLUMNS
    folds = np.zeros((count, _COLUMNS))
    for _ in range(5):  # creases at the bend of the ankle, and slack above it
        pitch, waves = rng.uniform(0.5, 1.3), rng.integers(0, 3)
        folds += rng.uniform(0.2, 1) * np.sin(pitch * where + waves * turn + rng.uniform(0, 6))
    slack = 0.25 + np.exp(-(((where - body.fan[1]) / 10) ** 2))
    offset = sock.thick_m * (1 + 0.3 * slack * folds)
    cuff = where > top - rng.uniform(4, 9)
    ribs = 0.25 * np.sin(turn * _COLUMNS / 4)
    offset = offset + cuff * sock.thick_m * (0.35 + ribs)
    points, _ = _tube(body, top, offset, 0.004)
    # the upper edge turns in, so that the cloth has a thickness
    rim = body.at(np.full((1, 1), top - 0.3), np.arange(_COLUMNS)[None] * AROUND / _COLUMNS, 0.0002)
    points = np.concatenate([points, rim])
    points[..., 1] = np.maximum(points[..., 1], 0.0)
    along = np.concatenate([np.interp(where[:, 0], np.arange(len(body.along_m)), body.along_m), [body.along_m[-1]]])
    u = (np.arange(_COLUMNS) / _COLUMNS - 0.5) * 0.24
    places = np.stack(np.broadcast_arrays(u[None], along[:, None]), axis=-1).reshape(-1, 2)
    paint = sock.cloth.paint(places, rng).reshape(count + 1, _COLUMNS, 3)
    if sock.tip is not None:
        tip = np.array(sock.tip)
        heel = (np.abs(np.arange(_COLUMNS) - _COLUMNS / 2) < 0.2 * _COLUMNS) & (
            np.abs(where - body.fan[0] - 0.62 * (body.fan[1] - body.fan[0])) < 4
        )
        marked = (where < 7) | heel | cuff
        paint[:count][marked] = tip * (1 + rng.normal(0, 0.02, (int(marked.sum()), 1)))
    paint[:count] *= (1 + 0.04 * folds)[..., None]
    return shape(points.reshape(-1, 3), wall(count + 1, _COLUMNS, True), paint.reshape(-1, 3), SOCK)


def _upper(body: Sleeve, shoe: Shoe, top: float, over: float, rng: np.random.Generator) -> Shape:
    """The upper of a closed shoe, with its collar turned in; laces on most."""
    rows = _tube_rows(top)
    count = _CAP + len(rows)
    where = np.concatenate([np.zeros(_CAP), rows])[:, None]
    column = np.arange(_COLUMNS)[None]
    offset = np.full((count, _COLUMNS), 0.006 + over) + 0.004 * np.exp(-where / 6)
    offset += 0.004 * np.clip((where - top + 5) / 5, 0, 1)
    points, _ = _tube(body, top, offset, rng.uniform(0.006, 0.02))
    collar = body.at(
        np.array([[top - 0.2], [top - 2.5]]), column * AROUND / _COLUMNS, np.array([[0.0025 + over], [0.0012 + over]])
    )
    points = np.concatenate([points, collar])
    points[..., 1] = np.maximum(points[..., 1], 0.0)
    along = np.concatenate([np.interp(where[:, 0], np.arange(len(body.along_m)), body.along_m), np.zeros(2)])
    u = (column[0] / _COLUMNS - 0.5) * 0.26
    paint = shoe.cloth.paint(np.stack(np.broadcast_arrays(u[None], along[:, None]), -1).reshape(-1, 2), rng)
    paint = paint.reshape(count + 2, _COLUMNS, 3)
    first, last = body.fan
    beside = np.minimum(column, _COLUMNS - column)
    if rng.random() < 0.5:  # another colour on toe and heel
        ends = (where < rng.uniform(5, 10)) | ((beside > 0.3 * _COLUMNS) & (where > first + 0.4 * (last - first)))
        paint[:count][ends] = cloths.any_colour(rng, 0.2)
    if shoe.height > 0.6 and rng.random() < 0.7:
        tongue = (beside < 0.07 * _COLUMNS) & (where > 0.45 * first) & (where < first + 0.5 * (last - first))
        lace = tongue & (np.sin(where * 2.2) > 0.2)
        paint[:count][tongue] *= 0.7
        paint[:count][lace] = rng.choice([[0.92, 0.92, 0.9], [0.1, 0.1, 0.1]])
    paint[count:] *= 0.6
    return shape(points.reshape(-1, 3), wall(count + 2, _COLUMNS, True), paint.reshape(-1, 3), SHOE)


def _straps(body: Sleeve, shoe: Shoe, side: str, rng: np.random.Generator) -> list[tuple[Floats, Floats, float]]:
    """(rows, columns, width_m) of the middle line of each strap."""
    ball = body.fan[0]
    line = np.linspace(-1, 1, 33)
    reach = 20.5  # so many columns from the instep down to the sole
    if shoe.kind == "slide":
        return [(np.full(33, ball * rng.uniform(0.5, 0.66)), reach * line, rng.uniform(0.045, 0.085))]
    if shoe.kind == "flip-flop":
        inner = float(rng.uniform(5, 8)) * (-1 if side == "left" else 1)
        down = np.linspace(0, 1, 17)
        root, end = 0.24 * ball, ball * rng.uniform(0.85, 1.0)
        rows = root + (end - root) * down**0.8
        return [(rows, inner + (way * reach - inner) * down**1.3, shoe.strap_m * 0.7) for way in (-1, 1)]
    first, last = body.fan
    found = [(np.full(33, ball * share), reach * line, shoe.strap_m) for share in (0.36, 0.7)[int(rng.integers(2)) :]]
    if rng.random() < 0.5:  # crossed over the instep
        slope = 0.16 * ball
        found += [(0.62 * ball + way * slope * line, reach * line, shoe.strap_m * 0.8) for way in (-1, 1)]
    ankle = first + rng.uniform(0.8, 0.98) * (last - first)
    if rng.random() < 0.75:
        found.append((np.full(65, ankle), np.linspace(0, AROUND, 65), shoe.strap_m * 0.8))
        for way in (-1, 1):
            rise = np.linspace(0, 1, 13)
            found.append((ankle - rise * 0.45 * (last - first), way * (24 - 2 * rise), shoe.strap_m * 0.7))
    return found


def _strap(
    body: Sleeve, shoe: Shoe, path: tuple[Floats, Floats, float], over: float, rng: np.random.Generator
) -> Shape:
    rows, columns, width = path
    across = np.array([-1.0, -0.94, -0.4, 0.4, 0.94, 1.0])
    high = np.array([0.0014, 0.0032, 0.0036, 0.0036, 0.0032, 0.0014]) + over
    # a strap is as wide along the foot as across its own line
    slope = np.gradient(rows * STEP_M) / np.maximum(np.abs(np.gradient(columns * 0.0038)), 1e-4)
    steep = np.clip(np.abs(slope), 0, 3)
    dr = width / 2 / STEP_M / np.sqrt(1 + steep**2)
    dc = width / 2 / 0.0038 * np.sign(-slope) * steep / np.sqrt(1 + steep**2)
    r = rows[None] + across[:, None] * dr[None]
    c = columns[None] + across[:, None] * dc[None]
    points = body.at(r, c, np.broadcast_to(high[:, None], r.shape))
    points[..., 1] = np.maximum(points[..., 1], -0.004)
    places = np.stack([c.ravel() * 0.0038, r.ravel() * STEP_M], axis=-1)
    paint = shoe.cloth.paint(places, rng).reshape(*r.shape, 3)
    paint[[0, 1, -2, -1]] *= 0.85
    faces = wall(len(across), len(rows), False)
    return shape(points.reshape(-1, 3), faces, paint.reshape(-1, 3), SHOE)


def _sole(body: Sleeve, shoe: Shoe) -> Shape:
    """A slab with the outline of the foot, a little larger, under it."""
    low = body.grid.reshape(-1, 3)
    low = low[low[:, 1] < 0.03][:, [0, 2]]
    middle = (low.min(axis=0) + low.max(axis=0)) / 2
    turn = 2 * np.pi * np.arange(96) / 96
    way = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    support = ((low - middle) @ way.T).max(axis=0) + (0.009 if shoe.kind == "closed" else 0.006)
    facing = way @ way.T
    reach = np.where(facing > 0.03, support[None] / np.maximum(facing, 0.03), np.inf).min(axis=1)
    reach = gaussian_filter1d(reach, 1.6, mode="wrap")
    outline = reach[:, None] * way
    t = shoe.sole_m
    rings = [(0.0, 0.0), (0.97, 0.0), (1.0, 0.003), (1.0, 0.5 * t), (1.0, t - 0.002), (0.985, t)]
    rings += [(share, t) for share in (0.93, 0.8, 0.6, 0.4, 0.2, 0.0)]  # fine enough to take the foot's shade
    points = np.stack(
        [
            np.column_stack([middle[0] + s * outline[:, 0], np.full(96, y), middle[1] + s * outline[:, 1]])
            for s, y in rings
        ]
    )
    paint = np.broadcast_to(np.array(shoe.sole), points.shape).copy()
    paint[6:] *= 0.85
    return shape(points.reshape(-1, 3), wall(len(rings), 96, True), paint.reshape(-1, 3), SHOE)
