"""U-Net decoders (Ronneberger et al. 2015) on encoders: document R's three, and the teacher of document F."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.networks.layers import Bare, Network, conv_bn
from trainers.networks.mobile import MobileTrunk
from trainers.networks.resnet import RESNETS, ResNetTrunk

WIDTHS = (256, 128, 64, 32, 16)
WIDE = (512, 320, 192, 128, 64)


class Up(nn.Module):
    """To the size of the skip, concatenation, two 3x3 convolutions with BN and ReLU."""

    def __init__(self, channels: int, skip: int, out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_bn(channels + skip, out),
            nn.ReLU(inplace=True),
            *conv_bn(out, out),
            nn.ReLU(inplace=True),
        )

    def forward(self, values: Tensor, size: tuple[int, int], skip: Tensor | None) -> Tensor:
        up = F.interpolate(values, size=size, mode="nearest")
        return self.body(up if skip is None else torch.cat((up, skip), dim=1))


class UNet(Network):
    """A U-Net on an encoder with maps of stride 2 to 32.

    Args:
        classes: number of classes.
        dropout: before the last convolution.
        encoder: its name in timm.
        widths: of the five decoder steps, from stride 16 to stride 1.
        size: (height, width) in pixels that it is made for.
    """

    def __init__(
        self,
        classes: int = 2,
        dropout: float = 0.0,
        *,
        encoder: str,
        widths: tuple[int, ...] = WIDTHS,
        size: tuple[int, int] = (512, 512),
    ) -> None:
        super().__init__(classes, classes)
        self.size = size
        self.encoder = ResNetTrunk(encoder) if encoder in RESNETS else MobileTrunk(encoder)
        *skips, channels = self.encoder.channels
        steps: list[nn.Module] = []
        for skip, width in zip((*reversed(skips), 0), widths, strict=True):
            steps.append(Up(channels, skip, width))
            channels = width
        self.decoder = nn.ModuleList(steps)
        self.dropout = nn.Dropout2d(dropout)
        self.score = Bare(channels, classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        *skips, values = self.encoder(self.normalise(image))
        for step in self.decoder:
            skip = skips.pop() if skips else None
            size = image.shape[-2:] if skip is None else skip.shape[-2:]
            values = step(values, (int(size[0]), int(size[1])), skip)
        return self.score(self.dropout(values))
