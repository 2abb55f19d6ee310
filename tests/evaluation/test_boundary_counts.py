"""Boundary figures of a set: kept with the counts, reduced like them, the same after a trip through a file."""

import math

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from evaluation import intervals, region, report
from evaluation.boundary import CONVENTIONS, measure
from evaluation.counts import Counts, CountsBuilder, count_image
from evaluation.evaluator import Evaluator
from masksmith.errors import BadInput, UsageProblem

NAMES = tuple(CONVENTIONS)


def disc(x, r=9, size=(40, 56)):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return ((columns - x) ** 2 + (rows - 20) ** 2 <= r * r).astype(np.uint8)


NONE = np.zeros((40, 56), np.uint8)


def table(pairs, class_ids=(0, 1), info=None, **columns):
    builder = CountsBuilder(class_ids, info)
    for k, (pred, truth) in enumerate(pairs):
        extra = {name: values[k] for name, values in columns.items()}
        edges = measure(pred, truth, class_ids)
        builder.add(str(k), count_image(pred, truth, class_ids), edges=edges, **extra)
    return builder.build()


def moved(number=8):
    return [(disc(20 + k + k % 3), disc(20 + k)) for k in range(number)]


def test_figures_of_a_set_are_the_means_of_its_images():
    pairs = moved()
    expected = np.mean([measure(*pair)[1] for pair in pairs], axis=0)
    values = region.reduce(table(pairs)).values
    assert [values[name] for name in NAMES] == pytest.approx(expected.tolist())


@pytest.mark.parametrize(
    ("policy", "share", "far"), [("one", (1 + 1 + 0) / 3, 0.0), ("skip", 1 / 2, 0.0), ("zero", 1 / 3, 0.0)]
)
def test_foreground_absent_from_both_sides_follows_the_policy(policy, share, far):
    counts = table([(NONE, NONE), (disc(20), disc(20)), (disc(20), NONE)])
    found = region.reduce(counts, empty=policy)
    assert found.values["boundary_iou"] == found.values["surface_dice"] == pytest.approx(share)
    assert found.values["hausdorff95"] == far
    assert found.undefined["hausdorff95_images"] == 1


def test_both_sides_empty_is_a_distance_of_0_and_one_side_is_left_out_of_the_mean():
    two_off = np.roll(disc(20), 2, axis=1)
    counts = table([(two_off, disc(20)), (NONE, NONE), (NONE, disc(20)), (disc(20), NONE)])
    found = region.reduce(counts)
    assert found.values["hausdorff95"] == pytest.approx(2.0 / 2)
    assert region.reduce(counts, empty="skip").values["hausdorff95"] == 2.0
    assert found.undefined["hausdorff95_images"] == 2
    only = region.reduce(table([(NONE, disc(20))]))
    assert math.isnan(only.values["hausdorff95"]) and only.values["boundary_f"] == 0.0


def test_each_class_has_its_figures_and_the_background_those_of_the_foreground():
    truth, pred = disc(20) + 4 * disc(40, 6), disc(21) + 4 * disc(43, 6)
    truth[truth == 4], pred[pred == 4] = 7, 7
    found = region.reduce(table([(pred, truth), (disc(20), disc(20))], (0, 1, 7)))
    rows = {row["id"]: row for row in found.classes}
    first = measure(pred, truth, (0, 1, 7))
    assert rows[1]["boundary_iou"] == pytest.approx((first[1, 0] + 1) / 2)
    assert rows[7]["boundary_iou"] == pytest.approx((first[2, 0] + 1) / 2)  # absent from the second: policy "one"
    assert rows[7]["hausdorff95"] == pytest.approx(first[2, 2] / 2)
    assert [rows[0][name] for name in NAMES] == [found.values[name] for name in NAMES]


def test_intervals_come_from_the_same_resamples_of_subjects():
    counts = table(moved(12), subject=[f"s{k // 2}" for k in range(12)])
    found = intervals.bootstrap(counts, seed=3)
    grouped = counts.boundaries[:, 1].reshape(6, 2, 4).mean(1)
    weights = np.concatenate(list(intervals.draws(6, 1000, 3)))
    for position, name in enumerate(NAMES):
        low, high = np.percentile(weights @ grouped[:, position] / 6, [2.5, 97.5])
        assert found.bounds[name] == pytest.approx((low, high)), name
    assert (found.unit, found.groups) == ("subject", 6)


def test_slices_and_the_report_hold_them_too(tmp_path):
    counts = table(moved(6), info={"boundary": {"surface_dice_px": 2.0}}, **{"group.floor": [["oak"], ["tile"]] * 3})
    made = report.document(counts, headline="boundary_f")
    values = region.reduce(counts).values
    assert {name: made[name] for name in NAMES} == pytest.approx({name: values[name] for name in NAMES})
    assert made["surface_dice_px"] == 2.0
    assert made["headline"]["interval"] == made["intervals"]["values"]["boundary_f"]
    oak = region.reduce(counts.take([0, 2, 4])).values
    row = made["slices"]["floor"][0]
    assert {name: row[name] for name in NAMES} == pytest.approx({name: oak[name] for name in NAMES})
    page = report.write(tmp_path, made, counts)["html"].read_text()
    assert "Boundary IoU" in page and "within 2 px of the other" in page


