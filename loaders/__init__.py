"""Bringing data in: augmentation, simulated previous masks, batches.

The names below are loaded when they are first used, so that the light ones do not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loaders.augment import AUGMENTS
    from loaders.batches import Batch, Batches, fill_self_priors
    from loaders.priors import MIXES, PRIOR_KINDS, Mix, Prior, PriorHistogram, draw_kind, grid_distort, make_prior

__all__ = [
    "AUGMENTS",
    "MIXES",
    "PRIOR_KINDS",
    "Batch",
    "Batches",
    "Mix",
    "Prior",
    "PriorHistogram",
    "draw_kind",
    "fill_self_priors",
    "grid_distort",
    "make_prior",
]

_HOMES = {
    "loaders.augment": ("AUGMENTS",),
    "loaders.batches": ("Batch", "Batches", "fill_self_priors"),
    "loaders.priors": (
        "MIXES",
        "PRIOR_KINDS",
        "Mix",
        "Prior",
        "PriorHistogram",
        "draw_kind",
        "grid_distort",
        "make_prior",
    ),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'loaders' has no attribute {name!r}")
