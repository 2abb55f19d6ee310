"""A user's own augmentation: a pipeline of Albumentations 2.0 in a file, JSON or YAML, as Albumentations writes it.

Made with ``albumentations.save(pipeline, "mine.json")``. What is known to go wrong there is said or refused: arguments
that it would only warn about, elastic defaults that move nothing, steps that change the size or the type of a picture.
Every sample seeds the pipeline anew, so neither the workers nor the order matter.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from masksmith.errors import BadInput
from masksmith.images import Image, Mask

SUFFIXES = (".json", ".yaml", ".yml")
MADE = "write it with albumentations.save(pipeline, PATH), Albumentations 2.0"
LEAST_ELASTIC_PX = 0.25
_UNSEEDED = 2**32


class Pipeline:
    """The pipeline in a file; pickles as its text.

    Args:
        path: JSON or YAML.

    Attributes:
        notes: what the user should know about it, a sentence each.

    Raises:
        BadInput: no such file, no such pipeline, an unknown transform or argument.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.document = _document(self.path)
        self._built: dict[bool, Any] = {}
        self._compose(soft=False)  # a mistake shows here and not in a worker
        self.notes = tuple(_notes(self.document))

    def __call__(self, image: Image, mask: Mask, rng: np.random.Generator) -> tuple[Image, Mask]:
        """Augment (H, W, 3) and (H, W) class ids; the generator gives one number, the pipeline's seed.

        Raises:
            BadInput: the pipeline gives another size or type, or ids that were not there.
        """
        moved = self._run(int(rng.integers(_UNSEEDED)), image, mask, soft=False)
        if moved[1].dtype != np.uint8:
            raise BadInput(self.path, "masks that stay uint8", str(moved[1].dtype), "leave masks out of that step")
        return moved[0], np.asarray(moved[1], np.uint8)

    def soft(
        self, image: Image, values: npt.NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[Image, npt.NDArray[np.float32]]:
        """As calling it, for a soft mask (H, W) in [0, 1], which moves with linear interpolation.

        The same generator moves picture and mask as :meth:`__call__` does.
        """
        moved, soft = self._run(int(rng.integers(_UNSEEDED)), image, values.astype(np.float32), soft=True)
        return moved, np.clip(np.asarray(soft, np.float32), 0.0, 1.0)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "document": self.document, "notes": self.notes, "_built": {}}

    def _run(self, seed: int, image: Image, mask: npt.NDArray[Any], *, soft: bool) -> tuple[Image, npt.NDArray[Any]]:
        compose = self._compose(soft=soft)
        compose.set_random_seed(seed)
        try:
            made = compose(image=np.ascontiguousarray(image), mask=np.ascontiguousarray(mask))
        except (ValueError, TypeError, KeyError, cv2.error) as fault:
            told = str(fault).strip().splitlines()[0]
            fitting = f"steps for pictures of {image.shape[1]} x {image.shape[0]}"
            raise BadInput(self.path, fitting, told, MADE) from None
        if made["image"].shape != image.shape or made["mask"].shape != mask.shape:
            height, width = image.shape[:2]
            raise BadInput(
                self.path,
                f"pictures and masks that stay {width} x {height}",
                f"{made['image'].shape} and {made['mask'].shape}",
                f'end it with {{"__class_fullname__": "Resize", "height": {height}, "width": {width}}}',
            )
        if made["image"].dtype != np.uint8:
            raise BadInput(
                self.path, "pictures that stay uint8", str(made["image"].dtype), "leave out Normalize and ToFloat"
            )
        return np.asarray(made["image"], np.uint8), made["mask"]

    def _compose(self, *, soft: bool) -> Any:
        if soft not in self._built:
            self._built[soft] = _build(self.path, _linear(self.document) if soft else self.document)
        return self._built[soft]


def is_pipeline(name: str) -> bool:
    """Whether the name of an augmentation is that of a pipeline's file."""
    return name.lower().endswith(SUFFIXES)


def _document(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        found = getattr(fault, "strerror", None) or str(fault)
        raise BadInput(path, "a pipeline of Albumentations", str(found), "check the path") from None
    try:
        if path.suffix.lower() == ".json":
            document = json.loads(text)
        else:
            import yaml  # type: ignore[import-untyped]

            document = yaml.safe_load(text)
    except Exception as fault:  # yaml has errors of its own
        raise BadInput(path, "JSON or YAML", str(fault).splitlines()[0], MADE) from None
    if not isinstance(document, dict) or not isinstance(document.get("transform"), dict):
        raise BadInput(path, "a pipeline of Albumentations", "something else", MADE)
    return document


def _build(path: Path, document: dict[str, Any]) -> Any:
    # it would ask the network for its newest version when it is imported
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    cv2.setNumThreads(1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            compose = albumentations.from_dict(document)
        except KeyError as fault:
            raise BadInput(path, "transforms of Albumentations", f"{fault} is none", MADE) from None
        except (ValueError, TypeError, AttributeError) as fault:
            raise BadInput(path, "a pipeline of Albumentations", "; ".join(str(fault).split("\n")[:3]), MADE) from None
    for each in told:
        if "not valid for transform" in str(each.message):
            raise BadInput(path, "arguments that the transforms have", str(each.message), "correct or remove them")
    if not isinstance(compose, albumentations.Compose):
        compose = albumentations.Compose([compose])
    return compose


def _steps(node: Any) -> Iterator[dict[str, Any]]:
    """Every transform in a document, however deep."""
    if isinstance(node, dict):
        if "__class_fullname__" in node:
            yield node
        for value in node.values():
            yield from _steps(value)
    elif isinstance(node, list):
        for value in node:
            yield from _steps(value)


def _notes(document: dict[str, Any]) -> Iterator[str]:
    for step in _steps(document):
        name = str(step["__class_fullname__"]).rsplit(".", 1)[-1]
        if name == "ElasticTransform" and (moved := _elastic_px(step)) < LEAST_ELASTIC_PX:
            yield (
                f"ElasticTransform with alpha {step.get('alpha', 1)} and sigma {step.get('sigma', 50)} moves pixels by "
                f"about {moved:.3f} px: that is nothing; alpha 120 to 300 with sigma 6 to 10 can be seen"
            )
        if name in ("Normalize", "ToFloat", "ToTensorV2"):
            yield f"{name} makes floats: batches do that themselves, and the pipeline will be refused when it runs"


def _elastic_px(step: dict[str, Any]) -> float:
    """Mean length, in pixels at 224 x 224, of one draw of an elastic transform."""
    import albumentations

    transform = albumentations.from_dict({"transform": step})
    transform.set_random_seed(0)
    made = transform.get_params_dependent_on_data({"shape": (224, 224, 3)}, {})
    x, y = np.meshgrid(np.arange(224), np.arange(224))
    return float(np.hypot(made["map_x"] - x, made["map_y"] - y).mean())


def _linear(node: Any) -> Any:
    """The same document, masks moved with linear interpolation."""
    if isinstance(node, dict):
        return {key: cv2.INTER_LINEAR if key == "mask_interpolation" else _linear(value) for key, value in node.items()}
    return [_linear(value) for value in node] if isinstance(node, list) else node
