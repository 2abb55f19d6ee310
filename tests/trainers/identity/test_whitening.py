"""The closed form: what varies within people is shrunk, and strangers say how well."""

from __future__ import annotations

import numpy as np
import pytest

from masksmith import seeds
from tests.trainers.identity.people import run, tree
from trainers.identity.clusters import Tree, pair_score
from trainers.identity.whitening import embedded, fit, held_out_threshold
from trainers.networks.facenet import DIMENSIONS


def crowd(people: int, photos: int = 6, size: int = 160) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Features of people who differ in some directions, and photos that differ more in others."""
    rng = seeds.rng(3, "crowd", people)
    own, light = np.zeros((people, size)), np.zeros((people * photos, size))
    own[:, :40] = rng.normal(0, 1, (people, 40))
    light[:, 40:80] = rng.normal(0, 2, (people * photos, 40))
    who = np.repeat(np.arange(people), photos)
    features = own[who] + light + rng.normal(0, 0.1, (people * photos, size))
    return (features, features + rng.normal(0, 0.05, features.shape)), who.astype(np.int64)


def test_whitening_finds_people_that_plain_features_do_not() -> None:
    known, who = crowd(30)
    strangers, them = crowd(11)
    weight, bias = fit(np.concatenate(known), np.tile(who, 2), 2.0)
    assert weight.shape == (DIMENSIONS, 160) and bias.shape == (DIMENSIONS,)
    points = embedded(strangers, weight, bias)
    assert np.allclose(np.linalg.norm(points, axis=1), 1)
    plain = Tree(strangers[0] / np.linalg.norm(strangers[0], axis=1, keepdims=True)).best_cut(them)[1]
    threshold, expected = held_out_threshold(known, who, 2.0, 0)
    found = pair_score(Tree(points).cut(threshold), them)
    assert found.f1 > 0.85 > plain.f1 + 0.2
    assert abs(found.error - expected.error) < 0.05


def test_too_few_people_are_refused(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    tree(tmp_path / "few", range(4), 3)
    assert run("train", "--data", tmp_path / "few", "--out", tmp_path / "run") == 3
    assert "at least 6 people" in capsys.readouterr().err
