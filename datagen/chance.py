"""Chance for recipes: single numbers, drawn in blocks. A scene takes a hundred, and numpy is slow one at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from masksmith import seeds

_BLOCK = 96


class Chance:
    """Numbers that depend on the seed and on what they are for, see :func:`masksmith.seeds.rng`; all plain floats."""

    def __init__(self, seed: int, *path: int | str) -> None:
        self._rng = seeds.rng(seed, *path)
        self._flat: list[float] = []
        self._bell: list[float] = []

    def random(self) -> float:
        """Flat in [0, 1)."""
        if not self._flat:
            self._flat = self._rng.random(_BLOCK).tolist()
        return self._flat.pop()

    def uniform(self, low: float, high: float) -> float:
        """Flat in [low, high)."""
        return low + (high - low) * self.random()

    def log_uniform(self, low: float, high: float) -> float:
        """Between two numbers above 0; its logarithm is flat."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def normal(self, mean: float = 0.0, deviation: float = 1.0) -> float:
        """Gaussian."""
        if not self._bell:
            self._bell = self._rng.standard_normal(_BLOCK // 2).tolist()
        return mean + deviation * self._bell.pop()

    def integers(self, below: int) -> int:
        """A whole number from 0, below ``below``."""
        return int(self.random() * below)

    def pick(self, weights: Sequence[float]) -> int:
        """A position in ``weights``, each as often as it weighs."""
        left = self.random() * sum(weights)
        for position, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return position
        return max(k for k, weight in enumerate(weights) if weight > 0)
