"""A trained network as a plain function from pictures to soft masks."""

from __future__ import annotations

import os
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from masksmith.errors import EnvironmentFault, unknown_choice
from masksmith.images import resize_image
from trainers.checkpoint import load
from trainers.networks.layers import Network, foreground

Soft = npt.NDArray[np.float32]
DEVICES = ("auto", "cpu", "cuda")
BATCH = 16
"""Images that go through the network together."""


def pick_device(name: str) -> torch.device:
    """``cpu``, ``cuda``, or ``auto``: a GPU where there is one.

    Raises:
        UsageProblem: another word.
        EnvironmentFault: a GPU is asked for and not there.
    """
    if name not in DEVICES:
        raise unknown_choice("device", name, DEVICES)
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise EnvironmentFault("torch finds no CUDA device; install a CUDA build of torch, or take the device cpu")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


class Predictor:
    """Soft foreground masks from a trained network.

    Args:
        path: a run folder or a file of weights.
        device: ``cpu``, ``cuda`` or ``auto``.
        size: (height, width) that pictures are resized to; None = the size the network was trained at.

    Attributes:
        name: the network's name.
        inputs: ``("image",)`` or ``("image", "prior")``.
        size: (height, width) in pixels.

    Raises:
        BadInput: as :func:`trainers.load`.
        EnvironmentFault: as :func:`pick_device`.
    """

    def __init__(self, path: str | os.PathLike[str], device: str = "cpu", size: tuple[int, int] | None = None) -> None:
        self.device = pick_device(device)
        self.network: Network = load(path).to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.name = self.network.name
        self.inputs = self.network.inputs
        self.size = size or self.network.size

    def __call__(self, image: npt.NDArray[np.uint8], prior: Soft | None = None) -> Soft:
        """The foreground's probability in every pixel.

        Args:
            image: (H, W, 3) uint8 RGB.
            prior: (h, w) the previous frame's soft mask in [0, 1], resized where need be; None = there is none.
                Networks with one input leave it out.

        Returns:
            (H, W) float32 in [0, 1].

        Raises:
            ValueError: an array of another shape or type.
        """
        return self._soft([image], [prior])[0]

    def batch(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Soft]:
        """As calling it on each image without a prior, faster; the images may differ in size."""
        found: list[Soft] = []
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            found += self._soft(part, [None] * len(part))
        return found

    def classes(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The most probable class of every pixel, without a prior.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            (H, W) uint8 class ids; 0 and 1 for a network of one foreground class.
        """
        if self.network.outputs < 3:
            return (self(image) >= 0.5).astype(np.uint8)
        with torch.inference_mode():
            scores = self.network(*self._given([image], [None])).softmax(1)[0].float().cpu().numpy()
        return np.stack([_resized(score, *image.shape[:2]) for score in scores]).argmax(0).astype(np.uint8)

    def _soft(self, images: Sequence[npt.NDArray[np.uint8]], priors: Sequence[Soft | None]) -> list[Soft]:
        with torch.inference_mode():
            soft = foreground(self.network(*self._given(images, priors))).float().cpu().numpy()
        return [_resized(soft[k], *image.shape[:2]) for k, image in enumerate(images)]

    def _given(self, images: Sequence[npt.NDArray[np.uint8]], priors: Sequence[Soft | None]) -> list[Tensor]:
        """What the network takes: images (B, 3, h, w), and priors (B, 1, h, w) where it has that input."""
        height, width = self.size
        small = np.stack([resize_image(_checked(image), height, width) for image in images])
        given = [torch.from_numpy(small).permute(0, 3, 1, 2).to(self.device).float().div_(255)]
        if "prior" in self.inputs:
            given.append(torch.stack([self._prior(prior) for prior in priors]).to(self.device))
        return given

    def _prior(self, prior: Soft | None) -> Tensor:
        height, width = self.size
        if prior is None:
            return torch.zeros(1, height, width)
        if prior.ndim != 2:
            raise ValueError(f"a prior is (H, W), not {prior.shape}")
        return torch.from_numpy(_resized(np.asarray(prior, dtype=np.float32), height, width))[None]


def _checked(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"an image is (H, W, 3) uint8, not {image.shape} {image.dtype}")
    return image


def _resized(soft: Soft, height: int, width: int) -> Soft:
    if soft.shape == (height, width):
        return np.ascontiguousarray(soft, dtype=np.float32)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
