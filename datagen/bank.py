"""The bank of cutouts: every foot rendered under a few lamps and from a few cameras, a file a subject."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datagen import arrangements, cameras, company, cutouts, feet, lights, photo_cutouts, scans, surface
from datagen.cameras import Camera
from datagen.cutouts import Cutout
from datagen.foot import Foot
from datagen.lights import Caster
from datagen.photo_cutouts import PhotoFoot
from datagen.rigs import Rig as Rig
from datagen.rigs import varied as varied
from datagen.stances import Stance
from datagen.surface import Surface, Trousers
from masksmith import files, seeds
from masksmith.engine import Engine, Shard
from masksmith.errors import UsageProblem
from masksmith.receipts import Receipts

_DRAWS = 60  # cameras drawn until one suits
_RENDERS = 3  # renderings until the foot is seen well enough
_SMALLEST_FOOT = 0.012  # share of the canvas
_PAIR_SHARE = 0.4
_OWN_SHARE = 0.5


@dataclass(frozen=True)
class Source:
    """Where a foot comes from: a scan file, photos of a rig, or the number of a parametric foot."""

    subject: str
    scan: scans.ScanFile | None = None
    number: int = 0
    licence: str = ""
    sha256: str = ""
    photos: tuple[PhotoFoot, ...] = ()


def sources(spec: str, seed: int) -> list[Source]:
    """The feet that ``spec`` names: a folder of scans or of a rig's photos, or ``parametric:N`` for N made ones.

    Raises:
        BadInput: no such folder, no scans or photos in it.
        UsageProblem: no number after ``parametric:``.
    """
    if spec.startswith("parametric:"):
        count = made_count(spec)
        return [
            Source(f"P{k:04d}", None, k, "CC0-1.0", files.digest({"parametric": k, "seed": seed})) for k in range(count)
        ]
    if photo_cutouts.is_rig(spec):
        return [_of_photos(subject, photos) for subject, photos in sorted(photo_cutouts.feet_of(spec).items())]
    found = scans.list_scans(Path(spec))
    return [Source(scan.subject, scan, 0, scan.licence, files.sha256(scan.path)) for scan in found]


def _of_photos(subject: str, photos: Sequence[PhotoFoot]) -> Source:
    licence = "; ".join(dict.fromkeys(photo.licence for photo in photos))
    digest = files.digest([[photo.sha256, photo.camera, photo.side] for photo in photos])
    return Source(subject, None, 0, licence, digest, tuple(photos))


def made_count(spec: str) -> int:
    """The number in ``parametric:60`` or ``procedural:12``.

    Raises:
        UsageProblem: none there, or less than 1.
    """
    kind, text = spec.split(":", 1)
    if not text.isdigit() or int(text) < 1:
        raise UsageProblem(f"{spec!r}: expected a number after the colon, as in {kind}:12")
    return int(text)


def build(
    out: Path,
    found: Sequence[Source],
    rig: Rig,
    seed: int,
    engine: Engine,
    receipts: Receipts,
    splits: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Render all cutouts into ``out``; returns a receipt a source: file, subject, number of cutouts, notes.

    Args:
        splits: subject to split; a second person comes from the same one, and without it nobody comes.
    """
    shards = [
        Shard(k, len(source.photos) or rig.views, (source, company.drawn(source, found, splits or {}, rig, seed)))
        for k, source in enumerate(found)
    ]
    return engine.map(partial(_render_source, os.fspath(out), rig, seed), shards, receipts=receipts, label="cutouts")


def load(source: Source, seed: int, skin: float | None = None) -> Foot:
    """Read or make the foot; ``skin`` paints a scan, see :func:`datagen.scans.read_scan`.

    Raises:
        BadInput: a scan that cannot be used.
        UsageProblem: the foot is known by photos alone, and has no shape.
    """
    if source.photos:
        raise UsageProblem(f"subject {source.subject}: photos show a foot from a few sides only; give scans")
    if source.scan is None:
        return replace(feet.parametric_foot(seed, source.number), subject=source.subject)
    return scans.read_scan(source.scan, skin=skin)


def _render_source(out: str, rig: Rig, seed: int, shard: Shard) -> dict[str, Any]:
    source: Source = shard.payload[0]
    name = f"{shard.index:05d}.arrow"
    if source.photos:
        photo_cutouts.refuse_layers(rig.layers)
        about = {"subject": source.subject, "foot_sha256": source.sha256, "seed": seed}
        count = cutouts.write(Path(out) / name, photo_cutouts.views(source.photos, rig.canvas, about))
        return {"file": name, "subject": source.subject, "cutouts": count, "licence": source.licence, "notes": []}
    foot = load(source, seed, rig.skin)
    count = cutouts.write(Path(out) / name, _views(foot, rig, seed, *shard.payload), rig.layers)
    return {
        "file": name,
        "subject": source.subject,
        "cutouts": count,
        "licence": foot.licence,
        "notes": list(foot.notes),
    }


