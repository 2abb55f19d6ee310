"""ENet (Paszke et al. 2016, arXiv 1606.02147) as document F uses it: skips are added instead of unpooled."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.networks.layers import Network, fit

RATIO = 4


def activation(*, decoder: bool) -> nn.Module:
    """PReLU (one slope a layer) in the encoder, ReLU in the decoder."""
    return nn.ReLU(inplace=True) if decoder else nn.PReLU()


class Initial(nn.Module):
    """13 maps of a strided convolution and 3 of max pooling, BN, PReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 13, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.act = nn.PReLU()

    def forward(self, values: Tensor) -> Tensor:
        pooled = F.max_pool2d(values, 2, 2)
        return self.act(self.norm(torch.cat((self.conv(values), pooled), dim=1)))


class Bottleneck(nn.Module):
    """1x1 down to a quarter, a middle convolution, 1x1 back, dropout; added to what came in.

    Args:
        kind: ``regular``, ``asymmetric`` (5x1 then 1x5), ``down`` (stride 2) or ``up`` (stride 2, transposed).
        dilation: of the 3x3 in a regular block.
    """

    def __init__(
        self, channels: int, out: int, kind: str = "regular", *, dilation: int = 1, dropout: float, decoder: bool
    ) -> None:
        super().__init__()
        self.kind = kind
        inner = channels // RATIO
        first = 2 if kind == "down" else 1
        middle: list[nn.Module]
        if kind == "asymmetric":
            middle = [
                nn.Conv2d(inner, inner, (5, 1), padding=(2, 0), bias=False),
                nn.BatchNorm2d(inner),
                activation(decoder=decoder),
                nn.Conv2d(inner, inner, (1, 5), padding=(0, 2), bias=False),
            ]
        elif kind == "up":
            middle = [nn.ConvTranspose2d(inner, inner, 2, 2, bias=False)]
        else:
            middle = [nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation, bias=False)]
        self.body = nn.Sequential(
            nn.Conv2d(channels, inner, first, first, bias=False),
            nn.BatchNorm2d(inner),
            activation(decoder=decoder),
            *middle,
            nn.BatchNorm2d(inner),
            activation(decoder=decoder),
            nn.Conv2d(inner, out, 1, bias=False),
            nn.BatchNorm2d(out),
            activation(decoder=decoder),
            nn.Dropout2d(dropout),
        )
        self.widen = out - channels
        self.skip = (
            nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out)) if kind == "up" else None
        )
        self.act = activation(decoder=decoder)

    def forward(self, values: Tensor, before: Tensor | None = None) -> Tensor:
        """``before``: the map that stood before the matching ``down`` block's pooling (only for ``up``)."""
        body = self.body(values)
        if self.kind == "down":
            skip = F.max_pool2d(values, 2, 2)
            skip = F.pad(skip, (0, 0, 0, 0, 0, self.widen))
        elif self.skip is not None and before is not None:
            skip = F.interpolate(self.skip(values), size=before.shape[-2:], mode="nearest") + before
        else:
            skip = values
        return self.act(body + skip)


def middle_stage(dropout: float) -> list[nn.Module]:
    """The eight blocks of stages 2 and 3."""
    plan: tuple[tuple[str, int], ...] = (
        ("regular", 1), ("regular", 2), ("asymmetric", 1), ("regular", 4),
        ("regular", 1), ("regular", 8), ("asymmetric", 1), ("regular", 16),
    )  # fmt: skip
    return [Bottleneck(128, 128, kind, dilation=rate, dropout=dropout, decoder=False) for kind, rate in plan]


class ENet(Network):
    """ENet with additive skips, 349,212 parameters with two classes.

    Args:
        classes: number of classes.
        dropout: of stage 2 onward; stage 1 has a tenth of it (the paper: 0.1 and 0.01).
    """

    def __init__(self, classes: int = 2, dropout: float = 0.1) -> None:
        super().__init__(classes, classes)
        early = dropout / 10
        self.initial = Initial()
        self.down1 = Bottleneck(16, 64, "down", dropout=early, decoder=False)
        self.stage1 = nn.Sequential(*(Bottleneck(64, 64, dropout=early, decoder=False) for _ in range(4)))
        self.down2 = Bottleneck(64, 128, "down", dropout=dropout, decoder=False)
        self.stage2 = nn.Sequential(*middle_stage(dropout))
        self.stage3 = nn.Sequential(*middle_stage(dropout))
        self.up4 = Bottleneck(128, 64, "up", dropout=dropout, decoder=True)
        self.stage4 = nn.Sequential(*(Bottleneck(64, 64, dropout=dropout, decoder=True) for _ in range(2)))
        self.up5 = Bottleneck(64, 16, "up", dropout=dropout, decoder=True)
        self.stage5 = nn.Sequential(Bottleneck(16, 16, dropout=dropout, decoder=True))
        self.head = nn.ConvTranspose2d(16, classes, 3, 2, 1, output_padding=1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        # three halvings must come out even: pad at the right and bottom, cut again at the end
        padded = F.pad(self.normalise(image), (0, -width % 8, 0, -height % 8), mode="replicate")
        first = self.initial(padded)
        second = self.stage1(self.down1(first))
        values = self.stage3(self.stage2(self.down2(second)))
        values = self.stage4(self.up4(values, second))
        values = self.stage5(self.up5(values, first))
        return fit(self.head(values), image)
