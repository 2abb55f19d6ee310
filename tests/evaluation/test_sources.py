"""Where masks come from, as it is typed: class tables, dataset columns, predictions by record id, damaged files."""

import json
from pathlib import Path

import click
import cv2
import datasets
import numpy as np
import pytest
from PIL import Image

from evaluation import hub, inputs, predictions, sources
from evaluation.dataset import mask_paths, pick
from evaluation.table import ClassTable
from manifests.manifest import Info, Manifest, ManifestWriter
from manifests.record import Record
from masksmith import cli
from masksmith.errors import BadInput, UsageProblem
from tests.evaluation.typed import run, save

SIZE = (24, 32)


def disc(x, r=6):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return ((columns - x) ** 2 + (rows - 12) ** 2 <= r * r).astype(np.uint8)


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


def judged(capsys, *words, code=0):
    capsys.readouterr()
    assert run("evaluate", *words, "--json") == code
    shown = capsys.readouterr()
    return json.loads(shown.out) if code in (0, 1) else shown.err


@pytest.fixture
def sides(tmp_path):
    for k in range(6):
        save(tmp_path / "p" / f"f{k}.png", disc(12 + k) * 255)
        save(tmp_path / "t" / f"f{k}.png", disc(10 + k) * 255)
    return tmp_path / "p", tmp_path / "t"


MEAN = float(np.mean([overlap(disc(12 + k), disc(10 + k)) for k in range(6)]))


# the form of the command


def test_help_fits_two_screens_and_begins_with_examples():
    command = cli.group.get_command(click.Context(cli.group), "evaluate")
    with click.Context(command, info_name="masksmith evaluate", terminal_width=110, max_content_width=110) as context:
        lines = command.get_help(context).splitlines()
    assert len(lines) <= 50
    assert lines[4].strip() == "Example:"
    assert lines[5].strip().startswith("masksmith evaluate")


@pytest.mark.parametrize(
    "words",
    [
        ("p",),
        ("p", "t", "--data", "d"),
        ("p", "t", "--truth-column", "a", "--pred-column", "b"),
        ("p", "--truth-column", "a"),
        ("p", "t", "--foreground", "foot"),
        ("p", "--data", "d", "--class-table", "c.json"),
        ("p", "--data", "d", "--clips"),
        ("--model", "m", "--data", "d", "--common"),
        ("--from-counts", "c", "--flow", "dis"),
        ("p", "t", "--classes", "0,1", "--class-table", "c.json"),
    ],
)
def test_words_that_do_not_go_together_are_usage_errors(words):
    assert run("evaluate", *words) == 2


# names


def test_mismatches_are_named_in_both_directions_and_judged_in_common_when_told(sides, capsys):
    (sides[0] / "f1.png").unlink()
    (sides[1] / "f4.png").unlink()
    said = judged(capsys, *sides, code=3)
    assert "1 missing: f1" in said and "1 without truth: f4" in said and "--common" in said
    told = judged(capsys, *sides, "--common")
    assert told["images"] == 4
    assert "1 truth masks have no prediction and were left out: f1" in told["notes"]
    assert "1 predictions have no truth and were left out: f4" in told["notes"]


def test_names_that_differ_in_case_alone_are_refused_with_the_reason(sides, capsys):
    (sides[0] / "f1.png").rename(sides[0] / "F1.png")
    assert "in upper and lower case" in judged(capsys, *sides, code=3)


def test_no_common_name_empty_folders_and_two_forms_are_refused(sides, tmp_path, capsys):
    save(tmp_path / "q" / "other.png", disc(9))
    assert "found none" in judged(capsys, tmp_path / "q", sides[1], "--common", code=3)
    (tmp_path / "empty").mkdir()
    assert "no picture files" in judged(capsys, tmp_path / "empty", sides[1], code=3)
    np.save(tmp_path / "a.npy", disc(9))
    assert "one form" in judged(capsys, tmp_path / "a.npy", sides[1], code=3)
    assert "nothing there" in judged(capsys, tmp_path / "none", sides[1], code=3)
    (tmp_path / "a.mat").write_bytes(b"x")
    assert "a .mat file" in judged(capsys, tmp_path / "a.mat", tmp_path / "a.mat", code=3)


def test_a_name_with_html_in_it_is_escaped_in_the_report(tmp_path, capsys):
    name = "<img src=x onerror=alert(1)>&quot;"
    save(tmp_path / "p" / f"{name}.png", disc(12))
    save(tmp_path / "t" / f"{name}.png", disc(10))
    told = judged(capsys, tmp_path / "p", tmp_path / "t", "--out", tmp_path / "o")
    assert told["images"] == 1
    page = (tmp_path / "o" / "report.html").read_text()
    assert "<img src=x" not in page and "&lt;img src=x" in page


