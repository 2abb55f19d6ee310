from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.archives import Limits, extract, is_archive
from masksmith.errors import BadInput, EnvironmentFault

Content = list[tuple[str, bytes]]
PAIR: Content = [("set/images/a.jpg", b"picture"), ("set/masks/a.png", b"mask")]


def zipped(path: Path, content: Content) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content:
            archive.writestr(name, data)
    return path


def tarred(path: Path, content: Content, pack: Callable[[bytes], bytes] = bytes) -> Path:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, data in content:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    path.write_bytes(pack(plain.getvalue()))
    return path


MAKERS = [zipped, tarred]


def refused(archive: Path, sign: str, limits: Limits | None = None) -> None:
    """The archive is refused, and nothing of it is left inside or outside its folder."""
    before = sorted(archive.parent.parent.rglob("*"))
    with pytest.raises(BadInput, match=sign):
        extract(archive, archive.parent / "out", limits)
    assert sorted(archive.parent.parent.rglob("*")) == before


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_in_an_archive_comes_out_of_it(make: Callable[..., Path], tmp_path: Path) -> None:
    archive = make(tmp_path / "a", [("images/a.jpg", b"picture"), ("masks/a.png", b"mask")])
    done = extract(archive, tmp_path / "out")
    assert (done.files, done.bytes) == (2, 11)
    assert (tmp_path / "out/images/a.jpg").read_bytes() == b"picture"
    assert (tmp_path / "out/masks/a.png").read_bytes() == b"mask"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_tars_are_known_by_their_content(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    archive = tarred(tmp_path / "no-ending", PAIR, pack)
    assert is_archive(archive)
    assert extract(archive, tmp_path / "out").files == 2


@pytest.mark.parametrize("make", MAKERS)
def test_one_folder_around_everything_is_left_away(make: Callable[..., Path], tmp_path: Path) -> None:
    extract(make(tmp_path / "a", [*PAIR, ("__MACOSX/set/._a.jpg", b"junk")]), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["images", "masks"]


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "//evil", "C:/evil", "c:evil", "..\\evil", "a\\b", ".."]
)
@pytest.mark.parametrize("make", MAKERS)
def test_a_path_that_leads_out_is_refused(make: Callable[..., Path], name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    refused(make(tmp_path / "in/a", [("good", b"1"), (name, b"2")]), "leads out")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in/a.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
        archive.addfile(tarfile.TarInfo("link/through"))
    refused(tmp_path / "in/a.tar", "link or device")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in/a.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    refused(tmp_path / "in/a.zip", "link or device")


@pytest.mark.parametrize(
    "content", [[("a", b"1"), ("a", b"2")], [("a", b"1"), ("./a", b"2")], [("a", b""), ("a/b", b"")]]
)
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(make: Callable[..., Path], content: Content, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    refused(make(tmp_path / "in/a", content), "every name once")


@pytest.mark.parametrize("make", [zipped, lambda path, content: tarred(path, content, gzip.compress)])
def test_an_archive_that_grows_beyond_measure_is_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    bomb = make(tmp_path / "in/a", [(f"{n}", bytes(1 << 20)) for n in range(4)])
    refused(bomb, "grows like no archive", Limits(free=1 << 20, ratio=10))
    assert extract(bomb, tmp_path / "in/out", Limits(free=8 << 20)).bytes == 4 << 20


def test_a_zip_that_lies_about_its_sizes_is_still_bounded(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    bomb = zipped(tmp_path / "in/a.zip", [("a", bytes(4 << 20))])
    data = bomb.read_bytes()
    true, small = (4 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    assert data.count(true) == 2
    bomb.write_bytes(data.replace(true, small))
    refused(bomb, "whole archive|grows like no archive", Limits(free=1 << 20, ratio=10))


@pytest.mark.parametrize("make", MAKERS)
def test_too_many_members_are_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    refused(make(tmp_path / "in/a", [(f"{n}", b"") for n in range(11)]), "at most 10 members", Limits(members=10))


def test_a_tar_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in/a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "x" * 200_000}
        archive.addfile(info)
    refused(tmp_path / "in/a.tar", "headers of at most", Limits(header=100_000))


@pytest.mark.parametrize("make", [zipped, lambda path, content: tarred(path, content, gzip.compress)])
def test_a_broken_archive_is_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    archive = make(tmp_path / "in/a", [("a", bytes(range(256)) * 200)])
    data = bytearray(archive.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 40] = b"\xff" * 40
    archive.write_bytes(data)
    refused(archive, "whole archive")


@pytest.mark.parametrize("length", [60_000, 512 + 50_176, 512 + 50_176 + 100])
def test_a_cut_tar_is_refused(length: int, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    archive = tarred(tmp_path / "in/a", [("a", bytes(50_000)), ("b", bytes(50_000))])
    archive.write_bytes(archive.read_bytes()[:length])
    refused(archive, "whole archive")


def test_a_tar_with_a_broken_header_in_its_middle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    archive = tarred(tmp_path / "in/a", [("a", bytes(50_000)), ("b", bytes(50_000))])
    data = bytearray(archive.read_bytes())
    data[512 + 50_176 + 10] ^= 255
    archive.write_bytes(data)
    refused(archive, "whole archive")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_bytes(b"<html>gone</html>")
    assert not is_archive(tmp_path / "in/a")
    refused(tmp_path / "in/a", "zip or tar")


def test_a_folder_that_is_there_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(EnvironmentFault, match="there already"):
        extract(zipped(tmp_path / "a", PAIR), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_run_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        extract(zipped(tmp_path / "a", PAIR), tmp_path / "out", stopped=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.text(st.sampled_from("ab./\\: "), min_size=1, max_size=8), min_size=1, max_size=4))
def test_no_name_gets_out_of_the_folder(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("any")
    archive = tarred(place / "a", [(name, b"x") for name in names])
    try:
        extract(archive, place / "out")
    except BadInput:
        assert [path.name for path in place.iterdir()] == ["a"]
    else:
        assert {path.name for path in place.iterdir()} == {"a", "out"}
