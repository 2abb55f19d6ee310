"""MobileSeg (document F): MobileNetV1's body with LinkNet's decoder."""

from __future__ import annotations

from torch import Tensor, nn

from trainers.networks.layers import Network, fit
from trainers.networks.linknet import Decoder, Tail
from trainers.networks.mobile import MobileTrunk


class MobileSeg(Network):
    """MobileSeg, 4,544,514 parameters with two classes.

    The decoder's four blocks go 1024, 512, 256, 128, 64. The last one keeps its size, as LinkNet's does: the tail
    brings a quarter of the input's size back by itself, and only so does the cost come near the printed one.
    """

    def __init__(self, classes: int = 2, dropout: float = 0.0) -> None:
        super().__init__(classes, classes)
        self.encoder = MobileTrunk("mobilenetv1_100")
        self.decoders = nn.ModuleList(
            (Decoder(1024, 512, 2), Decoder(512, 256, 2), Decoder(256, 128, 2), Decoder(128, 64, 1))
        )
        self.tail = Tail(dropout)
        self.head = nn.ConvTranspose2d(32, classes, 2, 2)

    def forward(self, image: Tensor) -> Tensor:
        _, *skips, values = self.encoder(self.normalise(image))
        for decoder, skip in zip(self.decoders, reversed(skips), strict=False):
            values = fit(decoder(values), skip) + skip
        values = self.decoders[3](values)
        return fit(self.head(self.tail(values)), image)
