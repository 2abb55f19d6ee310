import numpy as np

from loaders.preview import figures, make_row, sheet
from loaders.priors import MIXES


def truth() -> np.ndarray:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:50, 15:40] = 1
    return mask


def test_a_network_that_is_handed_in_makes_the_self_prior_from_the_distorted_picture() -> None:
    mask = truth()
    image = np.repeat((mask * 200)[..., None], 3, axis=2)
    seen = []

    def predict(picture: np.ndarray, prior: np.ndarray | None) -> np.ndarray:
        seen.append((picture, prior))
        return (picture[..., 0] / 200).astype(np.float32)

    row = make_row("a", image, mask, np.random.default_rng(0), predict)
    ((picture, prior),) = seen
    assert prior is None
    assert not np.array_equal(picture, image)
    made = row.made[-1]
    assert made.kind == "self" and made.steps == ("predicted",)
    assert np.allclose(made.mask, picture[..., 0] / 200)
    assert 0.5 < made.iou_with_truth < 1.0
    without = make_row("a", image, mask, np.random.default_rng(0))
    assert without.made[-1].steps != ("predicted",)


def test_the_sheet_shows_picture_truth_and_five_priors_a_row() -> None:
    mask = truth()
    image = np.full((64, 64, 3), (180, 40, 90), np.uint8)
    rows = [make_row(str(k), image, mask, np.random.default_rng(k)) for k in range(3)]
    drawn = sheet(rows)
    assert drawn.shape == (26 + 3 * 164, 4 + 7 * 164, 3)
    first = drawn[26 : 26 + 160]
    assert tuple(first[80, 84]) == (180, 40, 90)
    assert tuple(first[80, 164 + 4 + 60]) == (255, 255, 255)  # inside the truth
    assert tuple(first[80, 2 * 164 + 4 + 60]) == (0, 0, 0)  # the empty prior there


def test_figures_have_every_kind_with_its_share_and_measures() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    rows = [make_row(str(k), image, truth(), np.random.default_rng(k)) for k in range(4)]
    found = {row["kind"]: row for row in figures(rows, MIXES["data"], seed=0)}
    assert found["self"]["wanted"] == 0 and found["self"]["count"] == 0
    assert sum(row["count"] for row in found.values()) == 10_000
    moved = [row.made[3].displacement_px for row in rows]
    assert found["major"]["displacement_px"] == np.mean(moved)
    assert found["major"]["displacement_range_px"] == [min(moved), max(moved)]
