from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from loaders import Batch
from masksmith.errors import BadInput
from trainers import Settings, build, find_loss, save_weights
from trainers.losses import soften
from trainers.objective import Objective, bn_scales

Small = Callable[..., Settings]


def a_batch(records: int = 2) -> Batch:
    torch.manual_seed(0)
    image = torch.rand(records, 3, 32, 32)
    mask = (torch.rand(records, 32, 32) > 0.5).to(torch.uint8)
    return Batch(image, mask, None, None, None, [str(k) for k in range(records)])


def test_without_more_the_objective_is_the_loss(small: Small) -> None:
    network, batch = build("portrait_lcnet_noprior"), a_batch()
    logits = network(batch.image)
    cost = Objective(small(loss="dice"), network)(network, [batch.image], logits, batch)
    assert float(cost) == pytest.approx(float(find_loss("dice")(logits, batch.mask)))


@pytest.mark.parametrize("model", ["portrait_lcnet_noprior", "portrait_lcnet", "enet"])
def test_a_teachers_answers_are_added_by_their_weight_and_the_square_of_the_temperature(
    model: str, small: Small, tmp_path: Path
) -> None:
    teacher = build(model, seed=4)
    save_weights(tmp_path / "t.safetensors", teacher)
    network, batch = build("portrait_lcnet_noprior"), a_batch()
    settings = small(loss="ce", teacher=str(tmp_path / "t.safetensors"), temperature=3.0, soften_lambda=0.5)
    logits = network(batch.image)
    cost = Objective(settings, network)(network, [batch.image], logits, batch).detach()
    own = [batch.image, torch.zeros(2, 1, 32, 32)][: len(teacher.inputs)]
    with torch.no_grad():
        told = soften(logits, teacher.eval()(*own), batch.mask, 3.0)
    assert float(cost) == pytest.approx(float((find_loss("ce")(logits, batch.mask) + 4.5 * told).detach()))


def test_a_teacher_of_other_classes_is_refused(small: Small, tmp_path: Path) -> None:
    save_weights(tmp_path / "t.safetensors", build("enet", 4))
    with pytest.raises(BadInput, match=r"expected a teacher of 2 classes, found one of 4"):
        Objective(small(teacher=str(tmp_path / "t.safetensors")), build("portrait_lcnet_noprior"))


def test_sparsity_pulls_every_scale_towards_zero_by_its_sign(small: Small) -> None:
    network = build("portrait_lcnet_noprior")
    with torch.no_grad():
        for scale in bn_scales(network):
            scale[0] = -scale[0]
    objective, batch = Objective(small(sparsity=0.01), network), a_batch()
    objective(network, [batch.image], network(batch.image), batch).backward()
    before = {name: value.grad.clone() for name, value in network.named_parameters() if value.grad is not None}
    objective.after_backward(network)
    scales = {id(scale) for scale in bn_scales(network)}
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert len(scales) == norms > 10
    for name, value in network.named_parameters():
        assert value.grad is not None
        pull = 0.01 * torch.sign(value.detach()) if id(value) in scales else torch.zeros(())
        assert torch.allclose(value.grad, before[name] + pull, atol=1e-7)
