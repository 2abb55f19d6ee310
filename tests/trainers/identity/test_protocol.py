from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from masksmith import images
from masksmith.errors import BadInput
from tests.trainers.identity.people import face, run
from trainers.identity import roc
from trainers.identity.embed import save_face_network
from trainers.identity.protocol import Pair, find_photos, read_pairs, verify
from trainers.models import build_embedding


def pairs_text(folds: int = 3, each: int = 4) -> str:
    lines = [f"{folds}\t{each}"]
    for fold in range(folds):
        lines += [f"Ann_{fold}\t{k % 3 + 1}\t{(k + 1) % 3 + 1}" for k in range(each)]
        lines += [f"Ann_{fold}\t{k % 3 + 1}\tBob_{fold}\t{k % 2 + 1}" for k in range(each)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def lfw(tmp_path: Path) -> Path:
    """A small folder in the form of LFW, with ``pairs.txt`` beside it."""
    (tmp_path / "pairs.txt").write_text(pairs_text())
    for fold in range(3):
        for number, (name, photos) in enumerate((("Ann", 3), ("Bob", 2))):
            folder = tmp_path / "lfw" / f"{name}_{fold}"
            folder.mkdir(parents=True)
            for photo in range(1, photos + 1):
                made = images.encode_jpeg(face(2 * fold + number, photo, 250))
                (folder / f"{name}_{fold}_{photo:04d}.jpg").write_bytes(made)
    return tmp_path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    notes = {"width": "0.25", "size": "32x32", "crop": "none", "distance": "euclidean", "threshold": "1.0"}
    save_face_network(tmp_path / "w.safetensors", build_embedding("facenet_mobile", width=0.25).state_dict(), notes)
    return tmp_path / "w.safetensors"


def test_the_official_list_has_ten_folds_of_300_and_300(real_data: Path) -> None:
    place = real_data / "faces" / "lfw_pairs.txt"
    if not place.is_file():
        pytest.skip("no lfw_pairs.txt among the real data")
    found = read_pairs(place)
    counts = Counter((pair.fold, pair.same) for pair in found)
    assert counts == {(fold, same): 300 for fold in range(10) for same in (True, False)}
    assert found[0] == Pair(("Abel_Pacheco", 1), ("Abel_Pacheco", 4), True, 0, 2)
    assert found[300].second == ("Dean_Barker", 1)
    assert not found[-1].same


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "ten\tpairs", r"pairs.txt, line 1: expected .*found 'ten\\tpairs'"),
        (3, "Ann_0\t1\tBob_0\t2", r"pairs.txt, line 3: expected `name i j`"),
        (6, "Ann_0\t1\t2", r"pairs.txt, line 6: expected `name1 i name2 j`"),
        (7, "Ann_0\tone\tBob_0\t2", r"pairs.txt, line 7: "),
    ],
)
def test_a_wrong_line_is_named(line: int, text: str, message: str, tmp_path: Path) -> None:
    lines = pairs_text().splitlines()
    lines[line - 1] = text
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    with pytest.raises(BadInput, match=message):
        read_pairs(tmp_path / "pairs.txt")


def test_a_list_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("\n".join(pairs_text().splitlines()[:-2]))
    with pytest.raises(BadInput, match=r"24 pairs \(3 x 4 x 2\), found 22"):
        read_pairs(tmp_path / "pairs.txt")


def test_missing_photos_are_listed(lfw: Path) -> None:
    (lfw / "lfw" / "Bob_1" / "Bob_1_0002.jpg").unlink()
    found, missing = find_photos(lfw / "lfw", read_pairs(lfw / "pairs.txt"))
    assert missing == ["Bob_1/Bob_1_0002"]
    assert len(found) == 14
    with pytest.raises(BadInput, match=r"photos such as Ann_0/Ann_0_0001\.jpg"):
        find_photos(lfw, read_pairs(lfw / "pairs.txt"))


def test_the_command_judges_every_fold_with_the_others_threshold(
    lfw: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (lfw / "lfw" / "Bob_1" / "Bob_1_0002.jpg").unlink()
    command = ["verify", "--weights", weights, "--photos", lfw / "lfw", "--pairs", lfw / "pairs.txt"]
    assert run(*command, "--json") == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert "1 photos are missing: Bob_1/Bob_1_0002" in shown.err
    assert (told["pairs"], told["left_out"], told["missing"]) == (22, 2, ["Bob_1/Bob_1_0002"])
    assert told["accuracy"] == pytest.approx(np.mean([fold["accuracy"] for fold in told["folds"]]))
    assert told["accuracy_std"] == pytest.approx(np.std([fold["accuracy"] for fold in told["folds"]], ddof=1))
    assert 0 <= told["val_at_far_1e-3"] <= 1
    assert run(*command, "--fail-under", "1.01") == 1


def test_points_that_tell_people_apart_are_judged_perfect() -> None:
    pairs = [
        Pair((name, 1), (name if same else "other", 2), same, fold, 0)
        for fold in range(4)
        for name in ("a", "b")
        for same in (True, False)
    ]
    axes = {"a": 0, "b": 1, "other": 2}
    points = {(name, k): np.eye(3)[axis] for name, axis in axes.items() for k in (1, 2)}
    for distance, middle in (("euclidean", 2**0.5 / 2), ("squared", 1.0)):
        figures = verify(pairs, points, distance)
        assert (figures.accuracy, figures.auc, figures.val, figures.far) == (1, 1, 1, 0)
        assert figures.threshold == pytest.approx(middle)


def test_a_fold_is_judged_without_having_chosen_its_threshold() -> None:
    # fold 0 would want a threshold below 0.5, the other two one above: it gets theirs, and is wrong
    near, far, mid = (0.1, 0.9, 0.6)
    rows = [(0, True, near), (0, False, mid), (1, True, mid), (1, False, far), (2, True, mid), (2, False, far)]
    points = {}
    pairs = []
    for k, (fold, same, apart) in enumerate(rows):
        points[(f"p{k}", 1)], points[(f"p{k}", 2)] = np.zeros(1), np.array([apart])
        pairs.append(Pair((f"p{k}", 1), (f"p{k}", 2), same, fold, 0))
    assert verify(pairs, points).folds[0]["accuracy"] == 0.5


def test_the_curve_has_the_area_that_scikit_learn_finds() -> None:
    rng = np.random.default_rng(2)
    same = rng.random(400) < 0.4
    distances = np.round(rng.normal(1.2, 0.3, 400) - 0.3 * same, 2)  # with ties
    assert roc.auc(distances, same) == pytest.approx(roc_auc_score(same, -distances))


def test_the_best_threshold_is_as_right_as_any() -> None:
    rng = np.random.default_rng(3)
    same = rng.random(200) < 0.5
    distances = np.round(rng.normal(1.0, 0.3, 200) - 0.3 * same, 1)
    best = roc.accuracy(distances, same, roc.best_threshold(distances, same))
    assert best == max(roc.accuracy(distances, same, t) for t in np.arange(-0.5, 2.5, 0.01))


def test_the_threshold_of_a_false_accept_rate_is_interpolated() -> None:
    distances = np.array([0.1, 0.2, 0.4, 0.6, 0.8, 1.0])
    same = np.array([True, True, False, False, False, False])
    assert roc.threshold_at(distances, same, 0.25) == pytest.approx(0.4)
    assert roc.threshold_at(distances, same, 0.375) == pytest.approx(0.5)
    assert roc.rates(distances, same, 0.5) == (1.0, 0.25)
