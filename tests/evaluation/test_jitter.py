"""``masksmith jitter`` with pictures, and the time figures in reports and bars."""

import json
import sys
import time
import types

import cv2
import numpy as np
import pytest

from evaluation import report, temporal
from evaluation.counts import CountsBuilder, count_image
from manifests.manifest import Info, ManifestWriter
from manifests.record import Record
from masksmith import images
from tests.evaluation.typed import run, save

SIZE = (64, 96)


def disc(x, r=14):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return ((columns - x) ** 2 + (rows - 32) ** 2 <= r * r).astype(np.uint8)


@pytest.fixture
def folders(tmp_path):
    noise = np.random.default_rng(5).integers(0, 255, SIZE, dtype=np.uint8)
    pattern = cv2.GaussianBlur(noise, (0, 0), 2)
    for k in range(9):
        save(tmp_path / "pred" / f"f{k}.png", disc(40 + 2 * k, 14 + k % 2) * 255)
        save(tmp_path / "truth" / f"f{k}.png", disc(40 + 2 * k) * 255)
        save(tmp_path / "frames" / f"f{k}.png", np.roll(pattern, 2 * k, 1))
    return tmp_path / "pred", tmp_path / "truth", tmp_path / "frames"


def test_pictures_bring_warp_iou_and_the_document_says_what_it_went_along(folders, capsys):
    pred, truth, frames = folders
    assert run("jitter", pred, truth, "--frames", frames, "--json") == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert told["motion"] == told["clips"][0]["motion"] == "dis"
    assert 0.8 < told["warp_iou"] < 0.95  # the disc grows and shrinks by a pixel
    assert told["boundary_jitter_px"] == pytest.approx(1, abs=0.3)
    assert 0 < told["boundary_flip_rate"] < 1 and 0 < told["vc8"] < 1
    assert (told["vc16"], told["undefined_clips"]["vc16"]) == (None, 1)
    assert "optical flow (dis)" in shown.err and "vc16 is undefined in 1 of 1 clips" in shown.err
    assert run("jitter", truth, truth, "--frames", frames, "--flow", "farneback", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["motion"], told["boundary_jitter_px"], told["vc8"]) == ("farneback", 0, 1)
    assert told["warp_iou"] > 0.95


def test_without_pictures_warp_iou_is_left_out_and_that_is_said(folders, capsys):
    assert run("jitter", *folders[:2], "--json") == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert (told["warp_iou"], told["motion"]) == (None, "identity")
    assert told["boundary_jitter_px"] > 0
    assert "warp_iou is left out" in shown.err
    assert run("jitter", *folders[:2]) == 0
    assert "warp_iou" not in capsys.readouterr().out


def test_without_truth_pictures_give_flicker_and_warp_iou(folders, capsys):
    assert run("jitter", folders[0], "--frames", folders[2], "--json") == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert told["warp_iou"] > 0.8 and told["boundary_jitter_px"] is None
    assert "flicker and warp_iou only" in shown.err


def test_pictures_of_another_size_are_refused_unless_a_size_is_chosen(folders, capsys):
    pred, truth, frames = folders
    for path in frames.iterdir():
        save(path, cv2.resize(cv2.imread(str(path)), (192, 128)))
    assert run("jitter", pred, truth, "--frames", frames) == 3
    assert "expected 96 x 64 pixels (width x height) as in the mask, found 192 x 128" in capsys.readouterr().err
    assert run("jitter", pred, truth, "--frames", frames, "--at", "truth", "--json") == 0
    assert json.loads(capsys.readouterr().out)["warp_iou"] > 0.8
    assert run("jitter", pred, "--frames", frames, "--at", "pred") == 0
    assert run("jitter", pred, "--at", "pred") == 2


def test_a_missing_picture_is_named(folders, capsys):
    (folders[2] / "f3.png").unlink()
    assert run("jitter", *folders[:2], "--frames", folders[2]) == 3
    assert "1 missing: f3" in capsys.readouterr().err


