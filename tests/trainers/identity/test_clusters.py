from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksmith.errors import UsageProblem
from trainers.identity.clusters import Tree, named, names_of, pair_score
from trainers.identity.distances import SAME_BELOW, as_euclidean, between, pairwise

LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=30)


def people(count: int, photos: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(16, 16)))[0][:count]
    made = np.repeat(centres, photos, axis=0) + rng.normal(0, spread, (count * photos, 16))
    return made / np.linalg.norm(made, axis=1, keepdims=True), np.repeat(np.arange(count), photos)


@given(LABELS)
def test_the_score_of_pairs_is_that_of_counting_them(labels: list[tuple[int, int]]) -> None:
    found, truth = (np.array(side) for side in zip(*labels, strict=True))
    upper = np.triu_indices(len(found), 1)
    together = (found[:, None] == found)[upper]
    belong = (truth[:, None] == truth)[upper]
    score = pair_score(found, truth)
    assert score.precision == pytest.approx((together & belong).sum() / together.sum() if together.any() else 1)
    assert score.recall == pytest.approx((together & belong).sum() / belong.sum() if belong.any() else 1)
    assert score.error == pytest.approx((together != belong).mean())


def test_people_far_apart_are_found_again_with_a_threshold_between() -> None:
    points, truth = people(6, 5, 0.05)
    tree = Tree(points)
    assert pair_score(tree.cut(SAME_BELOW), truth).f1 == 1
    threshold, score = tree.best_cut(truth)
    assert score.f1 == 1
    assert 0.3 < threshold < 1.4
    assert len(set(tree.cut(0.001).tolist())) == 30
    assert set(tree.cut(3.0).tolist()) == {0}


def test_a_squared_threshold_cuts_where_its_root_does() -> None:
    points, _ = people(5, 6, 0.12)
    assert np.array_equal(Tree(points, "squared").cut(0.81), Tree(points).cut(0.9))
    assert as_euclidean(1.21, "squared") == pytest.approx(1.1)


def test_the_best_cut_is_as_good_as_any_threshold() -> None:
    points, truth = people(6, 5, 0.35, seed=4)
    tree = Tree(points)
    _, best = tree.best_cut(truth)
    assert best.f1 < 1
    assert best.f1 >= max(pair_score(tree.cut(t), truth).f1 for t in np.linspace(0.05, 2, 300)) - 1e-12


def test_one_face_is_one_cluster() -> None:
    assert Tree(np.ones((1, 4))).cut(1.0).tolist() == [0]
    assert names_of([0, 1, 0]) == ["person-0001", "person-0002", "person-0001"]


def test_distances_are_as_named_and_others_are_refused() -> None:
    points = np.eye(3)
    assert pairwise(points)[0, 1] == pytest.approx(2**0.5)
    assert pairwise(points, "squared")[0, 1] == pytest.approx(2)
    assert between(points[:1], points[1:2], "squared")[0] == pytest.approx(2)
    with pytest.raises(UsageProblem, match="unknown distance 'cosine'"):
        pairwise(points, "cosine")
    with pytest.raises(UsageProblem, match="above 0"):
        as_euclidean(0.0, "euclidean")


def test_a_cluster_with_one_known_person_has_their_name_and_no_other_takes_it() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2, 3])
    known = [None, "Ann", "Ben", "Cat", None, None, "person-0003"]
    assert named(labels, known) == [
        "Ann",
        "Ann",
        "person-0002",
        "person-0002",
        "person-0003x",
        "person-0003x",
        "person-0003",
    ]
