"""Whether the training masks show what is to be learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from loaders.decoding import ClassTable
from manifests import Manifest
from masksmith import seeds
from masksmith.errors import BadInput
from masksmith.images import read_mask

LOOKED_AT = 1000
"""Masks at most; where every class shows, a few are enough."""


def missing_classes(manifest: Manifest, foreground: Sequence[str], split: str = "train") -> tuple[str, ...]:
    """Which of the foreground's classes no mask of a split shows, of at most 1000 drawn at random.

    Args:
        manifest: the data.
        foreground: class names.

    Returns:
        Their names, of those that some others keep company.

    Raises:
        BadInput: none of the classes is there; a mask is damaged, or coded 0/255.
    """
    known = dict(manifest.info.classes)
    table = manifest.table(columns=["mask", "split"])
    places = table.filter(pc.equal(table["split"], split))["mask"].drop_null().to_pylist()
    order = seeds.rng(0, "shown").permutation(len(places))[:LOOKED_AT]
    paths = [manifest.path(str(places[k])) for k in order]
    ClassTable(known, None).refuse_255(paths[:8])
    left = _not_shown(paths, {name: known[name] for name in foreground})
    if len(left) == len(foreground):
        looked = "all" if len(paths) == len(places) else f"{len(paths)} of the"
        raise BadInput(
            manifest.folder,
            f"{split}ing masks that show {', '.join(foreground)}",
            f"none: {looked} {len(places)} hold other classes",
            "divide the data so that they do (masksmith split), or name other classes: --set foreground=...",
        )
    return left


def _not_shown(paths: Sequence[Path], wanted: Mapping[str, int]) -> tuple[str, ...]:
    left = dict(wanted)
    for path in paths:
        if not left:
            break
        there = set(np.flatnonzero(np.bincount(read_mask(path).ravel(), minlength=256)).tolist())
        left = {name: number for name, number in left.items() if number not in there}
    return tuple(left)
