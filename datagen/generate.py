"""Generating a dataset from a plan: cutouts rendered, scenes composed, a manifest written."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from datagen import bank, compose, cutouts, depot, floors, labels, scenes, tars, writing
from datagen.compose import Scene
from datagen.flooring import FloorSource, all_floors
from datagen.ground import Ground, Shelf, prepared
from datagen.plan import Plan
from datagen.scenes import Choice, Style
from manifests import Info, Manifest, ManifestWriter, Record
from manifests.manifest import DATASET, RECORDS
from manifests.record import to_table
from masksmith import __version__, files, seeds, store
from masksmith.engine import Engine, Shard, cut
from masksmith.errors import BadInput, UsageProblem
from masksmith.receipts import FOLDER, Receipts

SHARD_SCENES = 50
CUTOUTS = ".cutouts"
FLOORS = ".floors"
"""Where prepared floors lie while scenes are made of them."""
ROWS = f"{FOLDER}/scenes"
_SHELF = Shelf(256 * 1024 * 1024)  # of a worker
_AT_ONCE = 64  # files that are sent to an object store together


def generate(work: Plan, engine: Engine) -> Path:
    """Make the dataset of a plan and return its folder; a run that was stopped goes on.

    Where the plan names an object store, scenes, receipts and manifest go there, and the folder that is returned is the
    local one: it keeps the cutouts and a copy of the manifest.

    Raises:
        BadInput: a scan or floor that cannot be used; the folder holds another run.
        EnvironmentFault: the disk is full, the folder is not writable, another run is writing there, or the object
            store does not answer.
    """
    out = files.writable(work.out)
    target = store.at(work.url or os.fspath(out), os.fspath(out))
    with files.sole_writer(out / FOLDER):
        target.check()
        inputs = work.job()
        cut_receipts = Receipts(out, "cutouts", {**inputs["feet"], "version": __version__})
        receipts = target.receipts("scenes", {**inputs["feet"], **inputs["scenes"], "version": __version__})
        _refuse_other_splits(work)
        made = bank.build(out / CUTOUTS, work.sources, work.rig, work.seed, engine, cut_receipts, work.subjects)
        setup = _setup(work, made, target)
        done = engine.map(partial(_compose_shard, setup), shards(work), receipts=receipts, label="scenes")
        _assemble(work, made, target, done)
        shutil.rmtree(out / FLOORS, ignore_errors=True)
    return out


def _refuse_other_splits(work: Plan) -> None:
    """A dataset that was split anew since it was made keeps its splits."""
    if not (work.out / RECORDS).exists():
        return
    table = Manifest.open(work.out).table(["id", "split"])
    there = dict(zip(table.column("id").to_pylist(), table.column("split").to_pylist(), strict=True))
    other = [index for index, _, split in order(work) if there.get(writing.name(index), split) != split]
    if other:
        raise BadInput(
            work.out,
            "the splits that this command gave",
            f"others: record {writing.name(other[0])} is in {there[writing.name(other[0])]!r} now, {len(other)} in all",
            f"leave it as it is, or delete {RECORDS} and {DATASET} there to have the first splits back",
        )


def shards(work: Plan) -> list[Shard]:
    """The pieces of work; the payload is (name of the tar or none, scenes)."""
    scenes_in_order = order(work)
    if not work.tar_scenes:
        return [Shard(s.index, s.items, ("", s.payload)) for s in cut(scenes_in_order, SHARD_SCENES)]
    out: list[Shard] = []
    for split in work.shares:
        for number, part in enumerate(cut([each for each in scenes_in_order if each[2] == split], work.tar_scenes)):
            out.append(Shard(len(out), part.items, (tars.file_name(split, number), part.payload)))
    return out


@dataclass(frozen=True)
class _Setup:
    """What a worker needs to know besides its shard."""

    bank: str
    floors: str
    target: store.Store
    seed: int
    canvas: int
    style: Style
    choices: Mapping[str, Choice]
    grounds: Mapping[str, FloorSource]
    licences: Mapping[str, str]


def _setup(work: Plan, made: Sequence[Mapping[str, Any]], target: store.Store) -> _Setup:
    choices = {
        split: Choice(
            [(m["file"], m["cutouts"], m["subject"]) for m in made if work.subjects[m["subject"]] == split],
            [ground.id for ground in work.grounds if work.floor_splits[ground.id] == split],
        )
        for split in work.shares
    }
    return _Setup(
        os.fspath(work.out / CUTOUTS),
        os.fspath(work.out / FLOORS),
        target,
        work.seed,
        work.rig.canvas,
        work.style,
        choices,
        {ground.id: ground for ground in work.grounds},
        {m["file"]: m["licence"] for m in made},
    )


def order(work: Plan) -> list[tuple[int, int, str]]:
    """(index, rank within the split, split) of every scene; splits mixed, so that a prefix holds all of them."""
    names = [name for name, number in work.counts.items() for _ in range(number)]
    seeds.rng(work.seed, "order").shuffle(names)
    seen: dict[str, int] = {}
    out = []
    for index, name in enumerate(names):
        rank = seen.get(name, 0)
        seen[name] = rank + 1
        out.append((index, rank, name))
    return out


def _compose_shard(setup: _Setup, shard: Shard) -> dict[str, Any]:
    """Compose, write and hash the scenes of a shard; their records go beside the receipt."""
    tar, entries = shard.payload
    rows = []
    waiting: dict[str, bytes] = {}
    if tar:
        with setup.target.file(tar) as part, tars.TarWriter(part, tar) as sink:
            for entry in entries:
                record = _written(setup, entry, waiting)
                rows.append(sink.add(entry[0], record, waiting))
                waiting.clear()
    else:
        for entry in entries:
            rows.append(_written(setup, entry, waiting))
            if len(waiting) >= _AT_ONCE:
                setup.target.put(waiting)
                waiting.clear()
        setup.target.put(waiting)
    name = f"{shard.index:06d}.parquet"
    table = io.BytesIO()
    pq.write_table(to_table(rows), table, compression="zstd")
    setup.target.put({f"{ROWS}/{name}": table.getvalue()})
    return {"rows": name, "scenes": len(rows), **({"tar": tar} if tar else {})}


def _written(setup: _Setup, entry: tuple[int, int, str], files_to_be: dict[str, bytes]) -> Record:
    """Compose one scene; its files are added to ``files_to_be``, path to bytes."""
    index, rank, split = entry
    recipe = scenes.draw(setup.seed, index, rank, setup.choices[split], setup.canvas, setup.style)
    used = [setup.grounds[name] for name in scenes.floor_ids(recipe)]
    scene, about = draw_scene(recipe, Path(setup.bank), setup.grounds, setup.floors)
    theirs = about.get("licences", ())[1:]
    return writing.write(
        files_to_be.__setitem__,
        recipe,
        writing.encoded(recipe, scene),
        split=split,
        floors=[source.id for source in used],
        licence=[setup.licences[recipe["cutout"]["file"]], *theirs, *(source.licence for source in used)],
        extra=writing.facts(scene, about["sides"]),
        others=about.get("subjects", ())[1:],
    )


def draw_scene(
    recipe: Mapping[str, Any], bank_folder: Path, grounds: Mapping[str, FloorSource], keep: str = ""
) -> tuple[Scene, Mapping[str, Any]]:
    """The scene of a recipe, and what its cutout says of the feet in it; ``keep``: see :func:`ground`.

    Raises:
        KeyError: a floor of the recipe is not among ``grounds``.
    """
    cutout = cutouts.read(bank_folder / recipe["cutout"]["file"], recipe["cutout"]["index"])
    rug = ground(grounds[recipe["rug"]["floor"]["id"]], keep) if recipe["rug"] else None
    scene = compose.compose(recipe, cutout, ground(grounds[recipe["floor"]["id"]], keep), rug)
    scene = labels.added(recipe, cutout, scene)
    return scene, {"sides": []} if recipe["empty"] else cutout.about


def ground(source: FloorSource, keep: str = "") -> Ground:
    """The floor, read or made, and prepared for laying; the last few stay in memory, and all of them in the folder
    ``keep``, if one is named."""

    def make() -> Ground:
        made = source.path is None
        floor = floors.procedural_floor(source.kind, source.number) if made else floors.read_floor(str(source.path))
        return prepared(floor)

    def kept() -> Ground:
        return depot.get(keep, files.digest([source.id, source.sha256])[:32], make) if keep else make()

    return _SHELF.get(source, kept)


def _assemble(
    work: Plan, made: Sequence[Mapping[str, Any]], target: store.Store, done: Sequence[Mapping[str, Any]]
) -> None:
    """Write the manifest; an object store gets a copy of the local one, its records first."""
    sources = [
        {"name": s.subject, "kind": "foot", "sha256": s.sha256, "licence": m["licence"]}
        for s, m in zip(work.sources, made, strict=True)
    ]
    sources += [{"name": g.id, "kind": "floor", "sha256": g.sha256, "licence": g.licence} for g in work.grounds]
    info = Info(
        name=work.name,
        classes=labels.classes(work.style.clothes),
        licence=tuple(sorted({str(source["licence"]) for source in sources})),
        sources=tuple(sources),
        seed=work.seed,
        command=work.command or None,
        description="Feet on floors, composed from renderings of feet and pictures of floors.",
    )
    with ManifestWriter(work.out, info, prove=("subject", "floor")) as writer:
        for entry in done:
            rows = target.read(f"{ROWS}/{entry['rows']}")
            if rows is None:
                missing = f"{work.url or work.out}/{ROWS}/{entry['rows']}"
                raise BadInput(missing, "the records of a finished shard", "none", "delete the output and start again")
            writer.add_table(pq.read_table(io.BytesIO(rows)))
    if work.tar_scenes:
        described = Manifest.open(work.out).info
        target.put(tars.beside(described, [(entry["tar"], entry["scenes"]) for entry in done]))
    if work.url:
        for name in (RECORDS, DATASET):
            target.put({name: (work.out / name).read_bytes()})


def again(
    recipe: Mapping[str, Any], data: Path, floor_specs: Sequence[str], out: Path, dry_run: bool = False
) -> dict[str, Any]:
    """Make one scene once more; the bytes are those of the dataset it came from.

    Raises:
        BadInput: the recipe lacks something, or its cutout or floor is not there.
    """
    info = Manifest.open(data).info
    if not floor_specs:
        raise UsageProblem("--floors is needed: the folder or procedural:N that the dataset was made with")
    spec = " ".join(floor_specs)
    grounds, _ = all_floors(floor_specs, info.seed or 0)
    try:
        there = {ground.id: ground for ground in grounds}
        known = {s["name"]: s["sha256"] for s in info.sources if s.get("kind") == "floor"}
        for floor_id in scenes.floor_ids(dict(recipe)):
            if floor_id not in there:
                raise BadInput(spec, f"the floor {floor_id!r}", f"{len(there)} other floors", "name the right --floors")
            source = there[floor_id]
            if known.get(floor_id, source.sha256) != source.sha256:
                raise BadInput(source.path or spec, "the floor the dataset was made with", "another file", "restore it")
        scene, _ = draw_scene(recipe, data / CUTOUTS, there)
        contents = writing.encoded(recipe, scene)
        name = writing.name(int(recipe["index"]))
    except (KeyError, TypeError) as fault:
        raise BadInput("recipe", "a whole recipe", f"none of {fault}", "copy the recipe column of a record") from None
    told: dict[str, Any] = {}
    for pattern, content in contents.items():
        kind = {writing.IMAGE: "image", writing.MASK: "mask"}.get(pattern, pattern.partition("/")[0])
        path = out / (f"{name}{Path(pattern).suffix}" if kind in ("image", "mask") else pattern.format(name))
        if not dry_run:
            files.write_bytes(path, content)
        told |= {kind: str(path), f"sha256_{kind}": files.digest(content)}
    return told
