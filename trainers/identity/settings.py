"""The settings of a face network's training, and the presets that hold them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from importlib import resources
from typing import Any

from masksmith.errors import UsageProblem, unknown_choice
from trainers.identity.distances import DISTANCES
from trainers.identity.mining import RULES

WIDTHS = (0.25, 0.5, 0.75, 1.0)
OPTIMISERS = ("adagrad", "adamw")
CROPS = ("mtcnn", "none")
STARTS = ("plain", "linear")
NETWORKS = ("facenet_mobile", "facenet_lite0")
PRESET = "fewfaces"
TASK = "identity"


@dataclass(frozen=True)
class IdentitySettings:
    """Everything that the training of a face network depends on, besides the photos.

    Attributes:
        preset: where the settings come from.
        network: ``facenet_mobile`` (the paper's), trained by triplets, or ``facenet_lite0``, whose last layer is
            fitted in closed form (see :mod:`trainers.identity.whitening`); all that is about steps is for the former.
        shrink: how strongly that fit is drawn towards no whitening.
        width: the width multiplier theta of MobileNetV1: 0.25, 0.5, 0.75 or 1.
        size: (height, width) in pixels of the crops.
        crop: ``mtcnn`` (a detected face, turned upright) or ``none`` (the centre of the picture).
        people, photos: P people with K photos each make a mini-batch.
        steps: mini-batches in all; in the first ``warmup`` of them the network learns to name the training people
            (cosine softmax) instead of triplets.
        margin: of the triplet loss.
        distance: ``euclidean`` or ``squared`` (FaceNet), for loss and threshold.
        mining: ``semihard``, ``printed`` or ``violating``; see :mod:`trainers.identity.mining`.
        optimiser: ``adagrad`` or ``adamw``.
        lr, weight_decay: of the optimiser; ``cooldown`` is the last share of the steps, in which the learning rate
            falls to 1 % along a cosine.
        accumulator: what AdaGrad's sums of squares begin with.
        start: ``plain`` (He) or ``linear`` (see :mod:`trainers.identity.start`).
        personas: made-up relatives of each person, one fixed bend of the face each; 1 = the person alone.
        turn_deg, scale, shift, light: the largest turn, change of size (in its logarithm), move (a share of the
            side) and change of brightness and contrast in augmentation; half of the photos are mirrored.
        threshold: below it two photos are of the same person; 0 = chosen on the training people.
        seed: of weights, mini-batches and augmentation.
        threads: of torch; 0 = as they are.
        device: ``cpu``, ``cuda`` or ``auto``.
    """

    preset: str = ""
    network: str = "facenet_mobile"
    shrink: float = 2.0
    width: float = 1.0
    size: tuple[int, int] = (224, 224)
    crop: str = "mtcnn"
    people: int = 16
    photos: int = 4
    steps: int = 20000
    warmup: int = 0
    margin: float = 0.2
    distance: str = "euclidean"
    mining: str = "semihard"
    optimiser: str = "adagrad"
    lr: float = 0.02
    weight_decay: float = 0.0
    cooldown: float = 0.0
    accumulator: float = 0.1
    start: str = "linear"
    personas: int = 1
    turn_deg: float = 8.0
    scale: float = 0.08
    shift: float = 0.04
    light: float = 0.15
    threshold: float = 0.0
    seed: int = 0
    threads: int = 0
    device: str = "cpu"

    @property
    def batch(self) -> int:
        """Photos a mini-batch."""
        return self.people * self.photos

    def as_json(self) -> dict[str, Any]:
        """Every setting, as JSON has it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def identity_presets() -> list[str]:
    """The presets for face networks, sorted."""
    return sorted(name for name, values in _presets().items() if values.get("task") == TASK)


def load_settings(name: str = PRESET, overrides: Mapping[str, str] | None = None) -> IdentitySettings:
    """The settings of a preset, with some of them changed.

    Args:
        name: one of :func:`identity_presets`.
        overrides: key -> value as text, as ``--set key=value`` gives it.

    Raises:
        UsageProblem: an unknown preset or key, a value of the wrong type or outside its range.
    """
    known = identity_presets()
    if name not in known:
        raise unknown_choice("preset", name, known)
    values = {key: value for key, value in _presets()[name].items() if key != "task"}
    return checked({**values, **{key: _parsed(key, text) for key, text in (overrides or {}).items()}, "preset": name})


def checked(values: Mapping[str, Any]) -> IdentitySettings:
    """Settings from keys and values.

    Raises:
        UsageProblem: an unknown key, a wrong type, or a value outside its range.
    """
    settings = IdentitySettings(**{key: _typed(key, value) for key, value in values.items()})
    for key, (right, wanted) in _RANGES.items():
        if not right(getattr(settings, key)):
            raise UsageProblem(f"setting {key} must be {wanted}, not {getattr(settings, key)!r}")
    for key, choices in _CHOICES.items():
        if getattr(settings, key) not in choices:
            raise unknown_choice(key, getattr(settings, key), choices)
    return settings


_KINDS = {each.name: str(each.type) for each in fields(IdentitySettings)}
_CHOICES: dict[str, tuple[str, ...]] = {
    "distance": DISTANCES,
    "mining": tuple(RULES),
    "optimiser": OPTIMISERS,
    "crop": CROPS,
    "start": STARTS,
    "network": NETWORKS,
    "device": ("auto", "cpu", "cuda"),
}
_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "shrink": (lambda v: 0 < v < math.inf, "above 0"),
    "width": (lambda v: v in WIDTHS, "one of 0.25, 0.5, 0.75 and 1"),
    "size": (lambda v: min(v) >= 32 and max(v) <= 1024, "32 to 1024 pixels"),
    "people": (lambda v: v >= 2, "at least 2"),
    "photos": (lambda v: v >= 2, "at least 2"),
    "steps": (lambda v: v >= 1, "at least 1"),
    "warmup": (lambda v: v >= 0, "at least 0"),
    "margin": (lambda v: 0 < v < math.inf, "above 0"),
    "lr": (lambda v: 0 < v < math.inf, "above 0"),
    "weight_decay": (lambda v: 0 <= v < math.inf, "at least 0"),
    "cooldown": (lambda v: 0 <= v <= 1, "from 0 to 1"),
    "accumulator": (lambda v: 0 <= v < math.inf, "at least 0"),
    "personas": (lambda v: 1 <= v <= 64, "1 to 64"),
    "turn_deg": (lambda v: 0 <= v <= 90, "0 to 90 degrees"),
    "scale": (lambda v: 0 <= v <= 0.5, "0 to 0.5"),
    "shift": (lambda v: 0 <= v <= 0.5, "0 to 0.5"),
    "light": (lambda v: 0 <= v <= 0.5, "0 to 0.5"),
    "threshold": (lambda v: 0 <= v < math.inf, "at least 0"),
    "seed": (lambda v: v >= 0, "at least 0"),
    "threads": (lambda v: v >= 0, "at least 0"),
}
_WORDS = {
    "str": "a word",
    "int": "a whole number",
    "float": "a number",
    "tuple[int, int]": "a size such as 96 or 112x96 (height x width)",
}


def _presets() -> dict[str, dict[str, Any]]:
    folder = resources.files("trainers") / "presets"
    return {
        entry.name.removesuffix(".toml"): tomllib.loads(entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }


def _kind(key: str) -> str:
    if key not in _KINDS:
        raise unknown_choice("setting", key, [name for name in _KINDS if name != "preset"])
    return _KINDS[key]


def _parsed(key: str, text: str) -> Any:
    """A setting's value from text."""
    kind, text = _kind(key), text.strip()
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind == "tuple[int, int]":
            parts = [int(part) for part in text.lower().split("x")]
            height, width = parts * 2 if len(parts) == 1 else parts
            return height, width
    except ValueError:
        raise UsageProblem(f"setting {key} must be {_WORDS[kind]}, not {text!r}") from None
    return text


def _typed(key: str, value: Any) -> Any:
    kind = _kind(key)
    if kind == "float" and type(value) in (int, float):
        return float(value)
    if {"str": str, "int": int}.get(kind) is type(value):
        return value
    if kind == "tuple[int, int]" and type(value) in (list, tuple) and len(value) == 2:
        return tuple(value)
    raise UsageProblem(f"setting {key} must be {_WORDS[kind]}, not {value!r}")
