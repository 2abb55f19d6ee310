"""The first round over a dataset: every file opened, checked, hashed and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from loaders.coding import BYTES, Tally
from loaders.listing import read_spool
from loaders.readers.reader import Item, Reader, Seen
from manifests import Record
from manifests.record import to_table
from masksmith import files, images
from masksmith.engine import Shard
from masksmith.errors import BadInput
from masksmith.receipts import FOLDER

LOOK = "look"
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Look:
    """Looks at shards; goes to worker processes.

    Attributes:
        reader: opens the files.
        out: folder of the manifest.
        writes_binary: where the coding is still open, write masks of 0/255 at once: they can only become 0/1.
    """

    reader: Reader
    out: str
    writes_binary: bool = False

    def __call__(self, shard: Shard) -> dict[str, Any]:
        """Open, check and hash the files of a shard; their records go beside the receipt, faults into it."""
        folder = Path(self.out) / FOLDER
        rows: list[Record] = []
        faults: list[dict[str, Any]] = []
        tally = Tally()
        for item in read_spool(folder, shard.payload[0]):
            try:
                rows.append(self._record(item, tally))
            except BadInput as bad:
                parts = [bad.where, bad.expected, bad.found, bad.fix]
                faults.append({"id": item.id, "image": item.image, "mask": item.mask, "fault": parts})
        name = f"{shard.index:06d}.parquet"
        with files.atomic(folder / LOOK / name, durable=False) as part:
            pq.write_table(to_table(rows), part, compression="zstd")
        sizes = [(row.width, row.height) for row in rows]
        return {
            "rows": name,
            "of": shard.payload[1],
            "records": len(rows),
            "sizes": [min(sizes, key=area), max(sizes, key=area)] if sizes else [],
            "written": sum(row.mask is not None and not Path(row.mask).is_absolute() for row in rows),
            "open": sum(row.mask is not None and Path(row.mask).is_absolute() for row in rows),
            "resized": sum("mask_resized_from" in row.extra for row in rows),
            "tally": tally.as_json(),
            "faults": faults,
        }

    def _record(self, item: Item, tally: Tally) -> Record:
        reader = self.reader
        seen = reader.look(item)
        height, width = seen.image.shape[:2]
        if seen.mask is not None and seen.mask.shape != (height, width):
            raise _unequal(item, seen)
        kind = tally.add(item.mask or item.image, seen.mask) if seen.mask is not None else ""
        image, sha256_image = item.image, ""
        if seen.redrawn:
            image = f"images/{item.id}.jpg"
            sha256_image = self._write(image, images.encode_jpeg(seen.image, JPEG_QUALITY))
        mask, sha256_mask = item.mask, None
        ids = self._ids(seen, kind)
        if ids is not None:
            mask = f"masks/{item.id}.png"
            sha256_mask = self._write(mask, images.encode_mask(ids))
        elif mask is not None:
            sha256_mask = files.sha256(mask)
        extra = {**item.extra, **seen.extra}
        for key, path in item.files.items():
            extra[key], extra[f"sha256_{key}"] = path, files.sha256(path)
        if seen.instances is not None:
            extra["instances"] = f"instances/{item.id}.png"
            extra["sha256_instances"] = self._write(extra["instances"], _encoded(seen.instances))
        return Record(
            id=item.id,
            image=image,
            mask=mask,
            width=width,
            height=height,
            subject=item.subject,
            groups={key: tuple(values) for key, values in item.groups.items()},
            split=item.split,
            clip=item.clip,
            frame=item.frame,
            source=item.source or reader.source,
            licence=tuple(item.licence) or reader.licence,
            sha256_image=sha256_image or files.sha256(image),
            sha256_mask=sha256_mask,
            extra=extra,
        )

    def _ids(self, seen: Seen, kind: str) -> images.Mask | None:
        """What to write of a mask whose values are clear already, which spares decoding it again; else None."""
        if seen.mask is None:
            return None
        if self.reader.fixed:
            return seen.mask if self.reader.rewrites else None
        if self.writes_binary and kind == BYTES:
            return (seen.mask >> 7).astype(np.uint8)
        return None

    def _write(self, place: str, data: bytes) -> str:
        files.write_bytes(Path(self.out) / place, data, durable=False)
        return files.digest(data)


def _encoded(instances: npt.NDArray[np.uint16]) -> bytes:
    return images.encode_png(instances if instances.max(initial=0) > 255 else instances.astype(np.uint8))


def area(size: Sequence[int]) -> tuple[int, int]:
    """What images are ordered by: (width, height) to pixels, then width."""
    return size[0] * size[1], size[0]


def _unequal(item: Item, seen: Seen) -> BadInput:
    height, width = seen.image.shape[:2]
    mask = seen.mask if seen.mask is not None else seen.image
    lying = mask.shape == (width, height)
    return BadInput(
        item.mask,
        f"the size of its upright image, {width} x {height}",
        f"{mask.shape[1]} x {mask.shape[0]}" + (", lying on its side" if lying else ""),
        "turn it as the image's EXIF orientation turns that"
        if lying
        else "bring it there with --resize-masks, or remove the pair",
    )
