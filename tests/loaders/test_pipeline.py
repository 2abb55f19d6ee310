"""A user's own pipeline of Albumentations: seeded by sample, refused or warned about where it goes wrong."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from loaders import Batches
from loaders.augment import augment, notes_of
from loaders.pipeline import Pipeline
from manifests import Manifest
from masksmith.errors import BadInput

SIZE = (40, 48)


def saved(path: Path, *steps: Any, suffix: str = ".json") -> Path:
    import albumentations

    place = path / f"mine{suffix}"
    form = "json" if suffix == ".json" else "yaml"
    albumentations.save(albumentations.Compose(list(steps)), str(place), data_format=form)
    return place


def usual() -> list[Any]:
    import albumentations as A

    return [
        A.HorizontalFlip(p=0.5),
        A.Affine(rotate=(-20, 20), scale=(0.8, 1.2), p=0.9),
        A.OneOf([A.MotionBlur(p=1), A.RandomBrightnessContrast(p=1)], p=0.5),
    ]


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_pipeline_moves_picture_and_mask_together_by_the_seed(suffix: str, tmp_path: Path) -> None:
    path = saved(tmp_path, *usual(), suffix=suffix)
    mask = np.zeros((60, 80), np.uint8)
    cv2.circle(mask, (30, 30), 15, 3, -1)
    image = np.repeat((mask * 80)[..., None], 3, axis=2)
    made = [augment(str(path), image, mask, np.random.default_rng(seed)) for seed in (1, 1, 2, 3, 4)]
    assert all(np.array_equal(*pair) for pair in zip(made[0], made[1], strict=True))
    assert len({moved.tobytes() for _, moved in made}) > 2
    for moved_image, moved in made:
        assert set(np.unique(moved)) <= {0, 3}
        inside = cv2.erode((moved == 3).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert inside.any() and moved_image[inside].min() > 100


def test_workers_and_their_number_change_nothing(small: Manifest, tmp_path: Path) -> None:
    path = str(saved(tmp_path, *usual()))
    options: dict[str, Any] = {"size": SIZE, "batch_size": 3, "augment": path, "priors": "paper", "seed": 2}
    alone = list(Batches(small, "train", **options).epoch(1))
    with Batches(small, "train", **options, workers=2) as helped:
        together = list(helped.epoch(1))
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one.image, other.image) and torch.equal(one.mask, other.mask)
        assert one.prior is not None and other.prior is not None and torch.equal(one.prior, other.prior)
    plain = next(Batches(small, "train", **{**options, "augment": "none"}).epoch(1))
    assert not torch.equal(plain.image, alone[0].image)


def test_a_soft_mask_moves_softly_and_as_the_hard_one_does(tmp_path: Path) -> None:
    import albumentations as A

    made = Pipeline(saved(tmp_path, A.Affine(rotate=(20, 30), p=1)))
    hard = np.zeros((80, 80), np.uint8)
    hard[20:60, 30:50] = 1
    image = np.zeros((80, 80, 3), np.uint8)
    _, moved = made(image, hard, np.random.default_rng(3))
    _, soft = made.soft(image, hard.astype(np.float32), np.random.default_rng(3))
    assert soft.dtype == np.float32 and soft.min() >= 0 and soft.max() <= 1
    assert ((soft > 0.05) & (soft < 0.95)).sum() > 20
    assert ((soft >= 0.5) != (moved == 1)).mean() < 0.02
    assert (moved != hard).any()


def test_a_pipeline_travels_to_workers_as_its_text(tmp_path: Path) -> None:
    made = Pipeline(saved(tmp_path, *usual()))
    packed = pickle.dumps(made)
    assert len(packed) < 10_000
    image, mask = np.full((40, 40, 3), 9, np.uint8), np.ones((40, 40), np.uint8)
    pairs = [each(image, mask, np.random.default_rng(5)) for each in (made, pickle.loads(packed))]
    assert np.array_equal(pairs[0][1], pairs[1][1])


def test_elastic_defaults_that_move_nothing_are_told(tmp_path: Path) -> None:
    import albumentations as A

    (note,) = notes_of(str(saved(tmp_path, A.OneOf([A.ElasticTransform(p=1)], p=1))))
    assert "by about 0.0" in note and "alpha 120 to 300" in note
    assert notes_of(str(saved(tmp_path, A.ElasticTransform(alpha=200, sigma=8, p=1)))) == ()
    assert notes_of("pirshutuk2023") == ()


def harmed(path: Path, change: dict[str, Any]) -> Path:
    document = json.loads(path.read_text())
    document["transform"]["transforms"][0].update(change)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("change", "sign"),
    [
        ({"alpha_affine": 3}, "alpha_affine"),
        ({"__class_fullname__": "ElasticTransformer"}, "ElasticTransformer"),
        ({"alpha": "much"}, "alpha"),
    ],
)
def test_mistakes_are_refused_with_their_name(change: dict[str, Any], sign: str, tmp_path: Path) -> None:
    import albumentations as A

    path = harmed(saved(tmp_path, A.ElasticTransform(alpha=200, sigma=8, p=1)), change)
    with pytest.raises(BadInput, match=sign):
        Pipeline(path)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", '{"a": 1}'])
def test_other_files_are_no_pipelines(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(BadInput, match="mine.json"):
        Pipeline(tmp_path / "mine.json")
    with pytest.raises(BadInput, match="check the path"):
        Pipeline(tmp_path / "none.json")


def test_another_size_or_type_is_refused_with_what_to_add(tmp_path: Path) -> None:
    import albumentations as A

    image, mask = np.zeros((64, 48, 3), np.uint8), np.zeros((64, 48), np.uint8)
    with pytest.raises(BadInput, match=r'"height": 64, "width": 48'):
        Pipeline(saved(tmp_path, A.RandomCrop(16, 16, p=1)))(image, mask, np.random.default_rng(0))
    made = Pipeline(saved(tmp_path, A.Normalize()))
    assert "Normalize" in made.notes[0]
    with pytest.raises(BadInput, match="uint8"):
        made(image, mask, np.random.default_rng(0))
