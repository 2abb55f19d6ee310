"""Readers of datasets, a module a family. A new one is a subclass of Reader, named in the tuple below."""

from __future__ import annotations

from loaders.readers.camvid import CamVid
from loaders.readers.davis import Davis
from loaders.readers.easyportrait import EasyPortrait, EasyPortraitV1
from loaders.readers.eg1800 import Eg1800
from loaders.readers.faces import AttOrl, CasiaWebFace, Lfw, VggFace2
from loaders.readers.folders import Folders
from loaders.readers.p3m import P3m
from loaders.readers.paddle import HumanSeg, MiniSupervisely
from loaders.readers.pennfudan import PennFudan
from loaders.readers.reader import Item, Published, Reader
from loaders.readers.supervisely import Supervisely
from masksmith.errors import unknown_choice

__all__ = ["READERS", "Item", "Published", "Reader", "find_reader"]

READERS: dict[str, type[Reader]] = {
    reader.name: reader
    for reader in (
        Folders,
        Eg1800,
        EasyPortrait,
        EasyPortraitV1,
        Supervisely,
        MiniSupervisely,
        HumanSeg,
        P3m,
        PennFudan,
        CamVid,
        Davis,
        Lfw,
        VggFace2,
        CasiaWebFace,
        AttOrl,
    )
}
SHORT = {
    "supervisely": "supervisely-person",
    "davis2016": "davis-2016",
    "davis": "davis-2016",
    "p3m": "p3m-10k",
    "pp-humanseg": "pp-humanseg14k",
    "pennfudan": "penn-fudan",
    "apsis": "eg1800",
    "orl": "att-orl",
}
"""Other names under which these sets are known."""


def find_reader(name: str) -> type[Reader]:
    """The reader of that name, or of a usual other one; case and ``_`` for ``-`` do not matter.

    Raises:
        UsageProblem: there is none; lists the names.
    """
    plain = name.lower().replace("_", "-")
    known = SHORT.get(plain, plain)
    if known not in READERS:
        raise unknown_choice("reader", name, READERS)
    return READERS[known]
