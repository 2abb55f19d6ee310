"""Optional parts of ``masksmith evaluate``: each brings its options and adds its figures to the report.

To add one, write a :class:`Part` in a module of its own and name it in :data:`PARTS`. Options are click decorators, so
these modules import nothing heavy; what a part computes with, it imports when it runs.
"""

from __future__ import annotations

from typing import Any

from masksmith.commands import evaluate_calibration, evaluate_coco, evaluate_sweep
from masksmith.commands.evaluate_part import Given, Part

__all__ = ["PARTS", "Given", "Part", "part_options"]

PARTS: tuple[Part, ...] = (evaluate_calibration.PART, evaluate_sweep.PART, evaluate_coco.PART)


def part_options(command: Any) -> Any:
    """Decorator: the options of all parts."""
    for part in reversed(PARTS):
        for option in reversed(part.options):
            command = option(command)
    return command
