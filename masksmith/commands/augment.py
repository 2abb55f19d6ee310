"""``masksmith augment``: warped copies of a dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from masksmith import console, options

if TYPE_CHECKING:
    from masksmith.engine import Engine, Shard

_SHARD = 64
ORIGIN = "photo"
"""The group that a copy shares with its original, so that no split parts them."""


@dataclass(frozen=True)
class Task:
    """What is to be done: ``times`` copies of each record by the augmentation ``preset``; ``fit`` as document F's."""

    data: str
    out: str
    preset: str
    times: int
    seed: int
    fit: str
    split: str | None


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the new dataset.")
@click.option("--preset", default="demborg2018", show_default=True, help="Augmentation, as of `masksmith train`.")
@click.option("--times", type=click.IntRange(1, 1000), default=1, show_default=True, help="Copies of each record.")
@click.option(
    "--fit",
    type=click.Choice(["homography", "affine"]),
    default="homography",
    show_default=True,
    help="Of demborg2018: how four points are brought to the corners.",
)
@click.option("--split", help="Only records of this split.")
@options.seed_option
@options.engine_options
@options.dry_run_option
@options.json_option
def augment(
    data: Path,
    out: Path,
    preset: str,
    times: int,
    fit: str,
    split: str | None,
    seed: int,
    engine: str,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write warped copies of a dataset, with their masks.

    A copy keeps split, subject and groups of its original and names it in the group photo, so that a later split keeps
    them together. Document F's augmentation (demborg2018) takes a random point in each corner cell of a 3 x 3 grid to
    the corners. Run it again after a stop and it goes on.

    \b
    Example:
      masksmith augment feet --out more --preset demborg2018 --times 3 --split train
    """
    from loaders.augment import find_augment
    from manifests import Manifest
    from masksmith import engine as engines
    from masksmith.errors import BadInput, UsageProblem

    find_augment(preset)
    if fit != "homography" and preset != "demborg2018":
        raise UsageProblem("--fit goes with --preset demborg2018")
    if out.resolve() == data.resolve():
        raise UsageProblem(f"{out}: that is the dataset itself; give another --out")
    manifest = Manifest.open(data)
    positions = [
        k for k, name in enumerate(manifest.table(["split"]).column("split").to_pylist()) if split in (None, name)
    ]
    if not positions:
        raise BadInput(data, f"records in split {split!r}" if split else "records", "none", "check --split")
    task = Task(str(data), str(out), preset, times, seed, fit, split)
    if not dry_run:
        write(task, positions, engines.get(engine, workers))
    told = {"records": len(positions), "copies": len(positions) * times, "out": str(out), "dry_run": dry_run}
    if as_json:
        console.emit_json(told)
    else:
        console.say(f"{out}: {told['copies']} copies of {len(positions)} records" + (" (dry run)" if dry_run else ""))


def write(task: Task, positions: list[int], runner: Engine) -> None:
    """Write the copies and their manifest; a run that was stopped goes on."""
    import pyarrow.parquet as pq

    from manifests import Manifest, ManifestWriter
    from masksmith import __version__, files
    from masksmith.engine import cut
    from masksmith.receipts import FOLDER, Receipts

    out, manifest = files.writable(task.out), Manifest.open(task.data)
    job = {
        "manifest": manifest.digest,
        **{key: getattr(task, key) for key in ("preset", "times", "seed", "fit", "split")},
        "version": __version__,
    }
    with files.sole_writer(out / FOLDER):
        receipts = Receipts(out, "augment", job)
        done = runner.map(partial(_shard, task), cut(positions, _SHARD), receipts=receipts, label="copies")
        info = replace(
            manifest.info,
            name=out.resolve().name,
            seed=task.seed,
            split_proof=None,
            command=f"augment --preset {task.preset} --times {task.times} --fit {task.fit} --seed {task.seed}",
            description=f"Warped copies of {manifest.info.name}. {manifest.info.description}".strip(),
        )
        keys = tuple((manifest.info.split_proof or {}).get("keys", ()))
        with ManifestWriter(out, info, prove=(*keys, ORIGIN) if keys else None) as writer:
            for entry in done:
                writer.add_table(pq.read_table(receipts.folder / entry["rows"]))


def _shard(task: Task, shard: Shard) -> dict[str, Any]:
    import pyarrow.parquet as pq

    from loaders.augment import find_augment
    from manifests import Manifest
    from manifests.record import from_table, to_table
    from masksmith import files, images, seeds
    from masksmith.commands.record_files import local
    from masksmith.receipts import FOLDER

    recipe = find_augment(task.preset)
    recipe = partial(recipe, fit=task.fit) if task.preset == "demborg2018" else recipe
    manifest, out = Manifest.open(task.data), Path(task.out)
    rows = []
    first = shard.payload[0]
    table = manifest.rows(first, shard.payload[-1] - first + 1).take([k - first for k in shard.payload])
    for position, record in zip(shard.payload, from_table(table), strict=True):
        with local(manifest, record.image) as path:
            image = images.read_image(path)
        mask = None
        if record.mask is not None:
            with local(manifest, record.mask) as path:
                mask = images.read_mask(path)
        import numpy as np

        blank = np.zeros(image.shape[:2], np.uint8) if mask is None else mask
        for copy in range(task.times):
            warped, classes = recipe(image, blank, seeds.rng(task.seed, "augment", position, copy))
            name = f"{position:06d}-{copy:03d}"
            picture = f"images/{position // 1000:03d}/{name}.jpg"
            drawn = None if mask is None else f"masks/{position // 1000:03d}/{name}.png"
            data = images.encode_jpeg(warped, 95)
            files.write_bytes(out / picture, data, durable=False)
            labels = images.encode_png(classes) if drawn else b""
            if drawn:
                files.write_bytes(out / drawn, labels, durable=False)
            rows.append(
                replace(
                    record,
                    id=f"{record.id}-{copy:03d}",
                    image=picture,
                    mask=drawn,
                    width=warped.shape[1],
                    height=warped.shape[0],
                    groups={**record.groups, ORIGIN: (*record.groups.get(ORIGIN, ()), record.id)},
                    sha256_image=files.digest(data),
                    sha256_mask=files.digest(labels) if drawn else None,
                    recipe=None,
                    extra={"augmented_from": record.id, "augmentation": task.preset},
                )
            )
    rows_file = f"{shard.index:06d}.parquet"
    with files.atomic(out / FOLDER / "augment" / rows_file, durable=False) as part:
        pq.write_table(to_table(rows), part, compression="zstd")
    return {"rows": rows_file, "copies": len(rows)}
