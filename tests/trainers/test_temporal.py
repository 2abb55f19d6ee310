from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from loaders import Batch
from manifests import Info, Manifest, ManifestWriter, Record
from masksmith import images
from masksmith.errors import BadInput, UsageProblem
from trainers import Settings, build, find_loss, make_plan, train
from trainers.losses import consistency
from trainers.objective import Objective
from trainers.ranks import Ranks
from trainers.step import Stepper
from trainers.temporal import FramePairs, consecutive

Small = Callable[..., Settings]
SIDE = 32
# clip, frame, split; frame 4 of the first clip is missing
SEEN = [("a", k, "train") for k in (0, 1, 2, 3, 5)] + [("b", 1, "train"), ("b", 0, "train"), (None, 1, "train")]
SEEN += [("c", 0, "val"), ("c", 1, "val")]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A manifest of clips that stand still: every frame of a clip shows the same picture and mask."""
    folder = tmp_path / "clips"
    folder.mkdir()
    with ManifestWriter(folder, Info(name="clips", classes={"background": 0, "disc": 1})) as writer:
        for number, (clip, frame, split) in enumerate(SEEN):
            rng = np.random.default_rng(ord(clip or "z"))
            mask = np.zeros((SIDE, SIDE), np.uint8)
            y, x = rng.integers(2, 12, 2)
            mask[y : y + 14, x : x + 16] = 1
            image = np.where(mask[..., None] == 1, 220, rng.integers(0, 90, (SIDE, SIDE, 3))).astype(np.uint8)
            (folder / f"{number}.png").write_bytes(images.encode_png(image))
            (folder / f"{number}_mask.png").write_bytes(images.encode_png(mask))
            place, truth = f"{number}.png", f"{number}_mask.png"
            writer.add(
                Record(str(number), place, truth, SIDE, SIDE, subject=clip or "z", clip=clip, frame=frame, split=split)
            )
    return folder


def test_the_difference_counts_where_both_truths_agree_alone() -> None:
    probability = torch.tensor([[[0.9, 0.2, 0.7, 0.1]], [[0.5, 0.4, 0.1, 0.9]]], dtype=torch.double)
    target = torch.tensor([[[1, 0, 1, 255]], [[1, 0, 0, 255]]], dtype=torch.uint8)
    logits = torch.logit(probability)[:, None]
    assert float(consistency(logits, target)) == pytest.approx((0.4**2 + 0.2**2) / 2)
    assert float(consistency(torch.cat((-logits / 2, logits / 2), 1), target)) == pytest.approx(0.1)
    assert float(consistency(logits, torch.full_like(target, 255))) == 0


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_its_gradient_is_the_numerical_one(outputs: int) -> None:
    torch.manual_seed(outputs)
    logits = torch.randn(4, outputs, 3, 5, dtype=torch.double, requires_grad=True)
    target = torch.randint(0, max(2, outputs), (4, 3, 5), dtype=torch.uint8)
    target[0, 0, 0] = target[3, 2, 1] = 255
    assert torch.autograd.gradcheck(lambda values: consistency(values, target), (logits,))
    consistency(logits, target).backward()
    assert logits.grad is not None
    changed = (target[:2] != target[2:]) | (target[:2] == 255)
    assert float(logits.grad.abs().sum(1)[:2][changed].sum()) == 0
    assert float(logits.grad.abs().sum()) > 0


def test_frames_that_follow_one_another_are_paired_within_a_clip(clips: Path) -> None:
    assert consecutive(Manifest.open(clips)).tolist() == [[0, 1], [1, 2], [2, 3], [6, 5]]


def test_both_frames_of_a_pair_are_augmented_alike_and_each_step_anew(clips: Path, small: Small) -> None:
    pairs = FramePairs(Manifest.open(clips), small(batch=16, augment="pirshutuk2023"), ("disc",))
    first, second = pairs.take(0), pairs.take(1)
    assert first.image.shape == (8, 3, SIDE, SIDE)
    assert torch.equal(first.image[:4], first.image[4:])
    assert torch.equal(first.mask[:4], first.mask[4:])
    assert sorted(zip(first.ids[:4], first.ids[4:], strict=True)) == [("0", "1"), ("1", "2"), ("2", "3"), ("6", "5")]
    assert not torch.equal(first.image[0], first.image[1])
    assert not torch.equal(first.image, second.image)
    assert torch.equal(second.image, next(pairs.stream(1)).image)


def test_ranks_share_the_pairs_of_a_step(clips: Path, small: Small) -> None:
    manifest, settings = Manifest.open(clips), small(batch=16)
    whole = FramePairs(manifest, settings).take(2)
    parts = [FramePairs(manifest, settings, share=(rank, 2)).take(2) for rank in range(2)]
    assert [part.ids[:2] for part in parts] == [whole.ids[:2], whole.ids[2:4]]
    assert [part.ids[2:] for part in parts] == [whole.ids[4:6], whole.ids[6:]]
    with pytest.raises(UsageProblem, match="the 1 pairs of frames of a batch of 4 do not divide among 2 processes"):
        FramePairs(manifest, small(batch=4), share=(0, 2))


def test_data_without_clips_are_refused_by_name(discs: Callable[..., Path], small: Small) -> None:
    data = discs()
    with pytest.raises(BadInput, match=r"discs: expected clips in split 'train' for the temporal loss"):
        make_plan(data, small(temporal=0.5))
    assert make_plan(data, small()).settings.temporal == 0


@pytest.mark.parametrize("model", ["portrait_lcnet_noprior", "portrait_lcnet"])
def test_a_step_costs_the_loss_and_the_weighted_difference(model: str, clips: Path, small: Small) -> None:
    settings = small(model=model, temporal=3.0, batch=4, lr=1e-9)
    frames = FramePairs(Manifest.open(clips), settings).take(0)
    frames.image[1] = frames.image[1].flip(1)  # a later frame that is not the earlier one
    torch.manual_seed(0)
    image, mask = torch.rand(4, 3, SIDE, SIDE), (torch.rand(4, SIDE, SIDE) > 0.5).to(torch.uint8)
    prior = torch.rand(4, 1, SIDE, SIDE) if model == "portrait_lcnet" else None
    network = build(model, seed=2).train()
    given: list[Any] = [frames.image]
    if prior is not None:
        with torch.inference_mode():
            told = network.eval()(frames.image[:1], torch.zeros(1, 1, SIDE, SIDE)).sigmoid()
        given.append(torch.cat((told, told)))
    network.train()
    apart = consistency(network(*given), frames.mask)
    own = find_loss("ce")(network(image, *([] if prior is None else [prior])), mask)
    network = build(model, seed=2).train()
    stepper = Stepper(settings, network, Objective(settings, network), Ranks(0, 1, torch.device("cpu")))
    cost = stepper.take(Batch(image, mask, prior, None, None, list("abcd")), 0, 1e-9, frames)
    assert float(apart.detach()) > 1e-6
    assert cost == pytest.approx(float((own + 3 * apart).detach()), rel=1e-4)


def test_a_run_with_it_is_stopped_and_goes_on_to_the_same_weights(clips: Path, small: Small, tmp_path: Path) -> None:
    plan = make_plan(clips, small(temporal=1.0, epochs=1, steps_per_epoch=4, augment="pirshutuk2023"))
    train(plan, tmp_path / "whole")

    def stop(step: int, loss: float) -> None:
        if step == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(plan, tmp_path / "parts", on_step=stop)
    train(plan, tmp_path / "parts")
    first, second = (torch.load(tmp_path / run / "last.pt", weights_only=True)["network"] for run in ("whole", "parts"))
    assert all(torch.equal(first[key], second[key]) for key in first)
