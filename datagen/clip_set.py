"""Datasets of clips: a plan's feet and floors filmed, frames, masks, alpha and motion written, and a manifest.

The layout, each clip a folder and each frame a file of the same name in all of them::

    frames/00000/0000.jpg   masks/00000/0000.png   alpha/00000/0000.png
    motion/00000/0001.npz   hidden/00000/0001.png  recipes/00000.json   videos/00000.mp4

A clip's first frame has no motion. ``motion`` holds, for each later one, ``backward`` (H, W, 2) float32 and ``valid``
(H, W) bool, which is what ``masksmith jitter --motion`` reads; ``hidden`` says why a pixel is not valid: 1 it was
hidden by the foot in the frame before, 2 it was outside of its picture.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from datagen import bank, clips, compose, generate, scenes
from datagen.bank import Source
from datagen.clips import Filming, Frame
from datagen.flooring import FloorSource, all_floors
from datagen.foot import Foot
from datagen.plan import Plan
from datagen.scenes import Choice, Style
from manifests import Info, ManifestWriter, Record
from manifests.record import to_table
from masksmith import __version__, files, images, video
from masksmith.engine import Engine, Shard
from masksmith.errors import BadInput
from masksmith.receipts import FOLDER, Receipts

RECIPES, VIDEOS = "recipes", "videos"
BESIDE = ("alpha", "motion", "hidden")
"""What a frame has besides picture and mask; ``extra`` of its record names the files."""


def make(work: Plan, filming: Filming, engine: Engine, *, mp4: bool = False) -> Path:
    """Make the clips of a plan (its ``count`` is of clips) and return their folder; a run that was stopped goes on.

    Args:
        mp4: write a video of each clip too, of the frames as they lie there.

    Raises:
        BadInput: a scan or floor that cannot be used; the folder holds another run.
        EnvironmentFault: the disk is full, the folder is not writable, or another run is writing there.
    """
    out = files.writable(work.out)
    with files.sole_writer(out / FOLDER):
        inputs = work.job()
        job = {**inputs["feet"], **inputs["scenes"], "filming": asdict(filming), "version": __version__}
        receipts = Receipts(out, "clips", job)
        shards = [Shard(each[0], filming.frames, each) for each in generate.order(work)]
        done = engine.map(partial(_shot, _setup(work, filming)), shards, receipts=receipts, label="frames")
        if mp4:
            todo = [shard for shard in shards if not (out / VIDEOS / f"{shard.index:05d}.mp4").exists()]
            engine.map(partial(_video, os.fspath(out), filming.fps), todo, label="videos")
        _assemble(work, [receipts.folder / entry["rows"] for entry in done])
    return out


def summary(work: Plan, filming: Filming) -> dict[str, Any]:
    """What will be made, split by split."""
    return {
        "clips": work.count,
        "frames": work.count * filming.frames,
        "fps": filming.fps,
        "seed": work.seed,
        "size": work.style.size,
        "splits": {
            name: {
                "clips": work.counts[name],
                "subjects": sum(split == name for split in work.subjects.values()),
                "floors": sum(split == name for split in work.floor_splits.values()),
            }
            for name in work.shares
        },
    }


@dataclass(frozen=True)
class _Setup:
    """What a worker needs to know besides its clip."""

    out: str
    seed: int
    style: Style
    filming: Filming
    choices: Mapping[str, Choice]
    sources: Mapping[str, Source]
    grounds: Mapping[str, FloorSource]


def _setup(work: Plan, filming: Filming) -> _Setup:
    sources = {f"{number:05d}": source for number, source in enumerate(work.sources)}
    choices = {
        split: Choice(
            [(key, 1, source.subject) for key, source in sources.items() if work.subjects[source.subject] == split],
            [ground.id for ground in work.grounds if work.floor_splits[ground.id] == split],
        )
        for split in work.shares
    }
    grounds = {ground.id: ground for ground in work.grounds}
    return _Setup(os.fspath(work.out), work.seed, work.style, filming, choices, sources, grounds)


class _Feet(dict[str, Foot]):
    """Feet by key, read or made when they are asked for."""

    def __init__(self, sources: Mapping[str, Source], seed: int, skin: float | None) -> None:
        super().__init__()
        self._sources, self._seed, self._skin = sources, seed, skin

    def __missing__(self, key: str) -> Foot:
        self[key] = bank.load(self._sources[key], self._seed, self._skin)
        return self[key]


def _shot(setup: _Setup, shard: Shard) -> dict[str, Any]:
    """Draw and film one clip; its records go beside the receipt."""
    index, rank, split = shard.payload
    feet = _Feet(setup.sources, setup.seed, setup.filming.skin)
    recipe = clips.draw(setup.seed, index, rank, setup.choices[split], setup.style, setup.filming, feet)
    recipe["floors"] = {name: setup.grounds[name].sha256 for name in scenes.floor_ids(recipe["scene"])}
    out = Path(setup.out)
    rows = _written(out, recipe, feet[recipe["foot"]["key"]], setup.grounds, split)
    name = f"{index:06d}.parquet"
    with files.atomic(out / FOLDER / "clips" / name, durable=False) as part:
        pq.write_table(to_table(rows), part, compression="zstd")
    return {"rows": name, "frames": len(rows)}


def _written(
    out: Path, recipe: Mapping[str, Any], foot: Foot, grounds: Mapping[str, FloorSource], split: str | None
) -> list[Record]:
    """Film a recipe and write all that belongs to it; the records of its frames."""
    clip = f"{recipe['index']:05d}"
    used = [grounds[name] for name in scenes.floor_ids(recipe["scene"])]
    rug = generate.ground(grounds[recipe["scene"]["rug"]["floor"]["id"]]) if recipe["scene"]["rug"] else None
    below = generate.ground(grounds[recipe["scene"]["floor"]["id"]])
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"))
    licence = tuple(dict.fromkeys((foot.licence, *(source.licence for source in used))))
    rows = []
    for number, frame in enumerate(clips.film(recipe, foot, below, rug)):
        name = f"{clip}/{number:04d}"
        data = _encoded(frame, recipe)
        for place, content in data.items():
            files.write_bytes(out / place.format(name), content, durable=False)
        paths = {place.partition("/")[0]: place.format(name) for place in data}
        image, mask = paths["frames"], paths["masks"]
        rows.append(
            Record(
                id=name,
                image=image,
                mask=mask,
                width=recipe["size"],
                height=recipe["size"],
                subject=foot.subject,
                groups={"floor": tuple(source.id for source in used)},
                split=split,
                clip=clip,
                frame=number,
                source="masksmith",
                licence=licence,
                sha256_image=files.digest(next(iter(data.values()))),
                sha256_mask=files.digest(data["masks/{}.png"]),
                recipe=text,
                extra={**{key: paths[key] for key in BESIDE if key in paths}, **_facts(frame, recipe, foot)},
            )
        )
    files.write_json(out / RECIPES / f"{clip}.json", recipe, durable=False)
    return rows


def _encoded(frame: Frame, recipe: Mapping[str, Any]) -> dict[str, bytes]:
    """Path below the dataset, with a place for the frame's name, to the bytes of its file; the picture first."""
    scene = frame.scene
    alpha = np.rint(scene.alpha * 255).astype(np.uint8)
    data = {"frames/{}.png": images.encode_png(scene.image)} if recipe["lossless"] else {}
    data = data or {"frames/{}.jpg": images.encode_jpeg(scene.image, recipe["scene"]["jpeg_quality"])}
    data |= {"masks/{}.png": images.encode_png(scene.mask), "alpha/{}.png": images.encode_png(alpha)}
    if frame.flow is not None:
        data |= {"motion/{}.npz": frame.flow.npz(), "hidden/{}.png": images.encode_png(frame.flow.state)}
    return data


