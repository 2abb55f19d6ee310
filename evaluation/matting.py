"""Errors of mattes against soft truth, as the matting literature measures them.

Definitions: Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting" (CVPR 2009), sections 3.1 and
3.2, with the parameters that its published evaluation uses. All four are errors: lower is better, 0 at best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SIGMA = 1.4  # of the Gaussian whose derivative the gradient error takes, in pixels
STEPS = 10  # thresholds of the connectivity error: 0.1, 0.2, ... 1
THETA = 0.15  # a pixel less above its level of connection than this counts as connected
_CUT = 1e-2  # the Gaussian is cut off where it falls below this
CONVENTIONS: Mapping[str, str] = {
    "sad": "sum of absolute differences / 1000, mean over images",
    "mse": "mean squared difference of the judged pixels, mean over images",
    "gradient_error": "sum of squared differences of gradient magnitudes (sigma 1.4 px) / 1000, mean over images",
    "connectivity_error": "sum of differences in connectedness to the common opaque region / 1000, mean over images",
}


@dataclass(frozen=True)
class MatteErrors:
    """The four errors of one matte; ``mse`` is NaN where no pixel is judged."""

    sad: float
    mse: float
    gradient_error: float
    connectivity_error: float


def measure(pred: npt.NDArray[Any], truth: npt.NDArray[Any], *, judged: npt.NDArray[Any] | None = None) -> MatteErrors:
    """All four errors of one image.

    Args:
        pred, truth: (H, W) alpha: floating in [0, 1], or uint8, 255 for 1. They are taken as they are, not stretched
            to the full range.
        judged: (H, W); errors are summed over the pixels other than 0, as a trimap's unknown region; None for all.

    Raises:
        ValueError: unequal sizes, another type, no pixels, or values outside [0, 1].
    """
    first, second = _alpha(pred, "prediction"), _alpha(truth, "truth")
    if first.shape != second.shape:
        raise ValueError(f"the prediction is {first.shape}, the truth is {second.shape} (height, width)")
    where = np.ones(first.shape, np.bool_) if judged is None else np.asarray(judged) != 0
    if where.shape != first.shape:
        raise ValueError(f"the judged region is {where.shape}, the truth is {second.shape} (height, width)")
    off = (first - second)[where]
    return MatteErrors(
        sad=float(np.abs(off).sum()) / 1000,
        mse=float(np.square(off).mean()) if off.size else math.nan,
        gradient_error=_gradient(first, second, where),
        connectivity_error=_connectivity(first, second, where),
    )


def gradient_magnitude(alpha: npt.NDArray[Any], sigma: float = SIGMA) -> Floats:
    """(H, W) float64: length of the gradient of an alpha, by derivatives of a Gaussian.

    The kernel is g(y) g'(x), cut off where the Gaussian falls below 0.01 and scaled to a Euclidean norm of 1; the
    picture goes on at its edge with the edge's values.
    """
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * _CUT)))
    places = np.arange(-half, half + 1, dtype=np.float64)
    bell = np.exp(-(places**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    slope = -places * bell / sigma**2
    bell, slope = bell / np.linalg.norm(bell), slope / np.linalg.norm(slope)  # the product's norm is that of its parts
    values = np.asarray(alpha, np.float64)
    # correlation instead of convolution turns the sign, which the magnitude does not see
    across = cv2.sepFilter2D(values, cv2.CV_64F, slope, bell, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(values, cv2.CV_64F, bell, slope, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.hypot(across, down), np.float64)


def connectedness(pred: Floats, truth: Floats) -> tuple[Floats, Floats]:
    """How connected each pixel of two alphas (H, W) is to the opaque region they share: 1 - d, d where d >= 0.15.

    d is how far the pixel's alpha is above the highest of the thresholds 0, 0.1, ... 1 at which it still belongs to the
    largest 4-connected component of both alphas (the first one row by row, of equally large ones).
    """
    level = np.full(pred.shape, -1.0)
    for step in range(1, STEPS + 1):
        least = step / STEPS
        shared = ((pred >= least) & (truth >= least)).view(np.uint8)
        level[(level < 0) & ~_largest(shared)] = (step - 1) / STEPS
    level[level < 0] = 1.0
    return _phi(pred - level), _phi(truth - level)


def _phi(above: Floats) -> Floats:
    return 1 - np.where(above >= THETA, above, 0.0)


def _largest(mask: npt.NDArray[np.uint8]) -> Bools:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not areas.size:
        return np.zeros(mask.shape, np.bool_)
    largest = np.flatnonzero(areas == areas.max()) + 1
    if len(largest) > 1:  # labels need not follow the rows
        flat = labels.ravel()
        largest = flat[np.isin(flat, largest)][:1]
    return np.asarray(labels == largest[0])


def _gradient(pred: Floats, truth: Floats, where: Bools) -> float:
    apart = gradient_magnitude(pred) - gradient_magnitude(truth)
    return float(np.square(apart[where]).sum()) / 1000


def _connectivity(pred: Floats, truth: Floats, where: Bools) -> float:
    first, second = connectedness(pred, truth)
    return float(np.abs(first - second)[where].sum()) / 1000


def _alpha(values: npt.NDArray[Any], side: str) -> Floats:
    found = np.asarray(values)
    if found.ndim != 2 or not found.size:
        raise ValueError(f"the {side} must be (H, W), not {found.shape}")
    if found.dtype == np.uint8:
        return np.asarray(found / 255.0, np.float64)
    if not np.issubdtype(found.dtype, np.floating):
        raise ValueError(f"the {side} must be floating or uint8, not {found.dtype}")
    if not (found.min() >= 0 and found.max() <= 1):  # NaN fails too
        raise ValueError(f"the {side} must be in [0, 1]")
    return found.astype(np.float64)
