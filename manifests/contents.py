"""The contents of a manifest in figures: splits, classes, licences, subjects, groups, sources, sizes, proof."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.manifest import Manifest
from manifests.proof import check_proof
from manifests.record import group_keys, members

_PROVED = ("id", "subject", "groups", "split", "clip", "source")


def contents(manifest: Manifest) -> dict[str, Any]:
    """What a manifest holds, as one JSON value.

    ``splits`` counts records (those without one under ``none``), ``licences`` and ``sources`` too; ``groups`` counts
    the distinct values of each key; ``size`` is in pixels, width x height.
    """
    table = manifest.table([*_PROVED, "width", "height", "mask", "licence"])
    info = manifest.info
    size = pc.binary_join_element_wise(table["width"].cast(pa.string()), table["height"].cast(pa.string()), " x ")
    bounds = [pc.min_max(table[name]).as_py() for name in ("width", "height")]
    proof = None
    if info.split_proof is not None:
        wrong = check_proof(table, info.split_proof)
        proof = {**info.split_proof, "holds": not wrong, "wrong": wrong}
    return {
        "name": info.name,
        "version": info.version,
        "description": info.description,
        "records": table.num_rows,
        "masks": table.num_rows - table["mask"].null_count,
        "splits": _counts(table["split"], "none"),
        "classes": dict(info.classes),
        "licence": list(info.licence),
        "licences": _counts(pc.list_flatten(table["licence"]), "none"),
        "citation": info.citation,
        "subjects": _distinct(table, "subject"),
        "groups": {key: _distinct(table, key) for key in ("clip", *group_keys(table)) if key != "subject"},
        "sources": _counts(table["source"], ""),
        "size": {
            "least": " x ".join(str(each["min"]) for each in bounds),
            "most": " x ".join(str(each["max"]) for each in bounds),
            "usual": next(iter(_counts(size, "")), ""),
        },
        "inputs": len(info.sources),
        "seed": info.seed,
        "command": info.command,
        "tool_version": info.tool,
        "split_proof": proof,
    }


def _counts(column: pa.ChunkedArray, without: str) -> dict[str, int]:
    """How often each value occurs, the most frequent first."""
    counted = Counter({row["values"]: row["counts"] for row in column.value_counts().to_pylist()})
    ordered = sorted(counted.items(), key=lambda pair: (-pair[1], str(pair[0])))
    return {without if value is None else value: number for value, number in ordered}


def _distinct(table: pa.Table, key: str) -> int:
    return len(members(table, key)[1].unique())
