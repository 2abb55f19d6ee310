"""What a model file costs before it runs, counted by hand on small files."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.effort import of_file

onnx = pytest.importorskip("onnx", reason="onnx is not installed")


def file(place, nodes, weights, side=8, free=False):
    """Convolutions on (1, 3, side, side)."""
    helper = onnx.helper
    sides = ["h", "w"] if free else [side, side]
    given = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, *sides])
    made = helper.make_tensor_value_info("found", onnx.TensorProto.FLOAT, None)
    held = [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()]
    graph = helper.make_graph(nodes, "net", [given], [made], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), place)
    return place


def test_multiply_adds_count_twice_and_groups_once(tmp_path):
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["image", "a"], ["half"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Conv", ["half", "b"], ["deep"], group=4, pads=[1, 1, 1, 1]),
        node("Relu", ["deep"], ["lit"]),
        node("ConvTranspose", ["lit", "c"], ["found"], strides=[2, 2]),
    ]
    place = file(tmp_path / "m.onnx", nodes, {"a": (4, 3, 3, 3), "b": (4, 1, 3, 3), "c": (4, 1, 2, 2)})
    found = of_file(place)
    assert found.params == 4 * 27 + 4 * 9 + 4 * 4
    assert found.flops == 2 * (4 * 16 * 27 + 4 * 16 * 9 + 4 * 16 * 4)
    assert found.size_bytes == place.stat().st_size


def test_a_size_that_is_left_open_has_parameters_but_no_operations(tmp_path):
    node = onnx.helper.make_node("Conv", ["image", "a"], ["found"])
    found = of_file(file(tmp_path / "m.onnx", [node], {"a": (2, 3, 1, 1)}, free=True))
    assert (found.params, found.flops) == (6, None)


def test_what_a_file_says_of_itself_is_not_counted_again(tmp_path):
    (tmp_path / "m.pt").write_bytes(bytes(7))
    told = of_file(tmp_path / "m.pt", {"params": 5, "flops": 9})
    assert (told.params, told.flops, told.size_bytes) == (5, 9, 7)
    untold = of_file(tmp_path / "m.pt")
    assert (untold.params, untold.flops, untold.size_bytes) == (None, None, 7)


def test_the_weights_of_openvino_lie_beside_its_file(tmp_path):
    (tmp_path / "m.xml").write_bytes(bytes(3))
    (tmp_path / "m.bin").write_bytes(bytes(40))
    assert of_file(tmp_path / "m.xml").size_bytes == 43


@pytest.mark.data
def test_a_published_file_is_counted_like_its_papers_say(real_data):
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    found = of_file(real_data / "peers" / "selfie_segmentation.tflite")
    assert 90_000 < found.params < 130_000
    assert 100e6 < found.flops < 160e6
