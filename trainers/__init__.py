"""Networks, losses, presets, the training loop, and prediction.

The names below are loaded when they are first used, so that the light ones do not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainers.checkpoint import load, save_weights
    from trainers.loop import train
    from trainers.losses import LOSSES, find_loss
    from trainers.models import MODELS, build, count_flops, count_parameters
    from trainers.networks.layers import Network, foreground
    from trainers.plan import Plan, make_plan
    from trainers.predict import Predictor
    from trainers.presets import Settings, load_preset, preset_names
    from trainers.runs import Result

__all__ = [
    "LOSSES",
    "MODELS",
    "Network",
    "Plan",
    "Predictor",
    "Result",
    "Settings",
    "build",
    "count_flops",
    "count_parameters",
    "find_loss",
    "foreground",
    "load",
    "load_preset",
    "make_plan",
    "preset_names",
    "save_weights",
    "train",
]

_HOMES = {
    "trainers.checkpoint": ("load", "save_weights"),
    "trainers.loop": ("train",),
    "trainers.losses": ("LOSSES", "find_loss"),
    "trainers.models": ("MODELS", "build", "count_flops", "count_parameters"),
    "trainers.networks.layers": ("Network", "foreground"),
    "trainers.plan": ("Plan", "make_plan"),
    "trainers.predict": ("Predictor",),
    "trainers.presets": ("Settings", "load_preset", "preset_names"),
    "trainers.runs": ("Result",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'trainers' has no attribute {name!r}")
