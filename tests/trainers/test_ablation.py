from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from loaders.priors import find_mix
from manifests import Info, ManifestWriter, Record
from masksmith import files, images, seeds
from masksmith.cli import COMMANDS
from masksmith.commands.ablate import ablate as command
from masksmith.errors import BadInput, UsageProblem
from tests.evaluation.typed import run
from trainers import Settings
from trainers.ablation import VARIANTS, ablate, plan_ablation

MakeDiscs = Callable[..., Path]
Small = Callable[..., Settings]


@pytest.fixture
def moving(tmp_path: Path) -> Path:
    """Two clips of four frames: a disc that goes to the right on noise."""
    folder = tmp_path / "moving"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    with ManifestWriter(folder, Info(name="moving", classes={"background": 0, "disc": 1})) as writer:
        for number in range(8):
            clip, frame = divmod(number, 4)
            mask = np.zeros((32, 32), np.uint8)
            cv2.circle(mask, (8 + 4 * frame, 12 + 6 * clip), 6, 1, -1)
            image = seeds.rng(3, "frame", number).integers(0, 90, (32, 32, 3)).astype(np.uint8)
            image[mask == 1] = (230, 160, 40)
            names = [f"{part}/{number:03d}.png" for part in ("images", "masks")]
            for name, picture in zip(names, (image, mask), strict=True):
                (folder / name).write_bytes(images.encode_png(picture))
            told = {"subject": f"clip {clip}", "clip": f"c{clip}", "frame": frame}
            writer.add(Record(f"{number:03d}", *names, 32, 32, **told))
    return folder


def test_every_row_is_trained_alike_and_judged_on_stills_and_clips(
    discs: MakeDiscs, small: Small, moving: Path, tmp_path: Path
) -> None:
    asked = plan_ablation(discs(), small(epochs=1, steps_per_epoch=2), rows=("none", "empty", "self"), clips=moving)
    rows = ablate(asked, tmp_path / "out")
    assert [row["row"] for row in rows] == ["none", "empty", "self"]
    assert [row["model"] for row in rows] == ["portrait_lcnet_noprior", "portrait_lcnet", "portrait_lcnet"]
    assert rows[2]["wanted"] == {"empty": 0.4, "affine": 0, "elastic": 0, "major": 0, "self": 0.6}
    for row in rows:
        assert row["steps"] == 2
        assert 0 <= row["stills"]["iou_fg_image"] <= 1
        assert row["clips"]["flicker"] >= 0
        assert row["clips"]["flicker_excess"] is not None
        assert row["clips"]["warp_iou"] is None  # nothing says how the picture moved
    options = [json.loads((tmp_path / "out" / row["row"] / "run.json").read_text())["options"] for row in rows]
    differ = {key for key in options[0] if any(options[0][key] != other[key] for other in options)}
    assert differ == {"model", "priors"}
    table = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert table["rows"] == json.loads(json.dumps(rows))


def test_a_row_that_is_done_is_not_made_again(discs: MakeDiscs, small: Small, moving: Path, tmp_path: Path) -> None:
    data, settings = discs(), small(epochs=1, steps_per_epoch=1)
    first = ablate(plan_ablation(data, settings, rows=("none",), clips=moving), tmp_path / "out")
    before = {path: files.sha256(path) for path in (tmp_path / "out" / "none").iterdir() if path.is_file()}
    more = plan_ablation(data, settings, rows=("none", "affine"), clips=moving)
    rows = ablate(more, tmp_path / "out")
    assert rows[0] == first[0]
    assert {path: files.sha256(path) for path in before} == before
    assert [row["row"] for row in rows] == ["none", "affine"]


def test_the_figures_are_made_again_where_other_clips_are_asked_for(
    discs: MakeDiscs, small: Small, moving: Path, tmp_path: Path
) -> None:
    data, settings = discs(), small(epochs=1, steps_per_epoch=1)
    assert ablate(plan_ablation(data, settings, rows=("none",)), tmp_path / "out")[0]["clips"] is None
    again = ablate(plan_ablation(data, settings, rows=("none",), clips=moving, flow="dis"), tmp_path / "out")
    assert 0 <= again[0]["clips"]["warp_iou"] <= 1


def test_a_last_answer_is_the_next_prior_only_where_it_was_taught() -> None:
    assert [name for name, variant in VARIANTS.items() if not variant.carries] == ["none", "empty"]


def test_a_row_of_one_kind_draws_that_kind_and_the_papers_share_of_empty_ones() -> None:
    for kind in ("affine", "elastic", "major", "self"):
        shares = find_mix(VARIANTS[kind].mix).shares
        assert {name: share for name, share in shares.items() if share} == {"empty": 0.4, kind: 0.6}


def test_what_cannot_be_compared_is_refused(discs: MakeDiscs, small: Small) -> None:
    data = discs()
    with pytest.raises(UsageProblem, match="unknown row 'selfs'. Did you mean 'self'"):
        plan_ablation(data, small(), rows=("selfs",))
    with pytest.raises(UsageProblem, match="has no clips"):
        plan_ablation(data, small(), clips=data)
    several = discs(classes={"background": 0, "disc": 1, "ring": 2}, name="several")
    with pytest.raises(UsageProblem, match="name it: --set foreground=disc"):
        plan_ablation(several, small())


def test_the_command_prints_one_table(
    discs: MakeDiscs, moving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    asked = ["ablate", "--data", str(discs()), "--clips", str(moving), "--out", str(out), "--rows", "none,paper"]
    quick = ["--steps", "1", *(f"--set={text}" for text in ("size=32", "batch=4", "threads=1"))]
    assert run(*asked, *quick, "--dry-run") == 0
    assert "would train 2 networks (none, paper), 1 steps each" in capsys.readouterr().out
    assert not out.exists()
    assert run(*asked, *quick, "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["row"] for row in rows] == ["none", "paper"]
    assert run(*asked, *quick) == 0
    shown = capsys.readouterr().out
    assert "flicker" in shown
    assert "the paper's mix" in shown
    assert run(*asked, *quick, "--set", "priors=paper") == 2
    assert "choose --rows" in capsys.readouterr().err


def test_the_help_line_is_that_of_the_front_door() -> None:
    assert command.get_short_help_str(limit=200) == COMMANDS["ablate"][1]
    assert "Example:" in str(command.help)


def test_clips_without_what_is_learned_are_refused_before_training(
    discs: MakeDiscs, small: Small, moving: Path
) -> None:
    data = discs(classes={"background": 0, "ring": 1})
    with pytest.raises(BadInput, match="no ring among"):
        plan_ablation(data, small(), rows=("none",), clips=moving)
