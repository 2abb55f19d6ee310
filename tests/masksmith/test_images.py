from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from masksmith import images, video
from masksmith.errors import BadInput


def gradient(height: int = 24, width: int = 40) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 90)], axis=-1).astype(np.uint8)


def test_exif_orientation_is_applied_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn clockwise
    Image.fromarray(gradient()).save(tmp_path / "turned.jpg", exif=exif, quality=98)
    seen = images.read_image(tmp_path / "turned.jpg")
    assert seen.shape == (40, 24, 3)
    assert images.image_size(tmp_path / "turned.jpg") == (40, 24)
    assert np.abs(seen.astype(int) - np.rot90(gradient(), -1)).mean() < 4


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_every_colour_mode_comes_out_as_rgb(tmp_path: Path, mode: str) -> None:
    suffix = ".jpg" if mode == "CMYK" else ".png"
    Image.fromarray(gradient()).convert(mode).save(tmp_path / f"x{suffix}")
    seen = images.read_image(tmp_path / f"x{suffix}")
    assert seen.shape == (24, 40, 3)
    assert seen.dtype == np.uint8
    assert seen.std() > 5


def cut_jpeg() -> bytes:
    return images.encode_jpeg(gradient(200, 200))[:1500]


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.jpg", b"these are words, no picture\n", "a text file"),
        ("b.jpg", b"", "an empty file"),
        ("c.jpg", cut_jpeg(), "cut off"),
        ("d.png", images.encode_png(gradient(64, 64))[:-20], "cut off"),
        ("e.png", bytes(range(256)), "no image format"),
    ],
)
def test_a_bad_picture_is_named_with_what_it_is(tmp_path: Path, name: str, data: bytes, found: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput) as caught:
        images.read_image(tmp_path / name)
    assert name in str(caught.value)
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_pixel_limit_holds_before_decoding(tmp_path: Path) -> None:
    Image.new("1", (30_000, 30_000)).save(tmp_path / "bomb.png")
    with pytest.raises(BadInput, match="30000 x 30000"):
        images.read_image(tmp_path / "bomb.png")


def test_a_grey_png_is_read_as_it_says_turned_cut_or_too_large(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    values = np.arange(6, dtype=np.uint8).reshape(2, 3)
    Image.fromarray(values).save(path)
    assert images.image_size(path) == (2, 3)
    assert np.array_equal(images.read_mask(path), values)
    with pytest.raises(BadInput, match="at most 5 pixels"):
        images.read_mask(path, max_pixels=5)
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + whole[60:])
    with pytest.raises(BadInput, match="mask.png"):
        images.read_mask(path)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(values).save(path, exif=turned)
    assert images.image_size(path) == (3, 2)


def test_a_palette_mask_gives_indices_not_colours(tmp_path: Path) -> None:
    ids = (np.arange(24 * 40).reshape(24, 40) % 3).astype(np.uint8)
    picture = Image.fromarray(ids, mode="P")
    picture.putpalette([0, 0, 0, 200, 30, 30, 10, 240, 10])
    picture.save(tmp_path / "p.png")
    assert np.array_equal(images.read_mask(tmp_path / "p.png"), ids)


def test_a_damaged_palette_mask_is_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 9, (64, 64), dtype=np.uint8)
    picture = Image.fromarray(noise, mode="P")
    picture.putpalette([5] * 768)
    picture.save(tmp_path / "p.png")
    data = bytearray((tmp_path / "p.png").read_bytes())
    middle = len(data) - 900
    data[middle : middle + 300] = bytes(300)
    (tmp_path / "p.png").write_bytes(data)
    with pytest.raises(BadInput, match=r"p\.png"):
        images.read_mask(tmp_path / "p.png")


def test_masks_that_cannot_hold_ids_are_refused(tmp_path: Path) -> None:
    Image.fromarray(gradient()).save(tmp_path / "colour.png")
    Image.fromarray(gradient()[..., 0]).save(tmp_path / "lossy.jpg")
    Image.fromarray((np.arange(24 * 40).reshape(24, 40)).astype(np.uint16)).save(tmp_path / "deep.png")
    for name, found in (("colour.png", "an RGB picture"), ("lossy.jpg", "a JPEG"), ("deep.png", "values up to 959")):
        with pytest.raises(BadInput, match=found):
            images.read_mask(tmp_path / name)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_mask_survives_png_to_the_bit(height: int, width: int, seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    with Image.open(io.BytesIO(images.encode_png(ids))) as seen:
        assert np.array_equal(np.asarray(seen), ids)


def test_hidden_files_are_not_listed(tmp_path: Path) -> None:
    for name in ("b.png", ".a.png.part", ".x.png", "sub/c.JPG", ".cache/d.png", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [p.relative_to(tmp_path).as_posix() for p in images.list_images(tmp_path)] == ["b.png", "sub/c.JPG"]


def test_a_video_comes_back_with_as_many_frames_nearly_the_same(tmp_path: Path) -> None:
    frames = [np.roll(gradient(48, 64), k, axis=1) for k in range(7)]
    assert video.write_video(tmp_path / "v.mp4", frames, fps=10, crf=10) == 7
    seen = list(video.read_frames(tmp_path / "v.mp4"))
    assert len(seen) == 7
    assert np.abs(seen[3].astype(int) - frames[3]).mean() < 12


def test_a_text_file_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_text("words")
    with pytest.raises(BadInput, match=r"v\.mp4"):
        list(video.read_frames(tmp_path / "v.mp4"))
