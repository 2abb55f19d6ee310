"""The models that ``masksmith bench`` is given: files as they are, runs and random weights exported on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from masksmith import console
from masksmith.errors import BadInput, CheckFailed, EnvironmentFault, UsageProblem, unknown_choice
from masksmith.runtimes import RUNTIMES

if TYPE_CHECKING:
    from evaluation.speed import Candidate
    from trainers.export.deployed import Form
    from trainers.networks.layers import Network

FORMAT_OF = {"onnxruntime": "onnx", "openvino": "openvino", "litert": "tflite", "torch": "torch"}
RANDOM = "random:"


def runtimes(text: str) -> tuple[str, ...]:
    """The runtimes of a comma-separated list.

    Raises:
        UsageProblem: one that is not known, or none.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in RUNTIMES:
            raise unknown_choice("runtime", name, RUNTIMES)
    if not names:
        raise UsageProblem(f"name at least one runtime: {', '.join(RUNTIMES)}")
    return names


def candidates(
    models: Sequence[str], wanted: Sequence[str], sizes: Sequence[tuple[int, int] | None], folder: Path
) -> list[Candidate]:
    """One candidate for each model, runtime and size.

    Args:
        models: files, run folders, or ``random:NAME`` and ``random:NAME:relu``.
        wanted: runtimes; a file is run by those of them that open it.
        sizes: (height, width) in pixels; None = the model's own.
        folder: where runs and random weights are exported to.

    Raises:
        BadInput, UsageProblem: a model that is not there, or that none of the runtimes opens.
    """
    from evaluation.speed import Candidate

    made: list[Candidate] = []
    for number, text in enumerate(models):
        for size in sizes:
            place = Path(text)
            if not text.startswith(RANDOM) and place.is_file() and place.suffix != ".safetensors":
                fitting = [name for name in wanted if place.suffix.lower() in RUNTIMES[name]]
                if not fitting:
                    known = [name for name, kinds in RUNTIMES.items() if place.suffix.lower() in kinds]
                    found = f"a file for {' or '.join(known)}" if known else f"a file of kind {place.suffix!r}"
                    raise BadInput(place, f"a model for {', '.join(wanted)}", found, "name its runtime in --runtimes")
                made += [Candidate(place.name, text, name, size) for name in fitting]
            else:
                made += _exported(text, wanted, size, folder / str(number))
    return made


def network_named(text: str) -> tuple[Network, Path | None, bool, str]:
    """What a run folder or ``random:NAME[:relu]`` stands for.

    Returns:
        the network; the run, None for random weights; whether ReLU is to stand for h-swish; what to call it.

    Raises:
        UsageProblem: an unknown network or variant.
        BadInput: no such run.
    """
    from trainers.export import job

    if text.startswith(RANDOM):
        label = text.removeprefix(RANDOM)
        name, _, variant = label.partition(":")
        if variant not in ("", "relu"):
            raise unknown_choice("variant", variant, ("relu",))
        return job.network_of(None, name, random=True), None, variant == "relu", label
    run = Path(text)
    if not run.exists():
        raise BadInput(run, "a model file, a run folder or random:NAME", "no such file", "check the path")
    network = job.network_of(run, None, random=False)
    return network, run, False, f"{run.name}/{network.name}"


def _exported(text: str, wanted: Sequence[str], size: tuple[int, int] | None, folder: Path) -> list[Candidate]:
    from evaluation.speed import Candidate
    from trainers.export.deployed import FORMATS, Form

    network, run, relu, label = network_named(text)
    made: list[Candidate] = []
    for runtime in wanted:
        to = FORMAT_OF[runtime]
        shape = "" if size is None else f"-{size[0]}x{size[1]}"
        place = folder / f"{network.name}{shape}{FORMATS[to]}"
        form = Form(to=to, size=size, relu=relu)
        try:
            written = _written(network, form, place, run)
        except (BadInput, EnvironmentFault, CheckFailed) as fault:
            console.warn(f"{label} is left out in {runtime}: {fault}")
            continue
        made.append(Candidate(label, str(place), runtime, form=written))
    return made


def _written(network: Network, form: Form, place: Path, run: Path | None) -> str:
    """Export a network for its runtime, and say how; TFLite by our own writer first, which needs no converter."""
    from trainers.export import job

    try:
        made = job.export(network, form, place, run=run, latency=0, browser=form.to == "tflite")
    except BadInput:
        if form.to != "tflite":
            raise
        made = job.export(network, form, place, run=run, latency=0)
    writer = made.card.get("writer")
    return f"exported to {form.to}" + (f", {writer}" if writer else "")
