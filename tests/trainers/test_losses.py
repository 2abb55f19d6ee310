from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch.nn import functional as F

from masksmith.errors import UsageProblem
from trainers.losses import LOSSES, band_px, boundary_band, find_loss, soften

NO, YES = -40.0, 40.0  # logits of certainty


def logits_of(probability: torch.Tensor) -> torch.Tensor:
    return torch.logit(probability.double())[:, None]


def two_outputs(one: torch.Tensor) -> torch.Tensor:
    return torch.cat((0.3 - one / 2, 0.3 + one / 2), dim=1)


def test_cross_entropy_is_the_mean_of_minus_log_probability() -> None:
    probability = torch.tensor([[[0.9, 0.2], [0.5, 0.6]]])
    target = torch.tensor([[[1, 0], [1, 255]]], dtype=torch.uint8)
    expected = -(math.log(0.9) + math.log(0.8) + math.log(0.5)) / 3
    assert float(find_loss("ce")(logits_of(probability), target)) == pytest.approx(expected)


def test_iou_loss_is_the_mean_over_images_and_both_classes() -> None:
    probability = torch.tensor([[[0.75, 0.25], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]])
    target = torch.tensor([[[1, 0], [0, 0]], [[1, 1], [1, 1]]], dtype=torch.uint8)
    front = 1 - (0.75 + 1) / (0.75 + 0.25 + 1 - 0.75 + 1)
    back = 1 - (2.75 + 1) / (3 + 3 - 2.75 + 1)
    expected = (front + back + 0 + 0) / 4
    assert float(find_loss("iou")(logits_of(probability), target)) == pytest.approx(expected)


def test_document_ps_loss_is_the_sum_of_its_three_terms() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 1, 40, 40, dtype=torch.double)
    target = torch.zeros(2, 40, 40, dtype=torch.uint8)
    target[0, 10:30, 5:25] = 1
    truth, soft = (target == 1).double(), logits[:, 0].sigmoid()
    d = band_px(40, 40)
    assert d == 1
    top = F.max_pool2d(truth[:, None], 2 * d + 1, 1, d)[:, 0]
    low = -F.max_pool2d(-truth[:, None], 2 * d + 1, 1, d)[:, 0]
    assert float((top - low).sum()) == 2 * (22 * 22 - 18 * 18) / 2

    def jaccard(where: torch.Tensor, exact: bool) -> torch.Tensor:
        both = (soft * truth * where).sum((1, 2))
        either = ((soft + truth - soft * truth) * where).sum((1, 2))
        return (1 - (both + (0 if exact else 1)) / (either + 1)).mean()

    for exact in (False, True):
        expected = (
            F.binary_cross_entropy(soft, truth) + jaccard(torch.ones_like(soft), exact) + jaccard(top - low, exact)
        )
        found = find_loss("bce_jaccard_boundary", paper_exact=exact)(logits, target)
        assert float(found) == pytest.approx(float(expected))


def test_the_band_is_two_percent_of_the_diagonal() -> None:
    assert band_px(224, 224) == 6
    assert band_px(256, 256) == 7
    assert band_px(16, 16) == 1


@pytest.mark.parametrize("d", [1, 2, 5, 6, 30])
def test_the_band_is_max_pooling_minus_min_pooling(d: int) -> None:
    torch.manual_seed(d)
    truth = F.interpolate((torch.rand(3, 1, 5, 4) > 0.5).float(), size=(33, 21))
    top = F.max_pool2d(F.pad(truth, (d,) * 4), 2 * d + 1, 1)
    low = -F.max_pool2d(-F.pad(truth, (d,) * 4, value=1.0), 2 * d + 1, 1)
    assert torch.equal(boundary_band(truth, torch.ones_like(truth), d), top - low)


def test_ignored_pixels_draw_no_boundary() -> None:
    truth = torch.zeros(1, 1, 20, 20)
    truth[..., :10] = 1
    valid = torch.ones_like(truth)
    valid[..., 8:12] = 0
    assert boundary_band(truth, valid, 2).sum() == 0
    assert boundary_band(truth, torch.ones_like(truth), 2).sum() == 20 * 4


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("outputs", [1, 2])
def test_an_empty_prediction_of_an_empty_truth_costs_nothing(name: str, outputs: int) -> None:
    logits = torch.full((2, 1, 24, 24), NO)
    if outputs == 2:
        logits = two_outputs(logits)
    empty = torch.zeros(2, 24, 24, dtype=torch.uint8)
    assert float(find_loss(name)(logits, empty)) == pytest.approx(0, abs=1e-6)


def test_the_printed_jaccard_charges_an_empty_truth() -> None:
    logits, empty = torch.full((2, 1, 24, 24), NO), torch.zeros(2, 24, 24, dtype=torch.uint8)
    assert float(find_loss("bce_jaccard", paper_exact=True)(logits, empty)) == pytest.approx(1)
    assert float(find_loss("bce_jaccard_boundary", paper_exact=True)(logits, empty)) == pytest.approx(2)


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_mask_is_cheap_and_a_wrong_one_is_not(name: str) -> None:
    target = torch.zeros(1, 32, 32, dtype=torch.uint8)
    target[:, 8:24, 8:24] = 1
    right = torch.where(target == 1, YES, NO)[:, None]
    assert float(find_loss(name)(right, target)) < 1e-5
    assert float(find_loss(name)(-right, target)) > 0.9


