"""Floor photos and made floors."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datagen.floors import FLOOR_KINDS, list_floors, procedural_floor, read_floor
from datagen.noise import cells, cloud
from masksmith import seeds
from masksmith.errors import BadInput, UsageProblem


def picture(number: int, height: int = 80, width: int = 120) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def test_floors_are_listed_in_order_each_content_once(tmp_path: Path) -> None:
    save(tmp_path / "b.png", picture(1))
    save(tmp_path / "a.png", picture(2))
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes())
    save(tmp_path / "more" / "a.png", picture(3))
    (tmp_path / "readme.txt").write_text("no floor")
    floors, warnings = list_floors(tmp_path)
    assert [floor.id for floor in floors] == ["a", "b", "more-a"]
    assert len(warnings) == 1 and "c.png" in warnings[0] and "a.png" in warnings[0]


def test_the_licence_table_says_where_floors_come_from(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(1))
    save(tmp_path / "b.png", picture(2))
    save(tmp_path / "c.png", picture(3))
    (tmp_path / "LICENCES.csv").write_text(
        'file,width,height,origin,licence\na.png,1,1,"someone/floors (CC0-1.0)",\nb.png,1,1,Ann,CC-BY-4.0\n'
    )
    floors, _ = list_floors(tmp_path)
    assert [(floor.licence, floor.source) for floor in floors] == [
        ("CC0-1.0", "someone/floors (CC0-1.0)"),
        ("CC-BY-4.0", "Ann"),
        ("unknown", "c.png"),
    ]
    assert read_floor(floors[1]).licence == "CC-BY-4.0"
    (tmp_path / "LICENCES.csv").write_text("name\na.png\n")
    with pytest.raises(BadInput, match="a column `file`"):
        list_floors(tmp_path)


def test_a_photo_is_read_upright_as_rgb_whatever_its_mode(tmp_path: Path) -> None:
    wide = picture(1)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = read_floor(save(tmp_path / "turned.jpg", wide, exif=exif))
    assert turned.image.shape == (120, 80, 3)
    plain = read_floor(save(tmp_path / "plain.png", wide))
    assert np.array_equal(plain.image, wide) and plain.id == "plain" and not plain.tileable and plain.metres > 0
    red = np.zeros((70, 70, 3), np.uint8)
    red[..., 0] = 220
    Image.fromarray(red).convert("CMYK").save(tmp_path / "cmyk.jpg")
    middle = read_floor(tmp_path / "cmyk.jpg").image[35, 35].astype(int)
    assert middle[0] > 150 and middle[1] < 90 and middle[2] < 90
    assert read_floor(save(tmp_path / "grey.png", wide[..., 0])).image.shape == (80, 120, 3)


def test_floors_that_are_none_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("this is not a picture")
    save(tmp_path / "small.png", picture(1, 63, 200))
    buffer = io.BytesIO()
    Image.fromarray(picture(2, 200, 200)).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[:3000])
    for name, message in (
        ("empty.jpg", "0 bytes"),
        ("text.jpg", "text file"),
        ("small.png", "64 x 64 px, found 200 x 63"),
        ("cut.jpg", "cut off"),
        ("absent.jpg", "no such file"),
    ):
        with pytest.raises(BadInput, match=message) as told:
            read_floor(tmp_path / name)
        assert name in str(told.value)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BadInput, match="no pictures"):
        list_floors(tmp_path / "nothing")


@pytest.mark.parametrize("kind", FLOOR_KINDS)
def test_a_made_floor_is_seamless_sharp_and_of_a_known_scale(kind: str) -> None:
    for seed in range(3):
        floor = procedural_floor(kind, seed, 256)
        image = floor.image.astype(np.float64)
        assert image.shape == (256, 256, 3) and floor.image.dtype == np.uint8
        assert floor.id == f"{kind}-{seed:04d}" and floor.tileable and floor.licence == "CC0-1.0"
        assert 0.4 < floor.metres < 3
        assert 15 < image.mean() < 245 and image.std() > 2
        for axis in (0, 1):
            inside = np.abs(np.diff(image, axis=axis)).mean(axis=(1 - axis, 2))
            seam = np.abs(np.take(image, 0, axis) - np.take(image, -1, axis)).mean()
            assert seam <= 1.1 * inside.max()


@pytest.mark.parametrize("kind", FLOOR_KINDS)
def test_the_seed_decides_a_made_floor(kind: str) -> None:
    one, same, other = (procedural_floor(kind, seed, 128) for seed in (7, 7, 8))
    assert np.array_equal(one.image, same.image) and one.sha256 == same.sha256
    assert one.sha256 != other.sha256 and np.abs(one.image.astype(int) - other.image).mean() > 3


def test_an_unknown_kind_lists_the_choices() -> None:
    with pytest.raises(UsageProblem, match="Did you mean 'carpet'"):
        procedural_floor("carpets", 0)
    with pytest.raises(ValueError, match="at least 64"):
        procedural_floor("wood", 0, 32)


@settings(max_examples=25, deadline=None)
@given(
    size=st.sampled_from([64, 96, 128, 131]),
    fall=st.floats(0, 4),
    low=st.floats(1, 8),
    high=st.none() | st.floats(9, 60),
    stretch=st.tuples(st.floats(1, 6), st.floats(1, 6)),
    seed=st.integers(0, 1000),
)
def test_clouds_have_mean_0_deviation_1_and_repeat(
    size: int, fall: float, low: float, high: float | None, stretch: tuple[float, float], seed: int
) -> None:
    field = cloud(seeds.rng(seed), size, fall=fall, low=low, high=high, stretch=stretch)
    assert field.shape == (size, size) and np.isfinite(field).all()
    assert abs(field.mean()) < 1e-3 and (abs(field.std() - 1) < 1e-3 or field.std() == 0)


def test_each_cell_owns_the_pixels_nearest_to_its_point() -> None:
    near, second, owner = cells(seeds.rng(1), 120, 12)
    assert (near <= second + 1e-6).all() and set(np.unique(owner)) <= set(range(144))
    sizes = np.bincount(owner.ravel(), minlength=144)
    assert sizes.sum() == 120 * 120 and (sizes > 0).mean() > 0.95


@pytest.mark.data
def test_the_real_floors_are_all_readable(real_data: Path) -> None:
    floors, warnings = list_floors(real_data / "floors")
    assert len(floors) >= 30 and len({floor.id for floor in floors}) == len(floors) and warnings == []
    assert all(floor.licence != "unknown" for floor in floors)
    assert read_floor(floors[0]).image.shape[2] == 3
