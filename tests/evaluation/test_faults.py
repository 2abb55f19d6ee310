"""Faults that other evaluators have with their input: ours refuses, or does right."""

import json

import numpy as np
import pytest

from evaluation import Evaluator
from evaluation.counts import count_image
from tests.evaluation.typed import run, save

TRUTH = np.zeros((24, 32), np.uint8)
TRUTH[6:18, 8:24] = 1
PRED = np.roll(TRUTH, 3, axis=1)
IOU = (TRUTH & PRED).sum() / (TRUTH | PRED).sum()


def judged(capsys, *words, code=0):
    capsys.readouterr()
    assert run("evaluate", *words, "--json") == code
    shown = capsys.readouterr()
    return json.loads(shown.out) if code == 0 else shown.err


def sides(folder, pred, truth, name="a"):
    save(folder / "p" / f"{name}.png", pred)
    save(folder / "t" / f"{name}.png", truth)
    return folder / "p", folder / "t"


def test_a_0_1_prediction_against_a_0_255_truth_is_refused_and_not_0_0039(tmp_path, capsys):
    said = judged(capsys, *sides(tmp_path, PRED, TRUTH * 255), code=3)
    assert "a.png" in said and "{0, 255}" in said and "write both sides the same way" in said
    with pytest.raises(ValueError, match="0/255 masks are not class ids"):
        judge = Evaluator()
        judge.update(PRED, TRUTH * 255)
        judge.compute()


def test_the_rows_of_a_batch_are_never_taken_for_classes():
    batch = np.stack([PRED, TRUTH])
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        Evaluator().update(batch, batch)
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        count_image(batch, batch)


def test_both_sides_empty_is_a_number_by_policy_and_counted(tmp_path, capsys):
    told = judged(capsys, *sides(tmp_path, PRED * 0, TRUTH * 0))
    assert told["iou_fg_image"] == 1.0 and told["undefined"]["foreground_images"] == 1


def test_a_0_255_truth_is_never_all_ignored(tmp_path, capsys):
    told = judged(capsys, *sides(tmp_path, PRED * 255, TRUTH * 255))
    assert told["iou_fg_image"] == pytest.approx(IOU) and told["ignored_pixels"] == 0
    said = judged(capsys, *sides(tmp_path, PRED, TRUTH * 255), "--classes", "0,1", code=3)
    assert "0/255 masks are not class ids" in said


def test_a_missing_frame_ends_with_3_and_not_with_0(tmp_path, capsys):
    for k in range(4):
        folders = sides(tmp_path, PRED, TRUTH, f"clip/{k:05}")
    (folders[0] / "clip" / "00002.png").unlink()
    assert "1 missing: clip/00002" in judged(capsys, *folders, code=3)
    assert run("jitter", *folders) == 3


def test_running_again_reads_the_masks_and_not_what_an_earlier_run_left(tmp_path, capsys):
    words = (*sides(tmp_path, PRED, TRUTH), "--out", tmp_path / "o")
    first = judged(capsys, *words)["iou_fg_image"]
    sides(tmp_path, np.roll(PRED, 2, axis=1), TRUTH)
    second = judged(capsys, *words)["iou_fg_image"]
    assert second < first
    assert json.loads((tmp_path / "o" / "report.json").read_text())["iou_fg_image"] == second


def test_a_clip_may_have_more_than_255_frames(tmp_path, capsys):
    stack = np.stack([np.roll(TRUTH[::2, ::2], k % 9, axis=1) for k in range(300)])
    np.save(tmp_path / "p.npy", stack)
    np.save(tmp_path / "t.npy", stack)
    told = judged(capsys, tmp_path / "p.npy", tmp_path / "t.npy", "--clips")
    assert (told["clips"][0]["frames"], told["flicker_excess"], told["dtssd"]) == (300, 0, 0)
    assert told["iou_fg_image"] == 1
