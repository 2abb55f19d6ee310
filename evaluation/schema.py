"""The shape of report.json, as a JSON Schema (draft 2020-12): what other programs may build on."""

from __future__ import annotations

from typing import Any

from evaluation import boundary, calibration, coco, region, sweep, temporal
from masksmith import __version__

_SHARE: dict[str, Any] = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_NUMBER: dict[str, Any] = {"type": ["number", "null"]}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
_TEXT: dict[str, Any] = {"type": "string"}
_MAYBE: dict[str, Any] = {"type": ["string", "null"]}
_PAIR: dict[str, Any] = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 2,
    "description": "low and high end",
}
_BOUNDS: dict[str, Any] = {
    "type": "object",
    "description": "figure -> its interval; figures without one are left out",
    "additionalProperties": _PAIR,
}
_ANY: dict[str, Any] = {"type": "object"}


def report() -> dict[str, Any]:
    """The schema of the document that :func:`evaluation.report.document` makes and report.json holds.

    Figures stand at the top level under their names; ``null`` is a figure that is undefined. Programs should let keys
    pass that they don't know: later versions and optional parts add some.
    """
    figures = {name: _figure(name, text) for name, text in _conventions().items()}
    required = {
        "headline": _object(
            "the figure to name first",
            {"name": _TEXT, "value": _NUMBER, "interval": {"anyOf": [_PAIR, {"type": "null"}]}, "convention": _TEXT},
        ),
        "map_at_x": {
            "type": "object",
            "description": "x as text -> share of (image, class) pairs with IoU >= x",
            "propertyNames": {"pattern": r"^[0-9.e-]+$"},
            "additionalProperties": _SHARE,
        },
        "intervals": _object(
            "bootstrap intervals of all figures",
            {
                "level": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                "unit": {"enum": ["subject", "clip", "image", "mixed"], "description": "what was resampled"},
                "groups": _COUNT,
                "resamples": _COUNT,
                "seed": _COUNT,
                "note": {**_MAYBE, "description": "why there is no interval, or null"},
                "values": _BOUNDS,
            },
        ),
        "undefined": _object(
            "how often a class was absent from truth and prediction, and what was done about it",
            {
                "policy": {"enum": list(region.EMPTY), "description": "IoU 1, left out, or IoU 0"},
                "foreground_images": _COUNT,
                "image_class_pairs": _COUNT,
                "dataset_classes": _COUNT,
            },
            {"hausdorff95_images": _COUNT},
        ),
        "images": {**_COUNT, "minimum": 1},
        "pixels": {**_COUNT, "description": "pixels that were judged"},
        "ignored_pixels": _COUNT,
        "classes": {"type": "array", "items": _class(), "minItems": 2},
        "slices": {
            "type": "object",
            "description": "key -> the slices by it, in the order of their values",
            "additionalProperties": {"type": "array", "items": _slice()},
        },
        "title": _TEXT,
        "facts": {"type": "object", "description": "where the masks came from, by name"},
        "notes": {"type": "array", "items": _TEXT},
        "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 of ids and counts"},
        "tool": {"type": "string", "pattern": "^masksmith "},
        **{name: figures[name] for name in region.CONVENTIONS},
    }
    optional = {
        **{name: schema for name, schema in figures.items() if name not in region.CONVENTIONS},
        "surface_dice_px": {"type": "number", "minimum": 0, "description": "the tolerance of surface_dice"},
        "clips": {"type": "array", "items": _clip()},
        "left_out": {"type": "array", "items": _TEXT, "description": "clips too short to have a step"},
        "motion": {**_MAYBE, "description": "what warp_iou and the boundary figures of clips went along"},
        "undefined_clips": {"type": "object", "additionalProperties": _COUNT},
        "sweep": _sweep(),
        **{name: {**_SHARE, "description": text} for name, text in calibration.CONVENTIONS.items()},
        "reliability": {"type": "array", "items": _bin()},
        **{name: {**_SHARE, "description": text} for name, text in coco.CONVENTIONS.items()},
        "report": {**_MAYBE, "description": "where the page is; in the output of --json only"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "report.json of masksmith evaluate",
        "description": f"Written by masksmith {__version__}.",
        "type": "object",
        "properties": {**required, **optional},
        "required": sorted(required),
    }


def _conventions() -> dict[str, str]:
    return {**region.CONVENTIONS, **boundary.CONVENTIONS, **temporal.CONVENTIONS}


def _figure(name: str, text: str) -> dict[str, Any]:
    free = {"hausdorff95", "flicker_excess", "dtssd", "boundary_jitter_px"}
    return {**(_NUMBER if name in free else _SHARE), "description": text}


def _object(text: str, required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "description": text,
        "properties": {**required, **(optional or {})},
        "required": sorted(required),
        "additionalProperties": False,
    }


def _class() -> dict[str, Any]:
    figures = dict.fromkeys(("iou_image", "iou_dataset", "dice_image", "dice_dataset"), _SHARE)
    required = {"name": _TEXT, "id": {"type": "integer", "minimum": 0, "maximum": 254}, "images": _COUNT, **figures}
    return _object("one class against all others", required, dict.fromkeys(boundary.CONVENTIONS, _NUMBER))


def _slice() -> dict[str, Any]:
    required = {
        "value": _TEXT,
        "images": {**_COUNT, "minimum": 1},
        "groups": {**_COUNT, "description": "subjects, or what else `unit` says"},
        "unit": {"enum": ["subject", "clip", "image", "mixed"]},
        "intervals": _BOUNDS,
        "note": {**_MAYBE, "description": "why there is no interval, or null"},
    }
    return {
        **_object("the images of one value", required),
        "additionalProperties": {**_NUMBER, "description": "a figure"},
    }


def _clip() -> dict[str, Any]:
    counted = ("frames", "steps", "gaps", "empty_steps", "bandless_steps", "lost_steps")
    required = {"clip": _TEXT, **dict.fromkeys(counted, _COUNT)}
    optional = {
        **dict.fromkeys((*temporal.CONVENTIONS, "truth_flicker"), _NUMBER),
        "motion": _TEXT,
        "band_px": {"type": ["integer", "null"]},
        "undefined_windows": {"type": "object", "additionalProperties": _COUNT},
    }
    return {**_object("the time figures of one clip", required, optional), "additionalProperties": True}


def _bin() -> dict[str, Any]:
    required = {"low": _SHARE, "high": _SHARE, "pixels": {"type": "number", "minimum": 0}}
    return _object("pixels of about one probability", {**required, "confidence": _SHARE, "foreground": _SHARE})


def _sweep() -> dict[str, Any]:
    curve = {"type": "array", "items": _SHARE}
    best = _object(
        "the best threshold", {"figure": {"enum": list(sweep.FIGURES)}, "threshold": _SHARE, "value": _SHARE}
    )
    required = {
        "thresholds": {"type": "array", "items": {"type": "number"}},
        **dict.fromkeys(sweep.FIGURES, curve),
        "best": {"anyOf": [best, {"type": "null"}]},
        "note": _TEXT,
    }
    return _object("the figures of soft predictions at many thresholds", required)
