"""A network small enough to know its answers by heart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest


def brightness(path: Path, size: int = 32, *, prior: bool = True) -> Path:
    """An ONNX file that says how bright a pixel is: the mean of its channels; with a prior, half of it from there."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    from onnx import TensorProto, helper, numpy_helper

    weights = np.full((1, 3, 1, 1), (0.5 if prior else 1.0) / 3, np.float32)
    known = [numpy_helper.from_array(weights, "w")]
    nodes = [helper.make_node("Conv", ["image", "w"], ["grey" if prior else "mask"])]
    given = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])]
    if prior:
        known.append(numpy_helper.from_array(np.array(0.5, np.float32), "half"))
        nodes.append(helper.make_node("Mul", ["prior", "half"], ["kept"]))
        nodes.append(helper.make_node("Add", ["grey", "kept"], ["mask"]))
        given.append(helper.make_tensor_value_info("prior", TensorProto.FLOAT, [1, 1, size, size]))
    made = [helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 1, size, size])]
    model = helper.make_model(
        helper.make_graph(nodes, "brightness", given, made, known), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 9
    note = model.metadata_props.add()
    about = {"model": "brightness", "size": [size, size], "output": "probability"}
    note.key, note.value = "masksmith_json", json.dumps(about)
    onnx.save(model, path)
    return path
