"""Known motion from files, and what the jitter command makes of it."""

import json
import struct

import numpy as np
import pytest

from evaluation.motion_files import named_motions, read_motion
from masksmith.errors import BadInput
from tests.evaluation.typed import run, save


def flow(dx, dy, size=(6, 8)):
    return np.broadcast_to(np.array([dx, dy], np.float32), (*size, 2)).copy()


def write_flo(path, values):
    height, width = values.shape[:2]
    path.write_bytes(b"PIEH" + struct.pack("<ii", width, height) + values.astype("<f4").tobytes())


def test_the_three_formats_say_the_same(tmp_path):
    moved = flow(-2, 1)
    hidden = np.zeros((6, 8), bool)
    hidden[1, 3] = True
    np.savez_compressed(tmp_path / "a.npz", backward=moved, valid=~hidden)
    np.save(tmp_path / "b.npy", np.where(hidden[..., None], np.float32(np.nan), moved))
    write_flo(tmp_path / "c.flo", np.where(hidden[..., None], np.float32(2e9), moved))
    found = [read_motion(path) for path in named_motions(tmp_path).values()]
    assert {motion.kind for motion in found} == {"known"}
    for motion in found:
        assert not motion.visible[1, 3]
        assert np.array_equal(motion.visible, found[0].visible)
        assert tuple(motion.source[2, 5]) == (3, 3)  # x - 2, y + 1: where the pixel was


def test_forward_motion_finds_what_was_hidden(tmp_path):
    np.savez(tmp_path / "a.npz", backward=flow(0, 0, (12, 12)), forward=flow(6, 0, (12, 12)))
    assert not read_motion(tmp_path / "a.npz").visible.any()


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.flo"])
def test_cut_files_and_text_are_refused_by_name(tmp_path, name):
    path = tmp_path / name
    if name.endswith("flo"):
        write_flo(path, flow(1, 1))
    elif name.endswith("npz"):
        np.savez(path, backward=flow(1, 1))
    else:
        np.save(path, flow(1, 1))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"words", b"", whole[:11]):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=name):
            read_motion(path)


def test_arrays_of_other_names_and_shapes_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    for arrays, says in (
        ({"forward": flow(1, 1)}, "an array 'backward'"),
        ({"backward": flow(1, 1), "flow": flow(1, 1)}, "the arrays backward, flow"),
        ({"backward": flow(1, 1)[..., 0]}, r"\(H, W, 2\)"),
        ({"backward": flow(1, 1), "valid": np.ones((2, 2), bool)}, "valid pixels"),
        ({"backward": np.array([{}])}, "damaged"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(BadInput, match=says):
            read_motion(path)
    with pytest.raises(BadInput, match="no such file"):
        read_motion(tmp_path / "b.npz")


def test_a_folder_has_one_motion_of_each_name(tmp_path):
    with pytest.raises(BadInput, match="none"):
        named_motions(tmp_path)
    with pytest.raises(BadInput, match="no such folder"):
        named_motions(tmp_path / "lost")
    (tmp_path / "clip").mkdir()
    np.save(tmp_path / "clip" / "1.npy", flow(0, 0))
    assert list(named_motions(tmp_path)) == ["clip/1"]
    write_flo(tmp_path / "clip" / "1.flo", flow(0, 0))
    with pytest.raises(BadInput, match=r"1\.flo and 1\.npy"):
        named_motions(tmp_path)


@pytest.fixture
def wandering(tmp_path):
    """A square that goes three pixels to the right each frame; predicted with a constant bias of one pixel."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 120, (48, 96, 3)).astype(np.uint8)
    for t in range(20):
        left = 10 + 3 * t
        truth, pred, picture = np.zeros((48, 96), np.uint8), np.zeros((48, 96), np.uint8), ground.copy()
        truth[12:36, left : left + 20] = 255
        pred[12:36, left : left + 21] = 255
        picture[truth > 0] += 100
        moved = flow(0, 0, (48, 96))
        moved[truth > 0] = (-3, 0)
        save(tmp_path / "pred" / f"{t:03d}.png", pred)
        save(tmp_path / "truth" / f"{t:03d}.png", truth)
        save(tmp_path / "frames" / f"{t:03d}.png", picture)
        if t:
            (tmp_path / "motion").mkdir(exist_ok=True)
            np.savez(tmp_path / "motion" / f"{t:03d}.npz", backward=moved)
    return tmp_path


def test_jitter_goes_along_known_motion_and_says_so(wandering, capsys):
    words = ["jitter", wandering / "truth", wandering / "truth", "--json"]
    assert run(*words, "--motion", wandering / "motion") == 0
    out = capsys.readouterr()
    found = json.loads(out.out)
    assert found["motion"] == found["clips"][0]["motion"] == "known"
    assert "motion: known" in out.err
    assert found["boundary_jitter_px"] == found["dtssd"] == found["flicker_excess"] == 0
    assert found["vc8"] == found["vc16"] == 1
    assert found["warp_iou"] > 0.85  # what the square lays bare was not marked as hidden


def test_without_truth_known_motion_gives_flicker_and_warp_iou(wandering, capsys):
    assert run("jitter", wandering / "pred", "--motion", wandering / "motion", "--json") == 0
    out = capsys.readouterr()
    found = json.loads(out.out)
    assert found["flicker"] > 0.1
    assert found["warp_iou"] == pytest.approx(20 / 24)  # three columns are laid bare, one is too much
    assert found["dtssd"] is None
    assert "flicker and warp_iou only" in out.err


def test_the_motion_of_every_frame_but_the_first_must_be_there_and_fit(wandering, capsys):
    words = ["jitter", wandering / "pred", wandering / "truth", "--motion", wandering / "motion"]
    np.savez(wandering / "motion" / "007.npz", backward=flow(0, 0))
    assert run(*words) == 3
    assert "(6, 8)" in capsys.readouterr().err
    (wandering / "motion" / "007.npz").unlink()
    assert run(*words) == 3
    assert "1 missing: 007" in capsys.readouterr().err


def test_a_skip_curve_has_a_row_for_each_alpha(wandering, capsys):
    words = ["jitter", wandering / "pred", wandering / "truth", "--frames", wandering / "frames"]
    words += ["--motion", wandering / "motion", "--skip-curve", "0,80"]
    assert run(*words, "--json") == 0
    rows = json.loads(capsys.readouterr().out)["skip_curve"]
    assert [row["alpha"] for row in rows] == [0, 80]
    assert rows[0]["realised_skip_rate"] == 0
    assert rows[0]["iou_fg_image"] == pytest.approx(20 / 21)
    assert run(*words) == 0
    assert "realised_skip_rate" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["--skip-curve", "80"],
        ["--skip-curve", "80,x", "--frames", "frames"],
        ["--skip-curve", "101", "--frames", "frames"],
        ["--skip-curve", "", "--frames", "frames"],
        ["--skip-floor", "3"],
    ],
)
def test_skip_curves_without_what_they_need_are_usage_errors(wandering, monkeypatch, words):
    monkeypatch.chdir(wandering)
    assert run("jitter", "pred", "truth", *words) == 2


def test_a_skip_curve_needs_the_truth(wandering):
    assert run("jitter", wandering / "pred", "--frames", wandering / "frames", "--skip-curve", "80") == 2
