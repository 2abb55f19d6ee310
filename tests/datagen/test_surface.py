from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from datagen import surface
from datagen.foot import Foot


def open_tube(rings: int = 8, around: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """A tube 16 cm high and 6 cm wide, closed at the bottom, open at the top, wound outwards."""
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    height = np.linspace(0, 0.16, rings)
    wall = np.stack(
        [
            np.repeat(0.03 * np.sin(angle)[None], rings, 0),
            np.repeat(height[:, None], around, 1),
            np.repeat(0.03 * np.cos(angle)[None], rings, 0),
        ],
        -1,
    ).reshape(-1, 3)
    faces = []
    for k in range(rings - 1):
        for j in range(around):
            a, b = k * around + j, k * around + (j + 1) % around
            faces += [[a, b, a + around], [b, b + around, a + around]]
    bottom = len(wall)
    faces += [[bottom, (j + 1) % around, j] for j in range(around)]
    return np.concatenate([wall, [[0, 0, 0]]]), np.array(faces)


def tube_foot(**more: object) -> Foot:
    vertices, faces = open_tube()
    colours = np.full((len(vertices), 3), 180, np.uint8)
    values: dict[str, object] = {
        "subject": "T",
        "side": "left",
        "vertices": vertices.astype(np.float32),
        "faces": faces.astype(np.int32),
        "source": "tube",
        "licence": "CC0-1.0",
        "sha256": "",
        "colours": colours,
    }
    return Foot(**{**values, **more})  # type: ignore[arg-type]


def test_subdivision_keeps_a_flat_sheet_flat_and_quadruples_its_faces() -> None:
    side = np.arange(5) / 4
    x, z = np.meshgrid(side, side, indexing="ij")
    vertices = np.stack([x, np.zeros_like(x), z], -1).reshape(-1, 3)
    faces = np.array([[5 * i + j, 5 * i + j + 1, 5 * i + j + 5] for i in range(4) for j in range(4)]
                     + [[5 * i + j + 1, 5 * i + j + 6, 5 * i + j + 5] for i in range(4) for j in range(4)])  # fmt: skip
    uv = vertices[faces][:, :, [0, 2]]
    new, finer, finer_uv, colours = surface.subdivide(vertices, faces, uv, vertices)
    assert len(finer) == 4 * len(faces)
    assert np.allclose(new[:, 1], 0)
    assert finer_uv is not None and finer_uv.shape == (len(finer), 3, 2)
    assert colours is not None and len(colours) == len(new)
    inside = (new[finer][:, :, [0, 2]] > 0.25).all(axis=(1, 2)) & (new[finer][:, :, [0, 2]] < 0.75).all(axis=(1, 2))
    assert inside.any()
    assert np.allclose(new[finer][inside][:, :, [0, 2]], finer_uv[inside])  # away from the rim nothing moves


def test_subdivision_rounds_an_octahedron_into_its_hull() -> None:
    vertices = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    faces = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    for _ in range(3):
        vertices, faces, _, _ = surface.subdivide(vertices, faces, None, None)
    radius = np.linalg.norm(vertices, axis=1)
    assert len(faces) == 8 * 4**3
    assert radius.max() < 1
    assert radius.std() / radius.mean() < 0.03
    normals = surface.vertex_normals(vertices, faces)
    assert ((normals * vertices).sum(1) > 0.9 * radius).all()


def test_the_leg_is_carried_on_closed_and_faces_outwards() -> None:
    made = surface.from_foot(tube_foot(), np.random.default_rng(0))
    assert made.vertices[:, 1].min() == 0
    assert made.vertices[:, 1].max() > surface.LEG_TOP_M - 0.05
    assert made.height_m < 0.17
    edges = np.sort(made.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert (uses == 2).all()  # no hole is left
    side = (made.vertices[:, 1] > 0.02) & (made.vertices[:, 1] < 0.5)
    outward = made.vertices[:, [0, 2]] - np.median(made.vertices[side][:, [0, 2]], axis=0)
    assert ((made.normals[side][:, [0, 2]] * outward[side]).sum(1) > 0).all()
    assert (made.vertices[made.top, 1] > surface.LEG_TOP_M - 0.05).all()


def test_lean_moves_the_leg_and_leaves_the_sole() -> None:
    upright = surface.from_foot(tube_foot(), np.random.default_rng(0))
    leaning = surface.from_foot(tube_foot(), np.random.default_rng(0), lean=(0.0, -0.5))
    low = upright.vertices[:, 1] < 0.05
    assert np.array_equal(upright.vertices[low], leaning.vertices[low])
    shift = leaning.vertices[leaning.top, 2] - upright.vertices[upright.top, 2]
    assert (shift < -0.15).all()


def test_trousers_cover_the_leg_above_the_hem_and_are_no_skin() -> None:
    trousers = surface.Trousers(0.1, 0.01, (0.1, 0.2, 0.4), 0.03)
    made = surface.from_foot(tube_foot(), np.random.default_rng(0), trousers=trousers)
    cloth = made.skin == 0
    assert cloth.any()
    assert made.vertices[cloth, 1].min() > 0.09
    radius = np.hypot(made.vertices[:, 0], made.vertices[:, 2])
    low = (made.vertices[:, 1] > 0.11) & (made.vertices[:, 1] < 0.16)
    assert radius[low & cloth].min() > radius[low & ~cloth].max()
    assert made.colours[cloth, 2].mean() > made.colours[cloth, 0].mean() + 0.1
    bare = surface.from_foot(tube_foot(), np.random.default_rng(0))
    assert (bare.skin == 1).all()
    assert np.array_equal(made.vertices[: len(bare.vertices)], bare.vertices)


def test_a_hem_above_the_leg_leaves_it_bare() -> None:
    made = surface.from_foot(tube_foot(), np.random.default_rng(0), trousers=surface.Trousers(5.0, 0.01, (0, 0, 0)))
    assert (made.skin == 1).all()


def test_every_vertex_says_what_it_is_and_whose() -> None:
    trousers = surface.Trousers(0.1, 0.01, (0.1, 0.2, 0.4))
    made = surface.from_foot(tube_foot(), np.random.default_rng(0), trousers=trousers)
    pair = surface.joined(made, surface.placed(made, 0.0, 0.3, 0.0))
    assert np.array_equal(pair.skin == 1, pair.part == surface.SKIN)
    assert set(pair.part) == {surface.OTHER, surface.SKIN}
    assert np.array_equal(pair.piece, np.repeat([1, 2], len(made.vertices)))
    thing = replace(made, piece=np.zeros_like(made.piece))
    assert set(surface.joined(pair, thing).piece) == {0, 1, 2}


def test_a_mirrored_foot_is_still_wound_outwards() -> None:
    made = surface.mirrored(surface.from_foot(tube_foot(), np.random.default_rng(0)))
    computed = surface.vertex_normals(made.vertices.astype(float), made.faces)
    assert ((computed * made.normals).sum(1) > 0.99).mean() > 0.99


def test_placing_turns_and_moves_without_bending() -> None:
    made = surface.from_foot(tube_foot(), np.random.default_rng(0))
    moved = surface.placed(made, np.pi / 2, 0.3, -0.1)
    assert np.allclose(moved.vertices[:, 0], made.vertices[:, 2] + 0.3, atol=1e-6)
    assert np.allclose(moved.vertices[:, 2], -made.vertices[:, 0] - 0.1, atol=1e-6)
    both = surface.joined(made, moved)
    assert len(both.faces) == 2 * len(made.faces)
    assert np.array_equal(both.vertices[both.faces[len(made.faces)]], moved.vertices[moved.faces[0]])


def test_a_texture_gives_its_colours_to_vertices() -> None:
    vertices, faces = open_tube()
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32] = (200, 0, 0)  # upper half of the picture: v above 0.5
    texture[32:] = (0, 0, 200)
    uv = np.stack([np.full(faces.shape, 0.5), vertices[faces][..., 1] / 0.16], -1).astype(np.float32)
    made = surface.from_foot(tube_foot(colours=None, uv=uv, texture=texture), np.random.default_rng(0))
    height = made.vertices[:, 1]
    assert made.colours[(height > 0.01) & (height < 0.06), 2].min() > 0.7
    assert made.colours[(height > 0.1) & (height < 0.15), 0].min() > 0.7


def test_a_foot_without_any_colour_is_refused() -> None:
    with pytest.raises(ValueError, match="colours or a texture"):
        surface.from_foot(tube_foot(colours=None), np.random.default_rng(0))
