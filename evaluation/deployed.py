"""An exported network, ours or anybody's, judged on a dataset as a training is: through the runtime it was made for."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from evaluation.dataset import Model, Soft
from masksmith import upsampling
from masksmith.errors import BadInput
from masksmith.images import Image, resize_image
from masksmith.runtimes import RUNTIMES, open_model
from masksmith.segmenter import Exported

SUFFIXES = frozenset(suffix for suffixes in RUNTIMES.values() for suffix in suffixes)
"""The kinds of file that are exported networks."""


def is_exported(path: Path) -> bool:
    """Whether a path names an exported file: by its suffix; ``.pt``, which weights may have too, by its content."""
    if path.is_dir() or path.suffix.lower() not in SUFFIXES:
        return False
    if path.suffix.lower() != ".pt":
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("constants.pkl") for name in archive.namelist())  # TorchScript keeps code apart
    except (OSError, zipfile.BadZipFile):
        return False


class Deployed:
    """Soft masks at the picture's size from an exported file; a plain bilinear enlargement, as for a training.

    Args:
        path: as :func:`masksmith.runtimes.open_model`.

    Raises:
        BadInput, EnvironmentFault: as :func:`masksmith.runtimes.open_model`; a network of several foreground classes.
    """

    def __init__(self, path: Path) -> None:
        self._network = Exported(path)
        classes = int(self._network.model.meta.get("classes") or 2)
        if classes > 2:
            found = f"one that tells {classes} classes apart"
            raise BadInput(path, "an exported network of one foreground", found, "judge the run it was exported from")
        self.carries = "prior" in self._network.inputs

    def __call__(self, image: Image, prior: Soft | None = None) -> Soft:
        """The foreground's probability (H, W) of (H, W, 3) uint8 RGB, with the mask (h, w) of the frame before."""
        size = self._network.size
        before = None if prior is None or not self.carries else upsampling.enlarge(prior, *size)
        return upsampling.enlarge(self._network(resize_image(image, *size), before), *image.shape[:2])

    def many(self, pictures: Sequence[Image]) -> list[Soft]:
        """Each by itself, without a prior."""
        return [self(picture) for picture in pictures]


def as_model(path: Path) -> Model:
    """An exported file as :class:`evaluation.dataset.Model`.

    Raises:
        BadInput, EnvironmentFault: as :class:`Deployed`.
    """
    network = Deployed(path)
    return Model(network.many, network if network.carries else None)


def described(path: Path) -> tuple[list[str] | None, str]:
    """The foreground classes that a file itself names, and what is assumed where it says nothing of itself.

    Returns:
        (names, or None where it names none; a sentence, or nothing).

    Raises:
        BadInput, EnvironmentFault: as :func:`masksmith.runtimes.open_model`.
    """
    meta = open_model(path).meta
    named = meta.get("foreground")
    names = [named] if isinstance(named, str) else [str(name) for name in named] if named else None
    silent = (
        f"{path.name} says nothing of itself; assumed: RGB from 0 to 1 in, the background before the foreground out."
    )
    return names, "" if meta else silent
