"""The demo's server and the package it gives: asked over loopback, as a browser would."""

import base64
import hashlib
import io
import json
import tarfile
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from masksmith.demo import package, server
from masksmith.errors import BadInput, EnvironmentFault
from tests.evaluation.typed import run
from tests.masksmith.tiny import brightness


def packed(path, kept, leave=""):
    """A package file with the right names in it."""
    with tarfile.open(path, "w:gz") as archive:
        for member in kept.members:
            if not leave or not member.endswith(leave):
                info = tarfile.TarInfo(f"package/{member}")
                info.size = len(member)
                archive.addfile(info, io.BytesIO(member.encode()))
    return path


def trusted(monkeypatch, **paths):
    """Let the digests of these package files count as the known ones."""
    made = []
    for name, path in paths.items():
        known = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
        made.append(replace(getattr(package, name), integrity=f"sha512-{known}"))
        monkeypatch.setattr(package, name, made[-1])
    monkeypatch.setattr(package, "PACKAGES", tuple(made))
    return made


@pytest.fixture
def runtimes(tmp_path, monkeypatch):
    """Both packages' files, taken from package files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    paths = {name: packed(tmp_path / f"{name}.tgz", getattr(package, name)) for name in ("ORT", "LITERT")}
    made = trusted(monkeypatch, **paths)
    assert [package.take(path)[0] for path in paths.values()] == made
    return made


@pytest.fixture
def url(runtimes, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(bytes(range(256)) * 8)
    model = brightness(tmp_path / "bright.onnx")
    with server.Server(server.site([model], tmp_path / "clip.mp4"), port=0).running() as address:
        yield address


def get(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.code, fault.headers, fault.read()


def test_every_file_comes_with_its_type_and_the_policy_against_requests(url):
    for address, kind in (
        ("", "text/html"),
        ("page.js", "text/javascript"),
        ("worker.js", "text/javascript"),
        ("scene.js", "text/javascript"),
        ("style.css", "text/css"),
        ("site.json", "application/json"),
        ("engines.js", "text/javascript"),
        ("engines/ort.wasm.min.mjs", "text/javascript"),
        ("engines/ort-wasm-simd-threaded.wasm", "application/wasm"),
        ("engines/litert_wasm_internal.js", "text/javascript"),
        ("models/0.onnx", "application/octet-stream"),
    ):
        status, headers, body = get(url + address)
        assert status == 200 and len(body) > 0, address
        assert headers["Content-Type"].startswith(kind)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "http:" not in headers["Content-Security-Policy"]
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    told = json.loads(get(url + "site.json")[2])
    assert told["clip"] == "/clip.mp4"
    assert told["kinds"] == [".onnx", ".tflite"]
    assert told["models"][0]["size"] == [32, 32]
    assert [given["kind"] for given in told["models"][0]["inputs"]] == ["image", "prior"]


def test_nothing_else_is_given(url):
    for address in (
        "etc/passwd",
        "../server.py",
        "%2e%2e/server.py",
        "engines/receipt.json",
        "models/1.onnx",
        "server.py",
    ):
        assert get(url + address)[0] == 404, address


def test_a_stranger_s_name_for_this_machine_is_refused(url):
    assert get(url, Host="masks.example")[0] == 403
    assert get(url, Host="localhost:1")[0] == 200


def test_parts_of_a_clip_can_be_asked_for(url):
    whole = bytes(range(256)) * 8
    for asked, part in (("bytes=5-9", whole[5:10]), ("bytes=2000-", whole[2000:]), ("bytes=-7", whole[-7:])):
        status, headers, body = get(url + "clip.mp4", Range=asked)
        assert (status, body) == (206, part)
        assert headers["Content-Range"].endswith("/2048")
    assert get(url + "clip.mp4", Range="bytes=9999-")[0] == 416


def test_without_the_package_the_demo_says_how_to_fetch_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run("demo", brightness(tmp_path / "bright.onnx")) == 4
    assert "masksmith demo --fetch" in capsys.readouterr().err


def test_a_package_of_another_digest_or_without_a_file_is_refused_and_nothing_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = packed(tmp_path / "package.tgz", package.ORT, leave="ort.webgpu.min.mjs")
    assert run("demo", "--package", path) == 3
    assert "digest" in capsys.readouterr().err
    (known,) = trusted(monkeypatch, ORT=path)
    with pytest.raises(BadInput, match=r"ort\.webgpu\.min\.mjs"):
        package.take(path)
    with pytest.raises(EnvironmentFault):
        package.found(known)


def test_a_file_that_was_cut_off_since_counts_as_not_fetched(runtimes):
    for kept in runtimes:
        assert package.found(kept) == kept.folder
        (kept.folder / kept.files[0]).write_bytes(b"")
        with pytest.raises(EnvironmentFault, match="--fetch"):
            package.found(kept)


def test_one_runtime_is_enough_for_its_own_models(runtimes, tmp_path):
    (package.LITERT.folder / package.LITERT.files[0]).unlink()
    (tmp_path / "net.tflite").write_bytes(b"x")
    assert server.site([brightness(tmp_path / "bright.onnx")]).kinds == [".onnx"]
    with pytest.raises(EnvironmentFault, match=r"\.tflite.*--fetch"):
        server.site([tmp_path / "net.tflite"])


def test_npm_that_is_absent_killed_or_refused_says_so_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="npm is not installed"):
        package.fetch(package.LITERT)
    npm = tmp_path / "npm"
    for script, told in (
        ("#!/bin/sh\nkill -9 $$\n", "killed by signal 9"),
        ("#!/bin/sh\necho no network >&2; exit 1\n", "no network"),
        ("#!/nowhere/sh\n", "does not start"),
    ):
        npm.write_text(script)
        npm.chmod(0o755)
        with pytest.raises(EnvironmentFault, match=f"{told}.*--package FILE"):
            package.fetch(package.LITERT)
    assert not package.LITERT.folder.exists()


def test_what_a_browser_cannot_run_is_refused_before_the_first_visitor(runtimes, tmp_path):
    (tmp_path / "net.xml").write_bytes(b"x")
    (tmp_path / "net.onnx").write_bytes(b"x")
    for name in ("net.xml", "net.onnx", "absent.onnx"):
        with pytest.raises(BadInput, match=name):
            server.site([tmp_path / name])
    with pytest.raises(BadInput, match="gone"):
        server.site([], tmp_path / "gone.mp4")


def test_a_port_that_is_taken_is_named(url):
    port = int(url.rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(EnvironmentFault, match=f"{port}.*--port"):
        server.Server(server.site([]), port=port)
