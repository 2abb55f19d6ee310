"""Two folders of masks: which file belongs to which, and how their values are to be read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from evaluation import boundary
from evaluation.coding import Coding, CodingCheck
from evaluation.counts import Counts, CountsBuilder, Joint, joint_counts, present_values, reduce_joint
from evaluation.stored import Stored, Where, read_ids, read_level
from masksmith import images
from masksmith.errors import BadInput, UsageProblem

Mask = npt.NDArray[np.uint8]
_NAMED = 3  # file names an error lists


@dataclass(frozen=True)
class Pair:
    """A prediction and its truth under their common name: the path below the folder, without the suffix."""

    name: str
    pred: Where
    truth: Where


def pair_folders(pred: str | os.PathLike[str], truth: str | os.PathLike[str]) -> list[Pair]:
    """Pair the mask files of two folders by name, sub-folders included; suffixes may differ.

    Raises:
        BadInput: no such folder, no masks in it, two files of one name, or a name that only one side has.
    """
    left, right = named_files(pred), named_files(truth)
    return [Pair(name, left[name], right[name]) for name in match(left, right, pred, truth)[0]]


def match(
    left: Mapping[str, Any], right: Mapping[str, Any], pred: Any, truth: Any, *, common: bool = False
) -> tuple[list[str], list[str]]:
    """The names that predictions (``left``) and truths (``right``) share, in natural order.

    Args:
        pred, truth: where the names came from, for errors.
        common: leave out names that only one side has, instead of refusing them.

    Returns:
        (names, notes on what was left out).

    Raises:
        BadInput: a name that only one side has, or (with ``common``) no common name at all.
    """
    missing = [name for name in right if name not in left]
    extra = [name for name in left if name not in right]
    names = sorted((name for name in left if name in right), key=natural)
    if common and (missing or extra):
        told = ((missing, "truth masks have no prediction"), (extra, "predictions have no truth"))
        notes = [f"{len(lone):,} {what} and were left out: {_few(lone)}" for lone, what in told if lone]
        if not names:
            raise BadInput(pred, "names that the truth has too", f"none ({'; '.join(notes)})", "check the paths")
        return names, notes
    alike = {name.casefold() for name in missing} & {name.casefold() for name in extra}
    if missing:
        raise BadInput(
            pred,
            f"a prediction for each of the {len(right):,} truth masks",
            f"{len(missing):,} missing: {_few(missing)}"
            + (f", and {len(extra):,} without truth: {_few(extra)}" if extra else ""),
            "write the names alike, in upper and lower case too"
            if alike
            else "predict the missing ones, or judge those that both sides have with --common",
        )
    if extra:
        raise BadInput(
            truth,
            f"a truth mask for each of the {len(left):,} predictions",
            f"{len(extra):,} missing: {_few(extra)}",
            "add their truth, or judge those that both sides have with --common",
        )
    return names, []


def named_files(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Name -> mask file of a folder; see :func:`pair_folders`.

    Raises:
        BadInput: no such folder, no picture files or arrays in it, or two of one name (upper and lower case alike).
    """
    found: dict[str, Path] = {}
    folded: dict[str, Path] = {}
    arrays = (path for path in Path(folder).rglob("*.npy") if not path.name.startswith("."))
    for path in sorted([*images.list_images(folder), *arrays]):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if other := folded.get(name.casefold()):
            raise BadInput(
                path,
                "one mask of each name",
                f"{other.name} and {path.name} in the same folder",
                "keep one of them (masks and photos go to folders of their own)",
            )
        # a path anew: this one has been sorted, split and printed, and keeps 600 bytes of that
        found[name] = folded[name.casefold()] = Path(os.fspath(path))
    if not found:
        raise BadInput(folder, "a folder of masks", "no picture files in it", "check the path")
    return found


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key by which ``frame_10`` stands after ``frame_9``."""
    parts = re.split(r"(\d+)", name)
    return tuple((1, int(part), part) if part.isdigit() and part.isascii() else (0, 0, part) for part in parts)


@dataclass(frozen=True)
class Size:
    """At which size two masks are compared: ``truth``, ``pred`` or (height, width); None refuses unequal ones."""

    at: str | tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str | None) -> Size:
        """Read ``truth``, ``pred`` or ``HxW`` (``256x320``: 256 high, 320 wide).

        Raises:
            UsageProblem: anything else.
        """
        if text in (None, "truth", "pred"):
            return cls(text)
        match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text or "")
        if not match:
            raise UsageProblem(f"--at takes truth, pred or HEIGHTxWIDTH such as 256x320, not {text!r}")
        return cls((int(match[1]), int(match[2])))

    def fit(self, pred: npt.NDArray[Any], truth: Mask, where: Any) -> tuple[npt.NDArray[Any], Mask]:
        """Both masks at one size; class ids by nearest neighbour, soft predictions (float) bilinearly.

        Raises:
            BadInput: sizes differ and none was chosen.
        """
        if self.at is None:
            if pred.shape != truth.shape:
                raise BadInput(
                    where,
                    f"{truth.shape[1]} x {truth.shape[0]} pixels (width x height) as in the truth",
                    f"{pred.shape[1]} x {pred.shape[0]}",
                    "predict at the truth's size, or choose a size with --at truth, --at pred or --at HxW",
                )
            return pred, truth
        if isinstance(self.at, tuple):
            height, width = self.at
        else:
            height, width = (truth if self.at == "truth" else pred).shape
        if np.issubdtype(pred.dtype, np.floating):
            if pred.shape != (height, width):
                pred = cv2.resize(pred, (int(width), int(height)), interpolation=cv2.INTER_LINEAR)
        else:
            pred = images.resize_mask(pred, int(height), int(width))
        return pred, images.resize_mask(truth, int(height), int(width))


def read(path: str | os.PathLike[str] | Stored) -> Mask:
    """A mask's values as stored; see :func:`evaluation.stored.read_ids`."""
    return read_ids(path)


