"""From a trained network to a file that is checked and described."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.optim.swa_utils import update_bn

from evaluation import dataset, speed
from masksmith import files, processor
from masksmith.errors import BadInput, UsageProblem
from masksmith.runtimes import open_model
from trainers.checkpoint import load
from trainers.export import card, checking, web
from trainers.export.checking import Check, Sample
from trainers.export.deployed import FORMATS, Deployed, Form
from trainers.export.folding import with_relu
from trainers.export.quantise import quantise
from trainers.export.tflite import convert, there
from trainers.export.writing import onnx_graph, write_onnx, write_openvino, write_torch
from trainers.models import build, count_flops, count_parameters
from trainers.networks.layers import Network

LATENCY_RUNS = 50
MADE_UP = 4
"""Pictures the check is made on where no data is given."""
BY_HAND, CONVERTED = "operator by operator", "litert-torch"
"""Who wrote a TFLite file, in its card."""
SETTLING = 2
"""Made-up pictures that normalisations of random weights take their statistics from."""
CALIBRATION = 64
"""Pictures at most that 8 bits are calibrated on."""


@dataclass(frozen=True)
class Exported:
    """What :func:`export` made: the file, its card as JSON has it, and the check."""

    path: Path
    card: dict[str, Any]
    check: Check


def network_of(run: Path | None, model: str | None, *, random: bool, seed: int = 0) -> Network:
    """The network of a run, or one of random weights, for measuring speed.

    Raises:
        UsageProblem: neither or both are asked for, or ``model`` is unknown.
        BadInput: as :func:`trainers.checkpoint.load`.
    """
    if random:
        if run is not None or model is None:
            raise UsageProblem("--random goes with --model NAME and without a run")
        return _settled(build(model, seed=seed), seed)
    if run is None:
        raise UsageProblem("name a run, or --model NAME --random")
    return load(run, model=model)


def _settled(network: Network, seed: int) -> Network:
    """A network of random weights whose normalisations know its activations, as those of a trained one do.

    With the statistics that layers begin with, activations grow from layer to layer, and so does what runtimes round:
    a sound export would then fail its check.
    """
    made = [torch.from_numpy(sample.image) for sample in checking.made_up(network.size, SETTLING, seed + 1)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of dropout
        update_bn([torch.stack(made).permute(0, 3, 1, 2) / 255], network)
    return network.eval()


def export(
    network: Network,
    form: Form,
    out: Path,
    *,
    run: Path | None = None,
    data: Path | None = None,
    split: str | None = None,
    samples: int = 32,
    latency: int = LATENCY_RUNS,
    browser: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Exported:
    """Write a network to a file, compare it with PyTorch, and write its card beside it.

    Args:
        network: in evaluation mode; it is left as it is.
        form: how.
        out: of the suffix of ``FORMATS``.
        run: where the weights come from, for the card.
        data: a manifest to check on, and to calibrate 8 bits on; None = made-up pictures.
        split: of the data to check on; 8 bits are calibrated on ``train`` where there is one.
        samples: pictures to check on.
        latency: runs for the card's latency; 0 = none.
        browser: a TFLite file written operator by operator (:mod:`trainers.export.web`), without the converter. Any
            TFLite file without pre- and post-processing is where the converter is not there, and that is said.
        say: told what is going on.

    Raises:
        UsageProblem: another suffix, or 8 bits without data.
        BadInput: the network has an operator that the format lacks.
        CheckFailed: the file is another function than the network; it is removed.
        EnvironmentFault: a library is missing, or the disk is full.
    """
    if out.suffix.lower() != FORMATS[form.to]:
        raise UsageProblem(f"a file of {form.to} ends in {FORMATS[form.to]}, not {out.suffix or 'nothing'}")
    if form.int8 and data is None:
        raise UsageProblem("8 bits are calibrated on pictures: name a manifest with --data")
    if browser and (form.to != "tflite" or form.pre or form.post):
        raise UsageProblem("the form for browsers is TFLite, and pre- and post-processing is the page's")
    files.writable(out.parent)
    by_hand = browser
    if form.to == "tflite" and not (browser or form.pre or form.post or there()):
        say("the TFLite converter is not there (make tflite-env): written operator by operator, as --for web is")
        by_hand = True
    made = Deployed(network, form)
    meta = made.describe(_about(network, made, run))
    trained_on = dataset.trained_on(run) if run is not None else None
    pictures = (
        checking.from_manifest(data, trained_on, made.size, samples, split)
        if data is not None
        else checking.made_up(made.size, MADE_UP)
    )
    say(f"writing {out}")
    if form.to == "torch":
        write_torch(made, out, meta)
    elif by_hand:
        first = Deployed(network, replace(form, to="onnx", layout="nchw"))
        files.write_bytes(out, web.write(onnx_graph(first, meta), meta))
    elif form.to == "tflite":
        convert(made, out)
    else:
        graph = onnx_graph(made, meta)
        if form.int8 and data is not None:
            graph = _in_8_bits(graph, _calibration(data, trained_on, made.size))
        if form.to == "onnx":
            write_onnx(graph, out)
        else:
            write_openvino(graph, out, meta)
    described: dict[str, Any] = {
        "meta": meta,
        "origin": card.origin(run),
        "network": {"params": meta["params"], "mflops": meta["flops"] / 1e6},
        "folded": made.folded,
    }
    if form.to == "tflite":
        described["writer"] = BY_HAND if by_hand else CONVERTED
    if form.to == "tflite":  # its description stands in the card alone
        files.write_json(out.with_name(out.name + ".json"), {"meta": meta})
    say(f"comparing with PyTorch on {len(pictures)} {'pictures' if data is not None else 'made-up pictures'}")
    opened = open_model(out)
    meant = with_relu(network) if form.relu else network
    check = checking.compare(meant, opened, pictures, real=data is not None)
    try:
        limit = checking.UNTRAINED if run is None else checking.ERROR
        checking.refuse(check, out, int8=form.int8, post=form.post, limit=limit)
    except Exception:
        remove(out)
        raise
    spent = _latency(out, opened.runtime, made.size, latency) if latency else None
    written, _ = card.write(out, {**described, "check": check.as_json(), "latency": spent})
    say(f"card: {written}")
    return Exported(out, {**described, "check": check.as_json(), "latency": spent, "bytes": card.size_of(out)}, check)


def remove(out: Path) -> None:
    """Take an exported file and what lies beside it away."""
    beside = [out.with_name(out.name + suffix) for suffix in (".json", ".md")]
    for place in (out, *([out.with_suffix(".bin")] if out.suffix == ".xml" else []), *beside):
        place.unlink(missing_ok=True)


def _about(network: Network, made: Deployed, run: Path | None) -> dict[str, Any]:
    told = card.origin(run)
    return {
        "classes": told.get("classes") or network.classes,
        "foreground": told.get("foreground"),
        "params": count_parameters(network),
        "flops": count_flops(network, made.size),
    }


def _calibration(data: Path, trained_on: Sequence[str] | None, size: tuple[int, int]) -> list[Sample]:
    try:
        return checking.from_manifest(data, trained_on, size, CALIBRATION, "train")
    except (UsageProblem, BadInput):
        return checking.from_manifest(data, trained_on, size, CALIBRATION, "all")


def _in_8_bits(graph: Any, pictures: Sequence[Sample]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "float.onnx"
        write_onnx(graph, place)
        return quantise(graph, open_model(place, "onnxruntime"), pictures)


def _latency(out: Path, runtime: str, size: tuple[int, int], runs: int) -> dict[str, Any]:
    timings, _ = speed.measure([speed.Candidate(out.name, str(out), runtime, size)], runs)
    row = timings[0].row()
    kept = ("runtime", "input", "median_ms", "p95_ms", "cpu_ms", "runs")
    return {**{name: row[name] for name in kept}, "threads": 1, "cpu": processor.name()}
