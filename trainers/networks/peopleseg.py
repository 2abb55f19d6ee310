"""CE-PeopleSeg's feature pyramid (Jiang et al.) and the DeepLabV2 it is measured against, on MobileNetV2."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.networks.layers import Bare, Network
from trainers.networks.mobile import MobileTrunk

PYRAMID = 16
ATROUS = 256
# DeepLabV2's 6, 12, 18, 24 are of maps of stride 8; these reach as far in pixels at stride 32
RATES = (1, 3, 4, 6)


class PeopleFPN(Network):
    """Strides 4, 8, 16 and 32 to 16 channels each, added from the top down, brought to stride 4, one 3x3.

    16 is the width that meets the printed 2.25 M with a trunk to 1280 channels: 2,248,002 parameters.
    """

    size = (160, 160)

    def __init__(self, classes: int = 2, dropout: float = 0.0) -> None:
        super().__init__(classes, classes)
        self.encoder = MobileTrunk("mobilenetv2_100", head=True)
        self.laterals = nn.ModuleList(Bare(channels, PYRAMID, 1) for channels in self.encoder.channels[1:])
        self.dropout = nn.Dropout2d(dropout)
        self.score = Bare(4 * PYRAMID, classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        maps = self.encoder(self.normalise(image))[1:]
        thin = [lateral(values) for lateral, values in zip(self.laterals, maps, strict=True)]
        for number in (2, 1, 0):
            thin[number] = thin[number] + resized(thin[number + 1], thin[number])
        joined = torch.cat([thin[0], *(resized(values, thin[0]) for values in thin[1:])], dim=1)
        return resized(self.score(self.dropout(joined)), image)


class PeopleDeepLab(Network):
    """Four dilated 3x3 convolutions side by side on stride 32, each scored by a 1x1 of its own, and added.

    The paper tells parameters and cost alone (4.87 M, 498 MFLOPs); both rule out a trunk of a finer stride.
    """

    size = (160, 160)

    def __init__(self, classes: int = 2, dropout: float = 0.0) -> None:
        super().__init__(classes, classes)
        self.encoder = MobileTrunk("mobilenetv2_100")
        channels = self.encoder.channels[-1]
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, ATROUS, 3, padding=rate, dilation=rate, bias=False),
                nn.BatchNorm2d(ATROUS),
                nn.ReLU(inplace=True),
                nn.Dropout2d(dropout),
            )
            for rate in RATES
        )
        self.scores = nn.ModuleList(Bare(ATROUS, classes, 1) for _ in RATES)

    def forward(self, image: Tensor) -> Tensor:
        deep = self.encoder(self.normalise(image))[-1]
        first, *rest = (score(branch(deep)) for branch, score in zip(self.branches, self.scores, strict=True))
        return resized(sum(rest, first), image)


def resized(values: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of ``like``."""
    return F.interpolate(values, size=like.shape[-2:], mode="bilinear", align_corners=False)
