"""The commands split and audit, from a dataset to its verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests import Manifest, Record, check_proof
from masksmith import files

Run = Callable[..., tuple[int, str, str]]
Make = Callable[..., Manifest]


def both(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "records.parquet").read_bytes(), (folder / "dataset.json").read_bytes()


def test_a_split_dataset_passes_its_audit(feet: Make, run: Run) -> None:
    folder = feet().folder
    code, out, _ = run("split", folder, "--by", "subject,floor", "--seed", 4)
    assert code == 0
    assert "5 components" in out and "method components, seed 4" in out
    code, out, err = run("audit", folder)
    assert (code, err) == (0, "")
    assert "no leaks" in out and "the split proof holds" in out
    opened = Manifest.open(folder)
    assert check_proof(opened.table(), opened.info.split_proof or {}) == []
    assert opened.info.split_proof is not None and opened.info.split_proof["seed"] == 4


def test_one_moved_foot_is_found_and_its_subject_named(feet: Make, edit: Make, run: Run) -> None:
    folder = feet(subjects=20).folder
    run("split", folder, "--by", "subject", "--seed", 1)
    opened = Manifest.open(folder)
    number, moved = next((n, r) for n, r in enumerate(opened.records()) if r.split == "train")
    edit(opened, number, split="test")
    code, out, err = run("audit", folder, "--by", "subject")
    assert code == 1
    assert err.startswith(f"masksmith: error: leaks: subject {moved.subject} in test and train (3 records)")
    assert err.count("\n") == 1
    assert str(moved.subject) in out
    code, out, err = run("audit", folder, "--by", "subject", "--json")
    found = json.loads(out)
    assert code == 1
    assert {(leak["kind"], leak["value"]) for leak in found["leaks"]} == {("subject", moved.subject)}
    (leak,) = found["leaks"]
    assert (leak["id"], leak["split"], leak["kind"], leak["key"]) == (moved.id, "test", "subject", "subject")
    assert leak["partner_splits"] == ["train", "train"] and moved.id not in leak["partners"]
    splits = ["test", "train"]
    assert found["groups"] == [{"kind": "subject", "value": moved.subject, "splits": splits, "records": 3}]
    assert found["proof"]


def test_the_same_image_in_two_splits_is_a_leak_and_records_without_a_split_are_none(
    tmp_path: Path, save: Make, run: Run
) -> None:
    same = "ab" * 32
    rows = [("a", "train", same), ("b", "test", same), ("c", None, same), ("d", "test", "cd" * 32)]
    records = [Record(name, f"{name}.png", None, 4, 4, split=split, sha256_image=sha) for name, split, sha in rows]
    code, out, err = run("audit", save(tmp_path / "d", records).folder, "--json")
    assert code == 1
    assert err == "masksmith: error: leaks: bytes abababababab in test and train (2 records)\n"
    (leak,) = json.loads(out)["leaks"]
    assert (leak["id"], leak["kind"], leak["partners"]) == ("b", "bytes", ["a"])


def test_more_than_five_values_are_counted(tmp_path: Path, save: Make, run: Run) -> None:
    records = [
        Record(f"{split}{n}", f"{split}{n}.png", None, 4, 4, subject=f"S{n}", split=split)
        for n in range(8)
        for split in ("train", "test")
    ]
    code, _, err = run("audit", save(tmp_path / "d", records).folder)
    assert code == 1
    assert "subject S0, S1, S2, S3, S4 and 3 more in test and train (16 records)" in err
    assert "16 records without an image digest" in err


def test_a_lost_record_breaks_the_proof_though_nothing_leaks(tmp_path: Path, feet: Make, save: Make, run: Run) -> None:
    opened = feet()
    run("split", opened.folder, "--by", "subject")
    opened = Manifest.open(opened.folder)
    kept = list(opened.records())[1:]
    short = save(tmp_path / "short", kept, split_proof=opened.info.split_proof)
    code, _, err = run("audit", short.folder, "--by", "subject")
    assert code == 1
    assert "split proof: " in err and "leaks" not in err


def test_a_dry_run_says_all_and_writes_nothing(feet: Make, run: Run) -> None:
    folder = feet().folder
    before = both(folder)
    code, out, err = run("split", folder, "--by", "subject", "--dry-run")
    assert code == 0
    assert "10 components" in out and "would write" in err
    assert both(folder) == before


def crossed(folder: Path, save: Make) -> Manifest:
    return save(
        folder,
        [
            Record(f"{s}-{f}", f"{s}-{f}.png", None, 4, 4, subject=f"S{s}", groups={"floor": (f"F{f}",)})
            for s in range(12)
            for f in range(12)
        ],
    )


def test_dropped_records_are_announced_before_anything_is_written(
    tmp_path: Path, save: Make, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = crossed(tmp_path / "d", save).folder
    before = both(folder)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("manifests.edit.ManifestWriter.__enter__", stop)
        code, out, _ = run("split", folder, "--by", "subject,floor")
    assert code == 130
    announced = out.splitlines()[0]
    assert "records mix splits (subject, floor are crossed)" in announced
    assert both(folder) == before
    _, out, err = run("split", folder, "--by", "subject,floor", "--json")
    dropped = json.loads(out)["dropped"]
    assert announced.startswith(f"{dropped} of 144 ")
    assert announced in err
    assert sum(record.split is None for record in Manifest.open(folder).records()) == dropped > 0
    assert run("audit", folder)[0] == 0


def test_a_copy_elsewhere_leads_to_the_same_files(feet: Make, tmp_path: Path, run: Run) -> None:
    opened = feet()
    before = both(opened.folder)
    target = tmp_path / "deep" / "copy"
    assert run("split", opened.folder, "--by", "subject", "--out", target)[0] == 0
    assert both(opened.folder) == before
    copy = Manifest.open(target)
    assert next(r.image for r in copy.records()) == "../../feet/images/0.png"
    for record in copy.records():
        assert files.sha256(copy.path(record.image)) == record.sha256_image
        assert files.sha256(copy.path(record.mask or "")) == record.sha256_mask
    code, _, err = run("split", opened.folder, "--by", "subject", "--out", target)
    assert code == 2 and "a dataset is there already" in err


def test_a_copy_behind_a_link_leads_to_the_same_files(feet: Make, tmp_path: Path, run: Run) -> None:
    opened = feet()
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")
    assert run("split", opened.folder, "--out", tmp_path / "link" / "copy")[0] == 0
    copy = Manifest.open(tmp_path / "link" / "copy")
    assert all(copy.path(record.image).is_file() for record in copy.records())


@pytest.mark.parametrize("shares", ["train=0.7,val", "train=a", "train=0,test=1", "train=1,train=1", "=1", "train=nan"])
def test_shares_that_make_no_sense_are_a_usage_error(shares: str, feet: Make, run: Run) -> None:
    folder = feet(subjects=3, each=1).folder
    before = both(folder)
    assert run("split", folder, "--by", "subject", "--shares", shares)[0] == 2
    assert both(folder) == before


def test_unknown_keys_are_refused_with_a_hint(feet: Make, run: Run) -> None:
    folder = feet(subjects=3, each=1).folder
    assert "no record has the key 'flor'" in run("split", folder, "--by", "flor")[2]
    code, _, err = run("audit", folder, "--by", "flor")
    assert code == 2 and "Did you mean 'floor'" in err


def test_lists_that_share_paths_are_a_leak(tmp_path: Path, run: Run) -> None:
    (tmp_path / "train.txt").write_text("a/1.png m/1.png\na/2.png m/2.png\n\n./a/3.png\n")
    (tmp_path / "test.txt").write_text("a/3.png other\na/4.png\n")
    code, out, err = run("audit", "--lists", tmp_path / "train.txt", tmp_path / "test.txt")
    assert code == 1
    assert err == "masksmith: error: leaks: path a/3.png in train.txt and test.txt (1 of 2 paths of the second)\n"
    (tmp_path / "test.txt").write_text("a/4.png a/1.png\n")
    code, out, _ = run("audit", "--lists", tmp_path / "train.txt", tmp_path / "test.txt")
    assert code == 0 and "no leaks: 3 and 1 paths" in out


@pytest.mark.parametrize(
    ("name", "content"), [("gone.txt", None), ("empty.txt", b"\n \n"), ("raw.txt", b"\xff\xfe\x00")]
)
def test_a_list_that_is_none_is_bad_input(name: str, content: bytes | None, tmp_path: Path, run: Run) -> None:
    (tmp_path / "good.txt").write_text("a\n")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code, _, err = run("audit", "--lists", tmp_path / "good.txt", tmp_path / name)
    assert code == 3 and name in err


def test_audit_wants_a_dataset_or_lists(tmp_path: Path, run: Run) -> None:
    assert run("audit")[0] == 2
    assert run("audit", tmp_path, "--lists", "a", "b")[0] == 2


@pytest.mark.data
@pytest.mark.parametrize(
    ("train", "test", "shared", "of"),
    [
        ("supervisely_train_new", "supervisely_test", 87, 100),
        ("supervisely_face_train_easy", "supervisely_face_test_difficult", 291, 500),
        ("supervisely_face_train_difficult", "supervisely_face_test_easy", 327, 400),
    ],
)
def test_the_published_lists_leak(train: str, test: str, shared: int, of: int, real_data: Path, run: Run) -> None:
    lists = [real_data / "supervisely_lists" / f"{name}.txt" for name in (train, test)]
    code, out, err = run("audit", "--lists", *lists, "--json")
    assert code == 1
    found = json.loads(out)
    assert found["counts"][str(lists[1])] == of
    assert found["shared"] == len(found["leaks"]) == shared
    assert f"({shared} of {of} paths of the second)" in err
