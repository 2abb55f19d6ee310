"""A paper's training settings under one name: small TOML files of the keywords of :class:`Settings`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from masksmith.errors import unknown_choice
from trainers.form import Form, Range, presets_of

OPTIMISERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "plateau", "exponential", "step", "cosine", "poly")
COOLDOWN = 0.25
NONE = "none"


@dataclass(frozen=True)
class Settings:
    """Everything that training depends on, besides the data.

    Attributes:
        preset: where the settings come from.
        model: a name in ``trainers.models``.
        start: the first weights: ``random``, ``imagenet`` (the encoder's published ones), or the path of a run or file
            of weights of the same network.
        size: (height, width) in pixels that pictures are resized to.
        batch: images a step.
        epochs: how many; an epoch ends with a validation.
        steps_per_epoch: 0 = once through the training split.
        optimiser: ``adam``, ``adamw`` or ``sgd`` (with ``momentum``).
        lr: learning rate at the start.
        weight_decay, momentum: of the optimiser.
        schedule: ``constant``; ``plateau`` (x ``gamma`` after ``patience`` epochs without a better validation loss);
            ``exponential`` (x ``gamma`` each epoch); ``step`` (x ``gamma`` every ``step_epochs`` epochs); ``cosine``;
            ``poly`` (power 0.9).
        loss: a name in ``trainers.losses``; ``paper_exact`` takes document P's printed Jaccard.
        dropout: share of feature maps dropped before the last layer (ENet: in its blocks).
        augment: a name in ``loaders.augment``.
        priors: a mix of previous masks in ``loaders.priors``, or ``none`` for empty ones; networks with one input
            get none.
        foreground: class names that become the one foreground class; empty = every class of the data.
        teacher: the path of a trained network's run or file of weights that the student also learns from, or empty;
            ``soften_lambda`` is the weight of its answers, ``temperature`` what softens both (document F).
        sparsity: the pull on the scales of batch normalisation, for pruning (document C: 1e-4); 0 = none.
        temporal: weight of the difference between the answers to consecutive frames of a clip; 0 = none. The data need
            records with clip and frame; a step sees half as many pictures again.
        clip_norm: largest norm of the gradient; 0 = no limit.
        val_records: at most so many validation records, the same ones each time; held in memory as 8 bits.
        seed: of weights, order, augmentation, priors and dropout.
        workers: processes that load; 0 = a thread of this process.
        minutes: the time budget, validation included; None = all epochs.
        cooldown: the last share of the run in which the learning rate falls to 1 % along a cosine; None = 0.25
            with a time budget, 0 without.
        ema: decay of the moving average of the weights, which is then validated and kept as the best; 0 = none.
        stop_after: end after so many epochs without a better validation; 0 = never.
        amp: bfloat16 mixed precision, on a GPU and on a CPU that has arithmetic for it; ``amp_any_cpu`` takes it on
            others too, where it is slower.
        channels_last: the memory layout; a quarter faster on CPUs.
        threads: of torch; 0 = as they are.
        device: ``cpu``, ``cuda``, or ``auto``: a GPU where there is one.
    """

    preset: str = ""
    model: str = "fastlinknet"
    start: str = "random"
    size: tuple[int, int] = (256, 256)
    batch: int = 32
    epochs: int = 50
    steps_per_epoch: int = 0
    optimiser: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: str = "constant"
    gamma: float = 0.1
    patience: int = 3
    step_epochs: int = 50
    loss: str = "ce"
    paper_exact: bool = False
    dropout: float = 0.0
    augment: str = NONE
    priors: str = NONE
    foreground: tuple[str, ...] = ()
    teacher: str = ""
    temperature: float = 1.0
    soften_lambda: float = 1.0
    sparsity: float = 0.0
    temporal: float = 0.0
    clip_norm: float = 0.0
    val_records: int = 400
    seed: int = 0
    workers: int = 0
    minutes: float | None = None
    cooldown: float | None = None
    ema: float = 0.0
    stop_after: int = 0
    amp: bool = False
    amp_any_cpu: bool = False
    channels_last: bool = True
    threads: int = 0
    device: str = "auto"

    @property
    def cooldown_share(self) -> float:
        """The share of the run that the cooldown takes."""
        if self.cooldown is not None:
            return self.cooldown
        return COOLDOWN if self.minutes else 0.0

    def as_json(self) -> dict[str, Any]:
        """Every setting, as JSON has it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def preset_names() -> list[str]:
    """The presets for segmentation that come with the package, sorted; those of another ``task`` are left out."""
    return list(presets_of(None))


def load_preset(name: str, overrides: Mapping[str, str] | None = None) -> Settings:
    """The settings of a preset, with some of them changed.

    A preset may hold settings of its own for single networks; they count where that network is chosen, and an
    override counts above all.

    Args:
        name: one of :func:`preset_names`.
        overrides: key -> value as text, as ``--set key=value`` gives it: ``256`` or ``256x320`` (height x width) for
            a size, commas between class names, ``true`` or ``false``, ``none`` for a value that may be absent.

    Raises:
        UsageProblem: an unknown preset or key, a value of the wrong type or outside its range.
    """
    presets = presets_of(None)
    if name not in presets:
        raise unknown_choice("preset", name, presets)
    values = presets[name]
    own: dict[str, dict[str, Any]] = values.pop("models", {})
    parsed = _FORM.parsed(overrides or {})
    values |= own.get(parsed.get("model", values.get("model", "")), {})
    return checked({**values, **parsed, "preset": name})


def changed(settings: Settings, overrides: Mapping[str, str]) -> Settings:
    """Settings with some of them changed, as :func:`load_preset` changes a preset's.

    Raises:
        UsageProblem: an unknown key, a value of the wrong type or outside its range.
    """
    return checked({**settings.as_json(), **_FORM.parsed(overrides)})


def checked(values: Mapping[str, Any]) -> Settings:
    """Settings from keys and values of the right types.

    Raises:
        UsageProblem: an unknown key, a wrong type, or a value outside its range.
    """
    return _FORM.checked(values)


_RANGES: dict[str, Range] = {
    "size": (lambda v: min(v) >= 16 and max(v) <= 4096, "16 to 4096 pixels"),
    "batch": (lambda v: v >= 1, "at least 1"),
    "epochs": (lambda v: v >= 1, "at least 1"),
    "steps_per_epoch": (lambda v: v >= 0, "at least 0"),
    "lr": (lambda v: 0 < v < math.inf, "above 0"),
    "weight_decay": (lambda v: v >= 0, "at least 0"),
    "momentum": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "gamma": (lambda v: 0 < v <= 1, "above 0 and at most 1"),
    "patience": (lambda v: v >= 1, "at least 1"),
    "step_epochs": (lambda v: v >= 1, "at least 1"),
    "dropout": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "temperature": (lambda v: 0 < v < math.inf, "above 0"),
    "soften_lambda": (lambda v: 0 <= v < math.inf, "at least 0"),
    "sparsity": (lambda v: 0 <= v < math.inf, "at least 0"),
    "temporal": (lambda v: 0 <= v < math.inf, "at least 0"),
    "clip_norm": (lambda v: v >= 0, "at least 0"),
    "val_records": (lambda v: v >= 1, "at least 1"),
    "seed": (lambda v: v >= 0, "at least 0"),
    "workers": (lambda v: v >= 0, "at least 0"),
    "minutes": (lambda v: 0 < v < math.inf, "above 0"),
    "cooldown": (lambda v: 0 <= v <= 1, "from 0 to 1"),
    "ema": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "stop_after": (lambda v: v >= 0, "at least 0"),
    "threads": (lambda v: v >= 0, "at least 0"),
}
_CHOICES = {"optimiser": OPTIMISERS, "schedule": SCHEDULES, "device": ("auto", "cpu", "cuda")}
_FORM = Form(Settings, _RANGES, _CHOICES)
