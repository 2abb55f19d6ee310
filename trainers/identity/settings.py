"""The settings of a face network's training, and the presets that hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from masksmith.errors import unknown_choice
from trainers.form import Form, Range, presets_of
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
    return list(presets_of(TASK))


def load_settings(name: str = PRESET, overrides: Mapping[str, str] | None = None) -> IdentitySettings:
    """The settings of a preset, with some of them changed.

    Args:
        name: one of :func:`identity_presets`.
        overrides: key -> value as text, as ``--set key=value`` gives it.

    Raises:
        UsageProblem: an unknown preset or key, a value of the wrong type or outside its range.
    """
    presets = presets_of(TASK)
    if name not in presets:
        raise unknown_choice("preset", name, presets)
    return checked({**presets[name], **_FORM.parsed(overrides or {}), "preset": name})


def checked(values: Mapping[str, Any]) -> IdentitySettings:
    """Settings from keys and values.

    Raises:
        UsageProblem: an unknown key, a wrong type, or a value outside its range.
    """
    return _FORM.checked(values)


_CHOICES: dict[str, tuple[str, ...]] = {
    "distance": DISTANCES,
    "mining": tuple(RULES),
    "optimiser": OPTIMISERS,
    "crop": CROPS,
    "start": STARTS,
    "network": NETWORKS,
    "device": ("auto", "cpu", "cuda"),
}
_RANGES: dict[str, Range] = {
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
_FORM = Form(IdentitySettings, _RANGES, _CHOICES)
