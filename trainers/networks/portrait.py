"""Document P's portrait networks: an encoder, a Tiny FFM, and the previous frame's mask as a second input."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.networks.layers import Network, conv_bn, fit
from trainers.networks.lcnet import DepthSepConv, LCNetTrunk
from trainers.networks.mobile import MobileTrunk

FUSED = 32
PRIOR_WIDTHS = (4, 8, 16)
REFINED = 16


class TinyFFM(nn.Module):
    """Feature fusion: both strides to 32 channels, concatenated, mixed, and reweighted by channel attention."""

    def __init__(self, deep: int, shallow: int) -> None:
        super().__init__()
        self.deep = nn.Sequential(*conv_bn(deep, FUSED, 1), nn.ReLU(inplace=True))
        self.shallow = nn.Sequential(*conv_bn(shallow, FUSED, 1), nn.ReLU(inplace=True))
        both = 2 * FUSED
        self.mix = nn.Sequential(*conv_bn(both, both, 1), nn.ReLU(inplace=True))
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(both, both // 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(both // 2, both, 1),
            nn.Sigmoid(),
        )

    def forward(self, deep: Tensor, shallow: Tensor) -> Tensor:
        up = F.interpolate(self.deep(deep), size=shallow.shape[-2:], mode="bilinear", align_corners=False)
        mixed = self.mix(torch.cat((up, self.shallow(shallow)), dim=1))
        return mixed * self.attention(mixed) + mixed


class Portrait(Network):
    """The two-input network of document P; without ``prior`` the branch is left out.

    Args:
        classes: number of classes; two make one map of foreground logits.
        dropout: before the last convolution.
        prior: with the second input.
        encoder: makes the encoder. Of the maps it returns, the last two are used, of stride 8 and 16, with the
            channels of ``channels``. PP-LCNet at half width (137,277 parameters in all) by default.

    The head makes a map at an eighth of the input and upsamples it with one 16x16 transposed convolution; the
    sigmoid is outside. An all-zero prior says that there is no previous frame; without one the branch answers as to
    that, and does not learn.
    """

    size = (224, 224)

    def __init__(
        self,
        classes: int = 2,
        dropout: float = 0.0,
        *,
        prior: bool = True,
        encoder: Callable[[], LCNetTrunk | MobileTrunk] = LCNetTrunk,
    ) -> None:
        outputs = 1 if classes == 2 else classes
        super().__init__(classes, outputs)
        self.inputs = ("image", "prior") if prior else ("image",)
        self.encoder = encoder()
        shallow, deep = self.encoder.channels[-2:]
        self.ffm = TinyFFM(deep, shallow)
        fused = 2 * FUSED
        if prior:
            channels = 1
            steps: list[nn.Module] = []
            for width in PRIOR_WIDTHS:
                steps.append(DepthSepConv(channels, width, 3, 2))
                channels = width
            self.prior_branch = nn.Sequential(*steps)
            fused += channels
        self.frm = DepthSepConv(fused, REFINED)
        self.dropout = nn.Dropout2d(dropout)
        self.score = nn.Conv2d(REFINED, outputs, 1)
        self.upsample = nn.ConvTranspose2d(outputs, outputs, 16, 8, 4, groups=outputs)

    def forward(self, image: Tensor, prior: Tensor | None = None) -> Tensor:
        shallow, deep = self.encoder(self.normalise(image))[-2:]
        fused = self.ffm(deep, shallow)
        if "prior" in self.inputs:
            told = self._told_nothing(image) if prior is None else self.prior_branch(prior)
            fused = torch.cat((fused, told), dim=1)
        values = self.score(self.dropout(self.frm(fused)))
        return fit(self.upsample(values), image)

    def _told_nothing(self, image: Tensor) -> Tensor:
        """The branch's answer to an empty prior, from which it does not learn.

        Maps of one constant have no variance: normalised by their own statistics, what padding does at their rim grows
        by 1 / sqrt(eps) a layer, six times over, and its gradient is larger than that of all other weights together.
        """
        training = self.prior_branch.training
        self.prior_branch.eval()
        try:
            with torch.no_grad():
                told: Tensor = self.prior_branch(image.new_zeros(1, 1, *image.shape[-2:]))
        finally:
            self.prior_branch.train(training)
        return told.expand(image.shape[0], -1, -1, -1)
