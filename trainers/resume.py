"""Whether what a stopped run left behind is the state of the run that is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from masksmith.errors import BadInput
from trainers.checkpoint import load_state, refuse_nan
from trainers.plan import Plan, same_job


def read_state(place: Path, plan: Plan) -> dict[str, Any] | None:
    """What ``last.pt`` holds of a run; None where it has not been written.

    Raises:
        BadInput: no state, one with weights that are not finite, or that of another run.
    """
    if not place.exists():
        return None
    state = load_state(place)
    try:
        same = same_job(json.loads(state["job"]), plan.job())
        refuse_nan(place, state["network"])
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise no_state(place, fault) from None
    if not same:
        raise BadInput(place, "the state of this run", "that of another", "give another --out, or delete it")
    return state


def no_state(place: Path, fault: Exception) -> BadInput:
    """That the file holds something else."""
    return BadInput(place, "the state of a run", f"something else ({fault})", "delete it to start again")
