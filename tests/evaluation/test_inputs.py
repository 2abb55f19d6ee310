"""Two folders of masks: paired by name, read one way, or refused by name."""

import cv2
import numpy as np
import pytest

from evaluation import inputs, region
from evaluation.coding import CodingCheck
from evaluation.counts import count_image
from masksmith.errors import BadInput, UsageProblem

FRONT = np.zeros((12, 16), np.uint8)
FRONT[3:9, 4:12] = 1
SHIFTED = np.roll(FRONT, 2, axis=1)


def save(folder, **masks):
    for name, mask in masks.items():
        path = folder / f"{name.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), mask)


@pytest.fixture
def sides(tmp_path):
    for name in ("pred", "truth"):
        (tmp_path / name).mkdir()
    return tmp_path / "pred", tmp_path / "truth"


def counted(sides, **options):
    reader = inputs.Reader(**options.pop("reader", {}))
    return inputs.count_pairs(inputs.pair_folders(*sides), reader, **options)


def test_masks_are_paired_by_their_path_without_suffix_in_natural_order(sides):
    for name in ("x_10", "x_9", "sub__x_1"):
        save(sides[0], **{name: FRONT})
        save(sides[1], **{name: FRONT})
    (sides[1] / "x_9.png").rename(sides[1] / "x_9.bmp.tmp")
    cv2.imwrite(str(sides[1] / "x_9.bmp"), FRONT)
    assert [pair.name for pair in inputs.pair_folders(*sides)] == ["sub/x_1", "x_9", "x_10"]


def test_missing_predictions_are_counted_and_the_first_are_named(sides):
    save(sides[0], a=FRONT, z=FRONT)
    save(sides[1], a=FRONT, b=FRONT, c=FRONT, d=FRONT, e=FRONT)
    with pytest.raises(BadInput, match=r"each of the 5 truth masks.*4 missing: b, c, d, \.\.\., and 1 without truth"):
        inputs.pair_folders(*sides)


def test_predictions_without_truth_are_refused_too(sides):
    save(sides[0], a=FRONT, b=FRONT)
    save(sides[1], a=FRONT)
    with pytest.raises(BadInput, match=r"truth.*1 missing: b"):
        inputs.pair_folders(*sides)


def test_two_files_of_one_name_are_refused(sides):
    save(sides[0], a=FRONT)
    cv2.imwrite(str(sides[0] / "a.bmp"), FRONT)
    save(sides[1], a=FRONT)
    with pytest.raises(BadInput, match=r"a\.bmp and a\.png"):
        inputs.pair_folders(*sides)


def test_an_empty_folder_a_file_and_no_folder_are_refused(sides, tmp_path):
    save(sides[0], a=FRONT)
    with pytest.raises(BadInput, match="no picture files"):
        inputs.pair_folders(*sides)
    with pytest.raises(BadInput, match="no such folder"):
        inputs.pair_folders(sides[0], tmp_path / "nowhere")
    with pytest.raises(BadInput, match="a file"):
        inputs.pair_folders(sides[0] / "a.png", sides[0])


@pytest.mark.parametrize("scale", [1, 255])
def test_both_sides_binary_in_one_coding_are_read_and_announced(sides, scale):
    save(sides[0], a=SHIFTED * scale, b=FRONT * scale)
    save(sides[1], a=FRONT * scale, b=FRONT * scale)
    counts, coding = counted(sides)
    assert np.array_equal(counts.values, np.stack([count_image(SHIFTED, FRONT), count_image(FRONT, FRONT)]))
    assert f"{{0, {scale}}}" in coding.says
    assert "foreground" in coding.says


@pytest.mark.parametrize(("pred", "truth", "value"), [(1, 255, 1), (255, 1, 255)])
def test_0_1_against_0_255_is_refused_with_file_and_values(sides, pred, truth, value):
    save(sides[0], a=FRONT * 0, b=FRONT * pred)
    save(sides[1], a=FRONT * 0, b=FRONT * truth)
    with pytest.raises(BadInput, match=rf"pred/b\.png.*\{{0, {truth}\}}.*found {value} .*\{{0, {pred}\}}.*same way"):
        counted(sides)


def test_the_coding_is_judged_over_the_whole_set_not_file_by_file(sides):
    ignored = FRONT * 255  # nothing but background and "ignore" in this one
    mixed = FRONT.copy()
    mixed[0] = 255
    save(sides[0], a=FRONT, b=FRONT)
    save(sides[1], a=ignored, b=mixed)
    counts, coding = counted(sides)
    assert (coding.class_ids, coding.ignore) == ((0, 1), 255)
    assert counts.column("ignored") == [int(FRONT.sum()), 16]
    assert counts.values[0, 1].tolist() == [0, 0, 0, 12 * 16 - int(FRONT.sum())]


def test_class_ids_are_read_from_the_truth_and_255_there_is_ignore(sides):
    truth = FRONT * 7
    truth[0, 0] = 255
    save(sides[0], a=SHIFTED * 7)
    save(sides[1], a=truth)
    counts, coding = counted(sides)
    assert coding.class_ids == (0, 7)
    assert np.array_equal(counts.values[0], count_image(SHIFTED * 7, truth, (0, 7)))


