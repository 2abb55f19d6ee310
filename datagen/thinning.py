"""Fewer triangles: quadric decimation (Garland and Heckbert 1997, by Open3D), with colours baked to the new vertices.

Scenes take a foot's colour at its vertices anyway, so a texture that no longer fits the triangles is of no use to them;
what it showed is averaged over the area that each new vertex stands for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from datagen.foot import Foot

Array = npt.NDArray[Any]


def thinned(foot: Foot, most: int) -> Foot:
    """The foot with at most ``most`` triangles, and vertex colours where it had any look; as it was if it has fewer."""
    if len(foot.faces) <= most:
        return foot
    vertices, faces = _decimated(foot.vertices.astype(np.float64), foot.faces, most)
    colours = None
    if foot.colours is not None:
        colours = _gathered(foot, vertices)
    elif foot.texture is not None and foot.uv is not None:
        colours = _baked(foot, vertices, faces)
    note = f"{len(foot.faces):,} triangles became {len(faces):,}"
    if foot.texture is not None:
        note += ", the texture colours of their vertices"
    return replace(
        foot,
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        uv=None,
        texture=None,
        colours=colours,
        notes=(*foot.notes, note),
    )


def _decimated(vertices: Array, faces: Array, most: int) -> tuple[Array, Array]:
    import open3d

    geometry: Any = open3d.geometry
    mesh = geometry.TriangleMesh(
        open3d.utility.Vector3dVector(vertices), open3d.utility.Vector3iVector(np.ascontiguousarray(faces, np.int32))
    )
    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        mesh = mesh.simplify_quadric_decimation(most, boundary_weight=3.0)
        mesh.remove_degenerate_triangles()
        mesh.remove_unreferenced_vertices()
    return np.asarray(mesh.vertices, np.float64), np.asarray(mesh.triangles, np.int64)


def _gathered(foot: Foot, vertices: Array) -> npt.NDArray[np.uint8]:
    """Each new vertex gets the mean colour of the old vertices that it is the nearest to."""
    if foot.colours is None:
        raise ValueError("colours are gathered from a foot that has some")
    old = foot.vertices.astype(np.float64)
    owner = cKDTree(vertices).query(old)[1]
    count = np.bincount(owner, minlength=len(vertices))
    total = [
        np.bincount(owner, weights=foot.colours[:, k].astype(np.float64), minlength=len(vertices)) for k in range(3)
    ]
    mean = np.stack(total, axis=1) / np.maximum(count, 1)[:, None]
    lonely = count == 0
    if lonely.any():
        mean[lonely] = foot.colours[cKDTree(old).query(vertices[lonely])[1]]
    return np.round(mean).astype(np.uint8)


def _baked(foot: Foot, vertices: Array, faces: Array) -> npt.NDArray[np.uint8]:
    """The texture at the nearest point of the old surface, averaged over about the distance of the new vertices."""
    import cv2
    import open3d

    if foot.texture is None or foot.uv is None:
        raise ValueError("a texture is baked from a foot that has one")
    tensor: Any = open3d.core.Tensor
    scene: Any = open3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        tensor(np.ascontiguousarray(foot.vertices)), tensor(np.ascontiguousarray(foot.faces.astype(np.uint32)))
    )
    near = scene.compute_closest_points(tensor(vertices.astype(np.float32)), nthreads=1)
    face, spot = near["primitive_ids"].numpy().astype(np.int64), near["primitive_uvs"].numpy().astype(np.float64)
    corners = foot.uv[face].astype(np.float64)
    place = corners[:, 0] * (1 - spot.sum(axis=1))[:, None] + corners[:, 1] * spot[:, :1] + corners[:, 2] * spot[:, 1:]
    texture = foot.texture
    height, width = texture.shape[:2]
    texels = _area(foot.uv.astype(np.float64) * np.array([width, height])) / max(len(faces), 1) * 2  # a new vertex
    shrink = np.sqrt(max(texels, 1.0))
    if shrink > 1.5:
        size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        texture = np.asarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = texture.shape[:2]
    x = (place[:, 0] * width - 0.5).astype(np.float32)
    y = ((1 - place[:, 1]) * height - 0.5).astype(np.float32)
    out = np.empty((len(x), 3), np.uint8)
    for start in range(0, len(x), 30_000):  # cv2.remap takes at most 32767 a side
        here = slice(start, start + 30_000)
        out[here] = cv2.remap(texture, x[here], y[here], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).reshape(-1, 3)
    return out


def _area(triangles: Array) -> float:
    """The area of (F, 3, 2) triangles in the plane."""
    one, two = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return float(np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]).sum() / 2)
