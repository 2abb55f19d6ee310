from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from masksmith import files
from masksmith.cli import COMMANDS
from masksmith.commands.prune import prune
from masksmith.errors import BadInput, UsageProblem
from tests.evaluation.typed import run
from trainers import Predictor, Settings, build, count_parameters, load, make_plan, save_weights, train
from trainers.channels import narrow, spaces, widths
from trainers.networks.layers import Network
from trainers.pruning import LEAST, apply_cut, apply_mask, plan_cut, saving

MakeDiscs = Callable[..., Path]
RESIDUAL = "peopleseg_fpn"
CHAINED = "portrait_lcnet"


def worn(name: str, seed: int) -> Network:
    """A network whose normalisations look trained: scales of either sign and shifts drawn by the seed."""
    network = build(name).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(-0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
                module.running_mean.normal_(0, 0.3, generator=generator)  # type: ignore[union-attr]
                module.running_var.uniform_(0.5, 2, generator=generator)  # type: ignore[union-attr]
    return network


def answer(network: Network, side: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    given = [torch.rand(2, 3 if name == "image" else 1, side, side, generator=generator) for name in network.inputs]
    with torch.inference_mode():
        return network(*given)


@pytest.mark.parametrize(
    "name",
    [RESIDUAL, CHAINED, "portrait_lcnet_noprior", "portrait_mnv2", "portrait_mnv3", "portrait_effb0", "mobileseg"],
)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**31), ratio=st.floats(0, 0.95))
def test_the_pruned_network_says_what_the_masked_one_says(name: str, seed: int, ratio: float) -> None:
    network = worn(name, seed)
    cut = plan_cut(network, ratio)
    masked = answer(apply_mask(network, cut))
    scale = max(1.0, float(masked.abs().max()))
    assert torch.allclose(answer(apply_cut(network, cut)) / scale, masked / scale, atol=1e-5)


def test_masking_changes_the_answer_so_that_the_comparison_means_something() -> None:
    for name in (RESIDUAL, CHAINED):
        network = worn(name, 1)
        whole, masked = answer(network), answer(apply_mask(network, plan_cut(network, 0.5)))
        assert float((whole - masked).abs().max()) > 0.01 * float(whole.abs().max())


def test_the_channels_with_the_smallest_scales_of_all_go() -> None:
    network = worn(RESIDUAL, 3)
    cut = plan_cut(network, 0.4, least=1)
    kept, gone = [], []
    for space in spaces(network):
        stays = set(cut.kept[space.name])
        for channel, value in enumerate(space.scored.weight.abs().tolist()):
            (kept if channel in stays else gone).append(value)
    assert len(gone) == round(0.4 * (len(gone) + len(kept)))
    assert max(gone) <= min(kept)
    assert cut.threshold == pytest.approx(max(gone))


def test_equal_scales_go_evenly_from_all_blocks() -> None:
    cut = plan_cut(build(RESIDUAL), 0.5)
    shares = [row["kept"] / row["channels"] for row in cut.rows()]
    assert min(shares) > 0.45
    assert max(shares) < 0.55


def test_a_block_keeps_its_eight_largest_channels() -> None:
    network = build(RESIDUAL)
    space = spaces(network)[4]
    with torch.no_grad():
        space.scored.weight.copy_(torch.linspace(1e-6, 1e-5, space.width))
    cut = plan_cut(network, 0.3)
    assert cut.kept[space.name] == tuple(range(space.width - LEAST, space.width))
    assert cut.realised < 0.3
    smallest = min(len(kept) for kept in plan_cut(build(CHAINED), 0.95).kept.values())
    assert smallest == 4  # the prior's first block has no more to begin with


def test_a_projection_and_what_a_decoder_reads_keep_their_channels() -> None:
    for name in (RESIDUAL, CHAINED):
        network = worn(name, 2)
        smaller = apply_cut(network, plan_cut(network, 0.6))
        for before, after in zip(network.modules(), smaller.modules(), strict=True):
            if hasattr(before, "conv_pwl"):
                assert after.conv_pwl.out_channels == before.conv_pwl.out_channels  # type: ignore[union-attr]
                assert torch.equal(after.bn3.weight, before.bn3.weight)  # type: ignore[union-attr]
    portrait = apply_cut(worn(CHAINED, 2), plan_cut(worn(CHAINED, 2), 0.6))
    taps = portrait.encoder(torch.rand(1, 3, 64, 64))  # type: ignore[operator]
    assert [tap.shape[1] for tap in taps] == [64, 128]


