"""Which triplets of a mini-batch teach: online mining after FaceNet (Schroff et al. 2015, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from masksmith.errors import unknown_choice

Rule = Callable[[Tensor, Tensor, float], Tensor]
"""(T, 1) anchor to positive, (T, N) anchor to every photo, margin -> (T, N) whether to take it as negative."""


def semihard(d_ap: Tensor, d_an: Tensor, margin: float) -> Tensor:
    """Farther than the positive, but within the margin: d_ap < d_an < d_ap + margin."""
    return (d_an > d_ap) & (d_an < d_ap + margin)


def printed(d_ap: Tensor, d_an: Tensor, margin: float) -> Tensor:
    """Document N as printed: d_ap < d_an, without an upper bound; most such triplets cost nothing."""
    return d_an > d_ap


def violating(d_ap: Tensor, d_an: Tensor, margin: float) -> Tensor:
    """Every triplet that costs something, negatives nearer than the positive included: d_an < d_ap + margin."""
    return d_an < d_ap + margin


RULES: dict[str, Rule] = {"semihard": semihard, "printed": printed, "violating": violating}


def find_rule(name: str) -> Rule:
    """The mining rule of that name.

    Raises:
        UsageProblem: an unknown name.
    """
    if name not in RULES:
        raise unknown_choice("mining rule", name, RULES)
    return RULES[name]
