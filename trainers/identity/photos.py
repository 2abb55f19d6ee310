"""Photos of people: a manifest whose records have subjects, or a folder with a folder of photos a person."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from manifests import Manifest
from manifests.manifest import DATASET, RECORDS
from masksmith import files
from masksmith.errors import BadInput, unknown_choice
from masksmith.images import list_images


@dataclass(frozen=True)
class Photos:
    """Photos and whose they are.

    Attributes:
        folder: of the manifest or the tree.
        ids: of the records, or paths relative to the tree.
        paths: of the files.
        people: whose photo each is; None = not known.
    """

    folder: Path
    ids: tuple[str, ...]
    paths: tuple[Path, ...]
    people: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def names(self) -> list[str]:
        """The people, sorted."""
        return sorted({name for name in self.people if name is not None})

    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) the place of each photo's person in :attr:`names`; -1 = not known."""
        place = {name: k for k, name in enumerate(self.names)}
        return np.array([-1 if name is None else place[name] for name in self.people], np.int64)

    def of(self, names: Sequence[str]) -> Photos:
        """The photos of some of the people, in order."""
        wanted = set(names)
        return self.take([k for k, name in enumerate(self.people) if name in wanted])

    def take(self, places: Sequence[int]) -> Photos:
        """Some of the photos."""
        return Photos(
            self.folder,
            tuple(self.ids[k] for k in places),
            tuple(self.paths[k] for k in places),
            tuple(self.people[k] for k in places),
        )

    def digest(self) -> str:
        """SHA-256 over ids, people and file sizes: another one is another set of photos."""
        return files.digest([[i, n, p.stat().st_size] for i, n, p in zip(self.ids, self.people, self.paths)])  # noqa: B905


def open_photos(path: str | os.PathLike[str], *, split: str | None = None) -> Photos:
    """Photos of a manifest (of one split), or of a tree with a folder a person.

    Raises:
        BadInput: neither is there, no photos in it, or a picture that lies in no person's folder.
        UsageProblem: a split that the manifest does not have.
    """
    folder = Path(path)
    if folder.name == DATASET or (folder / DATASET).is_file() or (folder / RECORDS).is_file():
        return _of_manifest(folder, split)
    return _of_tree(folder)


def check_trainable(photos: Photos, *, what: str = "to learn from") -> Photos:
    """The photos of people who have two or more.

    Raises:
        BadInput: nobody is named, there is one person only, or every person has one photo.
    """
    count = Counter(name for name in photos.people if name is not None)
    several = [name for name, number in count.items() if number > 1]
    if len(count) > 1 and len(several) > 1:
        return photos.of(several)
    wanted = f"two people or more with two photos or more each, {what}"
    if not count:
        found, fix = f"{len(photos)} photos without a subject", "give a folder with a folder a person, or name subjects"
    elif len(count) == 1:
        found, fix = f"one person only, {next(iter(count))}", "add photos of others"
    elif not several:
        found, fix = f"one photo only of each of {len(count)} people", "add further photos of the same people"
    else:
        found, fix = f"{several[0]} alone with more than one photo", "add further photos of the other people"
    raise BadInput(photos.folder, wanted, found, fix)


def _of_manifest(folder: Path, split: str | None) -> Photos:
    manifest = Manifest.open(folder)
    table = manifest.table(columns=["id", "image", "subject", "split"])
    rows = table.to_pylist()
    if split is not None:
        known = sorted({row["split"] for row in rows if row["split"]})
        if split not in known:
            raise unknown_choice("split", split, known)
        rows = [row for row in rows if row["split"] == split]
    if not rows:
        raise BadInput(manifest.folder / RECORDS, "records", "none", "prepare a dataset first: masksmith prepare")
    return Photos(
        manifest.folder,
        tuple(row["id"] for row in rows),
        tuple(manifest.path(row["image"]) for row in rows),
        tuple(row["subject"] or None for row in rows),
    )


def _of_tree(folder: Path) -> Photos:
    paths = list_images(folder)
    if not paths:
        raise BadInput(folder, "a manifest, or a folder of photos a person", "no pictures", "check the path")
    loose = [path for path in paths if path.parent == folder]
    if loose:
        raise BadInput(
            loose[0], "photos in a folder of their person", "a photo outside of them", "move it into a person's folder"
        )
    relative = [path.relative_to(folder) for path in paths]
    return Photos(
        folder,
        tuple(place.as_posix() for place in relative),
        tuple(paths),
        tuple(place.parts[0] for place in relative),
    )
