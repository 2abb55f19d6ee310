"""Clips: a foot on a floor, filmed by a camera in a hand, with the exact motion from frame to frame.

A clip's recipe is a JSON value that holds everything: the pose and what moves in it, the lamp, the camera's path, and
the recipe of a scene (:mod:`datagen.scenes`) for floor, light, lens and noise. Frames are rendered at their own size,
so that masks and motion are those of the rays and not of a resampling.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen import bank, blends, cameras, compose, cutouts, flow, gestures, ground, lights, optics, scenes, surface
from datagen.cameras import Camera
from datagen.compose import Scene
from datagen.develop import develop, to_linear
from datagen.flow import Flow, Moment
from datagen.foot import Foot
from datagen.gestures import Gesture, Pose
from datagen.ground import Ground
from datagen.lights import Caster, Lamp, Light
from datagen.paths import Hand, Path, draw_hand
from datagen.scenes import Choice, Style
from datagen.surface import Surface, Trousers
from masksmith import seeds

CLIP_VERSION = 1
_DRAWS = 80  # cameras drawn until one sees the foot well all the way
_CHECKS = 9  # moments at which it is looked at
_PAIR_SHARE, _OWN_SHARE = 0.4, 0.5
_SEEN = 0.6  # share of the foot that must be in the picture at all times
_BLUR_PX = 1.2  # a moving foot is exposed at moments this far apart
_MOST_MOMENTS = 10
_STREAK_PX = 0.3  # less is no blur
_SAMPLES = 240


@dataclass(frozen=True)
class Filming:
    """How clips are filmed.

    Attributes:
        frames: of each clip.
        fps: frames a second.
        shake: how much the hand moves, as a multiple of its usual drift and tremor.
        still_camera: a tripod instead of a hand.
        still_feet: nothing moves but the camera.
        lossless: frames as PNG instead of JPEG.
        skin: melanin to paint scans without colour with, see :func:`datagen.scans.read_scan`.
        trousers_share: share of the clips in which a trouser leg covers a part of the leg.
    """

    frames: int = 24
    fps: float = 25.0
    shake: float = 1.0
    still_camera: bool = False
    still_feet: bool = False
    lossless: bool = False
    skin: float | None = None
    trousers_share: float = 0.0


@dataclass(frozen=True)
class Frame:
    """A frame: picture, mask and alpha (:class:`datagen.compose.Scene`), and the motion back to the frame before.

    ``flow`` is None for the first.
    """

    scene: Scene
    flow: Flow | None


class Stance:
    """The feet of a clip: one or a pair, one of them moving.

    Args:
        about: the ``stance`` of a recipe.
    """

    def __init__(self, foot: Foot, about: Mapping[str, Any], gesture: Gesture) -> None:
        trousers = about["trousers"]
        worn = None if trousers is None else Trousers(**{**trousers, "colour": tuple(trousers["colour"])})
        lean = (about["lean"][0], about["lean"][1])
        self._shape = surface.from_foot(foot, seeds.rng(about["seed"], "stance"), lean, worn)
        self._feet, self._gesture, self._moving = about["feet"], gesture, about["moving"]
        self.sides = sides(foot.side, about)

    def pose(self, time_s: float) -> Pose:
        return self._gesture.pose(time_s)

    def surface(self, pose: Pose) -> Surface:
        """The feet, one of them in ``pose``; all poses have the same triangles."""
        parts = []
        for number, each in enumerate(self._feet):
            part = gestures.moved(self._shape, pose) if number == self._moving else self._shape
            part = surface.mirrored(part) if each["mirrored"] else part
            parts.append(surface.placed(part, each["yaw_rad"], each["x_m"], each["z_m"]))
        return parts[0] if len(parts) == 1 else surface.joined(parts[0], parts[1])


def sides(side: str, about: Mapping[str, Any]) -> list[str]:
    """Which sides the feet of a recipe's ``stance`` are, made of a foot of this side."""
    other = "right" if side == "left" else "left"
    return [other if each["mirrored"] else side for each in about["feet"]]


