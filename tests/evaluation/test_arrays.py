"""Stacks of masks in .npy and .npz, and soft masks in every depth: read as what they are, or refused by name."""

import json

import numpy as np
import pytest

from evaluation import arrays, inputs, region, sources, stored
from evaluation.counts import count_image
from masksmith.errors import BadInput
from tests.evaluation.typed import run, save

TRUTH = np.zeros((5, 16, 20), np.uint8)
for k in range(5):
    TRUTH[k, 3:12, 2 + k : 12 + k] = 1
PRED = np.roll(TRUTH, 2, axis=2)


def iou(pred=PRED, truth=TRUTH):
    return float(np.mean([(p & t).sum() / (p | t).sum() for p, t in zip(pred > 0, truth > 0, strict=True)]))


def judged(capsys, *words, code=0):
    capsys.readouterr()
    assert run("evaluate", *words, "--json") == code
    shown = capsys.readouterr()
    return json.loads(shown.out) if code in (0, 1) else shown.err


def stacks(folder, pred=PRED, truth=TRUTH):
    np.save(folder / "p.npy", pred)
    np.save(folder / "t.npy", truth)
    return folder / "p.npy", folder / "t.npy"


@pytest.mark.parametrize("kind", [np.uint8, np.bool_, np.int64])
def test_stacks_of_ids_are_judged_mask_by_mask(tmp_path, capsys, kind):
    told = judged(capsys, *stacks(tmp_path, PRED.astype(kind), TRUTH.astype(kind)))
    assert (told["images"], told["iou_fg_image"]) == (5, pytest.approx(iou()))


def test_a_stack_is_a_clip_on_request(tmp_path, capsys):
    told = judged(capsys, *stacks(tmp_path), "--clips")
    assert (told["clips"][0]["frames"], told["flicker_excess"]) == (5, pytest.approx(0))
    assert told["intervals"]["unit"] == "clip"


def test_archives_are_matched_by_key_and_what_one_side_lacks_is_refused_or_told(tmp_path, capsys):
    np.savez(tmp_path / "p.npz", b=PRED[1], a=PRED[0], c=PRED[2:])
    np.savez(tmp_path / "t.npz", a=TRUTH[0], b=TRUTH[1], c=TRUTH[2:])
    assert judged(capsys, tmp_path / "p.npz", tmp_path / "t.npz")["iou_fg_image"] == pytest.approx(iou())
    np.savez(tmp_path / "p.npz", a=PRED[0], z=PRED[1])
    said = judged(capsys, tmp_path / "p.npz", tmp_path / "t.npz", code=3)
    assert "2 missing: b, c" in said and "1 without truth: z" in said
    told = judged(capsys, tmp_path / "p.npz", tmp_path / "t.npz", "--common")
    assert told["images"] == 1 and "2 truth masks have no prediction and were left out: b, c" in told["notes"]


@pytest.mark.parametrize(
    ("pred", "truth", "said"),
    [
        (PRED[:4], TRUTH, "expected 5 masks"),
        (PRED, TRUTH[0], "expected one mask"),
        (np.zeros((5, 16, 20, 3), np.uint8), TRUTH, r"masks \(N, H, W\)"),
        (np.zeros((5, 20, 3), np.uint8), TRUTH, "colours in the last place"),
        (np.zeros((0, 16, 20), np.uint8), TRUTH, r"\(0, 16, 20\)"),
        (np.array([["a"]]), TRUTH[0], "ids or levels"),
    ],
)
def test_stacks_of_another_form_are_refused(tmp_path, pred, truth, said):
    with pytest.raises(BadInput, match=said):
        arrays.pair_arrays(*stacks(tmp_path, pred, truth))


@pytest.mark.parametrize(
    ("pred", "said"),
    [
        (PRED * 255, "write both sides the same way"),  # 0/255 against 0/1
        (PRED.astype(np.int16) - 1, "class ids from 0 to 255, found -1"),
        (PRED.astype(np.uint16) * 300, "class ids from 0 to 255, found 300"),
        (PRED.astype(np.float32), "class ids in whole numbers, found float32"),
        (np.pad(PRED, ((0, 0), (0, 1), (0, 0))), "--at"),
    ],
)
def test_values_and_sizes_that_do_not_fit_end_with_3(tmp_path, capsys, pred, said):
    assert said in judged(capsys, *stacks(tmp_path, pred), code=3)


def test_python_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "p.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BadInput, match="cannot be read"):
        stored.load_array(tmp_path / "p.npy")


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY\x01\x00 cut off", b"no array at all"])
def test_damaged_stacks_end_with_3_and_their_name(tmp_path, capsys, suffix, content):
    path = tmp_path / f"p.{suffix}"
    path.write_bytes(content)
    said = judged(capsys, path, path, code=3)
    assert f"p.{suffix}" in said and "pickle.load" not in said


