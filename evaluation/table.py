"""The class table: which name has which id, and which colour where masks are painted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from evaluation.counts import IGNORE
from evaluation.stored import Mask, Soft, read_ids, read_level
from masksmith import images
from masksmith.errors import BadInput

Colour = tuple[int, int, int]
Row = tuple[str, int, Colour | None, bool]
_FIX = 'write {"background": 0, "foot": 1}, or rows of name, id and colour (red, green, blue)'


@dataclass(frozen=True)
class ClassTable:
    """Classes by name.

    Attributes:
        ids: name -> id from 0 to 254, the background 0 among them; an entry of id 255 is "ignore" and not here.
        colours: (red, green, blue) -> id, "ignore" among them; empty where the table has no colours.
        ignored: ids that are marked to be ignored; a truth's pixels of them count for nothing.
    """

    ids: Mapping[str, int]
    colours: Mapping[Colour, int]
    ignored: tuple[int, ...] = ()

    @classmethod
    def read(cls, path: Path) -> ClassTable:
        """Read a table from ``.json`` or ``.csv``.

        JSON: ``{"foot": 1}``, ``{"foot": {"id": 1, "color": [255, 0, 0]}}`` or a list of such mappings with ``name``.
        CSV: a header with ``name`` and ``id``, and ``colour`` (``#ff0000`` or ``255 0 0``) or ``r``, ``g``, ``b``.
        A class of id 255, or with ``"ignore": true`` (1 or yes in CSV), is not judged.

        Raises:
            BadInput: no such file, another form, a name, id or colour that stands twice, or no background 0.
        """
        want = "a table of classes (JSON or CSV)"
        try:
            text = path.read_text(encoding="utf-8-sig")
            rows = list(_csv(text) if path.suffix.lower() == ".csv" else _json(json.loads(text)))
        except FileNotFoundError:
            raise BadInput(path, want, "no such file", "check the path") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
            raise BadInput(path, want, f"something else ({fault})", _FIX) from None
        for position, what in enumerate(("name", "id", "colour")):
            told = [row[position] for row in rows if row[position] is not None]
            twice = [value for k, value in enumerate(told) if value in told[:k]]
            if twice:
                raise BadInput(path, f"a {what} for each class", f"{twice[0]} twice", "mend the table")
        odd = [(name, number) for name, number, _, _ in rows if not 0 <= number <= IGNORE]
        if odd:
            raise BadInput(path, "ids from 0 to 255", f"{odd[0][1]} for {odd[0][0]!r}", "map the ids to 8 bits")
        ids = {name: number for name, number, _, ignored in rows if number != IGNORE and not ignored}
        if 0 not in ids.values() or len(ids) < 2:
            fix = "give the background, or what is no class, the id 0"
            raise BadInput(path, "a class of id 0 and one more", f"ids {sorted(ids.values())}", fix)
        painted = [row for row in rows if row[2] is not None]
        if painted and len(painted) < len(rows):
            bare = next(name for name, _, colour, _ in rows if colour is None)
            raise BadInput(path, "a colour for each class, or for none", f"none for {bare!r}", "add it")
        colours = {colour: number for _, number, colour, _ in painted if colour}
        return cls(ids, colours, tuple(number for _, number, _, ignored in rows if ignored and number != IGNORE))

    @property
    def says(self) -> str:
        """One line for the user."""
        told = ", ".join(f"{name} {number}" for name, number in self.ids.items())
        first = next(name for name, number in self.ids.items() if number == 0)
        left = ", ".join(map(str, (*self.ignored, IGNORE)))
        return f"classes: {told}; {left} = ignore; foreground is all but {first}" + (
            "; colours are read by the table" if self.colours else ""
        )


@dataclass(frozen=True)
class Painted:
    """A mask file that may be painted in the colours of a table; ids are read as they are, but ``ignored`` as 255."""

    path: Path
    colours: Mapping[Colour, int]
    ignored: tuple[int, ...] = ()

    def __str__(self) -> str:
        return str(self.path)

    def absolute(self) -> Self:
        return replace(self, path=self.path.absolute())

    def ids(self) -> Mask:
        """(H, W) uint8.

        Raises:
            BadInput: a colour that is not in the table.
        """
        if not self.colours or not _coloured(self.path):
            return self._without(read_ids(self.path))
        if self.path.suffix.lower() in (".jpg", ".jpeg"):
            raise BadInput(self.path, "a mask in a lossless format", "a JPEG, whose colours are blurred", "save as PNG")
        return self._without(_by_colour(images.read_image(self.path), self.colours, self.path))

    def _without(self, ids: Mask) -> Mask:
        table = np.arange(256, dtype=np.uint8)
        table[[*self.ignored]] = IGNORE
        return table[ids] if self.ignored else ids

    def level(self) -> Soft:
        return read_level(self.path)


def _by_colour(picture: npt.NDArray[np.uint8], colours: Mapping[Colour, int], where: Path) -> Mask:
    codes = picture.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    known = np.array(sorted((r << 16) + (g << 8) + b for r, g, b in colours), np.int32)
    ids = np.array([colours[code >> 16, code >> 8 & 255, code & 255] for code in known.tolist()], np.uint8)
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    strange = known[place] != codes
    if strange.any():
        y, x = np.argwhere(strange)[0].tolist()
        raise BadInput(
            where,
            "the colours of the class table",
            f"{tuple(picture[y, x].tolist())} at column {x}, row {y} ({int(strange.sum()):,} pixels in all)",
            "add it to the table, or save masks without smoothing",
        )
    return np.asarray(ids[place])


def _coloured(path: Path) -> bool:
    """Whether a picture stores red, green and blue (and not a palette, whose indices are ids)."""
    from PIL import Image as pillow

    try:
        with pillow.open(path) as opened:
            return opened.mode in ("RGB", "RGBA", "CMYK", "YCbCr")
    except (OSError, ValueError, SyntaxError):
        return False  # the reader says what is wrong


def _json(value: Any) -> Iterable[Row]:
    if isinstance(value, list):
        value = {str(one["name"]): one for one in value}
    for name, told in value.items():
        if isinstance(told, Mapping):
            colour = _colour(told.get("colour", told.get("color")))
            yield str(name), _whole(told["id"]), colour, bool(told.get("ignore", False))
        else:
            yield str(name), _whole(told), None, False


def _csv(text: str) -> Iterable[Row]:
    for row in csv.DictReader(io.StringIO(text), skipinitialspace=True):
        told = {str(key).strip().lower(): (value or "").strip() for key, value in row.items()}
        parts = [told[key] for key in ("r", "g", "b") if key in told]
        given: Any = [int(part) for part in parts] if len(parts) == 3 else told.get("colour") or told.get("color")
        ignored = told.get("ignore", "").lower() in ("1", "true", "yes")
        yield told["name"], int(told["id"]), _colour(given), ignored


def _colour(value: Any) -> Colour | None:
    if value in (None, ""):
        return None
    if isinstance(value, str):
        text = value.strip().removeprefix("#")
        parts = text.replace(",", " ").split()
        value = [int(part) for part in parts] if len(parts) == 3 else list(bytes.fromhex(text))
    red, green, blue = (_whole(part) for part in value)
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise ValueError(f"the colour {value}")
    return red, green, blue


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(f"{value!r} for a whole number")
    return int(value)
