import json
from pathlib import Path

import pytest

from manifests import Manifest
from masksmith import images
from masksmith.cli import COMMANDS, main
from tests.loaders.typed import written


def test_priors_reports_every_kind_and_writes_the_sheet(
    small: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.png"
    main(["priors", str(small.folder), "--preview", str(sheet), "--count", "5", "--size", "96", "--json"])
    told = json.loads(capsys.readouterr().out)
    kinds = {row["kind"]: row for row in told["kinds"]}
    assert list(kinds) == ["empty", "affine", "elastic", "major", "self"]
    assert told["samples"] == 5
    assert kinds["empty"]["wanted"] == pytest.approx(40 / 110)
    assert kinds["empty"]["share"] == pytest.approx(40 / 110, abs=0.02)
    assert kinds["empty"]["displacement_px"] == 0 and kinds["empty"]["iou"] == 0
    assert kinds["major"]["iou_range"][1] < 0.6 < kinds["affine"]["iou"]
    assert kinds["elastic"]["displacement_range_px"][0] >= 1.5
    assert told["preview"] == str(sheet)
    drawn = images.read_image(sheet)
    assert drawn.shape[0] > 5 * 160 and drawn.shape[1] > 7 * 160


def test_priors_prints_a_table_and_says_that_self_is_a_warp(
    small: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["priors", str(small.folder), "--count", "3", "--mix", "empty30", "--split", "all"])
    output = capsys.readouterr()
    assert "0.300" in output.out and "major" in output.out
    assert "small warp stands in" in output.err


def test_the_same_seed_draws_the_same_sheet(small: Manifest, tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        main(["priors", str(small.folder), "--preview", str(tmp_path / f"{name}.png"), "--count", "2", "--seed", seed])
        made.append((tmp_path / f"{name}.png").read_bytes())
    assert made[0] == made[1] != made[2]


def test_a_dry_run_writes_nothing(small: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["priors", str(small.folder), "--preview", str(tmp_path / "sheet.png"), "--count", "2", "--dry-run"])
    assert not (tmp_path / "sheet.png").exists()
    assert "would write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--mix", "papr"], 2, "Did you mean 'paper'"),
        (["--preview", "sheet.jpg"], 2, "ends in .png"),
        (["--split", "test"], 3, "train, val"),
        (["--foreground", "toe"], 2, "background, foot"),
    ],
)
def test_faults_end_with_their_code_and_one_line(
    small: Manifest, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["priors", str(small.folder), *arguments])
    assert ended.value.code == code
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and message in told[0]


def test_the_command_has_the_help_that_the_front_door_shows_and_an_example() -> None:
    from masksmith.commands.priors import priors

    lines = (priors.help or "").splitlines()
    assert lines[0] == COMMANDS["priors"][1]
    assert "Example:" in (priors.help or "")


def test_priors_are_written_as_files_that_the_new_manifest_names(
    small: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["priors", str(small.folder), "--split", "all", "--size", "64", "--engine", "serial", "--json"]
    main([*arguments, "--out", str(tmp_path / "a")])
    told = json.loads(capsys.readouterr().out)
    made = Manifest.open(tmp_path / "a")
    records = list(made.records())
    assert [record.id for record in records] == [record.id for record in small.records()]
    for record in records:
        note = record.extra["prior"]
        prior = images.read_mask(made.folder / note["path"])
        assert prior.shape == (record.height, record.width)
        assert (not prior.any()) == (note["kind"] == "empty")
        truth = images.read_mask(made.path(str(record.mask)))  # the way to it still holds
        overlap = ((prior > 127) & (truth == 1)).sum() / ((prior > 127) | (truth == 1)).sum()
        assert overlap == pytest.approx(note["iou"], abs=0.06)
    counts = {row["kind"]: row["count"] for row in told["kinds"]}
    kinds = [record.extra["prior"]["kind"] for record in records]
    assert counts == {kind: kinds.count(kind) for kind in counts} and sum(counts.values()) == 10
    main([*arguments, "--out", str(tmp_path / "b")])
    assert written(tmp_path / "a") == written(tmp_path / "b")


def test_an_exported_network_answers_for_the_kind_self(
    small: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from onnx import TensorProto, helper

    # "the foreground is what is red": the first channel of the picture
    nodes = [helper.make_node("Slice", ["image", "low", "high", "axis"], ["mask"])]
    constants = [helper.make_tensor(n, TensorProto.INT64, [1], [v]) for n, v in (("low", 0), ("high", 1), ("axis", 1))]
    shape = {"image": [1, 3, 48, 48], "prior": [1, 1, 48, 48], "mask": [1, 1, 48, 48]}
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in shape.items()}
    graph = helper.make_graph(nodes, "red", [values["image"], values["prior"]], [values["mask"]], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "red.onnx")
    arguments = ["priors", str(small.folder), "--split", "all", "--size", "48", "--engine", "serial", "--seed", "3"]
    main([*arguments, "--out", str(tmp_path / "a"), "--model", str(tmp_path / "red.onnx"), "--json"])
    assert json.loads(capsys.readouterr().out)["self"] == "answers of a network"
    own = [r for r in Manifest.open(tmp_path / "a").records() if r.extra["prior"]["kind"] == "self"]
    assert own
    for record in own:
        note = record.extra["prior"]
        assert note["steps"] == ["predicted"] and note["displacement_px"] is None
        prior = images.read_mask(tmp_path / "a" / note["path"])
        red = images.read_image(small.folder / f"images/{record.id[1:]}.png")[..., 0]
        assert abs(float(prior.mean()) - float(red.mean())) < 12  # the same picture, distorted
    main([*arguments, "--preview", str(tmp_path / "p.png"), "--model", str(tmp_path / "red.onnx")])
    assert "small warp" not in capsys.readouterr().err


def test_a_missing_network_is_named(small: Manifest, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["priors", str(small.folder), "--out", str(tmp_path / "a"), "--model", str(tmp_path / "none")])
    assert ended.value.code == 3
