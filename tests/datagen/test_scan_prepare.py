"""Scans made ready: what is closed, opened, dropped, thinned and painted, and that `generate` can go on from there."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from datagen import closing, scan_prepare, surface, thinning
from datagen.foot import Foot
from datagen.scan_prepare import Wishes, prepare
from datagen.scans import list_scans, read_scan
from masksmith import cli, engine, files, images
from masksmith.errors import BadInput
from tests.datagen.shapes import left_foot, shades, write_obj, write_ply

QUICK = Wishes(pictures=False)
SERIAL = engine.get("serial")


def digests(folder: Path) -> dict[str, str]:
    """Every file with its SHA-256, but for the lock."""
    found = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".lock")
    return {p.relative_to(folder).as_posix(): files.sha256(p) for p in found}


def finer(times: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The small foot with triangles of 5 mm / 2^times: vertices in metres, faces, colours (V, 3) uint8."""
    vertices, faces = left_foot()
    colours = shades(vertices).astype(np.float64)
    for _ in range(times):
        vertices, faces, _, colours = surface.subdivide(vertices, faces, None, colours)  # type: ignore[assignment]
    return vertices, faces, np.round(colours).astype(np.uint8)


def standing(tmp_path: Path, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray | None = None) -> Foot:
    return read_scan(write_ply(tmp_path / "foot_left.ply", vertices * 1000, faces, colours))


