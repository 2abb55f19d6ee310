from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evaluation import deployed
from masksmith import images
from masksmith.errors import BadInput
from tests.evaluation.typed import run
from tests.masksmith import small_set, tiny


def test_an_exported_file_is_judged_on_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = small_set.write(tmp_path / "data")
    model = tiny.brightness(tmp_path / "model.onnx", small_set.SIZE, prior=False)
    words = ["--data", data, "--split", "all", "--json"]
    assert run("evaluate", "--model", model, *words, "--out", tmp_path / "out") == 0
    fine = json.loads(capsys.readouterr().out)["iou_fg_dataset"]
    assert fine > 0.95, "the disc is the only bright thing"
    other = tiny.brightness(tmp_path / "other.onnx", 8, prior=False)
    assert run("evaluate", "--model", other, *words) == 0
    assert json.loads(capsys.readouterr().out)["iou_fg_dataset"] < fine, "at 8 x 8 the disc has four pixels"


def test_what_the_network_says_is_what_the_file_says_at_the_pictures_size(tmp_path: Path) -> None:
    network = deployed.Deployed(tiny.brightness(tmp_path / "model.onnx", 16))
    assert network.carries
    picture = np.full((24, 40, 3), 102, np.uint8)
    assert network(picture) == pytest.approx(np.full((24, 40), 0.2), abs=1e-6)
    assert network(picture, np.ones((24, 40), np.float32)) == pytest.approx(np.full((24, 40), 0.7), abs=1e-6)
    assert network.many([picture, picture[:8]])[1].shape == (8, 40)


def test_a_file_of_several_classes_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    path = tiny.brightness(tmp_path / "model.onnx", 16)
    model = onnx.load(path)
    model.metadata_props[0].value = json.dumps({**json.loads(model.metadata_props[0].value), "classes": 4})
    onnx.save(model, path)
    with pytest.raises(BadInput, match="tells 4 classes apart"):
        deployed.Deployed(path)


def test_the_file_names_its_foreground(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    path = tiny.brightness(tmp_path / "model.onnx", 16)
    assert deployed.described(path) == (None, "")
    model = onnx.load(path)
    model.metadata_props[0].value = json.dumps({**json.loads(model.metadata_props[0].value), "foreground": ["lamp"]})
    onnx.save(model, path)
    assert deployed.described(path) == (["lamp"], "")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "silent.onnx")
    assert "the background before the foreground" in deployed.described(tmp_path / "silent.onnx")[1]
    data = small_set.write(tmp_path / "data")
    assert run("evaluate", "--model", path, "--data", data) == 3
    assert "lamp" in capsys.readouterr().err


def test_weights_with_the_suffix_of_a_script_are_no_exported_file(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.save({"weight": torch.ones(2)}, tmp_path / "weights.pt")
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), tmp_path / "script.pt")
    (tmp_path / "noise.pt").write_bytes(images.encode_png(np.zeros((2, 2), np.uint8)))
    told = {path.stem: deployed.is_exported(path) for path in sorted(tmp_path.glob("*.pt"))}
    assert told == {"noise": False, "script": True, "weights": False}
    assert not deployed.is_exported(tmp_path)
