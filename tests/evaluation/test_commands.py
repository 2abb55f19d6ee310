"""``masksmith evaluate`` and ``masksmith jitter``, as they are typed."""

import json
import os
import sys
import types
from pathlib import Path

import click
import cv2
import numpy as np
import pytest

from manifests.manifest import Info, ManifestWriter
from manifests.record import Record
from masksmith import cli
from tests.evaluation.typed import run, save

DATA = Path(os.environ.get("MASKSMITH_DATA", Path(__file__).parents[3] / "shared" / "data"))


def disc(x, r=8, size=(32, 40)):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return ((columns - x) ** 2 + (rows - 16) ** 2 <= r * r).astype(np.uint8)


@pytest.fixture
def sides(tmp_path):
    for k in range(6):
        save(tmp_path / "pred" / f"f{k}.png", disc(16 + k + k % 2) * 255)
        save(tmp_path / "truth" / f"f{k}.png", disc(16 + k) * 255)
    return tmp_path / "pred", tmp_path / "truth"


def test_one_line_helps_are_those_of_the_front_door():
    for name in ("evaluate", "jitter"):
        command = cli.group.get_command(click.Context(cli.group), name)
        assert command.get_short_help_str(200) == cli.COMMANDS[name][1]
        assert "Example:" in command.help


def test_two_folders_print_a_table(sides, capsys):
    assert run("evaluate", *sides) == 0
    shown = capsys.readouterr()
    assert "iou_fg_image" in shown.out and "miou_dataset" in shown.out
    assert "{0, 255}" in shown.err


def test_json_is_one_document_with_every_figure(sides, capsys):
    assert run("evaluate", *sides, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    expected = [disc(16 + k + k % 2).astype(bool) for k in range(6)]
    truth = [disc(16 + k).astype(bool) for k in range(6)]
    iou = np.mean([(a & b).sum() / (a | b).sum() for a, b in zip(expected, truth, strict=True)])
    assert told["iou_fg_image"] == pytest.approx(iou)
    assert told["headline"]["name"] == "iou_fg_image"
    assert told["intervals"]["unit"] == "image"


def test_out_holds_report_json_and_counts_which_reduce_to_the_same(sides, tmp_path, capsys):
    assert run("evaluate", *sides, "--out", tmp_path / "out") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.html", "report.json", "counts.parquet"}
    first = json.loads((tmp_path / "out" / "report.json").read_text())
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<figure>") == 6 + 6  # each rank has two, the wall all
    capsys.readouterr()
    assert run("evaluate", "--from-counts", tmp_path / "out" / "counts.parquet", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    for name in ("iou_fg_image", "miou_dataset", "map_at_x", "intervals", "digest", "title"):
        assert again[name] == first[name]


def test_from_counts_takes_another_policy(tmp_path, capsys):
    save(tmp_path / "p" / "a.png", disc(16) * 0)
    save(tmp_path / "t" / "a.png", disc(16) * 0)
    assert run("evaluate", tmp_path / "p", tmp_path / "t", "--out", tmp_path / "o", "--json") == 0
    assert json.loads(capsys.readouterr().out)["iou_fg_image"] == 1.0
    assert run("evaluate", "--from-counts", tmp_path / "o" / "counts.parquet", "--empty", "zero", "--json") == 0
    assert json.loads(capsys.readouterr().out)["iou_fg_image"] == 0.0


def test_photos_appear_in_the_report(sides, tmp_path, capsys):
    for k in range(6):
        save(tmp_path / "photos" / f"f{k}.jpg", np.full((64, 80, 3), 200, np.uint8))
    assert run("evaluate", *sides, "--images", tmp_path / "photos", "--out", tmp_path / "out") == 0
    (tmp_path / "photos" / "f3.jpg").unlink()
    assert run("evaluate", *sides, "--images", tmp_path / "photos") == 3
    assert "1 missing: f3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("bar", "code"),
    [
        (("--fail-under", "iou_fg_image=0.5"), 0),
        (("--fail-under", "iou_fg_image=0.999"), 1),
        (("--fail-under", "map_at_0.99=0.9"), 1),
        (("--fail-over", "flicker=0.1"), 2),  # no clips here: there is no such figure
        (("--fail-under", "flicker=0.1"), 2),
        (("--fail-over", "iou_fg_image=0.1"), 2),
        (("--fail-under", "iou=0.1"), 2),
        (("--fail-under", "iou_fg_image"), 2),
        (("--fail-under", "iou_fg_image=nan"), 2),
    ],
)
def test_bars_decide_the_exit_code(sides, bar, code):
    assert run("evaluate", *sides, *bar) == code


def test_a_missed_bar_still_prints_and_writes_everything(sides, tmp_path, capsys):
    assert run("evaluate", *sides, "--out", tmp_path / "o", "--json", "--fail-under", "iou_fg_image=0.999") == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["images"] == 6
    assert (tmp_path / "o" / "report.html").exists()
    assert "under 0.999" in shown.err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("only",),
        ("--model", "m"),
        ("--data", "d"),
        ("p", "t", "--data", "d", "--model", "m"),
        ("p", "t", "--save-masks"),
        ("p", "t", "--split", "test"),
        ("p", "t", "--classes", "0,foot"),
        ("p", "t", "--empty", "maybe"),
        ("--from-counts", "c", "--at", "truth"),
    ],
)
def test_words_that_make_no_sense_are_usage_errors(words):
    assert run("evaluate", *words) == 2


