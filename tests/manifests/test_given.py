"""Folds, lists of papers, splits of authors, one dataset left out: each proved, and marked where it leaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import Manifest, Record, check_proof
from manifests.lists import match
from manifests.record import to_table

Run = Callable[..., tuple[int, str, str]]
Make = Callable[..., Manifest]


def made(name: str, split: str | None = None, **changes: object) -> Record:
    return Record(**{**vars(Record(name, f"img/{name}.png", None, 4, 4, split=split)), **changes})


def splits(folder: Path) -> dict[str, str | None]:
    return {record.id: record.split for record in Manifest.open(folder).records()}


def proved(folder: Path) -> bool:
    opened = Manifest.open(folder)
    return opened.info.split_proof is not None and not check_proof(opened.table(), opened.info.split_proof)


def test_every_record_is_tested_once_over_the_folds_and_no_subject_is_in_two_splits(
    feet: Make, tmp_path: Path, run: Run
) -> None:
    opened = feet(subjects=13, each=3)
    out = tmp_path / "folds"
    code, text, _ = run("split", opened.folder, "--by", "subject", "--folds", 4, "--out", out, "--json")
    assert code == 0 and len(json.loads(text)["manifests"]) == 4
    tested: list[str] = []
    for k in range(4):
        folder = out / f"fold{k}"
        assert proved(folder) and run("audit", folder, "--by", "subject")[0] == 0
        found = splits(folder)
        assert {"train", "val", "test"} == set(found.values())
        tested += [name for name, split in found.items() if split == "test"]
        assert all(Manifest.open(folder).path(r.image).is_file() for r in Manifest.open(folder).records())
    assert sorted(tested) == sorted(splits(opened.folder))
    assert run("split", opened.folder, "--folds", 4, "--out", out)[0] == 2  # nothing is overwritten
    code, text, _ = run("split", opened.folder, "--by", "subject", "--folds", 4, "--out", tmp_path / "again")
    assert code == 0 and text.count("largest deviation") == 1 and all(f"fold{k}" in text for k in range(4))


@given(st.lists(st.integers(1, 9), min_size=2, max_size=30), st.integers(2, 8), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_folds_are_about_as_large_as_groups_allow(sizes: list[int], number: int, seed: int) -> None:
    from manifests import split_table

    table = to_table(made(f"{g}-{k}", subject=f"s{g}") for g, n in enumerate(sizes) for k in range(n))
    shares = {f"fold{k}": 1.0 for k in range(number)}
    _, plan = split_table(table, ("subject",), shares, seed, whole=True)
    assert plan.dropped == 0 and sum(plan.counts.values()) == sum(sizes)
    if len(sizes) >= number:
        assert all(plan.counts.values())
    assert max(plan.counts.values()) <= sum(sizes) / number + max(sizes) + number


def test_folds_in_place_are_splits_of_their_own_and_proved(feet: Make, run: Run) -> None:
    folder = feet(subjects=9, each=2).folder
    assert run("split", folder, "--folds", 3, "--stratify", "source")[0] == 0
    assert set(splits(folder).values()) == {"fold0", "fold1", "fold2"} and proved(folder)
    assert run("audit", folder, "--by", "subject")[0] == 0
    code, _, err = run("split", folder, "--by", "subject,floor", "--folds", 7)
    assert code == 2 and "5 groups by subject, floor cannot fill 7 folds" in err


def test_a_papers_lists_are_found_by_path_stem_or_id_and_what_does_not_fit_is_told(
    tmp_path: Path, save: Make, run: Run
) -> None:
    records = [
        made("a"),
        made("b"),
        made("c", image="ds1/x.png"),
        made("d", image="ds2/x.jpg"),
        made("e", subject="s"),
        made("f", subject="s"),
        made("g"),
    ]
    folder = save(tmp_path / "d", records).folder
    (tmp_path / "train.txt").write_text("/home/me/img/a.png masks/a.png\nSomeSet_ds2/img/x.png\ne\nnowhere.png\n")
    (tmp_path / "test.txt").write_text("b.jpg\nx.bmp\nf\na.png\n")
    lists = ("--like", f"train={tmp_path / 'train.txt'}", "--like", f"test={tmp_path / 'test.txt'}")
    code, out, err = run("split", folder, *lists, "--json")
    told = json.loads(out)
    assert code == 0
    assert splits(folder) == {"a": "test", "b": "test", "c": None, "d": "train", "e": "train", "f": "test", "g": None}
    assert told["missing"] == ["nowhere.png"] and told["ambiguous"] == ["x.bmp"]
    assert told["twice"] == ["a"] and told["extra"] == 2
    assert told["leaks"] == {"subject": 1} and "1 values of subject are in two splits" in err
    assert proved(folder)
    code, _, err = run("audit", folder)
    assert code == 1 and "subject s" in err and "marked as sharing: subject (1)" in err


def test_a_list_of_another_dataset_is_refused(tmp_path: Path, save: Make, run: Run) -> None:
    folder = save(tmp_path / "d", [made("a")]).folder
    (tmp_path / "list.txt").write_text("q.png\n")
    assert run("split", folder, "--like", f"test={tmp_path / 'list.txt'}")[0] == 3
    assert run("split", folder, "--like", str(tmp_path / "list.txt"))[0] == 2


def test_an_id_with_a_dot_is_no_file_name() -> None:
    table = to_table([made("v1.5"), made("v1")])
    assert match(table, {"test": ["v1.5"]}).splits == ("test", None)


def test_a_split_of_the_authors_is_kept_marked_where_it_leaks_and_fails_after_an_edit(
    tmp_path: Path, save: Make, edit: Make, run: Run
) -> None:
    records = [
        made(f"{drive}_{n:05d}", split, clip=None)
        for n, (drive, split) in enumerate(
            [("0001TP", "train"), ("0001TP", "test"), ("0006R0", "train"), ("0016E5", "val"), ("Seq05VD", "test")] * 3
        )
    ]
    folder = save(tmp_path / "d", records).folder
    before = splits(folder)
    code, _, err = run("split", folder, "--by", "drive", "--official")
    assert code == 0 and "1 values of drive" in err
    assert splits(folder) == before and proved(folder)
    code, out, _ = run("audit", folder, "--json")
    told = json.loads(out)
    assert code == 1 and told["marked"] == {"drive": 1} and told["proof"] == []
    assert {e["kind"] for e in told["leaks"]} == {"drive"} and len(told["leaks"]) == 3
    edit(Manifest.open(folder), 0, split="val")
    assert not proved(folder)
    # and a regrouped one
    assert run("split", folder, "--by", "drive", "--seed", 1)[0] == 0
    assert run("audit", folder)[0] == 0 and proved(folder)
    code, _, err = run("split", folder, "--official")
    assert code == 2 and "its split was made here" in err


def test_a_published_test_split_stays_and_what_it_shares_with_the_rest_is_left_out(
    tmp_path: Path, save: Make, run: Run
) -> None:
    records = [made(f"a{n}", groups={"photo": (f"p{n}",)}, split="train") for n in range(20)]
    records += [made(f"b{n}", groups={"photo": (f"p{n + 19}",)}, split="test") for n in range(4)]
    folder = save(tmp_path / "d", records).folder
    words = ("split", folder, "--leave-out", "split=test", "--by", "photo", "--shares", "train=0.8,val=0.2")
    code, _, err = run(*words)
    assert code == 0 and "1 of 24 records share photo" in err
    found = splits(folder)
    assert {name for name, split in found.items() if split == "test"} == {f"b{n}" for n in range(4)}
    assert found["a19"] is None and {found[f"a{n}"] for n in range(19)} == {"train", "val"}
    assert proved(folder) and run("audit", folder)[0] == 0
    assert run(*words)[0] == 0 and splits(folder) == found
    assert "no record has it; there are: test, train, val" in run("split", folder, "--leave-out", "split=dev")[2]


def test_one_source_is_left_out_with_what_shares_a_subject_with_it(tmp_path: Path, save: Make, run: Run) -> None:
    records = [made(f"a{n}", subject=f"s{n}", source="one") for n in range(20)]
    records += [made(f"b{n}", subject=f"t{n}", source="two") for n in range(6)]
    records.append(made("both", subject="t3", source="one"))
    folder = save(tmp_path / "d", records).folder
    code, _, err = run("split", folder, "--leave-out", "source=two")
    assert code == 0 and "1 of 27 records share subject" in err
    found = splits(folder)
    assert {name for name, split in found.items() if split == "test"} == {f"b{n}" for n in range(6)}
    assert found["both"] is None and {found[f"a{n}"] for n in range(20)} == {"train", "val"}
    assert proved(folder) and run("audit", folder)[0] == 0
    assert "there are: one, two" in run("split", folder, "--leave-out", "source=three")[2]
    assert run("split", folder, "--leave-out", "source")[0] == 2
    out = tmp_path / "each"
    assert run("split", folder, "--leave-out", "source", "--out", out)[0] == 0
    assert sorted(each.name for each in out.iterdir()) == ["one", "two"]
    assert all(proved(each) for each in out.iterdir())


def test_two_ways_at_once_are_refused(feet: Make, run: Run) -> None:
    folder = feet(subjects=4, each=1).folder
    assert "use one of them" in run("split", folder, "--folds", 3, "--official")[2]
    assert run("split", folder, "--stratify", "area", "--official")[0] == 2


def test_a_key_read_from_paths_is_written_with_the_split_it_proves(tmp_path: Path, save: Make, run: Run) -> None:
    folder = save(tmp_path / "d", [made(f"walk{n // 4}_{n}") for n in range(24)]).folder
    args = ("split", folder, "--by", "walk", "--derive", "walk=(walk[0-9]+)_")
    assert run(*args)[0] == 0
    assert proved(folder) and next(Manifest.open(folder).records()).values_of("walk") == ("walk0",)
    assert run("audit", folder)[0] == 0


@pytest.mark.data
def test_the_lists_of_eg1800_are_found_among_its_masks(real_data: Path, tmp_path: Path, save: Make, run: Run) -> None:
    names = sorted(path.name[:5] for path in (real_data / "eg1800" / "images_mask").glob("*_mask.mat"))
    folder = save(tmp_path / "d", [made(name, image=f"Images/{name}.png") for name in names]).folder
    lists = real_data / "eg1800" / "portraitnet_lists"
    like = [arg for s in ("train", "test") for arg in ("--like", f"{s}={lists / f'eg1800_{s}.txt'}")]
    code, out, _ = run("split", folder, *like, "--json")
    told = json.loads(out)
    assert code == 0 and told["missing"] == told["ambiguous"] == told["twice"] == []
    assert told["counts"] == {"test": 289, "train": 1447} and told["extra"] == len(names) - 1736
