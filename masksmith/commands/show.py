"""``masksmith show``: a contact sheet of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import console, options

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from manifests import Manifest, Record

COLOURS = ((230, 60, 170), (40, 170, 230), (250, 180, 30), (90, 200, 80), (150, 110, 240))  # of the classes 1, 2, ...
OVERLAY = 0.38


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The PNG to write, or .html for a page with filters [default: DATA/sheet.png].",
)
@click.option("--count", type=click.IntRange(1, 400), default=36, show_default=True, help="Number of pictures.")
@click.option("--columns", type=click.IntRange(1, 40), default=6, show_default=True, help="Pictures a row.")
@click.option(
    "--side", type=click.IntRange(32, 1024), default=256, show_default=True, help="Side of a picture in pixels."
)
@click.option("--split", help="Only records of this split.")
@click.option("--masks/--no-masks", default=False, help="Lay the masks over the pictures, with their outlines.")
@options.seed_option
@options.dry_run_option
@options.json_option
def show(
    data: Path,
    out: Path | None,
    count: int,
    columns: int,
    side: int,
    split: str | None,
    masks: bool,
    seed: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Draw a contact sheet of a dataset.

    A page (.html) holds its pictures itself, and lists to filter them by split, subject, floor, licence, and by what
    their recipes chose.

    \b
    Example:
      masksmith show feet --out sheet.png --masks --split test
      masksmith show feet --out sheet.html --count 200
    """
    from manifests import Manifest
    from masksmith import files, images, seeds
    from masksmith.errors import BadInput

    dataset = Manifest.open(data)
    records = list(dataset.records(split=split))
    if not records:
        raise BadInput(
            data, f"records in split {split!r}" if split else "records", "none", "see `masksmith manifest show`"
        )
    chosen = seeds.rng(seed, "sheet").permutation(len(records))[:count]
    picked = [records[int(k)] for k in sorted(chosen)]
    target = out or data / "sheet.png"
    if not dry_run and target.suffix.lower() in (".html", ".htm"):
        files.write_bytes(target, _page(dataset, picked, len(records), side, masks).encode())
    elif not dry_run:
        files.write_bytes(target, images.encode_png(_sheet(dataset, picked, columns, side, masks), level=6))
    if as_json:
        console.emit_json({"sheet": str(target), "ids": [record.id for record in picked], "dry_run": dry_run})
    else:
        console.say(f"{target}: {len(picked)} of {len(records)} records" + (" (not written)" if dry_run else ""))


def _sheet(dataset: Manifest, records: list[Record], columns: int, side: int, masks: bool) -> npt.NDArray[np.uint8]:
    """(rows x side, columns x side, 3) uint8, each picture fitted into its square on white."""
    import numpy as np

    rows = -(-len(records) // columns)
    sheet = np.full((rows * side, min(columns, len(records)) * side, 3), 255, np.uint8)
    with console.progress("sheet", len(records)) as advance:
        for position, record in enumerate(records):
            small, masked = _small(dataset, record, side, masks)
            small = small if masked is None else masked
            height, width = small.shape[:2]
            row, column = divmod(position, columns)
            top, left = row * side + (side - height) // 2, column * side + (side - width) // 2
            sheet[top : top + height, left : left + width] = small
            advance(1)
    return sheet


def _page(dataset: Manifest, records: list[Record], whole: int, side: int, masks: bool) -> str:
    from masksmith.commands.sheet_page import Shot, page
    from masksmith.commands.traits import traits

    def shots() -> Iterator[Shot]:
        with console.progress("page", len(records)) as advance:
            for record in records:
                yield Shot(record.id, *_small(dataset, record, side, True), traits(record))
                advance(1)

    lead = f"{len(records):,} of {whole:,} records"
    return page(dataset.info.name, lead, shots(), side, masks)


def _small(
    dataset: Manifest, record: Record, side: int, masks: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None]:
    """The picture with ``side`` pixels on its longer side, and the same with its mask over it where that is wanted."""
    from masksmith import images
    from masksmith.commands.record_files import local

    with local(dataset, record.image) as path:
        picture = images.read_image(path)
    scale = side / max(picture.shape[:2])
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    small = images.resize_image(picture, height, width)
    if not (masks and record.mask):
        return small, None
    with local(dataset, record.mask) as path:
        mask = images.read_mask(path)
    return small, overlay(small, images.resize_mask(mask, height, width))


def overlay(image: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """The image with each class tinted and outlined; (H, W, 3) and (H, W)."""
    import cv2
    import numpy as np

    out = image.copy()
    for value in np.unique(mask):
        if value in (0, 255):
            continue
        colour = np.array(COLOURS[(int(value) - 1) % len(COLOURS)], np.uint8)
        here = mask == value
        out[here] = (image[here] * (1 - OVERLAY) + colour * OVERLAY).astype(np.uint8)
        outlines, _ = cv2.findContours(here.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, outlines, -1, colour.tolist(), 1)
    return out