def test_a_distance_left_out_is_told_on_the_page(tmp_path):
    info = {"boundary": {"surface_dice_px": 2.0}}
    counts = table([(disc(20), disc(20)), (NONE, disc(20))], info=info)
    page = report.write(tmp_path, report.document(counts), counts)["html"].read_text()
    assert "undefined in 1 images" in page


def test_a_trip_through_a_file_changes_nothing(tmp_path):
    counts = table([*moved(3), (NONE, NONE), (NONE, disc(20))], info={"boundary": {"surface_dice_px": 2.0}})
    counts.to_parquet(tmp_path / "c.parquet")
    again = Counts.from_parquet(tmp_path / "c.parquet")
    assert np.array_equal(again.boundaries, counts.boundaries, equal_nan=True)
    assert again.digest() == counts.digest()
    assert report.document(again) == report.document(counts)
    stored = pq.read_table(tmp_path / "c.parquet")
    assert stored["hausdorff95"].null_count == 4  # two images of two rows: null, not NaN


def test_tables_without_boundaries_are_read_and_reduced_as_before(tmp_path):
    builder = CountsBuilder()
    for k, (pred, truth) in enumerate(moved(4)):
        builder.add(str(k), count_image(pred, truth))
    builder.build().to_parquet(tmp_path / "old.parquet")
    old = Counts.from_parquet(tmp_path / "old.parquet")
    assert not old.measured
    made = report.document(old)
    assert not set(NAMES) & set(made) and not set(NAMES) & set(made["intervals"]["values"])
    with_edges = table(moved(4))
    assert made["iou_fg_image"] == report.document(with_edges)["iou_fg_image"]
    assert old.digest() != with_edges.digest()
    with pytest.raises(UsageProblem, match="unknown figure 'boundary_iou'"):
        report.document(old, headline="boundary_iou")


def test_a_column_of_text_in_place_of_figures_is_refused(tmp_path):
    counts = table(moved(2))
    counts.to_parquet(tmp_path / "c.parquet")
    stored = pq.read_table(tmp_path / "c.parquet")
    place = stored.column_names.index("boundary_f")
    texts = stored.set_column(place, "boundary_f", stored["boundary_f"].cast("string"))
    pq.write_table(texts, tmp_path / "c.parquet")
    with pytest.raises(BadInput):
        Counts.from_parquet(tmp_path / "c.parquet")


def test_all_images_are_measured_or_none_and_alike():
    builder = CountsBuilder()
    pred, truth = moved(1)[0]
    builder.add("a", count_image(pred, truth), edges=measure(pred, truth))
    with pytest.raises(ValueError, match="all images or for none"):
        builder.add("b", count_image(pred, truth))
    with pytest.raises(ValueError, match="expected"):
        builder.add("b", count_image(pred, truth), edges=np.zeros((3, 4)))
    bare = CountsBuilder()
    bare.add("b", count_image(pred, truth))
    with pytest.raises(ValueError, match="all images or for none"):
        bare.add("c", count_image(pred, truth), edges=measure(pred, truth))
    with pytest.raises(ValueError, match="another way"):
        builder.build().merge(bare.build())
    loose = CountsBuilder(info={"boundary": {"surface_dice_px": 5.0}})
    loose.add("b", count_image(pred, truth), edges=measure(pred, truth, tolerance=5))
    with pytest.raises(ValueError, match="another way"):
        builder.build().merge(loose.build())


def test_an_evaluator_measures_when_it_is_given_a_tolerance():
    judge, other = Evaluator(tolerance=1.0), Evaluator(tolerance=1.0)
    pairs = moved(6)
    for k, (pred, truth) in enumerate(pairs):
        (judge if k < 4 else other).update(pred.astype(bool), truth, id=str(k), subject=str(k // 2))
    judge.merge(other)
    found = judge.compute()
    expected = np.mean([measure(*pair, tolerance=1.0)[1] for pair in pairs], axis=0)
    assert [found[name] for name in NAMES] == pytest.approx(expected.tolist())
    assert set(NAMES) <= set(judge.intervals().bounds)
    plain = Evaluator()
    plain.update(*pairs[0])
    assert not set(NAMES) & set(plain.compute())


def test_one_pixel_more_all_around_is_told_by_distance_where_iou_hardly_sees_it():
    truth = disc(120, 90, (240, 240))
    pred = cv2.dilate(truth, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    values = region.reduce(table([(pred, truth)])).values
    assert values["hausdorff95"] == 1.0 and values["surface_dice"] == 1.0
    assert values["boundary_iou"] < values["iou_fg_image"]
