"""Floor photos as people have them: CMYK, turned by EXIF, smaller than the scene, the same one twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datagen import flooring, ground
from datagen.cameras import scanner
from datagen.floors import list_floors, procedural_floor, read_floor
from masksmith.errors import BadInput

SIZE = 96


def photo(seed: int, height: int = 150, width: int = 200) -> Image.Image:
    """A real-looking floor: a made one, cut to size."""
    made = procedural_floor("tile", seed, 256).image
    return Image.fromarray(np.ascontiguousarray(made[:height, :width]))


def laid(path: Path) -> np.ndarray:
    """(S, S, 3) the floor as a scene shows it, linear."""
    about = {"yaw_deg": 20.0, "offset_m": (0.1, 0.2), "scale": 1.0, "tint": None}
    return ground.laid(ground.prepared(read_floor(path)), about, scanner(0, SIZE).floor_homography(), SIZE)


@pytest.mark.parametrize("height, width", [(64, 64), (64, 300), (70, 65)])
def test_a_floor_smaller_than_the_scene_fills_it(tmp_path: Path, height: int, width: int) -> None:
    image = photo(1, height, width)
    image.save(tmp_path / "small.png")
    seen = laid(tmp_path / "small.png")
    assert seen.shape == (SIZE, SIZE, 3) and np.isfinite(seen).all()
    darkest = np.asarray(image).min() / 255
    assert seen.min() > 0.5 * darkest**2.2  # no corner is empty
    assert seen.std() > 0.001


def test_a_cmyk_jpeg_shows_the_colours_of_its_rgb_twin(tmp_path: Path) -> None:
    image = photo(2)
    image.save(tmp_path / "rgb.png")
    image.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=98)
    one, two = read_floor(tmp_path / "rgb.png").image, read_floor(tmp_path / "cmyk.jpg").image
    assert one.shape == two.shape
    assert np.abs(one.astype(int) - two).mean() < 12  # not the negative, which is over 100 away


@pytest.mark.parametrize("orientation, turns", [(1, 0), (6, 3), (3, 2), (8, 1)])
def test_a_turned_floor_is_shown_upright_once(tmp_path: Path, orientation: int, turns: int) -> None:
    stored = np.asarray(photo(3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "turned.jpg", quality=98, exif=exif)
    upright = np.rot90(stored, turns)
    seen = read_floor(tmp_path / "turned.jpg").image
    assert seen.shape == upright.shape and np.abs(seen.astype(int) - upright).mean() < 6


def test_a_floor_that_is_there_twice_is_used_once_and_told(tmp_path: Path) -> None:
    for k in range(3):
        photo(k).save(tmp_path / f"{k}.jpg")
    (tmp_path / "Copy of 1.jpg").write_bytes((tmp_path / "1.jpg").read_bytes())
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "1.jpg").write_bytes((tmp_path / "1.jpg").read_bytes())
    floors, told = list_floors(tmp_path)
    assert len(floors) == 3 and len({floor.id for floor in floors}) == 3
    assert len(told) == 2 and all("the same picture as 1.jpg, left out" in text for text in told)
    sources, warnings = flooring.all_floors([str(tmp_path)], 0)
    assert len(sources) == 3 and warnings == told


def test_a_photo_in_two_folders_and_another_form_counts_as_one_floor(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "their böden"
    ours.mkdir()
    theirs.mkdir()
    for k, kind in enumerate(("tile", "wood", "stone")):
        Image.fromarray(procedural_floor(kind, k, 256).image).save(ours / f"{kind}.png")
    same = Image.open(ours / "tile.png")
    same.save(theirs / "as bitmap.bmp")  # another file of the same pixels
    same.resize((190, 190)).save(theirs / "smaller.jpg", quality=60)
    same.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(theirs / "turned over.jpg", quality=90)
    Image.fromarray(procedural_floor("carpet", 7, 256).image).save(theirs / "own.png")
    sources, warnings = flooring.all_floors([str(ours), "procedural:2", str(theirs)], 0)
    assert [source.id for source in sources] == ["stone", "tile", "wood", "wood-0000", "tile-0001", "own"]
    assert len(warnings) == 3 and all(text.endswith("tile.png, left out") for text in warnings)
    for name, how in (("as bitmap.bmp", "the same"), ("smaller.jpg", "all but"), ("turned over.jpg", "mirrored")):
        assert any(name in text and how in text for text in warnings), (name, warnings)


def test_two_different_photos_of_one_name_are_refused_with_both_paths(tmp_path: Path) -> None:
    for k, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        photo(k).save(tmp_path / folder / "hall.png")
    with pytest.raises(BadInput) as caught:
        flooring.all_floors([str(tmp_path / "a"), str(tmp_path / "b")], 0)
    assert str(tmp_path / "b" / "hall.png") in str(caught.value)
    assert str(tmp_path / "a" / "hall.png") in str(caught.value)
