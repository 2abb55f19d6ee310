"""Show, diff, merge and filter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests import Manifest, Record, check_proof
from manifests.diff import diff
from masksmith import files

Run = Callable[..., tuple[int, str, str]]
Make = Callable[..., Manifest]


def ids(folder: Path) -> list[str]:
    return [record.id for record in Manifest.open(folder).records()]


def all_files_are_those_recorded(folder: Path) -> bool:
    opened = Manifest.open(folder)
    return all(files.sha256(opened.path(record.image)) == record.sha256_image for record in opened.records())


def test_show_says_what_there_is(feet: Make, run: Run) -> None:
    folder = feet().folder
    run("split", folder, "--by", "subject,floor", "--seed", 2)
    code, out, _ = run("manifest", "show", folder, "--json")
    assert code == 0
    told = json.loads(out)
    assert told["records"] == told["masks"] == sum(told["splits"].values()) == 30
    assert told["subjects"] == 10 and told["groups"]["floor"] == 5
    assert told["classes"] == {"background": 0, "foot": 1}
    assert told["licences"] == {"CC0-1.0": 30} and told["sources"] == {"made": 30}
    assert told["size"]["usual"] == "8 x 6"
    assert told["split_proof"]["holds"] and told["split_proof"]["components"] == 5
    assert "holds; by subject, floor" in run("manifest", "show", folder)[1]


def test_show_says_when_the_proof_no_longer_holds(feet: Make, edit: Make, run: Run) -> None:
    folder = feet().folder
    run("split", folder)
    edit(Manifest.open(folder), 0, subject="somebody else")
    assert not json.loads(run("manifest", "show", folder, "--json")[1])["split_proof"]["holds"]


def test_show_takes_an_empty_dataset(tmp_path: Path, save: Make, run: Run) -> None:
    assert run("manifest", "show", save(tmp_path / "d", []).folder)[0] == 0
    assert run("audit", tmp_path / "d")[0] == 0
    assert run("split", tmp_path / "d")[0] == 3


def test_a_dataset_does_not_differ_from_its_copy_elsewhere(feet: Make, tmp_path: Path, run: Run) -> None:
    one = feet()
    assert run("manifest", "filter", one.folder, "--out", tmp_path / "copy")[0] == 0
    code, out, err = run("manifest", "diff", one.folder, tmp_path / "copy")
    assert (code, err) == (0, "")
    assert "hold the same records" in out


def test_the_order_of_records_is_no_difference(tmp_path: Path, save: Make) -> None:
    rows = [Record(f"r{n}", f"{n}.png", None, 4, 4, groups={"floor": ("a", "b")}) for n in range(5)]
    assert diff(save(tmp_path / "one", rows), save(tmp_path / "two", rows[::-1])).equal


def test_every_kind_of_difference_is_told(tmp_path: Path, save: Make, run: Run) -> None:
    rows = [Record(f"r{n}", f"{n}.png", None, 4, 4, subject="a", groups={"floor": ("x",)}) for n in range(4)]
    other = [
        rows[0],
        Record("r1", "1.png", None, 4, 4, subject="b", groups={"floor": ("x", "y")}),
        Record("r2", "2.png", "2m.png", 4, 4, subject="a", groups={"floor": ("x",)}),
        Record("r9", "9.png", None, 4, 4),
    ]
    one, two = save(tmp_path / "one", rows), save(tmp_path / "two", other, seed=3)
    code, out, err = run("manifest", "diff", one.folder, two.folder, "--json")
    assert code == 1
    told = json.loads(out)
    assert (told["only_first"], told["only_second"]) == (["r3"], ["r9"])
    assert told["changed"] == {"mask": 1, "subject": 1, "groups": 1}
    assert {"id": "r1", "column": "subject", "first": "a", "second": "b"} in told["examples"]
    assert told["dataset_json"] == ["name", "seed"]
    assert "1 record only in the first, 1 only in the second" in err and "seed in dataset.json" in err


def test_diff_refuses_ids_that_occur_twice(tmp_path: Path, save: Make, run: Run) -> None:
    rows = [Record("same", f"{n}.png", None, 4, 4) for n in range(2)]
    code, _, err = run("manifest", "diff", *[save(tmp_path / "one", rows).folder] * 2)
    assert code == 3 and "several with 'same'" in err


def test_a_merge_holds_the_records_of_all_and_leads_to_their_files(feet: Make, tmp_path: Path, run: Run) -> None:
    one, two = feet("one"), feet("two", subjects=2, licence=("MIT",))
    run("split", one.folder)
    code, _, err = run("manifest", "merge", one.folder, two.folder, "--prefix", "--out", tmp_path / "x" / "both")
    assert code == 0
    assert "1 split proofs are left out" in err
    both = Manifest.open(tmp_path / "x" / "both")
    assert len(both) == 36
    assert ids(both.folder)[0] == "one/r000" and ids(both.folder)[-1] == "two/r005"
    assert both.info.split_proof is None
    assert both.info.name == "both" and both.info.licence == ("CC0-1.0", "MIT")
    assert [r.split for r in both.records()][:30] == [r.split for r in Manifest.open(one.folder).records()]
    assert all_files_are_those_recorded(both.folder)


def test_ids_in_two_datasets_are_refused_without_a_prefix(feet: Make, tmp_path: Path, run: Run) -> None:
    one, two = feet("one"), feet("two", subjects=2)
    code, _, err = run("manifest", "merge", one.folder, two.folder, "--out", tmp_path / "both")
    assert code == 3
    assert "r000, r001, r002, r003, r004 and 1 more twice; give --prefix" in err
    assert not (tmp_path / "both").exists()


def test_subjects_in_different_splits_of_two_runs_are_refused_or_left_to_be_split_anew(
    feet: Make, tmp_path: Path, run: Run
) -> None:
    one, two = feet("one"), feet("two")
    run("split", one.folder, "--by", "subject", "--seed", "1")
    run("split", two.folder, "--by", "subject", "--seed", "2")
    line = ("manifest", "merge", one.folder, two.folder, "--prefix", "--out", tmp_path / "both")
    code, _, err = run(*line)
    assert code == 3 and "floor 'F" in err and "--no-splits" in err and not (tmp_path / "both").exists()
    assert run(*line, "--no-splits")[0] == 0
    assert {record.split for record in Manifest.open(tmp_path / "both").records()} == {None}
    assert run("split", tmp_path / "both", "--by", "subject")[0] == 0
    where: dict[str, set[str | None]] = {}
    for record in Manifest.open(tmp_path / "both").records():
        where.setdefault(record.subject or "", set()).add(record.split)
    assert len(where) == 10 and all(len(splits) == 1 for splits in where.values())


def test_further_files_and_members_of_shards_are_led_to_from_elsewhere_too(
    tmp_path: Path, save: Make, run: Run
) -> None:
    rows = [
        Record(
            "a",
            "tar://a.jpg::train-000000.tar",
            "tar://a.mask.png::s3://bucket/train.tar",
            4,
            4,
            extra={"depth": "depth/a.png", "sha256_depth": "0" * 64, "alpha": "alpha/a.png", "side": "left"},
        )
    ]
    one = save(tmp_path / "one", rows)
    two = save(tmp_path / "two", [Record("b", "b.png", None, 4, 4)])
    assert run("manifest", "merge", one.folder, two.folder, "--out", tmp_path / "x" / "both")[0] == 0
    first = next(Manifest.open(tmp_path / "x" / "both").records())
    assert first.image == "tar://a.jpg::../../one/train-000000.tar"
    assert first.mask == "tar://a.mask.png::s3://bucket/train.tar"
    assert first.extra["depth"] == "../../one/depth/a.png" and first.extra["alpha"] == "../../one/alpha/a.png"
    assert first.extra["side"] == "left" and first.extra["sha256_depth"] == "0" * 64


def test_a_dataset_merged_with_itself_gets_numbers(feet: Make, tmp_path: Path, run: Run) -> None:
    one = feet("one", subjects=1)
    assert run("manifest", "merge", one.folder, one.folder, "--prefix", "--out", tmp_path / "both")[0] == 0
    assert len(set(ids(tmp_path / "both"))) == 6


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        ({"background": 0, "foot": 2}, "one has foot = 1 and two has foot = 2"),
        ({"background": 0, "foot": 1, "shoe": 2}, "one has no shoe and two has shoe = 2"),
        ({"background": 0, "person": 1}, "one has no person and two has person = 1"),
    ],
)
def test_class_tables_that_differ_are_refused_and_explained(
    classes: dict[str, int], told: str, feet: Make, tmp_path: Path, run: Run
) -> None:
    one, two = feet("one"), feet("two", classes=classes)
    code, _, err = run("manifest", "merge", one.folder, two.folder, "--prefix", "--out", tmp_path / "both")
    assert code == 3
    assert told in err
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize("command", ["merge", "filter"])
def test_a_dry_run_writes_nothing(command: str, feet: Make, tmp_path: Path, run: Run) -> None:
    folders = [feet("one").folder, feet("two").folder] if command == "merge" else [feet("one").folder]
    extra = ["--prefix"] if command == "merge" else []
    code, out, err = run("manifest", command, *folders, *extra, "--out", tmp_path / "new", "--dry-run", "--json")
    assert code == 0, err
    assert json.loads(out)["written"] is False
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["merge", "filter"])
def test_a_dataset_is_not_overwritten(command: str, feet: Make, run: Run) -> None:
    one, two = feet("one"), feet("two")
    before = (two.folder / "records.parquet").read_bytes()
    folders = [one.folder, two.folder, "--prefix"] if command == "merge" else [one.folder]
    code, _, err = run("manifest", command, *folders, "--out", two.folder)
    assert code == 2 and "a dataset is there already" in err
    assert (two.folder / "records.parquet").read_bytes() == before


def mixed(folder: Path, save: Make) -> Manifest:
    rows = [
        ("a", "train", "s1", ("oak",)),
        ("b", "test", "s2", ("oak", "tile")),
        ("c", None, None, ()),
        ("d", "train", "s3", ("tile",)),
    ]
    return save(
        folder,
        [
            Record(name, f"{name}.png", None, 4, 4, subject=subject, split=split, groups={"floor": floor})
            for name, split, subject, floor in rows
        ],
    )


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--where", "split=train"], ["a", "d"]),
        (["--where", "split!=train"], ["b", "c"]),
        (["--where", "floor=tile"], ["b", "d"]),
        (["--where", "floor!=tile"], ["a", "c"]),
        (["--where", "floor=oak", "--where", "subject!=s1"], ["b"]),
        (["--where", "subject="], ["c"]),
        (["--where", "split!="], ["a", "b", "d"]),
        (["--limit", "3"], ["a", "b", "c"]),
        (["--where", "split=train", "--limit", "1"], ["a"]),
        (["--where", "id=d"], ["d"]),
    ],
)
def test_a_filter_keeps_what_fits(options: list[str], kept: list[str], tmp_path: Path, save: Make, run: Run) -> None:
    folder = mixed(tmp_path / "d", save).folder
    assert run("manifest", "filter", folder, *options, "--out", tmp_path / "new")[0] == 0
    assert ids(tmp_path / "new") == kept


def test_a_list_of_ids_filters_in_the_order_of_the_dataset(tmp_path: Path, save: Make, run: Run) -> None:
    folder = mixed(tmp_path / "d", save).folder
    (tmp_path / "ids.txt").write_text("d\n\n a \n")
    assert run("manifest", "filter", folder, "--ids", tmp_path / "ids.txt", "--out", tmp_path / "new")[0] == 0
    assert ids(tmp_path / "new") == ["a", "d"]
    (tmp_path / "ids.txt").write_text("d\nnobody\n")
    code, _, err = run("manifest", "filter", folder, "--ids", tmp_path / "ids.txt", "--out", tmp_path / "more")
    assert code == 3 and "nobody, which no record has" in err


@pytest.mark.parametrize("where", ["split", "flor=x", "=train", "split=nowhere"])
def test_conditions_that_cannot_be_met_are_a_usage_error(where: str, tmp_path: Path, save: Make, run: Run) -> None:
    folder = mixed(tmp_path / "d", save).folder
    assert run("manifest", "filter", folder, "--where", where, "--out", tmp_path / "new")[0] == 2
    assert not (tmp_path / "new").exists()


def test_a_filtered_split_is_proved_again(feet: Make, tmp_path: Path, run: Run) -> None:
    folder = feet().folder
    run("split", folder, "--by", "subject,floor", "--seed", 9)
    code, _, _ = run("manifest", "filter", folder, "--where", "split!=val", "--out", tmp_path / "x" / "new")
    assert code == 0
    new = Manifest.open(tmp_path / "x" / "new")
    assert new.info.split_proof is not None
    assert new.info.split_proof["seed"] == 9
    assert check_proof(new.table(), new.info.split_proof) == []
    assert run("audit", new.folder)[0] == 0
    assert all_files_are_those_recorded(new.folder)


def test_a_proof_that_does_not_hold_is_not_passed_on(feet: Make, edit: Make, tmp_path: Path, run: Run) -> None:
    folder = feet().folder
    run("split", folder)
    edit(Manifest.open(folder), 0, subject="somebody else")
    code, _, err = run("manifest", "filter", folder, "--limit", 5, "--out", tmp_path / "new")
    assert code == 0 and "the split proof is left out" in err
    assert Manifest.open(tmp_path / "new").info.split_proof is None


def test_urls_and_absolute_paths_stay_as_they_are(tmp_path: Path, save: Make, run: Run) -> None:
    rows = [
        Record("a", "s3://bucket/a.png", "/abs/a.png", 4, 4),
        Record("b", "../side/b.png", None, 4, 4),
    ]
    folder = save(tmp_path / "d", rows).folder
    assert run("manifest", "filter", folder, "--out", tmp_path / "far" / "new")[0] == 0
    new = list(Manifest.open(tmp_path / "far" / "new").records())
    assert (new[0].image, new[0].mask) == ("s3://bucket/a.png", "/abs/a.png")
    assert (new[1].image, new[1].mask) == ("../../side/b.png", None)
