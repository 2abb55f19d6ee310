"""Fast-FaceNet (document N): a MobileNetV1 trunk and a 128-D embedding on the unit sphere."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from trainers.networks.layers import Pictured
from trainers.networks.mobile import MobileTrunk

DIMENSIONS = 128


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
