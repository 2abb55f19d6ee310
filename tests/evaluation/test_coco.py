"""COCO files: AP as pycocotools has it, region figures of unions, and every fault of the form refused by name."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evaluation import categories, region, runs
from evaluation.coco import CONVENTIONS, Instances
from evaluation.counts import count_image
from masksmith.errors import BadInput
from tests.evaluation.typed import run

H, W = 60, 80


def disc(x, y, r):
    rows, columns = np.mgrid[:H, :W]
    return ((columns - x) ** 2 + (rows - y) ** 2 <= r * r).astype(np.uint8)


def packed(mask):
    found = rle.encode(np.asfortranarray(mask))
    return {"size": list(found["size"]), "counts": found["counts"].decode()}


def flat(mask):
    values = np.concatenate([[0], mask.T.ravel()])
    places = np.flatnonzero(np.diff(values)).tolist()
    edges = [0, *places, mask.size]
    return {"size": [H, W], "counts": np.diff(edges).tolist()}


def scene(seed=0, images=12, first=1):
    rng = np.random.default_rng(seed)
    truth = {
        "images": [{"id": k + 1, "file_name": f"{k}.jpg", "height": H, "width": W} for k in range(images)],
        "categories": [{"id": 1, "name": "foot"}, {"id": 7, "name": "shoe"}],
        "annotations": [],
    }
    results = []
    for image in range(1, images + 1):
        for _ in range(rng.integers(1, 5)):
            x, y, r = rng.integers(10, 70), rng.integers(10, 50), rng.integers(4, 24)
            category = int(rng.choice([1, 7]))
            mask = disc(x, y, r)
            one = {"image_id": image, "category_id": category}
            truth["annotations"].append(
                {**one, "id": len(truth["annotations"]) + first, "segmentation": packed(mask), "iscrowd": 0}
                | {"area": int(mask.sum()), "bbox": [0, 0, 1, 1]}
            )
            shifted = disc(x + rng.integers(-4, 5), y + rng.integers(-2, 3), max(r + rng.integers(-2, 3), 2))
            if rng.random() < 0.85:
                results.append({**one, "segmentation": packed(shifted), "score": float(rng.random())})
    return truth, results


def saved(folder, truth, results):
    (folder / "t.json").write_text(json.dumps(truth))
    (folder / "p.json").write_text(json.dumps(results))
    return folder / "p.json", folder / "t.json"


def reference(truth, results):
    with contextlib.redirect_stdout(io.StringIO()):
        side = COCO()
        side.dataset = json.loads(json.dumps(truth))
        side.createIndex()
        judge = COCOeval(side, side.loadRes(json.loads(json.dumps(results))), "segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return dict(zip(CONVENTIONS, judge.stats[:6].tolist(), strict=True))


def read(folder, truth, results):
    pred, goal = saved(folder, truth, results)
    return Instances(goal, pred)


@pytest.mark.parametrize("seed", range(3))
def test_ap_is_what_pycocotools_says(tmp_path, seed):
    truth, results = scene(seed)
    found = read(tmp_path, truth, results).average_precision()
    assert found == pytest.approx({k: (v if v >= 0 else None) for k, v in reference(truth, results).items()}, abs=1e-6)
    assert 0.1 < found["coco_ap"] < 0.95


def test_an_annotation_id_of_0_does_not_turn_a_perfect_result_into_a_miss(tmp_path):
    truth, _ = scene(first=0)
    perfect = [{**one, "score": 0.9} for one in truth["annotations"]]
    assert read(tmp_path, truth, perfect).average_precision()["coco_ap"] == pytest.approx(1)
    assert reference(truth, perfect)["coco_ap"] < 1


def test_polygons_and_both_run_lengths_say_the_same(tmp_path):
    square = [[10, 10, 40, 10, 40, 30, 10, 30]]
    mask = np.zeros((H, W), np.uint8)
    mask[10:30, 10:40] = 1
    forms = [runs.encoded(form, H, W, "here") for form in (square, packed(mask), flat(mask))]
    assert all(np.array_equal(rle.decode(form), mask) for form in forms)


@pytest.mark.parametrize("seed", range(4))
def test_unpacked_run_lengths_are_those_that_were_packed(seed):
    mask = (np.random.default_rng(seed).random((H, W)) < 0.3).astype(np.uint8)
    assert runs.unpacked(packed(mask)["counts"], "here") == flat(mask)["counts"]


def test_region_figures_are_those_of_each_categorys_union(tmp_path, capsys):
    truth, results = scene(5)
    instances = read(tmp_path, truth, results)
    counts, _ = categories.count(instances, 0.5)
    for position, shot in enumerate(instances.shots):
        for place, category in enumerate((1, 7), start=1):
            sides = []
            for rows, least in ((results, 0.5), (truth["annotations"], 0)):
                chosen = [
                    rle.decode(one["segmentation"])
                    for one in rows
                    if (one["image_id"], one["category_id"]) == (shot.id, category) and one.get("score", 1) >= least
                ]
                sides.append(np.bitwise_or.reduce(chosen) if chosen else np.zeros((H, W), np.uint8))
            assert np.array_equal(counts.values[position, place], count_image(*sides)[1])
            if sides[1].any():  # and pycocotools's own IoU of the unions
                encoded = [rle.encode(np.asfortranarray(side)) for side in sides]
                iou = float(rle.iou([encoded[0]], [encoded[1]], [0])[0, 0])
                assert region.image_iou(counts)[1][position, place] == pytest.approx(iou, abs=1e-6)
    assert run("evaluate", *saved(tmp_path, truth, results), "--boundary", "--out", tmp_path / "o", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in told["classes"]] == ["background", "foot", "shoe"]
    assert told["coco_ap"] == pytest.approx(reference(truth, results)["coco_ap"], abs=1e-6)
    assert told["coco_ap"] != told["map_at_x"]["0.5"]
    assert told["boundary_iou"] is not None and (tmp_path / "o" / "report.html").is_file()
    assert run("evaluate", "--from-counts", tmp_path / "o" / "counts.parquet", "--json") == 0
    assert json.loads(capsys.readouterr().out)["coco_ap"] == told["coco_ap"]


def test_crowd_regions_are_not_judged_where_nothing_else_is(tmp_path):
    truth, _ = scene(images=1)
    crowd = {"id": 99, "image_id": 1, "category_id": 1, "iscrowd": 1, "segmentation": flat(disc(70, 50, 9))}
    truth["annotations"] = [{**truth["annotations"][0], "segmentation": packed(disc(20, 20, 9))}, crowd]
    inside = [{"image_id": 1, "category_id": 1, "score": 0.9, "segmentation": packed(disc(70, 50, 6))}]
    instances = read(tmp_path, truth, inside)
    counts, _ = categories.count(instances, 0.5)
    assert counts.column("ignored") == [int(disc(70, 50, 9).sum())]
    assert counts.values[0, 1, 1] == 0  # nothing there is a false positive
    assert "1 crowd regions" in instances.notes[0]


def test_an_empty_list_of_results_is_an_ap_of_0_and_said(tmp_path, capsys):
    truth, _ = scene()
    assert run("evaluate", *saved(tmp_path, truth, []), "--json") == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert (told["coco_ap"], told["coco_ap50"], told["iou_fg_dataset"]) == (0, 0, 0)
    assert "empty list: nothing was found" in shown.err


def test_a_bar_may_name_coco_ap(tmp_path, capsys):
    files = saved(tmp_path, *scene())
    assert run("evaluate", *files, "--fail-under", "coco_ap=0.1") == 0
    assert run("evaluate", *files, "--fail-under", "coco_ap=0.99") == 1
    assert run("evaluate", *files, "--fail-over", "coco_ap=0.99") == 2
    assert run("evaluate", *files, "--soft") == 2


def changed(row, **changes):
    return {**row, **changes}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"score": float("nan")}, "finite score, found nan"),
        ({"score": float("inf")}, "finite score"),
        ({"image_id": 999}, "image_id 999"),
        ({"category_id": 5}, r"category of the truth file \(1, 7\), found category_id 5"),
        (
            {"segmentation": {"size": [H * 2, W * 2], "counts": [H * W * 4]}},
            "size, 80 x 60, found run lengths of 160 x 120",
        ),
        ({"segmentation": {"size": [W, H], "counts": [H * W]}}, "found run lengths of 60 x 80"),
        ({"segmentation": {"size": [H, W], "counts": [5, 5]}}, "run lengths of 10 pixels in all"),
        ({"segmentation": {"size": [H, W], "counts": [-5, H * W + 5]}}, "below 0"),
        ({"segmentation": {"size": [H, W], "counts": "no run lengths!"}}, "run lengths"),
        ({"segmentation": [[1, 2, 3, 4]]}, "fewer than 3 points"),
        ({"segmentation": []}, "an empty list"),
        ({"segmentation": None}, "instance masks, not boxes"),
    ],
)
def test_a_result_that_is_wrong_is_refused_with_its_entry(tmp_path, change, said):
    truth, results = scene()
    results[3] = changed(results[3], **change)
    with pytest.raises(BadInput, match=rf"p\.json entry 3.*{said}"):
        read(tmp_path, truth, results)


def test_a_size_that_differs_names_the_image(tmp_path):
    truth, results = scene()
    results[0]["segmentation"] = {"size": [30, 40], "counts": [1200]}
    with pytest.raises(BadInput, match=rf"image {results[0]['image_id']}, {results[0]['image_id'] - 1}\.jpg"):
        read(tmp_path, truth, results)


def test_files_of_another_form_are_refused(tmp_path):
    truth, results = scene()
    for goal, found in ((results, results), ({"images": []}, results), (truth, {"a": 1}), (truth, [{"score": 1}])):
        with pytest.raises(BadInput):
            read(tmp_path, goal, found)
    (tmp_path / "p.json").write_text("{")
    with pytest.raises(BadInput, match="no JSON"):
        Instances(tmp_path / "t.json", tmp_path / "p.json")
    truth["images"].append(truth["images"][0])
    with pytest.raises(BadInput, match="stands twice"):
        read(tmp_path, truth, results)


def test_categories_that_begin_at_0_are_not_taken_for_the_background(tmp_path):
    truth, results = scene()
    for rows in (truth["annotations"], results):
        for one in rows:
            one["category_id"] = {1: 0, 7: 1}[one["category_id"]]
    truth["categories"] = [{"id": 0, "name": "foot"}, {"id": 1, "name": "shoe"}]
    counts, _ = categories.count(read(tmp_path, truth, results), 0.5)
    assert counts.class_ids == (0, 1, 2) and counts.class_name(1) == "foot"


def test_pixel_accuracy_counts_a_pixel_of_several_categories_once(tmp_path, capsys):
    both = [{"image_id": 1, "category_id": c, "segmentation": packed(disc(30, 30, 15))} for c in (1, 7)]
    truth, _ = scene(images=1)
    truth["annotations"] = [{**one, "id": k} for k, one in enumerate(both)]
    found = [{**one, "score": 0.9} for one in both]
    for results, missed in ((found, 0), (found[:1], int(disc(30, 30, 15).sum()))):
        assert run("evaluate", *saved(tmp_path, truth, results), "--json", "--out", tmp_path / "o") == 0
        told = json.loads(capsys.readouterr().out)
        assert told["pixel_accuracy"] == pytest.approx(1 - missed / (H * W))
    assert run("evaluate", "--from-counts", tmp_path / "o" / "counts.parquet", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pixel_accuracy"] == told["pixel_accuracy"]
