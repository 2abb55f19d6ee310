"""Cutouts of photographed feet: what ``masksmith scans photos`` wrote, made ready to be placed.

Document F composes pictures of a scanner's four cameras onto floors. A photo has its light in it and no depth, so its
cutout is lit evenly, shades nothing but a soft blob where the foot meets the floor, and the floor is laid into the
perspective of the rig's camera of that number.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datagen import cameras, cutouts
from datagen.cutouts import Cutout
from datagen.lights import Lamp
from manifests import Manifest, Record
from manifests.manifest import DATASET
from masksmith import files, images
from masksmith.errors import BadInput, UsageProblem

ROOM = 1.35
"""Side of the square that is cut around a foot, in its longer side."""
FOOT_M = 0.28
"""What the longer side of a photographed foot is taken to measure, with the leg that shows."""
_CONTACT_DARK = 0.72
_UNIT = 128  # light 1 in a cutout's shade


@dataclass(frozen=True)
class PhotoFoot:
    """A photographed foot: files by path, ``alpha`` the soft edge or the mask."""

    image: str
    alpha: str
    camera: int
    side: str
    licence: str
    sha256: str


def is_rig(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is a dataset and no folder of scans."""
    return (Path(folder) / DATASET).is_file()


def feet_of(folder: str | os.PathLike[str]) -> dict[str, list[PhotoFoot]]:
    """Subject to its photos, of a folder that ``masksmith scans photos`` wrote.

    Raises:
        BadInput: no such dataset, or records without subject, mask or camera.
    """
    manifest = Manifest.open(folder)
    found: dict[str, list[PhotoFoot]] = {}
    for record in manifest.records():
        camera = record.values_of("camera")
        if record.subject is None or record.mask is None or len(camera) != 1 or not camera[0].isdigit():
            raise BadInput(
                f"{folder}: record {record.id}",
                "a photo of a rig with subject, mask and camera",
                "one without",
                "make the folder with `masksmith scans photos`",
            )
        found.setdefault(record.subject, []).append(_photo(manifest, record, int(camera[0])))
    return found


def _photo(manifest: Manifest, record: Record, camera: int) -> PhotoFoot:
    soft = record.extra.get("alpha")
    return PhotoFoot(
        os.fspath(manifest.path(record.image).resolve()),
        os.fspath(manifest.path(soft if isinstance(soft, str) else str(record.mask)).resolve()),
        camera,
        str(record.extra.get("side") or "unknown"),
        "; ".join(record.licence) or "unknown",
        files.digest([record.sha256_image, record.sha256_mask]),
    )


def views(photos: Sequence[PhotoFoot], canvas: int, about: dict[str, Any]) -> Iterator[Cutout]:
    """A cutout a photo; ``canvas`` as of :class:`datagen.rigs.Rig`.

    Raises:
        BadInput: a file that is gone or cannot be read, or without a foot.
    """
    first = min(photo.camera for photo in photos)
    for view, photo in enumerate(photos):
        yield _cutout(
            photo, canvas, (photo.camera - min(first, 1)) % len(cameras.SCANNER_VIEWS), {**about, "view": view}
        )


def refuse_layers(layers: bool) -> None:
    """Raises UsageProblem where layers are asked for, which a photo has none of."""
    if layers:
        raise UsageProblem(
            "photographed feet have no depth, normals, parts or clothes: of --labels they take alpha only"
        )


