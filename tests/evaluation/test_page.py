"""What the report's page is made of: layers, plots of many images, clips, optional curves, and a bound on its size."""

import base64
import json
import re
from html import unescape

import av
import cv2
import numpy as np
import pytest

from evaluation import listing, page, pictures, plots, reel, report, temporal
from evaluation.counts import CountsBuilder, count_image


def dots(text):
    return json.loads(unescape(re.search(r'data-dots="([^"]*)"', text)[1]))


def documented(**more):
    builder = CountsBuilder()
    mask = np.eye(8, dtype=np.uint8)
    for k in range(4):
        builder.add(f"{k}", count_image(np.roll(mask, k % 2, 0), mask), subject=f"{k}")
    return report.document(builder.build()) | more


def rendered(**more):
    return page.render(documented(**more), {"curve": [], "iou": np.ones(1), "area": np.ones(1), "ids": ["a"]}, {}, ())


def scattered(x, y, ids):
    return plots.scatter(x, y, ids, x_label="x", y_label="y", says="s")


def many(number, seed=0):
    draw = np.random.default_rng(seed)
    return (
        draw.uniform(0.001, 0.9, number),
        draw.beta(8, 1, number),
        [f"folder/image {k:06d}.png" for k in range(number)],
    )


def test_every_image_is_a_dot_where_there_are_few():
    x, y, ids = many(300)
    text = scattered(x, y, ids)
    found = dots(text)
    assert sorted(words.split(":")[0] for _, _, words in found) == ids
    assert "Each dot is one of 300 images" in text


def test_a_hundred_thousand_images_share_dots_and_the_plot_says_so():
    x, y, ids = many(100_000)
    y[4711], x[4711] = 0.01, 0.3
    text = scattered(x, y, ids)
    found = dots(text)
    assert len(text) < 1_000_000
    assert f"100,000 images in {len(found):,} dots" in text
    stands = [int((re.search(r"lowest of ([\d,]+)", words) or ["", "1"])[1].replace(",", "")) for _, _, words in found]
    assert sum(stands) == 100_000
    assert any(words.startswith(f"{ids[4711]}: 0.010") for _, _, words in found)  # an outlier is never thinned away


def test_the_order_of_images_does_not_change_the_gathered_plot():
    x, y, ids = many(20_000)
    turned = np.random.default_rng(1).permutation(20_000)
    assert scattered(x, y, ids) == scattered(x[turned], y[turned], [ids[k] for k in turned])


def test_images_without_foreground_or_iou_are_no_dots():
    text = scattered(np.array([0.0, 0.5, 0.5]), np.array([1.0, np.nan, 0.5]), ["a", "b", "c"])
    assert [words for _, _, words in dots(text)] == ["c: 0.500 at 50 %"]


def test_a_page_of_a_hundred_thousand_images_is_smaller_than_ten_megabytes():
    x, y, ids = many(100_000)
    draw = np.random.default_rng(0)
    noise = draw.integers(0, 255, (560, 560, 3), dtype=np.uint8)
    mask = cv2.blur(draw.random((560, 560)), (9, 9)) < 0.5
    sample = pictures.draw(pictures.Sample("a", 0.5, noise, mask.astype(np.uint8), 1 - mask.astype(np.uint8)))
    small = pictures.draw(
        pictures.Sample("a", 0.5, noise, mask * np.uint8(1), mask * np.uint8(1)), width=200, panels=False
    )
    shown = {"curve": [(0.0, 1.0), (1.0, 0.0)], "iou": y, "area": x, "ids": ids}
    text = page.render(documented(), shown, {rank: [sample] * 4 for rank in ("worst", "median", "best")}, [small] * 24)
    assert len(text.encode()) < report.MOST_BYTES


@pytest.mark.parametrize("with_photo", [True, False])
def test_layers_lie_over_the_base_pixel_by_pixel(with_photo):
    truth, pred = np.zeros((60, 80), np.uint8), np.zeros((60, 80), np.uint8)
    truth[10:40, 10:40], pred[10:40, 20:60] = 1, 1
    photo = np.full((60, 80, 3), 120, np.uint8) if with_photo else None
    drawn = pictures.draw(pictures.Sample("a", 0.5, photo, pred, truth))
    assert (drawn.width, drawn.height) == (80, 60)
    assert (drawn.base is not None) == with_photo
    assert list(drawn.layers) == list(pictures.LAYERS)
    data = np.frombuffer(base64.b64decode(drawn.layers["errors"].split(",")[1]), np.uint8)
    layer = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    shown = cv2.cvtColor(layer, cv2.COLOR_BGRA2RGBA)
    assert tuple(shown[20, 15, :3]) == pictures.COLOURS["missed"][0]
    assert tuple(shown[20, 50, :3]) == pictures.COLOURS["extra"][0]
    assert tuple(shown[20, 30, :3]) == pictures.COLOURS["right"][0]
    assert shown[50, 50, 3] == 0


