"""The page of leaks: each leaking record beside its partner, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from manifests.audit import Audit
from manifests.manifest import Manifest, is_url
from masksmith import files, html, images
from masksmith.errors import MasksmithError
from masksmith.images import Image

WIDTH_PX = 320
MOST = 150
_TALL = 2.0  # a picture taller than that many widths is shown in part


def write(path: Path, manifest: Manifest, found: Audit, table: pa.Table) -> None:
    """Write the page: whole in itself, every text escaped, at most :data:`MOST` pairs.

    Raises:
        EnvironmentFault: it cannot be written.
    """
    named = {
        "dataset": manifest.folder,
        "looked at": ", ".join((*found.keys, "path", "bytes")),
        "records": ", ".join(f"{name} {number}" for name, number in found.counts.items()),
        "split proof": "none" if found.proof is None else "; ".join(found.proof) or "holds",
    }
    lead = found.verdict() or "no leaks"
    text = html.pairs(
        f"Leaks of {manifest.info.name}",
        lead,
        _pairs(manifest, found, table),
        heads=("leaks", "partner"),
        named=named,
        width=WIDTH_PX,
        most=MOST,
    )
    files.write_bytes(path, text.encode())


def _pairs(manifest: Manifest, found: Audit, table: pa.Table) -> Iterator[html.Pair]:
    ids, splits, paths = (table.column(name) for name in ("id", "split", "image"))
    blank = np.full((2, 2, 3), 128, np.uint8)
    for place, leak in enumerate(found.leaks):
        reason = leak.reasons[0]
        shown: list[Image] = []
        names: list[str] = []
        for row in (leak.row, reason.partners[0]):
            # what is beyond the page is only counted
            shown.append(_picture(manifest, paths[row].as_py()) if place < MOST else blank)
            names.append(f"{splits[row].as_py()}: {ids[row].as_py()} ({paths[row].as_py()})")
        note = f"{reason.kind}: {reason.value}"
        if reason.distance is not None:
            note += f", {reason.distance:g} {reason.unit}"
        if reason.partner_count > 1:
            note += f"; {reason.partner_count} partners"
        note += "".join(
            f"; also {other.kind}: {other.value}" for other in leak.reasons[1:] if other.kind != reason.kind
        )
        yield html.Pair(shown[0], shown[1], names[0], names[1], note)


def _picture(manifest: Manifest, path: str) -> Image:
    """The picture of a record, small; a grey one that says so where it cannot be read."""
    try:
        if not is_url(path):
            picture = images.read_image(manifest.path(path))
            tall = int(picture.shape[1] * _TALL)
            return picture[:tall]
    except MasksmithError:
        pass
    lost = np.full((WIDTH_PX * 3 // 4, WIDTH_PX, 3), 90, np.uint8)
    cv2.putText(lost, "no picture", (WIDTH_PX // 4, WIDTH_PX * 3 // 8), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (220,) * 3, 2)
    return lost
