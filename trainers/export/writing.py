"""A deployed network to a file: ONNX, OpenVINO or TorchScript; the description goes into the file."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.onnx.utils as onnx_registry

from masksmith import files
from masksmith.errors import BadInput, EnvironmentFault
from masksmith.runtimes import META
from trainers.export.deployed import Deployed

OPSET = 17


def onnx_graph(made: Deployed, meta: Mapping[str, Any]) -> Any:
    """The network as an ``onnx.ModelProto``.

    Raises:
        BadInput: the network has an operator that ONNX lacks; it is named.
        EnvironmentFault: onnx is not installed.
    """
    onnx = _needed("onnx")
    free: dict[str, dict[int, str]] | None = None
    output = "mask" if made.form.post else "probability"
    if made.form.dynamic:
        rows, columns = (1, 2) if made.form.last else (2, 3)
        free = {name: {0: "batch", rows: "height", columns: "width"} for name in made.inputs}
        free[output] = (
            {0: "batch", 1: "height", 2: "width"} if made.form.post else {0: "batch", 2: "height", 3: "width"}
        )
    held = io.BytesIO()
    onnx_registry.register_custom_op_symbolic("aten::channel_shuffle", _channel_shuffle, OPSET)
    try:
        with _quiet():
            torch.onnx.export(
                made,
                tuple(made.example()),
                held,  # type: ignore[arg-type]
                dynamo=False,
                opset_version=OPSET,
                input_names=list(made.inputs),
                output_names=[output],
                dynamic_axes=free,
            )
    except torch.onnx.errors.UnsupportedOperatorError as fault:
        found = re.search(r"'(\w+::\w+)'", str(fault))
        name = found.group(1) if found else str(fault).splitlines()[0]
        raise BadInput(
            made.core.name, "operators that ONNX has", f"the unsupported {name}", "export it --to torch"
        ) from None
    graph = onnx.load_from_string(held.getvalue())
    _tidy(graph)
    graph.producer_name, graph.producer_version = "masksmith", ""
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, {META: _text(meta)})
    onnx.checker.check_model(graph)
    return graph


def write_onnx(graph: Any, place: Path) -> None:
    """Write an ONNX graph atomically."""
    files.write_bytes(place, graph.SerializeToString(deterministic=True))


def write_openvino(graph: Any, place: Path, meta: Mapping[str, Any]) -> None:
    """Write OpenVINO's ``.xml`` and ``.bin``, weights in 32 bits; the first file is complete when the second is."""
    openvino = _needed("openvino")
    network = openvino.Core().read_model(graph.SerializeToString())
    network.set_rt_info(_text(meta), ["masksmith", "json"])
    if network.has_rt_info(["framework", META]):
        network.set_rt_info("", ["framework", META])
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / place.name
        openvino.save_model(network, str(first), compress_to_fp16=False)
        files.write_bytes(place.with_suffix(".bin"), first.with_suffix(".bin").read_bytes())
        files.write_bytes(place, first.read_bytes())


def write_torch(made: Deployed, place: Path, meta: Mapping[str, Any]) -> None:
    """Write TorchScript, traced and frozen: it needs torch to run, but none of this project."""
    held = io.BytesIO()
    with _quiet(), torch.no_grad():
        traced = torch.jit.trace(made.eval(), tuple(made.example()), check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), held, _extra_files={META: _text(meta)})
    files.write_bytes(place, held.getvalue())


@torch.onnx.symbolic_helper.parse_args("v", "i")
def _channel_shuffle(graph: Any, values: Any, groups: int) -> Any:
    """ONNX has no such operator: (B, groups, C / groups, H, W) with its second and third side exchanged."""

    def fixed(*numbers: int) -> Any:
        return graph.op("Constant", value_t=torch.tensor(numbers))

    whole = graph.op("Shape", values)
    sides = graph.op("Slice", whole, fixed(2), fixed(4))
    apart = graph.op("Concat", fixed(0, groups, -1), sides, axis_i=0)
    rows = graph.op("Transpose", graph.op("Reshape", values, apart), perm_i=[0, 2, 1, 3, 4])
    return graph.op("Reshape", rows, whole)


def _tidy(graph: Any) -> None:
    """Take out what copies a constant: exporters write one weight once and point at it, quantisers stumble."""
    constants = {held.name for held in graph.graph.initializer}
    renamed: dict[str, str] = {}
    for node in list(graph.graph.node):
        if node.op_type == "Identity" and node.input[0] in constants:
            renamed[node.output[0]] = node.input[0]
            graph.graph.node.remove(node)
    for node in graph.graph.node:
        for number, name in enumerate(node.input):
            node.input[number] = renamed.get(name, name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Tracing warns of shapes that become constants, which is meant, and of its own age; refusals print the graph."""
    with warnings.catch_warnings(), mock.patch.object(torch._C, "_jit_onnx_log", lambda *_: None):
        warnings.simplefilter("ignore")
        yield


def _text(meta: Mapping[str, Any]) -> str:
    return json.dumps(meta, sort_keys=True, ensure_ascii=True)


def _needed(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise EnvironmentFault(f"{name} is not installed; pip install 'masksmith[export]'") from None
