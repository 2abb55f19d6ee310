"""TFLite files for browsers, written without the converter."""

import json

import numpy as np
import pytest

from masksmith.errors import BadInput
from masksmith.runtimes import open_model
from masksmith.seeds import rng
from tests.evaluation.typed import run
from trainers.export import web

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")


@pytest.mark.parametrize("model", ["portrait_lcnet", "portrait_lcnet_noprior"])
def test_the_file_for_browsers_answers_as_pytorch_does(tmp_path, capsys, model):
    path = tmp_path / "net.tflite"
    given = ["--model", model, "--random", "--for", "web", "--size", "64", "--latency", "0", "--json"]
    assert run("export", *given, "--out", path) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["check"]["max_error"] < 2e-4
    opened = open_model(path)
    assert (opened.runtime, opened.size, opened.image.layout) == ("litert", (64, 64), "nhwc")
    assert ("prior" in opened.meta["inputs"]) == (opened.prior is not None)


@pytest.mark.parametrize("model", ["portrait_mnv3", "peopleseg_deeplab", "fastlinknet"])
def test_networks_with_other_operators_are_written_too(tmp_path, capsys, model):
    path = tmp_path / "net.tflite"
    given = ["--model", model, "--random", "--for", "web", "--size", "64", "--latency", "0", "--json"]
    assert run("export", *given, "--out", path) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["check"]["max_error"] < 1e-3
    assert card["writer"] == "operator by operator"


def test_without_the_converter_a_file_is_written_all_the_same_and_that_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MASKSMITH_TFLITE_ENV", str(tmp_path / "absent"))
    given = ["--model", "portrait_lcnet", "--random", "--to", "tflite", "--size", "64", "--latency", "0"]
    assert run("export", *given, "--out", tmp_path / "net.tflite", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["writer"] == "operator by operator"
    assert "make tflite-env" in told.err


def test_the_same_weights_give_the_same_bytes_and_a_mask_that_follows_the_prior(tmp_path):
    paths = [tmp_path / name for name in ("a.tflite", "b.tflite", "c.onnx")]
    given = ["export", "--model", "portrait_lcnet", "--random", "--size", "64", "--latency", "0"]
    for path in paths[:2]:
        assert run(*given, "--for", "web", "--out", path) == 0
    assert run(*given, "--out", paths[2]) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    picture, prior = rng(0, "picture").integers(0, 256, (64, 64, 3), np.uint8), np.zeros((64, 64), np.float32)
    prior[:, :32] = 1
    found = []
    for path in (paths[0], paths[2]):
        model = open_model(path)
        found.append(model.run(model.prepare(picture), model.prepare_prior(prior)))
        assert np.abs(found[-1] - model.run(model.prepare(picture))).max() > 1e-4
    assert np.allclose(*found, atol=2e-4)


def test_an_operator_that_is_not_written_is_named():
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in ("image", "found")]
    graph = helper.make_graph([helper.make_node("Erf", ["image"], ["found"])], "net", ends[:1], ends[1:])
    with pytest.raises(BadInput, match="Erf"):
        web.write(onnx.helper.make_model(graph), {})


def test_what_the_page_does_itself_is_not_put_into_the_file(tmp_path, capsys):
    given = ["--model", "portrait_lcnet", "--random", "--for", "web", "--out", tmp_path / "net.tflite"]
    assert run("export", *given, "--with-post") == 2
    assert "the page" in capsys.readouterr().err
    assert not (tmp_path / "net.tflite").exists()
