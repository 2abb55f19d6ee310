"""A manifest written in another form: shards through the engine, then what holds for the whole.

The same dataset gives the same bytes, whatever the number of workers; a run that was killed goes on. Images and masks
keep their bytes, where a format holds files, and are held to the digests that the records name.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from loaders.formats.form import NO_SPLIT, Item, Place, Whole
from loaders.formats.rows import ABOUT, INSTANCES, INSTANCES_SHA256, about, instances_path, stem
from loaders.formats.table import find_format
from manifests import Manifest, Record
from manifests.manifest import is_url
from manifests.record import SPLITS, from_table
from masksmith import __version__, engine, files
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem
from masksmith.receipts import FOLDER, Receipts

SHARD_ITEMS = 256
_DIGEST_OF = re.compile(r'"sha256_(\w+)":')


@dataclass(frozen=True)
class Task:
    """What is to be done.

    Attributes:
        source: the manifest's folder; ``out`` where the export goes.
        form: name of a format.
        splits: only these; empty for all.
        shard_items: records a shard (a file, in formats of shards).
    """

    source: Path
    out: Path
    form: str
    splits: tuple[str, ...] = ()
    shard_items: int = SHARD_ITEMS


@dataclass(frozen=True)
class Plan:
    """What would be written.

    Attributes:
        shards: (split, positions of its records) each.
        counts: split to its number of records.
        left: further files that records name in ``extra`` (with a ``sha256_`` beside), which no format has a place for;
            their names travel, the files do not.
    """

    shards: list[tuple[str, list[int]]]
    counts: dict[str, int]
    left: tuple[str, ...] = ()

    @property
    def records(self) -> int:
        return sum(self.counts.values())


def plan(task: Task) -> Plan:
    """Which records go into which shard; nothing is written.

    Raises:
        BadInput: no manifest, or no records in the splits asked for.
        UsageProblem: an unknown format or split, or an output inside the dataset's own folder.
    """
    find_format(task.form)
    if task.shard_items < 1:
        raise UsageProblem(f"a shard of {task.shard_items} records: give 1 or more")
    manifest = Manifest.open(task.source)
    if task.out.resolve() == task.source.resolve():
        raise UsageProblem(f"{task.out}: that is the dataset itself; give another --out")
    column = manifest.table(["split"]).column("split").to_pylist()
    found = sorted({value for value in column if value is not None}, key=_rank)
    names = [*found, *([NO_SPLIT] if None in column else [])]
    wanted = [name for name in names if not task.splits or name in task.splits]
    if not wanted:
        asked = f"records in {', '.join(task.splits)}" if task.splits else "records"
        raise BadInput(manifest.folder, asked, f"splits: {', '.join(names) or 'no records at all'}", "check --split")
    values = np.array([NO_SPLIT if value is None else value for value in column], dtype=object)
    shards, counts = [], {}
    for name in wanted:
        positions = np.flatnonzero(values == name).tolist()
        counts[name] = len(positions)
        shards += [(name, positions[k : k + task.shard_items]) for k in range(0, len(positions), task.shard_items)]
    return Plan(shards, counts, _left(manifest))


def export(task: Task, runner: engine.Engine) -> Plan:
    """Write the export; a run that was stopped goes on.

    Raises:
        BadInput: a file that is missing or not the one its record names, or a folder that holds something else.
        EnvironmentFault: no room, no rights, or another run is writing there.
        UsageProblem: as :func:`plan`.
    """
    form = find_format(task.form)
    planned = plan(task)
    manifest = Manifest.open(task.source)
    out = files.writable(task.out)
    with files.sole_writer(out / FOLDER):
        _keep_foreign(out)
        _ask_for_room(out, manifest, planned)
        job = {
            "manifest": manifest.digest,
            "dataset": manifest.info.as_json(),
            "format": task.form,
            "splits": list(task.splits),
            "shard_items": task.shard_items,
            "version": __version__,
        }
        receipts = Receipts(out, "export", job)
        totals = {name: sum(split == name for split, _ in planned.shards) for name in planned.counts}
        numbers = dict.fromkeys(totals, 0)
        places, shards = [], []
        for index, (split, positions) in enumerate(planned.shards):
            place = Place(out, index, split, numbers[split], totals[split], manifest.info)
            numbers[split] += 1
            places.append(place)
            shards.append(engine.Shard(index, len(positions), (place, positions)))
        done = runner.map(partial(_shard, task), shards, receipts=receipts, label=f"writing {task.form}")
        form.finish(Whole(out, manifest.info, places, done, planned.records))
        files.write_json(out / ABOUT, about(manifest.info, task.form, planned.records))
    return planned


def _left(manifest: Manifest) -> tuple[str, ...]:
    found: set[str] = set()
    for table in manifest.tables(["extra"]):
        for text in table.column("extra").to_pylist():
            found.update(_DIGEST_OF.findall(text or ""))
    return tuple(sorted(found - {INSTANCES}))


def _rank(split: str) -> tuple[int, str]:
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS)), split


def _shard(task: Task, shard: engine.Shard) -> dict[str, Any]:
    place, positions = shard.payload
    return find_format(task.form).write(place, _items(Manifest.open(task.source), positions))


def _items(manifest: Manifest, positions: Sequence[int]) -> Iterator[Item]:
    low = positions[0]
    table = manifest.rows(low, positions[-1] - low + 1).take([position - low for position in positions])
    for position, record in zip(positions, from_table(table), strict=True):
        image = _read(manifest, record, record.image, record.sha256_image)
        mask = None if record.mask is None else _read(manifest, record, record.mask, record.sha256_mask)
        named = instances_path(record.extra)
        instances = _read(manifest, record, named, record.extra.get(INSTANCES_SHA256)) if named else None
        yield Item(position, record, stem(position, record.id), image, mask, instances)


def _read(manifest: Manifest, record: Record, path: str, sha256: str | None) -> bytes:
    if is_url(path):
        import fsspec  # type: ignore[import-untyped]

        place: str | Path = path
        with fsspec.open(manifest.url(path), "rb") as handle:
            data: bytes = handle.read()
    else:
        place = manifest.path(path)
        try:
            data = place.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            fix = "restore it: masksmith manifest verify"
            raise BadInput(place, f"a file of record {record.id}", "none", fix) from None
        except PermissionError:
            raise EnvironmentFault(f"{place}: cannot read, no permission; change its rights") from None
    if sha256 and files.digest(data) != sha256:
        raise BadInput(
            place,
            f"the file of record {record.id}, sha256 {sha256}",
            f"another one, {files.digest(data)}",
            "restore it, or write the manifest anew: masksmith manifest verify",
        )
    return data


def _keep_foreign(out: Path) -> None:
    """Refuse a folder with files that are not from here."""
    if (out / FOLDER / "export").is_dir():
        return
    strange = sorted(path.name for path in out.iterdir() if path.name != FOLDER)
    if strange:
        raise BadInput(out, "an empty folder, or a stopped run of this command", strange[0], "give another --out")


def _ask_for_room(out: Path, manifest: Manifest, planned: Plan) -> None:
    """Estimate from some of the files; the estimate is a floor, not a promise."""
    positions = [position for _, shard in planned.shards for position in shard]
    looked = positions[:: max(1, len(positions) // 32)]
    sizes = []
    for position in looked:
        row = manifest.rows(position, 1, ["image", "mask"]).to_pylist()[0]
        for path in (row["image"], row["mask"]):
            with contextlib.suppress(OSError):
                sizes.append(manifest.path(path).stat().st_size if path and not is_url(path) else 0)
    needed = sum(sizes) / max(1, len(looked)) * len(positions)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise EnvironmentFault(
            f"{out}: needs about {needed / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB free; "
            "free some space or choose another --out"
        )


def as_json(task: Task, planned: Plan) -> dict[str, Any]:
    """The plan, for people's scripts."""
    told = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(task).items()}
    return {
        **told,
        "records": planned.records,
        "splits": planned.counts,
        "shards": len(planned.shards),
        "left": list(planned.left),
    }


def join_lines(whole: Whole, split: str | None = None) -> Iterator[dict[str, Any]]:
    """The JSON lines that shards left, in order, of one split or of all."""
    for place in whole.places:
        if split is None or place.split == split:
            with place.lines.open(encoding="utf-8") as handle:
                for line in handle:
                    yield json.loads(line)
