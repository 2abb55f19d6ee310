"""How fast scenes are made: ``python benchmarks/datagen.py [--json] [--only NAME ...] [--full]``.

Scenes cannot be made faster than their files are encoded, written and hashed, so composing is given as a multiple of
doing only that with the same pictures, the two in turns, shard by shard, in one process on one thread; ratios are of
processor time, so that other work on the machine matters little. Feet are made from numbers, floors too, and cutouts
stand ready before anything is timed. The parts and the limits their figures are held to:

- ``plain``: ``compose_over_codec`` <= 2.5: crop, alpha and the stored shadow at 256 x 256, recipe and record included;
- ``varied``: ``full_over_codec`` (no limit): the same with everything that ``generate --varied`` draws, and
  ``images_per_core_s``: how many of these one core makes in a second of its own time, files included;
- ``cutout``: ``cutout_ms`` <= 120: caster, lamp light, sky light, floor shadow and one view of 512 x 512 of a foot of
  about 36,000 triangles, in processor time of one thread; ``cutout_view_ms`` is each further view of the same foot
  under the same lamp. Beside it the proof, on the foot's pixels: ``lamp_error`` and ``sky_error`` are mean
  differences (1 = full light) from 128 rays to the lamp and 256 to the sky a pixel, ``lamp_error_8`` and
  ``sky_error_16`` the same for 8
  and 16 rays drawn anew for each pixel, and ``light_error_over_8_16`` <= 1 is what ours are of these, added up;
- ``scale``: the varied set on two processes, 500 and 5,000 scenes (with ``--full`` 5,000 and 50,000):
  ``images_per_s`` >= 300 between the two sizes, by the clock, so true on idle cores only; ``ratio_10x`` <= 10.5;
  ``peak_mb_*`` < 700 of the largest process at either size;
- ``preset``: ``preset_minutes`` <= 10: the 71,024 scenes of document F (four fixed cameras) on two processes, reckoned
  from a part of them; ``--full`` makes them all;
- ``ray``: ``ray_over_process`` >= 0.8: scenes a second of two Ray workers over those of two processes, both between two
  sizes, so that starting up does not count.

What bounds them: a scene is encoded once and each of its pixels is written some dozen times in memory, so composing
follows memory more than arithmetic, and two processes on two threads of one core get less than twice one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import limits
import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datagen import compose, cutouts, feet, generate, lights, scenes, surface, writing
from datagen.cameras import Camera
from datagen.lights import Caster, Lamp
from datagen.plan import Plan, plan
from datagen.preset import load_preset
from datagen.rigs import Rig, varied
from datagen.scenes import Style
from masksmith import engine as engines
from masksmith import files, seeds
from masksmith.engine import Shard
from masksmith.receipts import FOLDER, Receipts

Array = npt.NDArray[Any]
LIMITS: limits.Limits = {
    "compose_over_codec": ("<=", 2.5),
    "cutout_ms": ("<=", 120),
    "light_error_over_8_16": ("<=", 1),
    "images_per_s": (">=", 300),
    "ratio_10x": ("<=", 10.5),
    "peak_mb_small": ("<=", 700),
    "peak_mb_large": ("<=", 700),
    "preset_minutes": ("<=", 10),
    "ray_over_process": (">=", 0.8),
}
PARTS = ("plain", "varied", "cutout", "scale", "preset", "ray")
_PRESET, _COUNTS = load_preset("demborg2018", ("size", "views", "scanner"))
PRESET = sum(_COUNTS.values())
_OURS, _THEIRS = ("lamp_error", "sky_error"), ("lamp_error_8", "sky_error_16")
_KINDS: dict[str, tuple[Style, Rig]] = {
    "plain": (Style(effects=False), Rig(trousers_share=0.35)),
    "varied": (scenes.VARIED, varied(Rig())),
    "preset": (Style(size=_PRESET["size"]), Rig(views=_PRESET["views"], scanner=_PRESET["scanner"])),
}


def planned(bank: Path, out: Path, kind: str, count: int, feet: int) -> Plan:
    """A plan for ``out`` whose cutouts are those of ``bank``, made there first where they are not."""
    style, rig = _KINDS[kind]
    at = bank / ("scanner" if rig.scanner else kind)
    given: dict[str, Any] = {"scans": f"parametric:{feet}", "floor_spec": "procedural:12", "seed": 1, "rig": rig}
    if not at.exists():
        generate.generate(plan(**given, out=at, count=3, style=style), engines.get("process", 2))
    for kept in (generate.CUTOUTS, f"{FOLDER}/cutouts"):
        shutil.copytree(at / kept, out / kept, copy_function=shutil.copy2)
    shares = _COUNTS if kind == "preset" else None
    return plan(**given, out=out, count=count, style=style, shares=shares)


class _InTurns:
    """An engine that runs each shard in this process, and then only the codec on the pictures it made."""

    name = "turns"

    def __init__(self, out: Path) -> None:
        self.out, self.whole, self.codec, self.scenes = out, 0.0, 0.0, 0

    def map(
        self,
        work: Callable[[Shard], dict[str, Any]],
        shards: Sequence[Shard],
        *,
        receipts: Receipts | None = None,
        label: str = "",
    ) -> list[dict[str, Any]]:
        if label != "scenes":
            return engines.Serial().map(work, shards, receipts=receipts, label=label)
        made: list[tuple[Mapping[str, Any], compose.Scene]] = []
        drawing = compose.compose

        def watched(recipe: Mapping[str, Any], *rest: Any, **more: Any) -> compose.Scene:
            scene = drawing(recipe, *rest, **more)
            made.append((recipe, scene))
            return scene

        done = []
        compose.compose = watched
        try:
            for turn, shard in enumerate(shards):
                made.clear()
                spent = limits.seconds(lambda s=shard: done.append(work(s)))  # type: ignore[misc]
                only = limits.seconds(lambda: self._encode(made))
                if len(made) != shard.items:
                    raise SystemExit(f"{len(made)} of {shard.items} scenes were seen: nothing to compare with")
                if turn >= 2:  # floors, tables and imports come with the first
                    self.whole, self.codec, self.scenes = self.whole + spent, self.codec + only, self.scenes + len(made)
        finally:
            compose.compose = drawing
        return done

    def _encode(self, made: Sequence[tuple[Mapping[str, Any], compose.Scene]]) -> None:
        for recipe, scene in made:
            for pattern, data in writing.encoded(recipe, scene).items():
                files.write_bytes(self.out / writing.place(pattern, recipe["index"]), data, durable=False)
                files.digest(data)


def over_codec(folder: Path, bank: Path, kind: str, count: int, feet: int) -> dict[str, float]:
    """The work on scenes as a multiple of their codec alone, and scenes a second of one core's time."""
    work = planned(bank, folder / f"{kind}-turns", kind, count, feet)
    turns = _InTurns(folder / f"{kind}-codec")
    generate.generate(work, cast(Any, turns))
    shutil.rmtree(work.out)
    name = "compose_over_codec" if kind == "plain" else "full_over_codec"
    per_core = "plain_per_core_s" if kind == "plain" else "images_per_core_s"
    codec = "plain_codec_ms" if kind == "plain" else "full_codec_ms"
    return {
        name: turns.whole / turns.codec,
        codec: 1000 * turns.codec / turns.scenes,
        per_core: turns.scenes / turns.whole,
    }


