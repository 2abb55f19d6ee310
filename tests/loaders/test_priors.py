import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders import priors
from loaders.priors import MIXES, PRIOR_KINDS, PriorHistogram, draw_kind, grid_distort, make_prior
from masksmith.errors import UsageProblem


def disc(size: int = 96, radius: float = 24.0) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (np.hypot(x - size / 2, y - size / 2) < radius).astype(np.uint8)


def ramps(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Two soft masks whose values are the pixel's own x and y: a prior made from them tells where pixels came from."""
    x = np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))
    y = np.tile(np.linspace(0, 1, height, dtype=np.float32)[:, None], (1, width))
    return x, y


def measured_move(kind: str, seed: int, height: int = 200, width: int = 224) -> tuple[float, priors.Prior]:
    x, y = ramps(height, width)
    first = make_prior(x, kind, np.random.default_rng(seed))
    second = make_prior(y, kind, np.random.default_rng(seed))
    inside = (slice(10, -10), slice(10, -10))  # at the very edge the ramps end
    dx = (first.mask - x)[inside] * (width - 1)
    dy = (second.mask - y)[inside] * (height - 1)
    return float(np.hypot(dx, dy).mean()), first


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("paper", (40 / 110, 35 / 110, 5 / 110, 30 / 110)),
        ("empty30", (0.30, 0.35, 0.05, 0.30)),
        ("data", (40 / 110, 65 / 110, 5 / 110, 0.0)),
    ],
)
def test_drawn_kinds_follow_the_weights_of_the_mix(name: str, shares: tuple[float, ...]) -> None:
    rng = np.random.default_rng(7)
    histogram = PriorHistogram()
    histogram.add([draw_kind(rng, MIXES[name]) for _ in range(20_000)])
    drawn = histogram.shares()
    empty, small, major, self_ = shares
    expected = {"empty": empty, "affine": small / 3, "elastic": small * 2 / 3, "major": major, "self": self_}
    for kind in PRIOR_KINDS:
        sigma = np.sqrt(expected[kind] * (1 - expected[kind]) / 20_000)
        assert abs(drawn[kind] - expected[kind]) <= 4.5 * sigma
        assert MIXES[name].shares[kind] == pytest.approx(expected[kind])


def test_half_of_the_elastic_priors_have_an_affine_too() -> None:
    rng = np.random.default_rng(3)
    truth = disc(48, 12)
    steps = [make_prior(truth, "elastic", rng).steps for _ in range(600)]
    assert set(steps) == {("elastic",), ("elastic", "affine")}
    assert 0.42 < steps.count(("elastic", "affine")) / 600 < 0.58


def test_elastic_priors_really_move_pixels_by_one_and_a_half_to_two_and_a_half() -> None:
    moves = [measured_move("elastic", seed) for seed in range(40)]
    alone = [(move, prior) for move, prior in moves if prior.steps == ("elastic",)]
    assert len(alone) > 8
    for move, prior in alone:
        assert 1.5 <= prior.displacement_px <= 2.5
        assert move == pytest.approx(prior.displacement_px, rel=0.08)
    assert max(m for m, _ in alone) - min(m for m, _ in alone) > 0.5


@pytest.mark.parametrize("size", [(64, 64), (224, 224), (144, 256)])
def test_elastic_strength_is_in_pixels_at_every_size(size: tuple[int, int]) -> None:
    moves = []
    for seed in range(25):
        move, prior = measured_move("elastic", seed, *size)
        if prior.steps == ("elastic",):
            moves.append(move)
    assert 1.6 < np.mean(moves) < 2.4


def test_reported_displacement_of_affine_priors_is_the_measured_one() -> None:
    for kind in ("affine", "self"):
        for seed in range(8):
            move, prior = measured_move(kind, seed)
            assert move == pytest.approx(prior.displacement_px, rel=0.15)


def test_small_priors_stay_near_the_truth_and_are_not_it() -> None:
    rng = np.random.default_rng(1)
    truth = disc()
    for kind in ("affine", "elastic", "self"):
        made = [make_prior(truth, kind, rng) for _ in range(60)]
        assert all(0.6 < prior.iou_with_truth <= 1.0 for prior in made)
        assert np.mean([prior.iou_with_truth for prior in made]) < 0.97


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), radius=st.floats(6, 40), off=st.integers(-30, 30))
def test_major_priors_overlap_the_truth_by_less_than_60_percent(seed: int, radius: float, off: int) -> None:
    truth = np.roll(disc(96, radius), off, axis=1)
    prior = make_prior(truth, "major", np.random.default_rng(seed))
    crossed = ((prior.mask >= 0.5) & (truth > 0)).sum() / ((prior.mask >= 0.5) | (truth > 0)).sum()
    assert crossed < 0.6
    assert prior.iou_with_truth == pytest.approx(crossed)


