from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loaders import fetch as fetching
from loaders.fetch import Outcome, Request, fetch, plan
from loaders.line import Patience
from manifests import registry
from manifests.registry import Entry, parse_entry
from masksmith import cli
from masksmith.errors import BadInput, EnvironmentFault, UsageProblem
from tests.loaders.server import FileServer, running

QUICK = Patience(tries=2, backoff_s=0.01, timeout_s=2)
HEAD = """
name = "small"
title = "A small one"
citation = "Nobody, 2026"
licence = "CC BY 4.0"
terms = "Name them."
subject = "none"
access = "Write to nobody."
{table}
[layout]
"a/*.png" = "pictures"
"""


@pytest.fixture
def server() -> Iterator[FileServer]:
    with running() as each:
        yield each


def zip_of(**content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in content.items():
            archive.writestr(f"set/{name}.png", data)
    return packed.getvalue()


ZIP = zip_of(a=b"one", b=b"two")


def entry(server: FileServer, *files: str, table: str = "") -> Entry:
    text = HEAD.format(table="")
    for line in files:
        name, _, more = line.partition(";")
        url = f'{{ url = "{server.url(name)}", read_in = "a test", read_on = 2026-11-21 }}'
        text += f'\n[[files]]\nname = "{name}"\nurls = [{url}]\n' + more.replace(";", "\n")
    return parse_entry(text + table, "small.toml")


LIST = '\n[url_list]\nname = "urls.txt"\ninto = "images"\nplaceholders = ["unavailable"]\n'


def ask(server: FileServer, tmp_path: Path, *files: str, **how: Any) -> Request:
    return Request(entry(server, *files), tmp_path / "small", patience=QUICK, **how)


def run(request: Request) -> dict[str, Outcome]:
    return {each.path: each for each in fetch(request, accept=True)}


def ledger(request: Request) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((request.out / ".fetch.json").read_text())
    return value


def test_archives_come_are_unpacked_and_noted(server: FileServer, tmp_path: Path) -> None:
    server.serve("a.zip", ZIP)
    server.serve("list.txt", b"a\nb\n")
    request = ask(server, tmp_path, "a.zip;extract = true", "list.txt")
    done = run(request)
    assert (done["a.zip"].result, done["a.zip"].files) == ("fetched", 2)
    assert (request.out / "a/a.png").read_bytes() == b"one"
    assert (request.out / "list.txt").read_bytes() == b"a\nb\n"
    assert ledger(request)["files"]["a.zip"]["sha256"] == hashlib.sha256(ZIP).hexdigest()
    assert ledger(request)["licence"] == {"licence": "CC BY 4.0", "terms": "Name them."}


def test_a_second_run_asks_for_nothing(server: FileServer, tmp_path: Path) -> None:
    served = server.serve("a.zip", ZIP)
    request = ask(server, tmp_path, "a.zip;extract = true")
    run(request)
    assert [step.action for step in plan(request)] == ["have"]
    assert run(request)["a.zip"].result == "had"
    (request.out / "a.zip").unlink()  # to save room; what was in it is there
    assert run(request)["a.zip"].result == "had"
    assert len(served.requests) == 1


def test_without_consent_nothing_is_written(server: FileServer, tmp_path: Path) -> None:
    served = server.serve("a.zip", ZIP)
    request = ask(server, tmp_path, "a.zip")
    with pytest.raises(UsageProblem, match=r"CC BY 4\.0; agree with --accept-licence"):
        fetch(request)
    assert not list(tmp_path.iterdir())
    assert not served.requests


def test_consent_is_asked_for_again_when_the_terms_change(server: FileServer, tmp_path: Path) -> None:
    server.serve("a.zip", ZIP)
    request = ask(server, tmp_path, "a.zip")
    run(request)
    fetch(request)
    with pytest.raises(UsageProblem, match="agree with"):
        fetch(replace(request, entry=replace(request.entry, terms="Pay them.")))


def test_what_came_first_is_held_to(server: FileServer, tmp_path: Path) -> None:
    server.serve("a.zip", ZIP)
    request = ask(server, tmp_path, "a.zip")
    run(request)
    (request.out / "a.zip").unlink()
    server.serve("a.zip", zip_of(a=b"another", b=b"two"))
    failed = run(request)["a.zip"]
    assert failed.result == "failed"
    assert failed.failures[0].kind == "wrong"
    assert not (request.out / "a.zip").exists()
    server.serve("a.zip", ZIP)
    assert run(request)["a.zip"].result == "fetched"


def test_a_file_that_was_changed_on_disk_is_named(server: FileServer, tmp_path: Path) -> None:
    server.serve("a.zip", ZIP)
    request = ask(server, tmp_path, "a.zip")
    run(request)
    (request.out / "a.zip").write_bytes(ZIP[:-1] + b"x")
    with pytest.raises(BadInput, match="sha256"):
        run(request)


def test_a_file_of_unknown_origin_is_not_taken_for_the_dataset(server: FileServer, tmp_path: Path) -> None:
    served = server.serve("a.zip", ZIP)
    request = ask(server, tmp_path, "a.zip")
    request.out.mkdir()
    (request.out / "a.zip").write_bytes(ZIP)
    with pytest.raises(BadInput, match="not fetched here"):
        run(request)
    known = ask(server, tmp_path, f'a.zip;sha256 = "{hashlib.sha256(ZIP).hexdigest()}"')
    assert run(known)["a.zip"].result == "had"
    assert not served.requests


def test_a_dead_link_stops_nobody_and_is_counted(server: FileServer, tmp_path: Path) -> None:
    server.serve("b.txt", b"b")
    request = ask(server, tmp_path, "a.txt", "b.txt")
    for count in (1, 2):
        done = run(request)
        assert (done["a.txt"].result, done["b.txt"].result) == ("failed", "fetched" if count == 1 else "had")
        noted = ledger(request)["urls"][server.url("a.txt")]
        assert noted == {"result": "failed", "reason": "HTTP 404 Not Found", "status": 404, "count": count}
    server.serve("a.txt", b"a")
    assert run(request)["a.txt"].result == "fetched"
    assert ledger(request)["urls"][server.url("a.txt")]["result"] == "fetched"


def test_no_more_files_at_a_time_than_asked_for(server: FileServer, tmp_path: Path) -> None:
    names = [f"{n}.bin" for n in range(6)]
    gate = threading.Event()
    served = [server.serve(name, b"x", gate=gate) for name in names]
    running = threading.Thread(target=run, args=(ask(server, tmp_path, *names, parallel=2),))
    running.start()
    gate.wait(0.4)
    asked = sum(len(each.requests) for each in served)
    gate.set()
    running.join()
    assert asked == 2
    assert sum(len(each.requests) for each in served) == 6


def test_a_bad_archive_is_kept_out_and_named(server: FileServer, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../evil"))
    server.serve("a.tar", packed.getvalue())
    request = ask(server, tmp_path, "a.tar;extract = true")
    with pytest.raises(BadInput, match="leads out"):
        run(request)
    assert not (tmp_path / "evil").exists()
    assert not (request.out / "a").exists()


@pytest.mark.parametrize("noted", [True, False])
def test_a_run_killed_around_unpacking_goes_on(noted: bool, server: FileServer, tmp_path: Path) -> None:
    served = server.serve("a.zip", ZIP)
    request = ask(server, tmp_path, "a.zip;extract = true")
    run(request)
    data = ledger(request)
    known = data["files"]["a.zip"]
    known["unpacking"] = known.pop("unpacked")
    (request.out / ".a.unpacking").mkdir()
    if not noted:
        shutil.rmtree(request.out / "a")
    (request.out / ".fetch.json").write_text(json.dumps(data))
    done = run(request)["a.zip"]
    assert (done.result, done.files) == ("unpacked", 2)
    assert not (request.out / ".a.unpacking").exists()
    assert (request.out / "a/b.png").read_bytes() == b"two"
    assert len(served.requests) == 1


def test_a_run_killed_before_its_note_takes_what_came(server: FileServer, tmp_path: Path) -> None:
    served = server.serve("a.zip", ZIP)
    request = ask(server, tmp_path, "a.zip")
    run(request)
    data = ledger(request)
    data["files"]["a.zip"] = {"begun": True}
    (request.out / ".fetch.json").write_text(json.dumps(data))
    assert run(request)["a.zip"].sha256 == hashlib.sha256(ZIP).hexdigest()
    assert len(served.requests) == 1


def test_a_folder_that_is_not_from_here_is_left_alone(server: FileServer, tmp_path: Path) -> None:
    server.serve("a.zip", ZIP)
    request = ask(server, tmp_path, "a.zip;extract = true")
    (request.out / "a").mkdir(parents=True)
    with pytest.raises(EnvironmentFault, match="not from here"):
        run(request)
    (request.out / "a").rmdir()
    assert run(request)["a.zip"].files == 2


def test_a_disk_without_room_is_told_before_anything_is_asked(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = server.serve("a.zip", ZIP)
    free = shutil.disk_usage(tmp_path).free
    request = ask(server, tmp_path, f"a.zip;extract = true;about = {free // 2 + 10**9}")
    with pytest.raises(EnvironmentFault, match="needs about"):
        run(request)
    assert not served.requests


def test_optional_files_come_when_they_are_asked_for(server: FileServer, tmp_path: Path) -> None:
    server.serve("a.txt", b"a")
    server.serve("b.txt", b"b")
    files = ("a.txt", "b.txt;optional = true")
    assert set(run(ask(server, tmp_path, *files))) == {"a.txt"}
    assert set(run(ask(server, tmp_path, *files, only=("b.txt",)))) == {"b.txt"}
    with pytest.raises(UsageProblem, match="unknown file of small"):
        run(ask(server, tmp_path, *files, only=("c.txt",)))


def test_an_archive_from_elsewhere_is_checked_and_unpacked(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(ZIP)
    request = ask(server, tmp_path, f'a.zip;extract = true;md5 = "{"0" * 32}"', origin=tmp_path / "a.zip")
    with pytest.raises(BadInput, match="md5"):
        run(request)
    md5 = hashlib.md5(ZIP).hexdigest()
    request = ask(server, tmp_path, f'a.zip;extract = true;md5 = "{md5}"', origin=tmp_path / "a.zip")
    assert run(request)["a.zip"].result == "unpacked"
    assert (request.out / "a/a.png").exists()
    assert run(request)["a.zip"].result == "had"


def test_a_cut_archive_from_elsewhere_is_told_by_its_size(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(ZIP[:-1])
    request = ask(server, tmp_path, f"a.zip;extract = true;size = {len(ZIP)}", origin=tmp_path / "a.zip")
    with pytest.raises(BadInput, match=f"expected {len(ZIP)} bytes"):
        run(request)
    (tmp_path / "a.zip").write_bytes(ZIP)
    assert run(request)["a.zip"].files == 2


def test_a_second_archive_of_the_same_name_must_be_the_same(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "mine.zip").write_bytes(ZIP)
    request = ask(server, tmp_path, "a.zip", origin=tmp_path / "mine.zip")
    run(request)
    assert (request.out / "mine/a.png").read_bytes() == b"one"
    (tmp_path / "mine.zip").write_bytes(zip_of(a=b"other"))
    with pytest.raises(BadInput, match="sha256"):
        run(request)


def listed(server: FileServer, tmp_path: Path, lines: str) -> Request:
    (tmp_path / "urls.txt").write_text(lines)
    asked = entry(server, table=LIST)
    return Request(asked, tmp_path / "small", tmp_path / "urls.txt", patience=QUICK)


def test_a_list_of_urls_gives_what_is_left_of_it(server: FileServer, tmp_path: Path) -> None:
    server.serve("1", b"one")
    server.serve("3", redirect="/unavailable.png")
    lines = f"1.jpg {server.url('1')}\n2.jpg {server.url('2')}\n3.jpg {server.url('3')}\n4.jpg None\n"
    request = listed(server, tmp_path, lines)
    done = run(request)
    assert {path: each.result for path, each in done.items()} == {
        "images/1.jpg": "fetched",
        "images/2.jpg": "failed",
        "images/3.jpg": "failed",
        "images/4.jpg": "dead",
    }
    assert [path.name for path in (request.out / "images").iterdir()] == ["1.jpg"]
    server.serve("2", b"two")
    assert run(request)["images/2.jpg"].result == "fetched"
    assert run(request)["images/1.jpg"].result == "had"
    assert len(server.files["/1"].requests) == 1


def test_the_list_of_eg1800_reads_with_its_dead_lines(real_data: Path, tmp_path: Path) -> None:
    listing = real_data / "eg1800" / "alldata_urls.txt"
    steps = plan(Request(registry.find_entry("eg1800"), tmp_path / "eg1800", listing))
    assert sum(step.action == "dead" for step in steps) == 117
    assert len({step.path for step in steps}) == 1885


@pytest.mark.parametrize(
    ("lines", "sign"),
    [
        ("../1.jpg http://127.0.0.1/1", "plain file name"),
        ("/etc/1.jpg http://127.0.0.1/1", "plain file name"),
        (".fetch.json http://127.0.0.1/1", "plain file name"),
        ("1.jpg file:///etc/passwd", "http or https"),
        ("1.jpg http://127.0.0.1/1\n1.jpg http://127.0.0.1/2", "every name once"),
        ("# nothing", "lines of a file name"),
    ],
)
def test_a_list_with_a_bad_line_is_refused(lines: str, sign: str, server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=sign):
        run(listed(server, tmp_path, lines))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["urls.txt"]


def test_the_folder_of_another_dataset_is_refused(server: FileServer, tmp_path: Path) -> None:
    server.serve("a.zip", ZIP)
    request = ask(server, tmp_path, "a.zip")
    run(request)
    with pytest.raises(BadInput, match="ledger of 'other'"):
        plan(replace(request, entry=replace(request.entry, name="other")))
    (request.out / ".fetch.json").write_text("{")
    with pytest.raises(BadInput, match="ledger in JSON"):
        plan(request)


def test_ctrl_c_keeps_what_came_for_the_next_run(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * 4000
    served = server.serve("a.bin", data, etag='"one"', pause_s=0.05)
    request = ask(server, tmp_path, "a.bin")
    part = request.out / ".a.bin.part"

    def stop(*_: object) -> Iterator[object]:
        while not part.exists() or part.stat().st_size == 0:
            threading.Event().wait(0.01)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fetching.futures, "as_completed", stop)
        with pytest.raises(KeyboardInterrupt):
            run(request)
    served.pause_s = 0.0
    assert [step.action for step in plan(request)] == ["resume"]
    assert run(request)["a.bin"].bytes == len(data)
    assert served.requests[-1]["range"].startswith("bytes=")


@pytest.fixture
def command(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run ``masksmith fetch small ...`` with the dataset ``small`` in the registry; a.zip and b.txt are its files."""
    small = entry(server, "a.zip;extract = true", "b.txt")
    monkeypatch.setattr(registry, "find_entry", lambda name: small)

    def call(*words: str) -> tuple[int, str, str]:
        code = 0
        try:
            cli.main(["fetch", "small", "--to", str(tmp_path), *words])
        except SystemExit as end:
            code = int(end.code or 0)
        caught = capsys.readouterr()
        return code, caught.out, caught.err

    return call


Command = Callable[..., tuple[int, str, str]]


def test_the_command_shows_the_terms_and_needs_consent(command: Command, server: FileServer, tmp_path: Path) -> None:
    server.serve("a.zip", ZIP)
    server.serve("b.txt", b"b")
    code, _, err = command()
    assert code == 2
    assert "CC BY 4.0. Name them." in err and "Nobody, 2026" in err
    assert not (tmp_path / "small").exists()
    code, out, _ = command("--accept-licence", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["counts"] == {"had": 0, "fetched": 2, "unpacked": 0, "failed": 0, "dead": 0}
    assert told["files"][0]["unpacked_files"] == 2
    assert command()[0] == 0  # agreed to before


def test_a_dry_run_writes_and_asks_nothing(command: Command, server: FileServer, tmp_path: Path) -> None:
    code, out, _ = command("--dry-run", "--json")
    assert code == 0
    assert [each["action"] for each in json.loads(out)["files"]] == ["fetch", "fetch"]
    assert "fetch: a.zip" in command("--dry-run")[1]
    assert not list(tmp_path.iterdir())


def test_the_exit_code_says_whether_to_come_again_or_to_look(command: Command, server: FileServer) -> None:
    server.serve("a.zip", ZIP)
    code, _, err = command("--accept-licence")
    assert code == 4
    assert "HTTP 404" in err and "run the same command again" in err
    server.serve("b.txt", b"<html></html>", kind="text/html")
    code, _, err = command()
    assert code == 3
    assert "web page" in err


def test_what_must_be_asked_for_says_whom(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["fetch", "pp-humanseg14k", "--to", str(tmp_path), "--accept-licence"])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert "chulutao@baidu.com" in err and "https://arxiv.org/abs/2112.07146" in err
    assert err.index("1. ") < err.index("2. ") < err.index("3. ")
    assert f"masksmith fetch pp-humanseg14k --to {tmp_path} --from ARCHIVE" in err
    assert not list(tmp_path.iterdir())


def test_the_list_names_every_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["fetch", "--list"])
    out = capsys.readouterr().out
    assert all(name in out for name in registry.entry_names())
