from __future__ import annotations

import datetime
import email.utils
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.download import Failed, Wanted, download
from loaders.line import Line, Patience
from masksmith.errors import EnvironmentFault
from tests.loaders.server import FileServer, running

DATA = bytes(range(256)) * 1200  # 300 kB
OTHER = DATA[::-1]
QUICK = Patience(tries=3, backoff_s=0.01, longest_s=5, timeout_s=2)
DATE = "Sat, 21 Nov 2026 10:00:00 GMT"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with running() as each:
        yield each


def wanted(place: Path, *urls: str, **how: object) -> Wanted:
    return Wanted(place / "file.bin", urls, **how)  # type: ignore[arg-type]


def reasons(fault: pytest.ExceptionInfo[Failed]) -> list[tuple[str, int | None, str]]:
    return [(each.kind, each.status, each.reason) for each in fault.value.failures]


def test_a_file_comes_whole_with_its_digest(server: FileServer, tmp_path: Path) -> None:
    server.serve("a", DATA)
    fetched = download(wanted(tmp_path, server.url("a")), Line(QUICK))
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert (fetched.size, fetched.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]


def test_a_file_without_a_told_length_comes_too(server: FileServer, tmp_path: Path) -> None:
    server.serve("a", DATA, claims=-1)
    assert download(wanted(tmp_path, server.url("a")), Line(QUICK)).size == len(DATA)


@pytest.mark.parametrize("validator", [{"etag": '"one"'}, {"modified": DATE}])
def test_a_cut_connection_is_gone_on_with(validator: dict[str, str], server: FileServer, tmp_path: Path) -> None:
    served = server.serve("a", DATA, cuts=[100_000, 50_000], **validator)
    download(wanted(tmp_path, server.url("a")), Line(QUICK))
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert [each.get("range") for each in served.requests] == [None, "bytes=100000-", "bytes=150000-"]
    assert served.requests[1]["if-range"] == next(iter(validator.values()))


@pytest.mark.parametrize("how", [{"etag": 'W/"weak"'}, {}, {"etag": '"one"', "ranges": False}])
def test_what_cannot_be_proved_the_same_begins_anew(how: dict[str, object], server: FileServer, tmp_path: Path) -> None:
    served = server.serve("a", DATA, cuts=[100_000], **how)
    download(wanted(tmp_path, server.url("a")), Line(QUICK))
    assert (tmp_path / "file.bin").read_bytes() == DATA
    assert len(served.requests) == 2
    if how.get("ranges", True):
        assert "range" not in served.requests[1]


@pytest.mark.parametrize("ignores", [False, True])
def test_a_file_that_changed_in_between_is_not_patched_together(
    ignores: bool, server: FileServer, tmp_path: Path
) -> None:
    place = wanted(tmp_path, server.url("a"))
    server.serve("a", DATA, etag='"one"', cuts=[100_000] * 3, ranges=False)
    with pytest.raises(Failed):
        download(place, Line(QUICK))
    assert place.part.stat().st_size == 100_000
    server.serve("a", OTHER, etag='"two"', ignores_if_range=ignores)
    download(place, Line(QUICK))
    assert (tmp_path / "file.bin").read_bytes() == OTHER


