"""A dataclass of settings as a form: keys that exist, values of the right type, within their range.

A setting's type stands in its annotation: ``str``, ``int``, ``float``, ``bool``, ``tuple[int, int]`` (a size),
``tuple[str, ...]`` (names) or ``float | None``. Values come as text (``--set key=value``) or as TOML has them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from importlib import resources
from typing import Any, Generic, TypeVar

from masksmith.errors import UsageProblem, unknown_choice

T = TypeVar("T")
Range = tuple[Callable[[Any], bool], str]
"""Whether a value is right, and what is right in words."""
GIVEN = "preset"
"""The one field that is no setting: where the others come from."""
_WORDS = {
    "str": "a word",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple[int, int]": "a size such as 256 or 256x320 (height x width)",
    "tuple[str, ...]": "names with commas between them",
    "float | None": "a number or none",
}


class Form(Generic[T]):
    """What the settings of a dataclass may be.

    Args:
        made: the dataclass; it has a field ``preset``, which nobody sets.
        ranges: of settings that have one; None is not looked at.
        choices: of settings that are one of several words.
    """

    def __init__(self, made: type[T], ranges: Mapping[str, Range], choices: Mapping[str, Sequence[str]]) -> None:
        self._made, self._ranges, self._choices = made, ranges, choices
        self._kinds: dict[str, str] = {each.name: str(each.type) for each in fields(made)}  # type: ignore[arg-type]

    def checked(self, values: Mapping[str, Any]) -> T:
        """Settings from keys and values of the right types.

        Raises:
            UsageProblem: an unknown key, a wrong type, or a value outside its range.
        """
        settings = self._made(**{key: self._typed(key, value) for key, value in values.items()})
        for key, (right, wanted) in self._ranges.items():
            value = getattr(settings, key)
            if value is not None and not right(value):
                raise UsageProblem(f"setting {key} must be {wanted}, not {_shown(value)}")
        for key, choices in self._choices.items():
            if getattr(settings, key) not in choices:
                raise unknown_choice(key, getattr(settings, key), choices)
        return settings

    def parsed(self, overrides: Mapping[str, str]) -> dict[str, Any]:
        """Values from text: ``256`` or ``256x320`` for a size, ``none`` for a value that may be absent.

        Raises:
            UsageProblem: an unknown key, or text that is no value of its type.
        """
        return {key: self._parsed(key, text) for key, text in overrides.items()}

    def _kind(self, key: str) -> str:
        if key not in self._kinds or key == GIVEN:
            raise unknown_choice("setting", key, [name for name in self._kinds if name != GIVEN])
        return self._kinds[key]

    def _parsed(self, key: str, text: str) -> Any:
        kind, text = self._kind(key), text.strip()
        try:
            if kind == "int":
                return int(text)
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            if kind == "tuple[int, int]":
                parts = [int(part) for part in text.lower().split("x")]
                height, width = parts * 2 if len(parts) == 1 else parts
                return height, width
            if kind == "tuple[str, ...]":
                return tuple(part.strip() for part in text.split(",") if part.strip())
            if kind == "float | None" and text.lower() == "none":
                return None
            if kind in ("float", "float | None"):
                return float(text)
        except (ValueError, KeyError):
            raise self._wrong(key, text) from None
        return text

    def _typed(self, key: str, value: Any) -> Any:
        """A setting's value from a TOML value or one that is right already."""
        if key == GIVEN:
            return value
        kind = self._kind(key)
        plain = type(value)
        if kind in ("float", "float | None") and plain in (int, float):
            return float(value)
        if kind == "float | None" and value is None:
            return None
        if {"str": str, "int": int, "bool": bool}.get(kind) is plain:
            return value
        if plain in (list, tuple):
            if kind == "tuple[int, int]" and len(value) == 2 and all(type(part) is int for part in value):
                return tuple(value)
            if kind == "tuple[str, ...]" and all(type(part) is str for part in value):
                return tuple(value)
        raise self._wrong(key, value)

    def _wrong(self, key: str, value: Any) -> UsageProblem:
        return UsageProblem(f"setting {key} must be {_WORDS[self._kinds[key]]}, not {_shown(value)}")


def presets_of(task: str | None) -> dict[str, dict[str, Any]]:
    """The presets that come with the package, by name, sorted: those of a ``task``, or (None) those that name none."""
    folder = resources.files("trainers") / "presets"
    places = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda each: each.name)
    found = {place.name.removesuffix(".toml"): tomllib.loads(place.read_text(encoding="utf-8")) for place in places}
    return {name: values for name, values in found.items() if values.pop("task", None) == task}


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else repr(value)
