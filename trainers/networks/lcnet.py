"""PP-LCNet's trunk (Cui et al. 2021, arXiv 2109.15099), down to stride 16; parameters named as in timm."""

from __future__ import annotations

from torch import Tensor, nn

from trainers.networks.layers import rounded

# kernel, stride, channels at width 1.0; one row a stage, as `lcnet_*` in timm
STAGES: tuple[tuple[tuple[int, int, int], ...], ...] = (
    ((3, 1, 32),),
    ((3, 2, 64), (3, 1, 64)),
    ((3, 2, 128), (3, 1, 128)),
    ((3, 2, 256), (5, 1, 256)),
    ((5, 1, 256),) * 4,
)


class DepthSepConv(nn.Module):
    """Depthwise k x k, BN, h-swish, pointwise 1x1, BN, h-swish; no residual."""

    def __init__(self, channels: int, out: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv_pw = nn.Conv2d(channels, out, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.act = nn.Hardswish()

    def forward(self, values: Tensor) -> Tensor:
        values = self.act(self.bn1(self.conv_dw(values)))
        return self.act(self.bn2(self.conv_pw(values)))


class LCNetTrunk(nn.Module):
    """conv1 to blocks5 of PP-LCNet; 119,760 parameters at width 0.5.

    ``forward`` takes (B, 3, H, W) and returns the features of stride 8 and 16.
    """

    def __init__(self, width: float = 0.5) -> None:
        super().__init__()
        self.timm = f"lcnet_{round(100 * width):03d}"
        channels = rounded(16 * width)
        self.conv_stem = nn.Conv2d(3, channels, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act = nn.Hardswish()
        stages: list[nn.Module] = []
        widths: list[int] = []
        for rows in STAGES:
            blocks: list[nn.Module] = []
            for kernel, stride, full in rows:
                out = rounded(full * width)
                blocks.append(DepthSepConv(channels, out, kernel, stride))
                channels = out
            stages.append(nn.Sequential(*blocks))
            widths.append(channels)
        self.blocks = nn.Sequential(*stages)
        self.channels = (widths[2], widths[4])

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        values = self.act(self.bn1(self.conv_stem(values)))
        stride8 = self.blocks[2](self.blocks[1](self.blocks[0](values)))
        return stride8, self.blocks[4](self.blocks[3](stride8))
