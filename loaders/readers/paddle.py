"""The readers ``pp-humanseg14k`` and ``mini-supervisely``: people sets of PaddleSeg, an image and a mask a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from loaders.readers.layout import locate, paired, walk
from loaders.readers.reader import Item, Published
from loaders.readers.relabel import Relabel
from loaders.readers.supervisely import photo_key
from masksmith import images
from masksmith.errors import BadInput

SPLITS = ("test", "train", "val")
CODED = Relabel({0: "background", 1: "person", 255: "person"}, "person", {"person": ("person",)})
"""0/1 or 0/255; the one list of the set says which, and both at once are refused."""


class HumanSeg(Published):
    """PP-HumanSeg14K below ``root``: ``images`` and ``annotations`` with a folder a split, or lists of pairs.

    Args:
        root: holds the dataset.

    Raises:
        BadInput: no such layout.
    """

    name = "pp-humanseg14k"
    rewrites = True
    classes = CODED.classes
    folders: tuple[str, str] = ("images", "annotations")

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        _, self.base = locate(self.root, self.name, {"paddle": self.folders})

    def items(self) -> Iterator[Item]:
        """The images in order; see :meth:`Reader.items`."""
        splits = self._listed()
        pictures, masks = (walk(self.base / name) for name in self.folders)
        for name, image, mask in paired(pictures, masks):
            first = name.split("/")[0]
            lacks = "no image" if image is None else "no annotation" if mask is None else ""
            split = splits.get(name) or ({"validation": "val"}.get(first, first) if "/" in name else None)
            yield Item(
                name,
                image or "",
                mask,
                groups=self.groups(name),
                split=split if split in SPLITS else None,
                lacks=lacks,
            )

    def groups(self, name: str) -> dict[str, tuple[str, ...]]:
        """What an image has in common with others, by its id."""
        return {}

    def read_mask(self, path: str) -> images.Mask:
        """(H, W) 0/1 of a mask of 0/1 or 0/255."""
        values = images.read_mask(path)
        ids = CODED(path, values)
        if (values == 1).any() and (values == 255).any():
            raise BadInput(path, "masks of 0/1 or of 0/255", "0, 1 and 255 in one", "restore it")
        return ids

    def _listed(self) -> dict[str, str]:
        """Id to split, by ``train.txt``, ``val.txt`` and ``test.txt`` where they are there."""
        found: dict[str, str] = {}
        for split in SPLITS:
            place = self.base / f"{split}.txt"
            if not place.is_file():
                continue
            for number, line in enumerate(place.read_text(encoding="utf-8").splitlines(), 1):
                words = line.split()
                if not words:
                    continue
                path = PurePosixPath(words[0].replace("\\", "/"))
                parts = list(path.parts)
                if self.folders[0] in parts:
                    parts = parts[parts.index(self.folders[0]) + 1 :]
                name = PurePosixPath(*parts).with_suffix("").as_posix()
                before = found.setdefault(name, split)
                if before != split:
                    raise BadInput(
                        f"{place}:{number}", "an image in one split", f"{name} in {before} too", "restore it"
                    )
        return found


class MiniSupervisely(HumanSeg):
    """mini_supervisely below ``root``: ``Images``, ``Annotations`` and lists of pairs; photos grouped by Pexels id."""

    name = "mini-supervisely"
    folders = ("Images", "Annotations")

    def groups(self, name: str) -> dict[str, tuple[str, ...]]:
        """The Pexels photo."""
        return {"photo": (photo_key(name.rpartition("/")[2]),)}
