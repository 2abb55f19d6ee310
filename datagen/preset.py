"""A paper's dataset under one name: small TOML files of the same keywords that ``masksmith generate`` takes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from masksmith.errors import BadInput, UsageProblem, unknown_choice

COUNTS = "counts"


def preset_names() -> list[str]:
    """The presets that come with the package, sorted."""
    folder = resources.files("datagen") / "presets"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_preset(name: str, keywords: Sequence[str]) -> tuple[dict[str, Any], dict[str, int]]:
    """The values of a preset, and how many scenes each split has (nothing: as asked for elsewhere).

    Args:
        name: one of :func:`preset_names`, or a TOML file.
        keywords: the keys that may stand there, besides the table ``counts``.

    Raises:
        UsageProblem: an unknown preset or key, or a count that is no whole number above 0.
        BadInput: a file that is no TOML.
    """
    where = name if name.endswith(".toml") else f"preset {name}"
    if name.endswith(".toml"):
        try:
            values: dict[str, Any] = tomllib.loads(Path(name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
            raise BadInput(name, "a preset (TOML)", str(fault), "mend it, or name one that comes along") from None
    elif name in preset_names():
        values = tomllib.loads((resources.files("datagen") / "presets" / f"{name}.toml").read_text(encoding="utf-8"))
    else:
        raise unknown_choice("preset", name, preset_names())
    counts = values.pop(COUNTS, {})
    for key in values:
        if key not in keywords:
            raise UsageProblem(f"{where}: {unknown_choice('key', key, [COUNTS, *keywords])}")
    return values, _counted(counts, where)


def shares_of(counts: Mapping[str, int]) -> str:
    """Counts as ``--shares`` takes them."""
    return ",".join(f"{split}={count}" for split, count in counts.items())


def _counted(counts: Any, where: str) -> dict[str, int]:
    if not isinstance(counts, dict):
        raise UsageProblem(f"{where}: {COUNTS} must be a table of splits and numbers, not {counts!r}")
    for split, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise UsageProblem(f"{where}: {COUNTS}.{split} must be a whole number above 0, not {count!r}")
    return counts
