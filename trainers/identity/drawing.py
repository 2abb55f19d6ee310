"""Mini-batches of P people with K photos each, drawn and augmented by the seed and the step alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from loaders import warps
from loaders.augment import flip, relight
from masksmith import seeds
from masksmith.images import Image
from trainers.identity.settings import IdentitySettings

_BEND = 0.045
"""How far a persona's face is bent, as a share of its height (standard deviation of a 5 x 5 grid's nodes)."""
_SHADE = 18.0
"""How much lighter or darker a persona is in parts, in grey values."""


@dataclass(frozen=True)
class Faces:
    """Crops in memory: (H, W, 3) uint8 each, and the number of the person each shows."""

    crops: npt.NDArray[np.uint8]
    people: npt.NDArray[np.int64]


class Drawing:
    """The mini-batches of a run.

    Args:
        faces: crops of people with two photos or more each.
        settings: P, K, personas, augmentation and seed.

    Where there are fewer than P people, all of them make a batch; of a person with fewer than K photos all are taken,
    and then again in another draw.
    """

    def __init__(self, faces: Faces, settings: IdentitySettings) -> None:
        self.faces, self.settings = faces, settings
        self.places = [np.flatnonzero(faces.people == number) for number in np.unique(faces.people)]

    @property
    def identities(self) -> int:
        """People times personas."""
        return len(self.places) * self.settings.personas

    def batch(self, step: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Crops (B, H, W, 3) uint8 and identities (B,) of a step."""
        settings = self.settings
        rng = seeds.rng(settings.seed, "faces", step)
        chosen = rng.choice(self.identities, min(settings.people, self.identities), replace=False)
        crops, people = [], []
        for identity in chosen.tolist():
            version, person = divmod(identity, len(self.places))
            own = self.places[person]
            rounds = -(-settings.photos // len(own))
            picks = np.concatenate([rng.permutation(own) for _ in range(rounds)])[: settings.photos]
            for place in picks.tolist():
                image = persona(self.faces.crops[place], settings.seed, person, version)
                crops.append(vary(image, settings, rng))
                people.append(identity)
        return np.stack(crops), np.array(people, np.int64)


def vary(image: Image, settings: IdentitySettings, rng: np.random.Generator) -> Image:
    """Mirror (every second time), turn, scale, move and relight (H, W, 3) within the settings' strengths."""
    height, width = image.shape[:2]
    if rng.random() < 0.5:
        image = flip(image)
    x, y = rng.uniform(-settings.shift, settings.shift, 2)
    matrix = warps.centred_affine(
        height,
        width,
        angle_deg=rng.uniform(-settings.turn_deg, settings.turn_deg),
        scale=float(np.exp(rng.uniform(-settings.scale, settings.scale))),
        shift_px=(x * width, y * height),
    )
    image = warps.warp(image, matrix, border=cv2.BORDER_REPLICATE)
    brightness, contrast = rng.uniform(-settings.light, settings.light, 2)
    return relight(image, brightness, 1 + contrast, float(np.exp(rng.uniform(-2, 2) * settings.light)))


def persona(image: Image, seed: int, person: int, version: int) -> Image:
    """A made-up relative: one bend and shading for all photos of (person, version); version 0 is the person.

    A network that has to tell a person from their personas learns more people's worth of shapes than the data has.
    """
    if version == 0:
        return image
    columns, rows, shade = _bend(seed, person, version, *image.shape[:2])
    bent = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.clip(bent + shade[..., None], 0, 255).astype(np.uint8)


@lru_cache(maxsize=4096)
def _bend(
    seed: int, person: int, version: int, height: int, width: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    rng = seeds.rng(seed, "persona", person, version)
    nodes = rng.normal(0, _BEND * height, (2, 5, 5))
    line = np.linspace(-1, 1, 5)
    nodes[0] += line[None, :] * rng.uniform(-0.08, 0.08) * width
    nodes[1] += line[:, None] * rng.uniform(-0.08, 0.08) * height

    def smooth(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        grown = cv2.resize(values.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(grown, np.float32)

    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return across + smooth(nodes[0]), down + smooth(nodes[1]), smooth(rng.normal(0, _SHADE, (4, 4)))


def as_tensor(crops: npt.NDArray[np.uint8]) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) float32 in [0, 1], laid out channels last."""
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float().div_(255)
