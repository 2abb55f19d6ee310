"""Small pictures for a network, and its small soft mask brought back to the edges of the large picture.

Source: He and Sun, "Fast Guided Filter" (2015): in every small window the mask is a linear function of the picture's
red, green and blue; its coefficients are found at the small size, and only they are enlarged.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""
Soft = npt.NDArray[np.float32]
"""(H, W) float32 in [0, 1]."""

COARSER = 2
"""The filter works on so many times fewer rows and columns than the network sees."""
RADIUS = 1
"""Of the window, in pixels of the filter: wider ones drew edges of the background in."""
EPSILON = np.float32(1e-4)
"""Variance of a channel (0 to 1) below which a window counts as flat: there the mask stays as it is."""
STRIP = 64
"""Rows of the full picture that are worked on together."""


def shrink(image: Image, height: int, width: int) -> Image:
    """Resize (H, W, 3) for a network: about as even as area averaging, at a quarter of its cost.

    Halved exactly while it is twice as large, then bilinear.
    """
    while image.shape[0] >= 2 * height and image.shape[1] >= 2 * width:
        rows, columns = image.shape[0] // 2, image.shape[1] // 2
        even = image[: 2 * rows, : 2 * columns]
        image = np.asarray(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def enlarge(soft: Soft, height: int, width: int) -> Soft:
    """Resize (h, w) to (height, width): bilinear, area averaging where it shrinks."""
    if soft.shape == (height, width):
        return soft
    shrinks = height * width < soft.size
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(soft, (width, height), interpolation=way), np.float32)


def sharpen(soft: Soft, small: Image, image: Image) -> Soft:
    """The soft mask at the picture's size, its edge drawn to the picture's.

    Where the picture is not larger than the mask there is no edge to find: then as :func:`enlarge`.

    Args:
        soft: (h, w) float32, the network's answer.
        small: (h', w', 3) uint8, the picture as the network saw it.
        image: (H, W, 3) uint8, the same picture in full.

    Returns:
        (H, W) float32 in [0, 1].
    """
    height, width = image.shape[:2]
    rows, columns = (max(1, round(side / COARSER)) for side in small.shape[:2])
    if height <= small.shape[0] or width <= small.shape[1] or min(rows, columns) < 2 * RADIUS + 1:
        return enlarge(soft, height, width)
    slopes, offset = _linear(enlarge(soft, rows, columns), shrink(small, rows, columns))
    # rows first: what is left is done in strips that stay in the processor's cache
    maps = [np.asarray(cv2.resize(one, (columns, height), interpolation=cv2.INTER_LINEAR)) for one in (offset, *slopes)]
    found = np.empty((height, width), np.float32)
    for top in range(0, height, STRIP):
        part, picture = found[top : top + STRIP], image[top : top + STRIP]
        size = (width, len(part))
        cv2.resize(maps[0][top : top + STRIP], size, dst=part, interpolation=cv2.INTER_LINEAR)
        for channel, slope in enumerate(maps[1:]):
            term = cv2.resize(slope[top : top + STRIP], size, interpolation=cv2.INTER_LINEAR)
            cv2.multiply(term, cv2.extractChannel(picture, channel), dst=term, dtype=cv2.CV_32F)
            cv2.add(part, term, dst=part)
        cv2.threshold(part, 0, 0, cv2.THRESH_TOZERO, dst=part)
        cv2.threshold(part, 1, 1, cv2.THRESH_TRUNC, dst=part)
    return found


def _linear(soft: Soft, image: Image) -> tuple[list[Soft], Soft]:
    """For each channel the slope (h, w), per level of 0 to 255, and the offset (h, w), both averaged over windows.

    He, Sun and Tang, "Guided Image Filtering" (2013), equations 14 and 15; the 3 x 3 systems by their cofactors.
    """
    r, g, b = (channel.astype(np.float32) * np.float32(1 / 255) for channel in cv2.split(image))
    mean_r, mean_g, mean_b, level = _box(r), _box(g), _box(b), _box(soft)
    rr = _box(r * r) - mean_r * mean_r + EPSILON
    gg = _box(g * g) - mean_g * mean_g + EPSILON
    bb = _box(b * b) - mean_b * mean_b + EPSILON
    rg, rb, gb = _box(r * g) - mean_r * mean_g, _box(r * b) - mean_r * mean_b, _box(g * b) - mean_g * mean_b
    to_r, to_g, to_b = (_box(c * soft) - m * level for c, m in ((r, mean_r), (g, mean_g), (b, mean_b)))
    c_rr, c_rg, c_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * c_rr + rg * c_rg + rb * c_rb)
    a_r = (c_rr * to_r + c_rg * to_g + c_rb * to_b) * scale
    a_g = (c_rg * to_r + c_gg * to_g + c_gb * to_b) * scale
    a_b = (c_rb * to_r + c_gb * to_g + c_bb * to_b) * scale
    offset = _box(level - a_r * mean_r - a_g * mean_g - a_b * mean_b)
    return [_box(a) * np.float32(1 / 255) for a in (a_r, a_g, a_b)], offset


def _box(values: Soft) -> Soft:
    side = 2 * RADIUS + 1
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT_101), np.float32)
