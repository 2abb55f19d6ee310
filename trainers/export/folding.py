"""A trained network rewritten for inference: the same function in fewer steps.

Batch normalisation goes into the convolution before it, the deviation of the input into the first convolution, and
the stride-8 upsampling of document P's head into a 3x3 convolution and a pixel shuffle, which every runtime does
several times faster than a 16x16 transposed convolution. Each step is tried on an input and undone where the result
differs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from masksmith import seeds
from trainers.networks.layers import Network

TOLERANCE = 1e-3
"""Of logits on a random input, relative to the largest one: more is another function, not rounding."""

Convolution = nn.Conv2d | nn.ConvTranspose2d


class Shuffled(nn.Module):
    """A transposed convolution whose kernel is twice its stride, as a 3x3 convolution and a pixel shuffle.

    Output pixel 8 i + r of a transposed convolution with kernel 16, stride 8 and padding 4 sees the input pixels
    i + d, d in {-1, 0, 1}, through tap r + 4 - 8 d: three by three inputs for each of 8 x 8 phases. The weights are
    those of the transposed convolution, moved.

    Args:
        upsample: one group a channel, kernel 2 s, stride s, padding s / 2.

    Attributes:
        activate: apply the sigmoid before the shuffle, where runtimes fold it into the convolution.
        planar: shuffle by reshaping and transposing maps whose channels come last, instead of by depth-to-space.
    """

    def __init__(self, upsample: nn.ConvTranspose2d) -> None:
        super().__init__()
        channels, stride = upsample.out_channels, upsample.stride[0]
        self.stride, self.activate, self.planar = stride, False, False
        self.conv = nn.Conv2d(channels, channels * stride**2, 3, padding=1, groups=channels)
        half = stride // 2
        weight = torch.zeros(channels, stride, stride, 3, 3)
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                for row in range(stride):
                    for column in range(stride):
                        y, x = row + half - stride * down, column + half - stride * across
                        if 0 <= y < 2 * stride and 0 <= x < 2 * stride:
                            weight[:, row, column, down + 1, across + 1] = upsample.weight[:, 0, y, x].detach()
        bias = torch.zeros(channels) if upsample.bias is None else upsample.bias.detach()
        with torch.no_grad():
            self.conv.weight.copy_(weight.reshape(-1, 1, 3, 3))
        self.conv.bias = nn.Parameter(bias.repeat_interleave(stride**2), requires_grad=False)

    def forward(self, values: Tensor) -> Tensor:
        values = self.conv(values)
        if self.activate:
            values = values.sigmoid()
        if not self.planar:
            return F.pixel_shuffle(values, self.stride)
        _, _, height, width = values.shape
        step = self.stride
        last = values.permute(0, 2, 3, 1).reshape(1, height, width, step, step)
        return last.permute(0, 1, 3, 2, 4).reshape(1, 1, height * step, width * step)


class Folded(NamedTuple):
    """``network``, rewritten, and what was ``done``: numbers of ``norms`` folded and ``norms_left``, whether the
    ``deviation`` and the ``head`` were."""

    network: Network
    done: dict[str, Any]


def fold(network: Network) -> Folded:
    """A copy of the network for inference, of the same outputs up to rounding.

    Its ``normalise`` subtracts the mean alone where the deviation went into the first convolution.
    """
    made = copy.deepcopy(network).eval().requires_grad_(False).cpu()
    given = _example(made)
    wanted = _run(made, given)
    done: dict[str, Any] = {"norms": _fold_norms(made, given, wanted)}
    done["norms_left"] = sum(isinstance(module, nn.BatchNorm2d) for module in made.modules())
    done["deviation"] = _fold_deviation(made, given, wanted)
    done["head"] = _fold_head(made, given, wanted)
    for name, module in list(made.named_modules()):
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            _put(made, name, nn.Identity())
    return Folded(made, done)


def with_relu(network: Network) -> Network:
    """A copy with ReLU in place of every h-swish: another function, to measure what h-swish costs."""
    made = copy.deepcopy(network)
    for name, module in list(made.named_modules()):
        if isinstance(module, nn.Hardswish):
            _put(made, name, nn.ReLU())
    return made


def _fold_norms(network: Network, given: list[Tensor], wanted: Tensor) -> int:
    """Fold each normalisation that sees a convolution's output and nothing else; returns how many were."""
    outputs: dict[int, tuple[nn.Module, Tensor]] = {}  # the tensors are kept so that no address is used twice
    pairs: list[tuple[nn.Module, nn.Module]] = []
    calls: dict[nn.Module, int] = {}

    def seen(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[module] = calls.get(module, 0) + 1
        if isinstance(module, nn.BatchNorm2d):
            before = outputs.get(id(inputs[0]))
            if before:
                pairs.append((before[0], module))
        else:
            outputs[id(output)] = (module, output)

    watched = [module for module in network.modules() if isinstance(module, Convolution | nn.BatchNorm2d)]
    _watching(network, given, watched, seen)
    names = {module: name for name, module in network.named_modules()}
    count = 0
    for conv, norm in pairs:
        if calls[conv] != 1 or calls[norm] != 1:
            continue
        fused = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))  # type: ignore[type-var, arg-type]
        _put(network, names[conv], fused)
        _put(network, names[norm], nn.Identity())
        if _same(_run(network, given), wanted):
            count += 1
        else:  # something else looked at the convolution's output too
            _put(network, names[conv], conv)
            _put(network, names[norm], norm)
    return count


