"""Videos of masks: read frame by frame, thresholded and told, each a clip."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest

from evaluation import footage
from masksmith.errors import BadInput
from masksmith.video import write_video
from tests.evaluation.typed import run

SIZE = (48, 64)


def disc(x, r=12):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return ((columns - x) ** 2 + (rows - 24) ** 2 <= r * r).astype(np.uint8)


TRUTH = [disc(20 + k) for k in range(12)]
PRED = [disc(22 + k) for k in range(12)]


def film(path, masks, scale=255):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, (np.repeat(mask[..., None] * np.uint8(scale), 3, 2) for mask in masks))
    return path


def lossless(path, masks):
    """Grey frames in FFV1, which keeps every value."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "gray"
        for mask in masks:
            for packet in stream.encode(av.VideoFrame.from_ndarray(mask, format="gray")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def judged(capsys, *words, code=0):
    capsys.readouterr()
    assert run("evaluate", *words) == code
    return capsys.readouterr()


def test_two_lossy_videos_give_the_figures_of_their_masks_and_of_time(tmp_path, capsys):
    words = (film(tmp_path / "p.mp4", PRED), film(tmp_path / "t.mp4", TRUTH), "--json")
    shown = judged(capsys, *words)
    told = json.loads(shown.out)
    expected = np.mean([(p & t).sum() / (p | t).sum() for p, t in zip(PRED, TRUTH, strict=True)])
    assert told["iou_fg_image"] == pytest.approx(expected, abs=0.02)
    assert told["clips"][0]["frames"] == 12 and abs(told["flicker_excess"]) < 0.02
    assert any("128 and above is foreground" in note for note in told["notes"]) and "128" in shown.err


def test_lossless_videos_are_exact_and_any_frame_can_be_asked_for(tmp_path, capsys):
    paths = [
        lossless(tmp_path / f"{name}.mkv", [m * 255 for m in masks]) for name, masks in (("p", PRED), ("t", TRUTH))
    ]
    told = json.loads(judged(capsys, *paths, "--json", "--boundary", "--out", tmp_path / "o").out)
    expected = np.mean([(p & t).sum() / (p | t).sum() for p, t in zip(PRED, TRUTH, strict=True)])
    assert told["iou_fg_image"] == pytest.approx(expected)
    film_of = footage.Footage(film(tmp_path / "long.mp4", [disc(10 + k % 40) for k in range(200)]))
    for index in (150, 3, 199, 0, 151, 70):
        near = film_of.grey(index) >= 128
        best = max(range(200), key=lambda k: (near == disc(10 + k % 40)).sum())
        assert best % 40 == index % 40


def test_unequal_numbers_of_frames_are_refused_with_both(tmp_path, capsys):
    said = judged(capsys, film(tmp_path / "p.mp4", PRED[:-3]), film(tmp_path / "t.mp4", TRUTH), code=3).err
    assert "12 frames" in said and "found 9" in said


def test_folders_of_videos_are_matched_by_name_and_one_frame_has_no_time(tmp_path, capsys):
    for name, count in (("a", 5), ("b", 1), ("c", 4)):
        film(tmp_path / "p" / f"{name}.mp4", PRED[:count])
        film(tmp_path / "t" / f"{name}.mp4", TRUTH[:count])
    shown = judged(capsys, tmp_path / "p", tmp_path / "t", "--json")
    told = json.loads(shown.out)
    assert told["images"] == 10 and [clip["clip"] for clip in told["clips"]] == ["a", "c"]
    assert "1 clips of one frame have no time figures: b" in shown.err
    (tmp_path / "p" / "c.mp4").unlink()
    assert "1 missing: c" in judged(capsys, tmp_path / "p", tmp_path / "t", code=3).err


def test_a_video_of_0_and_1_of_colours_or_of_a_photo_is_refused(tmp_path):
    dark = lossless(tmp_path / "dark.mkv", TRUTH)
    with pytest.raises(BadInput, match="nothing above 1 in a frame that is not black"):
        footage.Frame(dark, 0).ids()
    ramp = np.tile(np.linspace(0, 255, SIZE[1]).astype(np.uint8), (SIZE[0], 1))
    photo = lossless(tmp_path / "photo.mkv", [ramp])
    with pytest.raises(BadInput, match="between black and white"):
        footage.Frame(photo, 0).ids()
    assert footage.Frame(photo, 0).level() == pytest.approx(ramp / 255)
    red = np.zeros((*SIZE, 3), np.uint8)
    red[..., 0] = 255
    write_video(tmp_path / "red.mp4", [red] * 2)
    with pytest.raises(BadInput, match="colours"):
        footage.Frame(tmp_path / "red.mp4", 0).ids()


def test_what_is_no_video_or_cut_off_is_refused_by_name(tmp_path, capsys):
    good = film(tmp_path / "t.mp4", TRUTH)
    (tmp_path / "p.mp4").write_bytes(b"not a video at all")
    assert "p.mp4" in judged(capsys, tmp_path / "p.mp4", good, code=3).err
    (tmp_path / "p.mp4").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    assert "p.mp4" in judged(capsys, tmp_path / "p.mp4", good, code=3).err