# files


def test_damaged_files_are_counted_and_named_and_left_out_only_when_told(sides, tmp_path, capsys):
    for name in ("f1", "f3"):
        whole = (sides[0] / f"{name}.png").read_bytes()
        (sides[0] / f"{name}.png").write_bytes(whole[: len(whole) // 2])
    said = judged(capsys, *sides, code=3)
    assert "2 of 6 pairs cannot be read" in said and "f1.png" in said and "f3.png" in said
    assert "--allow-unreadable 2" in said
    assert "at most 1" in judged(capsys, *sides, "--allow-unreadable", 1, code=3)
    told = judged(capsys, *sides, "--allow-unreadable", 2, "--out", tmp_path / "o")
    assert told["images"] == 4
    assert any("2 of 6 pairs cannot be read" in note and "left out" in note for note in told["notes"])


def test_a_jpeg_is_not_a_damaged_file_that_may_be_left_out(sides, capsys):
    (sides[0] / "f1.png").unlink()
    save(sides[0] / "f1.jpg", disc(13) * 255)
    assert "JPEG, whose ids are blurred" in judged(capsys, *sides, "--allow-unreadable", 5, code=3)


def test_palette_masks_are_read_as_their_indices_and_it_is_said(tmp_path, capsys):
    for side, x in (("p", 12), ("t", 10)):
        picture = Image.fromarray(disc(x) * 3, "P")
        picture.putpalette([255, 0, 0, 1, 1, 1, 0, 255, 0, 9, 9, 9])
        (tmp_path / side).mkdir()
        picture.save(tmp_path / side / "a.png")
    told = judged(capsys, tmp_path / "p", tmp_path / "t")
    assert told["iou_fg_image"] == pytest.approx(overlap(disc(12), disc(10)))
    assert told["classes"][1]["id"] == 3
    assert any("2 PNG files have a palette" in note for note in told["notes"])


def test_0_1_against_0_255_and_against_class_ids_are_refused_both_ways(sides, tmp_path, capsys):
    for name, values in (("one", 1), ("seven", 7)):
        for k in range(6):
            save(tmp_path / name / f"f{k}.png", disc(12 + k) * values)
    for pred, truth in (("one", "t"), ("t", "one"), ("seven", "t"), ("t", "seven"), ("one", "seven")):
        assert "expected the values of the truth" in judged(capsys, tmp_path / pred, tmp_path / truth, code=3)


def test_0_255_masks_under_a_class_table_are_not_taken_for_ignored_pixels(sides, tmp_path, capsys):
    (tmp_path / "c.json").write_text('{"background": 0, "foot": 1}')
    for k in range(6):
        save(sides[0] / f"f{k}.png", disc(12 + k))
    assert "0/255 masks are not class ids" in judged(capsys, *sides, "--class-table", tmp_path / "c.json", code=3)


# clips


def test_folders_are_clips_on_request_and_a_missing_frame_is_refused(sides, capsys):
    told = judged(capsys, *sides, "--clips")
    assert told["clips"][0]["frames"] == 6 and told["flicker_excess"] == pytest.approx(0)
    assert judged(capsys, *sides).get("flicker") is None
    for side in sides:
        (side / "f3.png").unlink()
    assert "nothing between f2 and f4" in judged(capsys, *sides, "--clips", code=3)


def test_a_step_over_a_frame_that_was_left_out_is_in_no_time_figure(sides, capsys):
    (sides[0] / "f3.png").write_bytes(b"")
    told = judged(capsys, *sides, "--clips", "--allow-unreadable", 1)
    assert (told["clips"][0]["frames"], told["clips"][0]["steps"], told["clips"][0]["gaps"]) == (5, 3, 1)
    assert "1 steps between frames that are not neighbours were left out of the time figures." in told["notes"]


def test_a_clip_of_one_frame_is_told_and_has_no_time_figures(tmp_path, capsys):
    for name in ("a/f0", "a/f1", "b/f0"):
        save(tmp_path / "p" / f"{name}.png", disc(12))
        save(tmp_path / "t" / f"{name}.png", disc(12))
    told = judged(capsys, tmp_path / "p", tmp_path / "t", "--clips")
    assert [clip["clip"] for clip in told["clips"]] == ["a"] and told["left_out"] == ["b"]
    assert "1 clips of one frame have no time figures: b" in told["notes"]


# class tables


def painted(mask, colours):
    picture = np.zeros((*mask.shape, 3), np.uint8)
    for value, colour in colours.items():
        picture[mask == value] = colour[::-1]
    return picture


TABLES = {
    "c.json": json.dumps({"void": {"id": 0, "color": [0, 0, 0]}, "foot": {"id": 1, "color": [255, 0, 9]}}),
    "list.json": json.dumps(
        [{"name": "void", "id": 0, "colour": "#000000"}, {"name": "foot", "id": 1, "color": "#ff0009"}]
    ),
    "c.csv": "name,id,r,g,b\nvoid,0,0,0,0\nfoot,1,255,0,9\n",
    "text.csv": "name, id, colour\nvoid, 0, 0 0 0\nfoot, 1, #ff0009\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_painted_masks_are_read_by_a_table_of_any_form(tmp_path, capsys, name):
    (tmp_path / name).write_text(TABLES[name])
    for side, x in (("p", 12), ("t", 10)):
        save(tmp_path / side / "a.png", painted(disc(x), {0: (0, 0, 0), 1: (255, 0, 9)}))
    assert "one channel of class ids" in judged(capsys, tmp_path / "p", tmp_path / "t", code=3)
    told = judged(capsys, tmp_path / "p", tmp_path / "t", "--class-table", tmp_path / name)
    assert told["iou_fg_image"] == pytest.approx(overlap(disc(12), disc(10)))
    assert told["classes"][1]["name"] == "foot"


def test_a_colour_that_is_not_in_the_table_is_refused_with_its_place(tmp_path, capsys):
    (tmp_path / "c.csv").write_text(TABLES["c.csv"])
    for side in ("p", "t"):
        save(tmp_path / side / "a.png", painted(disc(12), {0: (0, 0, 0), 1: (255, 0, 9)}))
    odd = painted(disc(12), {0: (0, 0, 0), 1: (255, 0, 9)})
    odd[3, 5] = (7, 8, 9)
    save(tmp_path / "p" / "a.png", odd)
    said = judged(capsys, tmp_path / "p", tmp_path / "t", "--class-table", tmp_path / "c.csv", code=3)
    assert "(9, 8, 7) at column 5, row 3 (1 pixels in all)" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "something else"),
        ('{"a": 1, "b": 2}', "a class of id 0"),
        ('{"a": 0, "b": 300}', "300 for 'b'"),
        ('{"a": 0, "b": 1.5}', "whole number"),
        ('{"a": 0, "b": 1, "c": 1}', "1 twice"),
        ('{"a": {"id": 0, "color": [0, 0, 0]}, "b": 1}', "none for 'b'"),
        ("{", "something else"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, said):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(BadInput, match=said):
        ClassTable.read(tmp_path / "c.json")


def test_a_table_names_the_classes_and_255_is_ignored(tmp_path, capsys):
    (tmp_path / "c.json").write_text('{"background": 0, "foot": 1, "sock": 2, "void": 255}')
    truth = disc(10) + 2 * disc(28, 3)
    truth[0] = 255
    save(tmp_path / "p" / "a.png", disc(10))
    save(tmp_path / "t" / "a.png", truth)
    told = judged(capsys, tmp_path / "p", tmp_path / "t", "--class-table", tmp_path / "c.json")
    assert [(row["name"], row["iou_image"]) for row in told["classes"][1:]] == [("foot", 1.0), ("sock", 0.0)]
    assert told["ignored_pixels"] == SIZE[1]


def test_a_class_marked_to_be_ignored_counts_for_nothing_in_the_truth_and_is_none_in_a_prediction(tmp_path, capsys):
    (tmp_path / "c.csv").write_text("id,name,ignore\n0,sky,\n1,road,\n11,void,1\n")
    truth = disc(10)
    truth[0] = 11
    save(tmp_path / "p" / "a.png", disc(10))
    save(tmp_path / "t" / "a.png", truth)
    told = judged(capsys, tmp_path / "p", tmp_path / "t", "--class-table", tmp_path / "c.csv")
    assert (told["miou_image"], told["ignored_pixels"]) == (1.0, SIZE[1])
    assert any("11, 255 = ignore; foreground is all but sky" in note for note in told["notes"])
    save(tmp_path / "p" / "a.png", truth)
    assert "the value 11 in the prediction" in judged(
        capsys, tmp_path / "p", tmp_path / "t", "--class-table", tmp_path / "c.csv", code=3
    )


# datasets on disk


def dataset(folder, count=4, form="image", pred=None):
    rows = {"id": [f"r{k}" for k in range(count)], "subject": [f"s{k % 2}" for k in range(count)]}
    masks = {"pred": pred or [disc(12 + k) for k in range(count)], "truth": [disc(10 + k) for k in range(count)]}
    if form == "image":
        features = datasets.Features(
            {"id": datasets.Value("string"), "subject": datasets.Value("string")}
            | {name: datasets.Image() for name in masks}
        )
        rows |= {name: [Image.fromarray(one) for one in several] for name, several in masks.items()}
        found = datasets.Dataset.from_dict(rows, features=features)
    else:
        found = datasets.Dataset.from_dict(rows | {n: [m.tolist() for m in several] for n, several in masks.items()})
    found.save_to_disk(str(folder))
    return folder


COLUMNS = ("--truth-column", "truth", "--pred-column", "pred")


@pytest.mark.parametrize("form", ["image", "list"])
def test_two_columns_of_a_dataset_are_judged_over_its_subjects(tmp_path, capsys, form):
    told = judged(capsys, dataset(tmp_path / "d", form=form), *COLUMNS)
    expected = np.mean([overlap(disc(12 + k), disc(10 + k)) for k in range(4)])
    assert told["iou_fg_image"] == pytest.approx(expected)
    assert (told["intervals"]["unit"], told["intervals"]["groups"]) == ("subject", 2)


def test_a_column_or_folder_that_is_none_and_colours_are_refused(tmp_path, capsys):
    folder = dataset(tmp_path / "d")
    assert run("evaluate", folder, "--truth-column", "trut", "--pred-column", "pred") == 2
    assert "Did you mean 'truth'" in capsys.readouterr().err
    (tmp_path / "e").mkdir()
    assert "save_to_disk" in judged(capsys, tmp_path / "e", *COLUMNS, code=3)
    red = [np.dstack([disc(12 + k) * 255, disc(12) * 0, disc(12) * 0]) for k in range(4)]
    said = judged(capsys, dataset(tmp_path / "f", pred=red), *COLUMNS, code=3)
    assert "row 0, pred" in said and "a RGB picture" in said


def test_several_splits_need_a_name(tmp_path):
    parts = {name: datasets.load_from_disk(str(dataset(tmp_path / name))) for name in ("train", "test")}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "both"))
    with pytest.raises(UsageProblem, match="train, test"):
        hub.pair_columns(tmp_path / "both", "truth", "pred")
    assert len(hub.pair_columns(tmp_path / "both", "truth", "pred", split="test").pairs) == 4


