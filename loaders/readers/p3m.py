"""The reader ``p3m-10k``: portraits with soft alpha, faces blurred or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from loaders.readers.layout import locate, paired, walk
from loaders.readers.reader import Item, Published
from loaders.readers.relabel import PERSON
from masksmith import images
from masksmith.errors import BadInput

HALF = 128
"""The least 8-bit alpha of the person: 0.5, rounded up."""
PARTS = (
    ("train", "train"),
    ("validation/P3M-500-NP", "val"),
    ("validation/P3M-500-P", "val"),
)
PICTURES = ("blurred_image", "original_image")


class P3m(Published):
    """P3M-10k below ``root``: ``train`` and ``validation/P3M-500-{P,NP}``, each with images and ``mask``.

    A pixel is the person where alpha is at least 0.5; alpha itself stays beside it, named in ``extra["alpha"]``.

    Args:
        root: holds the dataset, or some of its parts.

    Raises:
        BadInput: no such layout.
    """

    name = "p3m-10k"
    rewrites = True
    classes = PERSON

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        layouts = {part: tuple(f"{part}/{name}" for name in ("mask",)) for part, _ in PARTS}
        _, self.base = locate(self.root, self.name, layouts)

    def items(self) -> Iterator[Item]:
        """The portraits of all parts that are there; see :meth:`Reader.items`."""
        for part, split in PARTS:
            folder = self.base / part
            if not folder.is_dir():
                continue
            pictures = next((folder / name for name in PICTURES if (folder / name).is_dir()), None)
            if pictures is None:
                raise BadInput(folder, f"a folder {' or '.join(PICTURES)}", "neither", "restore it")
            masks = walk(folder / "mask", prefix=f"{part}/")
            for name, image, mask in paired(walk(pictures, prefix=f"{part}/"), masks):
                yield Item(
                    name,
                    image or "",
                    mask,
                    split=split,
                    extra={"part": part, "faces": "blurred" if pictures.name == PICTURES[0] else "shown"},
                    files={"alpha": mask} if mask else {},
                    lacks="no image" if image is None else "no alpha" if mask is None else "",
                )

    def read_mask(self, path: str) -> images.Mask:
        """(H, W) 0/1: alpha at least 0.5."""
        return (images.read_mask(path) >= HALF).astype(np.uint8)
