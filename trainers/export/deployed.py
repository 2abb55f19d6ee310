"""What goes into the file: a folded network with its input's layout, its activation, and pre- and post-processing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from masksmith.errors import UsageProblem, unknown_choice
from trainers.export.blocking import block_prior
from trainers.export.folding import Shuffled, fold, with_relu
from trainers.networks.layers import Network, foreground

FORMATS = {"onnx": ".onnx", "openvino": ".xml", "tflite": ".tflite", "torch": ".pt"}
LAYOUTS = ("nchw", "nhwc")
MULTIPLE = 32
"""Height and width that a dynamic model takes are multiples of this."""


@dataclass(frozen=True)
class Form:
    """How a network is exported.

    Attributes:
        to: a key of ``FORMATS``.
        size: (height, width) in pixels; None = the network's own.
        pre: the image comes as uint8 from 0 to 255, channels last; otherwise as float32 in [0, 1].
        post: the output is a uint8 mask of class ids instead of probabilities.
        dynamic: any batch and any size of multiples of ``MULTIPLE``.
        layout: ``nchw`` or ``nhwc``; empty = channels last for OpenVINO, TFLite and ``pre``, else first.
        int8: weights and activations of convolutions in 8 bits.
        relu: ReLU instead of h-swish, for measurements.

    Raises:
        UsageProblem: an unknown format or layout, or a combination that cannot be.
    """

    to: str = "onnx"
    size: tuple[int, int] | None = None
    pre: bool = False
    post: bool = False
    dynamic: bool = False
    layout: str = ""
    int8: bool = False
    relu: bool = False

    def __post_init__(self) -> None:
        if self.to not in FORMATS:
            raise unknown_choice("format", self.to, FORMATS)
        if self.layout and self.layout not in LAYOUTS:
            raise unknown_choice("layout", self.layout, LAYOUTS)
        if self.pre and self.layout == "nchw":
            raise UsageProblem("pre-processing inside takes pictures as they are, channels last: leave --layout out")
        if self.to == "tflite" and self.layout == "nchw":
            raise UsageProblem("TFLite has channels last: leave --layout out")
        if self.int8 and self.to not in ("onnx", "openvino"):
            raise UsageProblem(f"8 bits are for onnx and openvino, not {self.to}")
        if self.int8 and self.dynamic:
            raise UsageProblem("8 bits go with a fixed size: leave --dynamic out")
        if self.to == "tflite" and self.dynamic:
            raise UsageProblem("a TFLite file has one size: leave --dynamic out")
        if self.size and min(self.size) < 16:
            raise UsageProblem(f"a size of at least 16x16, not {self.size[0]}x{self.size[1]}")
        if self.size and self.dynamic and (self.size[0] % MULTIPLE or self.size[1] % MULTIPLE):
            raise UsageProblem(f"sizes of a dynamic model are multiples of {MULTIPLE}")

    @property
    def last(self) -> bool:
        """Channels last."""
        return self.layout == "nhwc" or (not self.layout and (self.pre or self.to in ("openvino", "tflite")))


class Deployed(nn.Module):
    """A network as a runtime sees it.

    Args:
        network: as trained; it is left as it is.
        form: how to export it.

    ``forward(image[, prior])`` takes the image as (B, 3, h, w) float32 RGB in [0, 1], (B, h, w, 3) with channels
    last, or that in uint8; and the prior as (B, 1, h, w) float32 in [0, 1], (B, h, w, 1) with channels last. It returns
    (B, 1, h, w) probability of the foreground; for three classes and more (B, C, h, w) probabilities of all; with
    ``post`` (B, h, w) uint8 class ids, foreground from 0.5 on.
    """

    centre: Tensor

    def __init__(self, network: Network, form: Form) -> None:
        super().__init__()
        self.form, self.size = form, form.size or network.size
        core = with_relu(network) if form.relu else network
        self.core, self.folded = fold(core)
        self.classes, self.inputs = network.classes, network.inputs
        self.several = network.outputs > 2
        heads = [module for module in self.core.modules() if isinstance(module, Shuffled)]
        self.activated = network.outputs == 1 and len(heads) == 1
        for head in heads:
            # OpenVINO's depth-to-space takes three times as long as a transposition
            head.planar = form.to == "openvino" and not form.dynamic and network.outputs == 1
            head.activate = self.activated
        # with channels last a block is a view; elsewhere it has to be copied, and nothing is gained
        if form.to == "openvino" and not form.dynamic:
            self.folded["blocked"] = block_prior(self.core, self.size)
        self.centred = bool(self.folded["deviation"])
        centre = network.mean.detach().clone() if self.centred else torch.zeros(1, 3, 1, 1)
        if form.last:
            centre = centre.permute(0, 2, 3, 1)
            if not form.dynamic:  # rows of pixels and channels: a broadcast over the last three would be slow
                centre = centre.reshape(1, 1, 3).repeat(1, 1, self.size[1])
        self.register_buffer("centre", centre)
        self.scale = 1.0
        if form.pre:
            self._take_bytes()
        if self.centred:
            self.core.normalise = _nothing  # type: ignore[method-assign]

    def _take_bytes(self) -> None:
        """Fold the division by 255 into the first convolution where the deviation is there already."""
        if not self.centred:
            self.scale = 1 / 255
            return
        first = next(module for module in self.core.modules() if isinstance(module, nn.Conv2d) and _first(module))
        with torch.no_grad():
            first.weight.div_(255)
            self.centre.mul_(255)

    def example(self) -> list[Tensor]:
        """Inputs of the right shapes and types."""
        height, width = self.size
        made: list[Tensor] = []
        for name in self.inputs:
            channels = 3 if name == "image" else 1
            shape = (1, height, width, channels) if self.form.last else (1, channels, height, width)
            byte = self.form.pre and name == "image"
            made.append(torch.full(shape, 127, dtype=torch.uint8) if byte else torch.full(shape, 0.5))
        return made

    def forward(self, image: Tensor, prior: Tensor | None = None) -> Tensor:
        given = [self._planes(image)]
        if prior is not None:
            given.append(self._plane(prior))
        values = self.core(*given)
        found = values if self.activated else self._probabilities(values)
        if self.form.post:
            found = found.argmax(1) if self.several else found[:, 0] >= 0.5
            return found.to(torch.uint8)
        if self.form.to == "tflite":
            return found.permute(0, 2, 3, 1)
        return found

    def _planes(self, image: Tensor) -> Tensor:
        if self.form.pre:
            image = image.float()
            if self.scale != 1:
                image = image * self.scale
        if not self.form.last:
            return image - self.centre if self.centred else image
        if self.centred and self.form.dynamic:
            image = image - self.centre
        elif self.centred:
            height, width = self.size
            image = (image.reshape(1, height, 3 * width) - self.centre).reshape(1, height, width, 3)
        return image.permute(0, 3, 1, 2)

    def _plane(self, prior: Tensor) -> Tensor:
        if not self.form.last:
            return prior
        if self.form.dynamic:
            return prior.permute(0, 3, 1, 2)
        return prior.reshape(1, 1, *self.size)

    def _probabilities(self, logits: Tensor) -> Tensor:
        if self.several:
            return logits.softmax(1)
        if logits.shape[1] == 2:  # as `foreground` has it, with all four sides kept
            return (logits[:, 1:] - logits[:, :1]).sigmoid()
        return foreground(logits)[:, None]

    def describe(self, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What is written into the file, under ``masksmith_json``."""
        form = asdict(self.form)
        output = "classes" if self.form.post else "probabilities" if self.several else "probability"
        return {
            "format": "masksmith-export-1",
            "model": self.core.name,
            "inputs": list(self.inputs),
            "size": list(self.size),
            "layout": "nhwc" if self.form.last else "nchw",
            "dtype": "uint8" if self.form.pre else "float32",
            "range": [0, 255] if self.form.pre else [0, 1],
            "normalised": "inside",
            "output": output,
            "dynamic": self.form.dynamic,
            "multiple": MULTIPLE if self.form.dynamic else 1,
            "int8": self.form.int8,
            "activation": "relu" if form["relu"] else "as trained",
            **(more or {}),
        }


def _nothing(image: Tensor) -> Tensor:
    return image


def _first(module: nn.Conv2d) -> bool:
    return module.in_channels == 3 and module.groups == 1