def _fold_deviation(network: Network, given: list[Tensor], wanted: Tensor) -> bool:
    """Move the division by the deviation into the first convolution, if that is all that sees the image."""
    normalise = network.normalise
    seen: list[Tensor] = []
    first: list[nn.Conv2d] = []

    def remember(image: Tensor) -> Tensor:
        seen.append(normalise(image))
        return seen[-1]

    def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if seen and inputs[0] is seen[-1] and isinstance(module, nn.Conv2d):
            first.append(module)

    network.normalise = remember  # type: ignore[method-assign]
    try:
        _watching(network, given, [module for module in network.modules() if isinstance(module, nn.Conv2d)], look)
    finally:
        network.normalise = normalise  # type: ignore[method-assign]
    if len(first) != 1 or len(seen) != 1 or first[0].groups != 1:
        return False
    conv, mean = first[0], network.mean
    kept = conv.weight.detach().clone()
    with torch.no_grad():
        conv.weight.copy_(kept / network.std)
    network.normalise = _Centred(mean)  # type: ignore[method-assign]
    if _same(_run(network, given), wanted):
        return True
    with torch.no_grad():
        conv.weight.copy_(kept)
    network.normalise = normalise  # type: ignore[method-assign]
    return False


class _Centred:
    """What is left of ``normalise``."""

    def __init__(self, mean: Tensor) -> None:
        self.mean = mean

    def __call__(self, image: Tensor) -> Tensor:
        return image - self.mean


def _fold_head(network: Network, given: list[Tensor], wanted: Tensor) -> bool:
    """Rewrite every transposed convolution of document P's form."""
    found = False
    for name, module in list(network.named_modules()):
        if not isinstance(module, nn.ConvTranspose2d):
            continue
        (stride, _), kernel, padding = module.stride, module.kernel_size, module.padding
        square = module.stride == (stride, stride) and kernel == (2 * stride, 2 * stride)
        alone = module.groups == module.in_channels == module.out_channels
        if stride > 2 and stride % 2 == 0 and square and alone and padding == (stride // 2, stride // 2):
            _put(network, name, Shuffled(module))
            if _same(_run(network, given), wanted):
                found = True
            else:
                _put(network, name, module)
    return found


def _example(network: Network) -> list[Tensor]:
    """Random inputs of the network's size."""
    rng = seeds.rng(0, "folding")
    height, width = network.size
    shapes = [(1, 3 if name == "image" else 1, height, width) for name in network.inputs]
    return [torch.from_numpy(rng.random(shape, dtype="float32")) for shape in shapes]


def _run(network: Network, given: list[Tensor]) -> Tensor:
    with torch.no_grad():
        return network(*given)


def _same(found: Tensor, wanted: Tensor) -> bool:
    return bool((found - wanted).abs().max() <= TOLERANCE * max(1.0, float(wanted.abs().max())))


def _watching(network: Network, given: list[Tensor], modules: Sequence[nn.Module], hook: Callable[..., None]) -> None:
    hooks = [module.register_forward_hook(hook) for module in modules]
    try:
        _run(network, given)
    finally:
        for handle in hooks:
            handle.remove()


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, module)
