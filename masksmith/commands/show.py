"""``masksmith show``: a contact sheet of a dataset."""

from __future__ import annotations

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
@click.option("--out", type=click.Path(path_type=Path), help="The PNG to write [default: DATA/sheet.png].")
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

    \b
    Example:
      masksmith show feet --out sheet.png --masks --split test
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
    if not dry_run:
        files.write_bytes(target, images.encode_png(_sheet(dataset, picked, columns, side, masks), level=6))
    if as_json:
        console.emit_json({"sheet": str(target), "ids": [record.id for record in picked], "dry_run": dry_run})
    else:
        console.say(f"{target}: {len(picked)} of {len(records)} records" + (" (not written)" if dry_run else ""))


def _sheet(dataset: Manifest, records: list[Record], columns: int, side: int, masks: bool) -> npt.NDArray[np.uint8]:
    """(rows x side, columns x side, 3) uint8, each picture fitted into its square on white."""
    import numpy as np

    from masksmith import images

    rows = -(-len(records) // columns)
    sheet = np.full((rows * side, min(columns, len(records)) * side, 3), 255, np.uint8)
    with console.progress("sheet", len(records)) as advance:
        for position, record in enumerate(records):
            picture = images.read_image(dataset.path(record.image))
            scale = side / max(picture.shape[:2])
            height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
            small = images.resize_image(picture, height, width)
            if masks and record.mask:
                small = overlay(small, images.resize_mask(images.read_mask(dataset.path(record.mask)), height, width))
            row, column = divmod(position, columns)
            top, left = row * side + (side - height) // 2, column * side + (side - width) // 2
            sheet[top : top + height, left : left + width] = small
            advance(1)
    return sheet


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