def cutout(rounds: int = 5) -> dict[str, float]:
    """Time of a cutout, and how good its light is."""
    body = surface.from_foot(feet.parametric_foot(1, 0), seeds.rng(0, "benchmark"), (0.0, -0.3))
    lamp = Lamp(150.0, 45.0, 6.0)
    camera = Camera(200.0, 55.0, 0.9, 3.0, 24.0, (0.0, 0.04, 0.0), 512)
    whole, views = [], []
    for _ in range(rounds + 1):  # the first loads libraries
        start = time.thread_time()
        caster = Caster(body)
        light = lights.light(body, caster, lamp)
        lit = time.thread_time()
        cutouts.render(body, caster, light, camera, lamp, {})
        whole.append(time.thread_time() - start)
        views.append(time.thread_time() - lit)
    found = {"cutout_ms": 1000 * min(whole[1:]), "cutout_view_ms": 1000 * min(views[1:])}
    line = np.arange(0, camera.size, 3)
    rays = camera.rays(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2))
    primitive, uv, distance = caster.cast(rays)
    hit = np.flatnonzero(np.isfinite(distance))
    corners = body.faces[primitive[hit]]
    share = np.column_stack([1 - uv[hit].sum(axis=1), uv[hit]])

    def at(values: Array) -> Array:
        return np.asarray(np.einsum("nk,nk...->n...", share, values[corners]), np.float32)

    normals = at(body.normals)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = rays[hit, :3] + rays[hit, 3:] * distance[hit, None] + normals * np.float32(0.0006)
    rng = seeds.rng(0, "rays")

    def lamp_light(count: int) -> Array:
        some = lamp.rays(1024)[rng.integers(0, 1024, (len(points), count))]
        seen = 1 - caster.blocked(points, some).mean(axis=1)
        return np.asarray(seen * lights.lamp_cosine(normals, lamp))

    def sky_light(count: int) -> Array:
        radius, angle = np.sqrt(rng.random((len(points), count))), rng.uniform(0, 2 * np.pi, (len(points), count))
        local = np.stack([radius * np.cos(angle), np.sqrt(1 - radius**2), radius * np.sin(angle)], axis=-1)
        ways = lights.about_normals(local.astype(np.float32), normals)
        blocked, down = caster.blocked(points, ways), ways[..., 1] < 0
        above, below = ((blocked & side).mean(axis=1, dtype=np.float32) for side in (~down, down))
        return np.asarray(lights.sky_share(normals, points[:, 1], above, below))

    for name, ours, drawn, few, many in (
        ("lamp", at(light.lamp), lamp_light, 8, 128),
        ("sky", at(light.sky), sky_light, 16, 256),
    ):
        truth = drawn(many)
        found[f"{name}_error"] = float(np.abs(ours - truth).mean())
        found[f"{name}_error_{few}"] = float(np.abs(drawn(few) - truth).mean())
        found[f"{name}_error_p99"] = float(np.percentile(np.abs(ours - truth), 99))
        found[f"{name}_error_{few}_p99"] = float(np.percentile(np.abs(drawn(few) - truth), 99))
    ours_all, theirs = (sum(found[name] for name in names) for names in (_OURS, _THEIRS))
    return {**found, "light_error_over_8_16": ours_all / theirs}


