"""``masksmith stats``: what a dataset is made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import console, options

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from manifests import Manifest, Record

AREA_EDGES = (0.0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Edges of the histogram of the share of a picture that is not background."""
HEAT = 24
"""Cells a side of the map of positions."""
_MOST = 12


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="An HTML page with the same figures as pictures.")
@click.option("--split", help="Only records of this split.")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=5000,
    show_default=True,
    help="Masks to read at most, drawn by --seed.",
)
@options.seed_option
@options.dry_run_option
@options.json_option
def stats(data: Path, out: Path | None, split: str | None, count: int, seed: int, dry_run: bool, as_json: bool) -> None:
    """Count what a dataset is made of: areas, positions, subjects, floors, choices.

    Records are counted by split, subject, floor and by what their recipes chose; masks are read for the share of the
    picture that each class fills, its histogram, and a map of where it lies.

    \b
    Example:
      masksmith stats feet
      masksmith stats feet --out stats.html --split train
    """
    from manifests import Manifest
    from masksmith import files

    dataset = Manifest.open(data)
    told = measure(dataset, split, count, seed)
    if out is not None and not dry_run:
        from masksmith.commands.stats_page import page

        files.write_bytes(out, page(told).encode())
    if as_json:
        console.emit_json({**told, "page": None if out is None else str(out), "dry_run": dry_run})
        return
    splits = told["splits"]
    console.table(
        f"{told['name']}: {told['records']} records",
        ("split", "records", "subjects", "floors", "subject x floor pairs", "without foreground"),
        [[n, r["records"], r["subjects"], r["floors"], r["pairs"], r["without_foreground"]] for n, r in splits.items()],
    )
    console.table(
        f"Area of the foreground, {told['masks_read']} masks",
        ("share of the picture", "masks", "share"),
        [[f"{row['from']:g} to {row['to']:g}", row["masks"], f"{row['share']:.1%}"] for row in told["area_histogram"]],
    )
    console.table(
        "Classes",
        ("class", "share of pixels", "in masks"),
        [[name, f"{row['pixel_share']:.2%}", f"{row['mask_share']:.1%}"] for name, row in told["classes"].items()],
    )
    for name, values in told["traits"].items():
        if name not in ("split", "subject", "floor", "licence") and len(values) > 1:
            shown = list(values.items())[:_MOST]
            console.table(name, ("value", "records", "share"), [[v, n, f"{n / told['records']:.1%}"] for v, n in shown])
    if out is not None:
        console.say(f"{out}" + (" (not written)" if dry_run else ""))


def measure(dataset: Manifest, split: str | None, count: int, seed: int) -> dict[str, Any]:
    """All figures of ``stats`` as JSON.

    Raises:
        BadInput: no records, or a mask that cannot be read.
    """
    from masksmith import seeds
    from masksmith.errors import BadInput

    total, masked = 0, 0
    for record in dataset.records(split=split):
        total, masked = total + 1, masked + (record.mask is not None)
    if not total:
        what = f"records in split {split!r}" if split else "records"
        raise BadInput(dataset.folder, what, "none", "see `masksmith manifest show`")
    read = set(seeds.rng(seed, "stats").permutation(masked)[:count].tolist())
    census, masks = _Census(), _Masks(dict(dataset.info.classes))
    place = 0
    with console.progress("masks", len(read)) as advance:
        for record in dataset.records(split=split):
            census.add(record)
            if record.mask is None:
                continue
            if place in read:
                masks.add(dataset, record)
                advance(1)
            place += 1
    return {
        "name": dataset.info.name,
        "records": total,
        "masks_read": len(read),
        **census.told(masks.empty),
        **masks.told(),
    }


class _Census:
    """Counts over all records."""

    def __init__(self) -> None:
        self._traits: dict[str, dict[str, int]] = {}
        self._splits: dict[str, dict[str, Any]] = {}

    def add(self, record: Record) -> None:
        from masksmith.commands.traits import NONE, traits

        for name, values in traits(record).items():
            counted = self._traits.setdefault(name, {})
            for value in values:
                counted[value] = counted.get(value, 0) + 1
        row = self._splits.setdefault(
            record.split or NONE, {"records": 0, "subjects": set(), "floors": set(), "pairs": set()}
        )
        row["records"] += 1
        subjects, floors = record.values_of("subject"), record.values_of("floor")
        row["subjects"].update(subjects)
        row["floors"].update(floors)
        row["pairs"].update((subject, floor) for subject in subjects for floor in floors)

    def told(self, empty: dict[str, int]) -> dict[str, Any]:
        splits = {
            name: {
                **{key: value if isinstance(value, int) else len(value) for key, value in row.items()},
                "without_foreground": empty.get(name, 0),
            }
            for name, row in self._splits.items()
        }
        ordered = {
            name: dict(sorted(values.items(), key=lambda item: (-item[1], item[0])))
            for name, values in self._traits.items()
        }
        return {"splits": splits, "traits": ordered}


class _Masks:
    """What masks are like: areas, places, classes."""

    def __init__(self, classes: dict[str, int]) -> None:
        import numpy as np

        self._classes = classes
        self._areas: list[float] = []
        self._heat: npt.NDArray[np.float64] = np.zeros((HEAT, HEAT))
        self._pixels: npt.NDArray[np.int64] = np.zeros(256, np.int64)
        self._present: npt.NDArray[np.int64] = np.zeros(256, np.int64)
        self.empty: dict[str, int] = {}

    def add(self, dataset: Manifest, record: Record) -> None:
        import cv2
        import numpy as np

        from manifests.record import IGNORE
        from masksmith import images
        from masksmith.commands.record_files import local
        from masksmith.commands.traits import NONE

        with local(dataset, str(record.mask)) as path:
            mask = images.read_mask(path)
        counted = np.bincount(mask.ravel(), minlength=256)
        self._pixels += counted
        self._present += counted > 0
        there = (mask != 0) & (mask != IGNORE)
        self._areas.append(float(there.mean()))
        if not there.any():
            self.empty[record.split or NONE] = self.empty.get(record.split or NONE, 0) + 1
        self._heat += cv2.resize(there.astype(np.float32), (HEAT, HEAT), interpolation=cv2.INTER_AREA)

    def told(self) -> dict[str, Any]:
        import numpy as np

        areas = np.array(self._areas)
        number = max(len(areas), 1)
        # the last bin takes its upper edge in
        counts = np.histogram(areas, AREA_EDGES)[0] if len(areas) else np.zeros(len(AREA_EDGES) - 1, int)
        judged = max(int(self._pixels[:255].sum()), 1)
        return {
            "area": {
                name: round(float(np.quantile(areas, at)), 5) if len(areas) else None
                for name, at in (
                    ("least", 0),
                    ("quarter", 0.25),
                    ("median", 0.5),
                    ("three_quarters", 0.75),
                    ("most", 1),
                )
            },
            "area_histogram": [
                {"from": low, "to": high, "masks": int(n), "share": round(int(n) / number, 5)}
                for low, high, n in zip(AREA_EDGES, AREA_EDGES[1:], counts, strict=False)
            ],
            "heat": [[round(float(v) / number, 4) for v in row] for row in self._heat],
            "classes": {
                name: {
                    "pixel_share": round(int(self._pixels[value]) / judged, 6),
                    "mask_share": round(int(self._present[value]) / number, 5),
                }
                for name, value in self._classes.items()
            },
        }
