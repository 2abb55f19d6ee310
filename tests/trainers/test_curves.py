from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from masksmith import images
from trainers.curves import CURVES, Curves


def rows_of(count: int) -> list[dict[str, Any]]:
    shown = {"loss": 0.5, "val_loss": 0.6, "val_miou_image": 0.7, "lr": 1e-3, "best": 1}
    return [{"step": 10 * (k + 1), **shown} for k in range(count)]


def test_between_two_drawings_of_a_run_a_minute_passes_and_its_end_is_drawn_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("trainers.curves.time.monotonic", lambda: now)
    place, drawing = tmp_path / CURVES, Curves(tmp_path)
    for second, drawn in ((1, False), (59, False), (60, True), (90, False), (121, True)):
        now = 1000.0 + second
        drawing.more(rows_of(second))
        assert place.exists() is drawn
        place.unlink(missing_ok=True)
    drawing.draw(rows_of(121))
    assert not place.exists()
    drawing.draw(rows_of(122))
    assert images.read_image(place).shape == (300, 1000, 3)
