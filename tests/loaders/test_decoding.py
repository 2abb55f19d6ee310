from pathlib import Path

import numpy as np
import pytest

from loaders.decoding import ClassTable, read_at_least
from masksmith import images


@pytest.mark.parametrize(
    ("wanted", "decoded"),
    [((300, 400), (480, 640)), ((241, 200), (480, 640)), ((240, 320), (240, 320)), ((61, 60), (120, 160))],
)
def test_jpegs_are_decoded_by_the_largest_factor_that_stays_large_enough(
    tmp_path: Path, wanted: tuple[int, int], decoded: tuple[int, int]
) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(images.encode_jpeg(np.full((480, 640, 3), (200, 100, 30), np.uint8)))
    image, full = read_at_least(path, *wanted)
    assert image.shape[:2] == decoded
    assert full == (480, 640)
    assert np.abs(image.reshape(-1, 3).mean(axis=0) - (200, 100, 30)).max() < 3


def test_files_that_are_no_plain_jpegs_come_at_full_size(tmp_path: Path) -> None:
    from PIL import Image as pillow

    picture = np.full((160, 160, 3), (10, 200, 90), np.uint8)
    (tmp_path / "a.png").write_bytes(images.encode_png(picture))
    (tmp_path / "png_in_disguise.jpg").write_bytes(images.encode_png(picture))
    pillow.fromarray(picture).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    for name in ("a.png", "png_in_disguise.jpg", "cmyk.jpg"):
        image, full = read_at_least(tmp_path / name, 20, 20)
        assert image.shape == (160, 160, 3) and full == (160, 160)
        assert np.abs(image.astype(int) - picture).max() < 6


def test_a_prior_counts_neither_background_nor_ignore_as_foreground() -> None:
    ids = np.array([[0, 1, 4, 255]], np.uint8)
    classes = {"foot": 0, "background": 1, "shoe": 4}
    every = ClassTable(classes, None)
    assert every.solid(every.target(ids)).tolist() == [[1, 0, 1, 0]]
    shoes = ClassTable(classes, ("shoe",))
    assert shoes.target(ids).tolist() == [[0, 0, 1, 255]]
    assert shoes.solid(shoes.target(ids)).tolist() == [[0, 0, 1, 0]]


def test_what_lies_outside_the_picture_is_background_or_else_ignore() -> None:
    assert ClassTable({"sky": 0, "background": 3}, None).outside == 3
    assert ClassTable({"sky": 0, "person": 3}, None).outside == 255
    assert ClassTable({"sky": 0, "person": 3}, ("person",)).outside == 0
