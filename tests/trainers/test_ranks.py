"""Two processes against one: started as a user starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing, nn

from loaders import Batch, Batches
from manifests import Manifest
from masksmith.errors import UsageProblem
from trainers import build, load_preset, make_plan, train
from trainers.objective import Objective
from trainers.presets import checked
from trainers.ranks import Ranks, joined
from trainers.step import Stepper
from trainers.whole import WholeNorm, see_whole_batches

MakeDiscs = Callable[..., Path]
CPU = torch.device("cpu")


SETTINGS: dict[str, Any] = {"size": (32, 32), "batch": 4, "epochs": 1, "steps_per_epoch": 20, "threads": 1}


def trained(ranks: int, data: Path, out: Path, **changes: Any) -> None:
    """A run of one process here, or of several by the command."""
    wanted = {**SETTINGS, "model": "portrait_lcnet", "priors": "paper", "device": "cpu", "seed": 3, **changes}
    if ranks == 1:
        train(make_plan(data, checked({**load_preset("pirshutuk2023").as_json(), **wanted})), out)
        return
    shown = {key: "x".join(map(str, value)) if key == "size" else value for key, value in wanted.items()}
    asked = [part for key, value in shown.items() for part in ("--set", f"{key}={value}")]
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    asked += ["--preset", "pirshutuk2023", "--data", str(data), "--out", str(out), "--json"]
    done = subprocess.run(
        [*start, "-m", "masksmith", "train", *asked],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["ended"] == "all steps done"  # one document: the other ranks are silent


def costs(run: Path) -> list[list[float]]:
    rows = torch.load(run / "last.pt", weights_only=True)["rows"]
    return [[row["loss"], row["val_loss"], row["val_miou_image"]] for row in rows]


# steps of a bounded length: unbounded first steps of a fresh network make 0.01 of a rounding within a few of them, on
# one rank in another memory layout just as on two
CALM: dict[str, Any] = {"optimiser": "sgd", "lr": 0.01, "clip_norm": 0.3, "dropout": 0.2}


def test_two_ranks_and_one_end_twenty_steps_with_the_same_loss(discs: MakeDiscs, tmp_path: Path) -> None:
    data = discs()
    trained(1, data, tmp_path / "one", ema=0.9, **CALM)
    trained(2, data, tmp_path / "two", ema=0.9, **CALM)
    for mine, others in zip(costs(tmp_path / "one"), costs(tmp_path / "two"), strict=True):
        assert mine == pytest.approx(others, abs=1e-4)
    told = json.loads((tmp_path / "two" / "run.json").read_text())
    assert told["environment"]["ranks"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("model", ["fastlinknet", "enet", "sinet", "peopleseg_fpn"])
def test_two_ranks_of_other_networks_differ_no_more_than_roundings_do(
    model: str, discs: MakeDiscs, tmp_path: Path
) -> None:
    """Their last maps have a pixel or four, and normalising so little makes 1e-3 of a rounding within two steps: one
    process that sums in another order, for its pictures lie otherwise in memory, tells how much."""
    data = discs(side=48)
    same = {**CALM, "model": model, "size": (48, 48), "steps_per_epoch": 2, "channels_last": False}
    trained(1, data, tmp_path / "one", **same)
    trained(1, data, tmp_path / "other", **{**same, "channels_last": True})
    trained(2, data, tmp_path / "two", **same)
    one, other, two = (torch.tensor(costs(tmp_path / name)) for name in ("one", "other", "two"))
    assert float((one - two).abs().max()) <= max(1e-4, 2 * float((one - other).abs().max()))


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_the_ranks_shares_are_the_batch(world: int, discs: MakeDiscs) -> None:
    manifest = Manifest.open(discs())
    common: dict[str, Any] = {"size": (16, 16), "batch_size": 4, "augment": "pirshutuk2023", "priors": "paper"}
    whole = list(Batches(manifest, "train", **common).epoch(1))
    parts = [list(Batches(manifest, "train", share=(rank, world), **common).epoch(1)) for rank in range(world)]
    for step, batch in enumerate(whole):
        shares = [part[step] for part in parts]
        assert [name for share in shares for name in share.ids] == batch.ids
        assert torch.equal(torch.cat([share.image for share in shares]), batch.image)
        for share in shares:
            assert share.prior is not None
            assert share.warped is not None


def test_a_batch_that_does_not_divide_is_refused() -> None:
    Ranks(1, 2, CPU).check_batch(32)
    with pytest.raises(UsageProblem, match="a batch of 9 does not divide among 2 processes"):
        Ranks(1, 2, CPU).check_batch(9)


def test_a_process_of_its_own_is_rank_0_of_1_and_its_network_stays_as_it_is() -> None:
    with joined("cpu") as ranks:
        assert (ranks.rank, ranks.world, ranks.main) == (0, 1, True)
        assert ranks.add([0.5, 2]) == [0.5, 2.0]
        assert ranks.gather("a") == ["a"]
        network = build("fastlinknet")
        see_whole_batches(network, ranks)
        assert not any(isinstance(module, WholeNorm) for module in network.modules())


def _normalised(ranks: Ranks) -> float:
    """The largest difference between normalising a part as the whole, and the whole: values, gradients, statistics."""
    torch.manual_seed(0)
    values = torch.randn(6, 3, 4, 5) * 2 + 100
    wanted = torch.randn(6, 3, 4, 5)
    plain, whole = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    see_whole_batches(nn.Sequential(whole), ranks)
    part = slice(6 * ranks.rank // ranks.world, 6 * (ranks.rank + 1) // ranks.world)
    mine, every = values[part].clone().requires_grad_(), values.clone().requires_grad_()
    ((whole(mine) - wanted[part]) ** 3).mean().backward()
    ranks.mean_gradients(whole)
    ((plain(every) - wanted) ** 3).mean().backward()
    pairs = [
        (mine.grad / ranks.world, every.grad[part]),
        (whole.weight.grad, plain.weight.grad),
        (whole.bias.grad, plain.bias.grad),
        (whole.running_mean, plain.running_mean),
        (whole.running_var, plain.running_var),
        (whole(mine), plain(every)[part]),
    ]
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def _stepped(ranks: Ranks, model: str, loss: str) -> list[float]:
    """Costs of a few training steps in double precision, where rounding has no time to grow."""
    settings = checked({"model": model, "loss": loss, "optimiser": "sgd", "dropout": 0.3, "batch": 4})
    network = build(model, dropout=0.3, seed=1).double().train()
    see_whole_batches(network, ranks)
    stepper = Stepper(settings, network, Objective(settings, network, ranks), ranks)
    found = []
    for step in range(4):
        torch.manual_seed(step)
        image = torch.rand(4, 3, 64, 64, dtype=torch.double)
        mask = (image.mean(1) > 0.5).to(torch.uint8)
        mask[0, :20] = 255  # ranks with unlike numbers of pixels that count
        part = slice(4 * ranks.rank // ranks.world, 4 * (ranks.rank + 1) // ranks.world)
        batch = Batch(image[part], mask[part], None, None, None, ["a"] * (4 // ranks.world))
        found.append(stepper.take(batch, step, 0.002))
    return found


TOGETHER = (("portrait_lcnet", "bce_jaccard_boundary"), ("enet", "ce"), ("sinet", "focal"))


def _one_of_two(rank: int, place: str, found: Any) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
    ranks = Ranks(rank, 2, CPU)
    found.put((_normalised(ranks), [_stepped(ranks, *each) for each in TOGETHER]))
    ranks.wait()
    distributed.destroy_process_group()


def test_parts_of_a_batch_are_normalised_and_learnt_from_as_the_whole(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    found = context.SimpleQueue()
    started = [
        context.Process(target=_one_of_two, args=(rank, str(tmp_path / "meet"), found), daemon=True)
        for rank in range(2)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
        assert process.exitcode == 0
    alone = [_stepped(Ranks(0, 1, CPU), *each) for each in TOGETHER]
    for _ in started:
        normalised, costs_of_two = found.get()
        assert normalised < 1e-4
        for mine, others in zip(alone, costs_of_two, strict=True):
            assert mine == pytest.approx(others, abs=1e-8)