def draw(
    seed: int, index: int, rank: int, choice: Choice, style: Style, filming: Filming, feet: Mapping[str, Foot]
) -> dict[str, Any]:
    """The recipe of clip ``index``.

    Args:
        rank: its number within its split, see :func:`datagen.scenes.draw`.
        choice: the split's material; the files of its feet are keys of ``feet``.
        feet: file to foot, read when it is asked for.
    """
    rng = seeds.rng(seed, "clip", index)
    own = seeds.integer(seed, "clips")  # not the chance of the still scenes of this seed
    scene = scenes.draw(own, index, rank, choice, style.size, replace(style, empty_share=0.0))
    middle = (style.size - 1) / 2
    scene["window"] = {"centre_px": [middle, middle], "side_px": float(style.size), "roll_deg": 0.0}
    scene["lens"] |= {"motion_px": 0.0, "motion_deg": 0.0, **optics.CLEAR}  # flow is that of a pinhole camera
    scene["blend"], scene["floor"]["as_is"] = dict(blends.ALPHA), False
    if scene["rug"]:
        scene["rug"]["folds"] = 0.0  # folds are drawn in the picture and would not stay on the floor
    key = scene["cutout"]["file"]
    foot = feet[key]
    seconds = filming.frames / filming.fps
    looks_down = bool(rng.random() < _OWN_SHARE)
    stance = _stance(rng, foot, looks_down, filming.trousers_share)
    kinds = ("still",) if filming.still_feet else gestures.KINDS
    gesture = gestures.draw_gesture(rng, seconds, kinds)
    if gesture.kind == "turn" and len(stance["feet"]) == 2:  # away from the other foot; +x is outward on a left one
        gesture = replace(gesture, amount=abs(gesture.amount) * (1 if foot.side == "left" else -1))
    hand = draw_hand(rng, filming.shake)
    hand = Hand.still() if filming.still_camera else hand
    return {
        "version": CLIP_VERSION,
        "index": index,
        "seed": seed,
        "size": style.size,
        "frames": filming.frames,
        "fps": filming.fps,
        "lossless": filming.lossless,
        "foot": {"key": key, "subject": foot.subject, "source": foot.source, "sha256": foot.sha256},
        "skin": filming.skin,
        "stance": stance,
        "gesture": gesture.as_json(),
        "lamp": lights.draw_lamp(rng).as_json(),
        "shutter": round(float(rng.uniform(0.15, 0.6)), 4),
        "metering": _metering(rng),
        "path": _path(rng, Stance(foot, stance, gesture), hand, looks_down, style.size, seconds).as_json(),
        "scene": scene,
    }


def _stance(rng: np.random.Generator, foot: Foot, looks_down: bool, trousers_share: float) -> dict[str, Any]:
    """Where the feet stand: one of either side, or a pair; the numbers are those of the still scenes."""
    lean = (float(rng.normal(0, 0.1)), float(rng.uniform(-0.85, -0.25) if looks_down else rng.normal(-0.03, 0.16)))
    pair, mirrored = rng.random() < _PAIR_SHARE, bool(rng.random() < 0.5)
    apart, toe_out, ahead = rng.uniform(0.07, 0.15), rng.normal(0.12, 0.12, 2), rng.normal(0, 0.035)
    worn = bank.trousers_leg(rng, trousers_share)
    out = 1 if foot.side == "left" else -1  # a left foot stands at +x
    feet = [_standing(mirrored, 0.0, 0.0, 0.0)]
    if pair:
        feet = [
            _standing(False, out * toe_out[0], out * apart, 0.0),
            _standing(True, -out * toe_out[1], -out * apart, float(ahead)),
        ]
    return {
        "seed": int(rng.integers(2**31)),
        "lean": [round(value, 6) for value in lean],
        "trousers": None if worn is None else {**asdict(worn), "colour": list(worn.colour)},
        "feet": feet,
        "moving": int(rng.integers(len(feet))),
    }