def test_depth_first_pruning_meets_document_cs_printed_sizes() -> None:
    # 1.25, 0.88 and 0.59 M of 2.25 M, where the deepest blocks lose first and the head last
    network = build(RESIDUAL)
    with torch.no_grad():
        for number, space in enumerate(spaces(network)):
            space.scored.weight.fill_(float(99 - number))
    found = [
        saving(network, apply_cut(network, plan_cut(network, ratio))).parameters_after for ratio in (0.3, 0.5, 0.7)
    ]
    assert found == [pytest.approx(printed, rel=0.06) for printed in (1.25e6, 0.88e6, 0.59e6)]


def test_saving_counts_what_is_left() -> None:
    network = build(RESIDUAL)
    smaller = apply_cut(network, plan_cut(network, 0.5))
    found = saving(network, smaller)
    assert found.parameters_before == 2_248_002
    assert found.parameters_after == count_parameters(smaller)
    assert 0.4 < found.parameters_ratio < 0.6
    assert 0.4 < found.flops_ratio < 0.6
    assert found.as_json()["params"] == {"before": 2_248_002, "after": found.parameters_after}


def test_a_pruned_network_is_saved_and_loaded(tmp_path: Path) -> None:
    for name in (RESIDUAL, CHAINED, "portrait_mnv2"):
        network = worn(name, 4)
        smaller = apply_cut(network, plan_cut(network, 0.5))
        save_weights(tmp_path / f"{name}.safetensors", smaller)
        again = load(tmp_path / f"{name}.safetensors", model=name)
        assert again.channels == smaller.channels == widths(smaller)
        assert torch.equal(answer(again), answer(smaller))


def test_a_pruned_network_is_pruned_once_more(tmp_path: Path) -> None:
    once = apply_cut(worn(RESIDUAL, 4), plan_cut(worn(RESIDUAL, 4), 0.3))
    twice = apply_cut(once, plan_cut(once, 0.3))
    save_weights(tmp_path / "twice.safetensors", twice)
    assert torch.equal(answer(load(tmp_path / "twice.safetensors")), answer(twice))


def test_gradients_reach_every_weight_of_a_pruned_network() -> None:
    smaller = apply_cut(worn(CHAINED, 4), plan_cut(worn(CHAINED, 4), 0.5)).train()
    smaller(torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64)).square().mean().backward()
    assert all(value.grad is not None and value.grad.shape == value.shape for value in smaller.parameters())


def test_what_cannot_be_pruned_is_refused() -> None:
    with pytest.raises(UsageProblem, match="fastlinknet has no channels that can be pruned"):
        plan_cut(build("fastlinknet"), 0.3)
    with pytest.raises(UsageProblem, match=r"at least 0 and below 1, not 1"):
        plan_cut(build(RESIDUAL), 1)
    network = build(RESIDUAL)
    with torch.no_grad():
        spaces(network)[0].scored.weight[0] = float("nan")
    with pytest.raises(BadInput, match="NaN or infinity"):
        plan_cut(network, 0.3)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"encoder.blocks.9.9": 8}, r"channels for encoder\.blocks\.9\.9"),
        ({"encoder.blocks.1.0": 0}, r"0 of 96 channels"),
        ({"encoder.blocks.1.0": 97}, r"97 of 96 channels"),
        ([3], "blocks"),
    ],
)
def test_notes_that_do_not_fit_are_refused(told: Any, message: str, tmp_path: Path) -> None:
    save_weights(tmp_path / "odd.safetensors", build(RESIDUAL), {"channels": json.dumps(told)})
    with pytest.raises(BadInput, match=message):
        load(tmp_path / "odd.safetensors")
    if isinstance(told, dict):
        with pytest.raises(BadInput, match=message):
            narrow(build(RESIDUAL), told)


