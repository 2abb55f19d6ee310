"""Soft masks of stills and of moving pictures, from an exported network, without torch."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from masksmith import processor, upsampling
from masksmith.errors import BadInput, EnvironmentFault
from masksmith.runtimes import open_model
from masksmith.skipping import FrameSkipper
from masksmith.upsampling import Image, Soft

WEIGHTS = ".safetensors"


class SmallNetwork(Protocol):
    """What a segmenter can run beside files: ``trainers.Predictor`` is one.

    Attributes:
        inputs: ``("image",)`` or ``("image", "prior")``.
        size: (height, width) in pixels.
    """

    inputs: tuple[str, ...]
    size: tuple[int, int]

    def __call__(self, image: Image, prior: Soft | None = None) -> Soft:
        """(h, w, 3) uint8 RGB and (h, w) prior to the foreground's probability, (h, w) float32."""


class Segmenter:
    """Masks of what a network was trained to find, at the size of the pictures it is given.

    Args:
        model: an exported file (``.onnx``; ``.xml``, ``.tflite`` or ``.pt`` where their runtime is installed), a run
            folder or ``.safetensors`` of a training (where torch is), or a network already at hand.
        runtime: as :func:`masksmith.runtimes.open_model`.
        threads: of the runtime.
        prior: hand each frame the mask of the frame before, where the network has that input.
        skip: in percent, or a policy of one's own: frames that differ little from the last predicted one keep its
            mask (:class:`masksmith.skipping.FrameSkipper`). None = every frame is predicted.
        sharp: draw the mask's edge to the picture's when it is brought to full size; otherwise bilinear.
        say: told in one sentence when a stream changes its size in the middle and starts over.

    Attributes:
        size: (height, width) in pixels that the network sees.
        carries: whether the mask of one frame goes into the next.
        seen, predicted: frames of the stream so far, and how many of them the network saw.

    Raises:
        BadInput, EnvironmentFault, UsageProblem: as :func:`masksmith.runtimes.open_model`.

    Example:
        >>> for mask in Segmenter("person.onnx").stream(frames):  # doctest: +SKIP
        ...     person = mask >= 0.5
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | SmallNetwork,
        *,
        runtime: str = "auto",
        threads: int = 1,
        prior: bool = True,
        skip: float | FrameSkipper | None = None,
        sharp: bool = True,
        say: Callable[[str], Any] = warnings.warn,
    ) -> None:
        network = _opened(model, runtime, threads)
        processor.keep_freed_memory()
        self.size, self._infer = network.size, network
        self.carries = prior and "prior" in network.inputs
        self.sharp = sharp
        self._say = say
        self._skipper = skip if skip is None or isinstance(skip, FrameSkipper) else FrameSkipper(skip)
        self.reset()

    def reset(self) -> None:
        """Forget the frames before: a new clip begins."""
        self.seen = self.predicted = 0
        self._forget()

    def _forget(self) -> None:
        self._before: Soft | None = None
        self._mask: Soft | None = None
        if self._skipper is not None:
            self._skipper.reset()

    def __call__(self, image: npt.NDArray[np.uint8]) -> Soft:
        """The mask of a still; what came before plays no part and is not forgotten.

        Args:
            image: (H, W, 3) uint8 RGB; (H, W), (H, W, 1) grey and (H, W, 4) RGBA, whose alpha is left aside, too.

        Returns:
            (H, W) float32 in [0, 1]: the probability of foreground.

        Raises:
            ValueError: an array of another shape or type.
        """
        picture = as_rgb(image)
        small = upsampling.shrink(picture, *self.size)
        return self._full(self._infer(small, None), small, picture)

    def step(self, frame: npt.NDArray[np.uint8]) -> Soft:
        """The mask of the next frame of a clip.

        A frame of another size than the one before starts over, and that is said.

        Args:
            frame: as for a still.

        Returns:
            (H, W) float32 in [0, 1], read-only: a frame that was skipped gets the very array of the one before.

        Raises:
            ValueError: an array of another shape or type; the stream can go on with the next.
        """
        picture = as_rgb(frame)
        last = self._mask
        if last is not None and last.shape != picture.shape[:2]:
            self._say(
                f"frame {self.seen} is {picture.shape[1]} x {picture.shape[0]}, the one before was "
                f"{last.shape[1]} x {last.shape[0]}: masks start over without the frames before"
            )
            self._forget()
            last = None
        self.seen += 1
        if self._skipper is not None and not self._skipper.wants(picture) and last is not None:
            return last
        small = upsampling.shrink(picture, *self.size)
        soft = self._infer(small, self._before)
        if self.carries:
            self._before = soft
        mask = self._full(soft, small, picture).view()
        mask.flags.writeable = False
        self._mask = mask
        self.predicted += 1
        return mask

    def stream(self, frames: Iterable[npt.NDArray[np.uint8]]) -> Iterator[Soft]:
        """The masks of a clip, one a frame, as the frames come; starts without a frame before.

        Args:
            frames: as for :meth:`step`.

        Returns:
            as :meth:`step`.

        Raises:
            ValueError: as :meth:`step`, with the frame's number.
        """
        self.reset()
        for number, frame in enumerate(frames):
            try:
                mask = self.step(frame)
            except ValueError as fault:
                raise ValueError(f"frame {number}: {fault}") from None
            yield mask

    def _full(self, soft: Soft, small: Image, picture: Image) -> Soft:
        if self.sharp:
            return upsampling.sharpen(soft, small, picture)
        return upsampling.enlarge(soft, *picture.shape[:2])


def as_rgb(frame: npt.NDArray[np.uint8]) -> Image:
    """A picture as (H, W, 3) uint8 RGB.

    Args:
        frame: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8.

    Raises:
        ValueError: an array of another shape or type, or an empty one.
    """
    values = np.asarray(frame)
    if values.dtype != np.uint8:
        hint = "; write (frame * 255).round().astype(np.uint8)" if values.dtype.kind == "f" else ""
        raise ValueError(f"a picture is uint8 from 0 to 255, not {values.dtype}{hint}")
    if values.ndim == 3 and values.shape[2] == 3 and values.size:
        return values
    if values.ndim not in (2, 3) or values.shape[2:] not in ((), (1,), (4,)) or not values.size:
        raise ValueError(f"a picture is (H, W, 3), (H, W, 4) or (H, W), not {values.shape}")
    way = cv2.COLOR_RGBA2RGB if values.ndim == 3 and values.shape[2] == 4 else cv2.COLOR_GRAY2RGB
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(values), way), np.uint8)


class Exported:
    """An exported file as a :class:`SmallNetwork`.

    Args:
        path, runtime, threads: as :func:`masksmith.runtimes.open_model`.

    Attributes:
        model: what was opened.

    Raises:
        BadInput, EnvironmentFault, UsageProblem: as :func:`masksmith.runtimes.open_model`.
    """

    def __init__(self, path: str | os.PathLike[str], runtime: str = "auto", threads: int = 1) -> None:
        self.model = open_model(path, runtime, threads)
        self.inputs = tuple(given.kind for given in self.model.inputs)
        self.size = self.model.size

    def __call__(self, image: Image, prior: Soft | None = None) -> Soft:
        """As :meth:`SmallNetwork.__call__`."""
        model = self.model
        return model.run(model.prepare(image), None if prior is None else model.prepare_prior(prior))


def _opened(model: str | os.PathLike[str] | SmallNetwork, runtime: str, threads: int) -> SmallNetwork:
    if not isinstance(model, str | os.PathLike):
        return model
    path = Path(model)
    if not path.is_dir() and path.suffix != WEIGHTS:
        return Exported(path, runtime, threads)
    if runtime not in ("auto", "torch"):
        raise BadInput(path, f"an exported model for {runtime}", "a training", "export it first: masksmith export")
    # only where a training is named: this floor stands without the trainers and without torch
    try:
        trained: SmallNetwork = importlib.import_module("trainers.predict").Predictor(path)
    except ModuleNotFoundError as missing:
        raise EnvironmentFault(
            f"{path}: a training needs {missing.name}, which is not installed; install it, or export the training "
            "where it is: masksmith export RUN --to onnx"
        ) from None
    return trained
