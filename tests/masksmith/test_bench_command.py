"""``masksmith bench speed`` as it is typed: rows, ratios, sizes, pictures, and what is refused."""

from __future__ import annotations

import json

import pytest

from tests.evaluation.typed import run
from tests.masksmith.tiny import brightness

FAST = ("--runs", "10", "--warm-up", "1", "--no-memory", "--clock", "cpu")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return brightness(folder / "with.onnx"), brightness(folder / "plain.onnx", 64, prior=False)


def bench(capsys, *words):
    assert run("bench", "speed", *words, *FAST, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_every_model_has_a_row_in_each_runtime_that_opens_it(models, capsys):
    found = bench(capsys, *models)
    rows = found["rows"]
    assert [(row["model"], row["runtime"]) for row in rows] == [
        (name, runtime) for name in ("with.onnx", "plain.onnx") for runtime in ("onnxruntime", "openvino")
    ]
    assert [row["input"] for row in rows[::2]] == ["32x32 + prior", "64x64"]
    for row in rows:
        assert row["fps"] == pytest.approx(1000 / row["median_ms"])
        assert row["min_ms"] <= row["median_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert (row["runs"], row["peak_mb"], row["form"]) == (10, None, "as given")
    assert (found["threads"], found["clock"], found["cpu_quota"]) == (1, "cpu", None)


def test_ratios_are_to_the_model_that_is_named(models, capsys):
    given = ("--runtimes", "onnxruntime", "--against", "plain.onnx")
    first, second = bench(capsys, *models, *given)["rows"]
    assert second["ratio"] == 1
    assert first["ratio"] == pytest.approx(first["fps"] / second["fps"])
    assert first["ratio_to"] == "plain.onnx"
    assert run("bench", "speed", *models, "--against", "plane.onnx", *FAST) == 2
    assert "plain.onnx" in capsys.readouterr().err


def test_iou_stands_in_its_row_and_in_the_picture(models, tmp_path, capsys):
    place = tmp_path / "plot.svg"
    given = ("--runtimes", "onnxruntime", "--iou", "with.onnx=0.91", "--iou", "absent=0.5", "--plot", place)
    assert run("bench", "speed", *models, *given, *FAST, "--json") == 0
    told = capsys.readouterr()
    assert [row["iou"] for row in json.loads(told.out)["rows"]] == [0.91, None]
    assert "no model is called absent" in told.err
    assert place.read_text().count("with.onnx") >= 1
    assert "plain.onnx" not in place.read_text()


def test_sizes_are_for_models_that_take_any(models, tmp_path, capsys):
    pytest.importorskip("torch", reason="torch is not installed")
    free = tmp_path / "free.onnx"
    given = ("--model", "portrait_lcnet_noprior", "--random", "--dynamic", "--latency", "0")
    assert run("export", *given, "--out", free) == 0
    capsys.readouterr()
    rows = bench(capsys, free, "--runtimes", "onnxruntime", "--sizes", "32,64x96")["rows"]
    assert [row["input"] for row in rows] == ["32x32", "96x64"]
    assert run("bench", "speed", models[0], "--sizes", "64", *FAST) == 2
    assert "takes 32x32 only" in capsys.readouterr().err


def test_random_weights_are_timed_in_litert_too_and_it_is_said_who_wrote_the_file(tmp_path, capsys):
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    given = ("random:portrait_lcnet", "--runtimes", "litert", "--sizes", "32", "--keep", tmp_path / "kept")
    (row,) = bench(capsys, *given)["rows"]
    assert (row["model"], row["runtime"]) == ("portrait_lcnet", "litert")
    assert row["form"] == "exported to tflite, operator by operator"
    assert row["params"] and row["mflops"]
    assert list((tmp_path / "kept").rglob("*.tflite"))


def test_memory_is_that_of_a_process_with_one_model(models, capsys):
    given = ("--runtimes", "onnxruntime", "--runs", "2", "--json")
    assert run("bench", "speed", models[0], *given) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert 20 < row["peak_mb"] < 2000


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["absent.onnx"], 3, "absent.onnx"),
        (["random:portrait_lcnt"], 2, "portrait_lcnet"),
        (["random:portrait_lcnet:gelu"], 2, "relu"),
        (["{0}", "--runtimes", "tensorrt"], 2, "onnxruntime"),
        (["{0}", "--runtimes", "litert"], 3, "onnxruntime"),
        (["{0}", "--core", "999"], 2, "processor 999"),
        (["{0}", "--iou", "with.onnx"], 2, "MODEL=VALUE"),
        (["{0}", "--iou", "with.onnx=1", "--plot", "p.bmp"], 2, "bmp"),
        (["{0}", "--plot", "p.png"], 2, "--iou"),
    ],
)
def test_what_cannot_be_timed_is_refused_before_anything_is(models, capsys, words, code, says):
    assert run("bench", "speed", *(word.format(models[0]) for word in words), *FAST) == code
    told = capsys.readouterr()
    assert says in told.err
    assert told.out == ""
