"""The reader ``davis-2016``: sequences with one moving object each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from loaders.readers.layout import locate, paired, walk
from loaders.readers.reader import Item, Published, own_name
from loaders.readers.relabel import Relabel
from masksmith import images
from masksmith.errors import BadInput

RESOLUTION = "480p"
OBJECT = "object"
VALUES = Relabel({0: "background", 255: OBJECT}, OBJECT, {OBJECT: (OBJECT,)})


class Davis(Published):
    """DAVIS 2016 below ``root``: ``JPEGImages/480p/<sequence>`` and ``Annotations/480p/<sequence>``.

    Args:
        root: holds the dataset, or some of its sequences.
        class_name: what the moving objects are, where it is one thing (such as person); None = ``object``.

    Raises:
        UsageProblem: a class name that is none.
        BadInput: no such layout.
    """

    name = "davis-2016"
    options = ("class_name",)
    rewrites = True
    classes = VALUES.classes

    def __init__(self, root: Path, class_name: str | None = None) -> None:
        super().__init__(root)
        self.class_name = own_name(class_name) or OBJECT
        self.classes = {"background": 0, self.class_name: 1}
        marks = (f"JPEGImages/{RESOLUTION}", f"Annotations/{RESOLUTION}")
        _, self.base = locate(self.root, self.name, {"davis": marks})
        self.frames, self.masks = (self.base / mark for mark in marks)

    def items(self) -> Iterator[Item]:
        """The frames in order; see :meth:`Reader.items`."""
        splits = self._splits()
        for name, image, mask in paired(walk(self.frames), walk(self.masks)):
            clip, _, frame = name.rpartition("/")
            if not clip or not frame.isdigit():
                raise BadInput(image or mask, "<sequence>/<number>", name, "check --from")
            lacks = "no frame" if image is None else "no annotation" if mask is None else ""
            yield Item(name, image or "", mask, split=splits.get(clip), clip=clip, frame=int(frame), lacks=lacks)

    def read_mask(self, path: str) -> images.Mask:
        """(H, W) 0/1 of a mask of 0/255."""
        return VALUES(path, images.read_mask(path))

    def _splits(self) -> dict[str, str]:
        """Sequence to split, by the lists in ``ImageSets``; empty without them."""
        found = {}
        for split in ("train", "val"):
            place = self.base / "ImageSets" / RESOLUTION / f"{split}.txt"
            if place.is_file():
                found.update({line.split()[0].split("/")[-2]: split for line in place.read_text().splitlines() if line})
        return found
