from pathlib import Path

import numpy as np
import pytest

from loaders.decoding import ClassTable, read_at_least, read_pair
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


def test_a_picture_decoded_small_is_that_of_its_full_size_made_small(tmp_path: Path) -> None:
    import cv2

    rng = np.random.default_rng(0)
    noise = rng.standard_normal((40, 50, 3)).astype(np.float32) * 60 + 120
    image = np.clip(cv2.resize(noise, (800, 600), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)
    (tmp_path / "a.jpg").write_bytes(images.encode_jpeg(image))
    mask = (image[..., 0] > 128).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(images.encode_png(mask))
    small, same = read_pair(tmp_path / "a.jpg", tmp_path / "a.png", 224, 224)
    expected = cv2.resize(images.read_image(tmp_path / "a.jpg"), (224, 224), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - expected).mean() < 1.5
    assert np.array_equal(same, mask)


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_turn_of_exif_is_undone_however_large_the_picture(tmp_path: Path, turn: int) -> None:
    from PIL import Image as pillow

    stored = np.zeros((160, 320, 3), np.uint8)
    stored[:40, :80] = (250, 20, 20)
    exif = pillow.Exif()
    exif[0x0112] = turn
    pillow.fromarray(stored).save(tmp_path / "a.jpg", exif=exif, quality=95)
    whole = images.read_image(tmp_path / "a.jpg")
    height, width = whole.shape[:2]
    small, full = read_at_least(tmp_path / "a.jpg", height // 4, width // 4)
    assert full == (height, width) and small.shape[:2] == (height // 4, width // 4)
    assert np.abs(small.astype(int) - images.resize_image(whole, height // 4, width // 4)).mean() < 3


def test_grey_and_progressive_jpegs_are_decoded_small_too(tmp_path: Path) -> None:
    from PIL import Image as pillow

    picture = pillow.fromarray(np.full((160, 320, 3), (200, 100, 30), np.uint8))
    picture.save(tmp_path / "progressive.jpg", progressive=True, quality=95)
    picture.convert("L").save(tmp_path / "grey.jpg", quality=95)
    for name in ("progressive.jpg", "grey.jpg"):
        small, full = read_at_least(tmp_path / name, 40, 80)
        assert small.shape == (40, 80, 3) and full == (160, 320)
        assert np.abs(small.astype(int) - images.read_image(tmp_path / name)[:40, :80]).max() < 4


def test_ids_with_and_without_gaps_are_checked(tmp_path: Path) -> None:
    from masksmith.errors import BadInput

    dense, sparse = ClassTable({"background": 0, "foot": 1}, None), ClassTable({"background": 0, "foot": 3}, None)
    ignored = np.array([[0, 255]], np.uint8)
    for table, good, bad in ((dense, 1, 2), (sparse, 3, 1)):
        for values in (ignored, np.array([[0, good]], np.uint8)):
            table.check(values, tmp_path)
        with pytest.raises(BadInput, match=f"also {bad}"):
            table.check(np.array([[0, bad, 255]], np.uint8), tmp_path)


@pytest.mark.parametrize("cut", [0, 1, 8, 20, 30, 100])
def test_a_cut_mask_is_named_as_ever(tmp_path: Path, cut: int) -> None:
    from masksmith.errors import BadInput

    data = images.encode_png(np.random.default_rng(0).integers(0, 2, (64, 64), dtype=np.uint8))
    (tmp_path / "m.png").write_bytes(data[:cut])
    (tmp_path / "a.png").write_bytes(images.encode_png(np.zeros((64, 64, 3), np.uint8)))
    with pytest.raises(BadInput, match="m.png"):
        read_pair(tmp_path / "a.png", tmp_path / "m.png", 32, 32)
