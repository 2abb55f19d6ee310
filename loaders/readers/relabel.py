"""From the values in a dataset's masks to class ids: a table, and targets that merge its classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from manifests import IGNORE
from masksmith.errors import BadInput, unknown_choice
from masksmith.images import Mask

ALL = "all"
PERSON: Mapping[str, int] = {"background": 0, "person": 1}


class Relabel:
    """Gives the values of a mask their class ids.

    Args:
        names: value to class name; None for values to be ignored.
        target: ``all`` keeps the values as ids; else a name in ``targets``, which makes two classes.
        targets: name of a target to the classes that are it.

    Attributes:
        classes: class name to id, as the masks have them afterwards.
        changes: whether any value becomes another one.

    Raises:
        UsageProblem: no such target.
    """

    def __init__(
        self, names: Mapping[int, str | None], target: str = ALL, targets: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        targets = targets or {}
        if target != ALL and target not in targets:
            raise unknown_choice("target of --classes", target, [ALL, *targets])
        self._names = dict(names)
        self._table = np.zeros(256, np.uint8)
        self._foreign = np.ones(256, np.uint8)
        for value, name in names.items():
            self._foreign[value] = 0
            if name is None:
                self._table[value] = IGNORE
            else:
                self._table[value] = value if target == ALL else int(name in targets[target])
        if target == ALL:
            self.classes = {name: value for value, name in sorted(names.items()) if name is not None}
        else:
            self.classes = {"background": 0, target: 1}
        self.changes = any(int(self._table[value]) != value for value in names)

    def __call__(self, path: str, mask: Mask) -> Mask:
        """(H, W) values as (H, W) ids.

        Raises:
            BadInput: values that the table does not have.
        """
        if cv2.countNonZero(cv2.LUT(mask, self._foreign)):
            strange = [int(value) for value in np.unique(mask) if self._foreign[value]]
            known = ", ".join(f"{value} ({name or 'ignore'})" for value, name in sorted(self._names.items()))
            raise BadInput(
                path,
                f"the values {known}",
                f"also {', '.join(map(str, strange[:8]))}{', ...' if len(strange) > 8 else ''}",
                "take the masks as they were published, or check --from",
            )
        return np.asarray(cv2.LUT(mask, self._table), np.uint8)
