"""A dataset of the ``datasets`` library on disk, with truths and predictions in two of its columns."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from evaluation.inputs import Pair
from evaluation.sources import Source
from evaluation.stored import Mask, Soft, as_ids, as_level
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem, unknown_choice

_MARKS = ("dataset_info.json", "state.json", "dataset_dict.json")


@dataclass(frozen=True)
class Cell:
    """A mask in a row and column of a dataset (of one split, where it has several)."""

    path: Path
    split: str | None
    column: str
    row: int

    def __str__(self) -> str:
        return f"{self.path}{f' {self.split}' if self.split else ''} row {self.row}, {self.column}"

    def absolute(self) -> Self:
        return replace(self, path=self.path.absolute())

    def values(self) -> npt.NDArray[Any]:
        """The mask as it is stored, (H, W) where it is one.

        Raises:
            BadInput: no mask in it, a damaged picture, or a JPEG.
        """
        value = _opened(self.path, self.split)[self.row][self.column]
        if value is None:
            raise BadInput(self, "a mask", "nothing", "leave the row out")
        if isinstance(value, dict):
            return _picture(value, self)
        try:
            return np.asarray(value)
        except ValueError as fault:
            raise BadInput(self, "a mask (H, W)", str(fault), "store pictures or arrays") from None

    def ids(self) -> Mask:
        return as_ids(self.values(), self)

    def level(self) -> Soft:
        return as_level(self.values(), self)


def is_dataset(path: Path) -> bool:
    """Whether a folder is what ``Dataset.save_to_disk`` writes."""
    return path.is_dir() and any((path / name).is_file() for name in _MARKS)


def pair_columns(path: Path, truth: str, pred: str, *, split: str | None = None) -> Source:
    """Pair two columns row by row; ``id``, ``subject`` and ``source`` columns are taken along.

    Raises:
        BadInput: not such a dataset, or no rows.
        UsageProblem: no such column, or no split is named where there are several.
    """
    rows = _opened(path, split)
    for name in (truth, pred):
        if name not in rows.column_names:
            raise unknown_choice("column", name, rows.column_names)
    if not len(rows):
        raise BadInput(path, "rows", "none", "check the path")
    named = "id" in rows.column_names
    names = [str(name) for name in rows["id"]] if named else [f"row {k}" for k in range(len(rows))]
    if len(set(names)) < len(names):
        raise BadInput(path, "ids that name one row each", "one that stands twice", "mend the column id")
    pairs = [Pair(name, Cell(path, split, pred, k), Cell(path, split, truth, k)) for k, name in enumerate(names)]
    columns = {}
    for name in ("subject", "source"):
        if name in rows.column_names:
            key = name if name == "subject" else "group.source"
            told = [None if value is None else str(value) for value in rows[name]]
            columns[key] = told if name == "subject" else [value and [value] for value in told]
    return Source(pairs, columns=columns)


@functools.lru_cache(maxsize=2)
def _opened(path: Path, split: str | None) -> Any:
    try:
        import datasets
    except ImportError:
        raise EnvironmentFault("datasets on disk need the library datasets: pip install datasets") from None
    try:
        found = datasets.load_from_disk(str(path))
    except FileNotFoundError:
        raise BadInput(path, "a folder that Dataset.save_to_disk wrote", "something else", "check the path") from None
    except (OSError, ValueError, KeyError) as fault:
        told = str(fault).splitlines()[0]
        raise BadInput(path, "a folder that Dataset.save_to_disk wrote", f"damage ({told})", "save it again") from None
    if isinstance(found, datasets.DatasetDict):
        if split is None and len(found) > 1:
            raise UsageProblem(f"{path} has the splits {', '.join(found)}: choose one with --split")
        if split is not None and split not in found:
            raise unknown_choice("split", split, found)
        found = found[split or next(iter(found))]
    for name, feature in found.features.items():
        if isinstance(feature, datasets.Image):
            found = found.cast_column(name, datasets.Image(decode=False))
    return found


def _picture(value: dict[str, Any], where: Cell) -> npt.NDArray[Any]:
    from PIL import Image as pillow

    data = value.get("bytes")
    try:
        data = data if data is not None else Path(value["path"]).read_bytes()
        with pillow.open(io.BytesIO(data)) as opened:
            if opened.format == "JPEG":
                raise BadInput(where, "a mask in a lossless format", "a JPEG, whose ids are blurred", "store PNG")
            if opened.mode not in ("1", "L", "P", "I", "I;16", "F"):
                raise BadInput(where, "one channel of class ids", f"a {opened.mode} picture", "map its colours to ids")
            return np.asarray(opened)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError) as fault:
        raise BadInput(where, "a readable picture", f"damage ({fault})", "store it again") from None
