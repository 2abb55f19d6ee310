from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from loaders import Batches
from masksmith import images
from trainers import Settings, build, find_loss, load, make_plan, train
from trainers.average import Average
from trainers.curves import CURVES
from trainers.heldout import HeldOut
from trainers.runs import Result
from trainers.step import mixes

Small = Callable[..., Settings]
MakeDiscs = Callable[..., Path]


def test_an_average_follows_its_formula_and_counts_are_copied() -> None:
    network = build("portrait_lcnet_noprior", seed=1)
    average = Average(network, 0.8)
    names = ("score.weight", "encoder.conv1.1.running_mean")
    name = next(key for key in network.state_dict() if key.endswith("running_mean"))
    expected = {key: network.state_dict()[key].clone() for key in (names[0], name)}
    for step, decay in enumerate((0.1, 2 / 11, 0.25)):
        with torch.no_grad():
            for key in expected:
                network.state_dict()[key].add_(1.0)
            count = next(value for key, value in network.state_dict().items() if key.endswith("num_batches_tracked"))
            count.fill_(step + 7)
        average.update(network)
        for key in expected:
            expected[key] = decay * expected[key] + (1 - decay) * network.state_dict()[key]
    own = average.network.state_dict()
    assert all(torch.allclose(own[key], value, atol=1e-6) for key, value in expected.items())
    assert {int(value) for key, value in own.items() if key.endswith("num_batches_tracked")} >= {9}
    for _ in range(60):
        average.update(network)
    assert all(torch.allclose(average.network.state_dict()[key], network.state_dict()[key]) for key in expected)


def test_the_averaged_weights_are_judged_and_kept_and_the_others_go_on(
    discs: MakeDiscs, small: Small, tmp_path: Path
) -> None:
    plan = make_plan(discs(), small(ema=0.95, lr=0.02, epochs=1, steps_per_epoch=8))
    rows: list[dict[str, Any]] = []
    result = train(plan, tmp_path / "run", on_epoch=rows.append)
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    best = load(tmp_path / "run" / "best.safetensors").state_dict()
    assert all(torch.equal(best[key], state["average"][key]) for key in best)
    assert any(not torch.equal(best[key], state["network"][key]) for key in best)
    held = HeldOut(Batches(plan.manifest, "val", size=(32, 32), batch_size=4, foreground=("disc",)), 4)
    found = held.score(load(tmp_path / "run"), find_loss("ce"))
    assert found.miou_image == pytest.approx(result.best_miou_image, abs=1e-6)
    assert found.loss == pytest.approx(rows[-1]["val_loss"], abs=1e-6)


def still(discs: MakeDiscs, small: Small, out: Path, **changes: Any) -> Result:
    """A run that learns nothing: its first validation stays the best."""
    settings = small(optimiser="sgd", lr=1e-12, momentum=0.0, epochs=9, steps_per_epoch=1, ema=0.999999, **changes)
    return train(make_plan(discs(), settings), out)


def test_a_run_without_a_better_validation_ends_early(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    result = still(discs, small, tmp_path / "run", stop_after=2)
    assert result.ended == "no better for 2 epochs"
    assert result.epochs == result.best_step + 2 < 9


def test_without_a_limit_it_goes_on(discs: MakeDiscs, small: Small, tmp_path: Path) -> None:
    assert still(discs, small, tmp_path / "run").ended == "all steps done"


def test_the_curves_are_drawn_at_the_end_and_where_a_run_is_stopped(
    discs: MakeDiscs, small: Small, tmp_path: Path
) -> None:
    def stop(step: int, loss: float) -> None:
        assert not (tmp_path / "run" / CURVES).exists()
        if step == 2:
            signal.raise_signal(signal.SIGINT)

    plan = make_plan(discs(), small(steps_per_epoch=1, epochs=3))
    with pytest.raises(KeyboardInterrupt):
        train(plan, tmp_path / "run", on_step=stop)
    before = (tmp_path / "run" / CURVES).read_bytes()
    train(plan, tmp_path / "run")
    assert (tmp_path / "run" / CURVES).read_bytes() != before
    picture = images.read_image(tmp_path / "run" / CURVES)
    assert picture.shape == (300, 1000, 3)
    assert len(set(map(tuple, picture.reshape(-1, 3).tolist()))) > 20


def test_mixed_precision_is_taken_where_it_pays_or_is_asked_for(
    discs: MakeDiscs, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = torch.device("cpu")
    for arithmetic in (False, True):
        monkeypatch.setattr("trainers.machine.has_bfloat16", lambda there=arithmetic: there)
        assert mixes(small(amp=True), cpu) is arithmetic
        assert mixes(small(amp=True, amp_any_cpu=True), cpu)
        assert not mixes(small(amp_any_cpu=True), cpu)
    assert mixes(small(amp=True), torch.device("cuda"))
    settings = small(model="portrait_lcnet", priors="paper", loss="bce_jaccard_boundary", epochs=1)
    costs = []
    for mixed in (False, True):
        rows: list[dict[str, Any]] = []
        plan = make_plan(discs(name=f"d{mixed}"), Settings(**{**vars(settings), "amp": mixed, "amp_any_cpu": mixed}))
        train(plan, tmp_path / str(mixed), on_epoch=rows.append)
        costs.append(rows[0]["loss"])
    assert costs[0] != costs[1]
    assert costs[0] == pytest.approx(costs[1], rel=0.1)
