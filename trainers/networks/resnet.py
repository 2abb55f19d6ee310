"""ResNet (He et al. 2015) and ResNeXt (Xie et al. 2016) as encoders; parameters named as in timm."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

STAGE_WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True)
class Depths:
    """Blocks a stage, and the bottleneck's groups and their width; ``bottleneck`` False = two 3x3 a block."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool = True
    groups: int = 1
    group_width: int = 64


RESNETS: dict[str, Depths] = {
    "resnet18": Depths((2, 2, 2, 2), bottleneck=False),
    "resnet152": Depths((3, 8, 36, 3)),
    "resnext50_32x4d": Depths((3, 4, 6, 3), groups=32, group_width=4),
}


class Block(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3 in groups, 1x1; added to what came in."""

    def __init__(self, channels: int, width: int, stride: int, depths: Depths) -> None:
        super().__init__()
        if depths.bottleneck:
            inner = width * depths.group_width // 64 * depths.groups
            out = 4 * width
            self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(inner)
            self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=depths.groups, bias=False)
            self.bn2 = nn.BatchNorm2d(inner)
            self.conv3 = nn.Conv2d(inner, out, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(out)
        else:
            out = width
            self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(out)
            self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(out)
        self.bottleneck = depths.bottleneck
        self.act = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        self.out = out

    def forward(self, values: Tensor) -> Tensor:
        inner = self.act(self.bn1(self.conv1(values)))
        inner = self.bn2(self.conv2(inner))
        if self.bottleneck:
            inner = self.bn3(self.conv3(self.act(inner)))
        return self.act(inner + self.downsample(values))


class ResNetTrunk(nn.Module):
    """A residual encoder without its classifier.

    Args:
        timm: its name in ``RESNETS``.

    Attributes:
        channels: of the maps that ``forward`` returns.

    ``forward`` takes (B, 3, H, W) and returns the maps of stride 2, 4, 8, 16 and 32.
    """

    def __init__(self, timm: str) -> None:
        super().__init__()
        depths = RESNETS[timm]
        self.timm = timm
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.act1 = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        widths = [channels]
        stages: list[nn.Module] = []
        for number, (width, count) in enumerate(zip(STAGE_WIDTHS, depths.blocks, strict=True)):
            blocks: list[nn.Module] = []
            for place in range(count):
                made = Block(channels, width, 2 if place == 0 and number else 1, depths)
                blocks.append(made)
                channels = made.out
            stages.append(nn.Sequential(*blocks))
            widths.append(channels)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.channels = tuple(widths)

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        stride2 = self.act1(self.bn1(self.conv1(values)))
        stride4 = self.layer1(self.maxpool(stride2))
        stride8 = self.layer2(stride4)
        stride16 = self.layer3(stride8)
        return stride2, stride4, stride8, stride16, self.layer4(stride16)
