"""A trained face network as a plain function from faces to points."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault
from masksmith.images import Image
from trainers.checkpoint import FORMAT, read_weights
from trainers.identity.crops import centre_crop
from trainers.identity.distances import SAME_BELOW, as_euclidean
from trainers.identity.drawing import as_tensor
from trainers.models import EMBEDDINGS, build_embedding
from trainers.networks.facenet import DIMENSIONS
from trainers.networks.layers import Pictured
from trainers.predict import pick_device

MODEL = "facenet_mobile"
WEIGHTS = "MASKSMITH_FACE_WEIGHTS"
"""The environment variable that names a face network's run folder or file of weights."""
BATCH = 64

Points = npt.NDArray[np.float32]


def save_face_network(path: str | os.PathLike[str], tensors: Mapping[str, Any], notes: Mapping[str, str]) -> None:
    """Write the weights of a face network as safetensors, atomically, with ``width``, ``size``, ``crop``,
    ``distance`` and ``threshold`` among the notes, and ``model`` where it is not :data:`MODEL`.

    Raises:
        EnvironmentFault: the disk is full or the folder cannot be written to.
    """
    from safetensors.torch import save

    whole = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    files.write_bytes(path, save(whole, {"format": FORMAT, "model": MODEL, **notes}))


class FaceEmbedder:
    """Faces to points of length 1; a face and its mirror image are embedded together.

    Args:
        path: a run folder of ``masksmith identity train``, or a file of weights.
        device: ``cpu``, ``cuda`` or ``auto``.

    Attributes:
        size: (height, width) in pixels of the crops it takes.
        crop: how its training's crops were made, ``mtcnn`` or ``none``.
        distance: ``euclidean`` or ``squared``, what :attr:`threshold` is in.
        threshold: below it two faces are of the same person, as chosen on the training people.
        error: share of pairs of photos that the threshold gets wrong; None = not known.
        error_of: whom: ``strangers`` (people held out in training) or ``learned`` (the training people, which is less).

    Raises:
        BadInput: not the weights of a face network.
        EnvironmentFault: a GPU is asked for and not there.
    """

    def __init__(self, path: str | os.PathLike[str], device: str = "cpu") -> None:
        weights = read_weights(path)
        notes = weights.notes
        named = notes.get("model", "")
        wanted, fix = f"weights of {' or '.join(EMBEDDINGS)}", "train one: masksmith identity train"
        if named not in EMBEDDINGS:
            raise BadInput(path, wanted, f"weights of {named or 'a network that is not named'}", fix)
        try:
            self.width = float(notes["width"])
            self.size: tuple[int, int] = _size(notes["size"])
            self.crop, self.distance = notes.get("crop", "none"), notes.get("distance", "euclidean")
            self.threshold = float(notes.get("threshold", SAME_BELOW))
            self.error = float(notes["pair_error"]) if "pair_error" in notes else None
            self.error_of = notes.get("pair_error_of", "learned")
            self.same_below = as_euclidean(self.threshold, self.distance)
            network = build_embedding(named, width=self.width)
            network.load_state_dict(dict(weights.tensors))
        except (KeyError, ValueError, RuntimeError) as fault:
            raise BadInput(path, wanted, f"others ({str(fault).splitlines()[0]})", fix) from None
        self.device = pick_device(device)
        self.network: Pictured = network.to(device=self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload, assignment]

    def __call__(self, images: Sequence[Image]) -> Points:
        """(N, 128) float32 points of length 1 for N faces, each (H, W, 3) uint8 RGB.

        A picture of another size than :attr:`size` is cropped in the middle and resized.

        Raises:
            ValueError: a picture of another shape or type.
        """
        height, width = self.size
        found = [np.zeros((0, DIMENSIONS), np.float32)]
        for start in range(0, len(images), BATCH):
            part = [centre_crop(_checked(image), height, width) for image in images[start : start + BATCH]]
            found.append(self.of_crops(np.stack(part)))
        return np.concatenate(found)

    def of_crops(self, crops: npt.NDArray[np.uint8]) -> Points:
        """(N, 128) points of crops (N, H, W, 3) of :attr:`size`."""
        return embed_crops(self.network, crops, self.device)


def embed_crops(network: torch.nn.Module, crops: npt.NDArray[np.uint8], device: torch.device) -> Points:
    """(N, 128) float32: each crop's point and its mirror image's, added and brought to length 1."""
    found = [np.zeros((0, DIMENSIONS), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(crops), BATCH):
            values = as_tensor(crops[start : start + BATCH]).to(device)
            both = network(values) + network(values.flip(3))
            found.append(F.normalize(both, dim=1).float().cpu().numpy())
    return np.concatenate(found)


def embedder(path: str | os.PathLike[str] | None = None) -> FaceEmbedder:
    """The face network of a run folder or file of weights, ready to be called with a list of faces.

    Args:
        path: None = what the environment variable ``MASKSMITH_FACE_WEIGHTS`` names.

    Raises:
        EnvironmentFault: no path and no such variable; no weights come with the package.
        BadInput: as :class:`FaceEmbedder`.
    """
    named = path if path is not None else os.environ.get(WEIGHTS)
    if not named:
        raise EnvironmentFault(
            "no face network is named, and none comes with the package; train one (masksmith identity train) and "
            f"name it, or set {WEIGHTS} to its folder"
        )
    return FaceEmbedder(Path(named))


def audit_embedder(path: str | os.PathLike[str] | None = None) -> tuple[Callable[[Image], Points], float]:
    """What the leak audit compares faces by: a picture to the (K, 128) points of its K faces, and the least cosine
    of two points of one person, ``1 - threshold² / 2`` for a Euclidean threshold.

    Raises:
        EnvironmentFault: no weights, or the network was trained on detected faces and no detector is installed.
        BadInput: as :class:`FaceEmbedder`.
    """
    network = embedder(path)
    cosine = 1 - network.same_below**2 / 2
    if network.crop == "none":
        return (lambda image: network([image])), cosine
    from trainers.identity.detect import Detector

    detector = Detector()

    def points(image: Image) -> Points:
        return network([detector.crop(image, face, *network.size) for face in detector(image)])

    return points, cosine


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    return int(height), int(width)


def _checked(image: Image) -> Image:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"a face is (H, W, 3) uint8, not {image.shape} {image.dtype}")
    return image
