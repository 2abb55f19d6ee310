"""A network as a TFLite file written without a converter: operator by operator from its ONNX graph.

In a browser LiteRT (XNNPACK) runs depthwise convolutions three times faster than ONNX Runtime does, whose WASM build
unrolls most of them into matrices and knows no fused multiply-add. Our own exported graphs hold few operators, and
each has its counterpart in TFLite's schema (tensorflow/lite/schema/schema.fbs), with channels last.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from masksmith.errors import BadInput, EnvironmentFault
from masksmith.runtimes import META

Array = npt.NDArray[Any]
_VERSIONS = {"RESIZE_BILINEAR": 3, "TRANSPOSE_CONV": 3}


def _refused(found: str) -> BadInput:
    return BadInput("the network", "operators that TFLite files are written with here", found, "export it --to onnx")


def write(graph: Any, meta: Mapping[str, Any]) -> bytes:
    """TFLite's bytes of an ``onnx.ModelProto`` of ours: batch 1, one size, float32, channels first.

    The file takes and gives arrays with channels last, of the same names and values.

    Raises:
        BadInput: an operator, or a form of one, that is not written yet; it is named.
        EnvironmentFault: ai-edge-litert, whose schema is used, or onnx is not installed.
    """
    return _Writer(graph).packed(meta)


class _Writer:
    def __init__(self, graph: Any) -> None:
        try:
            names = ("onnx", "flatbuffers", "ai_edge_litert.schema_py_generated")
            onnx, self.flatbuffers, self.schema = (importlib.import_module(name) for name in names)
        except ImportError as fault:
            raise EnvironmentFault(f"{fault.name} is not installed; pip install 'masksmith[export]'") from None
        self.onnx: Any = onnx
        inferred = onnx.shape_inference.infer_shapes(graph, data_prop=True).graph
        self.nodes = [node for node in inferred.node if node.op_type != "Constant"]
        self.held: dict[str, Array] = {one.name: onnx.numpy_helper.to_array(one) for one in inferred.initializer}
        for node in inferred.node:
            if node.op_type == "Constant":
                self.held[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
        self.shapes: dict[str, tuple[int, ...]] = {}
        for told in (*inferred.input, *inferred.value_info, *inferred.output):
            self.shapes[told.name] = tuple(side.dim_value for side in told.type.tensor_type.shape.dim)
        self.ends = [[told.name for told in side] for side in (inferred.input, inferred.output)]
        self.readers: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.tensors: list[Any] = []
        self.buffers: list[Any] = [self._buffer(b"")]
        self.codes: dict[str, int] = {}
        self.operators: list[Any] = []
        self.places: dict[str, int] = {}

    def packed(self, meta: Mapping[str, Any]) -> bytes:

        s = self.schema
        for name in self.ends[0]:
            self.places[name] = self._tensor(name, self._last(self.shapes[name]))
        for node in self.nodes:
            if node.output[0] in self.places:  # an activation that its convolution took with it
                continue
            way = _WAYS.get(node.op_type)
            if way is not None:
                way(self, node)
            elif node.op_type not in _SHAPES:
                raise _refused(f"the unsupported {node.op_type}")
        graph = s.SubGraphT()
        graph.name, graph.tensors, graph.operators = "main", self.tensors, self.operators
        graph.inputs, graph.outputs = ([self.places[name] for name in names] for names in self.ends)
        model = s.ModelT()
        model.version, model.description, model.subgraphs = 3, "masksmith", [graph]
        model.operatorCodes = []
        for name in self.codes:
            code = s.OperatorCodeT()
            number = getattr(s.BuiltinOperator, name)
            code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
            code.version = _VERSIONS.get(name, 1)
            model.operatorCodes.append(code)
        told = s.MetadataT()
        told.name, told.buffer = META, len(self.buffers)
        self.buffers.append(self._buffer(json.dumps(dict(meta), sort_keys=True).encode()))
        model.metadata, model.buffers = [told], self.buffers
        builder = self.flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    # ---- what the operators are made of ----

    def _buffer(self, data: bytes) -> Any:
        made = self.schema.BufferT()
        made.data = np.frombuffer(data, np.uint8) if data else None
        return made

    def _tensor(self, name: str, shape: tuple[int, ...], values: Array | None = None) -> int:
        made = self.schema.TensorT()
        made.name, made.shape, made.buffer = name, list(shape), 0
        made.type = self.schema.TensorType.FLOAT32
        if values is not None:
            if values.dtype == np.int32:
                made.type = self.schema.TensorType.INT32
            made.buffer = len(self.buffers)
            self.buffers.append(self._buffer(np.ascontiguousarray(values).tobytes()))
        self.tensors.append(made)
        return len(self.tensors) - 1

    def _constant(self, values: Array) -> int:
        return self._tensor(f"constant {len(self.tensors)}", values.shape, values)

    def _operator(self, code: str, inputs: list[int], output: int, options: str = "", **given: Any) -> None:
        made = self.schema.OperatorT()
        made.opcodeIndex = self.codes.setdefault(code, len(self.codes))
        made.inputs, made.outputs = inputs, [output]
        if options:
            made.builtinOptionsType = getattr(self.schema.BuiltinOptions, options)
            made.builtinOptions = getattr(self.schema, f"{options}T")()
            for name, value in given.items():
                if not hasattr(made.builtinOptions, name):
                    raise AttributeError(f"{options} has no {name}")
                setattr(made.builtinOptions, name, value)
        self.operators.append(made)

    @staticmethod
    def _last(shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != 4 or not all(shape):
            raise _refused(f"a value of shape {list(shape)}, not of four fixed sides")
        batch, channels, *sides = shape
        return (batch, *sides, channels)

    def _out(self, name: str) -> int:
        self.places[name] = self._tensor(name, self._last(self.shapes[name]))
        return self.places[name]

    def _in(self, name: str) -> int:
        """The place of an input, a constant included."""
        if name not in self.places:
            if name not in self.held:
                raise _refused(f"a value that no operator makes ({name})")
            values = self.held[name]
            if values.ndim == 4:
                values = values.transpose(0, 2, 3, 1)
            self.places[name] = self._constant(values.astype(np.float32))
        return self.places[name]

    def _attributes(self, node: Any) -> dict[str, Any]:
        return {one.name: self.onnx.helper.get_attribute_value(one) for one in node.attribute}

    def _relu(self, node: Any) -> tuple[str, int]:
        """The name of the output, and the activation that can be had on the way."""
        kinds = self.schema.ActivationFunctionType
        after = self.readers.get(node.output[0], [])
        if len(after) == 1 and after[0].op_type == "Relu":
            return after[0].output[0], kinds.RELU
        if len(after) == 1 and after[0].op_type == "Clip" and self._to_six(after[0]):
            return after[0].output[0], kinds.RELU6
        return node.output[0], kinds.NONE

    def _to_six(self, node: Any) -> bool:
        bounds = [self.held.get(name) for name in node.input[1:]]
        return [None if bound is None else float(bound) for bound in bounds] == [0, 6]

    def _padded(self, name: str, pads: tuple[int, ...], lowest: bool = False) -> int:
        """An input with a rim of zeros, or of the lowest number."""
        source, (top, left, bottom, right) = self._in(name), pads
        if not any(pads):
            return source
        batch, height, width, depth = self._last(self.shapes[name])
        grown = (batch, height + top + bottom, width + left + right, depth)
        widths = self._constant(np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
        made = self._tensor(f"{name} padded {len(self.tensors)}", grown)
        if lowest:
            value = self._constant(np.array([np.finfo(np.float32).min], np.float32))
            self._operator("PADV2", [source, widths, value], made, "PadV2Options")
        else:
            self._operator("PAD", [source, widths], made, "PadOptions")
        return made

    # ---- the operators ----

    def conv(self, node: Any) -> None:
        """Half a kernel of padding is TFLite's own at stride 1; at stride 2 that would shift the map: written out."""
        told = self._attributes(node)
        weight = self.held[node.input[1]]
        out, channels = weight.shape[0], self.shapes[node.input[0]][1]
        bias = self.held[node.input[2]] if len(node.input) > 2 else np.zeros(out, np.float32)
        group, (down, across) = told.get("group", 1), told.get("strides", (1, 1))
        alone = group == channels and group > 1 and out == channels
        if group != 1 and not alone:
            raise _refused(f"a convolution in {group} groups")
        wide = tuple(told.get("dilations", (1, 1)))
        pads = tuple(told.get("pads", (0, 0, 0, 0)))
        halves = tuple(k // 2 * step for k, step in zip(weight.shape[2:], wide, strict=True))
        same = (down, across) == (1, 1) and pads == halves * 2
        source = self._in(node.input[0]) if same else self._padded(node.input[0], pads)
        name, activation = self._relu(node)
        options: dict[str, Any] = {"strideH": down, "strideW": across, "fusedActivationFunction": activation}
        options["padding"] = self.schema.Padding.SAME if same else self.schema.Padding.VALID
        options |= {"dilationHFactor": wide[0], "dilationWFactor": wide[1]}
        if alone:
            inputs = [source, self._constant(weight.transpose(1, 2, 3, 0)), self._constant(bias)]
            options["depthMultiplier"] = 1
            self._operator("DEPTHWISE_CONV_2D", inputs, self._out(name), "DepthwiseConv2DOptions", **options)
        else:
            inputs = [source, self._constant(weight.transpose(0, 2, 3, 1)), self._constant(bias)]
            self._operator("CONV_2D", inputs, self._out(name), "Conv2DOptions", **options)

    def one(self, node: Any) -> None:
        code, options = _ONE[node.op_type]
        self._operator(code, [self._in(node.input[0])], self._out(node.output[0]), options)

    def two(self, node: Any) -> None:
        code, options = _TWO[node.op_type]
        inputs = [self._in(name) for name in node.input]
        self._operator(code, inputs, self._out(node.output[0]), options)

    def concat(self, node: Any) -> None:
        if any(len(self.shapes.get(name, ())) != 4 for name in node.input):
            return  # of shapes
        inputs = [self._in(name) for name in node.input]
        self._operator("CONCATENATION", inputs, self._out(node.output[0]), "ConcatenationOptions", axis=3)

    def resize(self, node: Any) -> None:
        told = self._attributes(node)
        way = (told.get("mode"), told.get("coordinate_transformation_mode"))
        if way not in ((b"linear", b"half_pixel"), (b"linear", b"pytorch_half_pixel")):
            raise _refused("a resizing that is not bilinear")
        size = self._constant(np.array(self.shapes[node.output[0]][2:], np.int32))
        inputs, output = [self._in(node.input[0]), size], self._out(node.output[0])
        self._operator("RESIZE_BILINEAR", inputs, output, "ResizeBilinearOptions", halfPixelCenters=True)

    def transposed(self, node: Any) -> None:
        """Without padding, which TFLite counts from the other end; what ONNX leaves away is cut off afterwards."""
        told = self._attributes(node)
        weight = self.held[node.input[1]]
        if told.get("group", 1) != 1 or any(step != 1 for step in told.get("dilations", (1, 1))):
            raise _refused("a transposed convolution in groups, or a dilated one")
        bias = self.held[node.input[2]] if len(node.input) > 2 else np.zeros(weight.shape[1], np.float32)
        (down, across), (top, left, _, _) = told.get("strides", (1, 1)), told.get("pads", (0, 0, 0, 0))
        batch, rows, columns, _ = self._last(self.shapes[node.input[0]])
        made = self._last(self.shapes[node.output[0]])
        whole = (batch, (rows - 1) * down + weight.shape[2], (columns - 1) * across + weight.shape[3], made[3])
        if top + made[1] > whole[1] or left + made[2] > whole[2]:
            raise _refused("a transposed convolution with more padding at its output than at its input")
        inputs = [self._constant(np.array(whole, np.int32)), self._constant(weight.transpose(1, 2, 3, 0))]
        inputs += [self._in(node.input[0]), self._constant(bias)]
        options = {"strideH": down, "strideW": across, "padding": self.schema.Padding.VALID}
        if whole == made:
            self._operator("TRANSPOSE_CONV", inputs, self._out(node.output[0]), "TransposeConvOptions", **options)
            return
        full = self._tensor(f"{node.output[0]} whole", whole)
        self._operator("TRANSPOSE_CONV", inputs, full, "TransposeConvOptions", **options)
        part = [self._constant(np.array(held, np.int32)) for held in ((0, top, left, 0), made)]
        self._operator("SLICE", [full, *part], self._out(node.output[0]), "SliceOptions")

    def part(self, node: Any) -> None:
        if len(self.shapes.get(node.input[0], ())) != 4:
            return  # of a shape
        starts, _, axes, *steps = (self.held[name].tolist() for name in node.input[1:])
        if min(starts) < 0 or any(step != 1 for held in steps for step in held):
            raise _refused("a slice that counts from the end, or in steps")
        begin = [0, 0, 0, 0]
        for axis, start in zip(axes, starts, strict=True):
            begin[(0, 3, 1, 2)[axis]] = start
        size = self._last(self.shapes[node.output[0]])
        inputs = [self._in(node.input[0]), *(self._constant(np.array(held, np.int32)) for held in (begin, size))]
        self._operator("SLICE", inputs, self._out(node.output[0]), "SliceOptions")

    def softmax(self, node: Any) -> None:
        if self._attributes(node).get("axis", -1) != 1:
            raise _refused("a softmax over another side than the channels")
        self._operator("SOFTMAX", [self._in(node.input[0])], self._out(node.output[0]), "SoftmaxOptions", beta=1.0)

    def pool(self, node: Any) -> None:
        told = self._attributes(node)
        pads, most = tuple(told.get("pads", (0, 0, 0, 0))), node.op_type == "MaxPool"
        (down, across), kernel = told.get("strides", (1, 1)), told["kernel_shape"]
        sides, made = self.shapes[node.input[0]][2:], self.shapes[node.output[0]][2:]
        steps = ((sides[k] + pads[k] + pads[k + 2] - kernel[k]) // (down, across)[k] + 1 for k in (0, 1))
        if tuple(steps) != made or any(step != 1 for step in told.get("dilations", (1, 1))):
            raise _refused("a pooling that is dilated or rounds its size up")
        if any(pads) and not most and not told.get("count_include_pad"):
            raise _refused("an average that leaves the padding out")
        options = {"strideH": down, "strideW": across, "filterHeight": kernel[0], "filterWidth": kernel[1]}
        options["padding"] = self.schema.Padding.VALID
        source = self._padded(node.input[0], pads, lowest=most)
        code = "MAX_POOL_2D" if most else "AVERAGE_POOL_2D"
        self._operator(code, [source], self._out(node.output[0]), "Pool2DOptions", **options)

    def clip(self, node: Any) -> None:
        if not self._to_six(node):
            raise _refused("a clipping to other bounds than 0 and 6")
        self._operator("RELU6", [self._in(node.input[0])], self._out(node.output[0]))

    def leaky(self, node: Any) -> None:
        slope = self.held[node.input[1]].reshape(1, 1, -1).astype(np.float32)
        inputs = [self._in(node.input[0]), self._constant(slope)]
        self._operator("PRELU", inputs, self._out(node.output[0]))

    def hard_sigmoid(self, node: Any) -> None:
        told = self._attributes(node)
        if abs(told.get("alpha", 0.2) - 1 / 6) > 1e-5 or told.get("beta", 0.5) != 0.5:
            raise _refused("a hard sigmoid of another slope than a sixth")
        above = self._tensor(f"{node.output[0]} times 6", self._last(self.shapes[node.output[0]]))
        three, sixth = (self._constant(np.array([value], np.float32)) for value in (3, 1 / 6))
        six = self.schema.ActivationFunctionType.RELU6
        self._operator("ADD", [self._in(node.input[0]), three], above, "AddOptions", fusedActivationFunction=six)
        self._operator("MUL", [above, sixth], self._out(node.output[0]), "MulOptions")

    def normalise(self, node: Any) -> None:
        scale, shift, mean, variance = (self.held[name].astype(np.float32) for name in node.input[1:])
        factor = scale / np.sqrt(variance + np.float32(self._attributes(node).get("epsilon", 1e-5)))
        between = self._tensor(f"{node.output[0]} scaled", self._last(self.shapes[node.output[0]]))
        self._operator("MUL", [self._in(node.input[0]), self._constant(factor)], between, "MulOptions")
        inputs = [between, self._constant(shift - mean * factor)]
        self._operator("ADD", inputs, self._out(node.output[0]), "AddOptions")

    def mean(self, node: Any) -> None:
        told = self._attributes(node)
        whole = node.op_type == "GlobalAveragePool" or sorted(told.get("axes", ())) in ([2, 3], [-2, -1])
        if not whole or not told.get("keepdims", 1):
            raise _refused("a mean of other sides than height and width")
        inputs = [self._in(node.input[0]), self._constant(np.array([1, 2], np.int32))]
        self._operator("MEAN", inputs, self._out(node.output[0]), "ReducerOptions", keepDims=True)

    def shuffle(self, node: Any) -> None:
        told = self._attributes(node)
        if told.get("mode") == b"CRD" and self.shapes[node.output[0]][1] != 1:
            raise _refused("a pixel shuffle to several maps")
        inputs, output = [self._in(node.input[0])], self._out(node.output[0])
        self._operator("DEPTH_TO_SPACE", inputs, output, "DepthToSpaceOptions", blockSize=told["blocksize"])


_ONE = {
    "HardSwish": ("HARD_SWISH", "HardSwishOptions"),
    "Relu": ("RELU", ""),
    "Sigmoid": ("LOGISTIC", ""),
}
_TWO = {"Add": ("ADD", "AddOptions"), "Sub": ("SUB", "SubOptions"), "Mul": ("MUL", "MulOptions")}
_SHAPES = ("Shape", "Cast", "Gather", "Unsqueeze")
"""They make the shapes of others, which are known beforehand."""
_WAYS: dict[str, Callable[[_Writer, Any], None]] = {
    "Conv": _Writer.conv,
    **dict.fromkeys(_ONE, _Writer.one),
    **dict.fromkeys(_TWO, _Writer.two),
    "Concat": _Writer.concat,
    "Resize": _Writer.resize,
    "ConvTranspose": _Writer.transposed,
    **dict.fromkeys(("MaxPool", "AveragePool"), _Writer.pool),
    "Slice": _Writer.part,
    "Softmax": _Writer.softmax,
    "Clip": _Writer.clip,
    "PRelu": _Writer.leaky,
    "HardSigmoid": _Writer.hard_sigmoid,
    "BatchNormalization": _Writer.normalise,
    **dict.fromkeys(("GlobalAveragePool", "ReduceMean"), _Writer.mean),
    "DepthToSpace": _Writer.shuffle,
}
