import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders import augment as augmentation
from loaders.augment import AUGMENTS, Strengths, augment, demborg2018, motion_blur, pirshutuk2023, relight
from masksmith.errors import UsageProblem

NO_LIGHT = Strengths(light_chance=0.0, blur_chance=0.0)


def picture_of(mask: np.ndarray) -> np.ndarray:
    return np.repeat((mask * 255)[..., None], 3, axis=2).astype(np.uint8)


def blob(height: int = 120, width: int = 150) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    shape = np.hypot((x - 60) / 40, (y - 70) / 30) < 1
    shape |= (x > 100) & (x < 120) & (y < 60)
    return shape.astype(np.uint8)


def apart(image: np.ndarray, mask: np.ndarray) -> float:
    """Share of pixels where a picture made from the mask and the mask no longer agree."""
    return float(np.mean((image[..., 0] >= 128) != (mask == 1)))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_picture_and_mask_move_together(seed: int) -> None:
    mask = blob()
    for made in (
        pirshutuk2023(picture_of(mask), mask, np.random.default_rng(seed), strengths=NO_LIGHT),
        demborg2018(picture_of(mask), mask, np.random.default_rng(seed)),
        demborg2018(picture_of(mask), mask, np.random.default_rng(seed), fit="affine"),
    ):
        assert apart(*made) < 0.006  # a rim where nearest and bilinear differ


