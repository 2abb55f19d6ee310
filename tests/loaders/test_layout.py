"""Finding a dataset's folders and walking them in the order of ids."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.readers.layout import locate, paired, walk
from loaders.readers.objects import separate, shape_of
from masksmith.errors import BadInput

NAMES = st.text("ab-_. 1~", min_size=1, max_size=3).filter(lambda name: name[0] not in ". " and name[-1] not in ". ")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(NAMES, min_size=1, max_size=3), max_size=12))
def test_files_come_in_the_order_of_their_ids(paths: list[list[str]]) -> None:
    with TemporaryDirectory() as place:
        root = Path(place)
        for parts in paths:
            folder = root.joinpath(*(f"{part}d" for part in parts[:-1]))
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{parts[-1]}.png").touch()
        found = list(walk(root))
        ids = [name for name, _ in found]
        assert ids == sorted(ids)
        wanted = {p.relative_to(root).as_posix().removesuffix(".png") for p in root.rglob("*.png")}
        assert set(ids) == wanted
        assert all(path == f"{root}/{name}.png" for name, path in found)


@given(st.sets(st.text("abc", max_size=3)), st.sets(st.text("abc", max_size=3)))
def test_two_sides_are_paired_by_id_and_nothing_is_lost(left: set[str], right: set[str]) -> None:
    pairs = list(paired(((n, f"l{n}") for n in sorted(left)), ((n, f"r{n}") for n in sorted(right))))
    assert [name for name, _, _ in pairs] == sorted(left | right)
    for name, image, mask in pairs:
        assert image == (f"l{name}" if name in left else None)
        assert mask == (f"r{name}" if name in right else None)


def test_two_files_of_one_id_on_a_side_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(BadInput, match=r"one file an id"):
        list(paired(walk(tmp_path), iter([])))


def test_a_layout_is_found_below_and_its_absence_says_what_was_sought_and_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "left").mkdir(parents=True)
    (tmp_path / "a" / "b" / "right").mkdir()
    layouts = {"one": ("left", "right"), "two": ("top",)}
    assert locate(tmp_path, "x", layouts) == ("one", tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "right").rmdir()
    with pytest.raises(BadInput, match=r"left, right or top .*found a/"):
        locate(tmp_path, "x", layouts)


@given(st.lists(st.integers(0, 2**12 - 1), max_size=4))
def test_objects_give_their_whole_shapes_back_however_they_overlap(parts: list[int]) -> None:
    masks = [np.array([int(bit) for bit in f"{part:012b}"], np.uint8).reshape(3, 4) for part in parts]
    found = separate((({"class": "x"}, mask) for mask in masks), (3, 4))
    union = np.zeros((3, 4), np.uint8)
    for mask, entry in zip(masks, found["objects"], strict=True):
        assert np.array_equal(shape_of(entry, found["instances"]), mask)
        assert entry["area"] == mask.sum()
        union |= mask
    assert np.array_equal(found["mask"], union)
