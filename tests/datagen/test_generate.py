"""Whole runs: the same bytes whatever the engine, a run that was killed, bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datagen import generate as making
from datagen import plan as planning
from datagen import scenes
from datagen.bank import Rig
from datagen.scenes import Style
from manifests import Manifest, check_proof
from masksmith import cli, engine, files, images
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem

COUNT = 110  # three shards


def plan(scans: Path | str, floors: Path | str, out: Path, **more: object) -> planning.Plan:
    values: dict[str, object] = {"count": COUNT, "seed": 1, "rig": Rig(views=2, canvas=112), "style": Style(size=64)}
    return planning.plan(scans=str(scans), floor_spec=str(floors), out=out, **{**values, **more})  # type: ignore[arg-type]


def digests(folder: Path) -> dict[str, str]:
    """Every file with its SHA-256, but for the receipts' lock."""
    found = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".lock")
    return {p.relative_to(folder).as_posix(): files.sha256(p) for p in found}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, scan_folder: Path, floor_folder: Path) -> Path:
    return making.generate(plan(scan_folder, floor_folder, tmp_path_factory.mktemp("made") / "d"), engine.get("serial"))


def command(scans: Path, floors: Path, out: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "masksmith", "generate", "--scans", str(scans), "--floors", str(floors)),
        *("--out", str(out), "--count", str(COUNT), "--size", "64", "--views", "2", "--seed", "1", *more),
    ]