@pytest.mark.parametrize("name", AUGMENTS)
def test_the_same_generator_augments_the_same_and_keeps_sizes_and_types(name: str) -> None:
    mask = blob()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*mask.shape, 3), dtype=np.uint8)
    first, again, other = (augment(name, image, mask, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert first[0].shape == image.shape and first[1].shape == mask.shape
    assert first[0].dtype == first[1].dtype == np.uint8
    assert np.array_equal(first[0], other[0]) == (name == "none")


@pytest.mark.parametrize("name", AUGMENTS)
def test_masks_keep_to_their_ids_and_ignore_survives(name: str) -> None:
    mask = blob() * 7
    mask[80:, 60:] = 255
    seen: set[int] = set()
    for seed in range(12):
        _, moved = augment(name, picture_of(blob()), mask, np.random.default_rng(seed))
        seen |= set(np.unique(moved).tolist())
    assert seen == {0, 7, 255}


def test_what_a_smaller_picture_leaves_empty_is_black_and_of_the_class_named() -> None:
    shrink = Strengths(0.0, 1.0, 0.0, (0.5, 0.5), 0.0, light_chance=0.0, blur_chance=0.0)
    white = np.full((80, 80, 3), 255, np.uint8)
    image, mask = pirshutuk2023(
        white, np.ones((80, 80), np.uint8), np.random.default_rng(0), outside=255, strengths=shrink
    )
    assert np.all(mask[:15] == 255) and np.all(image[:15] == 0)
    assert np.all(mask[25:55, 25:55] == 1) and np.all(image[25:55, 25:55] == 255)
    assert 0.23 < np.mean(mask == 1) < 0.28


def test_half_of_the_pictures_are_flipped_and_their_masks_with_them() -> None:
    only_flip = Strengths(move_chance=0.0, light_chance=0.0, blur_chance=0.0)
    mask = blob()
    flipped = 0
    for seed in range(200):
        image, moved = pirshutuk2023(picture_of(mask), mask, np.random.default_rng(seed), strengths=only_flip)
        assert np.array_equal(image, picture_of(moved))
        flipped += np.array_equal(moved, mask[:, ::-1])
    assert 75 < flipped < 125


def test_the_grid_augmentation_enlarges_and_shows_nothing_from_outside() -> None:
    white = np.full((90, 90, 3), 200, np.uint8)
    y, x = np.mgrid[:90, :90]
    centre = (np.hypot(x - 44.5, y - 44.5) < 10).astype(np.uint8)
    grown = []
    for seed in range(30):
        image, mask = demborg2018(white, centre, np.random.default_rng(seed))
        assert np.all(image == 200)
        grown.append(mask.sum() / centre.sum())
    assert min(grown) > 1.0
    assert 1.5 < np.mean(grown) < 4.0


def test_the_grid_augmentation_leaves_light_alone_unless_asked() -> None:
    flat = np.full((60, 60, 3), 90, np.uint8)
    mask = np.zeros((60, 60), np.uint8)
    assert all(np.all(demborg2018(flat, mask, np.random.default_rng(s))[0] == 90) for s in range(5))
    lit = [int(demborg2018(flat, mask, np.random.default_rng(s), light=True)[0][0, 0, 0]) for s in range(8)]
    assert len(set(lit)) > 4


@pytest.mark.parametrize(
    ("brightness", "contrast", "gamma", "expected"),
    [(0.0, 1.0, 1.0, 64), (0.2, 1.0, 1.0, 115), (0.0, 2.0, 1.0, 1), (0.0, 1.0, 2.0, 16), (0.0, 1.0, 0.5, 128)],
)
def test_light_follows_its_formula(brightness: float, contrast: float, gamma: float, expected: int) -> None:
    flat = np.full((4, 4, 3), 64, np.uint8)
    assert np.all(np.abs(relight(flat, brightness, contrast, gamma).astype(int) - expected) <= 1)


def test_motion_blur_spreads_a_point_along_its_path_and_keeps_its_light() -> None:
    point = np.zeros((31, 31, 3), np.uint8)
    point[15, 15] = 255
    level = motion_blur(point, 9, 0.0)[..., 0].astype(int)
    assert set(np.nonzero(level)[0].tolist()) == {15}
    assert level[15, 11:20].min() > 0
    assert level.sum() == pytest.approx(255, abs=8)
    upright = motion_blur(point, 9, 90.0)[..., 0].astype(int)
    assert np.array_equal(upright, level.T)
    slanted = motion_blur(point, 9, 45.0)[..., 0].astype(int)
    assert slanted[18, 18] > 0 and slanted[12, 12] > 0 and slanted[12, 18] == 0


def test_blur_and_light_never_touch_the_mask() -> None:
    always = Strengths(flip_chance=0.0, move_chance=0.0, light_chance=1.0, blur_chance=1.0)
    mask = blob()
    image, same = pirshutuk2023(picture_of(mask), mask, np.random.default_rng(3), strengths=always)
    assert np.array_equal(same, mask)
    assert not np.array_equal(image, picture_of(mask))


def test_unknown_names_and_unequal_sizes_are_refused() -> None:
    mask = blob()
    with pytest.raises(UsageProblem, match="Did you mean 'demborg2018'"):
        augment("demborg", picture_of(mask), mask, np.random.default_rng(0))
    with pytest.raises(ValueError, match="differ in size"):
        augmentation.augment("none", picture_of(mask), mask[:-1], np.random.default_rng(0))


def test_the_crop_of_document_c_keeps_the_size_and_changes_the_scale() -> None:
    from loaders.augment import cepeopleseg2021

    mask = np.zeros((128, 160), np.uint8)
    mask[54:74, 70:90] = 2
    image = np.repeat((mask * 100)[..., None], 3, axis=2)
    found: dict[int, int] = {}
    for seed in range(60):
        for ratio in (0.5, 0.75, 1.0, 1.25, 1.5):
            moved_image, moved = cepeopleseg2021(
                image, mask, np.random.default_rng(seed), outside=7, ratios=(ratio,), jitter=0.0
            )
            assert moved_image.shape == image.shape and moved.shape == mask.shape
            side = round(20 * ratio)
            found[side] = found.get(side, 0) + 1
            assert abs(int((moved == 2).sum()) - side * side) <= 2 * side + 1
            empty = 1 - min(1.0, ratio) ** 2
            assert float((moved == 7).mean()) == pytest.approx(empty, abs=0.02)
            inside = cv2.erode((moved == 2).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
            assert (moved_image[inside] == 200).all() and not moved_image[moved == 7].any()
    assert sorted(found) == [10, 15, 20, 25, 30]


def test_the_ratios_of_document_c_are_drawn_evenly() -> None:
    from loaders.augment import cepeopleseg2021

    mask = np.ones((32, 40), np.uint8)
    image = np.zeros((32, 40, 3), np.uint8)
    shares = [
        float((cepeopleseg2021(image, mask, np.random.default_rng(seed), outside=9)[1] == 9).mean())
        for seed in range(500)
    ]
    near = [sum(abs(share - (1 - ratio**2)) < 0.03 for share in shares) / 500 for ratio in (0.5, 0.75)]
    assert near == pytest.approx([0.2, 0.2], abs=0.05)
    assert sum(share == 0 for share in shares) / 500 == pytest.approx(0.6, abs=0.06)


def test_document_r_flips_every_second_picture_and_nothing_else() -> None:
    from loaders.augment import resnext2021

    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)
    mask = rng.integers(0, 3, (20, 30), dtype=np.uint8)
    flipped = 0
    for seed in range(200):
        moved_image, moved = resnext2021(image, mask, np.random.default_rng(seed))
        turned = np.array_equal(moved, mask[:, ::-1])
        assert np.array_equal(moved_image, image[:, ::-1] if turned else image)
        flipped += turned
    assert 75 < flipped < 125


def test_a_tint_turns_the_hue_and_changes_the_strength_of_colours() -> None:
    from loaders.augment import tint

    red = np.full((4, 4, 3), (200, 40, 40), np.uint8)
    assert tint(red, 1.0, 1 / 3)[0, 0].tolist() == [40, 200, 40]
    assert tint(red, 0.0, 0.0)[0, 0].tolist() == [200, 200, 200]
    grey = np.full((4, 4, 3), 90, np.uint8)
    assert np.array_equal(tint(grey, 1.3, 0.2), grey)