@pytest.mark.parametrize("name", LOSSES)
def test_two_outputs_cost_what_their_difference_costs(name: str) -> None:
    torch.manual_seed(1)
    logits = torch.randn(2, 1, 24, 24, dtype=torch.double)
    target = (torch.rand(2, 24, 24) > 0.6).to(torch.uint8)
    loss = find_loss(name)
    assert float(loss(two_outputs(logits), target)) == pytest.approx(float(loss(logits, target)))


@pytest.mark.parametrize("name", LOSSES)
def test_a_third_class_that_is_never_there_changes_the_classes_mean_alone(name: str) -> None:
    torch.manual_seed(2)
    target = (torch.rand(1, 24, 24) > 0.6).to(torch.uint8)
    two = two_outputs(torch.randn(1, 1, 24, 24, dtype=torch.double))
    three = torch.cat((two, torch.full_like(two[:, :1], -60.0)), dim=1)
    loss = find_loss(name)
    narrow, wide = float(loss(two, target)), float(loss(three, target))
    entropy = float(find_loss("ce")(two, target)) if name not in ("iou", "dice", "focal") else 0.0
    share = {"ce": 1.0, "focal": 1.0, "iou": 2 / 3}.get(name, 1 / 2)  # an absent class costs 0
    assert wide - entropy == pytest.approx((narrow - entropy) * share, abs=1e-9)


@pytest.mark.parametrize(("name", "outputs"), product(LOSSES, (1, 2, 3)))
def test_ignored_pixels_have_no_cost_and_no_gradient(name: str, outputs: int) -> None:
    torch.manual_seed(3)
    logits = torch.randn(2, outputs, 24, 24, requires_grad=True)
    target = torch.randint(0, max(outputs, 2), (2, 24, 24), dtype=torch.uint8)
    target[:, :, 10:] = 255
    loss = find_loss(name)
    cost = loss(logits, target)
    cost.backward()
    assert logits.grad is not None
    assert not logits.grad[..., 10:].any()
    assert logits.grad[..., :10].any()
    changed = logits.detach().clone()
    changed[..., 10:] = torch.randn(2, outputs, 24, 14)
    assert float(loss(changed, target)) == pytest.approx(cost.item())


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_but_ignored_pixels_costs_nothing(name: str) -> None:
    logits = torch.randn(2, 2, 24, 24, requires_grad=True)
    cost = find_loss(name)(logits, torch.full((2, 24, 24), 255, dtype=torch.uint8))
    cost.backward()
    assert cost.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize(("name", "outputs", "exact"), product(LOSSES, (1, 2, 3), (False, True)))
def test_gradients_agree_with_finite_differences(name: str, outputs: int, exact: bool) -> None:
    torch.manual_seed(4)
    logits = torch.randn(2, outputs, 6, 5, dtype=torch.double, requires_grad=True)
    target = torch.randint(0, max(outputs, 2), (2, 6, 5), dtype=torch.uint8)
    target[0, 0, 0] = 255
    loss = find_loss(name, paper_exact=exact)
    assert torch.autograd.gradcheck(lambda values: loss(values, target), (logits,))


def test_an_unknown_loss_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageProblem, match=r"unknown loss 'dicee'.*bce_jaccard_boundary"):
        find_loss("dicee")


def test_dice_is_twice_the_overlap_over_the_sum() -> None:
    probability = torch.tensor([[[0.75, 0.25], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]])
    target = torch.tensor([[[1, 0], [0, 0]], [[1, 1], [255, 255]]], dtype=torch.uint8)
    expected = (1 - 2 * 0.75 / (0.75 + 0.25 + 1)) / 2
    assert float(find_loss("dice")(logits_of(probability), target)) == pytest.approx(expected, abs=1e-6)


def test_the_focal_loss_makes_light_of_what_is_known() -> None:
    probability = torch.tensor([[[0.9, 0.2], [0.5, 0.6]]])
    target = torch.tensor([[[1, 0], [1, 255]]], dtype=torch.uint8)
    expected = -(0.1**2 * math.log(0.9) + 0.2**2 * math.log(0.8) + 0.5**2 * math.log(0.5)) / 3
    assert float(find_loss("focal")(logits_of(probability), target)) == pytest.approx(expected)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_a_student_is_cheapest_where_it_answers_as_its_teacher(outputs: int) -> None:
    torch.manual_seed(5)
    teacher = torch.randn(2, outputs, 6, 5, dtype=torch.double)
    target = torch.zeros(2, 6, 5, dtype=torch.uint8)
    target[0, 0] = 255
    student = teacher.clone().requires_grad_()
    least = soften(student, teacher, target, 4.0)
    least.backward()
    assert student.grad is not None
    assert float(student.grad.abs().max()) < 1e-12
    assert float(soften(teacher + torch.randn_like(teacher), teacher, target, 4.0)) > float(least)
    other = torch.randn_like(teacher).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: soften(values, teacher, target, 4.0), (other,))
    if outputs == 2:
        one = teacher[:, 1:] - teacher[:, :1]
        assert float(soften(other.detach(), one, target, 4.0)) == pytest.approx(
            float(soften(other, teacher, target, 4.0))
        )
