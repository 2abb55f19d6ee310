"""Floors made of numbers: wood, tile, carpet, concrete, stone and grass, seen from straight above.

Each maker returns a seamless (S, S, 3) float32 picture in 0..255 and the width that it shows in metres, so that a
foot of 25 cm lies on planks of 12 and not of 60 cm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen.noise import Field, cells, cloud, mix, relief, sample, soft, step

Array = npt.NDArray[Any]
Rng = np.random.Generator
_MARGIN = 16  # OpenCV draws lines less smoothly at the very border of a picture

_WOODS = (  # early wood, late wood
    ((205, 170, 124), (158, 116, 72)),  # oak
    ((224, 188, 132), (184, 132, 74)),  # pine
    ((118, 84, 60), (70, 46, 34)),  # walnut
    ((176, 166, 154), (128, 118, 108)),  # grey ash
    ((172, 102, 66), (112, 58, 36)),  # cherry
    ((216, 208, 194), (184, 172, 154)),  # whitewashed
    ((84, 66, 54), (46, 35, 29)),  # smoked
    ((216, 172, 130), (186, 138, 96)),  # beech
    ((150, 116, 82), (98, 70, 46)),  # old oak
)
_TILES = (
    (226, 222, 214), (206, 196, 180), (182, 160, 136), (150, 144, 138), (112, 112, 114), (74, 76, 80),
    (166, 98, 70), (196, 172, 142), (232, 232, 234), (134, 140, 143), (146, 122, 100), (208, 206, 198),
)  # fmt: skip
_CARPETS = (
    (168, 156, 140), (122, 118, 116), (84, 86, 92), (146, 120, 96), (196, 186, 170), (70, 78, 104),
    (112, 58, 54), (86, 100, 84), (58, 56, 58), (152, 132, 122), (180, 160, 128), (98, 112, 124),
)  # fmt: skip
_STONES = ((150, 146, 140), (126, 122, 120), (170, 156, 136), (112, 110, 112), (146, 126, 106), (184, 178, 168))


def wood(rng: Rng, size: int) -> tuple[Array, float]:
    """Planks or mosaic parquet with rings, fibres, pores and a few knots."""
    along, across, plank, edge, metres, count = _mosaic(rng, size) if rng.random() < 0.25 else _planks(rng, size)
    pixel = metres / size
    early, late = (np.array(c, np.float32) for c in _WOODS[rng.integers(len(_WOODS))])
    shift = rng.random((2, count)).astype(np.float32) * size
    rows, columns = across / pixel + shift[0][plank], along / pixel + shift[1][plank]
    hills = cloud(rng, size, fall=3.5, high=24, stretch=(1.0, 5.0))
    fibres = cloud(rng, size, fall=0.6, low=10, stretch=(1.0, 34.0))
    bend = sample(hills, rows, columns)
    # rings: nearly straight lines, or the long arches of a flat-sawn board
    heart = rng.normal(0, 0.06, count).astype(np.float32)[plank]
    middle = rng.normal(0, 0.5, count).astype(np.float32)[plank]
    slope = np.where(rng.random(count) < 0.6, rng.uniform(0.03, 0.12, count), 0).astype(np.float32)[plank]
    distance = np.sqrt((across - heart) ** 2 + (slope * (along - middle)) ** 2)
    knot_pull, knot_core = _knots(rng, along, across, plank, count)
    width = rng.uniform(0.006, 0.014)
    phase = distance / width + bend * rng.uniform(0.5, 1.1) + knot_pull
    part = phase - np.floor(phase)
    ring = step(part, 0.1, 0.82) * (1 - step(part, 0.86, 1.0))
    ring = ring * (0.55 + 0.45 * np.clip(0.5 + 0.4 * sample(hills, columns, rows), 0, 1))
    grain = sample(fibres, rows, columns)
    # one number a pixel for how late the wood is and one for how dark: colours come last, once
    lateness = np.clip(rng.uniform(0.35, 0.75) * ring + 0.10 * grain + 0.12 + knot_core, 0, 1.2)
    pores = step(grain, 1.3, 2.6) * np.float32(rng.uniform(0.2, 0.5))
    dark = (1 - 0.45 * pores) * (1 - 0.4 * knot_core)
    spread = rng.uniform(0.03, 0.11)
    tone = np.clip(rng.normal(1, spread, count), 0.72, 1.25)
    dark *= tone.astype(np.float32)[plank]
    warmth = np.clip(rng.normal(0, spread * 0.35, count), -0.05, 0.05).astype(np.float32)[plank]
    gap = rng.uniform(0.0002, 0.0009)
    dark *= 1 - (1 - step(edge, gap, gap + 1.1 * pixel)) * np.float32(rng.uniform(0.35, 0.75))
    dark *= 1 + 0.06 * (step(edge, 1.5 * pixel, 3 * pixel) - step(edge, 3 * pixel, 5 * pixel))
    dark *= 1 + 0.035 * cloud(rng, size, fall=2.6, high=12)
    picture = np.empty((size, size, 3), np.float32)
    for channel, warm in enumerate((1.0, 0.1, -1.0)):
        tint = dark * (1 + np.float32(warm) * warmth)
        picture[..., channel] = (early[channel] + (late[channel] - early[channel]) * lateness) * tint
    if rng.random() < 0.5:
        picture = picture.transpose(1, 0, 2)
    return picture, metres


def _planks(rng: Rng, size: int) -> tuple[Array, Array, Array, Array, float, int]:
    """(along, across, plank number, distance to the plank's edge, width of the whole, planks), all in metres."""
    width = float(rng.choice([0.065, 0.09, 0.12, 0.14, 0.18, 0.2]))
    rows = max(6, 2 * round(rng.uniform(1.1, 1.7) / width / 2))
    metres = width * rows
    joints = 1 if width > 0.1 else int(rng.integers(1, 4))
    length = metres / joints
    place = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(metres / size)
    row = np.minimum((place / width).astype(np.int32), rows - 1)
    start = (rng.random(rows) * length).astype(np.float32)
    shifted = np.mod(place[None] - start[row][:, None], metres)
    number = np.minimum((shifted / length).astype(np.int32), joints - 1)
    along = shifted - (number + 0.5) * np.float32(length)
    across = np.repeat((place - (row + 0.5) * np.float32(width))[:, None], size, axis=1)
    edge = np.minimum(width / 2 - np.abs(across), length / 2 - np.abs(along))
    return along, across, row[:, None] * joints + number, edge, metres, rows * joints


def _mosaic(rng: Rng, size: int) -> tuple[Array, Array, Array, Array, float, int]:
    """Squares of parallel strips, turned by 90 degrees from one to the next."""
    strips, blocks = int(rng.integers(4, 7)), 2 * int(rng.integers(2, 5))
    block = float(rng.uniform(0.13, 0.3))
    metres, width = block * blocks, block / strips
    place = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(metres / size)
    number = np.minimum((place / block).astype(np.int32), blocks - 1)
    inside = place - (number + 0.5) * np.float32(block)
    turned = (number[:, None] + number[None]) % 2 == 1
    along = np.where(turned, inside[:, None], inside[None])
    side = np.where(turned, inside[None], inside[:, None])
    strip = np.clip(((side + block / 2) / width).astype(np.int32), 0, strips - 1)
    across = side + np.float32(block / 2) - (strip + 0.5) * np.float32(width)
    plank = (number[:, None] * blocks + number[None]) * strips + strip
    edge = np.minimum(width / 2 - np.abs(across), block / 2 - np.abs(along))
    return along, across, plank, edge, metres, blocks * blocks * strips


def _knots(rng: Rng, along: Field, across: Field, plank: Array, count: int) -> tuple[Field, Field]:
    """(how far rings are pushed aside, how much of a pixel is knot)."""
    has = rng.random(count) < rng.uniform(0.0, 0.25)
    if count > 60 or not has.any():  # strips of parquet are cut without knots
        return np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
    place = np.where(has, rng.uniform(-0.35, 0.35, count), 9.0).astype(np.float32)[plank]
    aside = rng.uniform(-0.03, 0.03, count).astype(np.float32)[plank]
    radius = rng.uniform(0.004, 0.012, count).astype(np.float32)[plank]
    squared = ((along - place) / (radius * 1.5)) ** 2 + ((across - aside) / radius) ** 2
    pull = 5.0 / (1 + squared * 0.35) ** 1.2
    return np.asarray(pull, np.float32), np.asarray(np.exp(-squared * 0.9) * 0.85, np.float32)


def tile(rng: Rng, size: int) -> tuple[Array, float]:
    """Ceramic or stone tiles with grout, bevelled edges, veins or speckle; square, in bond, or chequered."""
    side = float(rng.choice([0.1, 0.15, 0.2, 0.3, 0.33, 0.45, 0.6]))
    rows = max(2, 2 * round(rng.uniform(0.9, 1.5) / side / 2))
    long = side <= 0.33 and rng.random() < 0.3
    columns = max(2, rows // 2) if long else rows
    metres = side * rows
    pixel = metres / size
    place = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(metres / size)
    row = np.minimum((place / side).astype(np.int32), rows - 1)
    length = metres / columns
    bond = length / 2 if long or rng.random() < 0.15 else 0.0
    moved = np.mod(place[None] + (row % 2)[:, None] * np.float32(bond), metres)
    column = np.minimum((moved / length).astype(np.int32), columns - 1)
    wobble = 0.0002 * cloud(rng, size, fall=1.5, low=8, high=90)
    down = np.abs(place - (row + 0.5) * np.float32(side))[:, None]
    edge = np.minimum(side / 2 - down, length / 2 - np.abs(moved - (column + 0.5) * np.float32(length))) + wobble
    number = row[:, None] * columns + column
    count = rows * columns
    base = _jitter(rng, _TILES[rng.integers(len(_TILES))], 5)
    second = _jitter(rng, _TILES[rng.integers(len(_TILES))], 5)
    chequered = rng.random() < 0.15 and not long
    odd = ((row[:, None] + column) % 2 == 1) & chequered
    picture = np.where(odd[..., None], second, base).astype(np.float32)
    shift = (rng.random((2, count)) * size).astype(np.float32)
    here = np.arange(size, dtype=np.float32)
    at = (here[:, None] + shift[0][number], here[None] + shift[1][number])
    picture = _tile_face(rng, size, picture, at)
    tone = rng.normal(1, rng.uniform(0.008, 0.035), count).astype(np.float32)
    picture *= tone[number][..., None]
    grout_width = float(rng.uniform(0.0012, 0.003))
    bevel = float(rng.uniform(0.001, 0.004))
    body = step(edge, grout_width - pixel * 0.7, grout_width + pixel * 0.7)
    height = np.clip((edge - grout_width) / bevel, -0.5, 1).astype(np.float32)
    picture *= relief(soft(height, 0.8), rng.uniform(0.08, 0.22), rng.uniform(0, 2 * np.pi))[..., None]
    light = float(rng.uniform(0.45, 0.95)) if rng.random() < 0.7 else float(rng.uniform(1.0, 1.12))
    grout = base.mean() * light * np.array([1.0, 0.985, 0.96], np.float32)
    dirt = 1 + 0.10 * cloud(rng, size, fall=1.6, high=120) + 0.05 * cloud(rng, size, fall=0.0, high=250)
    picture = mix(np.clip(grout, 30, 225) * dirt[..., None], picture, body)
    return picture * (1 + 0.02 * cloud(rng, size, fall=2.8, high=8))[..., None], metres


def _tile_face(rng: Rng, size: int, picture: Array, at: tuple[Array, Array]) -> Array:
    """Veins, clouds or speckle, cut differently from the block for each tile."""
    clouds = sample(cloud(rng, size, fall=2.2, low=2, high=160), *at)
    picture = picture * (1 + rng.uniform(0.015, 0.07) * clouds)[..., None]
    kind = rng.random()
    if kind < 0.35:  # marble
        ways = cloud(rng, size, fall=2.8, low=2, high=60)
        veins = 1 - step(np.abs(sample(ways, *at)), 0.0, rng.uniform(0.03, 0.14))
        shade = rng.uniform(0.6, 0.85) if picture.mean() > 110 else rng.uniform(1.2, 1.6)
        strength = veins * np.clip(0.35 + 0.4 * clouds, 0, 1) * rng.uniform(0.4, 0.9)
        picture = mix(picture, picture * np.float32(shade), strength)
    elif kind < 0.65:  # granite, terrazzo
        grit = sample(cloud(rng, size, fall=0.5, low=30, high=280), *at)
        picture = picture * (1 - 0.25 * step(grit, 1.0, 2.0) + 0.14 * step(-grit, 1.0, 2.0))[..., None]
    elif kind < 0.85:  # weathered clay or slate
        rough = cloud(rng, size, fall=1.6, low=4)
        picture = picture * relief(sample(rough, *at), rng.uniform(0.08, 0.25), rng.uniform(0, 6.28))[..., None]
    return np.clip(picture, 0, 250)


def carpet(rng: Rng, size: int) -> tuple[Array, float]:
    """Loop or cut pile: tufts of two yarns, shaded one by one, with trodden patches."""
    metres = float(rng.uniform(0.55, 0.95))
    yarn = _jitter(rng, _CARPETS[rng.integers(len(_CARPETS))], 10)
    other = np.clip(yarn * rng.uniform(0.72, 1.3) + rng.normal(0, 8, 3), 15, 240).astype(np.float32)
    pitch = float(rng.uniform(0.0035, 0.0075))
    across = max(60, min(240, round(metres / pitch)))
    near, second, tuft = cells(rng, size, across, jitter=float(rng.uniform(0.35, 0.95)))
    count = across * across
    share = np.clip(rng.normal(rng.uniform(0.1, 0.6), 0.3, count), 0, 1).astype(np.float32)
    share = _carpet_pattern(rng, share.reshape(across, across), across).ravel()
    picture = mix(yarn, other, share[tuft])
    picture *= rng.normal(1, 0.09, count).astype(np.float32)[tuft][..., None]
    dome = np.clip(1 - near * 1.25, 0, 1)
    picture *= (0.62 + 0.5 * step(second - near, 0.0, 0.55) * np.sqrt(dome))[..., None]
    picture *= relief(dome, rng.uniform(0.25, 0.5), rng.uniform(0, 6.28))[..., None]
    fuzz = cloud(rng, size, fall=0.7, low=60)
    turned = cloud(rng, size, fall=3.0, high=7)
    picture *= (1 + 0.10 * fuzz)[..., None]
    picture *= (1 + rng.uniform(0.02, 0.07) * turned + 0.02 * cloud(rng, size, fall=2.0, low=4, high=60))[..., None]
    return soft(picture, 0.6), metres


def _carpet_pattern(rng: Rng, share: Array, across: int) -> Array:
    kind = rng.random()
    place = np.arange(across)
    if kind < 0.15:  # ribs
        ribs = int(rng.integers(6, 20))
        wave = np.sin(2 * np.pi * ribs * place / across)
        share = np.clip(share + 0.45 * wave[:, None], 0, 1)
    elif kind < 0.28:  # lozenges
        repeats = int(rng.integers(2, 5))
        saw = np.abs((place * repeats / across) % 1 - 0.5)
        lozenge = (saw[:, None] + saw[None]) % 0.25 < rng.uniform(0.05, 0.13)
        share = np.clip(share * 0.4 + 0.75 * lozenge, 0, 1)
    return np.asarray(share, np.float32)


def concrete(rng: Rng, size: int) -> tuple[Array, float]:
    """Poured or trowelled concrete: clouds, sand grains, pinholes, stains and perhaps a crack."""
    metres = float(rng.uniform(0.9, 1.8))
    grey = rng.uniform(88, 190)
    base = grey * (1 + rng.normal(0, 0.006, 3) + np.array([0.03, 0.0, -0.04]) * rng.uniform(-0.5, 1.4))
    tall = cloud(rng, size, fall=2.3, high=100)
    fine = cloud(rng, size, fall=0.9, low=20)
    hollow = cloud(rng, size, fall=1.4, low=10, high=160)
    shade = 1 + rng.uniform(0.03, 0.085) * tall + rng.uniform(0.025, 0.07) * fine
    shade -= rng.uniform(0.05, 0.2) * step(hollow, 1.7, 2.8)
    picture = base.astype(np.float32) * np.asarray(shade, np.float32)[..., None]
    if rng.random() < 0.6:  # trowel marks
        sweep = cloud(rng, size, fall=1.8, low=3, stretch=(1.0, float(rng.uniform(3, 9))))
        picture *= (1 + 0.03 * sweep)[..., None]
    stain = step(cloud(rng, size, fall=3.0, high=30), rng.uniform(0.8, 1.6), 2.4)
    colour = np.array([0.86, 0.80, 0.72], np.float32) if rng.random() < 0.5 else np.array([0.8, 0.8, 0.8], np.float32)
    picture = mix(picture, picture * colour, stain * rng.uniform(0.2, 0.9))
    pits = cloud(rng, size, fall=0.0, low=60, high=200)
    deep = step(pits, rng.uniform(2.6, 3.3), 4.0)
    picture *= relief(soft(-deep, 0.7), 1.2, rng.uniform(0, 6.28))[..., None] * (1 - 0.55 * deep)[..., None]
    if rng.random() < 0.6:
        picture *= (1 - rng.uniform(0.3, 0.6) * _cracks(rng, size, int(rng.integers(1, 4))))[..., None]
    picture *= relief(fine, rng.uniform(0.01, 0.05), rng.uniform(0, 6.28))[..., None]
    return picture, metres


def _cracks(rng: Rng, size: int, number: int) -> Field:
    """Wandering hairlines that leave on one side and come in on the other."""
    canvas = np.zeros((size + 2 * _MARGIN, size + 2 * _MARGIN), np.uint8)
    for _ in range(number):
        steps = int(rng.integers(60, 150))
        stride = rng.uniform(2, 5, (steps, 1)) * (size / 768)
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.28, steps))
        path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1) * stride, 0)
        path += rng.uniform(0, size, 2)
        _draw(canvas, path[None], size, 255, 1)
    return np.asarray(canvas[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] / 255, dtype=np.float32)


