from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from masksmith.errors import BadInput, UsageProblem
from trainers import Settings, build, count_parameters, load, make_plan, save_weights, train
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
