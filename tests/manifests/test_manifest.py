"""Manifests: what goes in comes out, the same bytes for the same records, and never half of one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import Info, Manifest, ManifestWriter, Record
from manifests.manifest import DATASET, RECORDS
from manifests.record import from_table, to_table
from masksmith.errors import BadInput

INFO = Info("feet", classes={"background": 0, "foot": 1}, licence=("CC0-1.0",), seed=0)
text = st.text(max_size=6)
name = st.text(min_size=1, max_size=6)
maybe = st.none() | name
number = st.integers(0, 2**31 - 1)
json_values = st.dictionaries(text, st.none() | st.booleans() | st.integers() | text, max_size=3)


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    return draw(
        st.lists(
            st.builds(
                Record,
                id=name,
                image=name,
                mask=maybe,
                width=number,
                height=number,
                subject=maybe,
                groups=st.dictionaries(name, st.lists(text, min_size=1, max_size=3).map(tuple), max_size=3),
                split=st.sampled_from([None, "train", "val", "test"]),
                clip=maybe,
                frame=st.none() | number,
                source=text,
                licence=st.lists(name, max_size=3).map(tuple),
                sha256_image=text,
                sha256_mask=maybe,
                recipe=maybe,
                extra=json_values,
            ),
            max_size=12,
        )
    )


def simple(count: int, split: str | None = "train") -> list[Record]:
    return [Record(f"r{k:04d}", f"images/{k}.png", None, 4, 4, subject=f"s{k % 7}", split=split) for k in range(count)]


def write(folder: Path, rows: list[Record], info: Info = INFO, rows_per_group: int = 4096) -> Path:
    with ManifestWriter(folder, info, rows_per_group) as writer:
        for row in rows:
            writer.add(row)
    return folder


def bytes_of(folder: Path) -> tuple[bytes, bytes]:
    return (folder / RECORDS).read_bytes(), (folder / DATASET).read_bytes()


@given(records())
@settings(max_examples=80, deadline=None)
def test_records_come_out_of_a_table_as_they_went_in(rows: list[Record]) -> None:
    assert list(from_table(to_table(rows))) == rows


def test_records_come_back_in_order_and_by_split(tmp_path: Path) -> None:
    rows = [*simple(10), *(Record(f"t{k}", "x.png", None, 4, 4, split="test") for k in range(3))]
    dataset = Manifest.open(write(tmp_path / "d", rows, rows_per_group=4))
    assert len(dataset) == 13
    assert list(dataset.records()) == rows
    assert list(dataset.records("test")) == rows[10:]
    assert list(from_table(dataset.rows(3, 6))) == rows[3:9]
    assert dataset.info == INFO
    assert Manifest.open(tmp_path / "d" / DATASET).info == INFO


def test_the_bytes_depend_on_the_records_and_not_on_how_they_came(tmp_path: Path) -> None:
    rows = simple(23)
    write(tmp_path / "one", rows, rows_per_group=5)
    with ManifestWriter(tmp_path / "two", INFO, 5) as writer:
        writer.add_table(to_table(rows[:2]))
        for row in rows[2:9]:
            writer.add(row)
        writer.add_table(to_table(rows[9:]))
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_an_empty_manifest_is_a_manifest(tmp_path: Path) -> None:
    dataset = Manifest.open(write(tmp_path / "d", []))
    assert len(dataset) == 0
    assert list(dataset.records()) == []


def test_an_error_while_writing_changes_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", simple(5))
    before = bytes_of(folder)
    with pytest.raises(RuntimeError), ManifestWriter(folder, INFO, 2) as writer:
        for row in simple(9, "test"):
            writer.add(row)
        raise RuntimeError("stopped")
    assert bytes_of(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == [DATASET, RECORDS]


class Killed(BaseException):
    """Stands for the moment at which a process is gone: nothing after it is cleaned up."""


def test_a_writer_killed_between_its_two_files_leaves_a_manifest_that_opens_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "d", simple(5))
    after = Info("after", classes=INFO.classes)
    with monkeypatch.context() as patch:
        renamed: list[str] = []
        real = os.replace

        def replace(source: os.PathLike[str], target: os.PathLike[str]) -> None:
            if renamed:
                raise Killed
            renamed.append(Path(target).name)
            real(source, target)

        patch.setattr("os.replace", replace)
        patch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
        with pytest.raises(Killed):
            write(folder, simple(7, "test"), after)
    assert renamed == [RECORDS]
    found = Manifest.open(folder)
    assert (len(found), found.info.name) == (7, "after")
    write(folder, simple(3), INFO)
    assert Manifest.open(folder).info == INFO


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda d: (d / DATASET).unlink(), "without dataset.json"),
        (lambda d: (d / RECORDS).unlink(), "records.parquet"),
        (lambda d: (d / DATASET).write_text("{"), "dataset.json"),
        (lambda d: (d / DATASET).write_text("[]"), "dataset.json"),
        (lambda d: (d / RECORDS).write_bytes(b"nothing"), "records.parquet"),
        (lambda d: (d / RECORDS).write_bytes((d / RECORDS).read_bytes()[:-20]), "records.parquet"),
    ],
)
def test_a_broken_manifest_is_named(tmp_path: Path, break_it: object, told: str) -> None:
    folder = write(tmp_path / "d", simple(5))
    break_it(folder)  # type: ignore[operator]
    with pytest.raises(BadInput, match=told):
        Manifest.open(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        Manifest.open(tmp_path / "nowhere")
