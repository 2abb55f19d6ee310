"""Faces followed through a video: boxes linked by overlap, one mean point a track, tracks told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from masksmith.images import Image
from trainers.identity.clusters import PairScore, score_of
from trainers.identity.detect import Face, upright_crop
from trainers.identity.distances import as_euclidean, pairwise

LEAST_OVERLAP = 0.3
PATIENCE = 5
"""Frames that a track may go without a face before it ends."""
SHORTEST = 3
"""Faces that a track must have to count."""

Box = tuple[float, float, float, float]


@dataclass
class Track:
    """One face through time: frame numbers and boxes, and the crops to embed."""

    frames: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    crops: list[Image] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The last frame with the face."""
        return self.frames[-1]


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    both = max(width, 0.0) * max(height, 0.0)
    areas = [max(b[2] - b[0], 0.0) * max(b[3] - b[1], 0.0) for b in (first, second)]
    return both / max(sum(areas) - both, 1e-9)


class Tracker:
    """Links the boxes of frame after frame, the best overlap first.

    Args:
        least: overlap (IoU) that links.
        patience: frames without a face after which a track ends.
    """

    def __init__(self, least: float = LEAST_OVERLAP, patience: int = PATIENCE) -> None:
        self.least, self.patience = least, patience
        self.tracks: list[Track] = []

    def add(self, frame: int, boxes: Sequence[Box]) -> list[Track]:
        """The track of each box of a frame; frames come in rising order."""
        alive = [track for track in self.tracks if frame - track.last <= self.patience + 1]
        ranked = sorted(
            (
                (-overlap(track.boxes[-1], box), a, b)
                for a, track in enumerate(alive)
                for b, box in enumerate(boxes)
                if overlap(track.boxes[-1], box) >= self.least
            )
        )
        chosen: dict[int, Track] = {}
        used: set[int] = set()
        for _, a, b in ranked:
            if a not in used and b not in chosen:
                chosen[b] = alive[a]
                used.add(a)
        found = []
        for b, box in enumerate(boxes):
            track = chosen.get(b)
            if track is None:
                track = Track()
                self.tracks.append(track)
            track.frames.append(frame)
            track.boxes.append(box)
            found.append(track)
        return found


def follow(
    frames: Iterable[Image],
    detect: Callable[[Image], Sequence[Face]],
    size: tuple[int, int],
    *,
    every: int = 1,
    shortest: int = SHORTEST,
) -> list[Track]:
    """The tracks of a video's faces with their upright crops.

    Args:
        frames: (H, W, 3) uint8 RGB each.
        detect: finds faces in a frame.
        size: (height, width) of the crops.
        every: look at every so many frames.
        shortest: tracks with fewer faces are left out.
    """
    tracker = Tracker()
    for number, image in enumerate(frames):
        if number % every:
            continue
        faces = list(detect(image))
        for face, track in zip(faces, tracker.add(number // every, [face.box for face in faces]), strict=True):
            track.crops.append(upright_crop(image, face, *size))
    return [track for track in tracker.tracks if len(track.frames) >= shortest]


def mean_points(
    tracks: Sequence[Track], embed: Callable[[list[Image]], npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """(N, D) the mean of each track's points, brought to length 1."""
    found = []
    for track in tracks:
        mean = embed(track.crops).mean(axis=0)
        found.append(mean / max(float(np.linalg.norm(mean)), 1e-9))
    return np.array(found, np.float32)


def track_score(
    points: npt.NDArray[Any], people: Sequence[str], threshold: float, distance: str = "euclidean"
) -> PairScore:
    """F1 of "same person" over all pairs of tracks: a pair is called the same below ``threshold``.

    Args:
        points: (N, D) one a track.
        people: whose track each is.
    """
    as_euclidean(threshold, distance)
    upper = np.triu_indices(len(points), 1)
    near = (pairwise(points, distance) < threshold)[upper] if len(points) > 1 else np.zeros(0, bool)
    names = np.array(people)
    same = (names[:, None] == names[None, :])[upper] if len(points) > 1 else np.zeros(0, bool)
    return score_of(int((near & same).sum()), int(near.sum()), int(same.sum()), len(near))
