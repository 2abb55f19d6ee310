from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from masksmith.errors import UsageProblem
from trainers import Predictor, build, save_weights


def saved(tmp_path: Path, name: str, size: tuple[int, int], classes: int = 2) -> Path:
    network = build(name, classes, seed=2)
    network.size = size
    save_weights(tmp_path / "best.safetensors", network)
    return tmp_path


@pytest.fixture
def photos() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    small = [rng.integers(0, 256, (9, 7, 3)).astype(np.uint8) for _ in range(3)]
    sizes = ((48, 64), (90, 50), (32, 32))
    return [cv2.resize(image, (width, height)) for image, (height, width) in zip(small, sizes, strict=True)]


@pytest.mark.parametrize(("name", "classes"), [("portrait_lcnet", 2), ("fastlinknet", 2), ("fastlinknet", 3)])
def test_masks_come_at_each_images_size(name: str, classes: int, tmp_path: Path, photos: list[np.ndarray]) -> None:
    predict = Predictor(saved(tmp_path, name, (32, 32), classes))
    alone = [predict(photo) for photo in photos]
    together = predict.batch(photos)
    for photo, one, other in zip(photos, alone, together, strict=True):
        assert one.shape == photo.shape[:2]
        assert one.dtype == np.float32
        assert 0 <= one.min() <= one.max() <= 1
        assert np.allclose(one, other, atol=1e-5)


def test_at_its_own_size_the_mask_is_the_networks_answer(tmp_path: Path, photos: list[np.ndarray]) -> None:
    predict = Predictor(saved(tmp_path, "fastlinknet", (48, 64)))
    network = build("fastlinknet", seed=2).eval()
    image = torch.from_numpy(photos[0]).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        expected = network(image).softmax(1)[0, 1].numpy()
    assert np.allclose(predict(photos[0]), expected, atol=1e-5)


def test_the_prior_is_resized_and_used(tmp_path: Path, photos: list[np.ndarray]) -> None:
    predict = Predictor(saved(tmp_path, "portrait_lcnet", (64, 64)))
    assert predict.inputs == ("image", "prior")
    without = predict(photos[0])
    full = np.ones((48, 64), np.float32)
    assert np.allclose(predict(photos[0], np.zeros((10, 10), np.float32)), without, atol=1e-6)
    assert not np.allclose(predict(photos[0], full), without, atol=1e-6)
    with pytest.raises(ValueError, match=r"a prior is \(H, W\)"):
        predict(photos[0], full[None])


def test_the_size_can_be_chosen(tmp_path: Path) -> None:
    folder = saved(tmp_path, "fastlinknet", (48, 64))
    assert Predictor(folder).size == (48, 64)
    assert Predictor(folder, size=(32, 32)).size == (32, 32)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    predict = Predictor(saved(tmp_path, "fastlinknet", (32, 32)))
    for wrong in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 4), np.uint8)):
        with pytest.raises(ValueError, match=r"an image is \(H, W, 3\) uint8"):
            predict(wrong)


def test_an_unknown_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="unknown device 'gpu'"):
        Predictor(saved(tmp_path, "fastlinknet", (32, 32)), device="gpu")