# predictions of a dataset's records


@pytest.fixture
def shop(tmp_path):
    folder = tmp_path / "data"
    with ManifestWriter(folder, Info("shop", classes={"background": 0, "foot": 1, "sock": 2})) as writer:
        for k in range(8):
            goal = disc(10 + k)
            goal[:2] = 2
            save(folder / f"images/{k}.png", (disc(10 + k)[..., None] * 180).repeat(3, 2))
            save(folder / f"masks/{k}.png", goal)
            moving = {"clip": "c", "frame": k} if k >= 5 else {}
            writer.add(Record(f"v1.0/r{k}", f"images/{k}.png", f"masks/{k}.png", 32, 24, subject=f"s{k % 3}", **moving))
    return folder


def test_predictions_are_matched_by_record_id_and_subjects_give_the_intervals(shop, tmp_path, capsys):
    records, _, _ = pick(Manifest.open(shop), None)
    for record, path in ((r, mask_paths(records, tmp_path / "p")[r.id]) for r in records):
        save(path, disc(12 + int(record.id[-1])) * 255)
    words = (tmp_path / "p", "--data", shop)
    assert run("evaluate", *words) == 2
    assert "name the --foreground" in capsys.readouterr().err
    told = judged(capsys, *words, "--foreground", "foot", "--out", tmp_path / "o")
    goals = [disc(10 + k) & (np.arange(24)[:, None] > 1) for k in range(8)]
    expected = np.mean([overlap(disc(12 + k), goals[k]) for k in range(8)])
    assert told["iou_fg_image"] == pytest.approx(expected)
    assert (told["intervals"]["unit"], told["intervals"]["groups"]) == ("subject", 3)
    assert told["clips"][0]["frames"] == 3 and [row["value"] for row in told["slices"]["subject"]] == ["s0", "s1", "s2"]
    (tmp_path / "p" / "v1.0" / "r3.png").unlink()
    assert "1 missing: v1.0/r3" in judged(capsys, *words, "--foreground", "foot", code=3)
    assert judged(capsys, *words, "--foreground", "foot", "--common")["images"] == 7