def stone(rng: Rng, size: int) -> tuple[Array, float]:
    """Flagstones with mortar, cobbles, or loose gravel."""
    kind = rng.random()
    across, metres, jitter = (
        (int(rng.integers(3, 6)), float(rng.uniform(1.1, 1.8)), 0.75)
        if kind < 0.4
        else (int(rng.integers(8, 14)), float(rng.uniform(0.9, 1.4)), 0.7)
        if kind < 0.65
        else (int(rng.integers(26, 52)), float(rng.uniform(0.5, 0.8)), 0.98)
    )
    near, second, owner = cells(rng, size, across, jitter)
    count = across * across
    ragged = cloud(rng, size, fall=1.8, low=across, high=across * 14)
    border = second - near
    border = border + np.float32(0.03 if kind < 0.65 else 0.05) * ragged * np.minimum(border / 0.12, 1)
    base = _jitter(rng, _STONES[rng.integers(len(_STONES))], 5)
    spread = 0.09 if kind < 0.65 else 0.22
    warmth = rng.normal(0.01, 0.028, (count, 1)) * np.array([1.0, 0.15, -1.0])
    tones = base * rng.normal(1, spread, (count, 1)) * (1 + warmth + rng.normal(0, 0.01, (count, 3)))
    picture = np.clip(tones, 25, 235).astype(np.float32)[owner]
    rough = cloud(rng, size, fall=1.9, low=3)
    fine = cloud(rng, size, fall=0.6, low=40)
    picture *= (1 + 0.06 * rough + 0.05 * fine)[..., None]
    angle = rng.uniform(0, 6.28)
    if kind < 0.65:
        dome = np.sqrt(step(border, 0.02, 0.35 if kind < 0.4 else 0.7))
        body = step(border, 0.05, 0.09)
        strength = (0.5, 0.35) if kind < 0.4 else (1.8, 0.3)
    else:
        dome = np.sqrt(np.clip(border * 1.4, 0, 1))
        body = step(border, 0.0, 0.24)
        strength = (1.7, 0.12)
    picture *= relief(soft(dome, 1.0), strength[0], angle)[..., None]
    picture *= relief(soft(rough, 1.3), strength[1] * 0.6, angle)[..., None]
    picture *= (1 + 0.05 * cloud(rng, size, fall=2.2, low=across, high=across * 8))[..., None]
    mortar = np.array([118, 110, 98], np.float32) * rng.uniform(0.55, 1.25) if kind < 0.65 else base * 0.42
    sand = mortar * (1 + 0.14 * fine + 0.1 * rough)[..., None]
    picture = mix(sand, picture, body)
    picture *= (0.72 + 0.28 * step(border, 0.0, 0.25))[..., None]
    if kind < 0.65 and rng.random() < 0.35:  # moss in the joints
        moss = (1 - step(border, 0.06, 0.16)) * step(cloud(rng, size, fall=2.0, high=60), 0.2, 1.2)
        picture = mix(picture, np.array([84, 96, 48], np.float32) * (1 + 0.3 * fine)[..., None], moss * 0.85)
    return picture * (1 + 0.03 * cloud(rng, size, fall=2.8, high=8))[..., None], metres


