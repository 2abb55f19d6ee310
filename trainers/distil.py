"""Whether a trained network can teach another one, told before anything is trained."""

from __future__ import annotations

import os
from collections.abc import Sequence

from evaluation.dataset import trained_on
from masksmith.errors import BadInput
from trainers.checkpoint import load, locate
from trainers.models import count_parameters
from trainers.networks.layers import Network


def check_teacher(teacher: str | os.PathLike[str], student: Network, foreground: Sequence[str]) -> list[str]:
    """Look at a teacher; its network and input size may be others, its classes may not.

    Args:
        teacher: a run folder or a file of weights.
        student: the network to be trained.
        foreground: names of the classes that the student learns to see.

    Returns:
        What the user should know.

    Raises:
        BadInput: no weights, damaged, or a teacher of another number of classes.
    """
    place = locate(teacher)
    network = load(place)
    if max(2, network.outputs) != max(2, student.outputs):
        raise BadInput(
            teacher,
            f"a teacher of {student.classes} classes, as the data have",
            f"{network.name} of {network.classes} classes",
            "train one on the same classes, or merge classes with --set foreground=NAMES",
        )
    notes = []
    named = trained_on(place)
    if named and sorted(named) != sorted(foreground):
        notes.append(f"the teacher was trained on {', '.join(named)}, the data's foreground is {', '.join(foreground)}")
    have, need = count_parameters(network), count_parameters(student)
    if have < need:
        notes.append(f"the teacher ({network.name}) has {have:,} parameters, fewer than its student's {need:,}")
    return notes
