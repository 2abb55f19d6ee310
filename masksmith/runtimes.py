"""Exported networks in the runtime they were made for: ONNX Runtime, OpenVINO, LiteRT, or TorchScript.

One door for the files that `masksmith export` writes and for the published ones of others. Nothing heavy is
imported before a model is opened, and torch only for a TorchScript file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masksmith.console import counted
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem, unknown_choice
from masksmith.exported import Input, Model

__all__ = ["META", "RUNTIMES", "Input", "Model", "open_model"]

RUNTIMES: dict[str, tuple[str, ...]] = {
    "onnxruntime": (".onnx",),
    "openvino": (".xml", ".onnx"),
    "litert": (".tflite",),
    "torch": (".pt",),
}
"""Runtime -> the kinds of file it opens. The first runtime that opens a file is the one ``auto`` takes."""
META = "masksmith_json"
"""Key of a model's own description in its metadata."""
_KNOWN_TYPES = {"float": "float32", "uint8": "uint8", "float16": "float16", "int8": "int8", "int64": "int64"}


def open_model(path: str | os.PathLike[str], runtime: str = "auto", threads: int = 1) -> Model:
    """Open an exported network.

    Args:
        path: ``.onnx``, ``.xml`` (OpenVINO, its ``.bin`` beside it), ``.tflite`` or ``.pt`` (TorchScript).
        runtime: a key of ``RUNTIMES``, or ``auto``: the first one there that opens this kind of file.
        threads: of the runtime.

    Raises:
        UsageProblem: an unknown runtime, or one that does not open such a file.
        BadInput: no such file, a damaged one, an operator the runtime does not know, or other inputs than one image
            and at most one prior.
        EnvironmentFault: the runtime is not installed.
    """
    place = Path(path)
    if runtime != "auto" and runtime not in RUNTIMES:
        raise unknown_choice("runtime", runtime, ("auto", *RUNTIMES))
    if not place.is_file():
        found = "a folder" if place.is_dir() else "no such file"
        raise BadInput(place, "an exported model", found, "give a file that `masksmith export` wrote")
    kinds = [name for name, suffixes in RUNTIMES.items() if place.suffix.lower() in suffixes]
    if not kinds:
        known = ", ".join(sorted({suffix for suffixes in RUNTIMES.values() for suffix in suffixes}))
        raise BadInput(place, f"a model ({known})", f"a file of kind {place.suffix!r}", "export it: masksmith export")
    if runtime == "auto":
        runtime = kinds[0]
    if runtime not in kinds:
        raise UsageProblem(f"{place}: {runtime} opens {' and '.join(RUNTIMES[runtime])}; take {' or '.join(kinds)}")
    return _OPENERS[runtime](place, threads)


