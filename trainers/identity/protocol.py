"""The protocol of Labeled Faces in the Wild (Huang et al. 2007): folds of pairs, the threshold from the other ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masksmith.errors import BadInput
from trainers.identity import roc
from trainers.identity.distances import between

FAR = 1e-3
_FORM = "`folds<tab>pairs` on the first line, then `name i j` and `name1 i name2 j`"


@dataclass(frozen=True)
class Pair:
    """Two photos, each (name, number), whether of one person, the fold (from 0) and the line in the file."""

    first: tuple[str, int]
    second: tuple[str, int]
    same: bool
    fold: int
    line: int


def read_pairs(path: str | os.PathLike[str]) -> list[Pair]:
    """Read the official ``pairs.txt``: per fold so many pairs of one person, then as many of two.

    Raises:
        BadInput: not that format; the line is named.
    """
    place = Path(path)
    try:
        lines = place.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise BadInput(place, "the list of pairs", "no such file", "fetch pairs.txt with LFW") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise BadInput(place, f"a text file, {_FORM}", "something else", "fetch it again") from None
    while lines and not lines[-1].strip():
        lines.pop()
    head = lines[0].split() if lines else []
    if len(head) not in (1, 2) or not all(word.isdigit() and int(word) > 0 for word in head):
        raise BadInput(f"{place}, line 1", _FORM, repr(lines[0] if lines else ""), "restore the file")
    folds, each = (1, int(head[0])) if len(head) == 1 else (int(head[0]), int(head[1]))
    wanted = folds * each * 2
    if len(lines) - 1 != wanted:
        raise BadInput(place, f"{wanted} pairs ({folds} x {each} x 2)", f"{len(lines) - 1}", "restore the file")
    return [_pair(place, number, text, number - 1, each) for number, text in enumerate(lines[1:], 1)]


def photo_name(name: str, number: int) -> str:
    """``Aaron_Peirsol/Aaron_Peirsol_0001``, without a suffix."""
    return f"{name}/{name}_{number:04d}"


def find_photos(folder: Path, pairs: Sequence[Pair]) -> tuple[dict[tuple[str, int], Path], list[str]]:
    """The files that the pairs name, and the names of those that are missing, sorted.

    Raises:
        BadInput: no such folder, or none of the photos is there.
    """
    if not folder.is_dir():
        raise BadInput(folder, "the folder of LFW, with a folder a person", "no such folder", "check the path")
    found: dict[tuple[str, int], Path] = {}
    missing = []
    for name, number in sorted({side for pair in pairs for side in (pair.first, pair.second)}):
        base = folder / photo_name(name, number)
        there = [base.with_name(base.name + suffix) for suffix in (".jpg", ".png", ".jpeg")]
        place = next((path for path in there if path.is_file()), None)
        if place is None:
            missing.append(photo_name(name, number))
        else:
            found[(name, number)] = place
    if not found:
        raise BadInput(folder, f"photos such as {missing[0]}.jpg", "none of them", "give the folder of the people")
    return found, missing


@dataclass(frozen=True)
class Verification:
    """The figures of the protocol.

    Attributes:
        accuracy, accuracy_std: mean and standard deviation (N - 1) over the folds.
        threshold: mean over the folds of the one chosen on the others.
        auc: of all pairs.
        val, val_std, far: validation rate at a false accept rate of 1e-3: in each fold with the threshold that the
            other folds give by interpolation; ``far`` is the rate that came out.
        folds: accuracy, threshold, VAL and FAR of each.
        pairs: judged; ``left_out`` could not be, because a photo is missing or has no face.
    """

    accuracy: float
    accuracy_std: float
    threshold: float
    auc: float
    val: float
    val_std: float
    far: float
    folds: tuple[Mapping[str, float], ...]
    pairs: int
    left_out: int

    def as_json(self) -> dict[str, Any]:
        return {
            "accuracy": self.accuracy,
            "accuracy_std": self.accuracy_std,
            "best_threshold": self.threshold,
            "auc": self.auc,
            "val_at_far_1e-3": self.val,
            "val_std": self.val_std,
            "far": self.far,
            "folds": [dict(fold) for fold in self.folds],
            "pairs": self.pairs,
            "left_out": self.left_out,
        }


def verify(
    pairs: Sequence[Pair],
    points: Mapping[tuple[str, int], npt.NDArray[Any]],
    distance: str = "euclidean",
    where: Any = "pairs",
) -> Verification:
    """Judge pairs by the distances of their photos' points, which are missing for some photos.

    Raises:
        BadInput: fewer than two folds with pairs of both kinds are left.
    """
    kept = [pair for pair in pairs if pair.first in points and pair.second in points]
    fold = np.array([pair.fold for pair in kept], np.int64)
    same = np.array([pair.same for pair in kept], bool)
    numbers = [k for k in np.unique(fold).tolist() if 0 < same[fold == k].sum() < (fold == k).sum()]
    if len(numbers) < 2:
        raise BadInput(where, "two folds or more with pairs of both kinds", f"{len(numbers)}", "add the missing photos")
    first = np.stack([points[pair.first] for pair in kept])
    second = np.stack([points[pair.second] for pair in kept])
    apart = between(first, second, distance)
    rows = []
    for number in numbers:
        test = fold == number
        threshold = roc.best_threshold(apart[~test], same[~test])
        strict = roc.threshold_at(apart[~test], same[~test], FAR)
        val, far = roc.rates(apart[test], same[test], strict)
        rows.append(
            {
                "fold": number + 1,
                "accuracy": roc.accuracy(apart[test], same[test], threshold),
                "threshold": threshold,
                "val": val,
                "far": far,
            }
        )
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("accuracy", "threshold", "val", "far")}
    spread = {key: float(np.std([row[key] for row in rows], ddof=1)) for key in ("accuracy", "val")}
    return Verification(
        means["accuracy"],
        spread["accuracy"],
        means["threshold"],
        roc.auc(apart, same),
        means["val"],
        spread["val"],
        means["far"],
        tuple(rows),
        len(kept),
        len(pairs) - len(kept),
    )


def _pair(place: Path, number: int, text: str, index: int, each: int) -> Pair:
    fold, within = divmod(index, 2 * each)
    same = within < each
    words = text.split()
    wanted = "`name i j`, a pair of one person" if same else "`name1 i name2 j`, a pair of two people"
    numbers = (words[1:3] if same else words[1::2]) if len(words) == (3 if same else 4) else []
    if not numbers or not all(word.isdigit() and int(word) > 0 for word in numbers):
        raise BadInput(f"{place}, line {number + 1}", wanted, repr(text), "restore the file")
    if same:
        first, second = (words[0], int(words[1])), (words[0], int(words[2]))
    else:
        first, second = (words[0], int(words[1])), (words[2], int(words[3]))
    return Pair(first, second, same, fold, number + 1)
