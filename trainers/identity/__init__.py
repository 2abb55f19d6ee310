"""Who is who: a face network after Fast-FaceNet, its training and its tests, clusters of faces as subjects.

The names below are loaded when they are first used, so that the light ones do not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainers.identity.embed import FaceEmbedder, audit_embedder, embedder
    from trainers.identity.settings import IdentitySettings, load_settings
    from trainers.identity.triplet import triplet_loss

__all__ = ["FaceEmbedder", "IdentitySettings", "audit_embedder", "embedder", "load_settings", "triplet_loss"]

_HOMES = {
    "trainers.identity.embed": ("FaceEmbedder", "audit_embedder", "embedder"),
    "trainers.identity.settings": ("IdentitySettings", "load_settings"),
    "trainers.identity.triplet": ("triplet_loss",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'trainers.identity' has no attribute {name!r}")