def test_class_ids_are_judged_class_by_class_and_levels_as_foreground(shop, tmp_path, capsys):
    for k in range(8):
        save(tmp_path / "p" / "v1.0" / f"r{k}.png", cv2.imread(str(shop / f"masks/{k}.png"), cv2.IMREAD_UNCHANGED))
        save(tmp_path / "s" / "v1.0" / f"r{k}.png", np.where(disc(10 + k), 200, 20).astype(np.uint8))
    told = judged(capsys, tmp_path / "p", "--data", shop)
    assert [row["name"] for row in told["classes"]] == ["background", "foot", "sock"] and told["miou_image"] == 1
    told = judged(capsys, tmp_path / "s", "--data", shop, "--soft", "--foreground", "foot")
    assert 0.8 < told["iou_fg_image"] <= 1
    save(tmp_path / "p" / "v1.0" / "r5.png", disc(12) * 9)
    assert "the value 9 in the prediction" in judged(capsys, tmp_path / "p", "--data", shop, code=3)
    for k in range(8):  # levels that are 0 and 1 would all be black
        save(tmp_path / "s" / "v1.0" / f"r{k}.png", disc(10 + k))
    said = judged(capsys, tmp_path / "s", "--data", shop, "--soft", "--foreground", "foot", code=3)
    assert "leave --soft out" in said


