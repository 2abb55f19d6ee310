"""Random numbers that depend on the seed and on what they are for, and on nothing else."""

from __future__ import annotations

import hashlib

import numpy as np


def _key(part: int | str) -> int:
    if isinstance(part, str):
        return int.from_bytes(hashlib.sha256(part.encode()).digest()[:4], "little")
    return int(part)


def sequence(seed: int, *path: int | str) -> np.random.SeedSequence:
    """The seed sequence at a path below a seed, e.g. ``sequence(1, "scene", 17)``.

    Words in the path are hashed (SHA-256), so they are stable across processes and versions.
    """
    return np.random.SeedSequence(seed, spawn_key=tuple(_key(part) for part in path))


def rng(seed: int, *path: int | str) -> np.random.Generator:
    """A generator of its own for one purpose: ``rng(seed, "scene", index)``."""
    return np.random.Generator(np.random.PCG64(sequence(seed, *path)))


def integer(seed: int, *path: int | str) -> int:
    """A 32-bit seed for a library that only takes an integer."""
    return int(sequence(seed, *path).generate_state(1)[0])