def test_the_band_can_be_chosen_and_unknown_flows_are_refused(folders, capsys):
    assert run("jitter", *folders[:2], "--band", 5, "--json") == 0
    assert json.loads(capsys.readouterr().out)["clips"][0]["band_px"] == 5
    assert run("jitter", *folders[:2], "--band", 0) == 2
    assert run("jitter", *folders[:2], "--flow", "dish") == 2
    assert "Did you mean 'dis'" in capsys.readouterr().err


def counted():
    builder = CountsBuilder()
    builder.add("a", count_image(disc(40), disc(41)))
    return builder.build()


def test_the_report_holds_the_figures_the_motion_and_what_is_undefined(tmp_path):
    judge = temporal.ClipJudge("walk")
    for k in range(9):
        judge.update(disc(40 + k % 2), disc(40))
    time = temporal.summarise([judge.figures()])
    made = report.document(counted(), time=time, headline="vc8")
    assert made["headline"]["value"] == made["vc8"] == time["vc8"]
    assert (made["motion"], made["undefined_clips"]["vc16"]) == ("identity", 1)
    page = report.write(tmp_path, made, counted())["html"].read_text()
    assert "boundary_jitter_px" in page and "no motion was given" in page


def test_counts_that_were_written_before_these_figures_still_make_a_report(tmp_path):
    judge = temporal.ClipJudge("walk")
    for _ in range(3):
        judge.update(disc(40), disc(40))
    time = temporal.summarise([judge.figures()])
    old = {name: time[name] for name in ("flicker", "flicker_excess", "dtssd", "intervals", "left_out")}
    old["clips"] = [{name: time["clips"][0][name] for name in ("clip", "frames", "flicker", "dtssd")}]
    made = report.document(counted(), time=old)
    assert "warp_iou" not in made
    assert report.write(tmp_path, made, counted())["html"].exists()


class Bright:
    """Stands for a trained network: foreground is what is bright."""

    inputs = ("image",)

    def __init__(self, path, device="cpu"):
        pass

    def batch(self, images):
        return [np.where(image[..., 0] > 127, 0.9, 0.1).astype(np.float32) for image in images]


@pytest.fixture
def clips(tmp_path, monkeypatch):
    fake = types.ModuleType("trainers.predict")
    fake.Predictor = Bright
    monkeypatch.setitem(sys.modules, "trainers.predict", fake)
    pattern = cv2.GaussianBlur(np.random.default_rng(2).integers(0, 255, SIZE, dtype=np.uint8), (0, 0), 2)
    (tmp_path / "run").mkdir()
    with ManifestWriter(tmp_path / "data", Info("street", classes={"background": 0, "person": 1})) as writer:
        for clip in "ab":
            for k in range(5):
                name, mask = f"{clip}{k}", disc(40 + 2 * k)
                texture = np.roll(pattern, 2 * k, 1)
                picture = np.where(mask > 0, 150 + texture // 4, texture // 4).astype(np.uint8)
                save(tmp_path / "data" / f"images/{name}.png", picture)
                save(tmp_path / "data" / f"masks/{name}.png", mask)
                writer.add(Record(name, f"images/{name}.png", f"masks/{name}.png", 96, 64, clip=clip, frame=k))
    return tmp_path / "run", tmp_path / "data"


def test_a_model_is_judged_along_the_flow_of_its_images_where_that_is_asked_for(clips, tmp_path, capsys):
    words = ("evaluate", "--model", clips[0], "--data", clips[1], "--json")
    assert run(*words) == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert (told["motion"], told["warp_iou"], told["boundary_jitter_px"]) == ("identity", None, 0)
    assert "warp_iou is left out" in shown.err
    assert run(*words, "--flow", "dis", "--out", tmp_path / "out", "--fail-under", "warp_iou=0.9") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["motion"], [clip["clip"] for clip in told["clips"]]) == ("dis", ["a", "b"])
    assert told["warp_iou"] > 0.9 and told["boundary_jitter_px"] == pytest.approx(0, abs=1e-4)
    assert "optical flow (dis)" in (tmp_path / "out" / "report.html").read_text()
    assert run(*words, "--fail-over", "warp_iou=0.9") == 2
    assert run(*words, "--fail-under", "boundary_jitter_px=1") == 2
    assert run(*words, "--flow", "dish") == 2


