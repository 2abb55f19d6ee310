"""Labels of a scene besides its mask: alpha, instances, parts, depth, normals and the camera.

All of them are seen through the same lens as the picture. What is nearest in the picture decides: the foot, with what
is worn on it, where it covers at least half of a pixel, else the floor.

- ``alpha``: PNG, 8 bits: the share of the pixel that bare skin covers, 255 = all; the mask is where it is at least 128.
- ``instances``: PNG, 8 bits: 1, 2, ... for each foot in the mask, 0 elsewhere.
- ``parts``: PNG, 8 bits: 0 floor, 1 skin, 2 sock, 3 shoe, 4 anything else.
- ``depth``: PNG, 16 bits: distance along the camera's axis in steps of 0.1 mm; 0 = unknown.
- ``normals``: PNG, 8 bits RGB: 255 (n + 1) / 2 with x to the right, y up and z towards the camera.
- ``camera``: JSON: pinhole camera with OpenCV's distortion, pose, and the floor plane.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen import compose, layers, optics
from datagen.compose import FOOT_CLASS, Scene
from datagen.cutouts import Cutout
from datagen.sight import FOLD_M
from datagen.surface import OTHER, SHOE, SKIN, SOCK
from masksmith import images
from masksmith.errors import BadInput

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

KINDS = ("alpha", "instances", "parts", "depth", "normals", "camera")
FROM_LAYERS = frozenset({"instances", "parts", "depth", "normals"})
"""Labels that need a bank of cutouts with layers."""
CLOTHES = {"sock": SOCK, "shoe": SHOE}
"""Further classes of the mask, on request; their ids are those of the parts."""
ANYTHING = 4  # the part's number in the label of what is neither skin nor sock nor shoe


def classes(clothes: bool) -> dict[str, int]:
    """Name and id of each class of a mask."""
    return {**compose.CLASSES, **(CLOTHES if clothes else {})}


def added(recipe: Mapping[str, Any], cutout: Cutout, scene: Scene) -> Scene:
    """The scene with the labels that its recipe asks for, as files; and with socks and shoes in the mask, if it does.

    Raises:
        BadInput: the cutout has no layers to make them of.
    """
    wanted, clothes = recipe.get("labels", []), bool(recipe.get("clothes", False))
    if not wanted and not clothes:
        return scene
    seen = None
    if clothes or FROM_LAYERS.intersection(wanted):
        seen = through(recipe, cutout, scene)
    if seen is not None and clothes:
        scene = replace(scene, mask=np.where(seen.parts == ANYTHING, 0, seen.parts).astype(np.uint8))
    made: dict[str, bytes] = {}
    for kind in wanted:
        if kind == "alpha":
            made["alpha/{}.png"] = images.encode_png(scene.skin)
        elif kind == "camera":
            text = json.dumps(camera(recipe, cutout), sort_keys=True, separators=(",", ":"))
            made["camera/{}.json"] = text.encode()
        elif seen is not None:
            made[kind + "/{}.png"] = images.encode_png(getattr(seen, kind if kind != "instances" else "pieces"))
    return replace(scene, labels=made)


@dataclass(frozen=True)
class Seen:
    """The labels as arrays, (S, S): parts and pieces uint8, depth uint16, normals (S, S, 3) uint8."""

    parts: Bytes
    pieces: Bytes
    depth: npt.NDArray[np.uint16]
    normals: Bytes


@dataclass(frozen=True)
class _Way:
    """From the pixels of a scene back to where they come from."""

    view: Matrix
    centre: tuple[float, float]
    bend: optics.Bend | None


def _way(recipe: Mapping[str, Any], cutout: Cutout) -> _Way:
    size = int(recipe["size"])
    view = compose.scene_view(recipe["window"], size)
    centre = compose.optical_centre(view, cutout)
    bend = optics.bend(recipe["lens"], size, centre) if recipe["effects"] else None
    return _Way(view, centre, bend)


def through(recipe: Mapping[str, Any], cutout: Cutout, scene: Scene) -> Seen:
    """The cutout's layers in the scene's pixels, the floor where nothing stands on it.

    Raises:
        BadInput: the cutout has none.
    """
    if cutout.layers is None:
        raise BadInput(
            recipe["cutout"]["file"], "cutouts with depth, normals and parts", "none", "make the dataset with --labels"
        )
    size, way = int(recipe["size"]), _way(recipe, cutout)
    if way.bend is not None:
        straight = way.bend.source().astype(np.float64)
    else:
        line = np.arange(size, dtype=np.float64)
        straight = np.stack(np.meshgrid(line, line), axis=-1)
    back = np.linalg.inv(way.view @ cutout.to_canvas())
    there = (straight @ back[:2, :2].T + back[:2, 2]).astype(np.float32)
    skin = scene.skin >= 128
    floor = _floor_depth(cutout, way, straight)
    normals = np.broadcast_to(_turn(recipe) @ cutout.camera.pose()[0][:, 1], (size, size, 3)).copy()
    if recipe["empty"]:
        none = np.zeros((size, size), np.uint8)
        return Seen(none, none, _steps(floor), _colours(normals))
    cover = cv2.remap(cutout.colour, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)[..., 3]
    body = (cover >= 128) | skin
    nearest = {name: _nearest(layer, there) for name, layer in cutout.layers.items()}
    depth, normal = _smooth(cutout.layers, nearest, there)
    known = body & (nearest["depth"] > 0)
    source = layers.nearest_known(known)
    inside = body & (source < size * size)
    depth = np.where(inside, depth.ravel()[np.minimum(source, size * size - 1)], floor)
    normals[inside] = normal.reshape(-1, 3)[source[inside]] @ _turn(recipe).T
    parts = _parts(nearest["part"], known, skin, body)
    worn = (parts == SOCK) | (parts == SHOE)
    return Seen(
        parts,
        _pieces(nearest["piece"], known, skin | worn if recipe.get("clothes") else skin),
        _steps(depth),
        _colours(normals),
    )


def _nearest(layer: Array, there: Array) -> Array:
    values = np.ascontiguousarray(layer[..., 0] if layer.shape[2] == 1 else layer)
    return np.asarray(cv2.remap(values, there, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT))


def _smooth(stored: Mapping[str, Array], nearest: Mapping[str, Array], there: Array) -> tuple[Array, Array]:
    """Depth in metres and normals between the stored pixels; at folds and outlines those of the nearest pixel.

    The inverse of depth is what is linear over a plane's picture.
    """
    depth = stored["depth"][..., 0].astype(np.float32) * np.float32(layers.DEPTH_M)
    kernel = np.ones((3, 3), np.uint8)
    torn = (cv2.dilate(depth, kernel) - cv2.erode(depth, kernel) > FOLD_M).view(np.uint8)
    torn = cv2.remap(torn, there, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=1) > 0
    inverse = 1 / np.maximum(depth, np.float32(layers.DEPTH_M))
    between = 1 / cv2.remap(inverse, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    exact = nearest["depth"].astype(np.float32) * np.float32(layers.DEPTH_M)
    normal = (stored["normal"].astype(np.float32) - 128) / 127
    soft = cv2.remap(normal, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    hard = (nearest["normal"].astype(np.float32) - 128) / 127
    normals = np.where(torn[..., None], hard, soft)
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    return np.where(torn, exact, between), normals


def _parts(part: Bytes, known: Array, skin: Array, body: Array) -> Bytes:
    """Skin where the mask is; the nearest pixel that is not skin elsewhere on the body."""
    out = np.zeros(part.shape, np.uint8)
    rest = body & ~skin
    if rest.any():
        worn = known & (part != SKIN)
        value = np.append(np.where(part == OTHER, ANYTHING, part).ravel(), 0)
        out[rest] = value[layers.nearest_known(worn, 4)][rest]
    out[skin] = FOOT_CLASS
    return out


def _pieces(piece: Bytes, known: Array, mask: Array) -> Bytes:
    """In the mask, the foot of the nearest pixel that belongs to one."""
    source = layers.nearest_known(known & (piece > 0))
    found = np.append(piece.ravel(), 1)[source]
    return np.where(mask, found, 0).astype(np.uint8)


def _floor_depth(cutout: Cutout, way: _Way, straight: Array) -> Array:
    """(S, S) metres along the camera's axis to the floor: one over a linear function of the picture."""
    row = np.linalg.inv(way.view @ cutout.camera.floor_homography())[2]
    inverse = straight[..., 0] * row[0] + straight[..., 1] * row[1] + row[2]
    return np.asarray(1 / np.where(inverse > 0, inverse, np.inf))


