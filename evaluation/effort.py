"""What a model file costs before it runs: parameters, operations, bytes.

Our own files say so themselves. In the files of others convolutions, transposed convolutions and matrix products are
counted, two operations a multiply-add, as the papers do; activations, pooling and resizing are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Effort:
    """``params`` and ``flops`` of one picture; None where they cannot be told. ``size_bytes`` of the file."""

    params: int | None
    flops: int | None
    size_bytes: int


def of_file(path: Path, meta: Mapping[str, Any] | None = None) -> Effort:
    """Count a model file.

    Args:
        path: ``.onnx``, ``.tflite``, ``.xml`` or ``.pt``.
        meta: what the file says of itself; what stands there is not counted again.
    """
    weights = path.with_suffix(".bin")
    size = path.stat().st_size + (weights.stat().st_size if path.suffix == ".xml" and weights.is_file() else 0)
    if meta and meta.get("flops"):
        return Effort(int(meta["params"]), int(meta["flops"]), size)
    counters = {".onnx": _onnx, ".tflite": _tflite}
    try:
        params, flops = counters[path.suffix.lower()](path)
    except (KeyError, ImportError):
        return Effort(None, None, size)
    return Effort(params, flops, size)


def _onnx(path: Path) -> tuple[int, int | None]:
    import onnx

    model = onnx.load(str(path))
    constants = {held.name: tuple(held.dims) for held in model.graph.initializer}
    floats = [held for held in model.graph.initializer if held.data_type in (1, 10, 11)]
    params = sum(prod(held.dims) for held in floats)
    shapes = dict(constants)
    graph = onnx.shape_inference.infer_shapes(model).graph
    for value in (*graph.input, *graph.value_info, *graph.output):
        sides = [side.dim_value for side in value.type.tensor_type.shape.dim]
        if sides and all(sides):
            shapes[value.name] = tuple(sides)
    total = 0
    for node in graph.node:
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            continue
        weight, given, made = (shapes.get(name) for name in (node.input[1], node.input[0], node.output[0]))
        if not weight or not given or not made:
            return params, None
        if node.op_type == "Conv":
            total += prod(made) * prod(weight[1:])
        elif node.op_type == "ConvTranspose":
            total += prod(given) * prod(weight[1:])
        else:
            total += prod(made) * given[-1]
    return params, 2 * total


def _tflite(path: Path) -> tuple[int, int]:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    graph = model.subgraphs[0]
    shapes: list[Sequence[int]] = [[int(side) for side in tensor.shape] for tensor in graph.tensors]
    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    floating = (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16, schema.TensorType.INT8)
    params = 0
    for tensor in graph.tensors:
        held = model.buffers[tensor.buffer].data
        if held is not None and len(held) and tensor.type in floating and len(tensor.shape):
            params += prod(int(side) for side in tensor.shape)
    total = 0
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = kinds.get(max(code.builtinCode, code.deprecatedBuiltinCode), "")
        custom = (code.customCode or b"").decode(errors="replace")
        made = shapes[operator.outputs[0]]
        if name == "CONV_2D":
            total += prod(made) * prod(shapes[operator.inputs[1]][1:])
        elif name == "DEPTHWISE_CONV_2D":
            total += prod(made) * prod(shapes[operator.inputs[1]][1:3])
        elif name == "TRANSPOSE_CONV":
            total += prod(shapes[operator.inputs[2]]) * prod(shapes[operator.inputs[1]][:3])
        elif name == "FULLY_CONNECTED":
            total += prod(made) * shapes[operator.inputs[1]][-1]
        elif custom.startswith("Convolution2DTransposeBias"):
            total += prod(shapes[operator.inputs[0]]) * prod(shapes[operator.inputs[1]][:3])
    return params, 2 * total
