"""``masksmith predict`` on pictures, folders, videos and cameras."""

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from masksmith.frames import Video
from masksmith.images import encode_jpeg, encode_png, read_image, read_mask
from masksmith.video import write_video
from tests.evaluation.typed import run
from tests.masksmith.tiny import brightness

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return brightness(tmp_path_factory.mktemp("model") / "bright.onnx", prior=False)


@pytest.fixture(scope="module")
def carrying(tmp_path_factory):
    return brightness(tmp_path_factory.mktemp("model") / "carrying.onnx")


def halves(height=48, width=64, level=255):
    """Black on the left, bright on the right."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = level
    return image


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / "a.png").write_bytes(encode_png(halves()))
    (folder / "more" / "b.jpg").write_bytes(encode_jpeg(halves(90, 70)))
    return folder


@pytest.fixture
def film(tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (64, 96, 3), dtype=np.uint8) for _ in range(40)]
    write_video(tmp_path / "film.mp4", noise, 30)
    return tmp_path / "film.mp4"


def test_a_folder_gets_a_mask_for_each_picture_under_its_own_name(model, photos, tmp_path, capsys):
    assert run("predict", model, photos, "--out", tmp_path / "out", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["frames"], found["kept"], found["fault"]) == (2, 0, "")
    first, second = (read_mask(tmp_path / "out" / "masks" / name) for name in ("a.png", "more/b.png"))
    assert (first.shape, second.shape) == ((48, 64), (90, 70))
    assert set(np.unique(first)) == {0, 255}
    assert ((first > 0) == (halves()[..., 0] > 0)).mean() > 0.98


def test_every_kind_of_output_shows_what_it_says(model, photos, tmp_path):
    kinds = "masks,soft,overlay,cutout,background"
    out = tmp_path / "out"
    words = ("--write", kinds, "--background", "#0000ff", "--colour", "red", "--ids", "--no-sharp")
    assert run("predict", model, photos, "--out", out, *words) == 0
    assert set(np.unique(read_mask(out / "masks" / "a.png"))) == {0, 1}
    soft = read_mask(out / "soft" / "a.png")
    assert soft[24, 4] == 0 and soft[24, 60] == 255
    overlay = read_image(out / "overlay" / "a.jpg").astype(int)
    assert overlay[24, 60] == pytest.approx([255, 127, 127], abs=8)
    assert overlay[24, 4].max() < 8
    replaced = read_image(out / "background" / "a.jpg").astype(int)
    assert replaced[24, 4] == pytest.approx([0, 0, 255], abs=8)
    assert replaced[24, 60].min() > 247
    cut = cv2.imread(str(out / "cutout" / "a.png"), cv2.IMREAD_UNCHANGED)
    assert cut.shape == (48, 64, 4)
    assert (cut[..., 3] == soft).all()


def test_a_blurred_background_has_no_halo_of_the_foreground(model, tmp_path):
    scene = halves(120, 160)
    scene[:, :80] = (0, 0, 90)
    (tmp_path / "a.png").write_bytes(encode_png(scene))
    assert run("predict", model, tmp_path / "a.png", "--background", "blur", "--out", tmp_path / "b.png") == 0
    assert np.abs(read_image(tmp_path / "b.png").astype(int) - scene)[:, :70].max() < 12


def test_a_picture_as_background_is_cut_to_the_frame(model, photos, tmp_path):
    (tmp_path / "sky.png").write_bytes(encode_png(np.full((30, 500, 3), (10, 200, 30), np.uint8)))
    out = tmp_path / "out.png"
    assert run("predict", model, photos / "a.png", "--background", tmp_path / "sky.png", "--out", out) == 0
    assert read_image(out)[24, 4] == pytest.approx([10, 200, 30], abs=2)


def test_a_folder_is_gone_on_with_and_another_prediction_is_refused(model, carrying, photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("predict", model, photos, "--out", out, "--json") == 0
    (out / "masks" / "a.png").unlink()
    for older in (out / "masks").rglob("b.png"):
        os.utime(older, (0, 0))
    capsys.readouterr()
    assert run("predict", model, photos, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 2  # the one that is gone, and the one that is older
    assert run("predict", model, photos, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 2
    for words in ((carrying, photos), (model, photos, "--threshold", "0.7"), (model, photos / "more")):
        assert run("predict", *words, "--out", out) == 3
        assert "those of another one" in capsys.readouterr().err
    assert run("predict", carrying, photos, "--out", out, "--overwrite") == 0


def test_pictures_that_cannot_be_read_are_named_and_the_others_done(model, photos, tmp_path, capsys):
    (photos / "cut.png").write_bytes(encode_png(halves())[:60])
    assert run("predict", model, photos, "--out", tmp_path / "out") == 3
    said = capsys.readouterr().err
    assert "cut.png" in said and "1 of 3 pictures" in said
    assert sorted(path.name for path in (tmp_path / "out" / "masks").rglob("*.png")) == ["a.png", "b.png"]


def test_a_video_carries_the_mask_from_frame_to_frame(carrying, tmp_path):
    write_video(tmp_path / "white.mp4", [np.full((48, 64, 3), 255, np.uint8)] * 4)
    for words, levels in (((), [128, 191, 223, 239]), (("--no-prior",), [128] * 4)):
        out = tmp_path / f"out{len(words)}"
        assert run("predict", carrying, tmp_path / "white.mp4", "--write", "soft", "--out", out, *words) == 0
        found = [int(read_mask(path).mean()) for path in sorted((out / "soft").iterdir())]
        assert found == pytest.approx(levels, abs=2)


def test_pictures_of_a_clip_are_taken_in_natural_order(carrying, tmp_path):
    (tmp_path / "clip").mkdir()
    for number in (2, 10, 1):
        level = 0 if number == 10 else 255
        (tmp_path / "clip" / f"f{number}.png").write_bytes(encode_png(np.full((8, 8, 3), level, np.uint8)))
    out = tmp_path / "out"
    assert run("predict", carrying, tmp_path / "clip", "--clip", "--write", "soft", "--out", out) == 0
    last = read_mask(out / "soft" / "f10.png").mean()
    assert last == pytest.approx(255 * 0.375, abs=2)  # dark after two bright ones, not between them


def test_films_have_the_frames_and_the_rate_of_the_video(model, film, tmp_path):
    out = tmp_path / "out"
    assert run("predict", model, film, "--write", "overlay,background", "--out", out, "--frames", 12) == 0
    for name in ("overlay.mp4", "background.mp4"):
        video = Video(out / name)
        assert video.fps == pytest.approx(30)
        assert [frame.shape for frame in video] == [(64, 96, 3)] * 12
        assert video.fault == ""
    assert run("predict", model, film, "--background", "blur", "--out", tmp_path / "one.mp4", "--frames", 5) == 0
    assert len(list(Video(tmp_path / "one.mp4"))) == 5


def test_skipped_frames_are_told(model, tmp_path, capsys):
    write_video(tmp_path / "still.mp4", [halves()] * 50)
    words = ("--skip", 80, "--mp4", "--json", "--out", tmp_path / "out")
    assert run("predict", model, tmp_path / "still.mp4", *words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["frames"] == 50
    assert 30 <= found["predicted"] < 50


def cut(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    return path


def repacked(source, target, **how):
    with av.open(str(source)) as given, av.open(str(target), "w", options=how) as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    return target


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_a_video_that_ends_in_the_middle_of_a_frame_keeps_what_was_decoded(model, film, tmp_path, capsys, name):
    (tmp_path / "cut").mkdir()
    short = cut(repacked(film, tmp_path / "cut" / name, **({"movflags": "faststart"} if "mp4" in name else {})), 0.5)
    out = tmp_path / "out"
    assert run("predict", model, short, "--write", "masks,overlay", "--out", out, "--json") == 3
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert 10 <= found["frames"] < 30
    assert len(list((out / "masks").iterdir())) == len(list(Video(out / "overlay.mp4"))) == found["frames"]
    assert f"{found['frames']} of 40 frames: the file" in shown.err
    assert name in shown.err


def test_a_video_without_its_index_and_a_text_named_as_video_are_refused(model, film, tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("no video")
    for path in (cut(film, 0.5), tmp_path / "text.mp4", tmp_path / "absent.mp4"):
        assert run("predict", model, path, "--out", tmp_path / "out") == 3
        assert path.name in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_camera_that_is_not_there_says_what_to_do(model, tmp_path, capsys):
    for name in ("camera:77", "/dev/video77"):
        assert run("predict", model, name, "--out", tmp_path / "out") == 4
        said = capsys.readouterr().err
        assert "no camera /dev/video77" in said and "plug one in" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--out", "x.gif"), "ending in .png"),
        (("--out", "x.png", "--write", "masks,soft"), "name a folder"),
        (("--out", "x.jpg"), "JPEG would blur"),
        (("--out", "x", "--write", "mask"), "Did you mean 'masks'"),
        (("--out", "x", "--background", "nocolour"), "neither blur"),
        (("--out", "x", "--colour", "#12"), "no colour"),
        (("--out", "x.mp4"), "a film with --clip"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(model, photos, tmp_path, capsys, words, says):
    place = [tmp_path / word if word.startswith("x") else word for word in words]
    assert run("predict", model, photos, *place) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_dry_run_writes_nothing(model, photos, tmp_path, capsys):
    assert run("predict", model, photos, "--out", tmp_path / "out", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_memory_is_flat_as_a_video_grows(model, tmp_path):
    frame = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8), (640, 480))
    peaks = []
    for count in (120, 500):  # the encoder looks sixty frames ahead
        write_video(tmp_path / f"{count}.mp4", (np.roll(frame, k, 1) for k in range(count)))
        code = (
            "import resource, sys; from masksmith.cli import main; main(sys.argv[1:]); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        words = ["predict", str(model), str(tmp_path / f"{count}.mp4"), "--out", str(tmp_path / f"{count}-b.mp4")]
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT, check=True
        )
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 30