def test_a_later_run_goes_on_where_the_last_was_cut(server: FileServer, tmp_path: Path) -> None:
    place = wanted(tmp_path, server.url("a"))
    served = server.serve("a", DATA, etag='"one"', cuts=[90_000, 10_000, 10_000])
    with pytest.raises(Failed) as fault:
        download(place, Line(QUICK))
    assert reasons(fault)[0][0] == "network"
    assert not place.path.exists()
    came: list[int] = []
    download(place, Line(QUICK, advance=came.append))
    assert served.requests[-1]["range"] == "bytes=110000-"
    assert sum(came) == len(DATA) - 110_000
    assert place.path.read_bytes() == DATA


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, len(DATA)), max_size=4),
    etag=st.sampled_from([None, '"one"', 'W/"weak"']),
    ranges=st.booleans(),
)
def test_wherever_it_is_cut_the_same_bytes_come(
    cuts: list[int],
    etag: str | None,
    ranges: bool,
    server: FileServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server.serve("a", DATA, etag=etag, ranges=ranges, cuts=list(cuts))
    place = wanted(tmp_path_factory.mktemp("cut"), server.url("a"))
    assert download(place, Line(Patience(tries=6, backoff_s=0.0))).sha256 == hashlib.sha256(DATA).hexdigest()
    assert [path.name for path in place.path.parent.iterdir()] == ["file.bin"]


def test_twenty_random_cuts_cost_next_to_nothing(server: FileServer, tmp_path: Path) -> None:
    import random

    data = random.Random(4).randbytes(2_000_000)
    places = sorted(random.Random(5).sample(range(1, len(data)), 20))
    lengths = [after - before for before, after in zip([0, *places], places, strict=False)]
    served = server.serve("a", data, etag='"one"', cuts=lengths)
    came: list[int] = []
    line = Line(Patience(tries=30, backoff_s=0.0))
    line.advance = came.append
    fetched = download(wanted(tmp_path, server.url("a"), sha256=hashlib.sha256(data).hexdigest()), line)
    assert fetched.size == len(data) and len(served.requests) == 21
    assert all(request["if-range"] == '"one"' for request in served.requests[1:])
    assert sum(came) <= 1.02 * len(data)


def test_a_part_that_is_already_whole_is_only_checked(server: FileServer, tmp_path: Path) -> None:
    place = wanted(tmp_path, server.url("a"), sha256=hashlib.sha256(DATA).hexdigest())
    server.serve("a", DATA, etag='"one"', cuts=[len(DATA) - 1] * 3, ranges=False)
    with pytest.raises(Failed):
        download(place, Line(QUICK))
    place.part.write_bytes(DATA)
    server.files.clear()
    download(place, Line(QUICK))
    assert place.path.read_bytes() == DATA


@pytest.mark.parametrize("known", [{"sha256": "0" * 64}, {"md5": "0" * 32}, {"size": 7}])
def test_a_file_that_is_not_the_published_one_is_removed(
    known: dict[str, object], server: FileServer, tmp_path: Path
) -> None:
    served = server.serve("a", DATA)
    with pytest.raises(Failed, match="expected") as fault:
        download(wanted(tmp_path, server.url("a"), **known), Line(QUICK))
    assert reasons(fault)[0][0] == "wrong"
    assert not list(tmp_path.iterdir())
    assert len(served.requests) == 1


def test_more_bytes_than_wanted_are_not_taken(server: FileServer, tmp_path: Path) -> None:
    server.serve("a", DATA, claims=-1)
    with pytest.raises(Failed, match="more than 1000 bytes"):
        download(wanted(tmp_path, server.url("a"), largest=1000), Line(QUICK))
    server.serve("a", DATA)
    with pytest.raises(Failed, match="more than 1000"):
        download(wanted(tmp_path, server.url("a"), largest=1000), Line(QUICK))


def test_a_length_that_never_comes_is_a_cut(server: FileServer, tmp_path: Path) -> None:
    server.serve("a", DATA, claims=len(DATA) + 10)
    with pytest.raises(Failed) as fault:
        download(wanted(tmp_path, server.url("a")), Line(QUICK))
    assert reasons(fault)[0][0] == "network"
    assert not (tmp_path / "file.bin").exists()


def test_a_dead_link_is_asked_once_and_the_mirror_taken(server: FileServer, tmp_path: Path) -> None:
    server.serve("b", DATA)
    place = wanted(tmp_path, server.url("gone"), server.url("b"))
    assert download(place, Line(QUICK)).url == server.url("b")
    with pytest.raises(Failed) as fault:
        download(wanted(tmp_path, server.url("gone")), Line(QUICK))
    assert reasons(fault) == [("gone", 404, "HTTP 404 Not Found")]


def test_a_mirror_with_other_bytes_is_passed_over(server: FileServer, tmp_path: Path) -> None:
    server.serve("a", OTHER)
    server.serve("b", DATA)
    place = wanted(tmp_path, server.url("a"), server.url("b"), md5=hashlib.md5(DATA).hexdigest())
    assert download(place, Line(QUICK)).url == server.url("b")


@pytest.mark.parametrize(("status", "dated"), [(429, False), (503, True)])
def test_a_server_that_asks_to_wait_is_given_its_time(
    status: int, dated: bool, server: FileServer, tmp_path: Path
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    until = email.utils.format_datetime(now + datetime.timedelta(seconds=2), usegmt=True) if dated else "1"
    served = server.serve("a", DATA, refusals=[(status, {"Retry-After": until})])
    download(wanted(tmp_path, server.url("a")), Line(QUICK))
    assert served.requests[1]["at"] - served.requests[0]["at"] >= 0.95


def test_a_wait_that_is_asked_for_holds_every_thread_back(server: FileServer, tmp_path: Path) -> None:
    served = server.serve("a", DATA, refusals=[(429, {"Retry-After": "1"})])
    other = server.serve("b", DATA)
    line = Line(QUICK)
    first = threading.Thread(target=download, args=(wanted(tmp_path / "1", server.url("a")), line))
    first.start()
    while not served.requests:
        time.sleep(0.01)
    time.sleep(0.2)
    download(wanted(tmp_path / "2", server.url("b")), line)
    first.join()
    assert other.requests[0]["at"] - served.requests[0]["at"] >= 0.95


def test_a_server_that_asks_for_too_much_time_is_left_for_later(server: FileServer, tmp_path: Path) -> None:
    server.serve("a", DATA, refusals=[(429, {"Retry-After": "3600"})])
    with pytest.raises(Failed, match="asks to wait 3600 s") as fault:
        download(wanted(tmp_path, server.url("a")), Line(QUICK))
    assert reasons(fault)[0][:2] == ("network", 429)


def test_waits_grow_between_failed_attempts(server: FileServer, tmp_path: Path) -> None:
    served = server.serve("a", DATA, refusals=[(500, {})] * 3)
    with pytest.raises(Failed):
        download(wanted(tmp_path, server.url("a")), Line(Patience(tries=3, backoff_s=0.1)))
    first, second, third = (each["at"] for each in served.requests)
    assert second - first >= 0.1
    assert third - second >= 0.2


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,x", "http://:80/", "//[", "gopher:x"]
)
def test_a_redirect_to_anything_but_http_is_refused(target: str, server: FileServer, tmp_path: Path) -> None:
    served = server.serve("a", redirect=target)
    with pytest.raises(Failed) as fault:
        download(wanted(tmp_path, server.url("a")), Line(QUICK))
    assert reasons(fault)[0][0] == "wrong"
    assert len(served.requests) == 1
    assert not list(tmp_path.iterdir())


def test_a_url_that_is_not_http_is_not_asked(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    with pytest.raises(Failed, match="not an http or https URL"):
        download(wanted(tmp_path, secret.as_uri()), Line(QUICK))


def test_redirects_are_followed_to_an_end(server: FileServer, tmp_path: Path) -> None:
    server.serve("a", redirect="/b")
    server.serve("b", redirect=server.url("c"))
    server.serve("c", DATA)
    assert download(wanted(tmp_path, server.url("a")), Line(QUICK)).size == len(DATA)
    server.serve("c", redirect="/a")
    with pytest.raises(Failed, match="more than 10 redirects"):
        download(wanted(tmp_path / "2", server.url("a")), Line(QUICK))


def test_a_placeholder_and_a_web_page_are_not_taken_for_the_file(server: FileServer, tmp_path: Path) -> None:
    server.serve("a", redirect="/photo_unavailable.png")
    server.serve("photo_unavailable.png", DATA)
    with pytest.raises(Failed, match="placeholder"):
        download(wanted(tmp_path, server.url("a"), refuse=("photo_unavailable",)), Line(QUICK))
    server.serve("b", b"<html>log in</html>", kind="text/html; charset=utf-8")
    with pytest.raises(Failed, match="web page"):
        download(wanted(tmp_path, server.url("b")), Line(QUICK))


def test_a_slow_server_is_waited_for_and_a_silent_one_is_not(server: FileServer, tmp_path: Path) -> None:
    server.serve("a", DATA, pause_s=0.1)
    download(wanted(tmp_path, server.url("a")), Line(Patience(tries=1, timeout_s=0.4)))
    server.serve("b", DATA, pause_s=0.5)
    with pytest.raises(Failed, match="no answer in time"):
        download(wanted(tmp_path / "2", server.url("b")), Line(Patience(tries=1, timeout_s=0.2)))


def test_a_host_that_is_not_there_is_a_network_fault(tmp_path: Path) -> None:
    with running() as gone:
        url = gone.url("a")
    with pytest.raises(Failed, match="refused") as fault:
        download(wanted(tmp_path, url), Line(QUICK))
    assert reasons(fault)[0][:2] == ("network", None)


def test_a_run_that_is_to_stop_keeps_what_came(server: FileServer, tmp_path: Path) -> None:
    server.serve("a", DATA, etag='"one"', pause_s=0.05)
    line = Line(QUICK)
    line.advance = lambda _: line.stop.set()
    place = wanted(tmp_path, server.url("a"))
    with pytest.raises(KeyboardInterrupt):
        download(place, line)
    assert 0 < place.part.stat().st_size < len(DATA)


def test_proxies_of_the_environment_are_used(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url(""))
    server.files["http://masksmith.invalid/a"] = served = server.serve("a", DATA)
    download(wanted(tmp_path, "http://masksmith.invalid/a"), Line(QUICK))
    assert served.requests[0]["host"] == "masksmith.invalid"


def test_a_folder_that_cannot_be_made_ends_it_at_once(server: FileServer, tmp_path: Path) -> None:
    served = server.serve("a", DATA)
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(EnvironmentFault, match="a file stands where a folder is needed"):
        download(wanted(tmp_path / "taken" / "deep", server.url("a")), Line(QUICK))
    assert not served.requests
