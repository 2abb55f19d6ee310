"""How mask files say "foreground": 0/1, 0/255, or class ids; judged over a whole folder, never guessed from one file.

Half of all "my IoU is 0.004" questions are a 0/1 prediction against a 0/255 truth. Both sides 0/255 or both sides 0/1
is a plain binary case; anything that could mean two things is refused with the file and its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from evaluation.counts import IGNORE, Joint
from masksmith.errors import BadInput, UsageProblem

Mask = npt.NDArray[np.uint8]
MOST_CLASSES = 32  # more different values than this in a folder are grey levels, not class ids


@dataclass(frozen=True)
class Coding:
    """How stored values become class ids.

    Attributes:
        class_ids: the classes, background (0) first.
        ignore: the class id (after mapping) of pixels that are not judged, or None.
        pred_ids, truth_ids: stored value -> class id; values not named stay as they are.
        says: one line for the user.
    """

    class_ids: tuple[int, ...]
    ignore: int | None
    pred_ids: Mapping[int, int]
    truth_ids: Mapping[int, int]
    says: str

    def pred(self, mask: Mask) -> Mask:
        """(H, W) class ids of a prediction's stored values."""
        return _mapped(mask, self.pred_ids)

    def truth(self, mask: Mask) -> Mask:
        """(H, W) class ids of a truth's stored values."""
        return _mapped(mask, self.truth_ids)

    def joint(self, joint: Joint) -> Joint:
        """Joint counts of stored values as joint counts of class ids."""
        found: Joint = {}
        for (a, b), pixels in joint.items():
            pair = (self.pred_ids.get(a, a), self.truth_ids.get(b, b))
            found[pair] = found.get(pair, 0) + pixels
        return found


