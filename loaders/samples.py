"""Training samples: one record at working size, augmented, with its previous mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loaders import decoding, priors
from loaders.augment import find_augment
from loaders.cache import Decoded
from manifests import Manifest
from masksmith import seeds
from masksmith.errors import BadInput, UsageProblem, unknown_choice
from masksmith.images import Image, Mask, resize_mask

_LOOKED_AT = 8


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        id: the record's id.
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) uint8, class ids or 0 and 1; 255 = ignore.
        prior: (H, W) float32 in [0, 1], or None without a mix.
        kind: the prior's kind, or None.
        warped: (H, W, 3) uint8, the grid-distorted picture of the kind ``self``; else None.
    """

    id: str
    image: Image
    mask: Mask
    prior: npt.NDArray[np.float32] | None
    kind: str | None
    warped: Image | None


class Samples:
    """The samples of one split: three columns of the manifest and the settings; it pickles, and knows no torch.

    Attributes:
        cache: where pictures and masks come from instead of their files; see :func:`loaders.cache.decoded`.

    Args:
        manifest: the data; every record of the split needs a mask.
        split: a split's name, or None for all records.
        size: (H, W) in pixels; pictures are resized to it without keeping their aspect.
        augment: a key of ``AUGMENTS``, or the path of a pipeline of Albumentations.
        mix: a key of ``MIXES``, or None for no previous masks.
        seed: of augmentation and priors.
        foreground: names of the classes that become 1, all others 0; None keeps class ids.

    Raises:
        UsageProblem: an unknown class, augmentation or mix; priors where nothing says what is foreground.
        BadInput: the split is empty, or a record has no mask, or the masks are coded 0/255.
    """

    def __init__(
        self,
        manifest: Manifest,
        split: str | None,
        *,
        size: tuple[int, int],
        augment: str = "none",
        mix: str | None = None,
        seed: int = 0,
        foreground: Sequence[str] | None = None,
    ) -> None:
        self._augment = find_augment(augment)
        classes = dict(manifest.info.classes)
        _check_foreground(foreground, classes, needed=mix is not None)
        self.folder = Path(manifest.folder)
        self.split, self.digest = split, manifest.digest
        self.cache: Decoded | None = None
        self.size, self.augment, self.seed = size, augment, seed
        self.mix = None if mix is None else priors.find_mix(mix)
        self.table = decoding.ClassTable(classes, None if foreground is None else tuple(foreground))
        self.columns = _columns(manifest, split)
        step = max(1, len(self) // _LOOKED_AT)
        self.table.refuse_255([self.path("mask", k) for k in range(0, len(self), step)][:_LOOKED_AT])

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def id(self, index: int) -> str:
        return str(self.columns["id"][index].as_py())

    def path(self, column: str, index: int) -> Path:
        """Where the ``image`` or ``mask`` of a record is."""
        return self.folder / str(self.columns[column][index].as_py())

    def pair(self, index: int) -> tuple[Image, Mask]:
        """Picture (H, W, 3) and target (H, W) of a record, as they are; from :attr:`cache` where there is one.

        Raises:
            BadInput: as :meth:`decode`.
        """
        image, mask = self.decode(index) if self.cache is None else self.cache.pair(index)
        return image, self.table.target(mask)

    def decode(self, index: int) -> tuple[Image, Mask]:
        """Picture (H, W, 3) and class ids (H, W) of a record, from its files.

        Raises:
            BadInput: a damaged file, a mask of another size than its picture, an id the class table does not have.
        """
        height, width = self.size
        mask_path = self.path("mask", index)
        image, mask = decoding.read_pair(self.path("image", index), mask_path, height, width)
        self.table.check(mask, mask_path)
        return image, resize_mask(mask, height, width)

    def sample(self, epoch: int, index: int) -> Sample:
        """The sample that a record gives in an epoch; it depends on the seed, ``epoch`` and ``index`` alone.

        Raises:
            BadInput: as :meth:`pair`.
        """
        rng = seeds.rng(self.seed, "sample", epoch, index)
        image, mask = self.pair(index)
        image, mask = self._augment(image, mask, rng, outside=self.table.outside)
        if self.mix is None:
            return Sample(self.id(index), image, mask, None, None, None)
        kind = priors.draw_kind(rng, self.mix)
        prior = priors.make_prior(self.table.solid(mask), kind, rng).mask
        warped = priors.grid_distort(image, rng) if kind == "self" else None
        return Sample(self.id(index), image, mask, prior, kind, warped)


def _check_foreground(foreground: Sequence[str] | None, classes: dict[str, int], *, needed: bool) -> None:
    choices = ", ".join(sorted(classes))
    if isinstance(foreground, str):
        raise UsageProblem(f"foreground is a sequence of class names: ({foreground!r},)")
    for name in foreground or ():
        if name not in classes:
            raise unknown_choice("class", name, classes)
    if foreground is not None and not foreground:
        raise UsageProblem(f"foreground names no class; choices: {choices}")
    if foreground is None and needed and "background" not in classes:
        raise UsageProblem(
            f"priors need a foreground, and no class is called background; name foreground classes among: {choices}"
        )


def _columns(manifest: Manifest, split: str | None) -> Any:
    """The id, image and mask columns of a split, each in one piece."""
    import pyarrow.compute as pc

    table = manifest.table(columns=["id", "image", "mask", "split"])
    splits = sorted(str(value) for value in pc.unique(table["split"]).to_pylist() if value is not None)
    if split is not None:
        table = table.filter(pc.equal(table["split"], split))
    if table.num_rows == 0:
        raise BadInput(
            manifest.folder,
            "records" if split is None else f"records in split {split!r}",
            f"none; splits there: {', '.join(splits) or 'none'}",
            "name another split, or divide the data first: masksmith split",
        )
    bare = table.filter(pc.is_null(table["mask"]))
    if bare.num_rows:
        raise BadInput(
            manifest.folder,
            "a mask for every record",
            f"{bare.num_rows} without, the first is {bare['id'][0].as_py()}",
            "filter them out: masksmith manifest filter",
        )
    for name in ("image", "mask"):
        for url in table[name].filter(pc.match_substring(table[name], "://"))[:1]:
            manifest.path(url.as_py())  # says how they come to disk
    return table.select(["id", "image", "mask"]).combine_chunks()
