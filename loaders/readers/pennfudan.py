"""The reader ``penn-fudan``: pedestrians, each an object of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from loaders.readers import objects
from loaders.readers.layout import locate, paired, trimmed, walk
from loaders.readers.reader import Item, Published, Seen
from loaders.readers.relabel import PERSON
from masksmith import images


class PennFudan(Published):
    """Penn-Fudan below ``root``: ``PNGImages/NAME.png`` and ``PedMasks/NAME_mask.png`` (0, and 1 to k people).

    The mask is 0/1; which pixel is whose stays in ``instances/``, see :mod:`loaders.readers.objects`.

    Args:
        root: holds the dataset.

    Raises:
        BadInput: no such layout.
    """

    name = "penn-fudan"
    rewrites = True
    separates = True
    classes = PERSON

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        _, self.base = locate(self.root, self.name, {"penn-fudan": ("PNGImages", "PedMasks")})

    def items(self) -> Iterator[Item]:
        """The photos in order; see :meth:`Reader.items`."""
        masks = trimmed(walk(self.base / "PedMasks"), "_mask")
        for name, image, mask in paired(walk(self.base / "PNGImages"), masks):
            yield Item(name, image or "", mask, lacks="no image" if not image else "" if mask else "no annotation")

    def look(self, item: Item) -> Seen:
        """Open a photo and take its people apart."""
        values = images.read_mask(item.mask or "")
        people = (({"class": "person"}, values == number) for number in np.unique(values) if number)
        found = objects.separate(people, (values.shape[0], values.shape[1]))
        image = images.read_image(item.image)
        return Seen(image, found["mask"], instances=found["instances"], extra={"objects": found["objects"]})

    def read_mask(self, path: str) -> images.Mask:
        """(H, W) 0/1: all people."""
        return (images.read_mask(path) > 0).astype(np.uint8)
