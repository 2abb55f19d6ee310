"""The leg above a scan: carried on from its cut until it leaves the picture."""

from __future__ import annotations

import numpy as np

from datagen.shape import SKIN, Floats, Ints, Shape, shape

LEG_TOP_M = 0.62  # how far up the leg is continued
_RING_STEP_M = 0.012


def lengthened(
    vertices: Floats, faces: Ints, colours: Floats, rng: np.random.Generator, top_m: float = LEG_TOP_M
) -> Shape:
    """Continue the leg from its cut up to ``top_m``, widening into a calf, and close it there.

    A mesh without a cut comes back as it was.
    """
    calf = rng.uniform(1.12, 1.4)
    tint = rng.normal(0, 0.012, 3)
    toward_foot = rng.uniform(0.2, 1.0)
    loop = _cut_loop(faces, vertices)
    if loop is None:
        return shape(vertices, faces, colours, SKIN)
    rim = vertices[loop]
    centre = rim.mean(axis=0)
    below = vertices[(vertices[:, 1] > centre[1] - 0.05) & (vertices[:, 1] < centre[1] - 0.025)]
    axis = centre - below.mean(axis=0) if len(below) > 10 else np.array([0.0, 1.0, 0.0])
    axis = axis / max(axis[1], 1e-6)
    axis[[0, 2]] = np.clip(axis[[0, 2]], -0.35, 0.35)
    rings = max(int(np.ceil((top_m - centre[1]) / _RING_STEP_M)), 1)
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
    return shape(
        np.concatenate([vertices, new.reshape(-1, 3), new[-1].mean(axis=0)[None]]),
        np.concatenate([faces, added]),
        np.concatenate([colours, painted.reshape(-1, 3), goal[None]]),
        SKIN,
        np.concatenate([index[-1], [tip]]),
    )


def _cut_loop(faces: Ints, vertices: Floats) -> Ints | None:
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