def test_a_stack_is_mapped_not_loaded(tmp_path):
    pairs, _ = arrays.pair_arrays(*stacks(tmp_path))
    assert isinstance(pairs[0].pred.values().base, np.memmap | np.ndarray)
    assert isinstance(stored.load_array(tmp_path / "p.npy"), np.memmap)


def test_soft_stacks_are_thresholded(tmp_path, capsys):
    soft = np.where(PRED, 0.7, 0.2).astype(np.float32)
    assert judged(capsys, *stacks(tmp_path, soft), "--soft")["iou_fg_image"] == pytest.approx(iou())
    told = judged(capsys, *stacks(tmp_path, soft), "--soft", "--threshold", "0.8")
    assert told["iou_fg_image"] == 0
    exact = PRED.astype(np.float32)  # a network that is certain is no 0/1 mask by mistake
    assert judged(capsys, *stacks(tmp_path, exact), "--soft")["iou_fg_image"] == pytest.approx(iou())


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.nan, "NaN or infinity in 1 pixels"), (np.inf, "NaN"), (-0.1, "sigmoid"), (1.5, "sigmoid"), (255.0, "by 255")],
)
def test_nan_and_levels_out_of_range_are_refused_by_name(tmp_path, capsys, value, said):
    soft = np.where(PRED, 0.7, 0.2).astype(np.float32)
    soft[3, 5, 5] = value
    shown = judged(capsys, *stacks(tmp_path, soft), "--soft", code=3)
    assert said in shown and "p.npy[3]" in shown


@pytest.mark.parametrize(("kind", "high"), [(np.uint8, 255), (np.uint16, 65535)])
def test_png_levels_of_8_and_16_bits_mean_the_same(tmp_path, kind, high):
    level = np.tile(np.linspace(0, 1, 32), (4, 1))
    save(tmp_path / "s.png", np.rint(level * high).astype(kind))
    assert stored.read_level(tmp_path / "s.png") == pytest.approx(level, abs=0.5 / high + 1e-6)


def test_8_bit_levels_in_a_16_bit_file_are_refused(tmp_path):
    save(tmp_path / "s.png", PRED[0].astype(np.uint16) * 255)
    with pytest.raises(BadInput, match="8-bit levels in 16 bits"):
        stored.read_level(tmp_path / "s.png")


def test_16_bit_ids_are_read_up_to_255_and_refused_beyond(tmp_path, capsys):
    save(tmp_path / "t" / "a.png", TRUTH[0].astype(np.uint16) * 2)
    save(tmp_path / "p" / "a.png", PRED[0] * 2)
    assert judged(capsys, tmp_path / "p", tmp_path / "t")["iou_fg_image"] == pytest.approx(iou(PRED[:1], TRUTH[:1]))
    save(tmp_path / "t" / "a.png", TRUTH[0].astype(np.uint16) * 300)
    assert "values up to 300" in judged(capsys, tmp_path / "p", tmp_path / "t", code=3)


def test_a_folder_may_hold_arrays_and_a_name_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "p").mkdir()
    np.save(tmp_path / "p" / "a.npy", PRED[0])
    save(tmp_path / "t" / "a.png", TRUTH[0])
    source = sources.between(tmp_path / "p", tmp_path / "t")
    counts, _ = inputs.count_pairs(source.pairs, inputs.Reader())
    assert np.array_equal(counts.values[0], count_image(PRED[0], TRUTH[0]))
    assert region.reduce(counts).images == 1
    save(tmp_path / "p" / "a.png", PRED[0])
    with pytest.raises(BadInput, match=r"a\.npy and a\.png in the same folder"):
        sources.between(tmp_path / "p", tmp_path / "t")
    (tmp_path / "p" / "a.npy").unlink()
    save(tmp_path / "p" / "A.png", PRED[0])
    with pytest.raises(BadInput, match=r"A\.png and a\.png"):
        sources.between(tmp_path / "p", tmp_path / "t")


def test_a_soft_jpeg_is_refused_with_the_reason(tmp_path, capsys):
    save(tmp_path / "p" / "a.jpg", PRED[0] * 255)
    save(tmp_path / "t" / "a.png", TRUTH[0] * 255)
    assert "JPEG, whose ids are blurred" in judged(capsys, tmp_path / "p", tmp_path / "t", "--soft", code=3)


def test_two_pictures_are_one_pair_and_there_is_no_interval(tmp_path, capsys):
    save(tmp_path / "p.png", PRED[0])
    save(tmp_path / "t.png", TRUTH[0])
    told = judged(capsys, tmp_path / "p.png", tmp_path / "t.png")
    assert told["images"] == 1 and not told["intervals"]["values"] and told["intervals"]["note"]
