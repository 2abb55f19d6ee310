"""Whether seams can be learnt: a small classifier finds those of one blend more easily than those of the mixture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datagen import bank, blends, cutouts, floors, scenes
from datagen.bank import Rig
from datagen.chance import Chance
from datagen.compose import compose
from datagen.ground import Ground, prepared
from masksmith import engine, seeds
from masksmith.receipts import Receipts
from tests.datagen.seams import edges

SIZE, SCENES = 192, 96


def pictures(kind: str, folder: Path, made: list[dict[str, object]], grounds: dict[str, Ground]) -> tuple:  # type: ignore[type-arg]
    """Features and truth of the scenes to learn from and of those to be judged by; other feet and floors in each."""
    sets: list[tuple[list[np.ndarray], list[np.ndarray]]] = [([], []), ([], [])]
    for index in range(SCENES):
        test = index % 3 == 0
        feet = [(str(m["file"]), int(str(m["cutouts"])), str(m["subject"])) for m in (made[3:] if test else made[:3])]
        choice = scenes.Choice(feet, sorted(grounds)[1::2] if test else sorted(grounds)[::2])
        recipe = scenes.draw(1, index, index, choice, 336, scenes.Style(size=SIZE, window=(0.6, 0.97)))
        recipe["lens"] |= {"defocus_px": 0.0, "motion_px": 0.0, "noise": 0.004}
        recipe["blend"] = blends.draw(Chance(2, "blend", index), weights(kind), SIZE)
        cutout = cutouts.read(folder / recipe["cutout"]["file"], recipe["cutout"]["index"])
        scene = compose(recipe, cutout, grounds[recipe["floor"]["id"]])
        features, truth = edges(scene, seeds.rng(3, "edges", index))
        sets[test][0].append(features)
        sets[test][1].append(truth)
    return tuple(np.concatenate(part) for both in sets for part in both)


def weights(kind: str) -> tuple[tuple[str, float], ...]:
    return scenes.VARIED.blends if kind == "mixture" else ((kind, 1.0),)


@pytest.mark.slow
def test_a_small_classifier_finds_the_seams_of_one_blend_more_easily_than_those_of_the_mixture(
    tmp_path: Path,
) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    sources = bank.sources("parametric:5", 4)
    receipts = Receipts(tmp_path, "cutouts", {"seams": 1})
    made = bank.build(tmp_path / "bank", sources, Rig(views=6, canvas=336), 4, engine.get("serial"), receipts)
    grounds = {
        f"{kind}{k}": prepared(floors.procedural_floor(kind, k))
        for k, kind in enumerate((*floors.FLOOR_KINDS, *floors.FLOOR_KINDS))
    }
    kinds = (*blends.KINDS, "mixture")
    data = {kind: pictures(kind, tmp_path / "bank", made, grounds) for kind in kinds}
    auc = {}
    for kind in kinds:
        fit = HistGradientBoostingClassifier(max_iter=120, max_depth=4, random_state=0).fit(*data[kind][:2])
        for judged in {kind, "mixture"}:
            features, truth = data[judged][2:]
            auc[kind, judged] = roc_auc_score(truth, fit.predict_proba(features)[:, 1])
    told = ", ".join(f"{a} on {b} {value:.3f}" for (a, b), value in auc.items())
    own = [auc[kind, kind] for kind in blends.KINDS]
    moved = [auc[kind, "mixture"] for kind in blends.KINDS]
    mixture = auc["mixture", "mixture"]
    # on the mean of the blends: the softest one alone is about as hard to find as the mixture
    assert np.mean(own) > mixture + 0.005, told
    # what was learnt from one blend serves the less for the others
    assert np.mean(own) > np.mean(moved) + 0.02, told