def test_bad_inputs_end_with_3_and_one_line(sides, capsys):
    (sides[0] / "f2.png").unlink()
    assert run("evaluate", *sides) == 3
    assert capsys.readouterr().err.count("\n") == 1
    save(sides[0] / "f2.png", disc(20))  # 0/1 among 0/255
    assert run("evaluate", *sides) == 3
    assert "found 1 (over all predictions: {0, 1, 255})" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(sides, tmp_path, capsys):
    assert run("evaluate", *sides, "--out", tmp_path / "o", "--dry-run") == 0
    assert "would judge 6 pairs" in capsys.readouterr().out
    assert not (tmp_path / "o").exists()


class Bright:
    """Stands for a trained network: foreground is what is bright; a prior makes it remember."""

    inputs: tuple[str, ...] = ("image",)
    calls: tuple[list[str], ...] = ([],)

    def __init__(self, path, device="cpu", size=None):
        self.path, self.priors = path, []

    def __call__(self, image, prior=None):
        type(self).calls[0].append("none" if prior is None else "prior")
        return np.where(image[..., 0] > 100, 0.9, 0.1).astype(np.float32)

    def batch(self, images):
        return [self(image) for image in images]


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    fake = types.ModuleType("trainers.predict")
    fake.Predictor = type("Predictor", (Bright,), {"calls": ([],)})
    monkeypatch.setitem(sys.modules, "trainers.predict", fake)
    folder = tmp_path / "data"
    classes = {"background": 0, "foot": 1, "sock": 2}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"foreground": ["foot"]}')
    with ManifestWriter(folder, Info("shop", classes=classes)) as writer:
        for k in range(9):
            mask = disc(12 + k)
            mask[:, 30:] = 2
            mask[0] = 255
            save(folder / f"images/{k}.png", (disc(12 + k)[..., None] * 180).repeat(3, 2))
            save(folder / f"masks/{k}.png", mask)
            moving = {"clip": "c", "frame": k} if k >= 5 else {}
            writer.add(
                Record(
                    f"r{k}",
                    f"images/{k}.png",
                    f"masks/{k}.png" if k != 1 else None,
                    40,
                    32,
                    subject=f"s{k % 3}",
                    groups={"floor": ("oak",) if k % 2 else ("tile",)},
                    split="train" if k == 0 else "test",
                    **moving,
                )
            )
    return tmp_path / "run", folder, fake.Predictor


