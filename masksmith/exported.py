"""An exported network as an object: what it takes, what it says of itself, and a call from pictures to soft masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from masksmith.errors import BadInput

Soft = npt.NDArray[np.float32]
"""(H, W) float32 in [0, 1]."""
Raw = Callable[[Sequence[npt.NDArray[Any]]], npt.NDArray[Any]]
"""The runtime's own call: the inputs in their order to the first output."""


@dataclass(frozen=True)
class Input:
    """What a model takes.

    Attributes:
        name: in the file.
        shape: in the model's order; None where any length will do.
        dtype: of numpy.
        kind: ``image`` (three channels, RGB) or ``prior`` (one channel: the previous soft mask).
        layout: ``nchw`` or ``nhwc``.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    kind: str
    layout: str

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) in pixels; None where it is free."""
        height, width = self.shape[2:4] if self.layout == "nchw" else self.shape[1:3]
        return (height, width) if height and width else None


class Model:
    """An opened network; :func:`masksmith.runtimes.open_model` makes it.

    Attributes:
        path, runtime: the file, and what runs it.
        inputs: in the order of the file; exactly one is the image, at most one the prior.
        meta: what `masksmith export` wrote into the file (``model``, ``classes``, ``foreground``, ``size``, ``output``,
            ...); empty for the files of others. Mean and deviation are inside our graphs: outside, an image is RGB in
            [0, 1], or uint8 from 0 to 255 where ``inputs`` say uint8.
        size: (height, width) that pictures are resized to.
        raw: the runtime's own call, for measurements.
    """

    def __init__(
        self, path: Path, runtime: str, inputs: Sequence[Input], raw: Raw, meta: Mapping[str, Any], fallback: int = 224
    ) -> None:
        self.path, self.runtime, self.raw, self.meta = path, runtime, raw, meta
        self.inputs = tuple(inputs)
        self.image = next(given for given in self.inputs if given.kind == "image")
        self.prior = next((given for given in self.inputs if given.kind == "prior"), None)
        named = meta.get("size")
        self.size: tuple[int, int] = self.image.size or (tuple(named) if named else (fallback, fallback))
        self._output = str(meta.get("output", ""))

    def prepare(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """A picture of the model's size in the type and layout that the model takes.

        Args:
            image: (h, w, 3) uint8 RGB.
        """
        values: npt.NDArray[Any] = image
        if self.image.dtype == "uint8":
            return (
                values[None] if self.image.layout == "nhwc" else np.ascontiguousarray(values.transpose(2, 0, 1))[None]
            )
        if self.image.layout == "nchw":
            values = values.transpose(2, 0, 1)
        # one pass that converts, scales and lays out
        out = np.empty((1, *values.shape), np.float32)
        np.multiply(values, np.float32(1 / 255), out=out[0])
        return out

    def prepare_prior(self, prior: Soft | None, size: tuple[int, int] | None = None) -> npt.NDArray[Any]:
        """A soft mask (h, w) in [0, 1] as the model takes it; None = there is no previous frame: all zero.

        Raises:
            ValueError: the model has no prior, or the mask has another shape than (h, w).
        """
        if self.prior is None:
            raise ValueError(f"{self.path} takes no prior")
        height, width = size or self.size
        if prior is None:
            prior = np.zeros((height, width), np.float32)
        if prior.ndim != 2:
            raise ValueError(f"a prior is (h, w), not {prior.shape}")
        if self.prior.dtype == "uint8":
            prior = (prior * 255 + 0.5).astype(np.uint8)  # type: ignore[assignment]
        return prior[None, None] if self.prior.layout == "nchw" else prior[None, :, :, None]

    def run(self, image: npt.NDArray[Any], prior: npt.NDArray[Any] | None = None) -> Soft:
        """Foreground probability.

        Args:
            image: as :meth:`prepare` returns it.
            prior: as :meth:`prepare_prior` returns it; None = no previous frame.

        Returns:
            (h, w) float32 in [0, 1] at the model's size.

        Raises:
            ValueError: an array of another shape than the model takes, or a prior for a model without one.
        """
        return self.probability(self.raw(self.feed(image, prior)), image)

    def feed(self, image: npt.NDArray[Any], prior: npt.NDArray[Any] | None = None) -> list[npt.NDArray[Any]]:
        """The inputs in the model's order, checked; what :attr:`raw` takes."""
        self._check(self.image, image)
        if self.prior is None:
            if prior is not None:
                raise ValueError(f"{self.path} takes no prior")
            return [image]
        if prior is None:
            prior = self.prepare_prior(None, self._size_of(image))
        self._check(self.prior, prior)
        return [image if given.kind == "image" else prior for given in self.inputs]

    def probability(self, values: npt.NDArray[Any], image: npt.NDArray[Any]) -> Soft:
        """What the model puts out, for one image, as (h, w) float32 in [0, 1]."""
        found = values
        if self._output == "probability" and found.ndim == 4 and found.shape[1] == 1:  # the usual case, ours
            return found[0, 0]
        if self._output == "classes":
            return (found.reshape(found.shape[-2:]) > 0).astype(np.float32)
        return self._foreign(found[0] if found.ndim > 2 else found, self._size_of(image))

    def _foreign(self, found: npt.NDArray[Any], size: tuple[int, int]) -> Soft:
        """An output that says nothing about itself: one map, or one a class with the background first."""
        if found.size == size[0] * size[1]:
            one = found.reshape(size).astype(np.float32)
            return one if self._settled(one, one) else _sigmoid(one)
        if found.ndim != 3:
            raise BadInput(self.path, "maps of the image's size", f"an output of shape {found.shape}", "see the model")
        maps = np.moveaxis(found, -1, 0) if found.shape[-1] < found.shape[0] else found
        maps = maps.astype(np.float32)
        if self._settled(maps, maps.sum(0)):
            return np.asarray(1 - maps[0], np.float32)
        shifted = np.exp(maps - maps.max(0))
        return np.asarray(1 - shifted[0] / shifted.sum(0), np.float32)

    def _settled(self, maps: npt.NDArray[Any], total: npt.NDArray[Any]) -> bool:
        """Whether these are probabilities already; told once, from the first picture, and kept for all others."""
        if not self._output:
            inside = float(maps.min()) >= -1e-4 and float(maps.max()) <= 1 + 1e-4
            whole = maps.ndim == 2 or bool(np.allclose(total, 1, atol=1e-3))
            self._output = "probabilities" if inside and whole else "logits"
        return self._output != "logits"

    def _size_of(self, image: npt.NDArray[Any]) -> tuple[int, int]:
        height, width = image.shape[2:4] if self.image.layout == "nchw" else image.shape[1:3]
        return int(height), int(width)

    def _check(self, given: Input, values: npt.NDArray[Any]) -> None:
        fits = len(values.shape) == len(given.shape) and all(
            wanted is None or wanted == length for wanted, length in zip(given.shape, values.shape, strict=True)
        )
        if not fits or values.dtype != given.dtype:
            wanted = " x ".join("any" if length is None else str(length) for length in given.shape)
            raise ValueError(
                f"{self.path} takes the {given.kind} as {wanted} {given.dtype} ({given.layout.upper()}), "
                f"not {' x '.join(map(str, values.shape))} {values.dtype}"
            )


def _sigmoid(values: Soft) -> Soft:
    return np.asarray(1 / (1 + np.exp(-values)), np.float32)
