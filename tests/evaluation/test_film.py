"""A model on video, from file to composite: what is counted, and films and models that cannot be measured."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from evaluation import pipeline
from evaluation.pipeline import Film, Reel
from masksmith.errors import BadInput, UsageProblem
from masksmith.runtimes import open_model
from tests.evaluation.typed import run
from tests.masksmith.tiny import brightness


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return brightness(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    av = pytest.importorskip("av", reason="av is not installed")
    place = tmp_path_factory.mktemp("film") / "film.mp4"
    noise = np.random.default_rng(0)
    with av.open(str(place), "w", options={"movflags": "faststart"}) as made:
        stream = made.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(30):
            frame = av.VideoFrame.from_ndarray(noise.integers(0, 256, (64, 96, 3), np.uint8), format="rgb24")
            made.mux(stream.encode(frame))
        made.mux(stream.encode())
    return place


def frames(*sizes: tuple[int, int]) -> list[np.ndarray]:
    return [np.full((*size, 3), 40 * k, np.uint8) for k, size in enumerate(sizes)]


def measured(model: Path, given: list[np.ndarray], **options) -> Reel:
    return pipeline.run(Film(video="clip", model=str(model), **options), open_model(model), iter(given))


def test_each_stage_has_its_time_and_shares_add_up(model):
    reel = measured(model, frames(*[(60, 90)] * 4))
    found = reel.figures("cpu")
    assert (found["frames"], found["predicted"], found["height"], found["width"]) == (4, 4, 60, 90)
    assert found["fps"] == pytest.approx(1000 * 4 / reel.cpu_ms.sum())
    assert sum(row["share"] for row in found["stages"]) == pytest.approx(1)
    assert {row["stage"] for row in found["stages"]} <= set(pipeline.STAGES)


def test_a_frame_that_is_skipped_costs_neither_network_nor_enlarging(model):
    still = frames(*[(60, 90)]) * 40
    reel = measured(model, still, skip=80)
    assert reel.predicted == 30  # the first ones always are
    assert reel.figures()["skip_rate"] == pytest.approx(0.25)
    network = pipeline.STAGES.index("network")
    assert reel.wall_ms[30:, network].max() < reel.wall_ms[1:30, network].min()


def test_frames_decoded_beforehand_are_not_counted(model):
    reel = measured(model, frames(*[(60, 90)] * 3), decoded=True)
    found = reel.figures()
    assert "decode" not in [row["stage"] for row in found["stages"]]
    assert not found["decode_counted"]


def test_the_mask_of_one_frame_goes_into_the_next_unless_it_is_refused(model):
    fed = []
    opened = open_model(model)
    raw = opened.raw
    opened.raw = lambda values: fed.append(float(values[1].mean())) or raw(values)
    for prior in (True, False):
        pipeline.run(Film("clip", str(model), prior=prior), opened, iter([np.full((40, 40, 3), 255, np.uint8)] * 3))
    assert fed == pytest.approx([0, 0.5, 0.75, 0, 0, 0], abs=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (4320, 7680)])
def test_the_smallest_and_the_largest_frames_pass(model, size):
    reel = measured(model, frames(size))
    assert (reel.size, reel.predicted) == (size, 1)


def test_a_frame_of_another_size_is_named(model):
    with pytest.raises(BadInput, match="40 x 50 in frame 2"):
        measured(model, frames((60, 40), (60, 40), (50, 40)))
    with pytest.raises(BadInput, match="a video with frames"):
        measured(model, [])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"frames": 0}, "one frame"), ({"upsample": "cubic"}, "sharp or bilinear"), ({"skip": 101}, "0 to 100")],
)
def test_what_cannot_be_measured_is_refused(wrong, says):
    with pytest.raises(UsageProblem, match=says):
        Film("clip", "model", **wrong)
    with pytest.raises(UsageProblem, match="decoded before"):
        pipeline.measure(Film("clip", "model"), quota=10)


def test_grey_and_transparent_pictures_of_a_folder_are_frames_too(model, tmp_path):
    shape = (40, 48)
    for name, more in (("0.png", ()), ("1.png", (3,)), ("2.png", (4,))):
        cv2.imwrite(str(tmp_path / name), np.full((*shape, *more), 200, np.uint8))
    found = list(pipeline.frames_of(str(tmp_path), 10, None))
    assert [frame.shape for frame in found] == [(*shape, 3)] * 3
    assert [frame.shape for frame in pipeline.frames_of(str(tmp_path), 2, (20, 30))] == [(20, 30, 3)] * 2


def test_the_command_prints_one_document(model, film, capsys):
    given = ["--frames", "40", "--loop", "--at", "48x72", "--skip", "50", "--clock", "cpu", "--json"]
    assert run("bench", "pipeline", film, model, *given) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["frames"], found["height"], found["width"], found["runtime"]) == (40, 48, 72, "onnxruntime")
    assert found["fps"] > 0
    assert found["predicted"] >= 30
    assert found["cpu_quota"] is None


def test_a_quota_stretches_the_time_and_leaves_the_decoder_out(model, film, capsys):
    assert run("bench", "pipeline", film, model, "--frames", "30", "--cpu-quota", "20", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["clock"], found["cpu_quota"], found["decode_counted"]) == ("wall", 20, False)
    assert found["quota_by"]


def test_a_film_that_ends_in_the_middle_of_a_frame_is_refused_with_its_name(model, film, tmp_path, capsys):
    data = film.read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[: len(data) // 2 + 77])
    assert run("bench", "pipeline", tmp_path / "half.mp4", model, "--frames", "60") == 3
    assert "half.mp4" in capsys.readouterr().err
    assert run("bench", "pipeline", tmp_path / "absent.mp4", model) == 3
    assert "absent.mp4" in capsys.readouterr().err
