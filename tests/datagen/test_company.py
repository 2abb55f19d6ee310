"""Two people in a picture: both are named, and neither comes from another split."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import arrangements, company, stances, writing
from datagen import generate as making
from datagen import plan as planning
from datagen.bank import Source
from datagen.clothing import BARE
from datagen.foot import Foot
from datagen.rigs import Rig, varied
from datagen.scenes import Style
from manifests import Manifest, check_proof
from manifests.audit import audit, audit_table
from masksmith import cli, engine, files, images
from masksmith.commands.traits import traits
from masksmith.errors import BadInput
from tests.datagen.test_clothing import bare_foot
from tests.datagen.test_generate import digests

RIG = Rig(views=1, canvas=96, settings=1, company_share=1.0, layers=True)


def source(subject: str, number: int = 0) -> Source:
    return Source(subject, None, number, "CC0-1.0", files.digest([subject, number]))


@lru_cache(maxsize=1)
def foot() -> Foot:
    return bare_foot()


@given(
    seed=st.integers(0, 10**6),
    dealt=st.dictionaries(st.sampled_from("ABCDEFGH"), st.sampled_from(["train", "val", "test"]), min_size=1),
    share=st.sampled_from([0.1, 0.5, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_nobody_stands_beside_themselves_or_someone_of_another_split(
    seed: int, dealt: dict[str, str], share: float
) -> None:
    found = [source(name, number) for name in sorted(dealt) for number in range(2)]
    rig = Rig(settings=4, company_share=share)
    for each in found:
        chosen = company.drawn(each, found, dealt, rig, seed)
        assert chosen == company.drawn(each, found[::-1], dealt, rig, seed)
        assert all(mate.subject != each.subject for mate in chosen.values())
        assert {dealt[mate.subject] for mate in chosen.values()} <= {dealt[each.subject]}
        alone = sum(split == dealt[each.subject] for split in dealt.values()) == 1
        assert len(chosen) == 0 if alone else share < 1 or len(chosen) == 4


def test_without_splits_or_before_a_scanner_everyone_is_alone() -> None:
    found, dealt = [source("A"), source("B")], {"A": "train", "B": "train"}
    assert len(company.drawn(found[0], found, dealt, RIG, 1)) == 1
    assert company.drawn(found[0], found, {}, RIG, 1) == {}
    assert company.drawn(found[0], found, dealt, Rig(scanner=True, company_share=1.0), 1) == {}
    assert 0 < varied(Rig()).company_share < 1 and Rig().company_share == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_feet_of_two_people_are_counted_on_and_do_not_run_into_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lies = seed % 2 == 1
    first, second = (
        stances.lying(foot(), rng, None, BARE, "front")
        if lies
        else stances.standing(foot(), rng, False, None, (BARE,) * 2)
        for _ in range(2)
    )
    both = company.joined(first, second, rng)
    assert both is not None and both.mate_m is not None
    count = len(first.sides) + len(second.sides)
    assert both.sides == [*first.sides, *second.sides]
    assert set(both.body.piece) == set(range(1, count + 1))
    ours = both.body.piece <= len(first.sides)
    a, b = both.body.vertices[ours][::7], both.body.vertices[~ours][::7]
    assert min(float(np.abs(b - point).max(axis=1).min()) for point in a[::5]) > 0.005
    apart = 2 * np.hypot(*both.mate_m)
    assert company.NEAREST_M <= apart <= company.FARTHEST_M + 0.15
    assert both.body.vertices[:, 1].min() == pytest.approx(0, abs=1e-6)


def test_four_feet_can_be_in_an_arrangement_with_things_around_them() -> None:
    rig = Rig(clutter_share=1.0, company_share=1.0, pose_share=0.5)
    most = 0
    for seed in range(12):
        mate = (foot(), np.random.default_rng(seed + 100))
        stance = arrangements.draw(foot(), np.random.default_rng(seed), rig, False, mate)
        assert int(stance.body.piece.max()) == len(stance.sides)
        most = max(most, len(stance.sides))
    assert most == 4


def plan(out: Path, **more: object) -> planning.Plan:
    values: dict[str, object] = {"count": 24, "seed": 3, "rig": RIG, "style": Style(size=48, labels=("instances",))}
    shares = {"train": 0.5, "val": 0.5}
    spec = {"scans": "parametric:6", "floor_spec": "procedural:4", "shares": shares}
    return planning.plan(**{**spec, **values, **more}, out=out)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return making.generate(plan(tmp_path_factory.mktemp("made") / "d"), engine.get("serial"))


def test_records_name_both_people_and_no_split_shares_one(made: Path) -> None:
    dataset = Manifest.open(made)
    records = list(dataset.records())
    pairs = [record for record in records if len(record.values_of("subject")) == 2]
    assert pairs
    where: dict[str, set[str]] = {}
    for record in records:
        for name in record.values_of("subject"):
            where.setdefault(name, set()).add(record.split or "")
    assert all(len(splits) == 1 for splits in where.values())
    for record in pairs:
        assert 2 <= len(record.extra["sides"]) <= 4
        assert len(record.values_of("subject")) == len(set(record.values_of("subject")))
        seen = images.read_mask(dataset.path(record.extra["instances"]))
        assert set(np.unique(seen)) <= set(range(len(record.extra["sides"]) + 1))
    assert check_proof(dataset.table(), dataset.info.split_proof or {}) == []
    assert audit(dataset).clean


def test_the_audit_finds_a_second_person_in_another_split(made: Path) -> None:
    table = Manifest.open(made).table()
    moved = next(k for k, name in enumerate(table.column("groups").to_pylist()) if dict(name).get("subject"))
    second = dict(table.column("groups")[moved].as_py())["subject"]
    alone = [{**row, "subject": None} for row in table.to_pylist()]
    splits = ["val" if k == moved else "train" for k in range(len(alone))]
    told = table.set_column(table.schema.get_field_index("split"), "split", pa.array(splits))
    shared = {(each.kind, each.value) for each in audit_table(told, None, ["subject"]).groups}
    assert ("subject", second) in shared


@pytest.mark.parametrize("by", ["subject,floor", "subject"])
def test_splits_made_anew_keep_the_second_person_apart_too(made: Path, tmp_path: Path, by: str) -> None:
    other = tmp_path / "anew"
    line = ["split", str(made), "--by", by, "--out", str(other), "--seed", "9", "--shares", "train=1,val=1"]
    cli.group.main(args=line, standalone_mode=False)
    dataset = Manifest.open(other)
    where: dict[str, set[str]] = {}
    for record in dataset.records():
        for name in record.values_of("subject") if record.split else ():
            where.setdefault(name, set()).add(record.split or "")
    assert {split for splits in where.values() for split in splits} == {"train", "val"}
    assert all(len(splits) == 1 for splits in where.values())
    assert audit(dataset, by.split(",")).clean


def test_processes_make_the_same_company(made: Path, tmp_path: Path) -> None:
    again = making.generate(plan(tmp_path / "d"), engine.get("process", 2))
    assert digests(again) == digests(made)


def test_a_scene_of_two_people_is_made_again_byte_for_byte(made: Path, tmp_path: Path) -> None:
    record = next(each for each in Manifest.open(made).records() if each.groups.get("subject"))
    told = making.again(json.loads(record.recipe or ""), made, ["procedural:4"], tmp_path)
    assert told["sha256_image"] == record.sha256_image and told["sha256_mask"] == record.sha256_mask


def test_cutouts_of_two_people_are_not_used_for_other_splits(made: Path, tmp_path: Path) -> None:
    bank_only = tmp_path / "d"
    shutil.copytree(made / making.CUTOUTS, bank_only / making.CUTOUTS)
    shutil.copytree(made / ".receipts" / "cutouts", bank_only / ".receipts" / "cutouts")
    with pytest.raises(BadInput, match="splits"):
        making.generate(plan(bank_only, shares={"train": 0.7, "val": 0.3}), engine.get("serial"))
    apart = replace(RIG, company_share=0.0)
    assert "splits" not in plan(bank_only, rig=apart).job()["feet"]


def test_a_record_and_its_traits_name_the_second_person() -> None:
    recipe = {"index": 3, "size": 8, "empty": False, "cutout": {"subject": "A"}}
    contents = {writing.IMAGE: b"i", writing.MASK: b"m"}
    record = writing.write(
        lambda _path, _data: None,
        recipe,
        contents,
        split="val",
        floors=["f"],
        licence=["x", "y"],
        extra={},
        others=["B"],
    )
    assert record.values_of("subject") == ("A", "B") and record.groups["subject"] == ("B",)
    assert traits(record)["subject"] == ("A", "B")