def _metering(rng: np.random.Generator) -> dict[str, float]:
    """Exposure that hunts a little, slowly, as a telephone's does: a wave in its logarithm."""
    size, hz, phase = rng.uniform(0, 0.04), rng.uniform(0.1, 0.6), rng.uniform(0, 2 * np.pi)
    return {"size": round(float(size), 5), "hz": round(float(hz), 5), "phase": round(float(phase), 5)}


def _standing(mirrored: bool, yaw_rad: float, x_m: float, z_m: float) -> dict[str, Any]:
    return {"mirrored": mirrored, "yaw_rad": round(yaw_rad, 6), "x_m": round(x_m, 6), "z_m": round(z_m, 6)}


def _path(rng: np.random.Generator, stance: Stance, hand: Hand, looks_down: bool, size: int, seconds: float) -> Path:
    """A path from which the foot is seen well at all times; the scanner's camera where none was found."""
    times = np.linspace(0, seconds, _CHECKS)
    bodies = [stance.surface(stance.pose(float(time))) for time in times]
    rests = not hand.hz
    reach_m = 0.2 if len(stance.sides) == 2 else 0.14
    for _ in range(_DRAWS):
        start = cameras.phone(rng, size, looks_down, reach_m)
        nearer = np.tan(np.radians(start.fov_deg) / 2) * rng.uniform(0.6, 0.95)
        start = replace(start, fov_deg=float(np.degrees(2 * np.arctan(nearer))))
        orbit, closer = float(rng.normal(0, 9) * seconds), float(np.exp(rng.normal(0, 0.1) * seconds))
        path = Path(start, hand, 0.0 if rests else orbit, 1.0 if rests else closer, seconds)
        if all(
            _seen_well(body, path.camera(float(time)))
            for time, body in sorted(zip(times, bodies, strict=True), key=lambda each: -each[0])
        ):
            return path
    return Path(cameras.scanner(int(rng.integers(len(cameras.SCANNER_VIEWS))), size), hand, seconds=seconds)


def _seen_well(body: Surface, camera: Camera) -> bool:
    if not bank.presentable(body, camera):
        return False
    low = body.vertices[body.vertices[:, 1] < cutouts.FOOT_HEIGHT_M][::7]
    pixels, depth = camera.project(low)
    inside = (depth > 0.02) & (pixels >= 0).all(axis=1) & (pixels <= camera.size - 1).all(axis=1)
    return bool(inside.mean() > _SEEN)


@dataclass(frozen=True)
class _Lit:
    pose: Pose
    surface: Surface
    caster: Caster
    light: Light


def film(recipe: Mapping[str, Any], foot: Foot, below: Ground, rug: Ground | None = None) -> Iterator[Frame]:
    """The frames of a recipe, in order, as they are asked for; light is cast again only when the foot has moved."""
    gesture = Gesture(**recipe["gesture"])
    stance = Stance(foot, recipe["stance"], gesture)
    lamp, path = Lamp(**recipe["lamp"]), Path.from_json(recipe["path"])
    open_s = recipe["shutter"] / recipe["fps"]
    recipe = {**recipe, "scene": _anchored(recipe["scene"], path.camera(0.0), below, rug)}
    now: _Lit | None = None
    before: Moment | None = None
    for number in range(recipe["frames"]):
        time = number / recipe["fps"]
        pose = stance.pose(time)
        if now is None or pose != now.pose:
            now = _lit(stance, pose, lamp)
        moment = Moment(now.surface, now.caster, path.camera(time))
        scene = _exposed(recipe, number, stance, path, now, (below, rug), open_s)
        yield Frame(scene, None if before is None else flow.between(moment, before, scene.mask))
        before = moment


def _anchored(scene: Mapping[str, Any], camera: Camera, below: Ground, rug: Ground | None) -> dict[str, Any]:
    """The scene with its floors held where the first frame finds them."""

    def held(floor: Ground, about: Mapping[str, Any]) -> dict[str, Any]:
        return {**about, "anchor": ground.anchored(floor, about, camera.floor_homography(), camera.size)}

    over = scene["rug"]
    if over and rug is not None:
        over = {**over, "floor": held(rug, over["floor"])}
    return {**scene, "floor": held(below, scene["floor"]), "rug": over}