@dataclass(frozen=True)
class Reader:
    """Reads pairs at one size.

    Args:
        size: see :class:`Size`.
        soft: predictions are levels; see :func:`evaluation.stored.read_level`.
        threshold: a soft prediction of at least this is foreground.
    """

    size: Size = Size()
    soft: bool = False
    threshold: float = 0.5

    def raw(self, pair: Pair) -> tuple[Mask, Mask, tuple[int, ...]]:
        """(prediction, truth, values of the prediction's file); a soft prediction comes back as 0 and 1.

        Raises:
            BadInput: a file cannot be read, or sizes differ.
        """
        if not self.soft:
            pred, truth = self.size.fit(read(pair.pred), read(pair.truth), pair.pred)
            return pred, truth, ()
        stored = self.level(pair.pred)
        level, truth = self.size.fit(stored, read(pair.truth), pair.pred)
        values = present_values(cv2.convertScaleAbs(stored, alpha=255))
        if not isinstance(pair.pred, Path) or pair.pred.suffix.lower() == ".npy":
            values = (*values, 255)  # floats of 0 and 1 are levels, unlike the values 0 and 1 of a picture
        return (level >= self.threshold).astype(np.uint8), truth, values

    def frame(self, pair: Pair, coding: Coding) -> tuple[npt.NDArray[Any], Mask]:
        """(prediction, truth) for time figures: the prediction stays float32 in [0, 1] where it is soft."""
        if not self.soft:
            return self.coded(pair, coding)
        level, truth = self.size.fit(self.level(pair.pred), read(pair.truth), pair.pred)
        return level, coding.truth(truth)

    def alone(self, path: str | os.PathLike[str] | Stored, coding: Coding) -> npt.NDArray[Any]:
        """A prediction without truth, soft (float32) or as class ids."""
        return self.level(path) if self.soft else coding.pred(read(path))

    def level(self, path: str | os.PathLike[str] | Stored) -> npt.NDArray[np.float32]:
        """A soft prediction's file as (H, W) float32 in [0, 1]."""
        return read_level(path)

    def joint(self, pair: Pair) -> tuple[Joint, tuple[int, ...]]:
        """The joint counts of a pair's values as they are stored, and the grey levels of a soft prediction."""
        pred, truth, levels = self.raw(pair)
        return joint_counts(pred, truth), levels

    def coded(self, pair: Pair, coding: Coding) -> tuple[Mask, Mask]:
        """(prediction, truth) as class ids, for drawing or for time figures."""
        pred, truth, _ = self.raw(pair)
        return (pred if self.soft else coding.pred(pred)), coding.truth(truth)


