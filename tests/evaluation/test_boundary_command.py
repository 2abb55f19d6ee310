"""``masksmith evaluate --boundary``, as it is typed."""

import json
import sys
import types

import numpy as np
import pytest

from evaluation.boundary import CONVENTIONS, measure
from evaluation.counts import Counts
from manifests.manifest import Info, ManifestWriter
from manifests.record import Record
from tests.evaluation.typed import run, save

NAMES = tuple(CONVENTIONS)


def disc(x, r=8, size=(32, 48)):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return ((columns - x) ** 2 + (rows - 16) ** 2 <= r * r).astype(np.uint8)


@pytest.fixture
def sides(tmp_path):
    for k in range(5):
        save(tmp_path / "pred" / f"f{k}.png", disc(16 + 2 * k) * 255)
        save(tmp_path / "truth" / f"f{k}.png", disc(16 + k) * 255)
    return tmp_path / "pred", tmp_path / "truth"


def judged(capsys, *words):
    capsys.readouterr()
    assert run("evaluate", *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def expected(tolerance=2.0):
    rows = [measure(disc(16 + 2 * k), disc(16 + k), tolerance=tolerance)[1] for k in range(5)]
    return dict(zip(NAMES, np.mean(rows, axis=0).tolist(), strict=True))


def test_figures_come_only_when_asked_for(sides, capsys):
    told = judged(capsys, *sides, "--boundary")
    assert {name: told[name] for name in NAMES} == pytest.approx(expected())
    assert set(NAMES) <= set(told["intervals"]["values"])
    plain = judged(capsys, *sides)
    assert not set(NAMES) & set(plain)
    assert plain["iou_fg_image"] == told["iou_fg_image"]
    assert run("evaluate", *sides, "--boundary") == 0
    assert "hausdorff95" in capsys.readouterr().out


def test_the_tolerance_of_surface_dice_can_be_chosen(sides, capsys):
    tight, loose = (judged(capsys, *sides, "--boundary", "--tolerance", px) for px in (0, 3.5))
    assert tight["surface_dice"] == pytest.approx(expected(0)["surface_dice"])
    assert loose["surface_dice"] == pytest.approx(expected(3.5)["surface_dice"]) and loose["surface_dice_px"] == 3.5
    assert tight["surface_dice"] < loose["surface_dice"]


def test_counts_reduce_to_the_same_figures_again(sides, tmp_path, capsys):
    first = judged(capsys, *sides, "--boundary", "--tolerance", 1, "--out", tmp_path / "o")
    again = judged(capsys, "--from-counts", tmp_path / "o" / "counts.parquet", "--boundary")
    for name in (*NAMES, "intervals", "surface_dice_px", "digest", "undefined", "classes"):
        assert again[name] == first[name], name
    assert "Boundary IoU" in (tmp_path / "o" / "report.html").read_text()


def test_another_policy_is_told_to_counts(tmp_path, capsys):
    for name, pred, truth in (("a", disc(16) * 0, disc(16) * 0), ("b", disc(18), disc(16))):
        save(tmp_path / "p" / f"{name}.png", pred * 255)
        save(tmp_path / "t" / f"{name}.png", truth * 255)
    one = judged(capsys, tmp_path / "p", tmp_path / "t", "--boundary", "--out", tmp_path / "o")
    two = judged(capsys, "--from-counts", tmp_path / "o" / "counts.parquet", "--empty", "skip")
    alone = measure(disc(18), disc(16))[1]
    assert one["boundary_iou"] == pytest.approx((1 + alone[0]) / 2) and two["boundary_iou"] == pytest.approx(alone[0])
    assert one["hausdorff95"] == pytest.approx(alone[2] / 2) and two["hausdorff95"] == pytest.approx(alone[2])


def test_images_without_a_distance_are_told(sides, capsys):
    save(sides[0] / "f2.png", disc(16) * 0)
    assert run("evaluate", *sides, "--boundary") == 0
    assert "hausdorff95: 1 image left out" in capsys.readouterr().err


def test_counts_without_boundaries_cannot_tell_them(sides, tmp_path, capsys):
    assert run("evaluate", *sides, "--out", tmp_path / "o") == 0
    assert run("evaluate", "--from-counts", tmp_path / "o" / "counts.parquet") == 0
    assert run("evaluate", "--from-counts", tmp_path / "o" / "counts.parquet", "--boundary") == 3
    assert "again with --boundary" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--boundary", "--fail-over", "hausdorff95=9"), 0),
        (("--boundary", "--fail-over", "hausdorff95=1"), 1),
        (("--boundary", "--fail-under", "boundary_f=0.99"), 1),
        (("--boundary", "--headline", "surface_dice"), 0),
        (("--boundary", "--fail-under", "hausdorff95=1"), 2),
        (("--boundary", "--fail-over", "boundary_iou=1"), 2),
        (("--fail-under", "boundary_iou=0.1"), 2),
        (("--headline", "hausdorff95"), 2),
        (("--tolerance", "3"), 2),
        (("--boundary", "--tolerance", "-1"), 2),
    ],
)
def test_bars_headlines_and_words_that_make_no_sense(sides, words, code):
    assert run("evaluate", *sides, *words) == code


