"""What several networks are built from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Pictured(nn.Module):
    """A network that takes pictures: RGB in [0, 1].

    Attributes:
        name: its name in ``trainers.models``.
        inputs: ``("image",)`` or ``("image", "prior")``, in the order of ``forward``.
        size: (height, width) in pixels that it is made for; other sizes work.
        pretrained: the encoder whose published weights it started from and their SHA-256, or empty.
        channels: block name -> inner channels, where it was pruned; see :mod:`trainers.channels`.

    Mean and standard deviation are taken care of inside, so that nothing outside has to know them.
    """

    name: str = ""
    inputs: tuple[str, ...] = ("image",)
    size: tuple[int, int] = (256, 256)
    pretrained: str = ""
    channels: Mapping[str, int] = MappingProxyType({})
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def normalise(self, image: Tensor) -> Tensor:
        """RGB in [0, 1] to zero mean and unit variance over the data the encoder's weights come from."""
        return (image - self.mean) / self.std


class Network(Pictured):
    """A segmentation network: RGB in [0, 1] in, logits at the input's size out.

    Attributes:
        classes: how many classes it tells apart.
        outputs: 1 = one map of foreground logits, otherwise one map a class.

    ``forward(image (B, 3, H, W)[, prior (B, 1, H, W)])`` returns (B, outputs, H, W).
    """

    def __init__(self, classes: int, outputs: int) -> None:
        super().__init__()
        self.classes = classes
        self.outputs = outputs

    def foreground(self, logits: Tensor) -> Tensor:
        """Logits (B, outputs, H, W) to foreground probability (B, H, W); see :func:`foreground`."""
        return foreground(logits)


def foreground(logits: Tensor) -> Tensor:
    """Logits (B, outputs, H, W) to the probability (B, H, W) of not being background (class 0)."""
    if logits.shape[1] == 1:
        return logits[:, 0].sigmoid()
    if logits.shape[1] == 2:  # the same as softmax, in one pass
        return (logits[:, 1] - logits[:, 0]).sigmoid()
    return 1 - logits.softmax(dim=1)[:, 0]


def fit(values: Tensor, like: Tensor) -> Tensor:
    """Cut ``values`` to the height and width of ``like``: upsampling an odd size gives a row too many."""
    height, width = like.shape[-2:]
    if values.shape[-2:] == (height, width):
        return values
    return values[..., :height, :width]


def conv_bn(
    channels: int, out: int, kernel: int = 3, stride: int = 1, groups: int = 1, *, bias: bool = False
) -> list[nn.Module]:
    """A convolution that keeps the size (over its stride) and its batch normalisation."""
    return [
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=bias),
        nn.BatchNorm2d(out),
    ]


def rounded(channels: float) -> int:
    """To the nearest multiple of 8, and no more than a tenth below."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


class Bare(nn.Conv2d):
    """A convolution with neither normalisation nor activation after it: what it puts out starts as large as its input.

    He's rule over the way back would let a score of many channels start at tens, and training with it.
    """


def start(network: nn.Module) -> None:
    """He initialisation over what each output sees going back; transposed upsamplers start bilinear.

    Draws from torch's current generator; the caller seeds it.
    """
    for module in network.modules():
        if isinstance(module, Bare):
            nn.init.normal_(module.weight, 0.0, module.weight[0].numel() ** -0.5)
        elif isinstance(module, nn.Conv2d):
            fan = module.weight[0, 0].numel() * module.out_channels // module.groups
            nn.init.normal_(module.weight, 0.0, (2.0 / fan) ** 0.5)
        elif isinstance(module, nn.ConvTranspose2d):
            if module.stride[0] > 2:
                with torch.no_grad():
                    module.weight.copy_(bilinear(module.kernel_size[0]).expand_as(module.weight))
            else:  # each output pixel of a stride-2 upsampling sees a quarter of the kernel
                seen = module.in_channels * module.weight[0, 0].numel() / module.stride[0] ** 2
                nn.init.normal_(module.weight, 0.0, (2.0 / max(seen, 1.0)) ** 0.5)
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def bilinear(kernel: int) -> Tensor:
    """The (kernel, kernel) weights with which a transposed convolution of half that stride interpolates."""
    factor = (kernel + 1) // 2
    centre = factor - 1 if kernel % 2 else factor - 0.5
    line = 1 - (torch.arange(kernel, dtype=torch.float32) - centre).abs() / factor
    return line[:, None] * line[None, :]
