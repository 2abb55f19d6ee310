"""What training makes small. Every loss takes logits (B, outputs, H, W) and class ids (B, H, W), 255 = ignore.

With one output the ids are 0 and 1 and the logit is the foreground's; otherwise there is one output a class. Ignored
pixels cost nothing and have no gradient; an image of nothing but ignored pixels costs nothing either.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from masksmith.errors import unknown_choice

IGNORE = 255
SMOOTH = 1.0
"""Pixels added above and below: an empty truth with an empty prediction then costs 0."""
EPSILON = 1e-6
"""Dice's, as document R has it."""
FOCUS = 2
"""The focal loss's gamma."""
BAND = 0.02
"""Half width of the boundary's band, as a share of the image diagonal."""

Loss = Callable[[Tensor, Tensor], Tensor]
Across = Callable[[Tensor], Tensor]
"""The mean over the processes of a run of the pixels that count in each: its share of the batch's pixels is then
weighed as the whole batch would."""


def cross_entropy(logits: Tensor, target: Tensor, *, across: Across | None = None) -> Tensor:
    """Mean cross entropy over the pixels that count; the binary one with a single output."""
    valid = target != IGNORE
    count = _count(valid, across)
    if logits.shape[1] > 2:
        return F.cross_entropy(logits, target.long(), ignore_index=IGNORE, reduction="sum") / count
    truth = (target == 1).to(logits.dtype)
    costs = F.binary_cross_entropy_with_logits(_margin(logits)[:, 0], truth, reduction="none")
    return (costs * valid).sum() / count


def iou(logits: Tensor, target: Tensor) -> Tensor:
    """1 - soft IoU, per image, mean over images and all classes, background included (document F)."""
    probability, truth, valid = _foreground(logits, target)
    rest, others = 1 - probability.sum(dim=1, keepdim=True), 1 - truth.sum(dim=1, keepdim=True)
    background = _jaccard(rest, others, valid, paper_exact=False)
    return torch.cat((background, _jaccard(probability, truth, valid, paper_exact=False)), dim=1).mean()


def bce_jaccard(logits: Tensor, target: Tensor, *, paper_exact: bool = False, across: Across | None = None) -> Tensor:
    """Cross entropy and the foreground's soft Jaccard loss, added."""
    probability, truth, valid = _foreground(logits, target)
    region = _jaccard(probability, truth, valid, paper_exact=paper_exact).mean()
    return cross_entropy(logits, target, across=across) + region


def bce_jaccard_boundary(
    logits: Tensor, target: Tensor, *, paper_exact: bool = False, across: Across | None = None
) -> Tensor:
    """Document P's loss: binary cross entropy, Jaccard, and Jaccard inside the boundary's band, added.

    The band is max-pooled truth minus min-pooled truth, square windows of 2d + 1 pixels, d = 2 % of the diagonal.
    ``paper_exact`` takes the printed Jaccard, (I) / (U + 1): there an empty truth met by an empty prediction costs 1.
    With several classes the Jaccard terms are means over all classes but the background.
    """
    probability, truth, valid = _foreground(logits, target)
    near = boundary_band(truth, valid, band_px(*target.shape[-2:]))
    region = _jaccard(probability, truth, valid, paper_exact=paper_exact).mean()
    edge = _jaccard(probability, truth, valid * near, paper_exact=paper_exact).mean()
    return cross_entropy(logits, target, across=across) + region + edge


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """1 - soft Dice of the foreground, epsilon 1e-6, per image, mean over images and classes (document R)."""
    probability, truth, valid = _foreground(logits, target)
    both = (probability * truth * valid).sum(dim=(2, 3))
    total = ((probability + truth) * valid).sum(dim=(2, 3))
    return (1 - (2 * both + EPSILON) / (total + EPSILON)).mean()


def focal(logits: Tensor, target: Tensor, *, across: Across | None = None) -> Tensor:
    """Cross entropy of a pixel times (1 - p)^2, p the probability of its truth; mean over the pixels that count.

    Lin et al. 2017, "Focal loss for dense object detection", with gamma 2 and without class weights; the paper divides
    by the anchors that were assigned, which pixels do not have.
    """
    valid = target != IGNORE
    if logits.shape[1] > 2:
        inside = torch.where(valid, target, 0).long()
        costs = F.cross_entropy(logits, inside, reduction="none")
    else:
        truth = (target == 1).to(logits.dtype)
        costs = F.binary_cross_entropy_with_logits(_margin(logits)[:, 0], truth, reduction="none")
    missed = -torch.expm1(-costs)
    return (missed**FOCUS * costs * valid).sum() / _count(valid, across)


def soften(
    logits: Tensor, teacher: Tensor, target: Tensor, temperature: float, *, across: Across | None = None
) -> Tensor:
    """Cross entropy of the student's softened answer under the teacher's, mean over the pixels that count.

    Hinton et al. 2015, "Distilling the knowledge in a neural network", without their T^2.

    Args:
        logits: the student's, (B, outputs, H, W).
        teacher: the same of the teacher, which is the target; one output and two say the same thing.
        target: (B, H, W) class ids; only those that are 255 count, for they are left out.
        temperature: T, that divides both.
    """
    valid = target != IGNORE
    if logits.shape[1] > 2:
        costs = F.cross_entropy(logits / temperature, (teacher / temperature).softmax(dim=1), reduction="none")
    else:
        wanted = (_margin(teacher)[:, 0] / temperature).sigmoid()
        costs = F.binary_cross_entropy_with_logits(_margin(logits)[:, 0] / temperature, wanted, reduction="none")
    return (costs * valid).sum() / _count(valid, across)


