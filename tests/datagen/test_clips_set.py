"""Datasets of clips: whole, apart, the same again; and their motion is what the commands that judge masks expect."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from datagen import clip_set, clip_sheet
from datagen import plan as planning
from datagen.bank import Rig
from datagen.clips import Filming
from datagen.scenes import Style
from evaluation import dataset
from manifests import Manifest, check_proof
from masksmith import cli, engine, files, images, video
from masksmith.errors import BadInput
from tests.datagen.test_generate import digests, exit_of

SIZE, FRAMES, COUNT = 96, 3, 4
OPTIONS = ("--count", str(COUNT), "--frames", str(FRAMES), "--size", str(SIZE), "--seed", "1")


def plan(scans: Path | str, floors: Path | str, out: Path, **more: object) -> planning.Plan:
    values: dict[str, object] = {"count": COUNT, "seed": 1, "rig": Rig(), "style": Style(size=SIZE)}
    return planning.plan(scans=str(scans), floor_spec=str(floors), out=out, **{**values, **more})  # type: ignore[arg-type]


def made_by(engine_name: str, scans: Path, floors: Path, out: Path) -> Path:
    return clip_set.make(plan(scans, floors, out), Filming(frames=FRAMES), engine.get(engine_name, 2))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, scan_folder: Path, floor_folder: Path) -> Path:
    return made_by("serial", scan_folder, floor_folder, tmp_path_factory.mktemp("made") / "d")


def asked(capsys: pytest.CaptureFixture[str], *line: str | Path) -> dict:  # type: ignore[type-arg]
    cli.group.main(args=[str(part) for part in line], standalone_mode=False)
    answer: dict = json.loads(capsys.readouterr().out)  # type: ignore[type-arg]
    return answer


def test_a_dataset_of_clips_is_whole_and_keeps_feet_and_floors_apart(made: Path) -> None:
    manifest = Manifest.open(made)
    records = list(manifest.records())
    assert len(records) == COUNT * FRAMES
    assert [(r.clip, r.frame) for r in records] == [(f"{k:05d}", t) for k in range(COUNT) for t in range(FRAMES)]
    assert check_proof(manifest.table(), manifest.info.split_proof or {}) == []
    for key in ("subject", "floor", "clip"):
        where: dict[str, set[str]] = {}
        for record in records:
            for value in record.values_of(key):
                where.setdefault(value, set()).add(record.split or "")
        assert all(len(splits) == 1 for splits in where.values()), key
    for record in records:
        image, mask = images.read_image(made / record.image), images.read_mask(made / (record.mask or ""))
        assert image.shape == (SIZE, SIZE, 3) and set(np.unique(mask)) <= {0, 1}
        assert files.sha256(made / record.image) == record.sha256_image
        assert files.sha256(made / (record.mask or "")) == record.sha256_mask
        assert np.array_equal(images.read_mask(made / record.extra["alpha"]) >= 128, mask == 1)
        assert ("motion" in record.extra) == (record.frame != 0)
        assert set(record.extra["sides"]) <= {"left", "right"} and record.extra["foot_share"] > 0
        assert json.loads(record.recipe or "") == json.loads((made / f"recipes/{record.clip}.json").read_text())
        if record.frame:
            parts = np.load(made / record.extra["motion"])
            assert parts["backward"].shape == (SIZE, SIZE, 2) and parts["backward"].dtype == np.float32
            assert np.array_equal(parts["valid"], images.read_mask(made / record.extra["hidden"]) == 0)


def test_truth_goes_along_its_own_motion_and_jitters_nowhere(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "jitter", made / "masks", made / "masks", "--motion", made / "motion", "--json")
    assert found["motion"] == "known"
    assert found["warp_iou"] > 0.96
    for name in ("flicker_excess", "dtssd", "boundary_jitter_px", "boundary_flip_rate"):
        assert found[name] == 0, name
    assert len(found["clips"]) == COUNT


def test_a_mask_that_breathes_by_a_pixel_jitters_by_a_pixel(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in images.list_images(made / "masks"):
        mask = images.read_mask(path)
        if int(path.stem) % 2:
            mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
        files.write_bytes(tmp_path / path.relative_to(made / "masks"), images.encode_png(mask))
    found = asked(capsys, "jitter", tmp_path, made / "masks", "--motion", made / "motion", "--json")
    assert 0.7 < found["boundary_jitter_px"] < 1.2
    truth = asked(capsys, "jitter", made / "masks", made / "masks", "--motion", made / "motion", "--json")
    assert found["warp_iou"] < truth["warp_iou"] - 0.01


def test_motion_the_other_way_round_fits_worse(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted((made / "motion").rglob("*.npz")):
        parts = np.load(path)
        place = tmp_path / path.relative_to(made / "motion")
        place.parent.mkdir(exist_ok=True)
        np.savez(place, backward=-parts["backward"], valid=parts["valid"])
    right, wrong = (
        asked(capsys, "jitter", made / "masks", made / "masks", "--motion", folder, "--json")["warp_iou"]
        for folder in (made / "motion", tmp_path)
    )
    assert wrong < right - 0.01


def test_evaluate_finds_the_frames_by_their_ids(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "evaluate", made / "masks", "--data", made, "--split", "all", "--json")
    assert found["miou_image"] == 1
    assert found["images"] == COUNT * FRAMES


def test_a_model_that_knows_the_truth_is_judged_along_the_known_motion(made: Path) -> None:
    manifest = Manifest.open(made)
    records, split, _ = dataset.pick(manifest, "all")
    known = {images.read_image(made / r.image).tobytes(): images.read_mask(made / (r.mask or "")) for r in records}

    def answer(pictures: list[images.Image]) -> list[dataset.Soft]:
        return [known[picture.tobytes()].astype(np.float32) for picture in pictures]

    truth = dataset.TruthReader(manifest.info.classes, dataset.foreground(manifest.info.classes, None))
    job = dataset.Job(manifest, dataset.Model(answer), truth, None, motions=made / "motion")
    _, figures = dataset.judge(job, records)
    assert split == "all"
    assert [clip.motion for clip in figures] == ["known"] * COUNT
    assert all(clip.boundary_jitter_px == 0 and clip.warp_iou > 0.94 for clip in figures)


def test_a_stopped_run_goes_on_with_the_clips_that_are_not_there(
    made: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    copy = tmp_path / "d"
    shutil.copytree(made, copy)
    (copy / ".receipts/clips/000002.json").unlink()
    (copy / "records.parquet").unlink()
    shutil.rmtree(copy / "motion/00002")
    stamps = {path: path.stat().st_mtime_ns for path in (copy / "frames/00001").iterdir()}
    made_by("serial", scan_folder, floor_folder, copy)
    assert digests(copy) == digests(made)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


@pytest.mark.slow
def test_processes_give_the_same_bytes_as_one_process(
    made: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    assert digests(made_by("process", scan_folder, floor_folder, tmp_path / "d")) == digests(made)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    made: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path
) -> None:
    out = tmp_path / "d"
    line = ["clips", "--scans", str(scan_folder), "--floors", str(floor_folder), "--out", str(out), *OPTIONS]
    line = [sys.executable, "-m", "masksmith", *line, "--engine", "process", "--workers", "1"]
    running = subprocess.Popen(line, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(out.glob("frames/*/*.jpg"))) <= FRAMES and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    running.kill()
    running.wait()
    assert not (out / "records.parquet").exists()
    first = {path.name: path.stat().st_mtime_ns for path in (out / ".receipts/clips").glob("0*.json")}
    assert first  # the first clip is done, and stays done
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {name: (out / ".receipts/clips" / name).stat().st_mtime_ns for name in first} == first
    ours, theirs = digests(made), digests(out)
    described = json.loads((out / "dataset.json").read_text())
    assert described["command"] == f"clips --count {COUNT} --frames {FRAMES} --fps 25 --size {SIZE} --seed 1"
    ours.pop("dataset.json"), theirs.pop("dataset.json")  # it names the command, which the other was not made by
    assert theirs == ours


def test_another_floor_of_the_same_name_is_not_taken_for_the_right_one(
    made: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = made / "recipes/00000.json"
    used = json.loads(recipe.read_text())["scene"]["floor"]["id"]
    shutil.copytree(floor_folder, tmp_path / "floors")
    picture = next(path for path in (tmp_path / "floors").iterdir() if path.stem == used)
    picture.write_bytes(images.encode_jpeg(255 - images.read_image(picture)))
    line = ["clips", "--recipe", str(recipe), "--scans", str(scan_folder), "--floors", str(tmp_path / "floors")]
    code, error = exit_of([*line, "--out", str(tmp_path / "again")], capsys)
    assert code == 3
    assert picture.name in error and "restore it" in error


def test_another_way_of_filming_is_refused_in_the_same_folder(
    made: Path, scan_folder: Path, floor_folder: Path
) -> None:
    with pytest.raises(BadInput, match="other filming"):
        clip_set.make(plan(scan_folder, floor_folder, made), Filming(frames=FRAMES + 1), engine.get("serial"))


def test_a_clip_is_made_again_byte_for_byte_and_as_a_video(
    made: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = made / "recipes/00003.json"
    line = ("clips", "--recipe", recipe, "--scans", scan_folder, "--floors", floor_folder)
    told = asked(capsys, *line, "--out", tmp_path / "again", "--mp4", "--json")
    assert told["frames"] == FRAMES
    ours = {name: digest for name, digest in digests(made).items() if "/00003" in name and not name.startswith(".")}
    theirs = digests(tmp_path / "again")
    shown = list(video.read_frames(tmp_path / "again/videos/00003.mp4"))
    assert theirs.pop("videos/00003.mp4")
    assert theirs == ours
    assert len(shown) == FRAMES
    for frame, path in zip(shown, images.list_images(made / "frames/00003"), strict=True):
        assert np.abs(frame.astype(int) - images.read_image(path)).mean() < 12


def test_a_sheet_shows_frames_and_their_motion(made: Path) -> None:
    shown = clip_sheet.sheet(made, clips=2, columns=3, side=SIZE)
    assert shown.shape == (4 * SIZE, 3 * SIZE, 3)
    record = next(r for r in Manifest.open(made).records() if r.frame == 1)
    picture = images.read_image(made / record.image)
    assert np.mean(np.abs(shown[:SIZE, :SIZE].astype(int) - picture).max(axis=2) == 0) > 0.8  # all but the outline
    hidden = images.read_mask(made / record.extra["hidden"])
    motion = shown[SIZE : 2 * SIZE, :SIZE]
    assert (motion[hidden == 1] == 0).all()
    assert (motion[hidden == 2] == 190).all()


def test_the_command_makes_clips_with_a_video_and_a_preview(
    tmp_path: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("clips", "--scans", scan_folder, "--floors", floor_folder, "--out", tmp_path / "d", "--still-feet")
    few = ("--count", "1", "--frames", "2", "--size", "48", "--shares", "train=1", "--lossless", "--engine", "serial")
    told = asked(capsys, *line, *few, "--mp4", "--preview", tmp_path / "p.png", "--json")
    assert told["splits"]["train"]["clips"] == told["clips"] == 1
    assert images.read_image(tmp_path / "p.png").shape[1] == 6 * 192
    assert len(list(video.read_frames(tmp_path / "d/videos/00000.mp4"))) == 2
    (first, second) = Manifest.open(tmp_path / "d").records()
    assert first.image == "frames/00000/0000.png" and second.extra["gesture"] == "still"


@pytest.mark.parametrize(
    ("motion", "colour"),
    [((5, 0), (255, 0, 0)), ((-5, 0), (0, 255, 255)), ((0, 0), (255, 255, 255)), ((2.5, 0), (255, 127, 127))],
)
def test_colours_tell_direction_and_length(motion: tuple[float, float], colour: tuple[int, int, int]) -> None:
    flow = np.broadcast_to(np.array(motion, np.float32), (4, 4, 2))
    shown = clip_sheet.colours(flow, np.zeros((4, 4), np.uint8), 5.0)
    assert np.abs(shown.astype(int) - colour).max() <= 1


def test_a_dry_run_tells_the_splits_and_writes_nothing(
    tmp_path: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("clips", "--scans", scan_folder, "--floors", floor_folder, "--out", tmp_path / "d", *OPTIONS)
    told = asked(capsys, *line, "--dry-run", "--json")
    assert sum(row["clips"] for row in told["splits"].values()) == COUNT
    assert told["frames"] == COUNT * FRAMES
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [({"foot": None}, "recipe"), ({"version": 99}, "99"), ({"stance": {}}, "whole recipe")],
)
def test_a_recipe_that_lacks_something_is_named(
    change: dict,
    said: str,
    made: Path,
    tmp_path: Path,
    scan_folder: Path,
    floor_folder: Path,
    capsys: pytest.CaptureFixture[str],  # type: ignore[type-arg]
) -> None:
    recipe = tmp_path / "r.json"
    recipe.write_text(json.dumps({**json.loads((made / "recipes/00000.json").read_text()), **change}))
    line = ["clips", "--recipe", str(recipe), "--scans", str(scan_folder), "--floors", str(floor_folder)]
    code, error = exit_of([*line, "--out", str(tmp_path / "again")], capsys)
    assert code == 3
    assert said in error


def test_other_scans_floors_and_files_are_not_taken_for_the_right_ones(
    made: Path, tmp_path: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(made / "recipes/00000.json")
    for scans, floors, name, said in (
        ("parametric:1", str(floor_folder), recipe, "--scans"),
        (str(scan_folder), "procedural:2", recipe, "--floors"),
        (str(scan_folder), str(floor_folder), str(made / "dataset.json"), "recipes/"),
        (str(scan_folder), str(floor_folder), str(tmp_path / "none.json"), "none.json"),
    ):
        line = ["clips", "--recipe", name, "--scans", scans, "--floors", floors, "--out", str(tmp_path / "again")]
        code, error = exit_of(line, capsys)
        assert (code, said in error) == (3, True), error
    assert not (tmp_path / "again/frames").exists()


def test_a_clip_in_which_nothing_moves_is_not_asked_for(
    tmp_path: Path, scan_folder: Path, floor_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["clips", "--scans", str(scan_folder), "--floors", str(floor_folder), "--out", str(tmp_path / "d")]
    code, error = exit_of([*line, "--still-camera", "--still-feet"], capsys)
    assert code == 2
    assert "nothing that moves" in error