def test_soft_predictions_are_thresholded_and_class_ids_judged_one_by_one(tmp_path, capsys):
    save(tmp_path / "s" / "a.png", np.where(disc(18), 200, 90).astype(np.uint8))
    save(tmp_path / "t" / "a.png", disc(16))
    alone = measure(disc(18), disc(16))[1]
    told = judged(capsys, tmp_path / "s", tmp_path / "t", "--soft", "--boundary")
    assert [told[name] for name in NAMES] == pytest.approx(alone.tolist())
    save(tmp_path / "p" / "a.png", disc(18) + 2 * disc(40, 5))
    save(tmp_path / "u" / "a.png", disc(16) + 2 * disc(40, 5))
    told = judged(capsys, tmp_path / "p", tmp_path / "u", "--classes", "0,1,2", "--boundary")
    rows = {row["id"]: row for row in told["classes"]}
    assert (rows[2]["boundary_iou"], rows[2]["hausdorff95"]) == (1.0, 0.0)
    assert rows[1]["hausdorff95"] == pytest.approx(alone[2])


def test_a_model_is_measured_on_what_is_judged_of_a_dataset(tmp_path, monkeypatch, capsys):
    class Bright:
        inputs = ("image",)

        def __init__(self, path, device="cpu", size=None):
            pass

        def batch(self, images):
            return [np.where(image[..., 0] > 100, 0.9, 0.1).astype(np.float32) for image in images]

    fake = types.ModuleType("trainers.predict")
    fake.Predictor = Bright
    monkeypatch.setitem(sys.modules, "trainers.predict", fake)
    (tmp_path / "run").mkdir()
    folder = tmp_path / "data"
    goals = []
    with ManifestWriter(folder, Info("shop", classes={"background": 0, "foot": 1})) as writer:
        for k in range(4):
            goal = disc(16 + k)
            goal[:10] = 255
            goals.append(goal)
            save(folder / f"images/{k}.png", (disc(18 + k)[..., None] * 180).repeat(3, 2))
            save(folder / f"masks/{k}.png", goal)
            writer.add(Record(f"r{k}", f"images/{k}.png", f"masks/{k}.png", 48, 32, subject=f"s{k}"))
    told = judged(
        capsys, "--model", tmp_path / "run", "--data", folder, "--boundary", "--tolerance", 1, "--out", tmp_path / "o"
    )
    rows = [measure(disc(18 + k), goals[k], tolerance=1.0)[1] for k in range(4)]
    assert [told[name] for name in NAMES] == pytest.approx(np.mean(rows, axis=0).tolist())
    assert Counts.from_parquet(tmp_path / "o" / "counts.parquet").boundaries[:, 1] == pytest.approx(np.array(rows))
