"""LinkNet (Chaurasia and Culurciello 2017), FastLinkNet (document F), and its decoder on a mobile encoder."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from trainers.networks.layers import Network, conv_bn, fit
from trainers.networks.mobile import MobileTrunk

WIDTHS = (64, 128, 256, 512)


def conv3x3(channels: int, out: int, stride: int, *, separable: bool) -> list[nn.Module]:
    """A 3x3 convolution with batch normalisation, in one piece or depthwise (BN, ReLU) and pointwise (BN).

    This placement is the one that meets FastLinkNet's 7.22 MB to the parameter.
    """
    if not separable:
        return conv_bn(channels, out, 3, stride)
    return [
        *conv_bn(channels, channels, 3, stride, groups=channels),
        nn.ReLU(inplace=True),
        *conv_bn(channels, out, 1),
    ]


class Residual(nn.Module):
    """The basic block of ResNet-18."""

    def __init__(self, channels: int, out: int, stride: int, *, separable: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv3x3(channels, out, stride, separable=separable),
            nn.ReLU(inplace=True),
            *conv3x3(out, out, 1, separable=separable),
        )
        same = channels == out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_bn(channels, out, 1, stride))

    def forward(self, values: Tensor) -> Tensor:
        return F.relu(self.body(values) + self.shortcut(values), inplace=True)


class Decoder(nn.Sequential):
    """1x1 to ``inner`` channels (0 = a quarter), transposed 3x3 of that stride, 1x1 to ``out``; each with BN, ReLU."""

    def __init__(self, channels: int, out: int, stride: int, inner: int = 0) -> None:
        inner = inner or channels // 4
        super().__init__(
            *conv_bn(channels, inner, 1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(inner, inner, 3, stride, 1, output_padding=stride - 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            *conv_bn(inner, out, 1),
            nn.ReLU(inplace=True),
        )


class Tail(nn.Sequential):
    """Transposed 3x3 from 64 to 32 channels at twice the size, and a 3x3; BN and ReLU after each, dropout last."""

    def __init__(self, dropout: float) -> None:
        super().__init__(
            nn.ConvTranspose2d(64, 32, 3, 2, 1, output_padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            *conv_bn(32, 32, 3, bias=True),
            nn.ReLU(inplace=True),
            nn.Dropout2d(dropout),
        )


class LinkNet(Network):
    """LinkNet; with ``fast`` document F's FastLinkNet.

    FastLinkNet has every 3x3 of the encoder's blocks depthwise separable (the 7x7 stem and the 1x1 shortcuts stay),
    works on half the input size and brings its output back bilinearly. 11,533,506 and 1,805,954 parameters
    with two classes.
    """

    def __init__(self, classes: int = 2, dropout: float = 0.0, *, fast: bool = False) -> None:
        super().__init__(classes, classes)
        self.fast = fast
        self.stem = nn.Sequential(*conv_bn(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        encoders: list[nn.Module] = []
        decoders: list[nn.Module] = []
        channels = 64
        for width in WIDTHS:
            stride = 1 if width == 64 else 2
            encoders.append(
                nn.Sequential(
                    Residual(channels, width, stride, separable=fast), Residual(width, width, 1, separable=fast)
                )
            )
            decoders.append(Decoder(width, channels, stride))
            channels = width
        self.encoders = nn.ModuleList(encoders)
        self.decoders = nn.ModuleList(decoders)
        self.tail = Tail(dropout)
        self.head = nn.ConvTranspose2d(32, classes, 2, 2)

    def forward(self, image: Tensor) -> Tensor:
        small = F.avg_pool2d(image, 2, ceil_mode=True) if self.fast else image
        values = self.stem(self.normalise(small))
        skips = []
        for encoder in self.encoders:
            values = encoder(values)
            skips.append(values)
        values = self.decoders[3](skips[3])
        for stage in (2, 1, 0):
            values = self.decoders[stage](fit(values, skips[stage]) + skips[stage])
        values = fit(self.head(self.tail(values)), small)
        if self.fast:
            values = F.interpolate(values, size=image.shape[-2:], mode="bilinear", align_corners=False)
        return values


class MobileLinkNet(Network):
    """LinkNet's decoder on the first stages of a mobile encoder, up to stride 16: an encoder that starts from ImageNet.

    Of our own making: as small as FastLinkNet, for data that is made and scenes that are real. It answers at half the
    input's size, brought back bilinearly.

    Args:
        timm: an encoder of ``trainers.networks.mobile``.
        cut: how many of its blocks to keep.
    """

    def __init__(
        self, classes: int = 2, dropout: float = 0.0, *, timm: str = "efficientnet_lite0", cut: int = 11
    ) -> None:
        super().__init__(classes, classes)
        self.encoder = MobileTrunk(timm, cut=cut)
        wide, *rest = self.encoder.channels[::-1]
        decoders: list[nn.Module] = []
        for narrow in rest:
            decoders.append(Decoder(wide, narrow, 2, inner=max(wide // 2, 16)))
            wide = narrow
        self.decoders = nn.ModuleList(decoders)
        self.tail = nn.Sequential(*conv_bn(wide, 32, 3), nn.ReLU(inplace=True), nn.Dropout2d(dropout))
        self.head = nn.Conv2d(32, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        *skips, values = self.encoder(self.normalise(image))
        for decoder, skip in zip(self.decoders, reversed(skips), strict=True):
            values = fit(decoder(values), skip) + skip
        values = self.head(self.tail(values))
        return F.interpolate(values, size=image.shape[-2:], mode="bilinear", align_corners=False)
