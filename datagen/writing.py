"""Writing a scene: its files as bytes, where they go, and the record that names them.

A scene is a few files of one name in folders of their own: ``images/000/000017.jpg``, ``masks/000/000017.png`` and
whatever else was asked for, ``alpha/000/000017.png``. ``extra`` of the record names each further file under the name
of its folder, with its digest beside it: ``{"alpha": "alpha/000/000017.png", "sha256_alpha": "..."}``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from datagen.compose import Scene
from manifests import Record
from masksmith import files, images

Put = Callable[[str, bytes], None]
"""Writes bytes at a path relative to the dataset."""
Contents = Mapping[str, bytes]
"""A place with ``{}`` for the scene's name (``alpha/{}.png``) and the bytes that belong there."""

IMAGE, MASK = "images/{}.jpg", "masks/{}.png"
PER_FOLDER = 1000


def name(index: int) -> str:
    """The scene's id."""
    return f"{index:06d}"


def place(pattern: str, index: int) -> str:
    """Where a file of scene ``index`` lies, relative to the dataset."""
    return pattern.format(f"{index // PER_FOLDER:03d}/{name(index)}")


def encoded(recipe: Mapping[str, Any], scene: Scene) -> dict[str, bytes]:
    """The files of a scene: picture and mask, and the labels it has under places of their own."""
    picture = images.encode_jpeg(scene.image, recipe["jpeg_quality"])
    return {IMAGE: picture, MASK: images.encode_mask(scene.mask), **scene.labels}


def facts(scene: Scene, sides: Sequence[str]) -> dict[str, Any]:
    """What ``extra`` of the record says about the picture itself."""
    share = float(np.count_nonzero(scene.mask)) / scene.mask.size
    return {"sides": list(sides), "foot_share": round(share, 5)}


def write(
    put: Put,
    recipe: Mapping[str, Any],
    contents: Contents,
    *,
    split: str | None,
    floors: Sequence[str],
    licence: Sequence[str],
    extra: Mapping[str, Any],
    others: Sequence[str] = (),
) -> Record:
    """Write the files of a scene and return its record.

    Args:
        contents: as of :func:`encoded`; the order is that in which they are written.
        floors: ids of all floors in the picture.
        licence: of all inputs; each is named once.
        extra: as of :func:`facts`; the further files and their digests are added to it.
        others: subjects beside the recipe's, who stand in ``groups["subject"]``.
    """
    index, size = int(recipe["index"]), int(recipe["size"])
    beside: dict[str, Any] = {}
    for pattern, data in contents.items():
        put(place(pattern, index), data)
        if pattern not in (IMAGE, MASK):
            folder = pattern.partition("/")[0]
            beside |= {folder: place(pattern, index), f"sha256_{folder}": files.digest(data)}
    return Record(
        id=name(index),
        image=place(IMAGE, index),
        mask=place(MASK, index),
        width=size,
        height=size,
        subject=None if recipe["empty"] else recipe["cutout"]["subject"],
        groups={"floor": tuple(floors), **({"subject": tuple(others)} if others else {})},
        split=split,
        source="masksmith",
        licence=tuple(dict.fromkeys(licence)),
        sha256_image=files.digest(contents[IMAGE]),
        sha256_mask=files.digest(contents[MASK]),
        recipe=json.dumps(recipe, sort_keys=True, separators=(",", ":")),
        extra={**extra, **beside},
    )