def _cutout(photo: PhotoFoot, canvas: int, view: int, about: dict[str, Any]) -> Cutout:
    picture = images.read_image(photo.image)
    alpha = images.read_mask(photo.alpha)
    alpha = alpha * np.uint8(255) if int(alpha.max(initial=0)) == 1 else alpha
    if alpha.shape != picture.shape[:2]:
        raise BadInput(photo.alpha, "a mask of its photo's size", f"{alpha.shape}", "prepare the photos again")
    rows, columns = np.flatnonzero((alpha >= 128).any(axis=1)), np.flatnonzero((alpha >= 128).any(axis=0))
    if not len(rows):
        raise BadInput(photo.alpha, "a foot", "none", "prepare the photos again")
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    left, top, side = _square(box, (alpha.shape[1], alpha.shape[0]))
    scale = canvas / side
    way = np.array([[scale, 0, (0.5 - left) * scale - 0.5], [0, scale, (0.5 - top) * scale - 0.5]])
    colour, cover = _scaled(picture, alpha, way, scale, canvas)
    longest = max(box[2] - box[0], box[3] - box[1])
    rig = cameras.scanner(view, canvas)
    # as wide as makes the foot its usual size on the floor
    fov = 2 * math.degrees(math.atan(FOOT_M * side / longest / 2 / rig.distance_m))
    shade = np.zeros((canvas, canvas, 4), np.uint8)
    shade[..., :2], shade[..., 3] = _UNIT, cover
    lamp = Lamp(0.0, 90.0, 20.0)
    told = {
        **about,
        "sides": [photo.side] if photo.side != "unknown" else [],
        "lamp": lamp.as_json(),
        "photo_sha256": photo.sha256,
        "rig_camera": photo.camera,
        "foot_share": round(float((cover >= 128).mean()), 5),
    }
    floor = _contact(cover)
    return Cutout((0, 0), np.dstack([colour, cover]), shade, floor, replace(rig, fov_deg=fov), told)


def _square(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[float, float, float]:
    """(left, top, side) of the square to cut: around the foot, and up to the picture's edge where that cuts the foot.

    A leg that the picture cuts is then cut by the canvas, and by every scene, in the same way.
    """
    side = ROOM * max(box[2] - box[0], box[3] - box[1])
    for low, high, length in ((box[0], box[2], size[0]), (box[1], box[3], size[1])):
        if low <= 0 and high >= length:
            side = min(side, float(length))
    corner = []
    for low, high, length in ((box[0], box[2], size[0]), (box[1], box[3], size[1])):
        start = (low + high - side) / 2
        if low <= 0:
            start = 0.0
        elif high >= length:
            start = length - side
        corner.append(start)
    return corner[0], corner[1], side


def _scaled(
    picture: images.Image, alpha: npt.NDArray[np.uint8], way: npt.NDArray[np.float64], scale: float, canvas: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Colour and cover on the canvas; the foot's colour is carried a little beyond its edge, for resampling."""
    sure = (alpha >= 250).astype(np.uint8)
    sure = cv2.erode(sure, np.ones((3, 3), np.uint8)) if sure.mean() > 0.01 else sure
    weight = cv2.blur(sure.astype(np.float32), (15, 15))
    around = cv2.blur(picture.astype(np.float32) * sure[..., None], (15, 15)) / np.maximum(weight, 1e-6)[..., None]
    # the rig's background must not shine through the soft edge
    clean = np.where((sure > 0)[..., None], picture, np.where((weight > 1e-4)[..., None], around, picture))
    if scale < 1:  # no pixel of a large photo is to be jumped over
        sigma = 0.4 / scale
        clean, alpha = cv2.GaussianBlur(clean.astype(np.float32), (0, 0), sigma), cv2.GaussianBlur(alpha, (0, 0), sigma)
    size = (canvas, canvas)
    colour = cv2.warpAffine(
        clean.astype(np.float32), way, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    cover = cv2.warpAffine(np.asarray(alpha), way, size, flags=cv2.INTER_LINEAR)
    return np.clip(colour + 0.5, 0, 255).astype(np.uint8), np.asarray(cover, np.uint8)


def _contact(cover: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(S / 2, S / 2, 2) light on the floor: dark along the underside of the foot, fading out around it."""
    size = cover.shape[0] // cutouts.FLOOR_COARSER
    small = cv2.resize(cover, (size, size), interpolation=cv2.INTER_AREA) >= 128
    rows = np.flatnonzero(small.any(axis=1))
    sole = np.zeros((size, size), np.float32)
    if len(rows):
        middle = (rows[0] + rows[-1]) / 2
        band = max(2, round(0.05 * size))
        for column in np.flatnonzero(small.any(axis=0)):
            lowest = int(np.flatnonzero(small[:, column])[-1])
            if lowest >= middle:  # what hangs higher is leg
                sole[max(lowest - band, 0) : lowest + 2, column] = 1
    near = cv2.GaussianBlur(sole, (0, 0), 0.012 * size)
    wide = cv2.GaussianBlur(sole, (0, 0), 0.04 * size)
    dark = np.clip(0.6 * near + 0.8 * wide, 0, 1) * _CONTACT_DARK
    light = np.rint(255 * (1 - dark)).astype(np.uint8)
    return np.dstack([light, light])
