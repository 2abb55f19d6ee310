"""The cost model: what is fitted is what was measured, and what is reckoned follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import scaling
from manifests import Manifest
from manifests.audit import audit


@given(st.floats(0, 1e4), st.floats(1e-6, 10), st.integers(1, 1000), st.integers(1, 10**6))
def test_a_straight_line_is_found_and_holds_everywhere(fixed: float, each: float, first: int, more: int) -> None:
    sizes = [first, first + more, 100 * (first + more)]
    rows = [{"cpu_s": fixed + each * size} for size in sizes]
    found = scaling.checked(sizes, rows, scaling.fitted(sizes, rows))
    assert [row["over_model"] for row in found] == pytest.approx([1, 1, 1], rel=1e-3)


def test_work_that_grows_faster_than_the_items_is_seen() -> None:
    sizes = [250, 1000, 10_000]
    rows = [{"cpu_s": size**2 / 1000} for size in sizes]
    assert scaling.checked(sizes, rows, scaling.fitted(sizes, rows))[-1]["over_model"] > 2


def test_made_up_rows_are_a_manifest_whose_split_has_no_leak(tmp_path: Path) -> None:
    scaling.write_rows(tmp_path, 900)
    manifest = Manifest.open(tmp_path)
    found = audit(manifest)
    assert len(manifest) == 900 and found.clean and set(found.counts) == {"train", "val", "test"}
    assert len(set(manifest.table(["sha256_image"]).column(0).to_pylist())) == 900


@pytest.mark.parametrize("name", sorted(scaling.PARTS))
def test_every_part_can_be_done_on_few_rows(name: str, tmp_path: Path) -> None:
    if name not in ("save", "plan", "receipts"):
        scaling.write_rows(tmp_path, 300)
    scaling.PARTS[name](tmp_path, 2_500 if name == "receipts" else 300)
    if name == "receipts":
        assert len(list((tmp_path / "receipts" / ".receipts" / "scenes").glob("0*.json"))) == 3


def rows(bytes_a_row: float) -> dict[str, dict[str, dict[str, float]]]:
    """Two sizes at which every part takes so many bytes and 10 microseconds a row."""
    return {
        str(count): {
            name: {"cpu_s": 1 + count * 1e-5, "peak_mb": 100 + count * bytes_a_row / 1e6} for name in scaling.PARTS
        }
        for count in (10_000, 1_000_000)
    }


def test_limits_follow_from_the_memory_a_row() -> None:
    held = scaling.ASSUMED["head_gb"]
    for bytes_a_row, fits in ((100.0, True), (2000.0, False)):
        for limit in scaling.limits(rows(bytes_a_row)):
            assert limit["bytes_a_row"] == pytest.approx(bytes_a_row)
            assert (limit["gb_at_target"] < held) is fits
            assert limit["rows_in_memory"] == pytest.approx(held * 1e9 / bytes_a_row)
            assert limit["rows_a_second"] == pytest.approx(1e5)


def test_a_part_whose_memory_does_not_grow_has_no_limit() -> None:
    assert all(limit["rows_in_memory"] is None for limit in scaling.limits(rows(0.0)))


def test_a_hundred_million_images_are_reckoned_from_cost_and_cluster() -> None:
    made = {"model": {"each": 0.036}, "sizes": [{"bytes_an_image": 20_000, "manifest_bytes_a_row": 250}]}
    found = scaling.reckon(made, {"model": {"each": 0.0036}}, rows(100.0))
    cores = scaling.ASSUMED["nodes"] * scaling.ASSUMED["cores_a_node"]
    assert found["generate_core_hours"] == pytest.approx(1000) and found["generate_hours"] == pytest.approx(
        1000 / cores
    )
    assert found["terabytes"] == pytest.approx(2) and found["manifest_gb"] == pytest.approx(25)
    assert found["tar_shards"] == 100_000 and found["receipts_lists"] == 100
    assert found["split_hours"] == pytest.approx((1 + 1e8 * 1e-5) / 3600)