def _views(foot: Foot, rig: Rig, seed: int, source: Source, mates: Mapping[int, Source]) -> Iterator[Cutout]:
    shares = [rig.views // rig.settings + (k < rig.views % rig.settings) for k in range(rig.settings)]
    about = {"subject": foot.subject, "foot_sha256": foot.sha256, "source": foot.source, "seed": seed}
    view = 0
    for setting, share in enumerate(shares):
        if not share:
            continue
        rng = seeds.rng(seed, "cutout", source.subject, source.sha256[:16], setting)
        own = bool(rng.random() < _OWN_SHARE) and not rig.scanner
        mate = load(mates[setting], seed, rig.skin) if setting in mates else None
        theirs = seeds.rng(seed, "mate", source.subject, source.sha256[:16], setting)
        stance = _stance(foot, rng, own, rig, None if mate is None else (mate, theirs))
        body = stance.body
        caster = Caster(body)
        lamp = lights.draw_lamp(rng)
        light = lights.light(body, caster, lamp)
        here = {**about, "sides": stance.sides, "setting": setting, "lamp": lamp.as_json(), "rig": asdict(rig)}
        if mate is not None and stance.mate_m is not None:
            here |= {
                "subjects": [foot.subject, mate.subject],
                "licences": [foot.licence, mate.licence],
                "mate": {"foot_sha256": mate.sha256, "source": mate.source},
            }
        for _ in range(share):
            for camera in _cameras(stance, caster, rig, rng, own, view):
                cutout = cutouts.render(body, caster, light, camera, lamp, {**here, "view": view}, rig.layers)
                if rig.scanner or not stance.sides or cutout.about["foot_share"] > _SMALLEST_FOOT:
                    break
            yield cutout
            view += 1


def _stance(
    foot: Foot, rng: np.random.Generator, own: bool, rig: Rig, mate: tuple[Foot, np.random.Generator] | None
) -> Stance:
    if rig.plain or rig.scanner:
        return Stance(*_posed(foot, rng, own, rig))
    return arrangements.draw(foot, rng, rig, own, mate)


def _cameras(
    stance: Stance, caster: Caster, rig: Rig, rng: np.random.Generator, own: bool, view: int
) -> Iterator[Camera]:
    """Cameras worth trying for one view, a few at most; the last is one that always serves."""
    if not rig.scanner:
        given = 0
        reach_m = 0.2 if len(stance.sides) == 2 else 0.14
        for _ in range(_DRAWS):
            if rig.plain:
                camera = cameras.phone(rng, rig.canvas, own, reach_m)
            else:
                camera = arrangements.view(rng, rig.canvas, stance, own)
            if presentable(stance.body, camera, None if rig.plain else caster):
                yield camera
                given += 1
                if given == _RENDERS:
                    return
    yield cameras.scanner(view % len(cameras.SCANNER_VIEWS), rig.canvas)


def _posed(foot: Foot, rng: np.random.Generator, own: bool, rig: Rig) -> tuple[Surface, list[str]]:
    """One foot of either side, or a pair, with the leg leaning back under a looking owner."""
    lean = (float(rng.normal(0, 0.1)), float(rng.uniform(-0.85, -0.25) if own else rng.normal(-0.03, 0.16)))
    pair = rng.random() < _PAIR_SHARE
    mirror = rng.random() < 0.5
    apart, turn, ahead = rng.uniform(0.07, 0.15), rng.normal(0.12, 0.12, 2), rng.normal(0, 0.035)
    trousers = trousers_leg(rng, rig.trousers_share)
    shape = surface.from_foot(foot, rng, (0.0, 0.0) if rig.scanner else lean, None if rig.scanner else trousers)
    other = "right" if foot.side == "left" else "left"
    if rig.scanner:
        return shape, [foot.side]
    if not pair:
        return (surface.mirrored(shape), [other]) if mirror else (shape, [foot.side])
    out = 1 if foot.side == "left" else -1  # a left foot stands at +x
    first = surface.placed(shape, out * turn[0], out * apart, 0.0)
    second = surface.placed(surface.mirrored(shape), -out * turn[1], -out * apart, float(ahead))
    return surface.joined(first, second), [foot.side, other]


def trousers_leg(rng: np.random.Generator, share: float) -> Trousers | None:
    """On some legs: jeans, dark cloth, anything; the hem from the ankle to half way up the shin."""
    wears = rng.random() < share
    jeans = (0.16 + 0.1 * rng.random(), 0.24 + 0.1 * rng.random(), 0.38 + 0.14 * rng.random())
    dark = tuple(float(v) for v in rng.uniform(0.09, 0.28) + rng.normal(0, 0.02, 3).clip(-0.04, 0.04))
    any_colour = tuple(float(v) for v in rng.uniform(0.12, 0.78, 3))
    colour = (jeans, dark, any_colour)[int(rng.choice(3, p=[0.4, 0.3, 0.3]))]
    hem, width = rng.uniform(0.08, 0.3), rng.uniform(0.004, 0.028)
    turn_up = rng.uniform(0.02, 0.05) if rng.random() < 0.25 else 0.0
    if not wears:
        return None
    return Trousers(float(hem), float(width), (colour[0], colour[1], colour[2]), float(turn_up))


def presentable(body: Surface, camera: Camera, caster: Caster | None = None) -> bool:
    """No horizon, no end of the made-up leg in the picture, and nothing right in front of the lens.

    Args:
        caster: of ``body``; with it an end that stands behind something is no fault.
    """
    if camera.horizon_clear_deg() < 4:
        return False
    _, position = camera.pose()
    near = np.abs(body.vertices - position.astype(np.float32)).max(axis=1).min()
    if near < 0.12:
        return False
    pixels, depth = camera.project(body.vertices[body.top])
    inside = (depth > 0.02) & (pixels > -4).all(axis=1) & (pixels < camera.size + 4).all(axis=1)
    if caster is None or not inside.any():
        return not bool(inside.any())
    ends = body.vertices[body.top[inside]]
    away = position.astype(np.float32) - ends
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    return bool(caster.blocked(ends + 0.004 * away, away[:, None]).all())