def count_pairs(
    pairs: Sequence[Pair],
    reader: Reader,
    *,
    classes: Sequence[int] | None = None,
    tolerance: float | None = None,
    advance: Callable[[int], None] = lambda items: None,
    info: dict[str, Any] | None = None,
) -> tuple[Counts, Coding]:
    """Count all pairs. How their values are to be read is settled over the whole set, not file by file.

    Args:
        classes: the class ids, where they are known; otherwise they are read off the files and ``Coding.says`` tells.
        tolerance: measure boundaries too, ``surface_dice`` within so many pixels; this reads every pair once more,
            as only then it is known how.
        advance: called with 1 after each reading of a pair.
        info: travels with the counts.

    Raises:
        BadInput: a file cannot be read, sizes differ, or the two sides are coded differently.
    """
    check = CodingCheck(soft=reader.soft, classes=classes)
    joints = []
    for joint in learn(pairs, reader, check):
        joints.append(joint)
        advance(1)
    coding = check.settle()
    builder = CountsBuilder(coding.class_ids, {**boundary.note(tolerance), **(info or {})})
    for pair, joint in zip(pairs, joints, strict=True):
        counted = reduce_joint(coding.joint(joint), coding.class_ids, coding.ignore)
        edges = None
        if tolerance is not None:
            edges = boundary.measure(*reader.coded(pair, coding), coding.class_ids, coding.ignore, tolerance=tolerance)
            advance(1)
        builder.add(pair.name, counted, edges=edges, ignored=sum(joint.values()) - int(counted[0].sum()))
    return builder.build(), coding


def learn(pairs: Iterable[Pair], reader: Reader, check: CodingCheck) -> Iterator[Joint]:
    """The joint counts of each pair, in order, while ``check`` learns the values.

    Raises:
        BadInput: a file cannot be read, sizes differ, or a side holds grey levels.
    """
    for pair in pairs:
        joint, levels = reader.joint(pair)
        check.add(pair.pred, levels or {a for a, _ in joint}, pair.truth, {b for _, b in joint})
        yield joint


@dataclass(frozen=True)
class ClipFolder:
    """The frames of a clip, in order: (name, number or None where names are not numbered)."""

    name: str
    frames: tuple[str, ...]
    numbers: tuple[int, ...] | None
    step: int = 1


def clips(names: Iterable[str], folder: str | os.PathLike[str]) -> list[ClipFolder]:
    """Group frame names (paths without suffix) into clips: each sub-folder is one.

    Raises:
        BadInput: numbered frames with a gap.
    """
    place: dict[str, list[str]] = {}
    for name in sorted(names, key=natural):
        parent = name.rpartition("/")[0]
        place.setdefault(parent, []).append(name)
    return [_clip(parent or Path(folder).resolve().name, frames, folder) for parent, frames in place.items()]


def _clip(name: str, frames: list[str], folder: str | os.PathLike[str]) -> ClipFolder:
    parsed = [re.fullmatch(r"(.*?)(\d+)(\D*)", frame.rpartition("/")[2]) for frame in frames]
    matches = [match for match in parsed if match]
    if len(matches) < len(frames) or len({(m[1], m[3]) for m in matches}) > 1:
        return ClipFolder(name, tuple(frames), None)
    numbers = [int(m[2]) for m in matches]
    gaps = [later - earlier for earlier, later in pairwise(numbers)]
    step = min(gaps, default=1)
    if step < 1:
        return ClipFolder(name, tuple(frames), None)
    torn = [position for position, gap in enumerate(gaps) if gap != step]
    if torn:
        first, then = frames[torn[0]], frames[torn[0] + 1]
        raise BadInput(
            Path(folder) / name if "/" in frames[0] else folder,
            f"frames without a gap (every {step})" if step > 1 else "frames without a gap",
            f"nothing between {first} and {then}" + (f" ({len(torn)} gaps in all)" if len(torn) > 1 else ""),
            "add the missing frames, or put each unbroken piece into a sub-folder of its own",
        )
    return ClipFolder(name, tuple(frames), tuple(numbers), step)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
