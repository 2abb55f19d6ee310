"""What one makes of a picture and its soft mask: a tint, a cut-out, another background."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from masksmith.upsampling import Image, Soft, enlarge

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""
Background = Callable[[Image, Soft], Image]
"""A picture and its mask to what is shown behind the foreground, of the picture's size."""

TEAL: Colour = (0, 190, 160)
_COARSE = 4  # blurred at a quarter of the size: nothing finer is left to see


def tint(image: Image, alpha: Soft, colour: Colour = TEAL, strength: float = 0.5) -> Image:
    """The foreground coloured.

    Args:
        image: (H, W, 3) uint8 RGB.
        alpha: (H, W) float32 in [0, 1].
        colour: mixed in.
        strength: its share where ``alpha`` is 1.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return _mixed(np.full_like(image, colour), image, alpha * np.float32(strength))


def cut_out(image: Image, alpha: Soft) -> npt.NDArray[np.uint8]:
    """(H, W, 4) uint8 RGBA: the picture, with the mask as its opacity."""
    return np.dstack([image, levels(alpha)])


def levels(alpha: Soft) -> npt.NDArray[np.uint8]:
    """A soft mask as grey levels, 0 to 255."""
    return np.asarray(cv2.convertScaleAbs(alpha, alpha=255), np.uint8)


def compose(image: Image, alpha: Soft, background: Background) -> Image:
    """The foreground before another background.

    Args:
        image: (H, W, 3) uint8 RGB.
        alpha: (H, W) float32 in [0, 1].
        background: :func:`blurred`, :func:`plain` or :func:`scenery`.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return _mixed(image, background(image, alpha), alpha)


class Composite:
    """Frames over a background, made fast for a mask that stays for several of them.

    What depends on mask and background alone is worked out once. Both shares are rounded to levels, so a pixel may be
    off by one level and a half; where the mask is 0 or 1, or both sides are alike, it is exact.

    Args:
        alpha: (H, W) float32 in [0, 1]; within half a level of 0 or 1 it counts as that.
        behind: (H, W, 3) uint8 RGB, the background.
    """

    def __init__(self, alpha: Soft, behind: Image) -> None:
        share = levels(alpha)
        self._share = cv2.merge([share, share, share])
        self._behind = cv2.multiply(behind, cv2.bitwise_not(self._share), scale=1 / 255)

    def __call__(self, frame: Image) -> Image:
        """(H, W, 3) uint8 RGB: the frame where the mask is 1, the background where it is 0."""
        made = cv2.multiply(frame, self._share, scale=1 / 255)
        return np.asarray(cv2.add(made, self._behind, dst=made), np.uint8)


def blurred(strength: float = 0.03) -> Background:
    """The background out of focus; the foreground is left out before blurring, so that it has no halo.

    Args:
        strength: standard deviation of the blur as a share of the longer side.
    """

    def make(image: Image, alpha: Soft) -> Image:
        height, width = image.shape[:2]
        rows, columns = max(1, height // _COARSE), max(1, width // _COARSE)
        small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
        kept = np.float32(1) - enlarge(alpha, rows, columns) + np.float32(1e-3)
        sigma = max(strength * max(rows, columns), 0.5)
        light = cv2.GaussianBlur(small * kept[..., None], (0, 0), sigma)
        light /= cv2.GaussianBlur(kept, (0, 0), sigma)[..., None]
        soft = np.clip(light, 0, 255).astype(np.uint8)
        return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)

    return make


def plain(colour: Colour) -> Background:
    """One colour."""
    return lambda image, _: np.full_like(image, colour)


def scenery(picture: Image) -> Background:
    """A picture that fills the frame; what sticks out is cut off evenly."""
    fitted: list[Image] = []

    def make(image: Image, _: Soft) -> Image:
        if not fitted or fitted[0].shape != image.shape:
            fitted[:] = [_covering(picture, *image.shape[:2])]
        return fitted[0]

    return make


def _covering(picture: Image, height: int, width: int) -> Image:
    scale = max(height / picture.shape[0], width / picture.shape[1])
    rows, columns = max(height, round(picture.shape[0] * scale)), max(width, round(picture.shape[1] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    large = cv2.resize(picture, (columns, rows), interpolation=way)
    top, left = (rows - height) // 2, (columns - width) // 2
    return np.ascontiguousarray(large[top : top + height, left : left + width])


def _mixed(front: Image, back: Image, share: Soft) -> Image:
    return Composite(share, back)(front)