def consistency(logits: Tensor, target: Tensor, *, across: Across | None = None) -> Tensor:
    """Squared difference of the answers to two frames, mean over the pixels whose truth is the same in both.

    After Liu et al. 2020, "Efficient semantic video segmentation with per-frame inference", whose optical flow finds
    the pixels that belong together. With several classes it is the mean over all but the background.

    Args:
        logits: (2n, outputs, H, W): n frames, then the n that follow them.
        target: (2n, H, W) class ids in the same order; 255 in either frame does not count.
    """
    earlier, later = _foreground(logits, target)[0].chunk(2)
    first, second = target.chunk(2)
    same = (first == second) & (first != IGNORE)
    return ((earlier - later).square().mean(dim=1) * same).sum() / _count(same, across)


def band_px(height: int, width: int) -> int:
    """d, the half width of the boundary's band in pixels: 2 % of the diagonal, at least 1; 6 at 224 x 224."""
    return max(1, round(BAND * math.hypot(height, width)))


def boundary_band(truth: Tensor, valid: Tensor, d: int) -> Tensor:
    """1 where the square window of 2d + 1 pixels holds both truth and its opposite, else 0.

    Args:
        truth: (B, K, H, W) of zeros and ones.
        valid: (B, 1, H, W) of zeros and ones; a pixel that does not count is no boundary to its neighbours.
        d: pixels.
    """
    inside, outside = (truth * valid).bool(), ((1 - truth) * valid).bool()
    return (_dilated(inside, d) & _dilated(outside, d)).to(truth.dtype)


def _dilated(values: Tensor, d: int) -> Tensor:
    """Whether any pixel of the square window of 2d + 1 is set; by shifts that double, as pooling is slow on a CPU."""
    for axis in (2, 3):
        reach = min(d, values.shape[axis] - 1)
        for step in (1, -1):
            covered = 0
            while covered < reach:
                shift = min(covered + 1, reach - covered)
                length = values.shape[axis] - shift
                near, far = values.narrow(axis, 0, length), values.narrow(axis, shift, length)
                grown = values.clone()
                if step > 0:
                    grown.narrow(axis, shift, length).logical_or_(near)
                else:
                    grown.narrow(axis, 0, length).logical_or_(far)
                values = grown
                covered += shift
    return values


def _count(valid: Tensor, across: Across | None) -> Tensor:
    """How many pixels count, at least 1."""
    count = valid.sum() if across is None else across(valid.sum().double())
    return count.clamp(min=1)


def _margin(logits: Tensor) -> Tensor:
    """Two outputs as one, (B, 1, H, W): softmax over two depends on their difference alone, and is slower."""
    return logits[:, 1:] - logits[:, :1] if logits.shape[1] == 2 else logits


def _foreground(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Probability and truth of every class but the background (B, K, H, W); which pixels count (B, 1, H, W)."""
    valid = (target != IGNORE).to(logits.dtype)[:, None]
    if logits.shape[1] <= 2:
        return _margin(logits).sigmoid(), (target == 1).to(logits.dtype)[:, None], valid
    ids = torch.arange(1, logits.shape[1], device=target.device).view(1, -1, 1, 1)
    return logits.softmax(dim=1)[:, 1:], (target[:, None] == ids).to(logits.dtype), valid


def _jaccard(probability: Tensor, truth: Tensor, weight: Tensor, *, paper_exact: bool) -> Tensor:
    """1 - intersection over union of each image and class (B, K), over the pixels that weigh."""
    both = (probability * truth * weight).sum(dim=(2, 3))
    union = ((probability + truth) * weight).sum(dim=(2, 3)) - both
    above = both if paper_exact else both + SMOOTH
    return 1 - above / (union + SMOOTH)


LOSSES: dict[str, Callable[..., Tensor]] = {
    "ce": cross_entropy,
    "iou": iou,
    "bce_jaccard": bce_jaccard,
    "bce_jaccard_boundary": bce_jaccard_boundary,
    "dice": dice,
    "focal": focal,
}
_PRINTED = ("bce_jaccard", "bce_jaccard_boundary")
_COUNTING = ("ce", "focal", *_PRINTED)


def find_loss(name: str, *, paper_exact: bool = False, across: Across | None = None) -> Loss:
    """The loss of that name.

    Args:
        paper_exact: changes those with a Jaccard term of document P.
        across: for several processes, see :data:`Across`; the mean of their losses is then the whole batch's.

    Raises:
        UsageProblem: an unknown name.
    """
    if name not in LOSSES:
        raise unknown_choice("loss", name, LOSSES)
    more: dict[str, object] = {}
    if paper_exact and name in _PRINTED:
        more["paper_exact"] = True
    if across is not None and name in _COUNTING:
        more["across"] = across
    return partial(LOSSES[name], **more) if more else LOSSES[name]
