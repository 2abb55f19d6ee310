"""The learning rate over a run."""

from __future__ import annotations

import math
from typing import Any

from trainers.presets import Settings

FLOOR = 0.01
"""What the cooldown ends on, as a share."""
POWER = 0.9


class Schedule:
    """The learning rate of every step.

    Args:
        settings: the schedule's name and numbers.
        steps: of the whole run.
        steps_per_epoch: of one epoch.
    """

    def __init__(self, settings: Settings, steps: int, steps_per_epoch: int) -> None:
        self.settings, self.steps, self.steps_per_epoch = settings, steps, steps_per_epoch
        self.factor = 1.0
        self.best = math.inf
        self.waited = 0

    def lr(self, step: int, used: float = 0.0) -> float:
        """The learning rate of a step.

        Args:
            step: counted from 0.
            used: share of the time budget that is used up; 0 without one.
        """
        progress = min(1.0, max(step / self.steps, used))
        settings = self.settings
        if settings.schedule == "exponential":
            shape = settings.gamma ** (step // self.steps_per_epoch)
        elif settings.schedule == "step":
            shape = settings.gamma ** (step // (self.steps_per_epoch * settings.step_epochs))
        elif settings.schedule == "cosine":
            shape = 0.5 * (1 + math.cos(math.pi * progress))
        elif settings.schedule == "poly":
            shape = (1 - progress) ** POWER
        else:
            shape = self.factor
        return settings.lr * shape * self.cooldown(progress)

    def cooldown(self, progress: float) -> float:
        """From 1 down to 1 % along a cosine, over the last share of the run."""
        share = self.settings.cooldown_share
        if share <= 0 or progress <= 1 - share:
            return 1.0
        through = (progress - (1 - share)) / share
        return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * through))

    def validated(self, loss: float) -> None:
        """Tell it an epoch's validation loss; a plateau ends after ``patience`` epochs without a better one."""
        if self.settings.schedule != "plateau":
            return
        if loss < self.best:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited >= self.settings.patience:
            self.factor *= self.settings.gamma
            self.waited = 0

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` needs."""
        return {"factor": self.factor, "best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        self.factor, self.best, self.waited = float(state["factor"]), float(state["best"]), int(state["waited"])
