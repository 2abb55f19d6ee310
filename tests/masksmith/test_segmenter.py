"""Masks of stills and streams from an exported network."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from masksmith import Segmenter, upsampling
from masksmith.errors import BadInput
from masksmith.skipping import FrameSkipper
from tests.masksmith.tiny import brightness

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def carrying(tmp_path_factory):
    return brightness(tmp_path_factory.mktemp("model") / "carrying.onnx")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return brightness(tmp_path_factory.mktemp("model") / "plain.onnx", prior=False)


def flat(level, height=48, width=64):
    return np.full((height, width, 3), level, np.uint8)


def test_the_mask_of_one_frame_goes_into_the_next_and_a_new_stream_starts_empty(carrying):
    segmenter = Segmenter(carrying)
    for _ in range(2):
        levels = [float(mask.mean()) for mask in segmenter.stream([flat(255)] * 4)]
        assert levels == pytest.approx([0.5, 0.75, 0.875, 0.9375], abs=1e-5)
    still = segmenter(flat(255))
    assert float(still.mean()) == pytest.approx(0.5, abs=1e-5)
    assert float(segmenter.step(flat(255)).mean()) == pytest.approx(0.96875, abs=1e-5)


def test_without_the_prior_every_frame_stands_alone(carrying):
    levels = [float(mask.mean()) for mask in Segmenter(carrying, prior=False).stream([flat(255)] * 3)]
    assert levels == pytest.approx([0.5] * 3, abs=1e-5)


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (48, 64, 3), (48, 64, 4), (1, 1, 3), (1, 300, 3), (33, 2, 4)])
def test_every_kind_of_picture_gets_a_mask_of_its_own_size(plain, shape):
    mask = Segmenter(plain)(np.full(shape, 102, np.uint8))
    assert mask.shape == shape[:2]
    assert mask.dtype == np.float32
    assert np.allclose(mask, 0.4, atol=1e-3)


def test_an_8k_frame_gets_a_mask_of_its_size(plain):
    frame = np.zeros((4320, 7680, 3), np.uint8)
    frame[:, 3840:] = 255
    mask = Segmenter(plain)(frame)
    assert mask.shape == (4320, 7680)
    assert ((mask > 0.5) == (frame[..., 0] > 0)).mean() > 0.999


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (np.zeros((4, 4, 3), np.float32), "uint8 from 0 to 255, not float32; write"),
        (np.zeros((4, 4, 3), np.uint16), "not uint16"),
        (np.zeros((4, 4, 2), np.uint8), r"not \(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), r"not \(0, 4, 3\)"),
        (np.zeros(12, np.uint8), r"not \(12,\)"),
    ],
)
def test_what_is_no_picture_is_named_and_the_stream_can_go_on(plain, frame, says):
    segmenter = Segmenter(plain)
    segmenter.step(flat(9))
    with pytest.raises(ValueError, match=says):
        segmenter.step(frame)
    assert segmenter.step(flat(9)).shape == (48, 64)
    with pytest.raises(ValueError, match="frame 1: "):
        list(segmenter.stream([flat(9), frame]))


def test_a_change_of_size_in_a_stream_starts_over_and_is_said(carrying):
    said = []
    segmenter = Segmenter(carrying, say=said.append)
    masks = list(segmenter.stream([flat(255), flat(255), flat(255, 30, 40), flat(255, 30, 40)]))
    assert [mask.shape for mask in masks] == [(48, 64)] * 2 + [(30, 40)] * 2
    assert [float(mask.mean()) for mask in masks] == pytest.approx([0.5, 0.75, 0.5, 0.75], abs=1e-5)
    assert len(said) == 1
    assert "frame 2 is 40 x 30, the one before was 64 x 48" in said[0]


def test_skipped_frames_keep_the_mask_before_and_the_network_rests(carrying):
    segmenter = Segmenter(carrying, skip=FrameSkipper(80, warm_up=2))
    frames = [flat(100)] * 6 + [flat(200)]
    masks = list(segmenter.stream(frames))
    assert (segmenter.seen, segmenter.predicted) == (7, 3)
    assert all(mask is masks[1] for mask in masks[2:6])
    assert masks[6] is not masks[1]
    with pytest.raises(ValueError, match="read-only"):
        masks[0][0, 0] = 1


def test_an_alpha_of_zero_predicts_every_frame(plain):
    segmenter = Segmenter(plain, skip=0)
    list(segmenter.stream([flat(1)] * 5))
    assert segmenter.predicted == 5


def test_an_edge_falls_where_the_pictures_edge_is(plain):
    frame = flat(0, 300, 400)
    frame[:, 137:] = 255
    sharp, soft = Segmenter(plain)(frame), Segmenter(plain, sharp=False)(frame)
    truth = frame[..., 0] > 0
    error = lambda mask: float(np.abs(mask - truth).mean())
    assert ((sharp > 0.5) == truth).mean() > 0.997
    assert error(sharp) < 0.5 * error(soft)


@pytest.mark.data
@pytest.mark.parametrize("clip", ["DAVIS2016/JPEGImages DAVIS2016/Annotations", "greenscreen/frames greenscreen/masks"])
def test_on_real_frames_an_edge_aware_mask_is_nearer_the_truth_than_a_bilinear_one(real_data, clip):
    pictures, masks = (sorted((real_data / "video" / side).rglob("*.*")) for side in clip.split())
    pairs = list(zip(pictures, masks, strict=True))[::10]
    assert len(pairs) >= 8
    sharp, bilinear = [], []
    for picture, mask in pairs:
        image = cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB)
        height, width = image.shape[:2]
        truth = cv2.resize(cv2.imread(str(mask), 0), (width, height), interpolation=cv2.INTER_NEAREST) > 127
        small = upsampling.shrink(image, 224, 224)
        # what a network that decides at stride 8 would say at best
        coarse = cv2.resize(truth.astype(np.float32), (28, 28), interpolation=cv2.INTER_AREA)
        soft = cv2.resize(coarse, (224, 224), interpolation=cv2.INTER_LINEAR)
        for found, full in (
            (sharp, upsampling.sharpen(soft, small, image)),
            (bilinear, upsampling.enlarge(soft, height, width)),
        ):
            found.append(((full >= 0.5) & truth).sum() / ((full >= 0.5) | truth).sum())
    assert 1 - np.mean(sharp) < 0.95 * (1 - np.mean(bilinear))


def test_the_segmenter_loads_neither_torch_nor_the_trainers(plain):
    code = (
        "import sys, numpy\nfrom masksmith import Segmenter\n"
        f"Segmenter({str(plain)!r})(numpy.zeros((9, 9, 3), numpy.uint8))\n"
        "sys.exit(str({'torch', 'trainers', 'albumentations', 'av'} & set(sys.modules) or ''))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and done.stderr.strip() == "", done.stderr


def test_a_training_can_be_run_as_it_is(tmp_path):
    from trainers import Predictor, build, save_weights

    network = build("portrait_lcnet", 2, seed=2)
    network.size = (64, 64)
    save_weights(tmp_path / "best.safetensors", network)
    image = cv2.resize(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8), (64, 64))
    segmenter = Segmenter(tmp_path)
    assert segmenter.carries
    expected = Predictor(tmp_path)
    first = expected(image)
    masks = list(segmenter.stream([image, image]))
    assert np.allclose(masks[0], first, atol=1e-5)
    assert np.allclose(masks[1], expected(image, first), atol=1e-5)


def test_what_is_no_model_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    for name in ("notes.txt", "broken.onnx", "absent.onnx"):
        with pytest.raises(BadInput, match=name):
            Segmenter(tmp_path / name)
    with pytest.raises(BadInput):
        Segmenter(tmp_path)
