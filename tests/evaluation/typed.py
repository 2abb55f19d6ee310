"""Commands as they are typed, and masks saved for them."""

from __future__ import annotations

from pathlib import Path

import cv2

from masksmith import cli


def run(*words: object) -> int | str:
    """The exit code of a command."""
    try:
        cli.main([str(word) for word in words])
    except SystemExit as done:
        return done.code or 0
    return 0


def save(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), values)