def test_major_prior_of_a_truth_no_move_can_leave_is_the_farthest_of_its_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priors, "MAJOR_SCALE", (1.4, 1.5))
    monkeypatch.setattr(priors, "MAJOR_SHIFT", 0.05)
    full = np.ones((64, 64), np.uint8)
    prior = make_prior(full, "major", np.random.default_rng(0))
    assert prior.iou_with_truth >= 0.6
    monkeypatch.setattr(priors, "MAJOR_TRIES", 1)
    first = make_prior(full, "major", np.random.default_rng(0))
    assert prior.iou_with_truth <= first.iou_with_truth


@pytest.mark.parametrize("kind", PRIOR_KINDS)
def test_priors_are_soft_masks_of_the_truths_size(kind: str) -> None:
    for truth in (disc(), np.zeros((40, 72), np.uint8), np.ones((33, 65), np.uint8)):
        prior = make_prior(truth, kind, np.random.default_rng(5))
        assert prior.mask.dtype == np.float32
        assert prior.mask.shape == truth.shape
        assert prior.mask.min() >= 0.0 and prior.mask.max() <= 1.0


@pytest.mark.parametrize("kind", PRIOR_KINDS)
def test_the_same_generator_makes_the_same_prior_and_another_one_another(kind: str) -> None:
    truth = disc()
    first, again, other = (make_prior(truth, kind, np.random.default_rng(seed)).mask for seed in (4, 4, 5))
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (kind == "empty")


def test_an_empty_prior_is_all_zero_and_an_empty_truth_stays_empty() -> None:
    assert not make_prior(disc(), "empty", np.random.default_rng(0)).mask.any()
    nothing = np.zeros((50, 50), np.uint8)
    for kind in PRIOR_KINDS:
        prior = make_prior(nothing, kind, np.random.default_rng(0))
        assert not prior.mask.any()
        assert prior.iou_with_truth == 1.0


def test_a_self_prior_without_a_network_says_that_it_is_a_small_warp() -> None:
    rng = np.random.default_rng(0)
    steps = [make_prior(disc(48, 12), "self", rng).steps for _ in range(300)]
    assert set(steps) == {("affine",), ("elastic",), ("elastic", "affine")}
    assert all(70 < steps.count(each) < 130 for each in set(steps))


def test_a_truth_in_0_and_255_makes_the_prior_of_one_in_0_and_1() -> None:
    truth = disc()
    one = make_prior(truth, "affine", np.random.default_rng(2)).mask
    other = make_prior(truth * 255, "affine", np.random.default_rng(2)).mask
    assert np.array_equal(one, other)


def test_grid_distortion_bends_the_picture_between_fixed_edges() -> None:
    x, y = ramps(224, 224)
    picture = np.dstack([x, y, x]) * 255
    picture = picture.round().astype(np.uint8)
    moved = [grid_distort(picture, np.random.default_rng(seed)).astype(int) for seed in range(6)]
    for bent in moved:
        assert np.array_equal(bent[:, 0, 0], picture[:, 0, 0])
        assert np.array_equal(bent[:, -1, 0], picture[:, -1, 0])
        assert np.array_equal(bent[-1, :, 1], picture[-1, :, 1])
        shift = np.hypot(bent[..., 0] - picture[..., 0], bent[..., 1] - picture[..., 1]) / 255 * 223
        assert 0.5 < shift.mean() < 15
    assert not np.array_equal(moved[0], moved[1])


def test_the_histogram_counts_names_and_indices_alike_and_sets_them_beside_the_mix() -> None:
    histogram = PriorHistogram()
    histogram.add(["empty", "self"])
    histogram.add(np.array([0, 0, 3]))
    assert histogram.total == 5
    rows = histogram.rows(MIXES["paper"])
    assert [row["count"] for row in rows] == [3, 0, 0, 1, 1]
    assert rows[0]["share"] == pytest.approx(0.6)
    assert sum(row["wanted"] for row in rows) == pytest.approx(1.0)


def test_unknown_kinds_and_mixes_are_refused_with_the_choices() -> None:
    with pytest.raises(UsageProblem, match="Did you mean 'elastic'"):
        make_prior(disc(), "elastc", np.random.default_rng(0))
    with pytest.raises(UsageProblem, match=r"data, empty\+affine, .*empty30, paper"):
        priors.find_mix("papr")
    with pytest.raises(ValueError, match="mask is"):
        make_prior(np.zeros((4, 4, 3), np.uint8), "empty", np.random.default_rng(0))
