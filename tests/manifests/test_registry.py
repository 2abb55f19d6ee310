from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from manifests.registry import entry_names, find_entry, parse_entry, read_entry
from masksmith.errors import BadInput, UsageProblem

WANTED = {
    "eg1800",
    "easyportrait",
    "easyportrait-v1",
    "supervisely-person",
    "camvid",
    "lfw",
    "vggface2",
    "casia-webface",
    "penn-fudan",
    "davis-2016",
    "p3m-10k",
    "mini-supervisely",
    "pp-humanseg14k",
    "dtd",
    "polyhaven-floors",
}
SMALL = """
name = "small"
title = "A small one"
citation = "Nobody, 2026"
licence = "CC0"
terms = "Anything."
subject = "none"

[layout]
"a/*.png" = "pictures"

[[files]]
name = "a.zip"
size = 10
extract = true
urls = [{ url = "https://example.org/a.zip", read_in = "a page", read_on = 2026-11-21 }]
"""


def test_every_dataset_that_is_promised_is_there() -> None:
    assert set(entry_names()) >= WANTED


@pytest.mark.parametrize("name", entry_names())
def test_every_entry_is_whole(name: str) -> None:
    entry = find_entry(name)
    assert entry.title and entry.citation and entry.licence and entry.terms and entry.subject and entry.layout
    for text in (entry.terms, entry.access, entry.split_note):
        assert "\n" not in text
    assert entry.splits or entry.split_note or entry.url_list
    for address in (*entry.pages, *(each for file in entry.files for each in file.urls)):
        assert address.read_in
        assert address.read_on >= datetime.date(2026, 11, 21)


def test_what_cannot_be_fetched_says_how_to_ask() -> None:
    for name in ("vggface2", "casia-webface", "pp-humanseg14k"):
        entry = find_entry(name)
        assert not entry.files
        assert "must ask" in entry.access


def test_the_checksums_of_lfw_are_the_published_ones() -> None:
    entry = find_entry("lfw")
    assert entry.file("lfw.tgz").md5 == "a17d05bd522c52d84eca14327a23d494"
    assert entry.file("lfw-funneled.tgz").md5 == "1b42dfed7d15c9b2dd63d5e5840c86ad"
    assert entry.file("pairs.txt").md5 == "9f1ba174e4e1c508ff7cdf10ac338a7d"


def test_an_unknown_dataset_or_file_names_the_nearest() -> None:
    with pytest.raises(UsageProblem, match="Did you mean 'camvid'"):
        find_entry("camvit")
    with pytest.raises(UsageProblem, match=r"Did you mean 'lfw\.tgz'"):
        find_entry("lfw").file("lfw.tar")


def test_a_small_entry_reads_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    entry = read_entry(tmp_path / "small.toml")
    assert (entry.files[0].size, entry.files[0].folder, entry.files[0].optional) == (10, "a", False)
    assert entry.files[0].urls[0].url == "https://example.org/a.zip"


@pytest.mark.parametrize(
    ("old", "new", "sign"),
    [
        ('subject = "none"', 'subject = "none"\nlicense = "MIT"', "Did you mean 'licence'"),
        ("size = 10", "size = 10\nsha = 1", "sha"),
        ("read_in", "red_in", "red_in"),
        ('title = "A small one"', "", "title"),
        ("size = 10", 'size = "10"', "int"),
        ("size = 10", "size = true", "int"),
        ("size = 10", "size = 0", "above 0"),
        ("size = 10", 'md5 = "A17D"', "32 lower-case"),
        ("extract = true", "extract = 1", "bool"),
        ("2026-11-21", '"2026-11-21"', "date"),
        ("https://example.org/a.zip", "file:///etc/passwd", "http or https"),
        ('read_in = "a page"', 'read_in = ""', "read_in"),
        ("urls = [{", "urls = [] #", "a URL that was read"),
        ('name = "a.zip"', 'name = "../a.zip"', "plain name"),
        ("size = 10", 'into = "../b"', "plain name"),
        ("[[files]]", "[files]", "list"),
        ('"pictures"', "3", "str"),
        ("citation =", "citation = =", "TOML"),
    ],
)
def test_a_mistake_in_an_entry_is_named(old: str, new: str, sign: str) -> None:
    assert old in SMALL
    with pytest.raises(BadInput) as fault:
        parse_entry(SMALL.replace(old, new), "small.toml")
    assert "small.toml" in str(fault.value)
    assert sign in str(fault.value)


def test_an_entry_with_neither_files_nor_access_is_refused() -> None:
    with pytest.raises(BadInput, match="access that says how"):
        parse_entry(SMALL.split("[[files]]")[0], "small.toml")


def test_two_files_of_one_name_are_refused() -> None:
    files = SMALL[SMALL.index("[[files]]") :]
    with pytest.raises(BadInput, match="a name of its own"):
        parse_entry(SMALL + files, "small.toml")
