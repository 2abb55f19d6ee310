"""Time figures of masks that lie in files: each clip's frames in order, against the truth where there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.coding import Coding
from evaluation.inputs import ClipFolder, Pair, Reader
from evaluation.temporal import ClipFigures, ClipJudge
from masksmith import images
from masksmith.errors import BadInput


def judge_clips(
    pairs: Mapping[str, Pair],
    groups: Sequence[ClipFolder],
    reader: Reader,
    coding: Coding,
    *,
    flow: str | None = None,
    photos: Mapping[str, Path] | None = None,
    advance: Callable[[int], None] = lambda items: None,
) -> list[ClipFigures]:
    """The time figures of each clip; ``photos`` (of each frame, by name) give the motion where ``flow`` names a method.

    Raises:
        BadInput: a file cannot be read, or the frames of a clip differ in size.
    """
    found = []
    for group in groups:
        options: dict[str, Any] = {"flow": flow} if flow else {}
        judge = ClipJudge(group.name, threshold=reader.threshold, step=group.step, **options)
        for position, name in enumerate(group.frames):
            mask, truth = reader.frame(pairs[name], coding)
            picture = None
            if flow and photos:
                picture = images.resize_image(images.read_image(photos[name]), *mask.shape)
            number = group.numbers[position] if group.numbers else None
            try:
                judge.update(mask, truth, frame=number, picture=picture)
            except ValueError as fault:
                fix = "resize them, or use --at"
                raise BadInput(pairs[name].pred, "frames of one size in a clip", str(fault), fix) from None
            advance(1)
        found.append(judge.figures())
    return found