def _lit(stance: Stance, pose: Pose, lamp: Lamp) -> _Lit:
    body = stance.surface(pose)
    caster = Caster(body)
    return _Lit(pose, body, caster, lights.light(body, caster, lamp))


def _exposed(
    recipe: Mapping[str, Any],
    number: int,
    stance: Stance,
    path: Path,
    now: _Lit,
    floors: tuple[Ground, Ground | None],
    open_s: float,
) -> Scene:
    """A frame with its blur: a streak along the camera's motion, or, where the foot moves, several moments added up.

    Mask and alpha are those of the middle of the exposure.
    """
    time = number / recipe["fps"]
    scene = {**recipe["scene"], "noise_seed": seeds.integer(recipe["scene"]["noise_seed"], "frame", number)}
    scene["light"] = {**scene["light"], "exposure": scene["light"]["exposure"] * _gain(recipe["metering"], time)}
    typical, most = _travel(stance, path, time, open_s)
    first, last = stance.pose(time - open_s / 2), stance.pose(time + open_s / 2)
    moments = min(int(np.ceil(most / _BLUR_PX)), _MOST_MOMENTS) if first != last else 1
    if moments <= 1:
        length, angle = float(np.hypot(*typical)), float(np.degrees(np.arctan2(typical[1], typical[0])))
        streak = {"motion_px": length if length > _STREAK_PX else 0.0, "motion_deg": angle}
        return _drawn({**scene, "lens": {**scene["lens"], **streak}}, now, path.camera(time), recipe["lamp"], floors)
    bare = {
        **scene,
        "lens": {**scene["lens"], "noise": 0.0},
        "light": {**scene["light"], "contrast": 1, "saturation": 1},
    }
    total = np.zeros((recipe["size"], recipe["size"], 3), np.float32)
    for share in (np.arange(moments) + 0.5) / moments - 0.5:
        instant = time + float(share) * open_s
        pose = stance.pose(instant)
        body = stance.surface(pose)
        there = replace(now, pose=pose, surface=body, caster=Caster(body))  # the light of the frame serves all of it
        total += to_linear()[_drawn(bare, there, path.camera(instant), recipe["lamp"], floors).image]
    middle = _drawn(bare, now, path.camera(time), recipe["lamp"], floors)
    image = develop(np.asarray(total / moments, np.float32), {**scene, "lens": {**scene["lens"], "defocus_px": 0.0}})
    return replace(middle, image=image)


def _gain(metering: Mapping[str, float], time: float) -> float:
    wave = metering["size"] * np.sin(2 * np.pi * metering["hz"] * time + metering["phase"])
    return float(np.exp(wave))


def _drawn(
    scene: Mapping[str, Any],
    there: _Lit,
    camera: Camera,
    lamp: Mapping[str, Any],
    floors: tuple[Ground, Ground | None],
) -> Scene:
    about = {"lamp": lamp}
    cutout = cutouts.render(there.surface, there.caster, there.light, camera, Lamp(**lamp), about)
    return compose.compose(scene, cutout, *floors)


def _travel(stance: Stance, path: Path, time: float, open_s: float) -> tuple[npt.NDArray[np.float64], float]:
    """((2,) typical, largest) travel in pixels of the foot's points in the picture while the shutter is open."""
    instants = (time - open_s / 2, time + open_s / 2)
    bodies = [stance.surface(stance.pose(instant)) for instant in instants]
    low = np.flatnonzero(bodies[0].vertices[:, 1] < 2 * cutouts.FOOT_HEIGHT_M)
    low = low[:: max(len(low) // _SAMPLES, 1)]
    ends = [path.camera(t).project(body.vertices[low])[0] for t, body in zip(instants, bodies, strict=True)]
    travel = ends[1] - ends[0]
    return np.median(travel, axis=0), float(np.percentile(np.hypot(*travel.T), 95))
