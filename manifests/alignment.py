"""Alignment: whether two pictures are views of one photo, by points that one shift, turn and scale brings together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from masksmith.images import Image

SIDE_PX = 400
POINTS = 600
RATIO = 0.8
TOLERANCE_PX = 4.0
AGREE = 15
"""Points that two crops of one photo have in common at least.

On 137 photos of people, feet and streets, crops to 80, 60 and 40 % of the area, mirrored, of JPEG quality 40 or
brightened, had that many in 98.5, 98.5, 96 and 99 of 100 cases; of 641 pairs of photos that an encoder finds alike, two
had, both of them shots of one scene."""


@dataclass(frozen=True)
class Points:
    """(P, 2) float32 places in pixels of a picture whose longer side is :data:`SIDE_PX`, and their descriptors."""

    places: npt.NDArray[np.float32]
    words: npt.NDArray[np.uint8]


def points(image: Image) -> Points:
    """The points of an (H, W, 3) picture that can be found again (ORB: Rublee et al., ICCV 2011)."""
    scale = SIDE_PX / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    finder: Any = cv2
    found, words = finder.ORB_create(POINTS, fastThreshold=8).detectAndCompute(grey, None)
    places = np.array([each.pt for each in found], np.float32).reshape(-1, 2)
    return Points(places, np.zeros((0, 32), np.uint8) if words is None else words)


def agreeing(first: Points, second: Points) -> int:
    """How many points of one picture a shift, turn and scale brings to where they are in the other.

    A point counts where its nearest descriptor is nearer than :data:`RATIO` times the second (Lowe, IJCV 2004).
    """
    if min(len(first.words), len(second.words)) < 8:
        return 0
    far = cv2.batchDistance(first.words, second.words, cv2.CV_32S, normType=cv2.NORM_HAMMING, K=2)
    distance, index = np.asarray(far[0]), np.asarray(far[1])
    good = np.flatnonzero(distance[:, 0] < RATIO * distance[:, 1])
    if len(good) < 4:
        return 0
    cv2.setRNGSeed(0)  # the sampling below is to come out the same each time
    _, inside = cv2.estimateAffinePartial2D(
        first.places[good], second.places[index[good, 0]], ransacReprojThreshold=TOLERANCE_PX
    )
    if inside is None:
        return 0
    # many points of one picture on a few of the other are no agreement
    return len(np.unique(index[good[np.asarray(inside).ravel() > 0], 0]))
