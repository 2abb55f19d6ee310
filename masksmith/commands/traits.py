"""Traits: what can be said about a record in a word, to filter and to count by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from manifests import Record

NONE = "–"
MANY = 60
"""Values that a trait may have and still be filtered by a list."""
_LENS = ("defocus_px", "motion_px", "vignette", "depth_px", "k1")


def traits(record: Record) -> dict[str, tuple[str, ...]]:
    """Name to values: split, subject, groups, clip, licence, words and lists in ``extra``, and a recipe's choices."""
    found: dict[str, tuple[str, ...]] = {
        "split": (record.split or NONE,),
        "subject": record.values_of("subject") or (NONE,),
    }
    found |= {key: tuple(values) for key, values in sorted(record.groups.items()) if key not in found}
    found["licence"] = record.licence or (NONE,)
    if record.source:
        found["source"] = (record.source,)
    if record.clip:
        found["clip"] = (record.clip,)
    for key, value in sorted(record.extra.items()):
        if f"sha256_{key}" in record.extra or key.startswith("sha256_") or key in found:
            continue
        if isinstance(value, str | bool):
            found[key] = (str(value),)
        elif isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            found[key] = tuple(value) or (NONE,)
    return {**found, **_choices(record.recipe)}


def _choices(recipe: str | None) -> dict[str, tuple[str, ...]]:
    """What a scene's recipe chose: blend, lens, and what lies or falls on its floor."""
    try:
        value: Any = json.loads(recipe) if recipe else None
    except ValueError:
        return {}
    if not isinstance(value, Mapping):
        return {}
    value = value.get("scene", value)  # a clip's recipe holds that of its first picture
    found: dict[str, tuple[str, ...]] = {}
    for key in ("rug", "sheet", "veil"):
        if key in value:
            about = value[key]
            kind = about.get("kind", "yes") if isinstance(about, Mapping) else "no"
            found[key] = (str(kind),)
    if isinstance(value.get("blend"), Mapping):
        found["blend"] = (str(value["blend"].get("kind", NONE)),)
    if "empty" in value:
        found["empty"] = ("yes" if value["empty"] else "no",)
    lens = value.get("lens")
    if isinstance(lens, Mapping):
        names = [
            name.removesuffix("_px").replace("k1", "bend").replace("depth", "focus") for name in _LENS if lens.get(name)
        ]
        found["lens"] = tuple(names) or ("clear",)
    return found
