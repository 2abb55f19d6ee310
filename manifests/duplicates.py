"""Near duplicates: pictures that show one photo in other bytes, found by fingerprint or, cropped, by an encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from manifests.fingerprints import FLIPS, LIMIT, RADIUS, from_texts, near_pairs
from manifests.leaks import Floats, Ints, Links
from manifests.manifest import Manifest, is_url
from manifests.measures import measure
from masksmith import console, engine, images
from masksmith.errors import BadInput, EnvironmentFault
from masksmith.images import Image

Embed = Callable[[Sequence[Image]], npt.NDArray[np.float32]]
"""Pictures, each (H, W, 3) uint8 RGB, to an (N, D) array of embeddings; of any length, they are brought to 1 here."""
Faces = Callable[[Image], npt.NDArray[np.float32]]
"""A picture to the (K, D) embeddings of the K faces in it."""

SIMILAR = 0.70
"""Cosine of EfficientNet-Lite0's embeddings from which on two pictures may be crops of one photo: all crops to 60 % of
the area reach it and nine of ten to 40 %. So do some strangers, which is why points must agree as well."""
NEIGHBOURS = 10
_BLOCK = 2048
_BATCH = 16
_REMEMBERED = 8192  # pictures whose points are kept, 25 kB each


@dataclass(frozen=True)
class Likeness:
    """Links between records, and what was not compared.

    Attributes:
        unread: files that could not be read.
        flat: pictures of one colour, which look like every other such picture.
        faults: the first of what went wrong.
        flips: name of the flip of each link, where known.
    """

    links: Links
    unread: int = 0
    flat: int = 0
    faults: tuple[str, ...] = ()
    flips: tuple[str, ...] = field(default=(), repr=False)


def by_fingerprint(
    manifest: Manifest,
    runs: engine.Engine | None = None,
    radius: int = RADIUS,
    limit: int = LIMIT,
    *,
    keep: bool = True,
) -> Likeness:
    """Records whose fingerprints are within ``limit`` of 256 bits, flipped or not; see :mod:`manifests.fingerprints`.

    Fingerprints are kept beside the manifest; records of one print are one code, so that a thousand equal pictures
    cost no more than one.
    """
    found = measure(manifest, "fingerprint", runs, keep=keep)
    rows = np.array([row for row, text in enumerate(found.values) if text], np.int64)
    code = np.full(len(found.values), -1, np.int64)
    flat = sum(text is None for text in found.values) - found.unread
    if not len(rows):
        nothing = np.zeros(0, np.int64)
        links = Links("near", code, nothing, nothing, nothing.astype(np.float64), "bits of 256")
        return Likeness(links, found.unread, flat, found.faults)
    distinct, inverse = np.unique([found.values[row] for row in rows.tolist()], return_inverse=True)
    code[rows] = inverse
    prints = from_texts(distinct.tolist())
    first, second, far, flip = near_pairs(prints, radius, limit)
    names = list(FLIPS)
    links = Links("near", code, first, second, far.astype(np.float64), "bits of 256")
    return Likeness(links, found.unread, flat, found.faults, tuple(names[k] for k in flip.tolist()))


def by_embedding(
    manifest: Manifest, rows: Ints, embed: Embed, similar: float = SIMILAR, neighbours: int = NEIGHBOURS
) -> Likeness:
    """Records that are views of one photo: crops and flips, which move every frequency.

    An encoder proposes: of each record the ``neighbours`` nearest ones. Each picture is embedded as it is and mirrored
    and the mean counts, so that flips make no difference. Then points must agree, see :mod:`manifests.alignment`.

    Args:
        rows: which records to compare, in order.
        similar: least cosine of a proposal.
    """
    vectors: list[npt.NDArray[np.float32]] = []
    kept: list[int] = []
    faults: list[str] = []
    with console.progress("embedding", len(rows)) as advance:
        for numbers, pictures, wrong in _pictures(manifest, rows):
            faults += wrong
            if pictures:
                both = [*pictures, *(np.ascontiguousarray(each[:, ::-1]) for each in pictures)]
                given = _unit(np.asarray(embed(both), np.float32))
                vectors.append(_unit(given[: len(pictures)] + given[len(pictures) :]))
                kept += numbers
            advance(len(numbers) + len(wrong))
    everything = np.concatenate(vectors) if vectors else np.zeros((0, 1), np.float32)
    first, second, cosine = similar_pairs(everything, similar, neighbours)
    places = np.array(kept, np.int64)
    first, second = places[first], places[second]
    same = _confirmed(manifest, first, second)
    code = np.full(len(manifest), -1, np.int64)
    code[places] = places
    links = Links("near", code, first[same], second[same], np.round(1.0 - cosine[same], 4), "cosine distance")
    return Likeness(links, len(faults), 0, tuple(faults[:3]))


def _confirmed(manifest: Manifest, first: Ints, second: Ints) -> npt.NDArray[np.bool_]:
    """(P,) whether the points of two pictures agree, one of them as it is or mirrored."""
    from manifests.alignment import AGREE, Points, agreeing, points

    paths = manifest.table(["image"]).column("image")

    @lru_cache(maxsize=_REMEMBERED)
    def seen(row: int, mirrored: bool) -> Points:
        picture = images.read_image(manifest.path(paths[row].as_py()))
        return points(np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture)

    same = np.zeros(len(first), bool)
    with console.progress("comparing", len(first)) as advance:
        for place, (one, other) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
            same[place] = any(agreeing(seen(one, turned), seen(other, False)) >= AGREE for turned in (False, True))
            advance(1)
    return same


def by_face(manifest: Manifest, rows: Ints, faces: Faces, similar: float) -> Likeness:
    """Records that show one face, by the cosine of what ``faces`` finds in them.

    Raises:
        BadInput, EnvironmentFault: what the embedder raises.
    """
    vectors: list[npt.NDArray[np.float32]] = []
    owner: list[int] = []
    faults: list[str] = []
    with console.progress("faces", len(rows)) as advance:
        for numbers, pictures, wrong in _pictures(manifest, rows):
            faults += wrong
            for row, picture in zip(numbers, pictures, strict=True):
                found = np.asarray(faces(picture), np.float32)
                if len(found):
                    vectors.append(_unit(found))
                    owner += [row] * len(found)
            advance(len(numbers) + len(wrong))
    everything = np.concatenate(vectors) if vectors else np.zeros((0, 1), np.float32)
    first, second, cosine = similar_pairs(everything, similar, NEIGHBOURS * 5)
    rows_of = np.array(owner, np.int64)
    code = np.full(len(manifest), -1, np.int64)
    code[rows_of] = rows_of
    one, other = rows_of[first], rows_of[second]
    apart = one != other
    links = Links("face", code, one[apart], other[apart], np.round(1.0 - cosine[apart], 4), "cosine distance")
    return Likeness(links, len(faults), 0, tuple(faults[:3]))


def similar_pairs(vectors: npt.NDArray[np.float32], similar: float, neighbours: int) -> tuple[Ints, Ints, Floats]:
    """Pairs i < j of (N, D) unit vectors whose cosine is at least ``similar``, where one is among the other's
    ``neighbours`` nearest; block by block, so that memory stays flat."""
    count = len(vectors)
    top = min(neighbours, count - 1)
    firsts, seconds, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for start in range(0, count if top > 0 else 0, _BLOCK):
        block = vectors[start : start + _BLOCK] @ vectors.T
        here = np.arange(len(block))
        block[here, start + here] = -2.0
        near = np.argpartition(-block, top - 1, axis=1)[:, :top]
        cosine = np.take_along_axis(block, near, axis=1)
        i, k = np.nonzero(cosine >= similar)
        one, other = i + start, near[i, k].astype(np.int64)
        firsts.append(np.minimum(one, other))
        seconds.append(np.maximum(one, other))
        values.append(cosine[i, k].astype(np.float64))
    first, second, value = np.concatenate(firsts), np.concatenate(seconds), np.concatenate(values)
    _, once = np.unique(first * max(count, 1) + second, return_index=True)
    return first[once], second[once], value[once]


def _pictures(manifest: Manifest, rows: Ints) -> Iterator[tuple[list[int], list[Image], list[str]]]:
    """Batches of rows and their pictures, and what could not be read."""
    paths = manifest.table(["image"]).column("image")
    for start in range(0, len(rows), _BATCH):
        numbers, pictures, wrong = [], [], []
        for row in rows[start : start + _BATCH].tolist():
            path = paths[row].as_py()
            try:
                if is_url(path):
                    raise BadInput(path, "a file here", "a URL", "fetch it first")
                pictures.append(images.read_image(manifest.path(path)))
                numbers.append(row)
            except (BadInput, EnvironmentFault) as fault:
                wrong.append(str(fault))
        yield numbers, pictures, wrong


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
