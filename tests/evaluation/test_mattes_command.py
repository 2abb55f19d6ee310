"""``masksmith mattes``, as it is typed."""

import json

import cv2
import numpy as np
import pytest

from evaluation.matting import measure
from tests.evaluation.typed import run, save


@pytest.fixture
def sides(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(4):
        soft = [cv2.GaussianBlur(rng.standard_normal((30, 40)), (0, 0), 3) * 4 + 0.5 for _ in range(2)]
        for side, values in zip(("pred", "truth"), (soft[0] + 0.1 * soft[1], soft[0]), strict=True):
            save(tmp_path / side / f"{number}.png", np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))
        save(tmp_path / "trimaps" / f"{number}.png", rng.choice(np.array([0, 128, 255], np.uint8), (30, 40)))
    return tmp_path


def expected(folder, masked):
    found = []
    for path in sorted((folder / "pred").iterdir()):
        pred, truth, trimap = (
            cv2.imread(str(folder / side / path.name), cv2.IMREAD_GRAYSCALE) for side in ("pred", "truth", "trimaps")
        )
        errors = measure(pred, truth, judged=trimap == 128 if masked else None)
        found.append((errors.sad, errors.mse, errors.gradient_error, errors.connectivity_error))
    return np.mean(found, axis=0)


@pytest.mark.parametrize("masked", [False, True])
def test_errors_are_means_over_the_images(sides, masked, capsys):
    words = ["mattes", sides / "pred", sides / "truth", "--json"]
    assert run(*words, *(["--trimaps", sides / "trimaps"] if masked else [])) == 0
    found = json.loads(capsys.readouterr().out)
    names = ("sad", "mse", "gradient_error", "connectivity_error")
    assert [found[name] for name in names] == pytest.approx(list(expected(sides, masked)), rel=1e-5)
    assert found["images"] == len(found["per_image"]) == 4
    low, high = found["intervals"]["sad"]
    assert low <= found["sad"] <= high


def test_a_table_is_printed_and_a_perfect_matte_is_perfect(sides, capsys):
    assert run("mattes", sides / "truth", sides / "truth") == 0
    out = capsys.readouterr().out
    assert "connectivity_error" in out
    assert "0.0000" in out


def test_other_sizes_and_missing_trimaps_are_named(sides, capsys):
    (sides / "trimaps" / "2.png").unlink()
    assert run("mattes", sides / "pred", sides / "truth", "--trimaps", sides / "trimaps") == 3
    assert "1 missing: 2" in capsys.readouterr().err
    save(sides / "pred" / "3.png", np.zeros((30, 41), np.uint8))
    assert run("mattes", sides / "pred", sides / "truth") == 3
    assert "3.png" in capsys.readouterr().err