def test_a_model_is_judged_along_known_motion_that_must_be_there_for_all_but_first_frames(clips, tmp_path, capsys):
    back = np.zeros((*SIZE, 2), np.float32)
    back[..., 0] = -2  # what goes two pixels to the right was two pixels to the left
    (tmp_path / "motion").mkdir()
    for clip in "ab":
        for k in range(1, 5):
            np.savez(tmp_path / "motion" / f"{clip}{k}.npz", backward=back)
    words = ("evaluate", "--model", clips[0], "--data", clips[1], "--json", "--motion", tmp_path / "motion")
    assert run(*words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["motion"], told["warp_iou"], told["boundary_jitter_px"]) == ("known", 1, 0)
    assert [clip["motion"] for clip in told["clips"]] == ["known", "known"]
    assert told["facts"]["Motion of clips"].startswith("known")
    assert run(*words, "--flow", "dis") == 2
    (tmp_path / "motion" / "b3.npz").unlink()
    assert run(*words) == 3
    assert "none named b3" in capsys.readouterr().err


@pytest.mark.data
def test_a_dancer_is_steadier_than_the_same_masks_shaken(real_data, tmp_path, capsys):
    davis = real_data / "video" / "DAVIS2016"
    masks = sorted((davis / "Annotations" / "480p" / "dance-twirl").glob("*.png"))[:10]
    for k, path in enumerate(masks):
        mask = images.read_mask(path)
        picture = images.read_image(davis / "JPEGImages" / "480p" / "dance-twirl" / f"{path.stem}.jpg")
        small = images.resize_mask(mask, 240, 427)
        save(tmp_path / "truth" / path.name, small)
        save(tmp_path / "shaken" / path.name, np.roll(small, 3 * (k % 2), 1))
        save(tmp_path / "frames" / path.name, images.resize_image(picture, 240, 427)[..., ::-1])
    found = []
    for pred in ("truth", "shaken"):
        assert run("jitter", tmp_path / pred, tmp_path / "truth", "--frames", tmp_path / "frames", "--json") == 0
        found.append(json.loads(capsys.readouterr().out))
    calm, shaken = found
    assert (calm["boundary_jitter_px"], calm["boundary_flip_rate"], calm["vc8"]) == (0, 0, 1)
    assert calm["warp_iou"] > shaken["warp_iou"] + 0.05
    assert 0.5 < shaken["boundary_jitter_px"] < 3
    assert calm["warp_iou"] > 1 - calm["flicker"]  # the flow explains part of the change


@pytest.mark.slow
@pytest.mark.data
def test_flow_over_a_whole_davis_clip_keeps_the_dancer_together(real_data, capsys):
    davis = real_data / "video" / "DAVIS2016"
    truth = davis / "Annotations" / "480p"
    assert run("jitter", truth, truth, "--frames", davis / "JPEGImages" / "480p", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["boundary_jitter_px"], told["vc16"]) == (90, 0, 1)
    assert told["warp_iou"] > 1 - told["flicker"]


@pytest.mark.slow
@pytest.mark.data
def test_three_hundred_frames_of_480p_take_less_than_ten_seconds(real_data, tmp_path, capsys):
    files = sorted((real_data / "video" / "DAVIS2016" / "Annotations" / "480p" / "dance-twirl").glob("*.png"))
    for k in range(300):
        mask = images.read_mask(files[k % 90])
        save(tmp_path / "truth" / f"{k:05}.png", mask)
        save(tmp_path / "pred" / f"{k:05}.png", np.roll(mask, k % 3, 1))
    start = time.process_time()
    assert run("jitter", tmp_path / "pred", tmp_path / "truth", "--json") == 0
    assert time.process_time() - start < 10
    assert json.loads(capsys.readouterr().out)["frames"] == 300
