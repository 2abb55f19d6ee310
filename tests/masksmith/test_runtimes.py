"""Model files opened by their runtime: what is refused, by name, and what each file says of itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masksmith.errors import BadInput, EnvironmentFault, UsageProblem
from masksmith.runtimes import open_model
from tests.evaluation.typed import run
from tests.masksmith.tiny import brightness

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

IMAGE = ("image", [1, 3, 32, 32])


def written(place: Path, inputs: list[tuple[str, list[int]]], node: Any, side: int = 32) -> Path:
    """An ONNX file of one operator."""
    told = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in inputs]
    made = [onnx.helper.make_tensor_value_info("found", onnx.TensorProto.FLOAT, [1, 3, side, side])]
    sets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("odd", 1)]
    graph = onnx.helper.make_graph([node], "net", told, made)
    onnx.save(onnx.helper.make_model(graph, opset_imports=sets, ir_version=8), place)
    return place


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_an_operator_that_the_runtime_does_not_know_is_named(tmp_path, runtime):
    node = onnx.helper.make_node("Wobble", ["image"], ["found"], domain="odd")
    place = written(tmp_path / "odd.onnx", [IMAGE], node)
    with pytest.raises(BadInput, match="Wobble") as refused:
        open_model(place, runtime)
    assert str(place) in str(refused.value)


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ([IMAGE, ("a", [1, 1, 32, 32]), ("b", [1, 1, 32, 32])], r"3 inputs \(image \[1, 3, 32, 32\]; a "),
        ([("a", [1, 1, 32, 32])], r"1 input \(a \[1, 1, 32, 32\]\)"),
        ([IMAGE, ("second", [1, 3, 32, 32])], "2 inputs"),
        ([("image", [1, 4, 32, 32])], r"1 input \(image \[1, 4, 32, 32\]\)"),
        ([("image", [1, 3072])], "1 input"),
    ],
)
def test_other_inputs_than_an_image_and_a_prior_are_listed(tmp_path, inputs, found):
    place = written(tmp_path / "m.onnx", inputs, onnx.helper.make_node("Sum", [name for name, _ in inputs], ["found"]))
    with pytest.raises(BadInput, match=found):
        open_model(place)


def test_a_command_ends_with_the_code_for_bad_input(tmp_path, capsys):
    node = onnx.helper.make_node("Wobble", ["image"], ["found"], domain="odd")
    place = written(tmp_path / "odd.onnx", [IMAGE], node)
    assert run("bench", "speed", place, "--runs", "2", "--no-memory") == 3
    assert "Wobble" in capsys.readouterr().err


def test_arrays_of_another_shape_or_kind_are_told_apart(tmp_path):
    model = open_model(brightness(tmp_path / "b.onnx"))
    image = np.zeros((1, 3, 32, 32), np.float32)
    with pytest.raises(ValueError, match="not 1 x 3 x 32 x 33 float32"):
        model.run(np.zeros((1, 3, 32, 33), np.float32))
    with pytest.raises(ValueError, match="float64"):
        model.run(image.astype(np.float64))
    with pytest.raises(ValueError, match="takes the prior as 1 x 1 x 32 x 32"):
        model.run(image, np.zeros((1, 1, 16, 16), np.float32))
    with pytest.raises(ValueError, match="takes no prior"):
        open_model(brightness(tmp_path / "p.onnx", prior=False)).run(image, np.zeros((1, 1, 32, 32), np.float32))


def test_a_damaged_file_and_a_kind_that_no_runtime_opens_are_refused(tmp_path):
    whole = brightness(tmp_path / "whole.onnx").read_bytes()
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "half.tflite").write_bytes(b"TFL3")
    (tmp_path / "a.h5").write_bytes(b"x")
    for name, says in (("half.onnx", "does not load"), ("half.tflite", "does not load"), ("a.h5", r"\.h5")):
        with pytest.raises(BadInput, match=says):
            open_model(tmp_path / name)
    with pytest.raises(BadInput, match="a folder"):
        open_model(tmp_path)


def test_a_runtime_that_does_not_open_the_file_or_is_unknown_is_a_usage_error(tmp_path):
    place = brightness(tmp_path / "b.onnx")
    with pytest.raises(UsageProblem, match="take onnxruntime or openvino"):
        open_model(place, "litert")
    with pytest.raises(UsageProblem, match="onnxruntime"):
        open_model(place, "onnxrutime")


def test_a_runtime_that_is_not_installed_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EnvironmentFault, match=r"pip install 'masksmith\[export\]'"):
        open_model(brightness(tmp_path / "b.onnx"), "openvino")


def test_the_card_beside_a_tflite_file_that_is_no_card_is_named(tmp_path):
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    given = ["--model", "portrait_lcnet", "--random", "--for", "web", "--size", "32", "--latency", "0"]
    assert run("export", *given, "--out", tmp_path / "n.tflite") == 0
    assert open_model(tmp_path / "n.tflite").meta["model"] == "portrait_lcnet"
    (tmp_path / "n.tflite.json").write_text(json.dumps([1]))
    with pytest.raises(BadInput, match=r"n\.tflite\.json"):
        open_model(tmp_path / "n.tflite")
