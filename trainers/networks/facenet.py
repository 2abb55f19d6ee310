"""Fast-FaceNet (document N), a MobileNetV1 trunk and a 128-D embedding on the unit sphere; and one for few people."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from trainers.networks.layers import Pictured
from trainers.networks.mobile import MobileTrunk

DIMENSIONS = 128
GRID = 3


class FaceNet(Pictured):
    """Faces to points whose distances tell people apart; 3,338,176 parameters at width 1.

    Args:
        width: of the trunk; the paper's are 0.25, 0.5, 0.75 and 1.

    ``forward`` takes (B, 3, H, W) RGB in [0, 1] and returns (B, 128) of length 1.
    """

    size = (224, 224)

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.width = width
        self.encoder = MobileTrunk("mobilenetv1_100", width=width)
        self.embed = nn.Linear(self.encoder.channels[-1], DIMENSIONS)

    def forward(self, image: Tensor) -> Tensor:
        deep = self.encoder(self.normalise(image))[-1]
        return F.normalize(self.embed(deep.mean((2, 3))), dim=1)


class LiteFaceNet(Pictured):
    """EfficientNet-Lite0 to stride 16, a grid of 3 x 3 places, and a 128-D embedding: for few people.

    Of our own making. Its trunk starts from ImageNet and stays as it is; the last layer alone is learned, see
    :mod:`trainers.identity.whitening`. 829,920 parameters.

    ``forward`` takes (B, 3, H, W) RGB in [0, 1] and returns (B, 128) of length 1.
    """

    size = (192, 160)

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MobileTrunk("efficientnet_lite0", cut=11)
        self.embed = nn.Linear(self.encoder.channels[-1] * GRID * GRID, DIMENSIONS)

    def features(self, image: Tensor) -> Tensor:
        """(B, 1008): the trunk's last map, averaged over each place of the grid."""
        deep = self.encoder(self.normalise(image))[-1]
        return F.adaptive_avg_pool2d(deep, GRID).flatten(1)

    def forward(self, image: Tensor) -> Tensor:
        return F.normalize(self.embed(self.features(image)), dim=1)
