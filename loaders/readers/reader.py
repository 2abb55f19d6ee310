"""What a reader of a dataset is, and the items it yields."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from manifests import IGNORE
from manifests.registry import find_entry
from masksmith import images
from masksmith.errors import BadInput, UsageProblem

SHOWN = 5
OWN_FIELDS = ("subject", "clip", "frame", "split")


@dataclass(frozen=True)
class Item:
    """One image as a reader finds it, before anything of it is opened. All values can be written as JSON.

    Attributes:
        id: unique; POSIX path without a suffix, also the name of what is written for it.
        image, mask: absolute paths; mask None = no truth known.
        subject, groups, split, clip, frame, extra: as in :class:`manifests.Record`.
        source, licence: where they differ from the reader's.
        files: what else belongs to it, by what it is (``alpha``); absolute paths.
        lacks: why there is no record of it, in few words that many items share; empty for whole ones.
        detail: what the words in ``lacks`` leave out.
        excused: the dataset is known to lack it: listed, and no reason to stop.
    """

    id: str
    image: str
    mask: str | None = None
    subject: str | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    split: str | None = None
    clip: str | None = None
    frame: int | None = None
    source: str = ""
    licence: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    lacks: str = ""
    detail: str = ""
    excused: bool = False


@dataclass(frozen=True)
class Seen:
    """The opened files of an item.

    Attributes:
        image: (H, W, 3), upright.
        mask: (H, W) values, or None.
        redrawn: the image is another one than in its file (a crop of it) and must be written.
        instances: (H, W) numbers of objects, 0 where there is none; written beside the mask.
        extra: what only the opened files tell; goes into the record's ``extra``.
    """

    image: images.Image
    mask: images.Mask | None
    redrawn: bool = False
    instances: npt.NDArray[np.uint16] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


class Reader(ABC):
    """Knows where the images, masks and subjects of one dataset are. It goes to worker processes: keep it small.

    Attributes:
        name: what it is called on the command line.
        options: the keyword arguments it takes besides ``root``.
        classes: class name to id; None = two classes, found by how the masks are coded.
        class_name: the foreground class where ``classes`` is None.
        fixed: ``classes`` is the dataset's own table, whatever the files hold.
        rewrites: masks are stored in a form of their own and always written anew, as PNGs of ids.
        redraws: some images are written anew.
        separates: objects are told apart, and a map of them is written for each image.
        settings: options that what is seen in a file hangs on.
        notes: what the user should know of the whole, a sentence each; filled by :meth:`items`.
        source, licence, citation, description: as in :class:`manifests.Info`.
    """

    name: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    fixed: ClassVar[bool] = False
    rewrites: bool = False
    redraws: bool = False
    separates: ClassVar[bool] = False
    classes: Mapping[str, int] | None = None
    class_name: str = "foreground"
    source: str = ""
    licence: tuple[str, ...] = ()
    citation: str = ""
    description: str = ""

    def __init__(self, root: Path) -> None:
        # links are resolved once, so that paths relative to the manifest hold on disk
        self.root = root.resolve()
        self.source = self.source or self.root.name
        self.settings: dict[str, Any] = {}
        self.notes: list[str] = []

    @abstractmethod
    def items(self) -> Iterator[Item]:
        """The items in ascending order of their ids; opens no image.

        Raises:
            BadInput: the dataset is not laid out as it should be.
        """

    def read_mask(self, path: str) -> images.Mask:
        """(H, W) uint8 values of a mask file; must be importable by worker processes.

        Raises:
            BadInput: the file is not a mask.
        """
        return images.read_mask(path)

    def look(self, item: Item) -> Seen:
        """Open an item's files; runs in worker processes.

        Raises:
            BadInput: a file that cannot be used.
        """
        # read whole, by the function that training reads with: what passes here does not fail there
        image = images.read_image(item.image)
        if item.mask is None:
            return Seen(image, None)
        stored = self.read_mask(item.mask)
        mask = self.fit(item.mask, stored, image.shape[0], image.shape[1])
        resized = {} if mask is stored else {"mask_resized_from": [stored.shape[1], stored.shape[0]]}
        return Seen(image, mask, extra=resized)

    def fit(self, path: str, mask: images.Mask, height: int, width: int) -> images.Mask:
        """A mask brought to its image's size, where that is the reader's to do."""
        return mask


class Published(Reader):
    """A reader of a dataset in the registry: terms and citation stand there, the class table is its own."""

    fixed = True

    def __init__(self, root: Path) -> None:
        entry = find_entry(self.name)
        self.source = entry.name
        self.licence = (entry.licence,)
        self.citation = entry.citation
        self.description = entry.title
        super().__init__(root)


def first_few(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def own_name(class_name: str | None) -> str | None:
    """A name given for the foreground class, as it was given.

    Raises:
        UsageProblem: it is empty, or that of the background.
    """
    if class_name is not None and class_name.strip() in ("", "background"):
        raise UsageProblem(f"--class-name {class_name!r}: the foreground needs a name of its own")
    return class_name


def parse_classes(text: str) -> dict[str, int]:
    """Class names and ids from ``background=0,foot=1``.

    Raises:
        UsageProblem: not of that form, a name or id twice, or an id outside 0..254.
    """
    classes: dict[str, int] = {}
    for part in (each.strip() for each in text.split(",") if each.strip()):
        name, sign, number = (piece.strip() for piece in part.rpartition("="))
        if not (name and sign and number.isascii() and number.isdigit()):
            raise UsageProblem(f'--classes: {part!r} is no class; write it as "background=0,foot=1"')
        if int(number) == IGNORE:
            raise UsageProblem(
                f"--classes {part}: {IGNORE} marks pixels that count for nothing; "
                f"masks of 0 and {IGNORE} need no --classes, --class-name names their foreground"
            )
        if int(number) > IGNORE:
            raise UsageProblem(f"--classes {part}: ids go from 0 to {IGNORE - 1}")
        if name in classes or int(number) in classes.values():
            raise UsageProblem(f"--classes {part}: that name or id is there twice")
        classes[name] = int(number)
    if not classes:
        raise UsageProblem('--classes is empty; write it as "background=0,foot=1"')
    return classes


class Naming:
    """Takes the subject and other groups from the names of files by a regular expression.

    Its named groups ``subject``, ``clip``, ``frame`` and ``split`` fill those fields of an item; any other becomes a
    group key.

    Raises:
        UsageProblem: no regular expression, or one without a group named ``subject``.
    """

    def __init__(self, pattern: str) -> None:
        try:
            self.pattern = re.compile(pattern)
        except re.error as fault:
            raise UsageProblem(f"--subject-regex {pattern!r} is no regular expression: {fault}") from None
        if "subject" not in self.pattern.groupindex:
            raise UsageProblem(f"--subject-regex {pattern!r} has no group named subject; write it as (?P<subject>...)")

    def fields(self, stem: str) -> dict[str, Any] | None:
        """The fields of the item of that id, or None where the pattern finds no subject in it.

        Raises:
            BadInput: a frame that is no number, or a split that is none of train, val and test.
        """
        found = self.pattern.search(stem)
        if found is None or not found["subject"]:
            return None
        named = {key: value for key, value in found.groupdict().items() if value}
        groups = {key: (value,) for key, value in sorted(named.items()) if key not in OWN_FIELDS}
        fields: dict[str, Any] = {key: named[key] for key in OWN_FIELDS if key in named}
        if "frame" in fields:
            if not (fields["frame"].isascii() and fields["frame"].isdigit()):
                raise BadInput(stem, "a number as frame", repr(fields["frame"]), "change --subject-regex")
            fields["frame"] = int(fields["frame"])
        if fields.get("split", "train") not in ("train", "val", "test"):
            raise BadInput(stem, "train, val or test as split", repr(fields["split"]), "change --subject-regex")
        return {**fields, "groups": groups}
