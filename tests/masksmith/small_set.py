"""A small dataset of scenes: a disc of foot on a grey floor, with recipes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from manifests import Info, ManifestWriter, Record
from masksmith import files, images

EVIL = '<script>alert("x")</script>'
COUNT, SIZE = 24, 48
BLENDS = ("alpha", "gaussian", "poisson")


def write(folder: Path) -> Path:
    """24 scenes, four of them empty: splits by subject and floor, one floor with an evil name."""
    with ManifestWriter(folder, Info("small set", classes={"background": 0, "foot": 1}), prove=("subject",)) as out:
        for k in range(COUNT):
            split, subject = (("train", f"S{k % 4}"), ("val", "Zoë"), ("test", "T 1"))[(0, 0, 0, 0, 1, 2)[k % 6]]
            mask = np.zeros((SIZE, SIZE), np.uint8)
            if k % 6 != 3:
                cv2.circle(mask, (12, 30), 6 + k % 3, 1, -1)
            image = np.full((SIZE, SIZE, 3), 90 + k, np.uint8)
            image[mask == 1] = (200, 150, 120)
            data = images.encode_jpeg(image), images.encode_png(mask)
            files.write_bytes(folder / f"images/{k:03d}.jpg", data[0])
            files.write_bytes(folder / f"masks/{k:03d}.png", data[1])
            blend = {"kind": BLENDS[k % 3], "width_px": 1.0}
            out.add(
                Record(
                    id=f"{k:03d}",
                    image=f"images/{k:03d}.jpg",
                    mask=f"masks/{k:03d}.png",
                    width=SIZE,
                    height=SIZE,
                    subject=subject if mask.any() else None,
                    groups={"floor": (f"{split} {EVIL if k == 0 else 'floor'}",)},
                    split=split,
                    licence=("CC0-1.0",),
                    sha256_image=files.digest(data[0]),
                    sha256_mask=files.digest(data[1]),
                    recipe=json.dumps({"blend": blend, "lens": {"defocus_px": float(k % 2)}, "rug": None}),
                    extra={"sides": ["left"] if k % 2 else ["right", "left"]},
                )
            )
    return folder
