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
STRIP = 32
"""Rows of the full picture that are worked on together: they stay in the processor's cache."""
FLAT = 0.25 / 255
"""A mask that varies by no more than this around a pixel of the filter has no edge there, and is enlarged as it is."""
_GREY = (0.299, 0.587, 0.114)
"""How OpenCV sums red, green and blue to grey, which is faster here than any sum of three planes."""


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
    # far from edges networks say 1e-40: such numbers are worked on a hundred times slower than 0
    level = cv2.threshold(enlarge(soft, rows, columns), 1e-6, 0, cv2.THRESH_TOZERO)[1]
    slopes, offset = _linear(np.asarray(level, np.float32), shrink(small, rows, columns))
    reach = np.ones((4 * RADIUS + 1, 4 * RADIUS + 1), np.uint8)
    flat = cv2.inRange(cv2.subtract(cv2.dilate(level, reach), cv2.erode(level, reach)), 0, FLAT)
    cv2.copyTo(level, flat, offset)
    weighted = cv2.merge([slope * np.float32(1 / share) for slope, share in zip(slopes, _GREY, strict=True)])
    weighted[flat > 0] = 0
    found = enlarge(offset, height, width)
    _add_picture(found, image, weighted, cv2.dilate(cv2.bitwise_not(flat), np.ones((3, 3), np.uint8)))
    cv2.threshold(found, 0, 0, cv2.THRESH_TOZERO, dst=found)
    cv2.threshold(found, 1, 1, cv2.THRESH_TRUNC, dst=found)
    return found


def _add_picture(found: Soft, image: Image, weighted: npt.NDArray[np.float32], held: npt.NDArray[np.uint8]) -> None:
    """Add slope times picture where a slope reaches: (h, w, 3) ``weighted`` and (h, w) ``held`` to (H, W) ``found``."""
    height, width = found.shape
    columns = held.shape[1]
    # rows first: what is left is done in strips
    tall = cv2.resize(weighted, (columns, height), interpolation=cv2.INTER_LINEAR)
    held = np.asarray(cv2.resize(held, (columns, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    for top in range(0, height, STRIP):
        rows = slice(top, top + STRIP)
        places = np.flatnonzero(held[rows].any(0))
        if not len(places):
            continue
        part = slice(int(places[0]) * width // columns, -(-(int(places[-1]) + 1) * width // columns))
        size = (width, len(tall[rows]))
        term = cv2.resize(tall[rows], size, interpolation=cv2.INTER_LINEAR)[:, part]
        cv2.multiply(term, image[rows, part], dst=term, dtype=cv2.CV_32F)
        into = found[rows, part]
        cv2.add(into, cv2.cvtColor(term, cv2.COLOR_RGB2GRAY), dst=into)


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
