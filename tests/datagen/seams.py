"""What a small classifier can see of a seam: how steeply, and how evenly, colour changes across it."""

from __future__ import annotations

import cv2
import numpy as np

from datagen.compose import Scene

REACH = 5  # pixels to each side of the edge


def edges(scene: Scene, rng: np.random.Generator, each: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """(N, F) features of pixels on pasted seams and on other edges of the picture, and (N,) 1 for seams."""
    kernel = np.ones((3, 3), np.uint8)
    seam = cv2.dilate(scene.mask, kernel) - cv2.erode(scene.mask, kernel)
    far = cv2.distanceTransform(1 - seam, cv2.DIST_L2, 3)
    grey = cv2.cvtColor(scene.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    soft = cv2.GaussianBlur(grey, (0, 0), 1.5)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    slope = np.hypot(across, down)
    inside = np.zeros(seam.shape, bool)
    inside[8:-8, 8:-8] = True
    ridge = slope >= cv2.dilate(slope, kernel) - 1e-3
    picked, truth = [], []
    for kind, where in ((1, (seam > 0) & (slope > 25)), (0, ridge & (far > 10) & (slope > 25))):
        places = np.argwhere(where & inside)
        picked.append(places[rng.permutation(len(places))[:each]])
        truth.append(np.full(len(picked[-1]), kind))
    rows, columns = np.concatenate(picked).T
    direction = np.stack([across, down])[:, rows, columns] / np.maximum(slope[rows, columns], 1e-6)
    step = np.arange(-REACH, REACH + 1, dtype=np.float32)
    x, y = (start[:, None] + way[:, None] * step for start, way in zip((columns, rows), direction, strict=True))
    profile = cv2.remap(grey, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    span = profile[:, -3:].mean(axis=1) - profile[:, :3].mean(axis=1)
    climb = np.diff(profile, axis=1) / np.where(np.abs(span) < 4, 4, span)[:, None]
    bend = np.sort(np.abs(np.diff(climb, axis=1)), axis=1)
    features = np.hstack([climb + climb[:, ::-1], np.abs(climb - climb[:, ::-1]), bend])  # blind to which side is which
    return features, np.concatenate(truth)