def job(given: Mapping[str, Any]) -> dict[str, float]:
    """One run of ``generate`` in a process of its own: seconds, and the peak of the largest process in MB."""
    out = Path(given["out"])
    work = planned(Path(given["bank"]), out, given["kind"], given["count"], given["feet"])
    start = time.perf_counter()
    generate.generate(work, engines.get(given["engine"], 2))
    taken = time.perf_counter() - start
    shutil.rmtree(out)
    peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"seconds": taken, "self_mb": peaks[0], "workers_mb": peaks[1]}


def _apart(**given: Any) -> dict[str, float]:
    """:func:`job` in a process of its own, because the peak of memory is that of a whole process."""
    words = [sys.executable, __file__, "--job", json.dumps(given, default=str)]
    told = subprocess.run(words, capture_output=True, check=False)
    if told.returncode:
        raise SystemExit(told.stderr.decode()[-2000:])
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def scale(folder: Path, bank: Path, sizes: tuple[int, int], feet: int) -> dict[str, float]:
    """Speed, memory and growth on two processes."""
    runs = [
        _apart(out=folder / f"scale-{count}", bank=bank, kind="varied", count=count, feet=feet, engine="process")
        for count in sizes
    ]
    seconds = [run["seconds"] for run in runs]
    return {
        "images_per_s": (sizes[1] - sizes[0]) / (seconds[1] - seconds[0]),
        "ratio_10x": 10 * (seconds[1] / sizes[1]) / (seconds[0] / sizes[0]),
        **{
            f"peak_mb_{name}": max(run["self_mb"], run["workers_mb"])
            for name, run in zip(("small", "large"), runs, strict=True)
        },
        "worker_growth_mb": runs[1]["workers_mb"] - runs[0]["workers_mb"],
        "main_growth_mb": runs[1]["self_mb"] - runs[0]["self_mb"],
    }


def preset(folder: Path, bank: Path, feet: int, full: bool) -> dict[str, float]:
    """Minutes for document F's set."""
    counts = [PRESET] if full else [300, 1500]
    taken = [
        _apart(out=folder / f"preset-{count}", bank=bank, kind="preset", count=count, feet=feet, engine="process")
        for count in counts
    ]
    if full:
        return {"preset_minutes": taken[0]["seconds"] / 60, "preset_peak_mb": taken[0]["workers_mb"]}
    each = (taken[1]["seconds"] - taken[0]["seconds"]) / (counts[1] - counts[0])
    return {"preset_minutes": (taken[0]["seconds"] + each * (PRESET - counts[0])) / 60}


def ray_share(folder: Path, bank: Path, feet: int, sizes: tuple[int, int] = (200, 1000)) -> dict[str, float]:
    """Two Ray workers against two processes, the two in turns."""
    taken = {
        (name, count): _apart(
            out=folder / f"{name}-{count}", bank=bank, kind="varied", count=count, feet=feet, engine=name
        )["seconds"]
        for count in sizes
        for name in ("process", "ray")
    }
    alone = {name: taken[name, sizes[1]] - taken[name, sizes[0]] for name in ("process", "ray")}
    return {"ray_over_process": alone["process"] / alone["ray"], "ray_start_s": taken["ray", sizes[0]]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part, may be repeated")
    parser.add_argument("--feet", type=int, default=8, help="made feet in the bank [8]")
    parser.add_argument("--scenes", type=int, default=600, help="scenes of `plain` and `varied` [600]")
    parser.add_argument("--full", action="store_true", help="50,000 scenes for `scale`, 71,024 for `preset` (an hour)")
    parser.add_argument("--folder", type=Path, help="where files are made [the system's temporary folder]")
    parser.add_argument("--bank", type=Path, help="keep the cutouts there for another time")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    if given.job:
        print(json.dumps(job(json.loads(given.job))))
        return
    parts = given.only or PARTS
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        place = Path(made)
        bank = given.bank or place / "bank"
        for kind in ("plain", "varied"):
            if kind in parts:
                found |= over_codec(place, bank, kind, given.scenes, given.feet)
        if "cutout" in parts:
            found |= cutout()
        if "scale" in parts:
            found |= scale(place, bank, (5000, 50_000) if given.full else (500, 5000), given.feet)
        if "preset" in parts:
            found |= preset(place, bank, given.feet, given.full)
        if "ray" in parts:
            found |= ray_share(place, bank, given.feet)
    limits.tell(found, LIMITS, as_json=given.json)


if __name__ == "__main__":
    main()