def test_a_dataset_is_whole_and_keeps_feet_and_floors_apart(made: Path) -> None:
    dataset = Manifest.open(made)
    records = list(dataset.records())
    assert len(records) == COUNT
    assert dataset.info.classes == {"background": 0, "foot": 1}
    for key in ("subject", "floor"):
        where: dict[str, set[str]] = {}
        for record in records:
            for value in record.values_of(key):
                where.setdefault(value, set()).add(record.split or "")
        assert all(len(splits) == 1 for splits in where.values()), key
    assert {r.split for r in records} == {"train", "val", "test"}
    assert check_proof(dataset.table(), dataset.info.split_proof or {}) == []
    for record in records[:20]:
        image, mask = images.read_image(dataset.path(record.image)), images.read_mask(dataset.path(record.mask or ""))
        assert image.shape == (64, 64, 3) and mask.shape == (64, 64)
        assert set(np.unique(mask)) <= {0, 1}
        assert files.sha256(dataset.path(record.image)) == record.sha256_image
    assert np.mean([r.extra["foot_share"] for r in records]) > 0.02


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_give_the_same_bytes_as_one_process(
    made: Path, workers: int, tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    again = making.generate(plan(scan_folder, floor_folder, tmp_path / "d"), engine.get("process", workers))
    assert digests(again) == digests(made)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    made: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    out = tmp_path / "d"
    line = command(scan_folder, floor_folder, out, "--engine", "process", "--workers", "1")
    running = subprocess.Popen(line, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(out.glob("images/*/*.jpg"))) < 60 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (out / "records.parquet").exists()
    receipts = {p.name: p.stat().st_mtime_ns for p in (out / ".receipts" / "scenes").glob("0*.json")}
    assert receipts  # the first shard is done, and stays done
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = {p.name: p.stat().st_mtime_ns for p in (out / ".receipts" / "scenes").glob("0*.json")}
    assert {name: after[name] for name in receipts} == receipts
    first, second = digests(made), digests(out)
    described = json.loads((out / "dataset.json").read_text())
    assert described["command"] == f"generate --count {COUNT} --size 64 --views 2 --seed 1"
    for name in ("dataset.json",):  # it names the command, which the other run was not started by
        first.pop(name), second.pop(name)
    assert first == second


def test_a_finished_run_is_left_as_it_is(made: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path) -> None:
    copy = tmp_path / "d"
    shutil.copytree(made, copy)
    before = digests(copy)
    making.generate(plan(scan_folder, floor_folder, copy), engine.get("serial"))
    assert digests(copy) == before


def test_splits_that_were_made_anew_are_not_written_over(
    made: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    copy = tmp_path / "d"
    shutil.copytree(made, copy)
    cli.group.main(args=["split", str(copy), "--by", "subject", "--seed", "5"], standalone_mode=False)
    before = files.sha256(copy / "records.parquet")
    assert before != files.sha256(made / "records.parquet")
    with pytest.raises(BadInput, match="splits"):
        making.generate(plan(scan_folder, floor_folder, copy), engine.get("serial"))
    assert files.sha256(copy / "records.parquet") == before
    for name in ("records.parquet", "dataset.json"):
        (copy / name).unlink()
    assert digests(making.generate(plan(scan_folder, floor_folder, copy), engine.get("serial"))) == digests(made)


def test_another_seed_is_refused_in_the_same_folder_and_changes_everything_in_another(
    made: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    with pytest.raises(BadInput, match="other seed"):
        making.generate(plan(scan_folder, floor_folder, made, seed=2), engine.get("serial"))
    other = making.generate(plan(scan_folder, floor_folder, tmp_path / "d", seed=0, count=12), engine.get("serial"))
    ours, theirs = digests(made), digests(other)
    same = [name for name in ours if name.startswith("images/") and theirs.get(name) == ours[name]]
    assert same == []


def test_a_scene_is_made_again_byte_for_byte(made: Path, tmp_path: Path, floor_folder: Path) -> None:
    record = next(r for r in Manifest.open(made).records() if r.id == "000017")
    (tmp_path / "recipe.json").write_text(record.recipe or "")
    recipe = json.loads(record.recipe or "")
    written = making.again(recipe, made, [str(floor_folder)], tmp_path / "again")
    assert written["sha256_image"] == record.sha256_image
    assert written["sha256_mask"] == record.sha256_mask
    assert files.sha256(tmp_path / "again" / "000017.jpg") == record.sha256_image


def test_varied_scenes_hold_rugs_and_empty_floors_and_name_all_their_floors(
    tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    style = Style(size=64, rug_share=0.5, tint_share=0.5, empty_share=0.3)
    rig = Rig(views=2, canvas=112, trousers_share=1.0)
    work = plan(scan_folder, floor_folder, tmp_path / "d", count=40, rig=rig, style=style)
    records = list(Manifest.open(making.generate(work, engine.get("serial"))).records())
    empty = [r for r in records if r.subject is None]
    assert 0 < len(empty) < 40
    assert all(r.extra["foot_share"] == 0 for r in empty)
    assert any(len(r.groups["floor"]) == 2 for r in records)
    for record in records:
        recipe = json.loads(record.recipe or "")
        assert record.groups["floor"] == tuple(scenes.floor_ids(recipe))
    one = next(r for r in records if len(r.groups["floor"]) == 2)
    again = making.again(json.loads(one.recipe or ""), tmp_path / "d", [str(floor_folder)], tmp_path / "again")
    assert again["sha256_image"] == one.sha256_image


def test_a_dry_run_writes_nothing(
    tmp_path: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = command(scan_folder, floor_folder, tmp_path / "d", "--dry-run", "--json")[3:]
    cli.group.main(args=line, standalone_mode=False)
    planned = json.loads(capsys.readouterr().out)
    assert planned["splits"]["train"]["scenes"] == 77
    assert list(tmp_path.iterdir()) == []


def exit_of(line: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        cli.main(line)
    error = capsys.readouterr().err.strip().splitlines()
    return int(end.value.code or 0), error[-1] if error else ""


def broken_scan(folder: Path, how: str) -> str:
    first = sorted(folder.glob("*.ply"))[0]
    data = first.read_bytes()
    if how == "empty":
        first.write_bytes(b"")
    elif how == "truncated":
        first.write_bytes(data[: len(data) // 2])
    else:
        import trimesh

        mesh = trimesh.load(first, process=False)
        if how == "uncoloured":
            mesh = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
            first.unlink()
            first = first.with_suffix(".obj")
        else:
            mesh.vertices = np.asarray(mesh.vertices) * 7e-5  # no unit makes this a foot
        mesh.export(first)
    return first.name


@pytest.mark.parametrize(
    ("how", "said"),
    [("empty", "empty"), ("truncated", "found"), ("uncoloured", "--skin"), ("tiny", "found")],
)
def test_a_bad_scan_stops_with_one_line_that_names_it(
    how: str, said: str, tmp_path: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = tmp_path / "scans"
    shutil.copytree(scan_folder, scans)
    name = broken_scan(scans, how)
    code, line = exit_of(command(scans, floor_folder, tmp_path / "d", "--engine", "serial")[3:], capsys)
    assert code == 3
    assert name in line and said in line and "expected" in line
    assert not (tmp_path / "d" / "records.parquet").exists()
    assert not list((tmp_path / "d").rglob("*.part"))


@pytest.mark.parametrize(("data", "said"), [(b"", "0 bytes"), (b"a list of floors\n", "a text file")])
def test_a_bad_floor_is_named_before_anything_is_written(
    data: bytes, said: str, tmp_path: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    floors = tmp_path / "floors"
    shutil.copytree(floor_folder, floors)
    (floors / "bad.jpg").write_bytes(data)
    code, line = exit_of(command(scan_folder, floors, tmp_path / "d")[3:], capsys)
    assert code == 3
    assert "bad.jpg" in line and said in line
    assert not (tmp_path / "d").exists()


def test_one_scan_under_two_subjects_is_refused_with_both_names_and_twice_under_one_is_used_once(
    tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    scans, more = tmp_path / "scans", tmp_path / "more"
    shutil.copytree(scan_folder, scans)
    more.mkdir()
    shutil.copy(scans / "T0_left.ply", more)

    def both() -> planning.Plan:
        return planning.plan(
            scans=[str(scans), str(more)], floor_spec=str(floor_folder), out=tmp_path / "d", count=9, seed=0
        )

    work = both()
    assert [source.subject for source in work.sources] == [f"T{k}" for k in range(5)]
    assert any("more/T0_left.ply" in text and "left out" in text for text in work.warnings)
    shutil.copy(scans / "T1_left.ply", more / "T1_right.ply")  # the other foot of a subject stays with it
    shutil.copy(scans / "T0_left.ply", more / "Zoë_left.ply")
    with pytest.raises(BadInput) as caught:
        both()
    assert "Zoë_left.ply" in str(caught.value) and "scans/T0_left.ply" in str(caught.value)


MADE = ["generate", "--scans", "parametric:9", "--floors", "procedural:9"]


def test_the_preset_of_the_paper_asks_for_its_exact_numbers_and_scales_down_in_proportion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = [
        "generate",
        "--scans",
        "parametric:9",
        "--floors",
        "procedural:9",
        "--out",
        str(tmp_path / "d"),
        "--dry-run",
    ]

    def planned(*more: str) -> dict[str, object]:
        cli.group.main(args=[*base, "--json", *more], standalone_mode=False)
        return dict(json.loads(capsys.readouterr().out))

    def scenes_of(plan: dict[str, object]) -> list[int]:
        return [row["scenes"] for row in plan["splits"].values()]  # type: ignore[attr-defined]

    whole = planned("--preset", "demborg2018")
    assert scenes_of(whole) == [43896, 12960, 14168] and whole["size"] == 256
    small = planned("--preset", "demborg2018", "--count", "100", "--size", "64")
    assert scenes_of(small) == [62, 18, 20] and small["size"] == 64
    own = tmp_path / "ours.toml"
    own.write_text("views = 3\nplain = true\n[counts]\nall = 7\n")
    assert scenes_of(planned("--preset", str(own))) == [7]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sizes = 3", "'sizes'"),
        ("out = 'x'", "'out'"),
        ("size = 'large'", "--size"),
        ("[counts]\ntrain = 0", "counts.train"),
        ("counts = 3", "counts"),
    ],
)
def test_a_preset_with_a_wrong_key_or_value_is_refused_by_name(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.toml").write_text(text)
    line = [
        "generate",
        "--scans",
        "parametric:9",
        "--floors",
        "procedural:9",
        "--out",
        str(tmp_path / "d"),
        "--dry-run",
    ]
    code, error = exit_of([*line, "--preset", str(tmp_path / "own.toml")], capsys)
    assert code == 2 and said in error
    code, error = exit_of([*line, "--preset", "demborg"], capsys)
    assert code == 2 and "Did you mean 'demborg2018'?" in error


@pytest.mark.parametrize("spec", ["parametric:many", "parametric:0", "parametric:"])
def test_a_number_of_made_feet_that_is_none_is_a_usage_error(spec: str, tmp_path: Path, floor_folder: Path) -> None:
    with pytest.raises(UsageProblem, match="expected a number after the colon"):
        plan(spec, floor_folder, tmp_path / "d")


def test_too_few_floors_for_the_splits_are_refused(tmp_path: Path, scan_folder: Path, floor_folder: Path) -> None:
    floors = tmp_path / "floors"
    floors.mkdir()
    shutil.copy(sorted(floor_folder.iterdir())[0], floors)
    with pytest.raises(BadInput, match="at least 3 floors"):
        plan(scan_folder, floors, tmp_path / "d")


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounting a small disk needs root on Linux")
def test_a_full_disk_ends_with_a_clear_error_and_the_run_goes_on_with_room(
    made: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a tmpfs here")
    try:
        with pytest.raises(EnvironmentFault, match="the disk is full"):
            making.generate(plan(scan_folder, floor_folder, disk / "d"), engine.get("serial"))
        assert not (disk / "d" / "records.parquet").exists()
        assert not list(disk.rglob("*.part"))
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        making.generate(plan(scan_folder, floor_folder, disk / "d"), engine.get("serial"))
        assert digests(disk / "d") == digests(made)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # files of cutouts stay mapped


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be written to: by its rights, or for root by a read-only mount."""
    folder = tmp_path / "locked"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder
        folder.chmod(0o700)
        return
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("no right to mount a tmpfs here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("below", [".", "new"])
def test_a_folder_without_permission_is_named(
    below: str, locked: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = exit_of(command(scan_folder, floor_folder, locked / below)[3:], capsys)
    assert code == 4
    assert str(locked) in line
    assert "no permission" in line or "read-only" in line


def test_a_place_where_no_folder_can_be_is_named(
    capsys: pytest.CaptureFixture[str], scan_folder: Path, floor_folder: Path
) -> None:
    code, line = exit_of(command(scan_folder, floor_folder, Path("/proc/masksmith"), "--engine", "serial")[3:], capsys)
    assert code == 4
    assert "/proc/masksmith" in line


@pytest.mark.slow
def test_real_scans_and_floors_give_the_same_bytes_on_every_engine(real_data: Path, tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    listed = sorted((real_data / "feet" / "scans").glob("S00*.*"))
    for path in listed:
        (scans / path.name).symlink_to(path)
    for path in (real_data / "feet" / "scans").glob("*.mtl"):
        (scans / path.name).symlink_to(path)
    (scans / "skins").symlink_to(real_data / "feet" / "scans" / "skins")
    seen = []
    for name, workers in (("serial", None), ("process", 1), ("process", 2)):
        out = tmp_path / f"{name}{workers}" / "d"
        work = plan(scans, real_data / "floors", out, rig=Rig(views=3), style=Style())
        seen.append(digests(making.generate(work, engine.get(name, workers))))
    assert seen[0] == seen[1] == seen[2]