class CodingCheck:
    """Learns the values of all files, then :meth:`settle` says how to read them.

    Args:
        soft: predictions are grey levels and were thresholded; only the truth is judged.
        classes: the class ids where they are known.

    Raises:
        UsageProblem: ``classes`` are not ids from 0 to 254 with the background 0 among them.
    """

    def __init__(self, *, soft: bool = False, classes: Sequence[int] | None = None) -> None:
        self.soft, self.classes = soft, None if classes is None else tuple(sorted(set(classes)))
        if self.classes is not None and (len(self.classes) < 2 or self.classes[0] != 0 or self.classes[-1] >= IGNORE):
            raise UsageProblem(f"class ids must be 0 (background) and others up to 254, not {list(classes or ())}")
        self._pred: dict[int, Any] = {}
        self._truth: dict[int, Any] = {}

    def add(self, pred: Any, pred_values: Iterable[int], truth: Any, truth_values: Iterable[int]) -> None:
        """Note a pair of files (paths) and the values they hold.

        Raises:
            BadInput: a side that holds grey levels instead of ids.
        """
        for value in pred_values:
            self._pred.setdefault(int(value), pred)
        for value in truth_values:
            self._truth.setdefault(int(value), truth)
        self._grey()

    def add_pred(self, pred: Any, values: Iterable[int]) -> None:
        """Note a prediction that has no truth."""
        self.add(pred, values, None, ())

    def settle(self) -> Coding:
        """How the values of both sides are to be read.

        Raises:
            BadInput: the two sides are coded differently, or hold values that are no class.
        """
        if self.classes is not None:
            return self._declared(self.classes)
        if self.soft:
            return self._soft()
        pred, truth = set(self._pred), set(self._truth)
        if pred | truth <= {0, 1}:
            return Coding(
                (0, 1), None, {}, {}, f"both sides hold {_set(pred | truth)}: read as background 0, foreground 1"
            )
        if pred | truth <= {0, 255}:
            return Coding(
                (0, 1),
                None,
                {255: 1},
                {255: 1},
                f"both sides hold {_set(pred | truth)}: read as binary, 255 = foreground",
            )
        ids = (truth - {IGNORE}) | {0}
        if pred <= ids:
            return self._ids(ids)
        odd = min(pred - ids)
        if pred <= {0, 1, 255} and truth <= {0, 1, 255}:
            fix = "write both sides the same way: 0 and 1, or 0 and 255"
        else:
            fix = "write the truth's class ids, or name all classes with --classes"
        raise BadInput(
            self._pred[odd],
            f"the values of the truth, {_set(truth)} (first in {self._example(truth)})",
            f"{odd} (over all predictions: {_set(pred)})",
            fix,
        )

    def settle_alone(self) -> Coding:
        """As :meth:`settle` for predictions without a truth: anything but one foreground value is refused."""
        values = set(self._pred) - {0}
        if len(values) > 1 and not self.soft:
            odd = sorted(values)[1]
            raise BadInput(
                self._pred[odd], "binary masks (0 and one other value)", _set(set(self._pred)), "make them binary"
            )
        if self.soft:
            self._no_units()
        ids = dict.fromkeys(values, 1)
        says = "grey levels: thresholded" if self.soft else f"the masks hold {_set(set(self._pred))}: read as binary"
        return Coding((0, 1), None, {} if self.soft else ids, {}, says)

    def _ids(self, ids: set[int]) -> Coding:
        known = tuple(sorted(ids))
        ignored = ", 255 = ignore" if IGNORE in self._truth else ""
        return Coding(known, IGNORE, {}, {}, f"read as class ids {_set(ids)}{ignored}")

    def _declared(self, classes: tuple[int, ...]) -> Coding:
        if self.soft:
            self._no_units()
        for side, values, allowed in (
            ("prediction", {0: 0} if self.soft else self._pred, set(classes)),
            ("truth", self._truth, {*classes, IGNORE}),
        ):
            unknown = sorted(set(values) - allowed)
            if unknown:
                raise BadInput(
                    values[unknown[0]],
                    f"class ids {', '.join(map(str, classes))}" + (" (255 = ignore)" if side == "truth" else ""),
                    f"the value {unknown[0]} in the {side}",
                    "map it to a class id, or name it with --classes",
                )
        return Coding(classes, IGNORE, {}, {}, f"read as class ids {_set(set(classes))}, 255 = ignore")

    def _soft(self) -> Coding:
        self._no_units()
        truth = set(self._truth)
        said = "predictions are grey levels; truth "
        if truth <= {0, 255}:
            return Coding((0, 1), None, {}, {255: 1}, said + f"holds {_set(truth)}: 255 = foreground")
        if truth <= {0, 1, IGNORE}:
            return Coding((0, 1), IGNORE, {}, {}, said + f"holds {_set(truth)}: 1 = foreground, 255 = ignore")
        odd = min(truth - {0, 1, IGNORE})
        raise BadInput(
            self._truth[odd], "a binary truth for soft predictions", _set(truth), "make the truth 0/1 or 0/255"
        )

    def _no_units(self) -> None:
        if self._pred and max(self._pred) == 1:
            raise BadInput(
                self._pred[1],
                "grey levels from 0 to 255, as --soft says",
                f"{_set(set(self._pred))} over all predictions",
                "leave --soft out: these are binary masks",
            )

    def _grey(self) -> None:
        for side, values, free in (("prediction", self._pred, self.soft), ("truth", self._truth, False)):
            if len(values) > MOST_CLASSES and not free and self.classes is None:
                raise BadInput(
                    list(values.values())[-1],
                    "masks with a few values (0/1, 0/255 or class ids)",
                    f"{len(values)} different values on the {side} side",
                    "threshold them (or name --soft)" if side == "prediction" else "threshold them",
                )

    def _example(self, values: set[int]) -> Any:
        return self._truth[max(values)] if values else "no file"


def _mapped(mask: Mask, ids: Mapping[int, int]) -> Mask:
    if not ids:
        return mask
    table = np.arange(256, dtype=np.uint8)
    for value, class_id in ids.items():
        table[value] = class_id
    return np.asarray(cv2.LUT(mask, table), np.uint8)


def _set(values: set[int]) -> str:
    listed = sorted(values)
    return "{" + ", ".join(map(str, listed[:8])) + (", ..." if len(listed) > 8 else "") + "}"