def _facts(frame: Frame, recipe: Mapping[str, Any], foot: Foot) -> dict[str, Any]:
    return {
        "sides": clips.sides(foot.side, recipe["stance"]),
        "gesture": recipe["gesture"]["kind"],
        "foot_share": round(float(np.count_nonzero(frame.scene.mask)) / frame.scene.mask.size, 5),
    }


def _video(out: str, fps: float, shard: Shard) -> dict[str, Any]:
    folder = Path(out) / "frames" / f"{shard.index:05d}"
    shown = (images.read_image(path) for path in images.list_images(folder))
    return {"frames": video.write_video(Path(out) / VIDEOS / f"{shard.index:05d}.mp4", shown, fps)}


def _assemble(work: Plan, parts: Sequence[Path]) -> None:
    sources = [
        *({"name": s.subject, "kind": "foot", "sha256": s.sha256, "licence": s.licence} for s in work.sources),
        *({"name": g.id, "kind": "floor", "sha256": g.sha256, "licence": g.licence} for g in work.grounds),
    ]
    info = Info(
        name=work.out.resolve().name,
        classes=dict(compose.CLASSES),
        licence=tuple(sorted({source["licence"] for source in sources})),
        sources=tuple(sources),
        seed=work.seed,
        command=work.command or None,
        description="Clips of feet on floors, filmed from a hand, with the exact motion from frame to frame.",
    )
    with ManifestWriter(work.out, info, prove=("subject", "floor", "clip")) as writer:
        for part in parts:
            writer.add_table(pq.read_table(part))


