"""The readers of face collections: no masks, and a folder a person. For telling people apart, and for audits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from loaders.readers.layout import DEPTH, folders_in, walk
from loaders.readers.reader import Item, Published, Reader, first_few
from loaders.readers.relabel import PERSON
from masksmith.errors import BadInput


class Faces(Reader):
    """Faces below ``root``, the folder of each person named by ``person``; at most three levels down.

    Args:
        root: holds the folders of people, or folders of these.

    Raises:
        BadInput: no folders of such names.
    """

    person: ClassVar[re.Pattern[str]]
    file: ClassVar[re.Pattern[str]]
    example: ClassVar[str]
    classes = PERSON

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        if not self.root.is_dir():
            found = "a file" if self.root.exists() else "no such folder"
            advice = f"unpack it first: masksmith fetch {self.name} --from {root.name} --to FOLDER"
            raise BadInput(root, f"a folder of faces, {self.example}", found, advice)
        level = [self.root]
        for _ in range(DEPTH):
            if any(self.person.fullmatch(each.name) for folder in level for each in folders_in(folder)):
                return
            level = [below for folder in level for below in folders_in(folder)][:100]
        there = [each.name for each in folders_in(self.root)]
        raise BadInput(self.root, f"folders of people, {self.example}", first_few(there) or "none", "check --from")

    def items(self) -> Iterator[Item]:
        """The faces in order; see :meth:`Reader.items`."""
        self.notes = []
        strange = 0
        for name, path in walk(self.root):
            person, stem = ["", *name.split("/")][-2:]
            matched = self.file.fullmatch(stem)
            if not self.person.fullmatch(person) or matched is None:
                strange += 1
                yield Item(name, path, lacks=f"a name other than {self.example}", excused=True)
                continue
            yield self.face(name, path, person, matched)
        if strange:
            self.notes.append(f"{strange} pictures are no faces of this set by their names, which are {self.example}")

    def face(self, name: str, path: str, person: str, matched: re.Match[str]) -> Item:
        """The item of a face, given its id, its folder and its matched file name."""
        return Item(name, path, subject=person)


class _PublishedFaces(Faces, Published):
    fixed = True


class Lfw(_PublishedFaces):
    """LFW: ``Name/Name_0001.jpg``."""

    name = "lfw"
    person = re.compile(r"[^/]+")
    file = re.compile(r"(?P<person>.+)_(\d{4})")
    example = "Name/Name_0001.jpg"

    def face(self, name: str, path: str, person: str, matched: re.Match[str]) -> Item:
        """As :meth:`Faces.face`; a file in the folder of another name is left out."""
        if matched["person"] != person:
            return Item(name, path, lacks=f"a name other than {self.example}", excused=True)
        return Item(name, path, subject=person)


class VggFace2(_PublishedFaces):
    """VGGFace2: ``{train,test}/n000002/0032_01.jpg``, photo 32 and its first face."""

    name = "vggface2"
    person = re.compile(r"n\d{6}")
    file = re.compile(r"(?P<photo>\d{4})_\d{2}")
    example = "n000002/0032_01.jpg"

    def face(self, name: str, path: str, person: str, matched: re.Match[str]) -> Item:
        """As :meth:`Faces.face`; crops and faces of one photo share the group ``photo``."""
        split = next((part for part in name.split("/")[:-2] if part in ("train", "test")), None)
        return Item(name, path, subject=person, groups={"photo": (f"{person}/{matched['photo']}",)}, split=split)


class CasiaWebFace(_PublishedFaces):
    """CASIA-WebFace: ``0000045/001.jpg``."""

    name = "casia-webface"
    person = re.compile(r"\d{7}")
    file = re.compile(r"\d+")
    example = "0000045/001.jpg"


class AttOrl(Faces):
    """The AT&T (ORL) faces: ``s1/1.pgm``, ten of each of 40 people."""

    name = "att-orl"
    fixed = True
    person = re.compile(r"s\d+")
    file = re.compile(r"\d+")
    example = "s1/1.pgm"
    source = "att-orl"
    licence = ("credit to AT&T Laboratories Cambridge asked",)
    citation = "Samaria, Harter, Parameterisation of a Stochastic Model for Human Face Identification, WACV 1994"
    description = "AT&T (ORL) Database of Faces"