def test_a_model_is_judged_on_the_test_split_with_the_classes_it_was_trained_on(dataset, tmp_path, capsys):
    model, data, _ = dataset
    words = ("evaluate", "--model", model, "--data", data, "--out", tmp_path / "o", "--json", "--save-masks")
    assert run(*words) == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert "split test; foreground: foot" in shown.err
    assert (told["images"], told["iou_fg_image"]) == (7, 1.0)
    assert told["ignored_pixels"] == 7 * 40
    assert told["notes"] == ["Left out: 1 record without a mask."]
    assert [row["value"] for row in told["slices"]["floor"]] == ["oak", "tile"]
    assert told["intervals"]["unit"] == "subject"
    assert (told["flicker_excess"], told["clips"][0]["frames"]) == (0.0, 4)
    mask = cv2.imread(str(tmp_path / "o" / "masks" / "r4.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(mask, disc(16) * 255)
    assert (tmp_path / "o" / "report.html").read_text().count("<script") == 1


def test_slices_that_were_asked_for_are_printed(dataset, capsys):
    model, data, _ = dataset
    assert run("evaluate", "--model", model, "--data", data, "--slice", "floor", "--least", 2) == 0
    shown = capsys.readouterr().out
    (line,) = (line for line in shown.splitlines() if "oak" in line)
    assert "by floor" in shown and "1.0000 to 1.0000" in line
    assert run("evaluate", "--model", model, "--data", data) == 0
    assert "by floor" not in capsys.readouterr().out


def test_without_the_list_of_the_run_every_class_is_foreground(dataset, capsys):
    model, data, _ = dataset
    (model / "run.json").unlink()
    assert run("evaluate", "--model", model, "--data", data, "--json") == 0
    shown = capsys.readouterr()
    assert "foreground: foot, sock" in shown.err
    assert json.loads(shown.out)["iou_fg_image"] < 0.6


def test_a_network_that_takes_a_prior_gets_the_frame_before_within_a_clip(dataset):
    model, data, predictor = dataset
    predictor.inputs = ("image", "prior")
    assert run("evaluate", "--model", model, "--data", data) == 0
    assert predictor.calls[0] == ["none"] * 3 + ["none", "prior", "prior", "prior"]


def test_a_class_the_dataset_lacks_or_a_split_that_is_not_there_is_refused(dataset, capsys):
    model, data, _ = dataset
    assert run("evaluate", "--model", model, "--data", data, "--split", "tset") == 2
    assert "Did you mean 'test'" in capsys.readouterr().err
    (model / "run.json").write_text('{"foreground": ["person"]}')
    assert run("evaluate", "--model", model, "--data", data) == 3
    assert "no person among" in capsys.readouterr().err


def test_a_truth_of_0_and_255_in_a_dataset_is_refused_instead_of_ignored(dataset, capsys):
    model, data, _ = dataset
    for k in range(9):
        save(data / f"masks/{k}.png", disc(12 + k) * 255)
    assert run("evaluate", "--model", model, "--data", data) == 3
    assert "0/255 masks are not class ids" in capsys.readouterr().err


def test_a_truth_value_that_is_no_class_is_refused_by_name(dataset, capsys):
    model, data, _ = dataset
    save(data / "masks/4.png", disc(16) * 3)
    assert run("evaluate", "--model", model, "--data", data) == 3
    assert "masks/4.png" in capsys.readouterr().err


def test_a_model_that_answers_nan_is_refused_instead_of_scored_as_background(dataset, capsys, monkeypatch):
    model, data, predictor = dataset
    monkeypatch.setattr(predictor, "__call__", lambda self, image, prior=None: np.full(image.shape[:2], np.nan, "f4"))
    assert run("evaluate", "--model", model, "--data", data) == 3
    assert "NaN" in capsys.readouterr().err


def test_an_id_cannot_lead_out_of_the_masks_folder(dataset, tmp_path):
    from evaluation.dataset import mask_paths

    records = [Record("../../up", "i", "m", 1, 1), Record("/abs/x", "i", "m", 1, 1), Record("..", "i", "m", 1, 1)]
    paths = mask_paths(records, tmp_path / "masks")
    assert all(path.resolve().is_relative_to(tmp_path / "masks") for path in paths.values())


def test_jitter_compares_the_clips_of_two_folders(sides, capsys):
    assert run("jitter", *sides, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["flicker_excess"] > 0 and told["dtssd"] > 0
    assert told["clips"][0]["steps"] == 5
    assert run("jitter", sides[1], sides[1], "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["flicker_excess"], told["dtssd"]) == (0, 0)


def test_jitter_without_truth_tells_flicker_alone_and_says_so(sides, capsys):
    assert run("jitter", sides[0], "--json") == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert told["flicker"] > 0 and told["dtssd"] is None
    assert "flicker only" in shown.err


def test_jitter_names_clips_of_one_frame_and_refuses_gaps(tmp_path, capsys):
    for name in ("one/f0", "two/f0", "two/f1"):
        save(tmp_path / "p" / f"{name}.png", disc(16))
    assert run("jitter", tmp_path / "p") == 0
    shown = capsys.readouterr()
    assert "one frame only: one" in shown.err and "two" in shown.out
    save(tmp_path / "p" / "two/f3.png", disc(16))
    assert run("jitter", tmp_path / "p") == 3
    assert "nothing between two/f1 and two/f3" in capsys.readouterr().err


def test_jitter_refuses_mixed_codings_changing_sizes_and_lonely_frames(tmp_path, capsys):
    save(tmp_path / "p" / "f0.png", disc(16))
    assert run("jitter", tmp_path / "p") == 3
    save(tmp_path / "p" / "f1.png", disc(16) * 255)
    assert run("jitter", tmp_path / "p") == 3
    assert "{0, 1, 255}" in capsys.readouterr().err
    save(tmp_path / "p" / "f1.png", disc(16, size=(30, 40)))
    assert run("jitter", tmp_path / "p") == 3
    assert "f1.png" in capsys.readouterr().err


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="no real data: set MASKSMITH_DATA")
def test_the_truth_of_a_davis_clip_judged_against_itself_is_perfect(capsys):
    truth = DATA / "video" / "DAVIS2016" / "Annotations" / "480p"
    assert run("jitter", truth, truth, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["flicker_excess"], told["dtssd"]) == (90, 0, 0)
    assert 0.1 < told["flicker"] < 0.5