def grass(rng: Rng, size: int) -> tuple[Array, float]:
    """A lawn, blade by blade, from the dark ground up, with some straw."""
    metres = float(rng.uniform(0.5, 0.9))
    pixel = metres / size
    soil = np.array([52, 48, 30], np.float32) * rng.uniform(0.7, 1.3)
    ground = np.clip(soil * (1 + 0.25 * cloud(rng, size, fall=1.0, low=6))[..., None], 0, 255).astype(np.uint8)
    picture = np.pad(ground, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="wrap")
    hue = np.array([rng.uniform(70, 118), rng.uniform(112, 142), rng.uniform(34, 62)])
    length_px = rng.uniform(0.02, 0.05) / pixel
    width_px = max(1, round(rng.uniform(0.0014, 0.0026) / pixel))
    comb = rng.uniform(0, 2 * np.pi)
    combed = rng.uniform(0.0, 1.2)
    layers, blades = 26, int(rng.integers(330, 480))
    patch = cloud(rng, size, fall=2.6, high=8)
    for layer in range(layers):
        start = rng.uniform(0, size, (blades, 2))
        heading = comb + combed * rng.normal(0, 1, blades) if combed > 0.6 else rng.uniform(0, 2 * np.pi, blades)
        bend = rng.normal(0, 0.5, (blades, 1))
        reach = length_px * rng.uniform(0.4, 1.3, (blades, 1))
        part = np.linspace(0, 1, 5)[None]
        angle = heading[:, None] + bend * part
        path = start[:, None] + np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 2) * (reach / 5)[..., None], 1)
        shade = (0.42 + 0.68 * layer / layers) * rng.normal(1, 0.1)
        colour = hue * shade * rng.normal(1, 0.05, 3)
        if rng.random() < 0.12:
            colour = np.array([172, 154, 96]) * shade
        _draw(picture, path, size, np.clip(colour, 0, 255).tolist(), width_px)
        light = np.clip(colour * rng.uniform(1.15, 1.4), 0, 255).tolist()
        _draw(picture, path[: blades // 2] + 0.6, size, light, 1)
    warm = np.array([0.10, 0.04, -0.02], np.float32) * np.clip(patch, -1.5, 1.5)[..., None]
    lawn = picture[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    picture_float = lawn.astype(np.float32) * (1 + warm) * (1 + 0.05 * cloud(rng, size, fall=2.4, high=20))[..., None]
    return soft(picture_float, 0.6), metres


def _draw(canvas: Array, paths: Array, size: int, colour: Any, thickness: int) -> None:
    """Draw (N, K, 2) polylines (x, y in pixels) on a canvas that wraps round and has a margin to throw away."""
    paths = paths - np.floor(paths[:, :1] / size) * size
    for right in (-size, 0, size):
        for down in (-size, 0, size):
            moved = paths + np.array([right, down]) + _MARGIN
            inside = ((moved > 0) & (moved < size + 2 * _MARGIN)).all(axis=2).any(axis=1)
            if inside.any():
                points = np.round(moved[inside] * 16).astype(np.int32)
                cv2.polylines(canvas, list(points), False, colour, thickness, cv2.LINE_AA, 4)


def _jitter(rng: Rng, colour: tuple[int, int, int], amount: float) -> Array:
    shade, tint = rng.uniform(0.88, 1.1), rng.normal(0.15, 0.5) * amount
    return np.clip(np.array(colour) * shade + tint * np.array([1.0, 0.2, -0.8]), 18, 240).astype(np.float32)


KINDS: dict[str, Callable[[Rng, int], tuple[Array, float]]] = {
    maker.__name__: maker for maker in (wood, tile, carpet, concrete, stone, grass)
}