def _with_onnxruntime(place: Path, threads: int) -> Model:
    try:
        import onnxruntime as ort
    except ImportError:
        raise _missing("onnxruntime", "runtime") from None
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(os.fspath(place), options, providers=["CPUExecutionProvider"])
    except Exception as fault:  # the runtime's own classes derive from Exception and are not public
        raise _refused(place, str(fault)) from None
    shapes = [
        (given.name, [side if isinstance(side, int) else None for side in given.shape], _onnx_type(given.type))
        for given in session.get_inputs()
    ]
    names = [name for name, _, _ in shapes]
    first = [session.get_outputs()[0].name]

    def raw(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return session.run(first, dict(zip(names, values, strict=True)))[0]

    meta = _meta(place, session.get_modelmeta().custom_metadata_map.get(META))
    return Model(place, "onnxruntime", _inputs(place, shapes, meta), raw, meta)


def _with_openvino(place: Path, threads: int) -> Model:
    try:
        import openvino
    except ImportError:
        raise _missing("openvino", "export") from None
    core = openvino.Core()
    # bfloat16 where the processor has it would be another model than the one that was checked
    how = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    how |= {"INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
    try:
        network = core.read_model(os.fspath(place))
        compiled = core.compile_model(network, "CPU", how)
    except Exception as fault:
        raise _refused(place, str(fault)) from None
    shapes = [
        (
            given.any_name,
            [side.get_length() if side.is_static else None for side in given.partial_shape],
            _KNOWN_TYPES.get(given.element_type.to_string(), np.dtype(given.element_type.to_dtype()).name),
        )
        for given in network.inputs
    ]
    request = compiled.create_infer_request()

    def raw(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        # handing the arrays to infer() is looked through in Python each time: a twentieth of a small network's time
        for number, value in enumerate(values):
            request.set_input_tensor(number, openvino.Tensor(np.ascontiguousarray(value), shared_memory=True))
        request.infer(share_outputs=True)
        return request.get_output_tensor(0).data.copy()

    text = None
    if network.has_rt_info(["masksmith", "json"]):
        text = str(network.get_rt_info(["masksmith", "json"]).astype(str))
    elif network.has_rt_info(["framework", META]):  # where an ONNX file was read
        text = str(network.get_rt_info(["framework", META]).astype(str))
    meta = _meta(place, text)
    return Model(place, "openvino", _inputs(place, shapes, meta), raw, meta)


def _with_litert(place: Path, threads: int) -> Model:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise _missing("ai-edge-litert", "export") from None
    try:
        interpreter = Interpreter(model_content=place.read_bytes(), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as fault:
        raise _refused(place, str(fault)) from None
    details = interpreter.get_input_details()
    shapes = [
        (
            given["name"],
            [int(side) if side > 0 else None for side in given["shape_signature"]],
            np.dtype(given["dtype"]).name,
        )
        for given in details
    ]
    places = [given["index"] for given in details]
    first = interpreter.get_output_details()[0]["index"]

    def raw(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        for index, value in zip(places, values, strict=True):
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        return interpreter.get_tensor(first)

    meta = _meta(place, _beside(place))
    return Model(place, "litert", _inputs(place, shapes, meta), raw, meta)


def _with_torch(place: Path, threads: int) -> Model:
    try:
        import torch
    except ImportError:
        raise EnvironmentFault("torch is not installed; pip install torch, or export to onnx") from None
    extra = {META: ""}
    try:
        script = torch.jit.load(os.fspath(place), map_location="cpu", _extra_files=extra)
    except (RuntimeError, ValueError) as fault:
        raise _refused(place, str(fault)) from None
    torch.set_num_threads(threads)
    meta = _meta(place, extra[META] or None)
    size = meta.get("size")
    if not size or "inputs" not in meta:
        raise BadInput(place, "a TorchScript file of `masksmith export`", "one without its notes", "export it again")
    free = bool(meta.get("dynamic"))
    shapes: list[tuple[str, list[int | None], str]] = []
    for name in meta["inputs"]:
        height, width = (None, None) if free else size
        channels = 3 if name == "image" else 1
        nhwc = meta.get("layout") == "nhwc"
        batch = None if free else 1
        shape = [batch, height, width, channels] if nhwc else [batch, channels, height, width]
        shapes.append((name, shape, str(meta.get("dtype", "float32")) if name == "image" else "float32"))

    def raw(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        with torch.inference_mode():
            return script(*(torch.from_numpy(value) for value in values)).numpy()

    return Model(place, "torch", _inputs(place, shapes, meta), raw, meta)


_OPENERS: dict[str, Callable[[Path, int], Model]] = {
    "onnxruntime": _with_onnxruntime,
    "openvino": _with_openvino,
    "litert": _with_litert,
    "torch": _with_torch,
}


def _inputs(
    place: Path, shapes: Sequence[tuple[str, Sequence[int | None], str]], meta: Mapping[str, Any]
) -> list[Input]:
    """Which input is the image and which the prior, told by their channels.

    Raises:
        BadInput: others than one image and at most one prior.
    """
    made: list[Input] = []
    for name, shape, dtype in shapes:
        layout = str(meta.get("layout") or ("nchw" if len(shape) == 4 and shape[1] in (1, 3) else "nhwc"))
        channels = shape[1 if layout == "nchw" else 3] if len(shape) == 4 else None
        kind = {3: "image", 1: "prior"}.get(channels or 0, "")
        made.append(Input(name, tuple(shape), dtype, kind, layout))
    kinds = sorted(given.kind for given in made)
    if kinds not in (["image"], ["image", "prior"]):
        listed = "; ".join(f"{given.name} {list(given.shape)}" for given in made[:4])
        found = f"{counted(len(made), 'input')} ({listed}{', ...' if len(made) > 4 else ''})"
        raise BadInput(
            place, "an image (3 channels) and at most one prior (1 channel)", found, "export it with those inputs"
        )
    return made


def _meta(place: Path, text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadInput(place, "its description as JSON", "something else", "export it again")
    return found


def _beside(place: Path) -> str | None:
    """The description of a TFLite file, from the card that `masksmith export` writes beside it."""
    card = place.with_name(place.name + ".json")
    if not card.is_file():
        return None
    try:
        return json.dumps(json.loads(card.read_text()).get("meta") or {})
    except (ValueError, AttributeError):
        raise BadInput(card, "a model card", "something else", "export it again") from None


def _onnx_type(text: str) -> str:
    inner = text.removeprefix("tensor(").removesuffix(")")
    return _KNOWN_TYPES.get(inner, inner)


def _missing(package: str, extra: str) -> EnvironmentFault:
    return EnvironmentFault(f"{package} is not installed; pip install 'masksmith[{extra}]'")


def _refused(place: Path, text: str) -> BadInput:
    """The runtime's refusal in one line; an operator it does not know is named."""
    import re

    patterns = (
        r"Could not find an implementation for (?:the node )?\S*?:?([A-Z]\w+)\(",
        r"[Nn]o [Oo]p registered for (\w+)",
        r"(\w+)\(-?\d+\) is not a registered function/op",
        r"No translator found for (\w+) node",
        r"No conversion rule found for operations: ([\w.]+)",
        r"unresolved custom op: (\w+)",
        r"operation (?:set )?\"?(\w+)\"? is not supported",
        r"not supported.*?:\s*([\w.]+)\b",
    )
    for pattern in patterns:
        match = re.search(pattern, text)
        if match:
            name = match.group(1)
            return BadInput(
                place, "operators that the runtime knows", f"the unsupported {name}", "try another --runtime"
            )
    # OpenVINO begins with places in its own source
    lines = [part.strip() for part in text.splitlines() if part.strip() and not part.startswith("Exception from")]
    line = lines[0] if lines else "no reason given"
    return BadInput(place, "a whole model file", f"one that does not load ({line[:160]})", "export or copy it again")
