"""The reader ``folders``: a folder of images and a folder of masks whose files have the same names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from loaders.readers.reader import Item, Naming, Reader, first_few, own_name, parse_classes
from masksmith import images
from masksmith.errors import BadInput, UsageProblem

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "JPEGImages", "photos")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "SegmentationClass", "gt")

ASPECT_TOLERANCE = 0.02
"""How far width over height of a mask may be from that of its image, which rounding to whole pixels can cause."""


class Folders(Reader):
    """Images and masks in two folders below ``root``, matched by their path without the suffix.

    An image without a mask, or a mask without an image, is a fault that ``--skip-bad`` leaves out.

    Args:
        root: holds both folders, under one of the names that are usual for them.
        images, masks: the folders, where they are called otherwise; relative to ``root`` or absolute.
        class_name: the foreground class of masks of two values.
        classes: ``background=0,foot=1,...``: the ids in the masks.
        subject_regex: see :class:`loaders.readers.reader.Naming`; searched in the path without the suffix.
        licence, source: what the images are under, and what they are called.
        resize_masks: bring masks of another size to that of their image, by nearest neighbour.

    Raises:
        BadInput: no such folders.
        UsageProblem: options that make no sense.
    """

    name = "folders"
    options = ("images", "masks", "class_name", "classes", "subject_regex", "licence", "source", "resize_masks")
    description = "Images and masks brought into one manifest."

    def __init__(
        self,
        root: Path,
        *,
        images: str | None = None,
        masks: str | None = None,
        class_name: str | None = None,
        classes: str | None = None,
        subject_regex: str | None = None,
        licence: Sequence[str] = (),
        source: str | None = None,
        resize_masks: bool = False,
    ) -> None:
        self.source = source or ""
        super().__init__(root)
        if class_name is not None and classes is not None:
            raise UsageProblem("use just one of --classes and --class-name")
        self.class_name = own_name(class_name) or self.class_name
        self.classes = None if classes is None else parse_classes(classes)
        self.naming = None if subject_regex is None else Naming(subject_regex)
        self.licence = tuple(licence)
        self.resize_masks = resize_masks
        self.rewrites = self.rewrites or resize_masks
        self.settings = {"resize_masks": True} if resize_masks else {}
        if not self.root.is_dir():
            found = "a file" if self.root.exists() else "no such folder"
            raise BadInput(root, "a folder that holds images and masks", found, "check --from; unpack archives first")
        self.images = _folder(self.root, images, IMAGE_FOLDERS, "images")
        self.masks = _folder(self.root, masks, MASK_FOLDERS, "masks")
        if self.images == self.masks:
            raise BadInput(self.images, "images and masks in two folders", "one for both", "move the masks elsewhere")

    def items(self) -> Iterator[Item]:
        """The items in order; see :meth:`Reader.items`.

        Raises:
            BadInput: no images, two files of one name, or files without a subject.
        """
        pictures, marks = _by_stem(self.images), _by_stem(self.masks)
        if not pictures:
            raise BadInput(self.images, "images", "none", f"formats known: {', '.join(images.IMAGE_SUFFIXES)}")
        both = pictures.keys() & marks.keys()
        if self.naming is not None:
            nameless = [stem for stem in sorted(both) if self.naming.fields(stem) is None]
            if nameless:
                raise BadInput(
                    self.images,
                    f"names that match {self.naming.pattern.pattern!r}",
                    f"{len(nameless)} of {len(both)} that do not: {first_few(nameless)}",
                    "change --subject-regex",
                )
        for stem in sorted(pictures.keys() | marks.keys()):
            image = f"{self.images}/{pictures[stem]}" if stem in pictures else ""
            mask = f"{self.masks}/{marks[stem]}" if stem in marks else None
            lacks = "no image" if not image else "no mask" if mask is None else ""
            named = (not lacks and self.naming and self.naming.fields(stem)) or {}
            yield Item(stem, image, mask, lacks=lacks, **named)

    def fit(self, path: str, mask: images.Mask, height: int, width: int) -> images.Mask:
        """The mask at its image's size, where masks are resized.

        Raises:
            BadInput: a mask of another shape than its image: it belongs to another, or is turned.
        """
        if not self.resize_masks or mask.shape == (height, width):
            return mask
        if abs(mask.shape[1] * height / (mask.shape[0] * width) - 1) > ASPECT_TOLERANCE:
            raise BadInput(
                path,
                f"a mask of the shape of its upright image, {width} x {height}",
                f"{mask.shape[1]} x {mask.shape[0]}",
                "check that it belongs to this image, and is turned as the image",
            )
        return images.resize_mask(mask, height, width)


def _folder(root: Path, given: str | None, usual: Sequence[str], what: str) -> Path:
    if given is not None:
        place = (root / given).resolve()
        if not place.is_dir():
            raise BadInput(place, f"the folder of {what}", "no such folder", f"check --{what}")
        return place
    # by their listed names: on a disk without upper and lower case, one folder must not count twice
    there = {path.name for path in root.iterdir() if path.is_dir()}
    known = [name for name in usual if name in there]
    if len(known) != 1:
        found = f"{' and '.join(known)}" if known else f"none of {', '.join(usual)}"
        raise BadInput(root, f"one folder of {what}", found, f"name it with --{what}")
    return (root / known[0]).resolve()


def _by_stem(folder: Path) -> dict[str, str]:
    """Path without suffix -> path, both relative to the folder, for every image in it."""
    found: dict[str, str] = {}
    for path in images.list_images(folder):
        relative = path.relative_to(folder)
        stem = relative.as_posix().removesuffix(relative.suffix)
        if stem in found:
            raise BadInput(
                folder, "one file a name", f"{found[stem]} and {relative.as_posix()}", "rename or remove one of them"
            )
        found[stem] = relative.as_posix()
    return found
