"""From a photo to a face of the network's size."""

from __future__ import annotations

import numpy as np

from masksmith.images import Image, resize_image


def centre_crop(image: Image, height: int, width: int) -> Image:
    """The largest part in the middle with the aspect height : width, resized to it; (H, W, 3) uint8."""
    rows, columns = image.shape[:2]
    scale = min(rows / height, columns / width)
    tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (rows - tall) // 2, (columns - wide) // 2
    return resize_image(np.ascontiguousarray(image[top : top + tall, left : left + wide]), height, width)
