"""A paper's training settings under one name: small TOML files of the keywords of :class:`Settings`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from importlib import resources
from typing import Any

from masksmith.errors import UsageProblem, unknown_choice

OPTIMISERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "plateau", "exponential", "cosine", "poly")
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
            ``exponential`` (x ``gamma`` each epoch); ``cosine``; ``poly`` (power 0.9).
        loss: a name in ``trainers.losses``; ``paper_exact`` takes document P's printed Jaccard.
        dropout: share of feature maps dropped before the last layer (ENet: in its blocks).
        augment: a name in ``loaders.augment``.
        priors: a mix of previous masks in ``loaders.priors``, or ``none`` for empty ones; networks with one input
            get none.
        foreground: class names that become the one foreground class; empty = every class of the data.
        teacher: the path of a trained network's run or file of weights that the student also learns from, or empty;
            ``soften_lambda`` is the weight of its answers, ``temperature`` what softens both (document F).
        sparsity: the pull on the scales of batch normalisation, for pruning (document C: 1e-4); 0 = none.
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
    folder = resources.files("trainers") / "presets"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".toml")]
    kept = (entry for entry in found if "task" not in tomllib.loads(entry.read_text(encoding="utf-8")))
    return sorted(entry.name.removesuffix(".toml") for entry in kept)


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
    if name not in preset_names():
        raise unknown_choice("preset", name, preset_names())
    text = (resources.files("trainers") / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    values: dict[str, Any] = tomllib.loads(text)
    own: dict[str, dict[str, Any]] = values.pop("models", {})
    parsed = {key: _parsed(key, value) for key, value in (overrides or {}).items()}
    values |= own.get(parsed.get("model", values.get("model", "")), {})
    return checked({**values, **parsed, "preset": name})


def changed(settings: Settings, overrides: Mapping[str, str]) -> Settings:
    """Settings with some of them changed, as :func:`load_preset` changes a preset's.

    Raises:
        UsageProblem: an unknown key, a value of the wrong type or outside its range.
    """
    return checked({**settings.as_json(), **{key: _parsed(key, text) for key, text in overrides.items()}})


def checked(values: Mapping[str, Any]) -> Settings:
    """Settings from keys and values of the right types.

    Raises:
        UsageProblem: an unknown key, a wrong type, or a value outside its range.
    """
    settings = Settings(**{key: _typed(key, value) for key, value in values.items()})
    for key, (right, wanted) in _RANGES.items():
        value = getattr(settings, key)
        if value is not None and not right(value):
            raise UsageProblem(f"setting {key} must be {wanted}, not {_shown(value)}")
    for key, choices in (("optimiser", OPTIMISERS), ("schedule", SCHEDULES), ("device", ("auto", "cpu", "cuda"))):
        if getattr(settings, key) not in choices:
            raise unknown_choice(key, getattr(settings, key), choices)
    return settings


_KINDS: dict[str, str] = {each.name: str(each.type) for each in fields(Settings)}
_WORDS = {
    "str": "a word",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple[int, int]": "a size such as 256 or 256x320 (height x width)",
    "tuple[str, ...]": "names with commas between them",
    "float | None": "a number or none",
}
_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "size": (lambda v: min(v) >= 16 and max(v) <= 4096, "16 to 4096 pixels"),
    "batch": (lambda v: v >= 1, "at least 1"),
    "epochs": (lambda v: v >= 1, "at least 1"),
    "steps_per_epoch": (lambda v: v >= 0, "at least 0"),
    "lr": (lambda v: 0 < v < math.inf, "above 0"),
    "weight_decay": (lambda v: v >= 0, "at least 0"),
    "momentum": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "gamma": (lambda v: 0 < v <= 1, "above 0 and at most 1"),
    "patience": (lambda v: v >= 1, "at least 1"),
    "dropout": (lambda v: 0 <= v < 1, "at least 0 and below 1"),
    "temperature": (lambda v: 0 < v < math.inf, "above 0"),
    "soften_lambda": (lambda v: 0 <= v < math.inf, "at least 0"),
    "sparsity": (lambda v: 0 <= v < math.inf, "at least 0"),
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


def _kind(key: str) -> str:
    if key not in _KINDS or key == "preset":
        raise unknown_choice("setting", key, [name for name in _KINDS if name != "preset"])
    return _KINDS[key]


def _parsed(key: str, text: str) -> Any:
    """A setting's value from text."""
    kind, text = _kind(key), text.strip()
    try:
        if kind == "int":
            return int(text)
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind == "tuple[int, int]":
            parts = [int(part) for part in text.lower().split("x")]
            height, width = parts * 2 if len(parts) == 1 else parts
            return height, width
        if kind == "tuple[str, ...]":
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if kind == "float | None" and text.lower() == "none":
            return None
        if kind in ("float", "float | None"):
            return float(text)
    except (ValueError, KeyError):
        raise _wrong_type(key, text) from None
    return text


def _typed(key: str, value: Any) -> Any:
    """A setting's value from a TOML value or one that is right already."""
    if key == "preset":
        return value
    kind = _kind(key)
    plain = type(value)
    if kind in ("float", "float | None") and plain in (int, float):
        return float(value)
    if kind == "float | None" and value is None:
        return None
    if {"str": str, "int": int, "bool": bool}.get(kind) is plain:
        return value
    if plain in (list, tuple):
        if kind == "tuple[int, int]" and len(value) == 2 and all(type(part) is int for part in value):
            return tuple(value)
        if kind == "tuple[str, ...]" and all(type(part) is str for part in value):
            return tuple(value)
    raise _wrong_type(key, value)


def _wrong_type(key: str, value: Any) -> UsageProblem:
    return UsageProblem(f"setting {key} must be {_WORDS[_KINDS[key]]}, not {_shown(value)}")


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else repr(value)
