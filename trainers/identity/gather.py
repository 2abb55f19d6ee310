"""Photos to crops: detected faces or the middle of each picture, with what has no face named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from masksmith import console
from masksmith.errors import BadInput, MasksmithError, unknown_choice
from masksmith.images import Image, read_image
from trainers.identity.crops import centre_crop
from trainers.identity.drawing import Faces
from trainers.identity.photos import Photos
from trainers.identity.settings import CROPS

Cropper = Callable[[Image, int, int], Image | None]
"""A picture, height and width -> the crop, or None where there is no face."""


@dataclass(frozen=True)
class Gathered:
    """Crops in memory and what they are of.

    Attributes:
        crops: (N, H, W, 3) uint8.
        photos: the N photos.
        without_face: ids of photos in which no face was found.
        unreadable: what is wrong with files that could not be read.
    """

    crops: npt.NDArray[np.uint8]
    photos: Photos
    without_face: tuple[str, ...]
    unreadable: tuple[str, ...]

    def faces(self) -> Faces:
        """Crops with the numbers of their people."""
        return Faces(self.crops, self.photos.labels())


def find_cropper(name: str) -> Cropper:
    """``mtcnn``: the largest face, upright, with its margin; ``none``: the middle of the picture.

    Raises:
        UsageProblem: another word.
        EnvironmentFault: the detector is not installed.
    """
    if name not in CROPS:
        raise unknown_choice("crop", name, CROPS)
    if name == "none":
        return centre_crop
    from trainers.identity.detect import Detector

    detector = Detector()

    def crop(image: Image, height: int, width: int) -> Image | None:
        found = detector(image)
        return detector.crop(image, found[0], height, width) if found else None

    return crop


def gather(photos: Photos, size: tuple[int, int], crop: str, cropper: Cropper | None = None) -> Gathered:
    """Read and crop photos; those without a face and those that cannot be read are listed and left out.

    Memory: H x W x 3 bytes a photo.

    Raises:
        BadInput: no photo is left.
        UsageProblem, EnvironmentFault: as :func:`find_cropper`.
    """
    take = cropper or find_cropper(crop)
    crops: list[Image] = []
    kept: list[int] = []
    faceless: list[str] = []
    damaged: list[str] = []
    with console.progress("faces", len(photos)) as advance:
        for k, path in enumerate(photos.paths):
            try:
                found = take(read_image(path), *size)
            except MasksmithError as fault:
                damaged.append(str(fault))
            else:
                if found is None:
                    faceless.append(photos.ids[k])
                else:
                    crops.append(found)
                    kept.append(k)
            advance(1)
    if not crops:
        raise BadInput(*_nothing(photos.folder, len(faceless), damaged))
    return Gathered(np.stack(crops), photos.take(kept), tuple(faceless), tuple(damaged))


def _nothing(folder: Path, faceless: int, damaged: list[str]) -> tuple[Path, str, str, str]:
    found = f"none in {faceless} photos" if faceless else f"no photo that can be read ({damaged[0]})"
    return folder, "a face in some of the photos", found, "give photos of faces, or take their middle: --crop none"
