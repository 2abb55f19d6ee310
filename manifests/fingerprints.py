"""Fingerprints: what a picture looks like, in 256 bits that survive copying, scaling, relighting and flipping."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from manifests.neighbours import Ints, pairs_within
from masksmith.images import Image

SIDE_PX = 32
WORDS = 4
FLAT = 2.0  # grey levels of deviation: below that there is nothing to tell pictures apart by
RADIUS = 10
"""Bits of the first 64 that two prints may differ in to be compared in full."""
LIMIT = 64
"""Bits of all 256 that two prints of one photo differ in at most.

On 310 photos (people, feet, floors, streets) copies as JPEG of quality 20 to 60, at 0.4 of the size, in another aspect,
grey, blurred, noisy, darker, of more contrast or another gamma stayed within 59 bits, and 99 of 100 brightened with
clipping and all cropped by 2 % within 64; different photos were 79 bits apart or more."""

# coefficients of the cosine transform from low frequencies to high, without the mean
_ORDER = sorted(
    ((u, v) for u in range(SIDE_PX) for v in range(SIDE_PX) if u + v), key=lambda each: (sum(each), each[0])
)[: 64 * WORDS]
_ROWS, _COLUMNS = np.array(_ORDER).T


def _words(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    return np.packbits(bits, bitorder="little").view(np.uint64)


# a mirrored picture has the same coefficients, those of odd frequency with the other sign
_MIRRORED, _TURNED = _words(_COLUMNS % 2 == 1), _words(_ROWS % 2 == 1)
FLIPS: dict[str, npt.NDArray[np.uint64]] = {
    "": np.zeros(WORDS, np.uint64),
    "mirrored": _MIRRORED,
    "upside down": _TURNED,
    "turned by 180 degrees": _MIRRORED ^ _TURNED,
}
"""What becomes of a fingerprint when its picture is flipped: these bits change."""


def fingerprint(image: Image) -> npt.NDArray[np.uint64] | None:
    """(4,) uint64 of an (H, W, 3) RGB picture, or None where it is all but one colour.

    The signs of the 256 lowest frequencies of its cosine transform, in grey, at 32 x 32 pixels; the first word holds
    the 64 lowest. Signs take no median as their middle, so that flips change a fixed set of bits.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    if float(small.std()) < FLAT:
        return None
    return _words(cv2.dct(small)[_ROWS, _COLUMNS] > 0)


def distances(
    prints: npt.NDArray[np.uint64], first: Ints, second: Ints, flips: Sequence[npt.NDArray[np.uint64]]
) -> tuple[Ints, Ints]:
    """Bits in which pairs differ in full, with the flip that brings them nearest; both (P,)."""
    far = np.stack(
        [np.bitwise_count(prints[first] ^ prints[second] ^ flip).sum(axis=1, dtype=np.int64) for flip in flips]
    )
    return far.min(axis=0), far.argmin(axis=0).astype(np.int64)


def near_pairs(
    prints: npt.NDArray[np.uint64], radius: int = RADIUS, limit: int = LIMIT
) -> tuple[Ints, Ints, Ints, Ints]:
    """Pairs i < j of (N, 4) prints that show one photo, whichever way flipped.

    Returns:
        i, j, bits apart (of 256) and the place of the flip in :data:`FLIPS`, each (P,).
    """
    flips = list(FLIPS.values())
    first, second, _, _ = pairs_within(prints[:, 0], radius, [int(flip[0]) for flip in flips])
    far, flip = distances(prints, first, second, flips)
    keep = far <= limit
    return first[keep], second[keep], far[keep], flip[keep]


def as_text(print_: npt.NDArray[np.uint64] | None) -> str:
    """A fingerprint as 64 hexadecimal digits; empty for none."""
    return "" if print_ is None else print_.astype("<u8").tobytes().hex()


def from_texts(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """(N, 4) fingerprints of :func:`as_text`."""
    return np.frombuffer(bytes.fromhex("".join(texts)), "<u8").reshape(-1, WORDS).astype(np.uint64)