def test_training_goes_on_from_pruned_weights_and_after_a_stop(
    discs: MakeDiscs, small: Callable[..., Settings], tmp_path: Path
) -> None:
    network = worn(CHAINED, 6)
    smaller = apply_cut(network, plan_cut(network, 0.5))
    save_weights(tmp_path / "pruned.safetensors", smaller)
    settings = small(model=CHAINED, start=str(tmp_path / "pruned.safetensors"))
    plan = make_plan(discs(), settings)
    assert plan.parameters == count_parameters(smaller)
    train(plan, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(
            plan, tmp_path / "parts", on_step=lambda step, _: signal.raise_signal(signal.SIGINT) if step == 4 else None
        )
    (tmp_path / "pruned.safetensors").unlink()  # a run that goes on has its own weights
    train(plan, tmp_path / "parts")
    ends = [load(tmp_path / name) for name in ("whole", "parts")]
    assert all(torch.equal(value, ends[1].state_dict()[key]) for key, value in ends[0].state_dict().items())
    assert ends[0].channels == smaller.channels
    told = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert told["parameters"] == count_parameters(smaller)


@pytest.fixture
def sparse(discs: MakeDiscs, small: Callable[..., Settings], tmp_path: Path) -> Path:
    """A trained run of a network that can be pruned."""
    train(make_plan(discs(), small(model=CHAINED, sparsity=1e-4, epochs=1)), tmp_path / "sparse")
    return tmp_path / "sparse"


def test_the_command_prunes_a_run_into_a_run(sparse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "small"
    command = ["prune", str(sparse), "--ratio", "0.5", "--out", str(out)]
    assert run(*command, "--dry-run") == 0
    assert "would prune portrait_lcnet" in capsys.readouterr().out
    assert not out.exists()
    assert run(*command, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    network = load(out)
    assert told["params"]["after"] == count_parameters(network) < told["params"]["before"]
    assert told["miou_image"] == {"before": None, "pruned": None, "tuned": None}
    assert sum(row["kept"] for row in told["blocks"]) == sum(network.channels.values())
    assert json.loads((out / "run.json").read_text())["foreground"] == ["disc"]
    assert Predictor(out)(np.zeros((20, 30, 3), np.uint8)).shape == (20, 30)
    before = {path.name: files.sha256(path) for path in out.iterdir()}
    assert run(*command) == 0
    assert {path.name: files.sha256(path) for path in out.iterdir()} == before
    capsys.readouterr()
    assert run("prune", str(sparse), "--ratio", "0.3", "--out", str(out)) == 3
    assert "another pruning (ratio 0.5" in capsys.readouterr().err
    assert run("prune", str(sparse), "--ratio", "0.3", "--out", str(sparse)) == 2


def test_the_command_trains_on_and_tells_what_was_lost(
    sparse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tmp_path / "discs")
    out = tmp_path / "tuned"
    command = ["prune", str(sparse), "--ratio", "0.4", "--data", data, "--out", str(out)]
    assert run(*command, "--epochs", "2", "--set", "lr=0.001", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    scores = told["miou_image"]
    judged = json.loads((sparse / "run.json").read_text())["result"]["best_miou_image"]
    assert scores["before"] == pytest.approx(judged, abs=1e-6)
    assert told["miou_image_lost"] == pytest.approx(scores["before"] - scores["tuned"])
    assert told["tuning"]["epochs"] == 2
    described = json.loads((out / "run.json").read_text())
    assert described["options"]["sparsity"] == 0
    assert described["options"]["lr"] == 0.001
    assert load(out).channels == load(out / "pruned.safetensors").channels
    assert run(*command, "--epochs", "2", "--set", "lr=0.001") == 0  # finished: told once more
    assert "trained on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--ratio", "1"], "--ratio must be at least 0 and below 1"),
        (["--ratio", "0.3", "--minutes", "2"], "give --data too"),
        (["--ratio", "0.3", "--data", "d", "--epochs", "2", "--set", "epochs=3"], "give epochs once"),
    ],
)
def test_what_cannot_be_pruned_ends_with_its_exit_code(
    extra: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("prune", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out"), *extra) == 2
    assert message in capsys.readouterr().err


def test_a_bare_file_of_weights_needs_a_preset_to_be_judged(
    discs: MakeDiscs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_weights(tmp_path / "bare" / "net.safetensors", build(CHAINED))
    command = ["prune", str(tmp_path / "bare" / "net.safetensors"), "--ratio", "0.3", "--data", str(discs())]
    assert run(*command, "--out", str(tmp_path / "out")) == 2
    assert "give --preset" in capsys.readouterr().err
    assert run(*command, "--out", str(tmp_path / "out"), "--preset", "pirshutuk2023", "--set", "batch=4") == 0
    assert "miou_image" in capsys.readouterr().out


def test_the_help_line_is_that_of_the_front_door() -> None:
    assert prune.get_short_help_str(limit=200) == COMMANDS["prune"][1]
    assert "Example:" in str(prune.help)