def _steps(depth_m: Array) -> npt.NDArray[np.uint16]:
    return np.clip(np.rint(depth_m / layers.DEPTH_M), 0, 65535).astype(np.uint16)


def _colours(normals: Array) -> Bytes:
    """(S, S, 3) normals in OpenCV's axes as colours in OpenGL's."""
    return np.clip(np.rint((normals * [1, -1, -1] + 1) * 127.5), 0, 255).astype(np.uint8)


def _turn(recipe: Mapping[str, Any]) -> Matrix:
    """(3, 3): the cutout's camera axes to the scene's, which may be rolled."""
    angle = np.radians(recipe["window"]["roll_deg"])
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def camera(recipe: Mapping[str, Any], cutout: Cutout) -> dict[str, Any]:
    """The camera of the scene's pixels, crop, zoom, roll and lens included.

    Returns:
        ``K`` (3, 3) for pixel centres at whole numbers, ``distortion`` (k1, k2, p1, p2) as ``cv2.projectPoints`` takes
        them, ``R`` (3, 3) and ``t_m`` (3,): camera = R world + t, with x right, y down and z ahead; world in metres
        with y up, the floor at y = 0 and toes towards +z. ``floor_plane``: (nx, ny, nz, d) with n camera + d = 0.
    """
    size, way = int(recipe["size"]), _way(recipe, cutout)
    zoom = 1.0 if way.bend is None else way.bend.zoom
    focal = zoom * size / recipe["window"]["side_px"] * cutout.camera.focal_px
    k1, k2 = 0.0, 0.0
    if way.bend is not None:  # radii in units of the focal length instead of the farthest corner's
        unit = (focal / way.bend.reach_px) ** 2
        k1, k2 = way.bend.k1 * unit, way.bend.k2 * unit**2
    rotation, position = cutout.camera.pose()
    rotation = _turn(recipe) @ rotation
    up = rotation[:, 1]
    return {
        "width": size,
        "height": size,
        "K": [[focal, 0.0, way.centre[0]], [0.0, focal, way.centre[1]], [0.0, 0.0, 1.0]],
        "distortion": [k1, k2, 0.0, 0.0],
        "R": rotation.tolist(),
        "t_m": (-rotation @ position).tolist(),
        "floor_plane": [*up.tolist(), float(position[1])],
    }