def test_classes_are_told_apart_by_their_tint():
    mask = np.repeat(np.array([[0, 1, 2, 255]], np.uint8), 12, 0).repeat(12, 1)
    layer = pictures.lit(mask, solid=True)
    assert len({tuple(layer[6, column]) for column in (6, 18, 30)}) == 3
    assert tuple(layer[6, 42]) == tuple(layer[6, 6])  # not judged is no class


def frames(number=12, height=50, width=70):
    for k in range(number):
        truth, pred = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
        truth[10:40, 20:50] = 1
        pred[10:40, 20 : 50 + 4 * (k % 2)] = 1
        yield pictures.Sample(f"{k}", 0.0, np.full((height, width, 3), 10 * k % 256, np.uint8), pred, truth)


def test_a_clip_is_a_video_of_its_frames_with_what_each_step_added(tmp_path):
    found = reel.film("clip", frames(), numbers=range(5, 17), fps=10)
    judge = temporal.ClipJudge()
    for one in frames():
        judge.update(one.pred, one.truth)
    whole = judge.figures()
    for name in ("flicker", "boundary_jitter_px"):
        values = found.traces[name]
        assert values[0] is None and len(values) == 12
        assert np.mean(values[1:]) == pytest.approx(getattr(whole, name))
        assert values[1] == pytest.approx(values[2], rel=0.2)  # there and back again
    (tmp_path / "a.mp4").write_bytes(base64.b64decode(found.video.split(",")[1]))
    with av.open(str(tmp_path / "a.mp4")) as container:
        shapes = [(frame.height, frame.width) for frame in container.decode(video=0)]
    assert shapes == [(50, 70)] * 12
    assert (found.first, found.frames, found.total) == (5, 12, 12)


def test_the_same_frames_give_the_same_video():
    assert reel.film("clip", frames()).video == reel.film("clip", frames()).video


def test_a_step_over_a_gap_has_no_value_in_the_trace():
    found = reel.film("clip", frames(6), numbers=[0, 1, 2, 9, 10, 11])
    assert [value is None for value in found.traces["flicker"]] == [True, False, False, True, False, False]


def test_a_long_clip_is_cut_and_says_so():
    found = reel.film("clip", frames(reel.MOST_FRAMES + 1, 20, 20), total=400)
    assert found.frames == reel.MOST_FRAMES
    assert f"the first {reel.MOST_FRAMES} of 400 frames" in reel.render([found])


def test_a_restless_video_gets_coarser_until_it_is_small():
    draw = np.random.default_rng(0)
    noise = [draw.integers(0, 255, (120, 160, 3), dtype=np.uint8) for _ in range(12)]
    fine = reel.encoded(noise, 25)
    assert len(reel.encoded(noise, 25, most_bytes=len(fine) - 1)) < len(fine)


def test_the_clips_that_are_shown_reach_from_the_most_restless_to_the_stillest():
    clips = [{"clip": f"c{k}", "flicker": 0.1, "boundary_jitter_px": float(k)} for k in range(9)]
    assert reel.choose(clips) == ["c8", "c4", "c0"]
    assert reel.choose(clips[:2]) == ["c1", "c0"]


def test_curves_are_drawn_where_the_document_has_them_and_nowhere_else():
    bare = rendered()
    titles = ("IoU against the threshold", "Calibration", "Quality against frame skipping")
    assert not any(title in bare for title in titles)
    sweep = {"thresholds": [0.1, 0.5, 0.9], "iou_fg_image": [0.5, None, 0.7], "note": "a leak"}
    points = [{"confidence": 0.1, "foreground": 0.2}, {"confidence": None, "foreground": None}]
    skip = [{"alpha": 0, "frames": 9, "realised_skip_rate": 0.0, "iou_fg_image": 0.9}]
    text = rendered(sweep=sweep, reliability=points, ece=0.25, skip_curve=skip)
    assert all(title in text for title in titles)
    assert "A leak" in text and "Calibration error (ECE) 0.2500" in text and "9 frames" in text


def test_the_table_tells_how_often_each_figure_was_undefined_and_the_policy():
    builder = CountsBuilder()
    empty, full = np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8)
    for name, mask in (("a", empty), ("b", empty), ("c", full)):
        builder.add(name, count_image(mask, mask))
    made = report.document(builder.build(), empty="skip")
    assert listing.undefined(made, "iou_fg_image") == 2
    assert listing.undefined(made, "miou_image") == 3  # background is absent from the full image
    assert listing.undefined(made, "pixel_accuracy") == 0
    assert "are left out of the means (--empty skip); it happened 3 times" in listing.figures(made)