@pytest.mark.parametrize(
    ("pred", "truth"),
    [
        ({0, 1, 2}, {0, 1}),
        ({0, 128}, {0, 255}),
        ({0, 127, 255}, {0, 127, 255}),
        ({0, 127, 255}, {0, 255}),
        ({0, 255}, {0, 127, 255}),
        ({0, 1}, {0, 7}),
        ({0, 2}, {0}),
        ({0, 1, 255}, {0, 255}),
    ],
)
def test_values_that_could_mean_two_things_are_refused(pred, truth):
    check = CodingCheck()
    check.add("p.png", pred, "t.png", truth)
    with pytest.raises(BadInput, match=r"p\.png"):
        check.settle()


def test_classes_named_by_the_user_settle_it(sides):
    save(sides[0], a=FRONT * 2)
    save(sides[1], a=FRONT)
    counts, coding = counted(sides, classes=[0, 1, 2])
    assert coding.class_ids == (0, 1, 2)
    assert region.reduce(counts).values["iou_fg_image"] == 1.0  # foreground is "not background"
    with pytest.raises(BadInput, match=r"pred/a\.png.*the value 2 in the prediction"):
        counted(sides, classes=[0, 1])
    with pytest.raises(UsageProblem, match="class ids must be"):
        counted(sides, classes=[0, 255])


def test_grey_levels_are_refused_and_read_with_soft(sides):
    ramp = (np.arange(48 * 48) % 251).astype(np.uint8).reshape(48, 48)
    save(sides[0], a=ramp)
    save(sides[1], a=(ramp > 127).astype(np.uint8) * 255)
    with pytest.raises(BadInput, match=r"different values on the prediction side.*--soft"):
        counted(sides)
    counts, _ = counted(sides, reader={"soft": True})
    assert region.reduce(counts).values["iou_fg_image"] == 1.0


def test_0_1_masks_called_soft_are_refused_instead_of_read_as_black(sides):
    save(sides[0], a=FRONT)
    save(sides[1], a=FRONT)
    with pytest.raises(BadInput, match="leave --soft out"):
        counted(sides, reader={"soft": True})


def test_unequal_sizes_are_refused_unless_a_size_is_chosen(sides):
    big = np.kron(FRONT, np.ones((2, 2), np.uint8))
    save(sides[0], a=big)
    save(sides[1], a=FRONT)
    with pytest.raises(BadInput, match=r"pred/a\.png: expected 16 x 12 .*found 32 x 24.*--at"):
        counted(sides)
    for at, pixels in (("truth", 12 * 16), ("pred", 24 * 32), ("6x8", 48)):
        counts, _ = counted(sides, reader={"size": inputs.Size.parse(at)})
        assert counts.values[0, 0].sum() == pixels
        assert region.reduce(counts).values["miou_image"] == 1.0


@pytest.mark.parametrize("text", ["big", "10", "0x5", "12 x 13", "12x"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(UsageProblem, match="--at"):
        inputs.Size.parse(text)


def test_jpeg_masks_and_broken_files_are_refused_by_name(sides):
    save(sides[1], a=FRONT)
    cv2.imwrite(str(sides[0] / "a.jpg"), FRONT * 255)
    with pytest.raises(BadInput, match=r"a\.jpg.*JPEG"):
        counted(sides)
    (sides[0] / "a.jpg").unlink()
    save(sides[0], a=FRONT)
    whole = (sides[0] / "a.png").read_bytes()
    for broken in (b"", b"text, not a picture", whole[: len(whole) // 2], whole[:40] + b"\0" * 20 + whole[60:]):
        (sides[0] / "a.png").write_bytes(broken)
        with pytest.raises(BadInput, match=r"a\.png"):
            counted(sides)


def test_a_damaged_palette_mask_is_refused_by_name(tmp_path):
    from PIL import Image

    path = tmp_path / "p.png"
    noise = np.random.default_rng(0).integers(0, 9, (64, 64)).astype(np.uint8)
    picture = Image.fromarray(noise, "P")
    picture.putpalette(list(range(48)))
    picture.save(path)
    assert np.array_equal(inputs.read(path), noise)
    data = bytearray(path.read_bytes())
    start = data.index(b"IDAT") + 40
    data[start : start + 60] = b"\xaa" * 60
    path.write_bytes(bytes(data))
    with pytest.raises(BadInput, match=r"p\.png"):
        inputs.read(path)


def test_clips_are_folders_and_their_frames_stand_in_numeric_order(tmp_path):
    names = [f"dance/f{k}" for k in (10, 8, 9)] + ["walk/b", "walk/a"]
    dance, walk = inputs.clips(names, tmp_path)
    assert (dance.name, dance.frames, dance.numbers) == ("dance", ("dance/f8", "dance/f9", "dance/f10"), (8, 9, 10))
    assert (walk.frames, walk.numbers) == (("walk/a", "walk/b"), None)


def test_every_fifth_frame_is_a_clip_and_a_missing_frame_is_refused(tmp_path):
    assert inputs.clips(["f00", "f05", "f10"], tmp_path)[0].step == 5
    with pytest.raises(BadInput, match="nothing between f05 and f15"):
        inputs.clips(["f00", "f05", "f15"], tmp_path)