@pytest.mark.parametrize("value", [1, 255, 3])
def test_with_one_class_every_binary_form_means_it(tmp_path, capsys, value):
    with ManifestWriter(tmp_path / "d", Info("one", classes={"background": 0, "foot": 3})) as writer:
        for k in range(3):
            save(tmp_path / f"d/masks/{k}.png", disc(10 + k) * 3)
            writer.add(Record(f"r{k}", f"images/{k}.png", f"masks/{k}.png", 32, 24, subject=f"s{k}"))
            save(tmp_path / f"p/r{k}.png", disc(12 + k) * value)
    told = judged(capsys, tmp_path / "p", "--data", tmp_path / "d", "--boundary", "--out", tmp_path / "o")
    expected = np.mean([overlap(disc(12 + k), disc(10 + k)) for k in range(3)])
    assert told["iou_fg_image"] == pytest.approx(expected) and told["intervals"]["groups"] == 3
    assert run("evaluate", tmp_path / "p", "--data", tmp_path / "d", "--flow", "dis") == 2


def test_binary_predictions_are_all_written_alike_or_refused(shop, tmp_path, capsys):
    for k in range(8):
        save(tmp_path / "p" / "v1.0" / f"r{k}.png", disc(10 + k) * (255 if k != 6 else 1))
    assert "0 and 255 as in the other predictions" in judged(
        capsys, tmp_path / "p", "--data", shop, "--foreground", "foot", code=3
    )
    with pytest.raises(UsageProblem, match="no class 'feet'"):
        predictions.of_dataset(Manifest.open(shop), pick(Manifest.open(shop), None)[0], tmp_path / "p", ["feet"])


@pytest.mark.slow
def test_every_form_runs_in_processes_with_the_same_counts(tmp_path, capsys):
    np.save(tmp_path / "p.npy", np.stack([disc(12 + k) for k in range(40)]))
    np.save(tmp_path / "t.npy", np.stack([disc(10 + k) for k in range(40)]))
    for folder in (dataset(tmp_path / "d", count=40),):
        alone, together = (
            judged(capsys, folder, *COLUMNS, "--engine", engine, "--workers", 2) for engine in ("serial", "process")
        )
        assert alone["digest"] == together["digest"]
    words = (tmp_path / "p.npy", tmp_path / "t.npy")
    assert judged(capsys, *words)["digest"] == judged(capsys, *words, "--engine", "process", "--workers", 2)["digest"]


@pytest.mark.data
@pytest.mark.slow
def test_real_palette_and_binary_masks_judged_against_themselves_are_perfect(real_data: Path, capsys):
    truth = real_data / "video" / "DAVIS2016" / "Annotations" / "480p"
    if not truth.is_dir():
        pytest.skip("no DAVIS clip here")
    told = judged(capsys, truth, truth, "--clips")
    assert (told["iou_fg_image"], told["flicker_excess"]) == (1.0, 0.0)
    assert len(inputs.clips([pair.name for pair in sources.between(truth, truth).pairs], truth)) == len(told["clips"])
