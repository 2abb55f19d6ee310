"""SINet (Park et al. 2019, arXiv 1911.09099); parameters named as in the published checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.networks.layers import Network

EPS = 1e-3
# mean and deviation of the published training images, RGB, 0 to 255
MEAN = (132.35703, 115.69884, 107.304565)
STD = (68.29726, 65.1337, 63.97182)
# kernel and pooling of the two branches of each spatial squeeze module, at stride 4 and at stride 8
SHALLOW = (((3, 1), (5, 1)), ((3, 1), (3, 1)))
DEEP = (
    ((3, 1), (5, 1)), ((3, 1), (3, 1)), ((5, 1), (3, 2)), ((5, 2), (3, 4)),
    ((3, 1), (3, 1)), ((5, 1), (5, 1)), ((3, 2), (3, 4)), ((3, 1), (5, 2)),
)  # fmt: skip


def upsampled(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear with corners aligned, as the checkpoint was trained."""
    return F.interpolate(values, size=size, mode="bilinear", align_corners=True)


def doubled(values: Tensor) -> Tensor:
    """Twice as high and wide."""
    return upsampled(values, (2 * values.shape[-2], 2 * values.shape[-1]))


class ConvUnit(nn.Module):
    """A convolution (or what stands for one), BN, PReLU."""

    def __init__(self, conv: nn.Module, out: int) -> None:
        super().__init__()
        self.conv = conv
        self.bn = nn.BatchNorm2d(out, eps=EPS)
        self.act = nn.PReLU(out)

    def forward(self, values: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(values)))


class NormUnit(nn.Module):
    """BN, PReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, eps=EPS)
        self.act = nn.PReLU(channels)

    def forward(self, values: Tensor) -> Tensor:
        return self.act(self.bn(values))


class Squeeze(nn.Module):
    """Channel attention without a gate: the product with what the linear layers make of the mean."""

    def __init__(self, channels: int, divide: int) -> None:
        super().__init__()
        inner = channels // divide
        layers: list[nn.Module] = [nn.Linear(channels, inner), nn.PReLU(inner)]
        if divide > 1:
            layers += [nn.Linear(inner, channels), nn.PReLU(channels)]
        self.dense = nn.Sequential(*layers)

    def forward(self, values: Tensor) -> Tensor:
        return values * self.dense(values.mean((2, 3)))[:, :, None, None]


def separable(channels: int, out: int, divide: int) -> ConvUnit:
    """Depthwise 3x3 of stride 2, attention, pointwise; BN, PReLU."""
    conv = nn.Sequential(
        nn.Conv2d(channels, channels, 3, 2, 1, groups=channels, bias=False),
        Squeeze(channels, divide),
        nn.Conv2d(channels, out, 1, bias=False),
    )
    return ConvUnit(conv, out)


class Branch(nn.Module):
    """Average pooling, depthwise convolution, PReLU, pointwise, back to the size before."""

    def __init__(self, channels: int, kernel: int, pool: int) -> None:
        super().__init__()
        self.pool = pool
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
            nn.BatchNorm2d(channels, eps=EPS),
        )
        self.act_conv1x1 = nn.Sequential(nn.PReLU(channels), nn.Conv2d(channels, channels, 1, bias=False))
        self.bn = nn.BatchNorm2d(channels, eps=EPS)

    def forward(self, values: Tensor) -> Tensor:
        small = F.avg_pool2d(values, self.pool) if self.pool > 1 else values
        small = self.act_conv1x1(self.conv(small))
        return self.bn(upsampled(small, (values.shape[-2], values.shape[-1])) if self.pool > 1 else small)


class Reduce(nn.Module):
    """A 1x1 convolution in two groups, channels shuffled after it."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 1, groups=2, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        return F.channel_shuffle(self.conv(values), 2)


class SpatialSqueeze(nn.Module):
    """Two branches over the same half of the channels, side by side; added to what came in where that fits."""

    def __init__(self, channels: int, out: int, branches: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        (kernel, pool), (kernel2, pool2) = branches
        self.c1 = Reduce(channels, out // 2)
        self.d1 = Branch(out // 2, kernel, pool)
        self.d2 = Branch(out // 2, kernel2, pool2)
        self.BR = NormUnit(out)
        self.adds = channels == out

    def forward(self, values: Tensor) -> Tensor:
        half = self.c1(values)
        both = torch.cat((self.d1(half), self.d2(half)), dim=1)
        return self.BR(values + both if self.adds else both)


class SINetEncoder(nn.Module):
    """Stride 2 by a convolution, 4 and 8 by separable ones with spatial squeeze modules; scores at stride 8.

    ``forward`` takes (B, 3, H, W) and returns the scores of stride 8 and the 48 maps of stride 4.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.level1 = ConvUnit(nn.Conv2d(3, 12, 3, 2, 1, bias=False), 12)
        self.level2_0 = separable(12, 16, 1)
        self.level2 = nn.ModuleList(
            SpatialSqueeze(48 if number else 16, 48, branches) for number, branches in enumerate(SHALLOW)
        )
        self.BR2 = NormUnit(64)
        self.level3_0 = separable(64, 48, 2)
        self.level3 = nn.ModuleList(
            SpatialSqueeze(96 if number else 48, 96, branches) for number, branches in enumerate(DEEP)
        )
        self.BR3 = NormUnit(144)
        self.classifier = Score(144, outputs)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        first = self.level2_0(self.level1(values))
        shallow = first
        for module in self.level2:
            shallow = module(shallow)
        second = self.level3_0(self.BR2(torch.cat((first, shallow), dim=1)))
        deep = second
        for module in self.level3:
            deep = module(deep)
        return self.classifier(self.BR3(torch.cat((second, deep), dim=1))), shallow


class Score(nn.Module):
    """A 1x1 convolution."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, outputs, 1, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        return self.conv(values)


class SINet(Network):
    """SINet, 0.087 M parameters: coarse scores are refined by finer maps only where they are unsure.

    ``state_dict`` has the names of the published weights and nothing else, so those load as they are. They were
    trained on BGR images, divided by 255 after their deviation had been divided out: that is repeated here.
    """

    size = (224, 224)

    def __init__(self, classes: int = 2, dropout: float = 0.0) -> None:
        super().__init__(classes, classes)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) / 255, persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.encoder = SINetEncoder(classes)
        self.bn_3 = nn.BatchNorm2d(classes, eps=EPS)
        self.level2_C = ConvUnit(nn.Conv2d(48, classes, 1, bias=False), classes)
        self.bn_2 = nn.BatchNorm2d(classes, eps=EPS)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Sequential(
            nn.UpsamplingBilinear2d(scale_factor=2), nn.Conv2d(classes, classes, 3, padding=1, bias=False)
        )

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        # three halvings and a pooling by four must come out even
        padded = F.pad(self.normalise(image).flip(1), (0, -width % 32, 0, -height % 32), mode="replicate")
        deep, shallow = self.encoder(padded)
        coarse = self.bn_3(doubled(deep))
        unsure = 1 - coarse.softmax(dim=1).amax(dim=1, keepdim=True)
        fine = self.bn_2(doubled(self.level2_C(self.dropout(shallow)) * unsure + coarse))
        return self.classifier(fine)[..., :height, :width]
