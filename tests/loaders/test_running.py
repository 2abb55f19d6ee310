"""The digests of a file that is coming in."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from loaders.running import Running


@given(st.lists(st.binary(max_size=300), max_size=40))
def test_pieces_have_the_digests_of_the_whole(pieces: list[bytes]) -> None:
    with Running(md5=True) as running:
        for piece in pieces:
            running.add(piece)
        whole = b"".join(pieces)
        assert running.digests() == (hashlib.sha256(whole).hexdigest(), hashlib.md5(whole).hexdigest())


def test_what_came_before_is_read_once_and_more_may_follow(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"abcdef")
    with Running(md5=False) as running:
        running.goes_on_from(tmp_path / "part", 6)
        running.add(b"ghi")
        assert running.digests() == (hashlib.sha256(b"abcdefghi").hexdigest(), None)
        running.add(b"j")
        assert running.digests()[0] == hashlib.sha256(b"abcdefghij").hexdigest()
        running.goes_on_from(tmp_path / "part", 2)  # the file has changed and begins anew
        assert running.digests()[0] == hashlib.sha256(b"ab").hexdigest()
        running.goes_on_from(tmp_path / "part", 0)
        assert running.digests()[0] == hashlib.sha256(b"").hexdigest()
