"""The formats there are, by name."""

from __future__ import annotations

from loaders.formats import arrow, coco, coco_in, croissant, tars, trees
from loaders.formats.form import Format
from loaders.formats.trees import FIFTYONE, FOLDERS, IMAGEFOLDER
from masksmith.errors import unknown_choice

FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format(
            "coco",
            "images and annotations/*.json with RLE, an annotation an instance or a class",
            coco.write,
            coco.finish,
            coco_in.about,
            coco_in.pieces,
            coco_in.read,
        ),
        Format(
            "webdataset",
            "tar shards of NAME.jpg, NAME.mask.png, NAME.json",
            tars.write,
            tars.finish,
            tars.about,
            tars.pieces,
            tars.read,
        ),
        Format(
            "hf",
            "a folder for datasets.load_from_disk",
            arrow.write,
            arrow.finish,
            trees.about,
            arrow.pieces,
            arrow.read,
        ),
        Format(
            "imagefolder",
            'folders with metadata.jsonl for datasets.load_dataset("imagefolder")',
            IMAGEFOLDER.write,
            IMAGEFOLDER.finish,
            trees.about,
            IMAGEFOLDER.pieces,
            IMAGEFOLDER.read,
        ),
        Format(
            "croissant",
            "files and croissant.json (Croissant 1.0)",
            croissant.TREE.write,
            croissant.finish,
            trees.about,
            croissant.TREE.pieces,
            croissant.TREE.read,
        ),
        Format(
            "fiftyone",
            "data/ and labels/, FiftyOne's ImageSegmentationDirectory",
            FIFTYONE.write,
            FIFTYONE.finish,
            trees.about,
            FIFTYONE.pieces,
            FIFTYONE.read,
        ),
        Format(
            "folders",
            "images/, masks/ and records.jsonl",
            FOLDERS.write,
            FOLDERS.finish,
            trees.about,
            FOLDERS.pieces,
            FOLDERS.read,
        ),
    )
}


def find_format(name: str) -> Format:
    """The format of that name.

    Raises:
        UsageProblem: there is none; lists them.
    """
    if name not in FORMATS:
        raise unknown_choice("format", name, FORMATS)
    return FORMATS[name]
