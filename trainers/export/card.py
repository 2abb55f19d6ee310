"""The model card: where a file comes from, what it may be used under, how good and how fast it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manifests.manifest import Manifest
from masksmith import __version__, files
from masksmith.errors import BadInput, MasksmithError
from trainers.runs import RUN


def origin(run: Path | None) -> dict[str, Any]:
    """What a run's folder says of the weights: preset, data, its licence, metrics; empty for random weights.

    Raises:
        BadInput: ``run.json`` is damaged.
    """
    if run is None:
        return {"weights": "random: for measuring speed, not for use"}
    folder = run if run.is_dir() else run.parent
    note = folder / RUN
    made: dict[str, Any] = {"weights": str(run)}
    if not note.is_file():
        return made
    try:
        described: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        data = dict(described.get("data") or {})
        result = dict(described.get("result") or {})
    except (ValueError, TypeError, AttributeError):
        raise BadInput(note, "the description of a run", "something else", "train again") from None
    made |= {
        "preset": described.get("preset"),
        "classes": described.get("classes"),
        "foreground": described.get("foreground"),
        "seed": described.get("seed"),
        "git": described.get("git"),
        "data": {"name": data.get("name"), "records_sha256": data.get("records_sha256"), **_licence(data)},
        "metrics": {"val_miou_image": result["best_miou_image"]} if "best_miou_image" in result else {},
    }
    report = folder / "report.json"
    if report.is_file():
        made["metrics"] |= _figures(report)
    return made


def _licence(data: Mapping[str, Any]) -> dict[str, Any]:
    """The licences of the dataset, if it still lies where it was and is the same."""
    try:
        manifest = Manifest.open(str(data.get("folder")))
        same = manifest.digest == data.get("records_sha256")
    except (MasksmithError, OSError):
        return {"licence": None, "licence_note": "the dataset was not found where it was trained on"}
    if not same:
        return {"licence": None, "licence_note": "the dataset changed after training"}
    return {"licence": list(manifest.info.licence), "citation": manifest.info.citation}


def _figures(report: Path) -> dict[str, float]:
    """The IoU figures of a report.json."""
    try:
        found = json.loads(report.read_text(encoding="utf-8"))
        return {name: float(found[name]) for name in ("iou_fg_image", "miou_image", "boundary_iou") if found.get(name)}
    except (ValueError, TypeError, AttributeError):
        return {}


def write(place: Path, described: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write ``FILE.json`` and ``FILE.md`` beside an exported file; returns where.

    Args:
        described: ``meta``, ``origin``, ``check``, ``network`` and ``latency``.
    """
    made = {
        "format": "masksmith-card-1",
        "tool_version": f"masksmith {__version__}",
        "file": place.name,
        "sha256": files.sha256(place),
        "bytes": size_of(place),
        **described,
    }
    first, second = place.with_name(place.name + ".json"), place.with_name(place.name + ".md")
    files.write_json(first, made)
    files.write_bytes(second, markdown(made).encode())
    return first, second


def size_of(place: Path) -> int:
    """Bytes of a model; OpenVINO's weights lie beside its ``.xml``."""
    weights = place.with_suffix(".bin")
    return place.stat().st_size + (weights.stat().st_size if place.suffix == ".xml" and weights.is_file() else 0)


def markdown(card: Mapping[str, Any]) -> str:
    """The card for people."""
    meta, told, check, cost = card["meta"], card["origin"], card["check"], card["network"]
    data = told.get("data") or {}
    size = "x".join(str(side) for side in meta["size"])
    shape = "any multiple of 32" if meta["dynamic"] else size
    licence = ", ".join(data.get("licence") or ()) or data.get("licence_note") or "unknown"
    rows = [
        ("Network", f"{meta['model']}, {cost['params']:,} parameters, {cost['mflops']:.1f} MFLOPs"),
        ("File", f"`{card['file']}`, {card['bytes']:,} bytes, sha256 `{card['sha256']}`"),
        ("Inputs", f"{', '.join(meta['inputs'])}; {meta['layout'].upper()} {meta['dtype']} RGB in "
         f"[{meta['range'][0]}, {meta['range'][1]}], {shape}"),
        ("Output", _OUTPUTS[meta["output"]]),
        ("Weights", told["weights"]),
        ("Preset", told.get("preset") or "none"),
        ("Foreground", ", ".join(told.get("foreground") or ()) or "not stated"),
        ("Data", f"{data.get('name') or 'unknown'}, records sha256 `{data.get('records_sha256') or 'unknown'}`"),
        ("Licence of the data", licence),
        *((name, f"{value:.4f}") for name, value in (told.get("metrics") or {}).items()),
    ]  # fmt: skip
    pictures = "real pictures" if check["real"] else "made-up pictures"
    text = f"{check['pictures']} {pictures}: largest error {check['max_error']:.1e}, agreement {check['agreement']:.5f}"
    if check.get("iou_change") is not None:
        text += f", IoU {check['iou_torch']:.4f} -> {check['iou_export']:.4f} ({check['iou_change']:+.5f})"
    rows.append(("Against PyTorch", text))
    if card.get("latency"):
        spent = card["latency"]
        rows.append(
            ("Latency", f"{spent['median_ms']:.2f} ms median, {spent['runtime']}, one thread, {spent['cpu'] or 'CPU'}")
        )
    lines = [f"# {card['file']}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {str(value).replace('|', '/')} |" for name, value in rows]
    return "\n".join(lines) + "\n"


_OUTPUTS = {
    "probability": "probability of the foreground, float32",
    "probabilities": "probability of each class, float32, background first",
    "classes": "class ids, uint8, foreground from 0.5 on",
}