def again(
    recipe: Mapping[str, Any], scan_specs: Sequence[str], floor_specs: Sequence[str], out: Path, *, mp4: bool = False
) -> dict[str, Any]:
    """Make one clip once more from its recipe; the bytes are those of the dataset it came from.

    Args:
        scan_specs, floor_specs: where its foot and its floors are, as when it was made.

    Returns:
        ``clip``, ``frames`` and ``files``: path below ``out`` to SHA-256.

    Raises:
        BadInput: the recipe lacks something, or its foot or floor is not there.
    """
    try:
        if recipe["version"] != clips.CLIP_VERSION:
            found = f"version {recipe['version']}"
            raise BadInput("recipe", f"a clip's recipe of version {clips.CLIP_VERSION}", found, "use its release")
        foot = _known_foot(recipe, scan_specs)
        grounds, _ = all_floors(floor_specs, recipe["seed"])
        there = {ground.id: ground for ground in grounds}
        spec = " ".join(floor_specs)
        for name, mark in recipe["floors"].items():
            if name not in there:
                raise BadInput(spec, f"the floor {name!r}", f"{len(there)} other floors", "name the right --floors")
            if there[name].sha256 != mark:
                raise BadInput(there[name].path or spec, "the floor the clip was made with", "another", "restore it")
        rows = _written(files.writable(out), recipe, foot, there, None)
        if mp4:
            _video(os.fspath(out), recipe["fps"], Shard(recipe["index"], 1, None))
    except (KeyError, TypeError) as fault:
        raise BadInput("recipe", "a whole recipe of a clip", f"none of {fault}", "copy one of recipes/") from None
    made = {name: files.sha256(out / name) for row in rows for name in _files(row)}
    return {"clip": rows[0].clip, "frames": len(rows), "files": made}


def _files(row: Record) -> Iterator[str]:
    extra = [row.extra[name] for name in BESIDE if name in row.extra]
    return itertools.chain([row.image, row.mask or ""], extra)


def _known_foot(recipe: Mapping[str, Any], scan_specs: Sequence[str]) -> Foot:
    about = recipe["foot"]
    found = [source for spec in scan_specs for source in bank.sources(spec, recipe["seed"])]
    for source in found:
        if source.subject == about["subject"]:
            foot = bank.load(source, recipe["seed"], recipe["skin"])
            if foot.sha256 == about["sha256"]:
                return foot
    what = f"the foot {about['subject']!r} of {about['source']} ({about['sha256'][:12]})"
    raise BadInput(" ".join(scan_specs), what, f"{len(found)} other feet", "name the right --scans")
