"""What a prediction leaves behind: masks, soft masks, overlays, cut-outs, other backgrounds, as files or films."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from masksmith import files, overlay
from masksmith.errors import unknown_choice
from masksmith.images import Image, encode_jpeg, encode_png
from masksmith.overlay import Background, Colour
from masksmith.recording import Recorder
from masksmith.upsampling import Soft

Picture = npt.NDArray[np.uint8]
KINDS = ("masks", "soft", "overlay", "cutout", "background")
"""Hard masks, soft masks in grey levels, tinted pictures, RGBA cut-outs, other backgrounds."""
STILL = {"masks": ".png", "soft": ".png", "overlay": ".jpg", "cutout": ".png", "background": ".jpg"}
FILMED = ("overlay", "background")
"""What becomes a film where the input moves; masks stay files, because video would blur them."""


class Drawing:
    """Makes each kind of picture of an image and its mask.

    Args:
        threshold: at which a soft mask is foreground.
        foreground: the value of foreground in ``masks``.
        colour: of overlays.
        background: what replaces the background.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        foreground: int = 255,
        colour: Colour = overlay.TEAL,
        background: Background | None = None,
    ) -> None:
        behind = background or overlay.blurred()
        self._ways: dict[str, Callable[[Image, Soft], Picture]] = {
            "masks": lambda _, alpha: (alpha >= threshold).astype(np.uint8) * np.uint8(foreground),
            "soft": lambda _, alpha: overlay.levels(alpha),
            "overlay": lambda image, alpha: overlay.tint(image, alpha, colour),
            "cutout": overlay.cut_out,
            "background": lambda image, alpha: overlay.compose(image, alpha, behind),
        }

    def make(self, kind: str, image: Image, alpha: Soft) -> Picture:
        return self._ways[kind](image, alpha)


class Outputs:
    """Writes every kind that was asked for; for use in a ``with`` block, at whose end films are whole.

    Args:
        place: a folder, with a subfolder (or a film) for each kind; or a file, for one kind.
        kinds: of ``KINDS``.
        drawing: makes the pictures.
        films: the kinds that become one film each.
        fps: of films.

    Attributes:
        written: files and folders, in the order of ``kinds``.

    Raises:
        UsageProblem: an unknown kind.
        EnvironmentFault: the disk is full or the folder cannot be written to.
    """

    def __init__(
        self,
        place: str | os.PathLike[str],
        kinds: Sequence[str],
        drawing: Drawing,
        *,
        films: Sequence[str] = (),
        fps: float = 25,
    ) -> None:
        for kind in kinds:
            if kind not in KINDS:
                raise unknown_choice("output", kind, KINDS)
        self.place, self.kinds, self._drawing, self._films = Path(place), tuple(kinds), drawing, tuple(films)
        self._open = contextlib.ExitStack()
        self._recorders: dict[str, Recorder] = {}
        self._fps = fps
        self.single = bool(self.place.suffix) and not self.place.is_dir()

    def __enter__(self) -> Self:
        for kind in self.kinds:
            if kind in self._films:
                place = self.place if self.single else self.place / f"{kind}.mp4"
                self._recorders[kind] = self._open.enter_context(Recorder(place, self._fps))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, fault, trace)

    @property
    def written(self) -> list[Path]:
        if self.single:
            return [self.place]
        return [self.place / (f"{kind}.mp4" if kind in self._films else kind) for kind in self.kinds]

    def path(self, kind: str, name: str) -> Path:
        """Where the picture of a name goes; the name of a picture in a folder may hold folders."""
        return self.place if self.single else self.place / kind / f"{name}{STILL[kind]}"

    def there(self, name: str, since_ns: int) -> bool:
        """Whether every file of a name is there and younger than its picture."""
        if self._films:
            return False
        paths = [self.path(kind, name) for kind in self.kinds]
        return all(path.is_file() and path.stat().st_mtime_ns >= since_ns for path in paths)

    def add(self, name: str, image: Image, alpha: Soft) -> None:
        """Write every kind for one picture (H, W, 3) and its mask (H, W)."""
        for kind in self.kinds:
            made = self._drawing.make(kind, image, alpha)
            if kind in self._recorders:
                self._recorders[kind].add(made)
                continue
            path = self.path(kind, name)
            data = encode_jpeg(made) if path.suffix.lower() in (".jpg", ".jpeg") else encode_png(made, level=1)
            files.write_bytes(path, data, durable=self.single)