def punched(vertices: np.ndarray, faces: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """The faces without those around a place of the surface."""
    return faces[np.linalg.norm(vertices[faces].mean(axis=1) - centre, axis=1) > radius]


def lidded(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The surface with the leg's cut closed by a fan of triangles."""
    rim = closing.rims(faces)[0]
    tip = len(vertices)
    lid = np.stack([np.roll(rim, -1), rim, np.full(len(rim), tip)], axis=1)
    return np.concatenate([vertices, vertices[rim].mean(axis=0)[None]]), np.concatenate([faces, lid])


def test_a_prepared_folder_is_one_that_generate_reads_as_it_stands(scan_folder: Path, tmp_path: Path) -> None:
    rows = prepare(scan_folder, tmp_path / "out", Wishes(), SERIAL)
    assert [row["verdict"] for row in rows] == ["ok"] * 5
    with (tmp_path / "out" / "scans.csv").open(newline="", encoding="utf-8") as handle:
        table = list(csv.DictReader(handle))
    assert [row["file"] for row in table] == [f"T{k}_left.ply" for k in range(5)]
    for scan, row in zip(list_scans(tmp_path / "out"), rows, strict=True):
        assert (scan.subject, scan.side, scan.units, scan.up) == (row["subject"], "left", "m", "y")
        foot = read_scan(scan)
        assert foot.notes == () and abs(foot.length_m * 1000 - row["length_mm"]) < 0.1
        before = read_scan(scan_folder / row["file"])
        assert np.allclose(foot.vertices, before.vertices, atol=1e-5)
        assert np.array_equal(foot.colours, before.colours)
    picture = images.read_image(tmp_path / "out" / "pictures" / "T0_left.png")
    assert picture.shape == (256, 720, 3)
    blue = (picture[..., 2] > 120) & (picture[..., 0] < 90)
    assert blue[:, :240].sum() > 100  # the open leg shows its inside from above
    assert not blue[:, 480:].any()  # and the sole is whole
    assert images.read_image(tmp_path / "out" / "contact.png").shape == (128, 5 * 360, 3)
    report = json.loads((tmp_path / "out" / "prepared.json").read_text())
    assert report["refused"] == 0 and [row["file"] for row in report["scans"]] == [row["file"] for row in rows]


def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(scan_folder: Path, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    prepare(scan_folder, whole, QUICK, SERIAL)
    prepare(scan_folder, stopped, QUICK, SERIAL)
    receipt = stopped / ".receipts" / "scans" / "000003.json"
    kept = (stopped / "T0_left.ply").stat().st_mtime_ns
    for gone in (receipt, stopped / "T3_left.ply", stopped / "scans.csv", stopped / "prepared.json"):
        gone.unlink()
    (stopped / ".T3_left.ply.part").write_bytes(b"half")
    prepare(scan_folder, stopped, QUICK, SERIAL)
    assert digests(whole) == digests(stopped)
    assert (stopped / "T0_left.ply").stat().st_mtime_ns == kept
    with pytest.raises(BadInput, match="other wishes"):
        prepare(scan_folder, stopped, replace(QUICK, max_faces=3000), SERIAL)


@pytest.mark.slow
def test_engines_give_the_same_bytes(scan_folder: Path, tmp_path: Path) -> None:
    prepare(scan_folder, tmp_path / "one", Wishes(), SERIAL)
    prepare(scan_folder, tmp_path / "two", Wishes(), engine.get("process", 2))
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_holes_are_closed_along_the_surface_and_the_legs_cut_is_not(tmp_path: Path) -> None:
    vertices, faces, colours = finer()
    whole = standing(tmp_path, vertices, faces, colours)
    sole = vertices[np.argmin(np.linalg.norm(vertices - [0, 0, -0.02], axis=1))]
    instep = vertices[np.argmin(np.linalg.norm(vertices - [0, 0.07, 0.0], axis=1))]
    cut = punched(vertices, punched(vertices, faces, sole, 0.010), instep, 0.014)
    open_ = standing(tmp_path, vertices, cut, colours)
    assert len(closing.rims(open_.faces.astype(np.int64))) == 3
    done = closing.close_holes(open_)
    assert (done.closed, done.left, done.leg) == (2, 0, "open")
    (rim,) = closing.rims(done.foot.faces.astype(np.int64))
    assert done.foot.vertices[rim, 1].min() > 0.6 * done.foot.vertices[:, 1].max()
    new = done.foot.vertices[len(open_.vertices) :]
    away, near = cKDTree(whole.vertices).query(new)
    assert away.max() < 0.004
    assert done.foot.colours is not None and whole.colours is not None
    assert np.abs(done.foot.colours[len(open_.vertices) :].astype(int) - whole.colours[near]).mean() < 8
    flipped = np.einsum("ij,ij->i", done.foot.normals()[len(open_.vertices) :], whole.normals()[near])
    assert (flipped > 0.5).mean() > 0.98
    assert any("2 holes were closed" in note for note in done.foot.notes)
    assert any("left open: scenes carry the leg on" in note for note in done.foot.notes)


def test_a_patch_in_a_textured_scan_takes_the_colours_of_its_rim(tmp_path: Path) -> None:
    foot = read_scan(write_obj(tmp_path))
    assert foot.uv is not None
    at = foot.vertices[np.argmin(np.linalg.norm(foot.vertices - [0, 0.07, 0.0], axis=1))]
    keep = np.linalg.norm(foot.vertices[foot.faces].mean(axis=1) - at, axis=1) > 0.012
    open_ = closing.part(foot, keep)
    done = closing.close_holes(open_)
    assert done.closed == 1 and done.foot.uv is not None and len(done.foot.uv) == len(done.foot.faces)
    patch = done.foot.uv[len(open_.faces) :]
    rim = open_.uv.reshape(-1, 2)  # type: ignore[union-attr]
    assert np.isfinite(patch).all()
    assert (patch.min(axis=(0, 1)) >= rim.min(axis=0) - 1e-6).all()
    assert (patch.max(axis=(0, 1)) <= rim.max(axis=0) + 1e-6).all()
    assert np.ptp(patch[..., 0], axis=1).max() < 0.2  # no triangle runs across the picture


@pytest.mark.parametrize("slope", [0.0, 0.25])
def test_a_leg_that_was_closed_is_opened_so_that_scenes_can_carry_it_on(tmp_path: Path, slope: float) -> None:
    vertices, faces = left_foot()
    rim = closing.rims(faces)[0]
    vertices = vertices.copy()
    vertices[rim, 1] += slope * (vertices[rim, 2] - vertices[rim, 2].mean())
    foot = standing(tmp_path, *lidded(vertices, faces))
    assert not closing.rims(foot.faces.astype(np.int64))
    done = closing.close_holes(foot)
    assert done.leg == "opened" and done.closed == 0
    (cut,) = closing.rims(done.foot.faces.astype(np.int64))
    assert len(cut) == len(rim)
    made = surface.from_foot(done.foot, np.random.default_rng(1))
    assert len(made.top) and made.vertices[:, 1].max() > 0.5


def test_a_scan_whose_sole_was_not_seen_stands_and_gets_one(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    low = vertices[:, 1].min()
    open_ = faces[~(vertices[faces][..., 1] < low + 0.002).all(axis=1)]
    (tmp_path / "in").mkdir()
    path = write_ply(tmp_path / "in" / "seen_left.ply", vertices[:, [0, 2, 1]] * [1, -1, 1] * 1000, open_)
    (row,) = prepare(path.parent, tmp_path / "out", QUICK, SERIAL)
    assert (row["up"], row["units"], row["side_seen"]) == ("z", "mm", "left")
    assert (row["leg"], row["holes_closed"], row["holes_left"]) == ("open", 1, 0)
    foot = read_scan(list_scans(tmp_path / "out")[0])
    assert len(closing.rims(foot.faces.astype(np.int64))) == 1 and foot.vertices[:, 1].min() > -1e-6
    assert abs(foot.length_m - np.ptp(vertices[vertices[:, 1] < 0.08, 2])) < 0.002


def test_spikes_are_cut_off_and_the_holes_they_leave_closed(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    whole = standing(tmp_path, vertices, faces)
    spiked = vertices.copy()
    middle = np.flatnonzero((vertices[:, 1] > 0.04) & (vertices[:, 1] < 0.12))
    for k in middle[[50, 200, 350]]:
        spiked[k] += [0.05, 0.02, 0.0]
    foot = standing(tmp_path, spiked, faces)
    assert any("3 spikes were cut off" in note for note in foot.notes)
    done = closing.close_holes(foot)
    assert done.closed == 3 and done.left == 0
    assert np.allclose(np.ptp(done.foot.vertices, axis=0), np.ptp(whole.vertices, axis=0), atol=0.004)
    assert not any("spike" in note for note in whole.notes)


def test_a_torn_end_of_the_leg_is_cut_level(tmp_path: Path) -> None:
    vertices, faces, colours = finer()
    top = vertices[:, 1].max()
    centre = vertices[faces].mean(axis=1)
    torn = faces[~((centre[:, 1] > top - 0.025) & (np.abs(centre[:, 0]) < 0.012) & (centre[:, 2] < -0.07))]
    done = closing.close_holes(standing(tmp_path, vertices, torn, colours))
    assert done.leg == "open" and any("cut level" in note for note in done.foot.notes)
    (rim,) = closing.rims(done.foot.faces.astype(np.int64))
    heights = done.foot.vertices[rim, 1]
    assert np.ptp(heights) < 0.008 and top - 0.04 < heights.max() < top - 0.02
    even = closing.close_holes(standing(tmp_path, vertices, faces, colours))
    assert not any("cut level" in note for note in even.foot.notes)


def test_a_surface_without_a_leg_is_said_to_be_one(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    foot = standing(tmp_path, vertices, faces)
    low = closing.part(foot, (foot.vertices[foot.faces][..., 1] < 0.035).all(axis=1))
    done = closing.close_holes(low)
    assert done.leg == "none" and any("no cut through a leg" in note for note in done.foot.notes)


def test_thinning_keeps_shape_and_colours_within_the_bound(tmp_path: Path) -> None:
    vertices, faces, colours = finer()
    foot = standing(tmp_path, vertices, faces, colours)
    thin = thinning.thinned(foot, 3000)
    assert 2800 < len(thin.faces) <= 3000 and thin.colours is not None and foot.colours is not None
    away, near = cKDTree(foot.vertices).query(thin.vertices)
    assert away.max() < 0.002
    assert np.abs(thin.colours.astype(int) - foot.colours[near]).mean() < 3
    assert len(closing.rims(thin.faces.astype(np.int64))) == 1
    assert thinning.thinned(foot, len(foot.faces)) is foot


def test_a_thinned_scan_keeps_what_its_texture_showed(tmp_path: Path) -> None:
    foot = read_scan(write_obj(tmp_path))
    assert foot.uv is not None
    whole = replace(foot, uv=np.stack([_across(foot)[foot.faces], foot.uv[..., 1]], axis=-1).astype(np.float32))
    thin = thinning.thinned(whole, len(foot.faces) // 2)
    assert thin.texture is None and thin.uv is None and thin.colours is not None
    place = _across(thin)
    red, blue = thin.colours[place < 0.45].astype(int), thin.colours[place > 0.55].astype(int)
    assert red[:, 0].mean() > 185 and red[:, 2].mean() < 12
    assert blue[:, 2].mean() > 185 and blue[:, 0].mean() < 12
    assert any("the texture colours of their vertices" in note for note in thin.notes)


def _across(foot: Foot) -> np.ndarray:
    """Where each vertex lies from the lowest x (0) to the highest (1)."""
    x = foot.vertices[:, 0].astype(np.float64)
    return np.clip((x - x.min()) / np.ptp(x), 0.001, 0.999)


def test_whatever_comes_in_is_prepared_or_refused_in_its_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vertices, faces = left_foot()
    source = tmp_path / "in coming"
    (source / "two").mkdir(parents=True)
    blob = trimesh.creation.icosphere(radius=0.006, subdivisions=2)
    loose = np.concatenate([vertices, blob.vertices + [0.2, 0.1, 0]])
    both = np.concatenate([faces, blob.faces + len(vertices)])
    write_ply(source / "Zoë Müller_left.ply", loose / 0.0254, both)
    stl = trimesh.Trimesh(vertices * [-1, 1, 1] * 1000, faces[:, ::-1], process=False).export(file_type="stl")
    (source / "plain.stl").write_bytes(stl)
    (source / "two" / "plain.stl").write_bytes(stl)
    (source / "broken_left.obj").write_bytes(b"")
    code = _run(["scans", "prepare", str(source), "--out", str(tmp_path / "out"), "--engine", "serial", "--json"])
    printed = capsys.readouterr()
    rows = {row["file"]: row for row in json.loads(printed.out)["scans"]}
    assert code == 1 and "3 of 4 scans are refused" in printed.err
    assert rows["Zoë Müller_left.ply"]["units"] == "inch" and rows["Zoë Müller_left.ply"]["side"] == "left"
    assert any("1 loose pieces" in note for note in rows["Zoë Müller_left.ply"]["notes"])
    assert "without colour" in rows["plain.stl"]["verdict"] and "--skin" in rows["plain.stl"]["verdict"]
    assert "0 bytes" in rows["broken_left.obj"]["verdict"] and "broken_left.obj" in rows["broken_left.obj"]["verdict"]
    assert "subject plain has 2 scans (plain.stl, plain.stl): they stay together" in printed.err
    (source / "broken_left.obj").unlink()
    out = tmp_path / "painted"
    args = ["scans", "prepare", str(source), "--out", str(out), "--engine", "serial", "--skin", "0.3", "--no-pictures"]
    assert _run([*args, "--json"]) == 0
    rows = {row["file"]: row for row in json.loads(capsys.readouterr().out)["scans"]}
    assert [rows[name]["written"] for name in ("plain.stl", "two/plain.stl")] == ["plain.ply", "two-plain.ply"]
    assert rows["plain.stl"]["colour"] == "painted" and rows["plain.stl"]["side"] == "right"
    assert rows["plain.stl"]["side_by"] == "the shape (a guess)"
    assert len(read_scan(list_scans(out)[1]).vertices) > len(vertices)


def test_one_file_under_two_subjects_is_told(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    (tmp_path / "in").mkdir()
    path = write_ply(tmp_path / "in" / "A_left.ply", vertices * 1000, faces)
    shutil.copy(path, tmp_path / "in" / "B_left.ply")
    rows = prepare(tmp_path / "in", tmp_path / "out", QUICK, SERIAL)
    (told,) = scan_prepare.twins(rows)
    assert "B_left.ply is the same scan as A_left.ply" in told


def test_units_given_for_all_scans_win_and_are_checked(tmp_path: Path) -> None:
    vertices, faces = left_foot()
    (tmp_path / "in").mkdir()
    small = vertices * 0.5  # 12 cm: a small child's foot, or a grown one's in inches
    write_ply(tmp_path / "in" / "child_left.ply", small * 100, faces)
    (row,) = prepare(tmp_path / "in", tmp_path / "guessed", QUICK, SERIAL)
    assert row["units"] == "inch" and row["units_by"] == "the size" and "cm would fit too" in " ".join(row["notes"])
    (row,) = prepare(tmp_path / "in", tmp_path / "told", replace(QUICK, units="cm"), SERIAL)
    assert row["units"] == "cm" and row["units_by"] == "--units"
    (row,) = prepare(tmp_path / "in", tmp_path / "wrong", replace(QUICK, units="m"), SERIAL)
    assert "the size fits cm or inch" in row["verdict"]


def test_a_dry_run_writes_nothing_and_out_may_not_lie_in_the_scans(scan_folder: Path, tmp_path: Path) -> None:
    assert _run(["scans", "prepare", str(scan_folder), "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    assert not (tmp_path / "out").exists()
    with pytest.raises(BadInput, match="outside of the scans"):
        prepare(scan_folder, scan_folder / "ready", QUICK, SERIAL)


@pytest.mark.data
@pytest.mark.slow
def test_all_real_scans_are_prepared_and_agree_with_their_table(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "feet" / "scans"
    with (folder / "scans.csv").open(newline="") as handle:
        truth = {row["file"]: row for row in csv.DictReader(handle)}
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns("scans.csv"), copy_function=shutil.copyfile)
    rows = prepare(bare, tmp_path / "out", QUICK, SERIAL)
    assert len(rows) == 150 and all(row["verdict"] == "ok" for row in rows)
    for row in rows:
        known = truth[row["file"]]
        assert (row["units"], row["up"], row["side_seen"]) == (known["units"], known["up"], known["side"]), row
        assert row["leg"] == "open" and row["faces"] <= scan_prepare.MAX_FACES


def _run(args: list[str]) -> int:
    """The exit code of a command line."""
    try:
        cli.main(args)
    except SystemExit as done:
        return int(done.code or 0)
    return 0
