"""PortraitNet (Zhang et al. 2019, doi 10.1016/j.cag.2019.03.007): MobileNetV2 and residual depthwise decoding."""

from __future__ import annotations

from torch import Tensor, nn

from trainers.networks.layers import Bare, Network, conv_bn, fit
from trainers.networks.mobile import MobileTrunk

WIDTHS = (96, 32, 24, 16, 8)


class Transition(nn.Module):
    """Two depthwise separable 3x3 convolutions, added to what came in (through a 1x1)."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_bn(channels, channels, 3, groups=channels),
            nn.ReLU(inplace=True),
            *conv_bn(channels, out, 1),
            nn.ReLU(inplace=True),
            *conv_bn(out, out, 3, groups=out),
            nn.ReLU(inplace=True),
            *conv_bn(out, out, 1),
        )
        self.shortcut = nn.Sequential(*conv_bn(channels, out, 1))
        self.act = nn.ReLU(inplace=True)

    def forward(self, values: Tensor) -> Tensor:
        return self.act(self.body(values) + self.shortcut(values))


class PortraitNet(Network):
    """PortraitNet, 2.08 M parameters; its second, boundary output is for training only and left out.

    Five transitions, each followed by a transposed 4x4 of stride 2; the encoder's maps of stride 16, 8 and 4 are
    added on the way up.
    """

    size = (224, 224)

    def __init__(self, classes: int = 2, dropout: float = 0.0) -> None:
        super().__init__(classes, classes)
        self.encoder = MobileTrunk("mobilenetv2_100")
        channels = self.encoder.channels[-1]
        transitions: list[nn.Module] = []
        ups: list[nn.Module] = []
        for width in WIDTHS:
            transitions.append(Transition(channels, width))
            ups.append(nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False))
            channels = width
        self.transitions = nn.ModuleList(transitions)
        self.ups = nn.ModuleList(ups)
        self.dropout = nn.Dropout2d(dropout)
        self.score = Bare(channels, classes, 3, padding=1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        _, *skips, values = self.encoder(self.normalise(image))
        for number, (transition, up) in enumerate(zip(self.transitions, self.ups, strict=True)):
            values = up(transition(values))
            if number < len(skips):
                skip = skips[-1 - number]
                values = fit(values, skip) + skip
        return self.score(self.dropout(fit(values, image)))
