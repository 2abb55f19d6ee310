"""Counts: exact, fast where it matters, and whole after a trip through a file."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evaluation.counts import (
    Counts,
    CountsBuilder,
    UnknownValues,
    count_image,
    joint_counts,
    present_values,
    reduce_joint,
)
from masksmith.errors import BadInput

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)


def slow_counts(pred, truth, class_ids, ignore=255):
    judged = truth != ignore
    rows = []
    for c in class_ids:
        a, b = (pred == c) & judged, (truth == c) & judged
        rows.append([(a & b).sum(), (a & ~b).sum(), (~a & b & judged).sum(), (judged & ~a & ~b).sum()])
    return np.array(rows, np.int64)


@st.composite
def pairs(draw, values):
    shape = draw(SHAPES)
    element = st.sampled_from(values)
    return (draw(hnp.arrays(np.uint8, shape, elements=element)), draw(hnp.arrays(np.uint8, shape, elements=element)))


@settings(max_examples=60, deadline=None)
@given(pairs([0, 1]))
def test_binary_counts_equal_the_definition(masks):
    assert np.array_equal(count_image(*masks), slow_counts(*masks, (0, 1)))


@settings(max_examples=60, deadline=None)
@given(pairs([0, 1, 2, 7]), st.data())
def test_counts_of_classes_with_ignored_pixels_equal_the_definition(masks, data):
    pred, truth = masks
    hidden = data.draw(hnp.arrays(np.bool_, truth.shape))
    truth = np.where(hidden, np.uint8(255), truth).astype(np.uint8)
    assert np.array_equal(count_image(pred, truth, (0, 1, 2, 7)), slow_counts(pred, truth, (0, 1, 2, 7)))


@settings(max_examples=80, deadline=None)
@given(pairs([0, 1, 2, 3, 77, 128, 200, 254, 255]))
def test_joint_counts_equal_a_histogram_of_the_pairs_of_values(masks):
    pred, truth = masks
    codes, numbers = np.unique(pred.astype(int) * 256 + truth, return_counts=True)
    assert joint_counts(pred, truth) == {
        (int(c) >> 8, int(c) & 255): int(n) for c, n in zip(codes, numbers, strict=True)
    }
    assert present_values(pred) == tuple(np.unique(pred).tolist())


@pytest.mark.parametrize("a", [0, 1, 2, 255])
@pytest.mark.parametrize("b", [0, 1, 2, 255])
def test_joint_counts_of_two_valued_masks_equal_the_histogram_for_any_coding(a, b):
    rng = np.random.default_rng(a * 256 + b)
    pred, truth = (rng.choice(np.array([0, v], np.uint8), (31, 17)) for v in (a, b))
    codes, numbers = np.unique(pred.astype(int) * 256 + truth, return_counts=True)
    assert joint_counts(pred, truth) == {
        (int(c) >> 8, int(c) & 255): int(n) for c, n in zip(codes, numbers, strict=True)
    }


def test_every_value_of_a_byte_is_counted_apart():
    mask = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert joint_counts(mask, mask) == {(v, v): 1 for v in range(256)}


def test_masks_that_are_not_contiguous_and_bool_masks_are_counted():
    base = np.random.default_rng(0).random((20, 20)) < 0.5
    view = base[::2, ::-1]
    assert np.array_equal(count_image(view, view.astype(np.uint8)), slow_counts(view, view, (0, 1)))


def test_a_0_255_prediction_against_a_0_1_truth_is_refused_and_named():
    with pytest.raises(UnknownValues, match=r"prediction holds 255.*class ids are 0, 1"):
        count_image(np.full((3, 3), 255, np.uint8), np.ones((3, 3), np.uint8))


def test_an_unknown_value_under_an_ignored_pixel_does_not_matter():
    assert reduce_joint({(9, 255): 4, (1, 1): 2}, (0, 1)).tolist() == [[0, 0, 0, 2], [2, 0, 0, 0]]


@pytest.mark.parametrize(
    ("pred", "truth"),
    [
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8)),
        (np.zeros((2, 3, 1), np.uint8), np.zeros((2, 3, 1), np.uint8)),
        (np.zeros((2, 3), np.float32), np.zeros((2, 3), np.uint8)),
        (np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.uint8)),
    ],
)
def test_arrays_of_another_size_shape_or_type_are_refused(pred, truth):
    with pytest.raises(ValueError, match=r"truth|prediction"):
        count_image(pred, truth)


def table_of(number, start=0, **columns):
    rng = np.random.default_rng(start)
    builder = CountsBuilder((0, 1), {"classes": {"background": 0, "foot": 1}})
    for k in range(start, start + number):
        pred, truth = (rng.integers(0, 2, (8, 8)).astype(np.uint8) for _ in range(2))
        builder.add(f"i{k}", count_image(pred, truth), subject=f"s{k % 3}", **columns)
    return builder.build()


def test_a_table_comes_back_from_parquet_as_it_was(tmp_path):
    before = table_of(7, **{"group.floor": ["oak", "tile"], "clip": "c", "frame": 3})
    before.to_parquet(tmp_path / "counts.parquet")
    after = Counts.from_parquet(tmp_path / "counts.parquet")
    assert after.table.equals(before.table)
    assert (after.class_ids, after.info, after.digest()) == (before.class_ids, before.info, before.digest())
    assert after.column("group.floor") == [["oak", "tile"]] * 7


def test_merged_tables_hold_the_rows_of_both():
    whole, first, rest = table_of(9), table_of(4), table_of(5, start=4)
    merged = first.merge(rest)
    assert merged.column("id") == whole.column("id")
    assert merged.values.shape == (9, 2, 4)
    assert np.array_equal(merged.values[:4], first.values)


def test_an_id_counted_twice_is_refused():
    table = table_of(3)
    with pytest.raises(ValueError, match="'i0' is there twice"):
        table.merge(table)


def test_counts_of_other_classes_do_not_merge():
    with pytest.raises(ValueError, match="cannot join"):
        table_of(2).merge(CountsBuilder((0, 1, 2)).build())


@pytest.mark.parametrize("ids", [(0,), (1, 2), (0, 0, 1)])
def test_class_ids_without_background_or_with_doubles_are_refused(ids):
    with pytest.raises(ValueError, match="class ids"):
        CountsBuilder(ids)


def test_files_that_are_not_counts_are_refused(tmp_path):
    place = tmp_path / "x.parquet"
    with pytest.raises(BadInput, match="no such file"):
        Counts.from_parquet(place)
    place.write_text("hello")
    with pytest.raises(BadInput, match="something else"):
        Counts.from_parquet(place)
    pq.write_table(pa.table({"id": ["a"]}), place)
    with pytest.raises(BadInput, match="without its note"):
        Counts.from_parquet(place)
    table = table_of(3)
    Counts(table.table.slice(0, 5), (0, 1)).to_parquet(place)
    with pytest.raises(BadInput, match="not one per image and class"):
        Counts.from_parquet(place)
